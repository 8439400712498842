"""Tables in text: comma, semicolon, tab or space separated, with or without a row of names."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harmonium.data.cells import column_of, cure, is_number, is_word, written_whole
from harmonium.data.header import mixed_names, numeric_names
from harmonium.data.lines import Record, cells_of, decoded, records, separator_of, uncommented
from harmonium.data.text_table import (
    Table,
    counts_up,
    distinct_whole,
    refuse_holes,
    warn_of_numbers,
    with_integers,
    without_unnamed,
)
from harmonium.errors import InputError

TEXT = re.compile(r"\.(csv|tsv|txt|data|dat|amat)$", re.IGNORECASE)
_LONGEST = 40  # characters of a wrong cell that a message shows


def read_text(
    path: Path, *, header: bool | None = None, like: Sequence[str] | None = None, missing: bool = True
) -> Table:
    """The numbers of a text table, and the names of its columns.

    A first row of words holds names; one of whole numbers does where no other row is like it. Empty cells, NA, NaN and
    the like are missing. An index without a name is left out, and so are empty columns at the end.

    Args:
        path: of the file: UTF-8, UTF-16 with its mark, or Windows-1252.
        header: whether the first row holds names; None to find out.
        like: names to compare the first row with: it holds names if it is these, in any order.
        missing: whether cells may be missing, as where gaps are to be filled.

    Raises:
        InputError: no rows, rows of different lengths, or a cell that is not a number, with its line and
            column.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "x.csv"; _ = path.write_text("a,b\\n1,2\\n3,NA\\n")
    >>> table = read_text(path); table.columns, table.rows.tolist()
    (('a', 'b'), [[1.0, 2.0], [3.0, nan]])
    """
    text, assumed = decoded(path)
    lines, left_out = uncommented(records(text, str(path)))
    filled = [(number, line) for number, line in lines if line.strip()]
    if not filled:
        raise InputError(f"{str(path)!r} holds no row of numbers: give a table with at least one row.")
    separator = separator_of([line for _, line in filled[:2]])
    found = _Lines(path, lines if separator == "\t" else filled, separator, missing)
    try:
        table = found.table(header, like, (*assumed, *left_out))
    except csv.Error as error:
        raise InputError(f"{str(path)!r} has a cell that cannot be read ({error}): write one number a cell.") from error
    table = with_integers(without_unnamed(table, missing=missing))
    if not missing:
        refuse_holes(path, table)
        warn_of_numbers(path, table)
    return table


def column_names(path: Path) -> list[str]:
    """The names of the columns of a text table; none where it has none, or in a file that is no text."""
    if not TEXT.search(path.name) or is_matlab(path):
        return []
    return list(read_text(path).columns or ())


def is_matlab(path: Path) -> bool:
    """Whether a file is one of MATLAB's, whatever its ending."""
    with path.open("rb") as file:
        return file.read(6) == b"MATLAB"


