"""How likely some columns are given others, and the likelihood under many orders: exact, by the chain rule."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from harmonium.compiling import jit_entry, map_rows
from harmonium.data import Dataset, space_of
from harmonium.errors import InputError
from harmonium.evaluation.estimate import Estimate, mean_estimate
from harmonium.evaluation.own_conditional import summed_conditional
from harmonium.evaluation.rows import as_given, rows_of, space_under
from harmonium.evaluation.tractable import at_once, by_chain_rule, chain_rule, named
from harmonium.inference.missing import with_holes
from harmonium.models import Ordered, Orderless, TractableModel, check_known_first
from harmonium.models.autoregressive import conditional_log_prob
from harmonium.models.kinds import ORDERED, ORDERLESS, is_kind
from harmonium.rng import key_data

KNOWN, ASKED, NEITHER = 0, 1, 2
OWN = "own"  # the distribution of `log_prob` itself
SUMS = "sums over the states of the cells not given"
EXACT_FOR = (
    "the network asked in its orders with the known cells first; not the conditional of the mixture over its own "
    "orders that log_prob measures, which orders='own' is"
)


def exact_likelihood(
    model: TractableModel, data: Dataset | Array, given: Any, orders: Any, key: Key[Array, ""] | None
) -> Estimate:
    """What `hm.log_likelihood` says of a tractable model: of whole rows, or of some of their cells `given` others.

    >>> import harmonium as hm
    >>> model, first = hm.FVBN(hm.units.Bernoulli(2)), np.array([True, False])
    >>> round(exact_likelihood(model, np.ones((3, 2)), first, None, None).value, 4)     # -log 2
    -0.6931
    """
    own = isinstance(orders, str) and orders == OWN
    if orders is not None and not own:
        model = _with_orders(model, orders, key)
    estimate = chain_rule(model, rows_of(model, data)) if given is None else given_some(model, data, given, own=own)
    more = {} if orders is None or own else {"orders": int(orders), "seed": key_data(key)}
    return dataclasses.replace(estimate, settings=estimate.settings | more)


def given_some(model: TractableModel, data: Dataset | Array, given: Any, *, own: bool = False) -> Estimate:
    """Mean log-probability of the cells that are not `given`, given those that are: exactly, by the chain rule.

        log p(x_A | x_G) = log 1/M sum_m prod_{i in A} p(x_i | x_G, those of A before it in order m)

    A network of every order is asked in its orders with the known cells moved to the front. These are other orders than
    those of `log_prob`, and their distribution is another: not the conditional of that mixture, which `own` asks for
    (`summed_conditional`). `settings["exact_for"]` says it. Cells that are NaN are neither given nor asked for: they
    are marginalised, each order being cut before them. A row of which nothing is asked counts as 0, the log of a
    certain event. Raises `InputError` as `hm.log_likelihood` does.

    >>> import harmonium as hm
    >>> rows, first = np.array([[1.0, 0.0, np.nan]]), np.array([True, False, False])
    >>> round(given_some(hm.FVBN(hm.units.Bernoulli(3)), rows, first).value, 4)                 # -log 2
    -0.6931
    """
    if not own and not is_kind(model, ORDERED, ORDERLESS):
        raise InputError(f"{named(model)} does not say what columns are given others: an hm.OrderlessNADE does.")
    clock = time.perf_counter()
    rows = as_given(model, data)
    x, missing = with_holes(model.layers["v"], rows)
    late = _lateness(_mask(given, x), missing)
    space = space_under(model.layers["v"], x if missing.any() else rows)
    space = dataclasses.replace(space, hash=space_of(np.hstack([x, late])).hash)  # which tells apart what is asked too
    if own:
        values = summed_conditional(model, x, late == KNOWN, late == ASKED)
        settings = {"seconds": round(time.perf_counter() - clock, 2)}
        return mean_estimate(values, "exact", SUMS, settings, space, quantity="conditional_log_likelihood")
    found = by_chain_rule(model, _in_orders(model, x, late), space, clock, "conditional_log_likelihood")
    if not is_kind(model, ORDERLESS) or not _moved(model, late):
        return found
    method = f"{found.method} with the known cells first, another model than that of log_prob"
    return dataclasses.replace(found, method=method, settings=found.settings | {"exact_for": EXACT_FOR})


def _in_orders(
    model: Ordered | Orderless, x: Float[np.ndarray, "n size"], late: Int[np.ndarray, "n size"]
) -> Float[np.ndarray, "n"]:
    """The mean over the model's orders, in each of which what is known comes first and what is neither last."""
    if is_kind(model, ORDERED):
        check_known_first(model, np.where((late == ASKED).any(axis=1, keepdims=True), late, KNOWN))
    orders = np.asarray(model.orders.value) if is_kind(model, ORDERLESS) else np.asarray([model.order])
    late = late[0] if (late == late[0]).all() else late  # in one order for all rows nothing is gathered row by row
    values, step = [], at_once(model)
    for i in range(0, len(x), step):
        part = late if late.ndim == 1 else late[i : i + step]
        found = _given(model, model.layers["v"].from_data(x[i : i + step]), _known_first(orders, part), part)
        values.append(np.asarray(found, np.float64))
    less = ((late == ASKED) * model.layers["v"].log_scales).sum(axis=-1)
    return np.concatenate(values) - less


