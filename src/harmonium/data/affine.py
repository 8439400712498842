"""Where real columns stand: their mean and deviation in float64, and whether float32 could tell their values apart."""

from __future__ import annotations

import numpy as np

from harmonium.data.storage import blocks

Affine = tuple[tuple[float, ...], tuple[float, ...]]  # shift and scale of each column

RESOLVED = 1e-4  # of a column's deviation: what float32 may round its values by


def moments(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column of rows `[n, d]`, in float64; a constant column has the deviation 1.

    >>> [x.tolist() for x in moments(np.array([[1e9 + 1, 5.0], [1e9 + 3, 5.0]]))]
    [[1000000002.0, 5.0], [1.0, 1.0]]
    """
    n, first = len(rows), np.asarray(rows[0], np.float64)  # a constant column is its first value, to the last bit
    mean = first + sum(((block.astype(np.float64) - first) / n).sum(axis=0) for _, block in blocks(rows))
    reach = np.max([np.abs(block - mean).max(axis=0) for _, block in blocks(rows)], axis=0)
    unit = np.where(reach > 0, reach, 1.0)  # so that no square overflows
    square = sum((((block - mean) / unit) ** 2).sum(axis=0) for _, block in blocks(rows)) / n
    scale = unit * np.sqrt(square)
    return mean, np.where((reach > 0) & (scale > 0), scale, 1.0)


def resolves(mean: np.ndarray, deviation: np.ndarray) -> bool:
    """Whether float32 holds the means of columns to a ten-thousandth of their deviations.

    >>> resolves(np.array([101325.0]), np.array([50.0])), resolves(np.array([1.7e9]), np.array([3.0]))
    (True, False)
    """
    with np.errstate(over="ignore"):
        spacing = np.abs(np.spacing(mean.astype(np.float32)).astype(np.float64))
    return bool((spacing / 2 <= RESOLVED * deviation).all())


def float32_resolves(rows: np.ndarray) -> bool:
    """Whether float32 holds the values of each column of rows `[n, d]` to a ten-thousandth of its deviation.

    >>> float32_resolves(np.array([[1.0], [2.0]])), float32_resolves(np.array([[1.7e9], [1.7e9 + 1]]))
    (True, False)
    """
    if rows.dtype != np.float64:
        return True
    flat = rows.reshape(len(rows), -1)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        wrong = [np.abs(block - block.astype(np.float32)) for _, block in blocks(flat)]
        wrong = np.max([np.nan_to_num(part, posinf=np.inf).max(axis=0) for part in wrong], axis=0, initial=0.0)
        return bool((wrong == 0).all() or (wrong <= RESOLVED * moments(flat)[1]).all())
