"""An order of variables, and where each has its place in the vectors that networks take in and give out."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from harmonium.errors import InputError
from harmonium.units import Unit

Carry = TypeVar("Carry")


@runtime_checkable
class Stepwise(Protocol):
    """A model that draws one variable after the other and carries along what it has made of those drawn."""

    @property
    def layers(self) -> dict[str, Unit]:
        """`v`, the visible units."""

    @property
    def order(self) -> tuple[int, ...]:
        """The variables, in the order in which they are drawn."""

    def begin(self) -> Carry:
        """What is carried before the first variable."""

    def draw(self, key: Key[Array, ""], i: Int[Array, ""], carry: Carry) -> Array:
        """A value of variable `i` given those before it."""

    def taken(self, i: Int[Array, ""], value: Array, carry: Carry) -> Carry:
        """What is carried once variable `i` has its value."""


def ancestral(model: Stepwise, key: Key[Array, ""]) -> Array:
    """A value `[size]`, each variable drawn given those before it: one compiled scan.

        x_i ~ p(x_i | x_{i-1}, ..., x_1)

    >>> import harmonium as hm, jax
    >>> ancestral(hm.FVBN(hm.units.Bernoulli(3)), jax.random.key(0)).shape
    (3,)
    """
    unit = model.layers["v"]

    def step(state: tuple[Array, Carry], at: tuple[Key[Array, ""], Int[Array, ""]]) -> tuple[tuple[Array, Carry], None]:
        x, carry = state
        key, i = at
        value = jax.lax.optimization_barrier(model.draw(key, i, carry))  # drawn once: XLA would draw again for each use
        return (x.at[i].set(value.astype(x.dtype)), model.taken(i, value, carry)), None

    keys = jax.random.split(key, unit.size)
    start = jnp.zeros(unit.size, unit.dtype), model.begin()
    return jax.lax.scan(step, start, (keys, jnp.asarray(model.order)))[0][0]


def check_order(order: Any, size: int) -> tuple[int, ...]:
    """An order of `size` variables as a tuple; None is their own. Raises `InputError` for anything but a permutation.

    >>> check_order([0, 0, 2], 3)
    Traceback (most recent call last):
    harmonium.errors.InputError: An order of 3 variables holds each of 0 to 2 once, but this one lacks 1: ...
    """
    if order is None:
        return tuple(range(size))
    try:
        found = [int(i) for i in order]
    except (TypeError, ValueError):
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


def ranks(unit: Unit, order: tuple[int, ...]) -> Int[np.ndarray, "width"]:
    """The place in the order, from 0, of the variable that each number of the layer's vector belongs to.

    >>> import harmonium as hm
    >>> ranks(hm.units.Categorical(2, states=3), (1, 0)).tolist()
    [1, 1, 1, 0, 0, 0]
    """
    return np.repeat(np.argsort(order), unit.widths)


def earlier(unit: Unit, order: tuple[int, ...]) -> Bool[np.ndarray, "width width"]:
    """Whether the variable of a column comes before that of a row.

    >>> import harmonium as hm
    >>> earlier(hm.units.Bernoulli(3), (0, 1, 2)).astype(int).tolist()
    [[0, 0, 0], [1, 0, 0], [1, 1, 0]]
    """
    rank = ranks(unit, order)
    return rank[None, :] < rank[:, None]


def slot(unit: Unit, x: Float[Array, "width *rest"], i: Int[Array, ""]) -> Float[Array, "most *rest"]:
    """The part of a vector, or the rows of a matrix, that belong to variable `i`, as many as the widest one has.

    What a narrower one does not fill is zero.

    >>> import harmonium as hm
    >>> slot(hm.units.Categorical(2, states=3), jnp.arange(6.0), jnp.array(1)).tolist()
    [3.0, 4.0, 5.0]
    """
    widths, most = np.asarray(unit.widths), max(unit.widths)
    starts = jnp.asarray(np.cumsum(widths) - widths)
    if (widths == most).all():
        return jax.lax.dynamic_slice_in_dim(x, starts[i], most)
    padded = jnp.concatenate([x, jnp.zeros((most, *x.shape[1:]), x.dtype)])
    own = jnp.arange(most) < jnp.asarray(widths)[i]
    return jnp.where(own.reshape(-1, *(1,) * (x.ndim - 1)), jax.lax.dynamic_slice_in_dim(padded, starts[i], most), 0)


def from_slots(unit: Unit, order: tuple[int, ...], parts: Float[Array, "size most"]) -> Float[Array, "width"]:
    """The layer's vector, made of the parts of its variables in their order: the inverse of `slot`.

    >>> import harmonium as hm
    >>> from_slots(hm.units.Bernoulli(2), (1, 0), jnp.array([[5.0], [7.0]])).tolist()
    [7.0, 5.0]
    """
    within = np.concatenate([np.arange(width) for width in unit.widths])
    return parts[ranks(unit, order), within]


def to_slots(unit: Unit, order: tuple[int, ...], x: Float[Array, "width *rest"]) -> Float[Array, "size most *rest"]:
    """The parts of a vector, or the rows of a matrix, of all variables in their order, filled up with zeros.

    >>> import harmonium as hm
    >>> to_slots(hm.units.Bernoulli(2), (1, 0), jnp.array([5.0, 7.0])).tolist()
    [[7.0], [5.0]]
    """
    widths, most = np.asarray(unit.widths), max(unit.widths)
    if (widths == most).all():
        return x.reshape(unit.size, most, *x.shape[1:])[np.asarray(order)]
    own = np.arange(most) < widths[:, None]
    place = np.where(own, (np.cumsum(widths) - widths)[:, None] + np.arange(most), 0)
    filled = jnp.where(own.reshape(*own.shape, *(1,) * (x.ndim - 1)), x[place], 0)
    return filled[np.asarray(order)]
