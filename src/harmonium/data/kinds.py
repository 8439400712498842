"""What the columns of a table hold: zeros and ones, codes of categories, or measurements."""

from __future__ import annotations

import numpy as np

from harmonium.data.storage import blocks

MOST_STATES = 64  # beyond which whole numbers are taken for measurements and not for codes
ROWS_A_STATE = 5  # rows, at least, for each code: fewer are a count or an age, of which each value is rare


def column_states(*tables: np.ndarray) -> list[int | None]:
    """How many states each column of rows `[n, d]` has; None where it holds measurements.

    A column of zeros and ones has two. Whole numbers 0 to K - 1 are codes of K categories where K is at most 64, more
    than half of them occur, and there are five rows, at least, for each; other numbers are measurements. The rows may
    come in parts, such as splits: all are asked, so that a code is one which only held-out rows have.

    >>> column_states(np.array([[0, 0, 0.5], [1, 1, 2], [1, 2, 7]] * 9))
    [2, 3, None]
    """
    parts = [_surveyed(table) for table in tables]
    lowest, highest, seen = (np.stack(part) for part in zip(*parts, strict=True))
    lowest, highest, seen, n = lowest.min(axis=0), highest.max(axis=0), seen.any(axis=0), sum(map(len, tables))
    return [
        None if low < 0 else _states(int(high), int(found.sum()), n)
        for low, high, found in zip(lowest, highest, seen.T, strict=True)
    ]


def _states(highest: int, found: int, n: int) -> int | None:
    """States of a column of whole numbers of which `found` different ones occur in `n` rows."""
    if highest <= 1:
        return 2
    states = highest + 1
    return states if 2 * found > states and n >= ROWS_A_STATE * states else None


def _surveyed(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The lowest and highest value of each column (-1 as the lowest where it holds no codes), and which codes occur."""
    d = rows.shape[1]
    lowest, highest, seen = np.full(d, np.inf), np.full(d, -np.inf), np.zeros((MOST_STATES, d), bool)
    for _, block in blocks(rows):
        codes = (block >= 0) & (block < MOST_STATES) & (block == np.floor(block))
        ends = (block.min(axis=0).astype(float), block.max(axis=0).astype(float))  # bytes hold no -1
        lowest = np.minimum(lowest, np.where(codes.all(axis=0), ends[0], -1.0))
        highest = np.maximum(highest, np.where(lowest < 0, 0.0, ends[1]))
        for code in range(int(highest.max()) + 1):
            seen[code] |= (block == code).any(axis=0)
    return lowest, highest, seen
