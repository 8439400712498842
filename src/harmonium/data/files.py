"""A person's own data: one reader for each kind of file, chosen by the file's ending."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from harmonium.data import storage
from harmonium.data.archives import read_npz
from harmonium.data.arrays import Raw
from harmonium.data.classes import words_of
from harmonium.data.folders import ENDINGS
from harmonium.data.idx import read_idx
from harmonium.data.matlab import read_matlab
from harmonium.data.official import joined, siblings, train_file
from harmonium.data.pictures import read_folder
from harmonium.data.text import is_matlab, read_text
from harmonium.errors import InputError


def read(path: Path, *, header: bool | None = None, missing: bool = False, like: Sequence[str] | None = None) -> Raw:
    """What a file or folder holds, unchanged.

    Args:
        path: of the file or folder.
        header: whether the first row of a text table holds names; None to find out.
        missing: whether its cells may be missing (NaN); other files hold NaN as they do.
        like: names to compare its first row with.

    Raises:
        InputError: if there is no such file, no reader for its ending, or it is not what its ending says.
    """
    if path.is_dir():
        return read_folder(path)
    if not path.is_file():
        raise InputError(f"There is no file or folder {str(path)!r}: check the path.")
    reader = _reader(path)
    if reader is None:
        hint = "give the folder the picture is in" if path.suffix.lower() in ENDINGS else "convert it to .npy or .csv"
        raise InputError(
            f"{str(path)!r} has an ending that is not read: {hint} "
            "(read are .npy, .npz, .csv, .tsv, .txt, .data, .amat, .mat, IDX files, and folders of pictures)."
        )
    if reader is _read_text:
        return reader(path, header, missing, like)
    if header is not None:
        raise InputError(f"{str(path)!r} is no text table, and has no row of names: leave out header={header}.")
    return reader(path)


def _reader(path: Path) -> Callable[..., Raw] | None:
    return next((reader for ending, reader in _READERS.items() if re.search(ending, path.name.lower())), None)


def read_splits(path: Path, *, header: bool | None = None) -> Raw:
    """What a file holds with those beside it that are named as its validation and test rows; or such files of a folder.

    Raises:
        InputError: as `read`, or if the files do not fit together.
    """
    train = train_file(path, lambda file: _reader(file) is not None) if path.is_dir() else path
    others = siblings(train) if train is not None and train.is_file() else {}
    if not others:
        return read(path, header=header)
    parts = {"train": read(train, header=header)}
    parts |= {split: read(file, header=header, like=parts["train"].columns) for split, file in others.items()}
    raw = joined(train, parts)
    beside = " and ".join(f"{file.name} ({split})" for split, file in others.items())
    return replace(raw, notes=(f"rows of {beside} are held out", *raw.notes))


def read_array(path: Path) -> np.ndarray:
    """The one array of a file, as it is; NaN and empty cells stay NaN, for `impute` and for labels.

    Raises:
        InputError: as `read`, or if the file holds several splits.
    """
    arrays = read(path, missing=True).arrays
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
        with np.errstate(over="ignore"):  # of the size of a shape that no array has
            array = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # NumPy parses the head as Python, and raises whatever that trips over
        if "python objects" in str(error).lower():
            raise InputError(
                f"{str(path)!r} holds Python objects, which could run code: save an array of numbers."
            ) from error
        raise InputError(
            f"{str(path)!r} is not a .npy file of numbers, or is cut short: save it again with np.save."
        ) from error
    return Raw({"train": array if array.nbytes > storage.RESIDENT_BYTES else np.array(array)})


def _read_text(path: Path, header: bool | None, missing: bool, like: Sequence[str] | None) -> Raw:
    if is_matlab(path):
        return read_matlab(path)
    table = read_text(path, header=header, missing=missing, like=like)
    return Raw({"train": table.rows}, columns=table.columns, notes=table.notes)


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
