"""Whitening by principal components: few uncorrelated numbers in place of the pixels of a patch, and the way back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Num

from harmonium.errors import InputError

NONE_LEFT = 1e-12  # of the largest variance: a direction that has less is one in which the rows do not differ


@dataclass(frozen=True, eq=False)
class Whitening:
    """The map `z = V^(-1/2) U^T (x - m)` to the `k` directions `U` of largest variance `V`, by the training rows.

    Attributes:
        mean: `m` `[d]`, of the training rows.
        matrix: `V^(-1/2) U^T` `[k, d]`, from pixels to whitened values: row `i` is what value `i` looks for.
        inverse: `U V^(1/2)` `[d, k]`, its pseudo-inverse: column `i` is the patch that value `i` adds.
        image_shape: of the patches.

    >>> rows = np.random.default_rng(0).normal(size=(50, 4)) * [3.0, 2.0, 1.0, 0.1]
    >>> white = whitening(rows, 2, (2, 2)); np.cov(white(rows).T).round(6) + 0.0
    array([[1., 0.],
           [0., 1.]])
    >>> white.filters(np.eye(2)).shape, white.patches(white(rows)).shape
    ((4, 2), (50, 4))
    """

    mean: Float[np.ndarray, " d"]
    matrix: Float[np.ndarray, "k d"]
    inverse: Float[np.ndarray, "d k"]
    image_shape: tuple[int, ...]

    def __call__(self, rows: Num[np.ndarray, "... d"]) -> Float[np.ndarray, "... k"]:
        """Whitened values of patches."""
        return (np.asarray(rows, np.float64) - self.mean) @ self.matrix.T

    def patches(self, rows: Num[np.ndarray, "... k"]) -> Float[np.ndarray, "... d"]:
        """The patches of whitened values, without what the other directions held."""
        return np.asarray(rows, np.float64) @ self.inverse.T + self.mean

    def filters(self, weights: Num[np.ndarray, "k h"]) -> Float[np.ndarray, "d h"]:
        """Weights on whitened values as weights on pixels: `w^T z = (matrix^T w)^T (x - m)`."""
        return self.matrix.T @ np.asarray(weights, np.float64)


def whitening(rows: Float[np.ndarray, "n d"], k: int, image_shape: tuple[int, ...]) -> Whitening:
    """The whitening of training rows to `k` dimensions, those of largest variance first.

    Each direction has the sign that makes its largest weight positive, so that every machine finds the same.

    Raises:
        InputError: rows that differ in fewer directions.
    """
    mean = rows.mean(axis=0)
    variances, directions = np.linalg.eigh((rows - mean).T @ (rows - mean) / (len(rows) - 1))
    variances, directions = variances[::-1][:k], directions[:, ::-1][:, :k]
    there = int((variances > NONE_LEFT * variances[0]).sum()) if variances[0] > 0 else 0
    if there < k:
        raise InputError(
            f"The {len(rows)} training rows differ in {there} directions, too few for whiten={k}: ask for more rows "
            "(count=) or fewer dimensions."
        )
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=0)[None], axis=0)
    directions = directions * np.sign(largest)
    deviation = np.sqrt(variances)
    return Whitening(mean, (directions / deviation).T, directions * deviation, image_shape)
