"""An order of variables, and where each has its place in the vectors that networks take in and give out."""

from __future__ import annotations

import operator
from typing import Any, Protocol, TypeVar, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from harmonium.errors import InputError, articled
from harmonium.models.energy import Constant
from harmonium.models.kind import Kind
from harmonium.models.tractable import TRACTABLE, TractableModel
from harmonium.units import Stats, Unit

Carry = TypeVar("Carry")


@runtime_checkable
class Stepwise(Protocol):
    """A model that takes one variable after the other and carries along what it has made of those taken."""

    @property
    def layers(self) -> dict[str, Unit]:
        """`v`, the visible units."""

    def init_carry(self) -> Carry:
        """What is carried before the first variable."""

    def sample_step(self, key: Key[Array, ""], i: Int[Array, ""], carry: Carry) -> Array:
        """A value of variable `i` given those taken."""

    def log_prob_step(self, i: Int[Array, ""], value: Array, carry: Carry) -> Float[Array, ""]:
        """Log-probability of a value of variable `i` given those taken, in nats."""

    def update_carry(self, i: Int[Array, ""], value: Array, carry: Carry) -> Carry:
        """What is carried once variable `i` has its value."""


@runtime_checkable
class Ordered(Stepwise, Protocol):
    """A stepwise model of one order: what it says of a variable holds given those before it, and given no others."""

    @property
    def order(self) -> tuple[int, ...]:
        """The variables, in the order in which they are drawn."""


@runtime_checkable
class OrderedModel(Ordered, TractableModel, Protocol):
    """An auto-regressive network of one order."""


@runtime_checkable
class OrderlessModel(Stepwise, TractableModel, Protocol):
    """An auto-regressive network of every order."""

    @property
    def orders(self) -> Constant:
        """Those over which its density is the mean, `[M, size]`."""

    def given(self, x: Array, mask: Bool[Array, "size"]) -> Stats:
        """Natural parameters of every variable given those in the mask."""

    def in_first_order(self) -> OrderlessModel:
        """The same network with the first of its orders alone."""


ORDERED = Kind("an auto-regressive network of one order (a NADE, ...)", TRACTABLE.instead, OrderedModel, TRACTABLE)
ORDERLESS = Kind(
    "an auto-regressive network of every order (an OrderlessNADE, ...)", TRACTABLE.instead, OrderlessModel, TRACTABLE
)


def ancestral(
    model: Stepwise, key: Key[Array, ""], order: Int[Array, "size"] | None = None, x: Array | None = None,
    known: Bool[Array, "size"] | None = None,
) -> Array:  # fmt: skip
    """A value `[size]`, each variable drawn given those before it: one compiled scan.

        x_i ~ p(x_i | x_{i-1}, ..., x_1)

    Arguments: `order` of the variables, the model's own if None; `x` `[size]` and `known` `[size]`, values that are
    taken and not drawn (in an order in which they come first, the others are drawn given them).

    >>> import harmonium as hm, jax
    >>> ancestral(hm.FVBN(hm.units.Bernoulli(3)), jax.random.key(0)).shape
    (3,)
    """
    unit = model.layers["v"]

    def step(state: tuple[Array, Carry], at: tuple[Key[Array, ""], Int[Array, ""]]) -> tuple[tuple[Array, Carry], None]:
        x, carry = state
        key, i = at
        value = jax.lax.optimization_barrier(
            model.sample_step(key, i, carry)
        )  # drawn once: XLA would draw again for each use
        value = value.astype(x.dtype) if known is None else jnp.where(known[i], x[i], value.astype(x.dtype))
        return (x.at[i].set(value), model.update_carry(i, value, carry)), None

    keys = jax.random.split(key, unit.size)
    start = jnp.zeros(unit.size, unit.dtype) if x is None else x, model.init_carry()
    return jax.lax.scan(step, start, (keys, jnp.asarray(model.order) if order is None else order))[0][0]


def conditional_log_prob(
    model: Stepwise, x: Array, order: Int[Array, "size"], known: Bool[Array, "size"], asked: Bool[Array, "size"]
) -> Float[Array, ""]:
    """Log-probability, in nats, of the variables that are asked for given those that are known, along an order.

        log p(x_asked | x_known) = sum_{i asked} log p(x_i | what is known or asked for and comes before i)

    Exact where those known come first in the order. What is neither is never taken: it is summed out. Values there
    count for nothing, but must be numbers.

    >>> import harmonium as hm
    >>> one, model = jnp.array([True, False, False]), hm.FVBN(hm.units.Bernoulli(3))
    >>> round(float(conditional_log_prob(model, jnp.ones(3), jnp.arange(3), one, ~one)), 4)             # -2 log 2
    -1.3863
    """

    def step(carry: Carry, i: Int[Array, ""]) -> tuple[Carry, Array]:
        log_p = jnp.where(asked[i], model.log_prob_step(i, x[i], carry), 0.0)
        after, counts = model.update_carry(i, x[i], carry), known[i] | asked[i]
        return jax.tree.map(lambda new, old: jnp.where(counts, new, old), after, carry), log_p

    return jnp.sum(jax.lax.scan(step, model.init_carry(), order)[1])


