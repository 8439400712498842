"""A person's own data: one reader for each kind of file, chosen by the file's ending."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from harmonium.data import storage
from harmonium.data.archives import read_npz
from harmonium.data.arrays import Raw
from harmonium.data.classes import words_of
from harmonium.data.folders import ENDINGS
from harmonium.data.idx import read_idx
from harmonium.data.matlab import read_matlab
from harmonium.data.pictures import read_folder
from harmonium.data.text import column_names, read_text
from harmonium.errors import InputError


def read(path: Path) -> Raw:
    """What a file or folder holds, unchanged.

    Raises:
        InputError: if there is no such file, no reader for its ending, or it is not what its ending says.
    """
    if path.is_dir():
        return read_folder(path)
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


def read_labels(path: Path) -> np.ndarray:
    """The labels in a file: numbers, or words.

    Raises:
        InputError: as `read_array`.
    """
    words = words_of(path)
    return read_array(path) if words is None else words


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


def _read_text(path: Path) -> Raw:
    with path.open("rb") as file:
        start = file.read(6)
    if start == b"MATLAB":
        return read_matlab(path)
    return Raw({"train": read_text(path)}, columns=tuple(column_names(path)) or None)


def _read_idx(path: Path) -> Raw:
    array = read_idx(path)
    return Raw({"train": array}, divisor=255.0 if array.dtype == np.uint8 and array.ndim > 2 else None)


_READERS = {
    r"\.npy$": _read_npy,
    r"\.npz$": read_npz,
    r"\.mat$": read_matlab,
    r"(\.idx|idx\d-ubyte)(\.gz)?$": _read_idx,
    r"\.(csv|tsv|txt|data|dat|amat)$": _read_text,
}
