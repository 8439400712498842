"""The likelihood of models that say it themselves: exact, by the chain rule of probability."""

from __future__ import annotations

import math
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from harmonium.compiling import outermost
from harmonium.data import space_of
from harmonium.errors import InputError, articled
from harmonium.evaluation.estimate import Estimate
from harmonium.models import TractableModel
from harmonium.models.autoregressive import Conditionals
from harmonium.units import Conditional

ROWS = 1000  # rows weighed at a time


def chain_rule(model: TractableModel, rows: np.ndarray, method: str = "auto", /, **options: Any) -> Estimate:
    """Mean log-probability of rows `[n, size]`, exactly.

        log p(x) = sum_i log p(x_i | x_{i-1}, ..., x_1)

    Raises `InputError` for another method than `auto` or `exact`, or options, of which there are none.

    >>> import harmonium as hm
    >>> round(chain_rule(hm.FVBN(hm.units.Bernoulli(2)), np.ones((3, 2))).value, 4)         # -2 log 2
    -1.3863
    """
    if method not in ("auto", "exact"):
        raise InputError(f"{_named(model)} says its likelihood exactly: leave method='{method}' out.")
    if options:
        raise InputError(f"An exact likelihood has no option '{next(iter(options))}': leave it out.")
    clock = time.perf_counter()
    values = log_probs(model, rows)
    stderr = float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.inf
    value = float(values.mean())
    return Estimate(
        value, stderr, "exact", lower=value, upper=value, sure=True, method="the chain rule",
        settings={"seconds": round(time.perf_counter() - clock, 2)}, space=space_of(rows), n=len(values),
        per_example=values,
    )  # fmt: skip


def log_probs(model: TractableModel, rows: np.ndarray) -> np.ndarray:
    """Log-probabilities `[n]` of rows in float64, computed a thousand rows at a time.

    >>> import harmonium as hm
    >>> log_probs(hm.FVBN(hm.units.Bernoulli(2)), np.ones((3, 2))).shape
    (3,)
    """
    dtype = model.layers["v"].dtype
    parts = [_log_probs(model, jnp.asarray(rows[i : i + ROWS], dtype)) for i in range(0, len(rows), ROWS)]
    return np.concatenate([np.asarray(part, np.float64) for part in parts])


def per_variable(model: TractableModel, rows: np.ndarray) -> np.ndarray:
    """Mean negative log-probability `[size]` of each variable of rows `[n, size]` given those before it, in nats.

        -log p(x_i | x_{i-1}, ..., x_1),      whose sum over i is -log p(x)

    Raises `InputError` for a model that does not say its conditionals.

    >>> import harmonium as hm
    >>> per_variable(hm.FVBN(hm.units.Bernoulli(2)), np.ones((3, 2))).round(4)              # log 2 each
    array([0.6931, 0.6931])
    """
    if not isinstance(model, Conditionals):
        raise InputError(f"{_named(model)} does not say what each variable is given those before it.")
    dtype = model.layers["v"].dtype
    blocks = (rows[i : i + ROWS] for i in range(0, len(rows), ROWS))
    sums = [np.asarray(_conditionals(model, jnp.asarray(block, dtype)), np.float64).sum(axis=0) for block in blocks]
    return -sum(sums) / len(rows)


def _named(model: TractableModel) -> str:
    words = articled(type(model).__name__)
    return words[0].upper() + words[1:]


@outermost
def _conditionals(model: Conditionals, rows: Array) -> Float[Array, "n size"]:
    return jax.vmap(lambda x: Conditional(model.visible, model.natural(x)).log_probs(x))(rows)


@outermost
def _log_probs(model: TractableModel, rows: Array) -> Float[Array, "n"]:
    return jax.vmap(model.log_prob)(rows)
