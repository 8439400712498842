"""Columns of whole numbers that a model draws as real ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Num

from harmonium.data.storage import blocks

ALL = "all"


class Whole(NamedTuple):
    """Which columns hold nothing but whole numbers (`columns`), and those of them that are never negative (`counts`).

    >>> Whole((0, 2), (2,)).among([2, 3])
    Whole(columns=(2,), counts=(2,))
    """

    columns: tuple[int, ...] = ()
    counts: tuple[int, ...] = ()

    def among(self, some: list[int]) -> Whole:
        """Those of some columns alone."""
        return Whole(*(tuple(sorted(set(part) & set(some))) for part in self))

    def to_dict(self, size: int) -> dict[str, str | list[int]]:
        """What a record of `size` columns says: which they are, or that it is all of them, as of pictures.

        >>> Whole((0, 1), (1,)).to_dict(2)
        {'whole': 'all', 'counts': [1]}
        """
        parts = {"whole": self.columns, "counts": self.counts}
        return {name: ALL if size and len(part) == size else list(part) for name, part in parts.items()}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any], size: int) -> Whole:
        """The inverse of `to_dict`; a record that says nothing has none.

        >>> Whole.from_dict({"whole": "all", "counts": [1]}, 2)
        Whole(columns=(0, 1), counts=(1,))
        """
        parts = (record.get(name, ()) for name in ("whole", "counts"))
        return cls(*(tuple(range(size) if part == ALL else part) for part in parts))


NONE = Whole()


def whole_columns(rows: Num[np.ndarray, "n d"]) -> Whole:
    """The columns of rows `[n, d]` that hold whole numbers alone, and those of them without a negative one.

    >>> whole_columns(np.array([[18.0, 0.5, -3.0], [77.0, 2.0, 4.0]]))
    Whole(columns=(0, 2), counts=(0,))
    """
    whole, count = np.ones(rows.shape[1], bool), np.ones(rows.shape[1], bool)
    for _, block in blocks(rows):
        if block.dtype.kind == "f":
            whole &= (block == np.rint(block)).all(axis=0)
        count &= (block >= 0).all(axis=0)
    return Whole(*(tuple(np.flatnonzero(found).tolist()) for found in (whole, whole & count)))


def rounded(rows: Num[np.ndarray, "n d"], whole: Whole) -> Num[np.ndarray, "n d"]:
    """Rows with the nearest whole number in columns of whole numbers, and 0 for less in columns of counts.

    A model of real numbers draws ages of 17.3 and incomes below zero, which the table that it was trained on never
    holds. Arguments: `rows` `[n, d]`, in the units of the table; `whole`, as `whole_columns` finds it there.

    >>> rounded(np.array([[17.3, -0.2], [-4.0, 0.7]]), Whole((0,), (0,))).tolist()
    [[17.0, -0.2], [0.0, 0.7]]
    """
    rows = np.array(rows)
    columns, counts = list(whole.columns), list(whole.counts)
    rows[:, columns] = np.rint(rows[:, columns]) + 0  # for -0.2 is not -0
    rows[:, counts] = np.maximum(rows[:, counts], 0)
    return rows
