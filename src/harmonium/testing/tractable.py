"""What a model with an exact `log_prob` should obey: it sums to one, its samples follow it, and gradients reach it."""

from __future__ import annotations

import dataclasses
import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key, PyTree

from harmonium.errors import InputError
from harmonium.models import TractableModel, trainable
from harmonium.samplers import sample
from harmonium.testing.chains import count_states
from harmonium.testing.enumeration import REAL_UNITS, STATES, evaluate
from harmonium.testing.learning import refuse_idle
from harmonium.testing.statistics import agree, matches_law, same_expectations
from harmonium.units import Columns, Gaussian, Unit

TOLERANCE = 1e-4
SAMPLES = 2**13
REACH, POINTS = 12.0, 121  # standard deviations and nodes of the grid on which a density is integrated
ROWS = 8


def check_sums_to_one(model: TractableModel, key: Key[Array, ""] | None = None) -> None:
    """`sum_x p(x) = 1`, or the integral over the real columns too.

    >>> import harmonium as hm
    >>> check_sums_to_one(hm.FVBN(hm.units.Bernoulli(3)))
    """
    rows, log_weight = grid(model)
    agree(np.exp(evaluate(_log_probs, model, rows) + log_weight).sum(), 1.0, TOLERANCE, "The sum of all probabilities")


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
        same_expectations(_moments(drawn), _moments(rows), law / law.sum(), "Samples")


def check_gradients(model: TractableModel, key: Key[Array, ""] | None = None) -> None:
    """The gradient of `log p` is finite, and not zero in any trainable array.

    >>> import harmonium as hm
    >>> check_gradients(hm.FVBN(hm.units.Bernoulli(3)))
    """
    refuse_idle(_slope(model, sample(model, jax.random.key(8) if key is None else key, ROWS)))


def grid(model: TractableModel) -> tuple[np.ndarray, float]:
    """Every value of the finite columns with a fine grid of the real ones, `[n, size]`, and the log of a cell's volume.

    Raises `InputError` where there are too many.

    >>> import harmonium as hm
    >>> rows, log_weight = grid(hm.FVBN(hm.units.Bernoulli(3))); rows.shape, log_weight
    ((8, 3), 0.0)
    """
    unit = model.layers["v"]
    real, columns, log_weight = real_columns(unit), [], 0.0
    for part in _parts(unit):
        for _ in range(part.size):
            if isinstance(part, Gaussian):
                columns.append(np.linspace(-REACH, REACH, POINTS))
                log_weight += np.log(2 * REACH / (POINTS - 1))
            else:
                index = jnp.arange(part.states)[:, None]
                columns.append(np.asarray(jax.vmap(dataclasses.replace(part, size=1).values)(index))[:, 0])
    finite = np.prod([len(column) for i, column in enumerate(columns) if i not in real])
    if finite > STATES or len(real) >= REAL_UNITS:
        raise InputError(f"These checks list at most {STATES} states and integrate over two real columns, at most.")
    return np.array(list(itertools.product(*columns)), unit.dtype), float(log_weight)


def real_columns(unit: Unit) -> list[int]:
    """The columns of a layer that hold real numbers."""
    kinds = itertools.chain.from_iterable([isinstance(part, Gaussian)] * part.size for part in _parts(unit))
    return [i for i, real in enumerate(kinds) if real]


def _parts(unit: Unit) -> tuple[Unit, ...]:
    return unit.parts if isinstance(unit, Columns) else (unit,)


def _moments(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x, np.float64)
    return np.hstack([x, (x[:, :, None] * x[:, None, :]).reshape(len(x), -1)])


@eqx.filter_jit
def _log_probs(model: TractableModel, rows: Array) -> Array:
    return jax.vmap(model.log_prob)(rows)


@eqx.filter_jit
def _slope(model: TractableModel, rows: Array) -> PyTree:
    learned, rest = eqx.partition(model, trainable(model))
    return jax.grad(lambda part: -jnp.mean(jax.vmap(eqx.combine(part, rest).log_prob)(rows)))(learned)
