"""The likelihood of models that say it themselves: exact, by the chain rule or a change of variables."""

from __future__ import annotations

import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from harmonium.compiling import jit_entry, map_rows
from harmonium.data import Space
from harmonium.errors import InputError, articled
from harmonium.evaluation.estimate import Estimate, Quantity, mean_estimate
from harmonium.evaluation.rows import rows_of, space_under
from harmonium.models import Ordered, Orderless, TractableModel
from harmonium.models.autoregressive import Conditionals
from harmonium.models.kinds import INVERTIBLE, ORDERLESS, is_kind
from harmonium.units import Conditional

ROWS = 1000  # rows weighed at a time
NUMBERS = 2**25  # of what rows in all their orders carry along, at a time: a few arrays of 128 MB


def chain_rule(model: TractableModel, rows: np.ndarray) -> Estimate:
    """Mean log-probability of rows `[n, size]`, exactly.

        log p(x) = sum_i log p(x_i | x_{i-1}, ..., x_1)        of auto-regressive networks
        log p(x) = log p_z(g^-1(x)) - log |det dg/dz|          of generator nets that can be inverted      # (20.74)

    >>> import harmonium as hm
    >>> round(chain_rule(hm.FVBN(hm.units.Bernoulli(2)), np.ones((3, 2))).value, 4)         # -2 log 2
    -1.3863
    """
    clock = time.perf_counter()
    return by_chain_rule(model, log_probs(model, rows), space_under(model.layers["v"], rows), clock, "log_likelihood")


def by_chain_rule(
    model: TractableModel, values: np.ndarray, space: Space, clock: float, quantity: Quantity
) -> Estimate:
    """The estimate of exact log-probabilities `[n]`, found since the time `clock`."""
    orders = len(model.orders.value) if is_kind(model, ORDERLESS) else 1
    rule = "the change of variables" if is_kind(model, INVERTIBLE) else "the chain rule"
    rule = rule if orders == 1 else f"{rule}, mean over {orders} orders"
    settings = {"seconds": round(time.perf_counter() - clock, 2)}
    return mean_estimate(values, "exact", rule, settings, space, quantity=quantity)


def log_probs(model: TractableModel, rows: np.ndarray) -> np.ndarray:
    """Log-probabilities `[n]` of rows (`rows_of` checks them) in float64, computed a thousand rows at a time.

    >>> import harmonium as hm
    >>> log_probs(hm.FVBN(hm.units.Bernoulli(2)), np.ones((3, 2))).shape
    (3,)
    """
    unit, step = model.layers["v"], at_once(model)
    parts = [_log_probs(model, unit.from_data(rows[i : i + step])) for i in range(0, len(rows), step)]
    return np.concatenate([np.asarray(part, np.float64) for part in parts])


def at_once(model: TractableModel) -> int:
    """How many rows are weighed at a time: fewer where each is weighed in many orders, each of which carries its own.

    >>> import harmonium as hm
    >>> model = hm.OrderlessNADE(hm.units.Bernoulli(784), [500], key=jax.random.key(0))
    >>> at_once(model), at_once(model.with_orders(128, key=jax.random.key(1)))
    (1000, 204)
    """
    if not is_kind(model, ORDERLESS):
        return ROWS
    x = jnp.zeros(model.visible.size, model.visible.dtype)
    held = eqx.filter_eval_shape(lambda m: (m.init_carry(), m.outs(x, x == x)), model)
    each = len(model.orders.value) * sum(leaf.size for leaf in jax.tree.leaves(held))
    return max(1, min(ROWS, NUMBERS // each))


def per_variable(model: TractableModel, rows: np.ndarray) -> np.ndarray:
    """Mean negative log-probability `[size]` of each variable of rows `[n, size]` given those before it, in nats.

        -log p(x_i | x_{i-1}, ..., x_1),      whose sum over i is -log p(x)

    Of a network of every order in the first of its orders. Raises `InputError` for a model that does not say its
    conditionals, or rows that are no values of its units.

    >>> import harmonium as hm
    >>> per_variable(hm.FVBN(hm.units.Bernoulli(2)), np.ones((3, 2))).round(4)              # log 2 each
    array([0.6931, 0.6931])
    """
    if not isinstance(model, Conditionals | Ordered | Orderless):
        raise InputError(f"{named(model)} does not say what each variable is given those before it.")
    rows, unit = rows_of(model, rows), model.layers["v"]
    if is_kind(model, ORDERLESS):  # rows are weighed in one order
        model = model.in_first_order()
    blocks = (rows[i : i + ROWS] for i in range(0, len(rows), ROWS))
    sums = [np.asarray(_conditionals(model, unit.from_data(block)), np.float64).sum(axis=0) for block in blocks]
    return unit.log_scales - sum(sums) / len(rows)


def named(model: TractableModel) -> str:
    """A model as the first word of a sentence.

    >>> import harmonium as hm
    >>> named(hm.FVBN(hm.units.Bernoulli(2)))
    'An FVBN'
    """
    words = articled(type(model).__name__)
    return words[0].upper() + words[1:]


@jit_entry
def _conditionals(model: TractableModel, rows: Array) -> Float[Array, "n size"]:
    if isinstance(model, Conditionals):
        return jax.vmap(lambda x: Conditional(model.visible, model.natural(x)).log_probs(x))(rows)
    order = model.orders.value[0] if is_kind(model, ORDERLESS) else jnp.asarray(model.order)

    def one(x: Array) -> Float[Array, "size"]:
        def step(carry: Any, i: Array) -> tuple[Any, Array]:
            return model.update_carry(i, x[i], carry), model.log_prob_step(i, x[i], carry)

        return jnp.zeros(len(x)).at[order].set(jax.lax.scan(step, model.init_carry(), order)[1])

    return map_rows(one, rows)


@jit_entry
def _log_probs(model: TractableModel, rows: Array) -> Float[Array, "n"]:
    return map_rows(model.log_prob, rows)
