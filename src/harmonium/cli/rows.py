"""Rows that a finished run is given or gives: read, put in the run's order of columns, and taken block by block."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from harmonium import data as datasets
from harmonium.data import Whole
from harmonium.data.columns import places
from harmonium.data.files import read
from harmonium.data.storage import release
from harmonium.errors import HarmoniumError, InputError
from harmonium.training import RunFolder
from harmonium.units import Unit, real_columns

BLOCK_ROWS = 1000  # a block's chains run side by side: enough to fill a processor, soon enough done to say so
BLOCK_ROWS_GPU = 10_000
BLOCK_BYTES = 2**28  # of all layers together
SHOWN = 8  # names of columns in a sentence


@dataclass(frozen=True)
class Given:
    """Rows of a person's file `[n, d]` and their names, in the file's own order of columns.

    `places` says where in them the columns of training lie, or is None where they are in order; `notes`, what the
    reader left out or assumed.
    """

    rows: np.ndarray
    names: Sequence[str]
    places: list[int] | None
    notes: Sequence[str] = ()

    def blocks(self, size: int) -> Iterator[tuple[int, np.ndarray]]:
        """Blocks of `size` rows in the order of training, each with the number of its first row; the last is filled up
        by its last row, so that all have one shape."""
        for first in counted(len(self.rows), size):
            rows = np.asarray(self.rows[first : first + size])
            rows = rows if self.places is None else rows[:, self.places]
            yield first, np.concatenate([rows, np.repeat(rows[-1:], size - len(rows), axis=0)])
            release(self.rows)

    def in_own_order(self, rows: np.ndarray) -> np.ndarray:
        """Rows in the order of training, put back into that of the file."""
        return rows if self.places is None else rows[:, np.argsort(self.places)]

    @contextmanager
    def counting_from(self, first: int) -> Iterator[None]:
        """What is refused of a block says where its rows and columns are counted from, if not as in the file."""
        try:
            yield
        except HarmoniumError as error:
            rows = [f"rows from row {first} of the file"] if first else []
            columns = ["columns in the order of training"] if self.places is not None else []
            if not rows + columns:
                raise
            raise type(error)(f"{error} (Counted are {' and '.join(rows + columns)}.)") from error

    def said(self) -> str:
        """What the reader left out or assumed, and what was done to the order of columns, in lines of their own."""
        moved = [] if self.places is None else ["columns were taken by their names, in another order than at training"]
        return "".join(f"\n{line}" for line in [*self.notes, *moved])


def given_rows(folder: RunFolder, unit: Unit, source: Path) -> Given:
    """The rows of a file for a run, checked for their columns. Raises `InputError` for those of another table."""
    raw = read(source, missing=True, like=folder.columns or None)
    if len(raw.arrays) > 1:
        raise InputError(f"'{source}' holds {len(raw.arrays)} splits where one table is needed: save that one as .npy.")
    rows, names = np.asanyarray(raw.arrays["train"]), raw.columns or ()
    if rows.dtype.kind not in "biuf":
        raise InputError(f"'{source}' holds no numbers ({rows.dtype}): give rows of numbers, NaN where one is missing.")
    rows = rows.reshape(len(rows), -1) if rows.ndim > 2 else np.atleast_2d(rows)
    found = places(folder.columns, names, str(source))
    if rows.shape[1] != unit.size or not len(rows):
        raise InputError(
            f"The run was trained on {unit.size} columns, but '{source}' has {rows.shape[1]} in {len(rows)} rows: give "
            "it rows of the same columns."
        )
    return Given(rows, names, found, raw.notes)


def block_rows(model: Any, n: int) -> int:
    """How many of `n` rows are taken at a time: a number that depends on the model and not on what the memory has
    free, so that the same command writes the same file."""
    width = sum(layer.width for layer in model.layers.values())
    rows = BLOCK_ROWS if jax.default_backend() == "cpu" else BLOCK_ROWS_GPU
    return min(n, max(1, min(rows, BLOCK_BYTES // (4 * width))))


def counted(n: int, size: int) -> Iterator[int]:
    """The first row of each block, with a bar on a terminal where there are several."""
    with _bar(n, sys.stderr.isatty() and n > size) as done:
        for first in range(0, n, size):
            yield first
            done(min(size, n - first))


@contextmanager
def _bar(n: int, enabled: bool) -> Iterator[Any]:
    if not enabled:
        yield lambda rows: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (MofNCompleteColumn(), TextColumn("rows"), BarColumn(bar_width=24), TextColumn("left"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("rows", total=n)
        yield lambda rows: bar.advance(task, rows)


class OwnUnits:
    """The way from a run's table to its model and back: shift and scale of real columns, whole numbers kept whole."""

    def __init__(self, folder: RunFolder, unit: Unit) -> None:
        affine, self.names = folder.affine, folder.columns
        self.affine = None if affine[0] is None else affine
        self._exact = self.affine is not None or unit.scaled
        self.whole: Whole = folder.whole.among(real_columns(unit))

    def to_model(self, rows: np.ndarray) -> np.ndarray:
        """Rows of the table as the model takes them."""
        return datasets.at_model_scale(rows, self.affine)

    def to_table(self, rows: Any) -> np.ndarray:
        """Rows of the model in the units of the table."""
        return datasets.rounded(datasets.in_own_units(np.asarray(rows), self.affine), self.whole)

    @property
    def cell_bytes(self) -> int:
        """Of a number in a .npy file."""
        return 8 if self._exact else 4

    def said(self) -> str:
        """What was rounded, as a line of its own."""
        if not self.whole.columns:
            return ""
        named = [named_column(self.names, i) for i in self.whole.columns]
        more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
        counts = " (not below 0 where training never is)" if self.whole.counts else ""
        return f"\nrounded to whole numbers, as in training{counts}: {', '.join(named[:SHOWN])}{more}"


def named_column(names: Sequence[str], place: int) -> str:
    """A column as a sentence names it, counted from 0 where it has no name.

    >>> named_column(["age"], 0), named_column([], 0)
    ("'age'", 'column 0')
    """
    return f"'{names[place]}'" if names else f"column {place}"