@dataclass(frozen=True)
class _Lines:
    """The lines of one file, how they are parted, and whether cells may be missing."""

    path: Path
    lines: list[Record]
    separator: str | None
    missing: bool

    def table(self, header: bool | None, like: Sequence[str] | None, notes: tuple[str, ...]) -> Table:
        """The numbers, with the names of the first row if that holds any."""
        first = cells_of(self.lines[0][1], self.separator)
        if header is None and like is not None and sorted(cell for cell in first if cell) == sorted(like):
            header = True
        if header is None and any(map(is_word, first)):
            header = self._words(first)
        found, said = self._numbers(int(bool(header))), ()
        if header is None:
            header, said = self._without_words(first, found.rows)
            found = replace(found, rows=found.rows[int(header) :], lines=found.lines[int(header) :])
        names, also = self._names(first, found.rows) if header else (None, ())
        return replace(found, columns=names, notes=(*notes, *said, *found.notes, *also))

    def _words(self, first: list[str]) -> bool:
        """Whether a first row with words in it holds names."""
        if not any(map(is_number, first)):
            return True
        if len(self.lines) == 1:
            return False
        below = self._numbers(1).rows
        return below.shape[1] != len(first) or mixed_names(first, below)

    def _without_words(self, first: list[str], rows: np.ndarray) -> tuple[bool, tuple[str, ...]]:
        """Whether a first row of numbers holds names, and what is to be said of it."""
        indexed = len(first) > 1 and not first[0] and distinct_whole(rows[1:, 0])
        first = first[indexed:]
        named, doubtful = numeric_names(first, rows[1:, indexed:])
        taken, other = ("names", "numbers") if named else ("numbers", "names")
        said = f"the first row ({', '.join(first[:4])}{', ...' * (len(first) > 4)}) is taken for {taken}"
        if doubtful:
            warnings.warn(
                f"{str(self.path)!r}: {said}: if it holds {other}, put a row of words above it, or load it with "
                f"header={not named}.",
                stacklevel=2,
            )
        as_pandas = first == [str(place) for place in range(len(first))]
        return named, (said,) if named or doubtful or as_pandas else ()

    def _numbers(self, start: int) -> Table:
        """The numbers from a record on."""
        if start == len(self.lines):
            raise InputError(f"{str(self.path)!r} holds no row of numbers: give a table with at least one row.")
        numbers = [number for number, _ in self.lines[start:]]
        rows = _fast([line for _, line in self.lines[start:]], self.separator)
        return self._careful(start, numbers) if rows is None else Table(rows, None, numbers, _places(rows))

    def _careful(self, start: int, numbers: Sequence[int]) -> Table:
        """The numbers cell by cell: what is wrong is named."""
        table = [cells_of(line, self.separator) for _, line in self.lines[start:]]
        for place, row in enumerate(table):
            if len(row) != len(table[0]):
                raise self._ragged(start + place, len(row), start, len(table[0]))
        cells = list(zip(*table, strict=True))
        columns = [column_of(column, self.separator) for column in cells]
        bad = [(place, column) for column, (_, place, _) in enumerate(columns) if place >= 0]
        if bad:
            row, column = min(bad)
            raise self._no_number(numbers[row], column, cells[column], row, first=start + row == 0)
        rows = np.column_stack([values for values, _, _ in columns])
        notes = tuple(f"commas in column {at} part thousands" for at, (_, _, commas) in enumerate(columns, 1) if commas)
        return Table(rows, None, numbers, _places(rows), notes, written_whole(table))

    def _ragged(self, place: int, width: int, other: int, expected: int) -> InputError:
        return InputError(
            f"{str(self.path)!r} has {width} columns in line {self.lines[place][0]} and {expected} in line "
            f"{self.lines[other][0]}: give every row the same number of columns."
        )

    def _no_number(self, line: int, column: int, cells: Sequence[str], row: int, *, first: bool) -> InputError:
        cell = cells[row]
        advice = cure(cell, cells, missing=self.missing)
        if first and len(cells) > 1 and not any(map(is_word, cells[1:])):
            advice = "give every column a name that is a word, or none"
        shown = repr(cell if len(cell) <= _LONGEST else cell[:_LONGEST] + "...")
        return InputError(
            f"{str(self.path)!r} holds {shown} in line {line}, column {column + 1} (counted from 1), which is not a "
            f"number: {advice}."
        )

    def _names(self, first: list[str], rows: np.ndarray) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """A name for each column, and what is to be said of them.

        One too few is what R writes above its index, and what comes of a separator at the end of each row.
        """
        width = rows.shape[1]
        if self.separator is None and width == 1:
            first = [" ".join(first)]
        if len(first) == width - 1 and np.isnan(rows[:, -1]).all():
            first = [*first, ""]
        elif len(first) == width - 1 and counts_up(rows[:, 0]):
            first = ["", *first]
        while len(first) > width and not first[-1]:
            first = first[:-1]
        if len(first) != width:
            raise self._ragged(1, width, 0, len(first))
        twice = sorted({name for name in first if name and first.count(name) > 1})
        return tuple(first), tuple(f"the name {name!r} stands over several columns" for name in twice)


def _places(rows: np.ndarray) -> range:
    return range(1, rows.shape[1] + 1)


def _fast(lines: list[str], separator: str | None) -> np.ndarray | None:
    """The table by NumPy's parser, which is fast but knows no missing cells; None if it fails."""
    whole = not any(mark in line for line in lines for mark in ".eEnN")
    for dtype in [np.int64, np.float64] if whole else [np.float64]:
        try:
            return np.loadtxt(lines, dtype, delimiter=separator, comments=None, quotechar='"', ndmin=2)
        except ValueError:
            continue
    return None
