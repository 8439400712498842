"""Splits that come as files side by side: `x.train.data`, `x.valid.data`, `x.test.data` and the like."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from harmonium.data.arrays import Raw
from harmonium.data.names import SPLIT_NAMES
from harmonium.errors import InputError

# Files called `ts` are training rows, as in the benchmarks of density estimation, where a file `test` lies beside them.
WORDS = {split: tuple(name for name in SPLIT_NAMES[split] if name != "ts") for split in ("valid", "test")}
_TRAIN = re.compile(r"(?<=[._-])ts(?=\.)|(?:^|(?<=[._-]))(?:training|train|trn|tr)(?=[._-])", re.IGNORECASE)


def siblings(path: Path) -> dict[str, Path]:
    """The files beside a file of training rows that are named alike, for `valid` and `test`; empty if there are none.

    Training rows are called `train` in a file's name, between points, hyphens and underscores (or `ts`, as the
    benchmarks of density estimation have it).

    Raises:
        InputError: two files for one split.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()); (folder / "x.test.data").touch()
    >>> {split: path.name for split, path in siblings(folder / "x.train.data").items()}
    {'test': 'x.test.data'}
    """
    for word in _TRAIN.finditer(path.name):
        found = {split: _named(path, word, words) for split, words in WORDS.items()}
        if any(found.values()):
            return {split: path for split, path in found.items() if path is not None}
    return {}


def _named(path: Path, word: re.Match[str], words: Sequence[str]) -> Path | None:
    cased = str.upper if word[0].isupper() else str.capitalize if word[0][0].isupper() else str
    names = [path.name[: word.start()] + cased(other) + path.name[word.end() :] for other in words]
    there = [path.with_name(name) for name in names if path.with_name(name).is_file()]
    if len(there) > 1:
        raise InputError(
            f"{there[0].name!r} and {there[1].name!r} lie beside {path.name!r}: rename or move one of them."
        )
    return next(iter(there), None)


def train_file(folder: Path, readable: Callable[[Path], bool]) -> Path | None:
    """The one file of training rows in a folder that has siblings; None if there is none.

    Raises:
        InputError: if there are several.
    """
    found = [path for path in sorted(folder.iterdir()) if readable(path) and path.is_file() and siblings(path)]
    if len(found) > 1:
        raise InputError(f"{str(folder)!r} holds {found[0].name!r} and {found[1].name!r}: give the one to train on.")
    return next(iter(found), None)


def begun_with(path: Path) -> Path | None:
    """The first file of training rows with siblings whose name begins with a path that is none itself."""
    there = sorted(path.parent.glob(f"{glob.escape(path.name)}[._-]*")) if path.name and path.parent.is_dir() else []
    return next((file for file in there if siblings(file)), None)


def joined(path: Path, parts: dict[str, Raw]) -> Raw:
    """One data set of files that hold a split each; columns are put into the order of the training rows by their names.

    Args:
        path: of the training rows.
        parts: what the files hold, "train" among them.

    Raises:
        InputError: a file with splits of its own, or names of columns that differ.
    """
    train, notes = parts["train"], []
    arrays, labels = {}, {}
    for split, part in parts.items():
        if len(part.arrays) > 1:
            raise InputError(f"{path.name!r} or a file beside it has splits of its own: move the others elsewhere.")
        order = None if split == "train" else _order(path, split, train.columns, part.columns)
        arrays[split] = part.arrays["train"] if order is None else np.asarray(part.arrays["train"])[:, order]
        labels |= {split: part.labels["train"]} if "train" in part.labels else {}
        notes += [f"columns of the {split} rows stand in another order and were sorted by name"] if order else []
        notes += [note for note in part.notes if note not in train.notes and split != "train"]
    return replace(train, arrays=arrays, labels=labels, notes=(*train.notes, *notes))


def _order(path: Path, split: str, names: Sequence[str] | None, other: Sequence[str] | None) -> list[int] | None:
    """Where the columns of one file stand in another; None where they stand alike."""
    if names == other:
        return None
    if names is None or other is None or sorted(names) != sorted(other) or len(set(names)) < len(names):
        missing = [name for name in names or () if name not in (other or ())]
        extra = [name for name in other or () if name not in (names or ())]
        differ = f" (not in it: {', '.join(missing[:3])})" if missing else f" (only in it: {', '.join(extra[:3])})"
        raise InputError(
            f"The columns of the {split} rows beside {path.name!r} have other names{differ}: give both files the same "
            f"columns, or move the {split} rows elsewhere if they belong to something else."
        )
    return [list(other).index(name) for name in names]
