"""Tables in text: comma, semicolon, tab or space separated, with or without a row of names."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np

from harmonium.errors import InputError


def read_text(path: Path) -> np.ndarray:
    """The numbers of a text table [n, d]; integers if every cell is one, an empty cell is NaN.

    A first row in which no cell is a number is taken for names and left out.

    Raises:
        InputError: no rows, rows of different lengths, or a cell that is not a number, with its line and
            column.
    """
    text = path.read_bytes().decode("utf-8-sig", errors="replace")
    if "\0" in text:
        raise InputError(f"{str(path)!r} is not a text table: give a text file, or name it by what it is.")
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    separator = _separator(lines[0][1]) if lines else None
    if lines and _is_header(_cells(lines[0][1], separator)):
        lines = lines[1:]
    if not lines:
        raise InputError(f"{str(path)!r} holds no row of numbers: give a table with at least one row.")
    table = _fast([line for _, line in lines], separator)
    return _careful(path, lines, separator) if table is None else table


def column_names(path: Path) -> list[str]:
    """The names in the first row of a text table; none where that row holds a number, or in a file that is no text."""
    if path.suffix.lower() not in (".csv", ".tsv", ".txt"):
        return []
    text = path.read_bytes().decode("utf-8-sig", errors="replace")
    first = next((line for line in text.splitlines() if line.strip()), "")
    cells = _cells(first, _separator(first))
    return cells if "\0" not in text and _is_header(cells) else []


def _separator(line: str) -> str | None:
    """The first of tab, semicolon and comma that occurs, or None for spaces."""
    return next((c for c in "\t;," if c in line), None)


def _cells(line: str, separator: str | None) -> list[str]:
    if separator is None:
        return line.split()
    return [cell.strip() for cell in next(csv.reader([line], delimiter=separator))]


def _is_header(cells: list[str]) -> bool:
    filled = [cell for cell in cells if cell]
    return bool(filled) and all(_number(cell) is None for cell in filled)


def _number(cell: str) -> float | None:
    try:
        return float(cell) if cell else np.nan
    except ValueError:
        return None


def _fast(lines: list[str], separator: str | None) -> np.ndarray | None:
    """The table by NumPy's parser, which is fast but knows no missing cells; None if it fails."""
    whole = not any(mark in line for line in lines for mark in ".eEnN")
    for dtype in [np.int64, np.float64] if whole else [np.float64]:
        try:
            return np.loadtxt(lines, dtype, delimiter=separator, comments=None, quotechar='"', ndmin=2)
        except ValueError:
            continue
    return None


def _careful(path: Path, lines: list[tuple[int, str]], separator: str | None) -> np.ndarray:
    """The table cell by cell: empty cells are NaN, anything else that is wrong is named."""
    rows, columns = [], len(_cells(lines[0][1], separator))
    for number, line in lines:
        cells = _cells(line, separator)
        if len(cells) != columns:
            raise InputError(
                f"{str(path)!r} has {len(cells)} columns in line {number} and {columns} in line "
                f"{lines[0][0]}: give every row the same number of columns."
            )
        values = [_number(cell) for cell in cells]
        if None in values:
            column = values.index(None)
            comma = re.fullmatch(r"[+-]?\d+,\d+", cells[column])
            cure = (
                f"write its decimal comma as a point ({cells[column].replace(',', '.')})"
                if comma
                else "write numbers, or leave the cell empty for a missing value"
            )
            raise InputError(
                f"{str(path)!r} holds {cells[column]!r} in line {number}, column {column + 1} (counted "
                f"from 1), which is not a number: {cure}."
            )
        rows.append(values)
    return np.array(rows, dtype=np.float64)
