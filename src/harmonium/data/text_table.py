"""What a text table holds, without the columns that are no data: an index that pandas or R wrote, and empty ones."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harmonium.errors import InputError

_UNNAMED = re.compile(r"(Unnamed: \d+)?")  # as pandas calls the index of a file that it wrote, when it reads that
_ID = re.compile(r"((row|case|sample|patient|subject|record|user|customer)[ _.-]?)?(id|idx|index|no|nr|number)", re.I)
EXACT = 2**53  # below which a float64 holds every whole number
FEWEST = 10  # rows, below which a column counts up by chance


@dataclass(frozen=True)
class Table:
    """A text table.

    Attributes:
        rows: [n, d], int64 or float64; NaN is missing.
        columns: their names, or None.
        lines: of the file, from 1, in which the rows begin.
        places: in the file, from 1, of the columns.
        notes: what was left out or assumed, a sentence each.
        whole: whether each number is written as a whole one.
    """

    rows: np.ndarray
    columns: tuple[str, ...] | None
    lines: Sequence[int]
    places: Sequence[int]
    notes: tuple[str, ...] = ()
    whole: bool = False

    def named(self, column: int) -> str:
        """A column in words, by its place in the file and its name."""
        name = self.columns[column] if self.columns else ""
        return f"column {self.places[column]}" + f" ({name!r})" * bool(name)

    def kept(self, columns: slice, why: str) -> Table:
        """Only some of the columns, with a note of why."""
        names = None if self.columns is None else self.columns[columns]
        rows = np.ascontiguousarray(self.rows[:, columns])
        return replace(self, rows=rows, columns=names, places=self.places[columns], notes=(*self.notes, why))


def with_integers(table: Table) -> Table:
    """The table as int64 where each number is written as a whole one, none is missing and a float64 holds each."""
    rows = table.rows
    if rows.dtype.kind == "i" or not (table.whole and np.isfinite(rows).all() and np.abs(rows).max() < EXACT):
        return table
    return replace(table, rows=rows.astype(np.int64))


def without_unnamed(table: Table, *, missing: bool) -> Table:
    """The table without an index that has no name, and without empty columns at the end; its notes say so.

    Where cells may be `missing`, an empty column is left out only if it has no name beside others that have.

    >>> rows = np.array([[0, 5, 1], [1, 6, 0]])
    >>> kept = without_unnamed(Table(rows, ("", "a", "b"), [2, 3], [1, 2, 3]), missing=False)
    >>> kept.columns, kept.notes
    (('a', 'b'), ('the first column, which has no name and numbers the rows, was left out',))
    """
    while _ends_empty(table, missing):
        table = table.kept(slice(0, -1), f"column {table.places[-1]}, which is empty, was left out")
    names = table.columns
    if names and len(names) > 1 and _UNNAMED.fullmatch(names[0]) and distinct_whole(table.rows[:, 0]):
        table = table.kept(slice(1, None), "the first column, which has no name and numbers the rows, was left out")
    return table


def _ends_empty(table: Table, missing: bool) -> bool:
    width = table.rows.shape[1]
    unnamed = not missing if table.columns is None else table.columns[-1] == ""
    return width > 1 and unnamed and bool(np.isnan(table.rows[:, -1]).all())


def distinct_whole(values: np.ndarray) -> bool:
    """Whether values are whole numbers from 0 of which no two are the same.

    >>> distinct_whole(np.array([3.0, 1.0])), distinct_whole(np.array([1, 1])), distinct_whole(np.array([0.5]))
    (True, False, False)
    """
    whole = np.isfinite(values) & (values >= 0) & (values == np.floor(values))
    return bool(whole.all() and len(np.unique(values)) == len(values))


def counts_up(values: np.ndarray) -> bool:
    """Whether values count the rows from 0 or from 1.

    >>> counts_up(np.array([1.0, 2.0])), counts_up(np.array([5, 6]))
    (True, False)
    """
    return bool(values[0] in (0, 1) and (values == values[0] + np.arange(len(values))).all())


def warn_of_numbers(path: Path, table: Table) -> None:
    """Warn of columns that rather number the rows than are data: which count up by one from row to row, or hold whole
    numbers of which no two are the same under a name such as `id`."""
    rows = table.rows
    if len(rows) < FEWEST:
        return
    with np.errstate(over="ignore"):
        counted = (rows[1] - rows[0] == 1) & (rows[-1] - rows[0] == len(rows) - 1)
    names = table.columns or [""] * rows.shape[1]
    found = [
        table.named(column)
        for column, name in enumerate(names)
        if (counted[column] and counts_up(rows[:, column] - rows[0, column]))
        or (_ID.fullmatch(name) and distinct_whole(rows[:, column]))
    ]
    if found:
        which = ", ".join(found[:4]) + ", ..." * (len(found) > 4)
        warnings.warn(
            f"{str(path)!r}: {which} may only number the rows and {'is' if len(found) == 1 else 'are'} taken for data: "
            "leave out of the file what is none.",
            stacklevel=2,
        )


def refuse_holes(path: Path, table: Table) -> None:
    """Refuse missing and infinite cells. Raises `InputError` with the place of the first, in the file."""
    if table.rows.dtype.kind == "i" or (sound := np.isfinite(table.rows)).all():
        return
    row, column = np.argwhere(~sound)[0]
    place = f"in line {table.lines[row]}, {table.named(column)}"
    if np.isinf(table.rows[row, column]):
        raise InputError(f"{str(path)!r} holds infinity {place}: write a finite number, or leave that line out.")
    others = int(np.isnan(table.rows).sum()) - 1
    more = f", nor in {others} other cell{'s' * (others > 1)}" if others else ""
    raise InputError(
        f"{str(path)!r} holds no value {place}{more}: leave out the lines with missing cells, or fill these in before "
        "training (only rows that are to be filled in by `impute` may miss some)."
    )