def check_known_first(model: Ordered, late: Int[np.ndarray, "n size"]) -> None:
    """Refuse rows for which a model of one order has no answer: what is `late` comes before what is less so.

    Arguments: `late` `[n, size]`, 0 where a variable is known, 1 where it is asked for and 2 where it is neither.

    >>> import harmonium as hm
    >>> check_known_first(hm.FVBN(hm.units.Bernoulli(2)), np.array([[1, 0]]))
    Traceback (most recent call last):
    harmonium.errors.InputError: An FVBN says what a variable is given those before it in its one order, but ...
    """
    order = np.asarray(model.order)
    placed = np.asarray(late)[:, order]
    wrong = np.diff(placed, axis=1) < 0
    if not wrong.any():
        return
    row, place = (int(i) for i in np.argwhere(wrong)[0])
    words = ("known", "asked for", "missing")
    after, before = words[placed[row, place + 1]], words[placed[row, place]]
    name = articled(type(model).__name__)
    raise InputError(
        f"{name[0].upper()}{name[1:]} says what a variable is given those before it in its one order, but in row {row} "
        f"column {order[place + 1]} is {after} and comes after column {order[place]}, which is {before}: train an "
        "hm.OrderlessNADE, which answers for any columns given any others."
    )


def check_order(order: Any, size: int) -> tuple[int, ...]:
    """An order of `size` variables as a tuple; None is their own. Raises `InputError` for anything but a permutation.

    >>> check_order([0, 0, 2], 3)
    Traceback (most recent call last):
    harmonium.errors.InputError: An order of 3 variables holds each of 0 to 2 once, but this one lacks 1: ...
    """
    if order is None:
        return tuple(range(size))
    try:
        found = [operator.index(i) for i in order]  # 0.7 is no number of a variable
    except TypeError:
        raise InputError(
            f"An order is a list of the variables' numbers, such as range({size}), not {order!r}."
        ) from None
    missing = sorted(set(range(size)) - set(found))
    if missing or len(found) != size:
        lacks = f"lacks {missing[0]}" if missing else f"has {len(found)} entries"
        raise InputError(
            f"An order of {size} variables holds each of 0 to {size - 1} once, but this one {lacks}: "
            "numpy.random.permutation makes one."
        )
    return tuple(found)


def ranks(widths: tuple[int, ...], order: tuple[int, ...]) -> Int[np.ndarray, "width"]:
    """The place in the order, from 0, of the variable that each number of a vector belongs to.

    Arguments: `widths`, how many numbers each variable has in it: a unit's `widths` where it goes in, `out_widths`
    where it comes out of a network.

    >>> ranks((3, 3), (1, 0)).tolist()
    [1, 1, 1, 0, 0, 0]
    """
    return np.repeat(np.argsort(order), widths)


def earlier(unit: Unit, order: tuple[int, ...]) -> Bool[np.ndarray, "width width"]:
    """Whether the variable of a column comes before that of a row.

    >>> import harmonium as hm
    >>> earlier(hm.units.Bernoulli(3), (0, 1, 2)).astype(int).tolist()
    [[0, 0, 0], [1, 0, 0], [1, 1, 0]]
    """
    rank = ranks(unit.widths, order)
    return rank[None, :] < rank[:, None]


def slot(widths: tuple[int, ...], x: Float[Array, "width *rest"], i: Int[Array, ""]) -> Float[Array, "most *rest"]:
    """The part of a vector, or the rows of a matrix, that belong to variable `i`, as many as the widest one has.

    What a narrower one does not fill is zero.

    >>> slot((3, 3), jnp.arange(6.0), jnp.array(1)).tolist()
    [3.0, 4.0, 5.0]
    """
    each, most = np.asarray(widths), max(widths)
    starts = jnp.asarray(np.cumsum(each) - each)
    if (each == most).all():
        return jax.lax.dynamic_slice_in_dim(x, starts[i], most)
    padded = jnp.concatenate([x, jnp.zeros((most, *x.shape[1:]), x.dtype)])
    own = jnp.arange(most, dtype=jnp.int32) < jnp.asarray(each)[i]
    return jnp.where(own.reshape(-1, *(1,) * (x.ndim - 1)), jax.lax.dynamic_slice_in_dim(padded, starts[i], most), 0)


def from_slots(
    widths: tuple[int, ...], order: tuple[int, ...], parts: Float[Array, "size most"]
) -> Float[Array, "width"]:
    """The vector that is made of the parts of its variables in their order: the inverse of `to_slots`.

    >>> from_slots((1, 1), (1, 0), jnp.array([[5.0], [7.0]])).tolist()
    [7.0, 5.0]
    """
    within = np.concatenate([np.arange(width) for width in widths])
    return parts[ranks(widths, order), within]


def to_slots(
    widths: tuple[int, ...], order: tuple[int, ...], x: Float[Array, "width *rest"]
) -> Float[Array, "size most *rest"]:
    """The parts of a vector, or the rows of a matrix, of all variables in their order, filled up with zeros.

    >>> to_slots((1, 1), (1, 0), jnp.array([5.0, 7.0])).tolist()
    [[7.0], [5.0]]
    """
    each, most = np.asarray(widths), max(widths)
    if (each == most).all():
        return x.reshape(len(each), most, *x.shape[1:])[np.asarray(order)]
    own = np.arange(most) < each[:, None]
    place = np.where(own, (np.cumsum(each) - each)[:, None] + np.arange(most), 0)
    filled = jnp.where(own.reshape(*own.shape, *(1,) * (x.ndim - 1)), x[place], 0)
    return filled[np.asarray(order)]
