"""MATLAB files up to version 7: arrays by their names, cells of sequences, labels that count from 1."""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from harmonium.data.archives import dense, from_names
from harmonium.data.arrays import Raw
from harmonium.errors import InputError

HEADER = 128  # bytes before the first element
MATRIX, COMPRESSED = 14, 15
TYPES = {*range(1, 8), 9, 12, 13, MATRIX, COMPRESSED, 16, 17, 18}  # of elements, as the format has them


def read_matlab(path: Path) -> Raw:
    """The arrays of a MATLAB file; cells of arrays are sequences, cells of text words.

    Labels that count from 1, as they do there, are counted from 0, and keep their numbers as names.

    Raises:
        InputError: a damaged file, other contents, or names that say nothing.
    """
    from scipy.io import loadmat
    from scipy.sparse import issparse

    try:
        if _damaged(path.read_bytes()):
            raise ValueError("a data type that does not exist")
        contents = {key: value for key, value in loadmat(path).items() if not key.startswith("__")}
    except Exception as error:  # loadmat raises whatever its parser trips over
        raise InputError(
            f"{str(path)!r} is not a MATLAB v5 file, or is damaged: save it with -v7 or as .npy."
        ) from error
    contents = {
        key: dense(value, path) if issparse(value) else _uncelled(value, path) for key, value in contents.items()
    }
    raw = _counted_from_0(from_names(contents, path))
    return replace(raw, notes=(*raw.notes, *_lying(raw)))


def _uncelled(value: np.ndarray, path: Path) -> object:
    """A cell array as a list of its arrays, or as words; another array as it is."""
    from scipy.sparse import issparse

    if value.dtype.kind != "O":
        return value
    cells = [dense(cell, path) if issparse(cell) else np.asarray(cell) for cell in value.ravel()]
    if all(cell.dtype.kind == "U" and cell.size <= 1 for cell in cells):
        return np.array(["".join(cell.ravel()) for cell in cells])
    return cells


def _counted_from_0(raw: Raw) -> Raw:
    """Labels of a language that counts from 1."""
    if any(isinstance(values, list) for values in raw.labels.values()):  # cells, which are refused as labels
        return raw
    marks = {split: np.asarray(values) for split, values in raw.labels.items()}
    numbers = [values for values in marks.values() if values.dtype.kind in "iuf" and values.size]
    if not marks or len(numbers) < len(marks):
        return raw
    highest, rows = max(values.max() for values in numbers), sum(values.size for values in numbers)
    whole = all((values == np.floor(values)).all() and values.min() >= 1 for values in numbers)
    if not whole or highest > max(rows, 1000):  # which is refused, with its cure, where classes are made of it
        return raw
    names = raw.class_names or tuple(str(label) for label in range(1, int(highest) + 1))
    labels = {split: values.astype(np.int64) - 1 for split, values in marks.items()}
    note = f"labels count from 1 to {highest:.0f} in the file, and from 0 here"
    return replace(raw, labels=labels, class_names=names, notes=(*raw.notes, note))


def _lying(raw: Raw) -> list[str]:
    """What is said of an array whose last axis is the longest: there, examples often are columns."""
    shape = np.shape(raw.arrays["train"])
    if raw.ragged or len(shape) < 2 or shape[-1] <= shape[0]:
        return []
    each = f"{shape[1]} columns" if len(shape) == 2 else "x".join(map(str, shape[1:]))
    return [f"taken as {shape[0]} rows of {each}: move the last axis to the front if it counts the examples"]


def _damaged(content: bytes) -> bool:
    """Whether a file of version 5 has an element of a type that there is not, on which SciPy's parser crashes."""
    if content[126:128] not in (b"MI", b"IM"):
        return False  # another version
    order = "little" if content[126:128] == b"IM" else "big"
    return not _sound(content, HEADER, len(content), order)


def _sound(content: bytes, start: int, end: int, order: str) -> bool:
    """Whether all elements from one place to another, and those within them, have a type that there is.

    An element is its type and size, four bytes each, and its content, which ends at a multiple of eight bytes; or, if
    it is small, two bytes each and four of content. What is cut short is left to the parser, which says so.
    """
    while start + 8 <= end:
        kind, size = (int.from_bytes(content[at : at + 4], order) for at in (start, start + 4))
        small = kind >> 16 > 0
        if (kind & 0xFFFF if small else kind) not in TYPES:
            return False
        if kind == MATRIX and not _sound(content, start + 8, min(start + 8 + size, end), order):
            return False
        if kind == COMPRESSED:
            inner = zlib.decompress(content[start + 8 : start + 8 + size])
            if not _sound(inner, 0, len(inner), order):
                return False
        start += 8 if small else 8 + size + (-size % 8 if kind != COMPRESSED else 0)
    return True
