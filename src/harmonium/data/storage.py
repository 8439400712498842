"""Looking at arrays that may be larger than memory: block by block, and only once."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

RESIDENT_BYTES = 2**30  # a training set up to this size is kept on the device as one copy
BLOCK_BYTES = 2**24
GATHERED_ROWS = 64  # the system may map a large part of the file around each


def is_memmap(x: np.ndarray) -> bool:
    """Whether the values of `x` lie in a file, however many views were taken of it."""
    base: object = x
    while isinstance(base, np.ndarray):
        base = base.base
    return isinstance(base, mmap.mmap)


def blocks(x: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """The rows of `x` in blocks of about 16 MiB, each with the number of its first row."""
    rows = max(1, BLOCK_BYTES // max(1, x[:1].nbytes))
    for first in range(0, len(x), rows):
        yield first, np.asarray(x[first : first + rows])
        release(x)


def gather(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """`x[rows]`; from a file in ascending order and a few at a time, so that little of it is ever in memory.

    >>> gather(np.arange(10) ** 2, np.array([3, 1, 2]))
    array([9, 1, 4])
    """
    if not is_memmap(x):
        return x[rows]
    order = np.argsort(rows, kind="stable")
    found = np.empty((len(rows), *x.shape[1:]), x.dtype)
    for first in range(0, len(rows), GATHERED_ROWS):
        places = order[first : first + GATHERED_ROWS]
        found[places] = x[rows[places]]
        release(x)
    return found


def release(x: np.ndarray) -> None:
    """Let go of the pages of a file that were read for `x`; the system reads them again where they are needed.

    A copy-on-write map is left alone, for it holds changes that the file does not.
    """
    base: object = x
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap) and base.mode in ("r", "r+") and hasattr(mmap, "MADV_DONTNEED"):
            base._mmap.madvise(mmap.MADV_DONTNEED)
            return
        base = base.base


@dataclass(frozen=True)
class Survey:
    """What one pass over an array found: the range of its finite values, and where it is not finite."""

    lowest: float
    highest: float
    binary: bool  # every value that is not NaN is 0 or 1
    integer: bool  # the dtype is an integer's or bool
    nan: int = 0
    inf: int = 0
    first_bad: tuple[int, ...] | None = None  # index of the first NaN or infinity

    def joined(self, other: Survey) -> Survey:
        """The survey of both arrays together (the place of the first bad value is the first array's)."""
        return Survey(
            min(self.lowest, other.lowest),
            max(self.highest, other.highest),
            self.binary and other.binary,
            self.integer and other.integer,
            self.nan + other.nan,
            self.inf + other.inf,
            self.first_bad or other.first_bad,
        )


def survey(x: np.ndarray) -> Survey:
    """One pass over `x` [n, ...], in blocks.

    >>> survey(np.array([[0, 1], [1, 1]])).binary
    True
    """
    found = None
    for first, block in blocks(x):
        here = _survey_integers(block) if block.dtype.kind in "biu" else _survey_reals(block, first)
        found = here if found is None else found.joined(here)
    return found or Survey(np.inf, -np.inf, True, x.dtype.kind in "biu")


def _survey_integers(block: np.ndarray) -> Survey:
    lowest, highest = float(block.min()), float(block.max())
    return Survey(lowest, highest, lowest >= 0 and highest <= 1, True)


def _survey_reals(block: np.ndarray, first: int) -> Survey:
    finite = np.isfinite(block)
    whole = bool(finite.all())
    values = block if whole else block[finite]
    lowest, highest = (float(values.min()), float(values.max())) if values.size else (np.inf, -np.inf)
    nan = 0 if whole else int(np.isnan(block).sum())
    inf = 0 if whole else int((~finite).sum()) - nan
    binary = not inf and bool(((values == 0) | (values == 1)).all())
    bad = None if whole else np.argwhere(~finite)[0]
    place = None if bad is None else (first + int(bad[0]), *map(int, bad[1:]))
    return Survey(lowest, highest, binary, False, nan, inf, place)
