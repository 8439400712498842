"""The conditional of a model's own distribution: a ratio of two sums over the states of what is not given."""

from __future__ import annotations

import itertools
import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float
from scipy.special import logsumexp

from harmonium.errors import InputError
from harmonium.evaluation.tractable import log_probs
from harmonium.models import TractableModel
from harmonium.units import Unit, parts_of

STATES = 2**10  # of the cells that are not given, at most
AT_ONCE = 2**20  # rows filled with states, at a time


def summed_conditional(
    model: TractableModel, x: Float[np.ndarray, "n size"], known: Bool[np.ndarray, "n size"],
    asked: Bool[np.ndarray, "n size"],
) -> Float[np.ndarray, "n"]:  # fmt: skip
    """Log-probability `[n]` of the cells asked for given those known, under the distribution that `log_prob` measures.

        log p(x_A | x_G) = log sum_R p(x_G, x_A, x_R) - log sum_{A, R} p(x_G, x_A, x_R)

    with `R` the cells that are neither. Arguments: rows `x` `[n, size]`; masks `known` and `asked` `[n, size]`. Raises
    `InputError` for real cells outside of `known`, or more than 1,024 states of these.

    >>> import harmonium as hm
    >>> model, first = hm.FVBN(hm.units.Bernoulli(3)), np.array([[True, False, False]])
    >>> summed_conditional(model, np.ones((1, 3)), first, ~first).round(4)                     # -2 log 2
    array([-1.3863])
    """
    values = column_values(model.layers["v"])
    found = np.zeros(len(x))
    for mask in np.unique(known, axis=0):
        free = np.flatnonzero(~mask)
        states = _states_of(values, free)
        group = np.flatnonzero((known == mask).all(axis=1))
        step = max(1, AT_ONCE // len(states))
        for rows in (group[i : i + step] for i in range(0, len(group), step)):
            filled = np.repeat(x[rows, None], len(states), axis=1)
            filled[:, :, free] = states
            table = log_probs(model, filled.reshape(-1, x.shape[1])).reshape(len(rows), len(states))
            agrees = ((states == x[rows, None][:, :, free]) | ~asked[rows, None][:, :, free]).all(axis=2)
            found[rows] = logsumexp(np.where(agrees, table, -np.inf), axis=1) - logsumexp(table, axis=1)
    return found


def column_values(unit: Unit) -> list[np.ndarray | None]:
    """The values that each column may have; None for real ones.

    >>> import harmonium as hm
    >>> [v.tolist() for v in column_values(hm.units.Columns([hm.units.Spin(1), hm.units.Categorical(1, states=3)]))]
    [[-1.0, 1.0], [0.0, 1.0, 2.0]]
    """
    found: list[np.ndarray | None] = []
    for part, _ in parts_of(unit):
        if part.states is None:
            found += [None] * part.size
        else:
            index = jnp.broadcast_to(jnp.arange(part.states)[:, None], (part.states, part.size))
            found += list(np.asarray(part.values(index), np.float64).T)
    return found


def _states_of(values: list[np.ndarray | None], free: np.ndarray) -> Float[np.ndarray, "states free"]:
    """Every state of the free columns."""
    real = [int(i) for i in free if values[i] is None]
    if real:
        raise InputError(
            f"orders='own' sums over the states of the cells that are not given, and column {real[0]} has no list of "
            "them: leave it out for the answer of the orders with the known cells first."
        )
    count = math.prod(len(values[i]) for i in free)
    if count > STATES:
        raise InputError(
            f"orders='own' sums over at most {STATES:,} states of the cells that are not given, and there are "
            f"{count:,}: leave it out for the answer of the orders with the known cells first, or give more cells."
        )
    return np.array(list(itertools.product(*(values[i] for i in free)))).reshape(count, len(free))
