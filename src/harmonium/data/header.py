"""Whether the first row of a text table holds names or numbers, where the names may be numbers themselves.

Words are names. Of a first row of whole numbers, the chance is asked that a row of the table would look so: increasing,
in equal steps, whole above fractions. It is small for what pandas and R write (0, 1, 2, ...) and for years.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from harmonium.data.cells import is_number

PLAIN = re.compile(r"0|[1-9]\d{0,14}")  # as names that are numbers are written
# Chances of such a row below which it may hold names, does, does without a word, and does where names are unusual.
DOUBTED, NAMED, SURELY, SELDOM = 0.1, 0.05, 0.01, 0.001
YEARS = range(1800, 2101)


def numeric_names(first: Sequence[str], below: np.ndarray) -> tuple[bool, bool]:
    """Whether a first row without words holds names, of the rows `below` `[n, d]`; and whether that is in doubt.

    >>> numeric_names(["0", "1", "2"], np.full((30, 3), 5.1)), numeric_names(["0", "1"], np.array([[1, 1], [0, 1]]))
    ((True, False), (False, False))
    """
    values = _distinct(first)
    if values is None or not len(below) or below.shape[1] != len(values):
        return False, False
    ordinal = _ordinal(values)
    usual = ordinal or all(int(value) in YEARS for value in values)
    unlike = _unlike(values, below)
    strange = bool(unlike.any() if usual else unlike.all())
    chance = _chance(values, below)
    # Few columns start at 0 and 1 by nature, as a time does and what is measured over it: these must lie far off.
    apart = len(values) > 2 or (usual and _far(values, below).all())
    again = bool((below == values).all(axis=1).any())  # such a row is one among others, as in a table of rankings
    if apart and not again and (strange or ordinal) and chance < (NAMED if usual else SELDOM):
        return True, chance > (SURELY if strange else SELDOM)
    return False, chance < DOUBTED and (strange or (ordinal and len(values) > 2))


def mixed_names(first: Sequence[str], below: np.ndarray) -> bool:
    """Whether a first row of words and numbers holds names, of the rows `below` `[n, d]`: its numbers are in order, or
    each is unlike what its column holds.

    >>> mixed_names(["age", "2020"], np.full((9, 2), 2.0)), mixed_names(["1", "b"], np.ones((9, 2)))
    (True, False)
    """
    at = [place for place, cell in enumerate(first) if is_number(cell)]
    values = _distinct([first[place] for place in at])
    if values is None or not len(below):
        return False
    return (len(at) > 2 and _ordinal(values)) or bool(_unlike(values, below[:, at]).all())


def _distinct(cells: Sequence[str]) -> np.ndarray | None:
    """Whole numbers of which no two are the same, or None."""
    if not cells or len(set(cells)) < len(cells) or not all(PLAIN.fullmatch(cell) for cell in cells):
        return None
    return np.array([int(cell) for cell in cells], np.float64)


def _ordinal(values: np.ndarray) -> bool:
    """Whether they count from 0 or from 1."""
    return values[0] in (0, 1) and bool((np.diff(values) == 1).all())


def _chance(values: np.ndarray, below: np.ndarray) -> float:
    """That a row of the table is as the first: whole, and increasing and in equal steps if that is."""
    alike = ((below == np.floor(below)) | np.isnan(below)).all(axis=1)
    with np.errstate(invalid="ignore", over="ignore"):  # of infinities, which are refused later
        steps, found = np.diff(values), np.diff(below, axis=1)
    rising = bool((steps > 0).all())
    if rising and len(steps):
        even = _ordinal(values) or (len(steps) > 1 and bool((steps == steps[0]).all()))
        alike &= (np.isnan(found) | (found == steps[0] if even else found > 0)).all(axis=1)
    seen = int(alike.sum())
    order = math.factorial(min(len(values), 20)) if rising and not seen else 1
    return (1 + seen) / (len(below) + 1) / order


def _unlike(values: np.ndarray, below: np.ndarray) -> np.ndarray:
    """By column, whether the value is whole where most others are not, or far from all of them."""
    known = ~np.isnan(below)
    broken = ((below != np.floor(below)) & known).sum(axis=0) > 0.5 * known.sum(axis=0)
    return broken | _far(values, below)


def _far(values: np.ndarray, below: np.ndarray) -> np.ndarray:
    """By column, whether the value lies as far from all others, at least, as these (three or more) from each other."""
    known = ~np.isnan(below)
    lowest = np.where(known, below, np.inf).min(axis=0)
    highest = np.where(known, below, -np.inf).max(axis=0)
    gap = np.maximum(lowest - values, values - highest)
    with np.errstate(invalid="ignore", over="ignore"):
        return (known.sum(axis=0) > 2) & (gap > 0) & (gap >= highest - lowest)
