"""The cells of a text table: numbers, missing ones, and what is said of those that are neither."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

# As statistics programs write a missing value. Case counts: `Na` is sodium.
MISSING = frozenset(["", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "NULL", "None", "<NA>", "?"])
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")


def number(cell: str) -> float | None:
    """The number that a cell says, NaN where it says that one is missing, None where it is no number.

    Digits with underscores between, which Python's own `float` would take, are none.

    >>> number("1.5e3"), number("NA"), number("10_11")
    (1500.0, nan, None)
    """
    try:
        value = float(cell)
    except ValueError:
        return np.nan if cell in MISSING else None
    return value if cell.isascii() and "_" not in cell else None


def is_number(cell: str) -> bool:
    """Whether a cell is a number that is there.

    >>> is_number("2020"), is_number("NA"), is_number("age")
    (True, False, False)
    """
    value = number(cell)
    return value is not None and not np.isnan(value)


def is_word(cell: str) -> bool:
    """Whether a cell is neither a number nor the mark of a missing one.

    >>> is_word("2020"), is_word("NA"), is_word("age")
    (False, False, True)
    """
    return number(cell) is None


def grouped(cells: Sequence[str]) -> bool:
    """Whether commas part the thousands in a column: wherever one stands and in each number that needs one.

    >>> grouped(["1,000", "12", ""]), grouped(["1,000", "2000"]), grouped(["1,000", "1,5"])
    (True, False, False)
    """
    commas = [cell for cell in cells if "," in cell]
    others = [number(cell) for cell in cells if "," not in cell]
    return (
        bool(commas)
        and all(_THOUSANDS.fullmatch(cell) for cell in commas)
        and all(value is not None and not abs(value) >= 1000 for value in others)
    )


def column_of(cells: Sequence[str], separator: str | None) -> tuple[np.ndarray | None, int, bool]:
    """The numbers of a column's cells, the place of the first that is none, and whether commas part thousands.

    They are taken for that only where commas part the columns too: elsewhere a comma is rather a decimal one.
    """
    values = [number(cell) for cell in cells]
    if None not in values:
        return np.array(values, np.float64), -1, False
    if separator == "," and grouped(cells):
        return np.array([number(cell.replace(",", "")) for cell in cells], np.float64), -1, True
    return None, values.index(None), False


def written_whole(table: Sequence[Sequence[str]]) -> bool:
    """Whether every number in rows of cells is written as a whole one.

    >>> written_whole([["1", "NA"], ["20", ""]]), written_whole([["1.0"]])
    (True, False)
    """
    return not any(mark in cell for row in table for cell in row if cell not in MISSING for mark in ".eE")


def cure(cell: str, column: Sequence[str], *, missing: bool) -> str:
    """What to do about a cell that is no number, in a column of such cells; `missing` where one may be left empty.

    No cure changes a value: a comma that may part thousands is not called a decimal one.

    >>> cure("2,5", ["2,5", "1,000"], missing=False)
    'write its decimal comma as a point (2.5)'
    """
    if _THOUSANDS.fullmatch(cell) and all(_THOUSANDS.fullmatch(other) for other in column if "," in other):
        plain = cell.replace(",", "")
        if cell.count(",") > 1 or "." in cell or any(abs(number(other) or 0) >= 1000 for other in column):
            return f"write all numbers without commas between thousands ({plain})"
        return f"write {plain} if the comma parts thousands, and {cell.replace(',', '.')} if it is a decimal comma"
    if _DECIMAL_COMMA.fullmatch(cell):
        return f"write its decimal comma as a point ({cell.replace(',', '.')})"
    if any(character.isdigit() for character in cell):
        return "write a plain number such as 1234.5"
    empty = ", and leave cells empty where a value is missing" if missing else ""
    return f"write categories as codes 0, 1, 2 and so on, or leave the column out{empty}"
