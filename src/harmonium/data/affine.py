"""Where real columns stand: their mean and deviation in float64, and whether float32 could tell their values apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float, Num

from harmonium.data.storage import blocks

Affine = tuple[tuple[float, ...], tuple[float, ...]]  # shift and scale of each column
Map = tuple[Any, Any]  # shift and scale, [d] or numbers each, of a table whose values were standardized or divided

ABSENT = -(2.0**100)  # in every entry of an absent frame of real values
RESOLVED = 1e-4  # of a column's deviation: what float32 may round its values by


def moments(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column of rows `[n, d]`, in float64; a constant column has the deviation 1.

    Entries of absent frames are left out.

    >>> [x.tolist() for x in moments(np.array([[1e9 + 1, 5.0], [1e9 + 3, 5.0]]))]
    [[1000000002.0, 5.0], [1.0, 1.0]]
    """
    n, first = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    for _, block in _present(rows):
        there = ~np.isnan(block)
        begins = np.take_along_axis(block, there.argmax(axis=0)[None], 0)[0]
        first = np.where((n == 0) & there.any(axis=0), begins, first)
        n += there.sum(axis=0)
    n = np.maximum(n, 1)
    mean = first + sum(np.nansum((block - first) / n, axis=0) for _, block in _present(rows))  # exact where constant
    away = [np.nan_to_num(np.abs(block - mean)).max(axis=0) for _, block in _present(rows)]
    reach = np.max(away, axis=0)
    unit = np.where(reach > 0, reach, 1.0)  # so that no square overflows
    square = sum(np.nansum(((block - mean) / unit) ** 2, axis=0) for _, block in _present(rows)) / n
    scale = unit * np.sqrt(square)
    return mean, np.where((reach > 0) & (scale > 0), scale, 1.0)


def _present(rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Blocks in float64, NaN where frames are absent."""
    for first, block in blocks(rows):
        block = np.asarray(block, np.float64)
        yield first, np.where(block == ABSENT, np.nan, block) if (block == ABSENT).any() else block


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


def in_own_units(rows: Num[np.ndarray, "n d"], affine: Map | None) -> Num[np.ndarray, "n d"]:
    """Rows of a model as the table has them, `x * scale + shift`, in double precision (as they are without a map).

    Arguments: `rows` `[n, d]`; `affine`, shift and scale. Returns float64: in float32, times of day beside a date would
    all be one number.

    >>> in_own_units(np.float32([[0.5]]), (20230101.0, 0.25)).tolist()
    [[20230101.125]]
    """
    if affine is None:
        return np.asarray(rows)
    shift, scale = (np.asarray(part, np.float64) for part in affine)
    return np.asarray(rows, np.float64) * scale + shift


def at_model_scale(rows: Num[np.ndarray, "n d"], affine: Map | None) -> Float[np.ndarray, "n d"]:
    """Rows of a table as a model is shown them, `(x - shift) / scale`: the inverse of `in_own_units`.

    >>> at_model_scale(np.array([[20230101.125]]), (20230101.0, 0.25)).tolist()
    [[0.5]]
    """
    rows = np.asarray(rows, np.float64)
    if affine is None:
        return rows
    shift, scale = (np.asarray(part, np.float64) for part in affine)
    return (rows - shift) / scale
