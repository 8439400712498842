"""A person's own data: one reader for each kind of file, chosen by the file's ending."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from harmonium.data import storage
from harmonium.data.arrays import Raw
from harmonium.data.binarize import SPLITS
from harmonium.data.idx import read_idx
from harmonium.data.pictures import ENDINGS, read_pictures
from harmonium.data.text import column_names, read_text
from harmonium.errors import InputError

_DATA_KEYS = ("x", "X", "data")
_LABEL_KEYS = ("y", "labels")
# What np.load raises for a damaged archive, and (the last two) what comes of a .npy file that was named .npz.
_DAMAGED = (ValueError, OSError, EOFError, zlib.error, zipfile.BadZipFile, AttributeError, TypeError)


def read(path: Path) -> Raw:
    """What a file or folder holds, unchanged.

    Raises:
        InputError: if there is no such file, no reader for its ending, or it is not what its ending says.
    """
    if path.is_dir():
        pictures, labels = read_pictures(path)
        return Raw({"train": pictures}, {} if labels is None else {"train": labels}, divisor=255.0)
    if not path.is_file():
        raise InputError(f"There is no file or folder {str(path)!r}: check the path.")
    reader = next((reader for ending, reader in _READERS.items() if re.search(ending, path.name.lower())), None)
    if reader is None:
        hint = "give the folder the picture is in" if path.suffix.lower() in ENDINGS else "convert it to .npy or .csv"
        raise InputError(
            f"{str(path)!r} has an ending that is not read: {hint} "
            "(read are .npy, .npz, .csv, .tsv, .txt, .data, .amat, .mat, IDX files, and folders of pictures)."
        )
    return reader(path)


def read_array(path: Path) -> np.ndarray:
    """The one array of a file, as it is; NaN and empty cells stay NaN, for `impute` and for labels.

    Raises:
        InputError: as `read`, or if the file holds several splits.
    """
    arrays = read(path).arrays
    if len(arrays) > 1:
        raise InputError(f"{str(path)!r} holds {len(arrays)} splits where one array is needed: save that one as .npy.")
    return arrays["train"]


def _read_npy(path: Path) -> Raw:
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, OSError, EOFError, SyntaxError) as error:
        if "object" in str(error).lower():
            raise InputError(
                f"{str(path)!r} holds Python objects, which could run code: save an array of numbers."
            ) from error
        raise InputError(
            f"{str(path)!r} is not a .npy file of numbers, or is cut short: save it again with np.save."
        ) from error
    return Raw({"train": array if array.nbytes > storage.RESIDENT_BYTES else np.array(array)})


def _read_npz(path: Path) -> Raw:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            contents = {key: archive[key] for key in archive.files}
    except _DAMAGED as error:
        raise InputError(
            f"{str(path)!r} is not a .npz file of arrays of numbers: save it again with np.savez."
        ) from error
    return _from_mapping(_unpacked(contents), path)


def _unpacked(contents: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Bits packed by np.packbits(axis=1) are unpacked where the file says how many columns there are."""
    if "n_vars" not in contents:
        return contents
    count = int(contents["n_vars"])
    return {k: np.unpackbits(contents[k], axis=1, count=count) for k in SPLITS if k in contents}


def _from_mapping(contents: Mapping[str, np.ndarray], path: Path) -> Raw:
    """The arrays of named splits, or of x with y, or the only one."""
    if "train" in contents:
        arrays = {split: contents[split] for split in SPLITS if split in contents}
        labels = {split: contents[f"{split}_labels"] for split in arrays if f"{split}_labels" in contents}
        return Raw(arrays, labels)
    key = next((key for key in _DATA_KEYS if key in contents), None)
    if key is None and len(contents) == 1:
        (key,) = contents
    if key is None:
        raise InputError(
            f"{str(path)!r} holds {', '.join(sorted(contents)) or 'nothing'}: name the arrays train, "
            "valid and test, or x (and y)."
        )
    label = next((name for name in _LABEL_KEYS if name in contents and name != key), None)
    return Raw({"train": contents[key]}, {} if label is None else {"train": contents[label]})


def _read_text(path: Path) -> Raw:
    with path.open("rb") as file:
        start = file.read(6)
    if start == b"MATLAB":
        return _read_matlab(path)
    return Raw({"train": read_text(path)}, columns=tuple(column_names(path)) or None)


def _read_matlab(path: Path) -> Raw:
    from scipy.io import loadmat
    from scipy.sparse import issparse

    try:
        contents = {key: value for key, value in loadmat(path).items() if not key.startswith("__")}
    except Exception as error:  # loadmat raises whatever its parser trips over
        raise InputError(
            f"{str(path)!r} is not a MATLAB v5 file, or is damaged: save it with -v7 or as .npy."
        ) from error
    return _from_mapping({k: v.toarray() if issparse(v) else v for k, v in contents.items()}, path)


def _read_idx(path: Path) -> Raw:
    array = read_idx(path)
    return Raw({"train": array}, divisor=255.0 if array.dtype == np.uint8 and array.ndim > 2 else None)


_READERS = {
    r"\.npy$": _read_npy,
    r"\.npz$": _read_npz,
    r"\.mat$": _read_matlab,
    r"(\.idx|idx\d-ubyte)(\.gz)?$": _read_idx,
    r"\.(csv|tsv|txt|data|dat|amat)$": _read_text,
}
