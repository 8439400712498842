"""Where DRAW looks and writes: grids of Gaussian filters whose place, spacing and width follow from the decoder."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from harmonium.nets import Affine
from harmonium.units import limited


class Filters(NamedTuple):
    """A grid of filters on a picture: `rows` `[grid, height]`, `columns` `[grid, width]` and its `intensity`.

    >>> filters_at(jnp.zeros(5), 3, (4, 6)).columns.shape
    (3, 6)
    """

    rows: Float[Array, "grid height"]
    columns: Float[Array, "grid width"]
    intensity: Float[Array, ""]

    def read(self, picture: Float[Array, "channels height width"]) -> Float[Array, "channels grid grid"]:
        """What the grid sees of a picture: `gamma F_Y x F_X^T`, of each channel."""
        return self.intensity * jnp.stack([self.rows @ channel @ self.columns.T for channel in picture])

    def write(self, patch: Float[Array, "channels grid grid"]) -> Float[Array, "channels height width"]:
        """The picture that the grid makes of a patch: `F_Y^T w F_X / gamma`, of each channel."""
        return jnp.stack([self.rows.T @ channel @ self.columns for channel in patch]) / self.intensity


def filters_at(place: Float[Array, "5"], grid: int, shape: tuple[int, int]) -> Filters:
    """The grid of filters at a place that a network gives.

        g_X = (A + 1) / 2 (gx + 1),    g_Y = (B + 1) / 2 (gy + 1),    delta = (max(A, B) - 1) / (N - 1) exp(d),
        mu_X,i = g_X + (i - N / 2 - 1 / 2) delta,      F_X[i, a] = exp(-(a - mu_X,i)^2 / (2 sigma^2)) / Z_X,i

    (Gregor et al. 2015, section 3.2, equations 19 to 26), where pixels count from one and every filter sums to one: at
    `place` zero the grid lies over all of the picture. Arguments: `place` `[5]`, the numbers `gx`, `gy`, log
    `sigma^2`, `d` and the logarithm of the intensity `gamma`, all three `limited`; `grid`, `N`; `shape`, rows `B` and
    columns `A`.

    >>> [round(float(f), 2) for f in filters_at(jnp.array([0.0, 0.0, -9.0, 0.0, 0.0]), 2, (1, 3)).columns[0]]
    [1.0, 0.0, 0.0]
    """
    across, down = place[:2]
    log_variance, log_stride, log_intensity = limited(place[2:])
    height, width = shape
    stride = (max(shape) - 1) / max(grid - 1, 1) * jnp.exp(log_stride)
    steps = (jnp.arange(grid, dtype=jnp.float32) - (grid - 1) / 2) * stride

    def bank(centre: Array, length: int) -> Array:
        away = 1.0 + jnp.arange(length, dtype=jnp.float32) - ((length + 1) / 2 * (centre + 1) + steps)[:, None]
        return jax.nn.softmax(-0.5 * jnp.exp(-log_variance) * away**2, axis=1)  # finite however far away the grid is

    return Filters(bank(down, height), bank(across, width), jnp.exp(log_intensity))


class Attention(eqx.Module):
    """Two grids of filters, one to read and one to write, each placed by an affine map of the decoder's output.

    Arguments: `hidden`, the size of that output; `grids`, filters on a side to read and to write; `shape`, rows and
    columns of the picture; `key`, for the weights' start. Fields: `reader`, `writer`, the affine maps to five numbers.

    >>> attention = Attention(8, (3, 2), (4, 6), key=jax.random.key(0))
    >>> attention.read(jnp.ones(8), jnp.ones((2, 24))).shape, attention.write(jnp.ones(8), jnp.ones(4)).shape
    ((18,), (24,))
    """

    reader: Affine
    writer: Affine
    grids: tuple[int, int] = eqx.field(static=True)
    shape: tuple[int, int] = eqx.field(static=True)

    def __init__(self, hidden: int, grids: tuple[int, int], shape: tuple[int, int], *, key: Key[Array, ""]) -> None:
        first, second = jax.random.split(key)
        self.reader, self.writer = Affine(hidden, 5, key=first), Affine(hidden, 5, key=second)
        self.grids, self.shape = grids, shape

    def read(self, h: Float[Array, "hidden"], pictures: Float[Array, "pictures size"]) -> Float[Array, "patch"]:
        """What the reading grid sees of pictures, each given row by row with the channels of a pixel together."""
        channels = jnp.moveaxis(pictures.reshape(len(pictures), *self.shape, -1), -1, 1).reshape(-1, *self.shape)
        return filters_at(self.reader(h), self.grids[0], self.shape).read(channels).ravel()

    def write(self, h: Float[Array, "hidden"], patch: Float[Array, "patch"]) -> Float[Array, "size"]:
        """What the writing grid makes of a patch, given channel by channel: a picture, as above."""
        grid = self.grids[1]
        picture = filters_at(self.writer(h), grid, self.shape).write(patch.reshape(-1, grid, grid))
        return jnp.moveaxis(picture, 0, -1).ravel()