def _moved(model: Orderless, late: Int[np.ndarray, "n size"]) -> bool:
    """Whether the answer is of other orders than the network's own, or of several, which then count alike."""
    orders = np.asarray(model.orders.value)
    return len(orders) > 1 or bool((np.diff(late[:, orders[0]], axis=1) < 0).any())


def _with_orders(model: TractableModel, orders: Any, key: Key[Array, ""] | None) -> Orderless:
    """The ensemble over so many random orders."""
    if not is_kind(model, ORDERLESS):
        raise InputError(f"{named(model)} has one order: leave orders={orders} out, or train an hm.OrderlessNADE.")
    if key is None:
        raise InputError("Orders are drawn at random: pass key=jax.random.key(seed).")
    return model.with_orders(orders, key=key)


def _mask(given: Any, x: Float[np.ndarray, "n size"]) -> Bool[np.ndarray, "n size"]:
    """Where values are known: of a mask itself, of known values (NaN elsewhere) where they are numbers."""
    mask, shape = np.asarray(given), x.shape
    if mask.dtype.kind == "f" and mask.shape in (shape, shape[1:]):
        known = np.broadcast_to(~np.isnan(mask), shape)
        if not np.array_equal(np.where(known, x, 0), np.where(known, mask.astype(x.dtype), 0)):
            raise InputError("The rows have other values than those given of them: give what they hold, NaN elsewhere.")
        return known
    own = mask.size == shape[0] * shape[1] and len(mask) == shape[0]  # not [size, n]
    if mask.dtype != bool or not (own or mask.size == shape[1]):
        raise InputError(
            f"The cells that are given are marked by True, or have their values beside NaN, in an array [{shape[1]}] "
            f"for all rows or [{shape[0]}, {shape[1]}], not in one of dtype {mask.dtype} and shape {mask.shape}."
        )
    return np.broadcast_to(mask.reshape(-1, shape[1]), shape)


def _lateness(known: np.ndarray, missing: np.ndarray) -> Int[np.ndarray, "n size"]:
    """0 where a cell is known, 1 where it is asked for, 2 where it is neither."""
    both = np.argwhere(known & missing)
    if len(both):
        row, column = both[0].tolist()
        raise InputError(f"A cell that is given has a value, but row {row}, column {column} is NaN: do not mark it.")
    late = np.where(known, KNOWN, np.where(missing, NEITHER, ASKED)).astype(np.int8)
    if not (late == ASKED).any():
        raise InputError("Every cell is given or missing, so that nothing is asked for: mark fewer cells as given.")
    return late


def _known_first(orders: np.ndarray, late: np.ndarray) -> Int[Array, "*n orders size"]:
    """Each order with the known variables moved to its front and those that are neither to its end."""
    at = np.argsort(late[..., orders], axis=-1, kind="stable")
    return jnp.asarray(np.take_along_axis(np.broadcast_to(orders, at.shape), at, -1), jnp.int32)


@jit_entry
def _given(
    model: TractableModel, x: Array, orders: Int[Array, "*n orders size"], late: Int[Array, "*n size"]
) -> Float[Array, "n"]:
    """All rows under all orders at once."""

    def one(x: Array, orders: Array, late: Array) -> Float[Array, ""]:
        each = jax.vmap(lambda order: conditional_log_prob(model, x, order, late == KNOWN, late == ASKED))(orders)
        return jax.nn.logsumexp(each) - jnp.log(len(each))  # (20.85)

    return map_rows(lambda x: one(x, orders, late), x) if late.ndim == 1 else map_rows(one, x, orders, late)
