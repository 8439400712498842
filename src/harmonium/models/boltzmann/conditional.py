"""The conditional RBM: biases that depend on what is given, in a row or in the frames before (section 20.7)."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from harmonium.errors import InputError, plain, shown, whole
from harmonium.memory import check_weights
from harmonium.models.boltzmann.given import CONDITIONAL_ENERGY, Steps, check_movable, moved
from harmonium.models.boltzmann.rbm import RBM
from harmonium.models.energy import with_biases
from harmonium.models.kind import Kind
from harmonium.models.validation import check_scale, check_units
from harmonium.rng import check_key
from harmonium.units import Columns, Frames, Unit
from harmonium.units.columns import parts_of


class ConditionalRBM(eqx.Module):
    """An RBM of `v` given `x`, which moves its biases.

        E(v, h | x) = -(b + x A)^T v - (c + x B)^T h - v^T W h,      p(v | x) = exp(-F_x(v)) / Z(x)

    It has two uses. For structured output a row is `[x, v]`, with `given=` the units of `x` (Mnih, Larochelle & Hinton,
    UAI 2011). For sequences `visible` are `Frames` and `x` the last `order` frames, one after the other; `A` is then
    an auto-regression, and the first `order` frames are given, not counted (Taylor, Hinton & Roweis, JMLR 12, 2011;
    book, section 20.7). Of Gaussian units the context moves the mean.

    Arguments: `visible` and `hidden`, units; `given`, units of `x`, or `order`, how many frames; `key`, for the
    weights' start; `scale`, their standard deviation. Fields: `rbm`, `A` `[x.width, visible.width]`, `B`
    `[x.width, hidden.width]`. Raises `InputError` for both or neither of `given` and `order`, frames without an order,
    an order without frames or not shorter than the sequences, or units that have no bias to move.

    >>> import harmonium as hm, jax
    >>> upper, lower = hm.units.Bernoulli(8), hm.units.Bernoulli(6)
    >>> model = hm.ConditionalRBM(lower, hm.units.Bernoulli(3), given=upper, key=jax.random.key(0))
    >>> model.A.shape, model.layers["v"].size
    ((8, 6), 14)
    >>> walks = hm.units.Frames(hm.units.Gaussian(49), 300)
    >>> hm.ConditionalRBM(walks, hm.units.Bernoulli(100), order=3, key=jax.random.key(0)).A.shape
    (147, 49)
    """

    model_kind: ClassVar[Kind] = CONDITIONAL_ENERGY

    visible: Unit
    x: Unit | None
    rbm: RBM
    A: Float[Array, "given visible"]
    B: Float[Array, "given hidden"]
    order: int = eqx.field(static=True, converter=plain, default=0)

    def __init__(
        self, visible: Any, hidden: Any, *, given: Any = None, order: Any = None, key: Key[Array, ""],
        scale: Any = 0.01,
    ) -> None:  # fmt: skip
        unit = _checked(visible, given, order)
        check_units("A ConditionalRBM", unit, hidden, *(() if given is None else (given,)))
        check_movable("A ConditionalRBM", unit, hidden)
        check_key(key)
        check_scale(scale)
        width = unit.width * order if given is None else given.width
        check_weights("A ConditionalRBM", (width, unit.width), (width, hidden.width))
        keys = jax.random.split(key, 3)
        self.visible, self.x, self.order = visible, given, 0 if order is None else order
        self.rbm = RBM(unit, hidden, key=keys[0], scale=scale)
        self.A = scale * jax.random.normal(keys[1], (width, unit.width), jnp.float32)
        self.B = scale * jax.random.normal(keys[2], (width, hidden.width), jnp.float32)

    @property
    def layers(self) -> dict[str, Unit]:
        """`v`: a sequence, or the columns of `x` and then those of the value."""
        if self.x is None:
            return {"v": self.visible}
        return {"v": Columns([part for unit in (self.x, self.visible) for part, _ in parts_of(unit)])}

    def split(self, row: Array) -> Steps:
        """The one value of a row `[x, v]`; or the frames of a sequence, without the first ones that are given."""
        if self.x is not None:
            return Steps(row[None, self.x.size :].astype(self.visible.dtype), jnp.ones(1, bool))
        late = jnp.arange(self.visible.frames, dtype=jnp.int32) >= self.order
        return Steps(self.visible.split(row), self.visible.present(row) & late)

    def join(self, row: Array, values: Array) -> Array:
        """The row with another value, or the sequence of other frames."""
        new = values.reshape(-1).astype(row.dtype)
        return new if self.x is None else jnp.concatenate([row[: self.x.size], new])

    def start(self, row: Array) -> Float[Array, "given"]:
        """`x`, as weights multiply it; of a sequence zeros, before the first frame."""
        if self.x is None:
            return jnp.zeros(self.A.shape[0], jnp.float32)
        return self.x.as_input(row[: self.x.size].astype(self.x.dtype))

    def after(self, context: Float[Array, "given"], value: Array) -> Float[Array, "given"]:
        """The frames before the next: this one first, the last of the others dropped."""
        if self.x is not None:
            return context
        new = self.visible.unit.as_input(value)
        return jnp.concatenate([new, context[: len(context) - len(new)]])

    def given(self, context: Float[Array, "given"]) -> RBM:
        """The RBM of a value with this context."""
        rbm = self.rbm
        b, c = moved(rbm.visible, rbm.b, context @ self.A), moved(rbm.hidden, rbm.c, context @ self.B)
        return with_biases(rbm, {"v": b, "h": c})

    def filters(self) -> np.ndarray:
        """Those of the RBM: of the value, or of one frame."""
        return self.rbm.filters()


def _checked(visible: Any, given: Any, order: Any) -> Any:
    """The units of one value, of what a constructor was given."""
    if (given is None) == (order is None):
        raise InputError(
            "A ConditionalRBM is of rows [x, v], with given= the units of x, or of sequences, with order= how many "
            "frames a frame depends on: give one of the two."
        )
    if given is not None:
        return visible
    if not isinstance(visible, Frames) or not whole(order) or order >= visible.frames:
        raise InputError(
            "A ConditionalRBM with an order takes sequences longer than it, hm.units.Frames(hm.units.Gaussian(49), "
            f"300) with order=3 for one, not {shown(visible)} with order={shown(order)}."
        )
    return visible.unit
