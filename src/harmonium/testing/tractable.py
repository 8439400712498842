"""What a model with an exact `log_prob` should obey: it sums to one, its samples follow it, and gradients reach it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key, PyTree

from harmonium.compiling import jit_entry
from harmonium.errors import InputError
from harmonium.models import TractableModel, trainable
from harmonium.samplers import sample
from harmonium.testing.chains import count_states
from harmonium.testing.enumeration import REAL_UNITS, STATES, evaluate
from harmonium.testing.learning import refuse_idle
from harmonium.testing.quadrature import listed, pieces_of
from harmonium.testing.statistics import agree, matches_law, same_expectations
from harmonium.units import Unit, parts_of, real_columns

TOLERANCE = 1e-4
SAMPLES = 2**13
REACH, POINTS = 12.0, 121  # ends and nodes of the grid of coordinates on which a density is integrated
FINER = 8  # times as many cells a column where that grid is too coarse, as for a density with a kink
ROWS = 8


def check_sums_to_one(model: TractableModel, key: Key[Array, ""] | None = None) -> None:
    """`sum_x p(x) = 1`, or the integral over the real columns too.

    >>> import harmonium as hm
    >>> check_sums_to_one(hm.FVBN(hm.units.Bernoulli(3)))
    """
    total = _total(model, POINTS)
    if real_columns(model.layers["v"]) and not abs(total - 1) <= TOLERANCE:
        total = _total(model, FINER * (POINTS - 1) + 1)
    agree(total, 1.0, TOLERANCE, "The sum of all probabilities")


def check_samples_follow(model: TractableModel, key: Key[Array, ""] | None = None) -> None:
    """Samples follow `p(x)`: all states by chi-square, or first and second moments where there are real columns.

    They are drawn in order, so a model that saw later variables where it weighs would not be the one that draws.

    >>> import harmonium as hm
    >>> check_samples_follow(hm.FVBN(hm.units.Bernoulli(3)))
    """
    rows, log_weight = grid(model)
    law = np.exp(evaluate(_log_probs, model, rows) + log_weight)
    drawn = np.asarray(sample(model, jax.random.key(7) if key is None else key, SAMPLES))
    if len(real_columns(model.layers["v"])) == 0:
        matches_law(count_states({"v": rows}, {"v": drawn}), law / law.sum(), "Samples")
    else:
        same_expectations(moments(drawn), moments(rows), law / law.sum(), "Samples")


def check_gradients(model: TractableModel, key: Key[Array, ""] | None = None) -> None:
    """The gradient of `log p` is finite, and not zero in any trainable array.

    >>> import harmonium as hm
    >>> check_gradients(hm.FVBN(hm.units.Bernoulli(3)))
    """
    refuse_idle(_slope(model, sample(model, jax.random.key(8) if key is None else key, ROWS)))


def grid(model: TractableModel, points: int = POINTS) -> tuple[np.ndarray, np.ndarray]:
    """Every value of the finite columns with a fine grid of the real ones, `[n, size]`, and the log of each cell's
    volume `[n]`.

    Arguments: `points`, the nodes of the grid in each real column. Raises `InputError` where there are too many,
    `AssertionError` for a family that does not say its pieces.

    >>> import harmonium as hm
    >>> rows, log_weight = grid(hm.FVBN(hm.units.Bernoulli(3))); rows.shape, log_weight.sum()
    ((8, 3), np.float64(0.0))
    """
    unit = model.layers["v"]
    rows, log_weight = grid_of([unit], points)
    return rows.astype(unit.dtype), log_weight


def grid_of(units: Sequence[Unit], points: int = POINTS) -> tuple[np.ndarray, np.ndarray]:
    """The same of several layers side by side, `[n, sum of sizes]`.

    >>> import harmonium as hm
    >>> grid_of([hm.units.Bernoulli(2), hm.units.Gaussian(1)])[0].shape
    (484, 3)
    """
    parts = [part for unit in units for part, _ in parts_of(unit)]
    finite = math.prod(listed(part) ** part.size for part in parts if listed(part) is not None)
    if finite > STATES or sum(part.size for part in parts if listed(part) is None) >= REAL_UNITS:
        raise InputError(f"These checks list at most {STATES} states and integrate over two real columns, at most.")
    nodes = [own for part in parts for own in [_nodes(part.sized(1), points)] * part.size]
    if not nodes:
        return np.zeros((1, 0)), np.zeros(1)
    rows, weights = (
        np.stack(np.meshgrid(*each, indexing="ij"), axis=-1).reshape(-1, len(nodes))
        for each in zip(*nodes, strict=True)
    )
    return rows, weights.sum(axis=1)


def _nodes(unit: Unit, points: int) -> tuple[np.ndarray, np.ndarray]:
    """The values `[n]` of one unit, its states or a grid of each of its pieces, and the log of what each stands for."""
    if (count := listed(unit)) is not None:
        values = np.asarray(jax.vmap(unit.values)(jnp.arange(count)[:, None]))[:, 0]
        return values, np.zeros(count)
    line, found = np.linspace(-REACH, REACH, points)[:, None], []
    for piece in pieces_of(unit):
        t = line if piece.real.all() else np.zeros((1, 1))
        cell = np.asarray(piece.log_slope(t), np.float64) + np.log(2 * REACH / (points - 1))
        found.append((np.asarray(piece.value(t)), cell if piece.real.all() else np.zeros((1, 1))))
    return tuple(np.concatenate(each)[:, 0] for each in zip(*found, strict=True))


def _total(model: TractableModel, points: int) -> float:
    rows, log_weight = grid(model, points)
    return np.exp(evaluate(_log_probs, model, rows).astype(np.float64) + log_weight).sum()


def moments(x: np.ndarray) -> np.ndarray:
    """The numbers of each row and the products of any two of them.

    >>> moments(np.array([[2.0, 3.0]])).tolist()
    [[2.0, 3.0, 4.0, 6.0, 6.0, 9.0]]
    """
    x = np.asarray(x, np.float64)
    return np.hstack([x, (x[:, :, None] * x[:, None, :]).reshape(len(x), -1)])


@jit_entry
def _log_probs(model: TractableModel, rows: Array) -> Array:
    return jax.vmap(model.log_prob)(rows)


@jit_entry
def _slope(model: TractableModel, rows: Array) -> PyTree:
    learned, rest = eqx.partition(model, trainable(model))
    return jax.grad(lambda part: -jnp.mean(jax.vmap(eqx.combine(part, rest).log_prob)(rows)))(learned)
