"""Files of several arrays: what each of them is, by the names that such arrays usually have; and .npz files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from harmonium.data import sequences
from harmonium.data.arrays import Raw
from harmonium.data.binarize import SPLITS
from harmonium.data.classes import listed
from harmonium.data.names import role_of
from harmonium.errors import InputError

CURE = "name the arrays train, valid and test, or x (and y), labels train_labels and so on, and leave others out"
SPARSE = {"format", "shape", "data"}  # some of the arrays in a file of scipy.sparse.save_npz
LARGEST = 2**33  # bytes of a sparse matrix that is written out


def read_npz(path: Path) -> Raw:
    """The arrays of a .npz file, or the matrix of one that scipy.sparse wrote.

    Raises:
        InputError: a damaged file, Python objects, or names that say nothing.
    """
    contents = _npz_contents(path)
    if contents.keys() >= SPARSE:
        return Raw({"train": dense(_sparse(path), path)})
    return from_names(contents, path)


def from_names(contents: Mapping[str, object], path: Path) -> Raw:
    """Arrays of splits, labels, lengths of sequences and names of classes, by what they are called (`role_of`).

    An array that is alone may have any name. Raises `InputError` for other names, none of which is dropped, and for two
    that mean the same.
    """
    if len(contents) == 1:
        contents = {"train": next(iter(contents.values()))}
    found: dict[tuple[str, str], str] = {}
    unknown = sorted(name for name in contents if role_of(name) is None)
    if unknown or not contents:
        raise InputError(f"{str(path)!r} holds {listed(sorted(contents)) or 'nothing'}{_of_which(unknown)}: {CURE}.")
    for name in contents:
        role = role_of(name)
        if role in found:
            raise InputError(
                f"{str(path)!r} holds {found[role]} and {name}, which mean the same: leave one of them out."
            )
        found[role] = name
    parts = {
        part: {split: contents[found[split, part]] for split in SPLITS if (split, part) in found}
        for part in ("data", "labels", "lengths")
    }
    _refuse_lonely(parts, found, path)
    for (_, part), name in found.items():
        if part in ("lengths", "columns") and isinstance(contents[name], list):
            raise InputError(f"{str(path)!r} holds cells as {name}, which are whole numbers: save them as an array.")
    single = {part: contents[found["train", part]] for part in ("columns", "class_names") if ("train", part) in found}
    return _assembled(parts, single, path)


def _of_which(unknown: list[str]) -> str:
    return f", of which {listed(unknown)} {'says' if len(unknown) == 1 else 'say'} nothing" if unknown else ""


def _refuse_lonely(parts: dict[str, dict[str, object]], found: Mapping[tuple[str, str], str], path: Path) -> None:
    """Refuse a file without training rows, and labels or lengths of rows that are not there."""
    rows = parts["data"].keys()
    if "train" not in rows:
        raise InputError(f"{str(path)!r} holds {listed(sorted(found.values()))} and no training rows: {CURE}.")
    for split, part in found:
        if part in ("labels", "lengths") and split not in rows:
            raise InputError(f"{str(path)!r} holds {found[split, part]} and no {split} rows: give both or neither.")


def _assembled(parts: dict[str, dict[str, object]], single: Mapping[str, object], path: Path) -> Raw:
    """The arrays with bits unpacked, sequences padded, and names of classes as text."""
    arrays, lengths, notes = parts["data"], parts["lengths"], []
    if "columns" in single:
        arrays = {split: _unpacked(rows, single["columns"], path) for split, rows in arrays.items()}
    ragged = {split: rows for split, rows in arrays.items() if isinstance(rows, list) or split in lengths}
    if ragged:
        for split in arrays.keys() - ragged.keys():
            raise InputError(f"The {split} rows of {path.name!r} have no lengths, and those of others have: give all.")
        cut = {split: _sequences(rows, lengths.get(split), split, path) for split, rows in arrays.items()}
        arrays = sequences.padded(cut, path.name)
        sizes = [len(sequence) for part in cut.values() for sequence in part]
        notes.append(f"sequences of {min(sizes)} to {max(sizes)} frames, absent ones {_mark(arrays)} throughout")
    names = _names(single["class_names"], path) if "class_names" in single else None
    return Raw(arrays, parts["labels"], notes=tuple(notes), class_names=names, ragged=bool(ragged))


def _names(words: object, path: Path) -> tuple[str, ...]:
    if isinstance(words, list) or np.asarray(words).dtype.kind not in "Uiu":
        raise InputError(
            f"{str(path)!r} holds names of classes that are no words: write them as text, or leave them out."
        )
    return tuple(str(word).strip() for word in np.ravel(words))


def _unpacked(rows: object, columns: object, path: Path) -> np.ndarray:
    """Rows of bits that np.packbits(axis=1) packed, of which the file says how many there are."""
    rows, columns = np.asarray(rows), np.ravel(columns)
    if rows.dtype != np.uint8 or rows.ndim != 2 or columns.dtype.kind not in "iu" or columns.size != 1:
        raise InputError(f"{str(path)!r} holds n_vars, but no rows of packed bits: leave n_vars out.")
    if not 0 < columns[0] <= 8 * rows.shape[1]:
        raise InputError(f"{str(path)!r} holds {8 * rows.shape[1]} bits a row, and n_vars is {columns[0]}: correct it.")
    return np.unpackbits(rows, axis=1, count=int(columns[0]))


def _mark(arrays: Mapping[str, np.ndarray]) -> str:
    return "-1" if arrays["train"].dtype == np.int8 else "-2^100"


def _sequences(rows: object, lengths: object, split: str, path: Path) -> list[np.ndarray]:
    if isinstance(rows, list):
        if lengths is not None:
            raise InputError(f"The {split} sequences of {path.name!r} are in cells: leave their lengths out.")
        return rows
    return sequences.cut(np.asarray(rows), np.asarray(lengths), f"the {split} rows of {path.name!r}")


def _npz_contents(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except Exception as error:  # np.load raises whatever the parsers of the archive and its arrays trip over
        if "object arrays" in str(error).lower():
            raise InputError(
                f"{str(path)!r} holds Python objects, which could run code: save arrays of numbers, and sequences of "
                "unlike length end to end as x [frames, width], with their lengths [n] as lengths."
            ) from error
        raise InputError(
            f"{str(path)!r} is not a .npz file of arrays of numbers: save it again with np.savez."
        ) from error


def _sparse(path: Path) -> object:
    from scipy.sparse import load_npz

    try:
        return load_npz(path)
    except Exception as error:  # it checks little, and raises what comes of that
        raise InputError(
            f"{str(path)!r} is no sparse matrix that can be read: save it again with scipy.sparse.save_npz."
        ) from error


def dense(matrix, path: Path) -> np.ndarray:
    """A sparse matrix written out. Raises `InputError` for one that is too large, or damaged."""
    size = int(np.prod(matrix.shape, dtype=object)) * matrix.dtype.itemsize
    if size > LARGEST:
        raise InputError(
            f"{str(path)!r} holds a sparse matrix of shape {matrix.shape}, which takes {size / 2**30:.0f} GiB with its "
            "zeros: keep fewer rows or columns."
        )
    try:
        if matrix.format in ("csr", "csc", "bsr"):
            matrix.check_format(full_check=True)  # without which places outside of it would be written to
    except ValueError as error:
        raise InputError(f"{str(path)!r} holds a damaged sparse matrix ({error}): save it again.") from error
    return matrix.toarray()
