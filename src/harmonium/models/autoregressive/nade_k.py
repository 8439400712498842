"""The iterative neural auto-regressive density estimator, NADE-k (section 20.10.10)."""

from __future__ import annotations

import itertools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from harmonium.decay import no_decay
from harmonium.errors import InputError, whole
from harmonium.memory import check_weights
from harmonium.models.autoregressive.order import slot
from harmonium.models.autoregressive.orderless import (
    Orderless,
    check_orders,
    known_features,
    started,
)
from harmonium.models.energy import Constant
from harmonium.models.validation import check_sizes, check_units
from harmonium.nets import ACTIVATIONS, check_activation
from harmonium.rng import check_key
from harmonium.units import Unit

Taken = tuple[Array, Bool[Array, "size"]]  # values, and which of them are known


class NADEk(Orderless):
    """Each variable given any of the others by `k` steps that refine what is thought of the missing ones: NADE-k.

        q^0 = grad A(b),      h^t = f(c + W^T (m * T(x) + (1 - m) * q^(t-1))),      q^t = grad A(b + V h^t)

    The last step's parameters are the conditionals (Raiko, Yao, Cho & Bengio 2014; book, section 20.10.10): mean field
    in form, with weights of its own. The first means are those of the biases alone (of the data, after
    `hm.at_marginals`). `hm.objectives.OrderAgnostic` trains all steps to predict. A variable takes a pass of all steps.

    Arguments: `visible`, the units; `hidden`, the sizes of the hidden layers; `steps`, `k`; `key`, for the weights'
    start; `orders`, over which the density is a mean, one a row (default: the variables' own order alone);
    `activation`: sigmoid, tanh, relu or softplus.
    Fields: `W`, a tuple of weights `[below, above]`; `V` `[num_outputs, hidden]`, to the variables; `b`, `c`, biases of
    the visible and (a tuple) the hidden units. Raises `InputError` for no hidden units or steps, another activation, or
    an order that is no permutation.

    >>> import harmonium as hm, jax
    >>> model = NADEk(hm.units.Bernoulli(3), [4], steps=2, key=jax.random.key(0)); model.sample(jax.random.key(1)).shape
    (3,)
    """

    visible: Unit
    W: tuple[Float[Array, "below above"], ...]
    V: Float[Array, "num_outputs hidden"]
    b: PyTree = no_decay()
    c: tuple[Float[Array, "above"], ...] = no_decay()
    orders: Constant
    steps: int = eqx.field(static=True)
    activation: str = eqx.field(static=True)

    def __init__(
        self, visible: Unit, hidden: Any, steps: int = 5, *, key: Key[Array, ""], orders: Any = None,
        activation: str = "tanh",
    ) -> None:  # fmt: skip
        check_units("A NADEk", visible)
        check_activation(activation)
        check_key(key)
        sizes = check_sizes(hidden)
        if not whole(steps):
            raise InputError(f"NADE-k takes at least one step, not steps={steps}.")
        check_weights("A NADEk", *itertools.pairwise([visible.width, *sizes, visible.num_outputs]))
        self.visible, self.steps, self.activation = visible, steps, activation
        self.orders = check_orders(orders, visible.size)
        self.W, self.V, self.c = started(visible, sizes, activation, key)
        self.b = visible.bias(visible.neutral_natural())

    def outs(self, x: Array, mask: Bool[Array, "size"]) -> Float[Array, "refinements num_outputs"]:
        """What the net says of every variable, given those in the mask, at each step."""
        unit, f = self.visible, ACTIVATIONS[self.activation]
        known, wide = known_features(unit, x, mask)

        def step(out: Array, _: None) -> tuple[Array, Array]:
            means = unit.interaction(
                unit.mean(unit.natural_from_output(self.b, out)), unit.bias(unit.neutral_natural())
            )
            h = jnp.where(wide, known, means)
            for W, c in zip(self.W, self.c, strict=True):
                h = f(h @ W + c)
            out = self.V @ h
            return out, out

        return jax.lax.scan(step, jnp.zeros(unit.num_outputs, jnp.float32), length=self.steps)[1]

    def out(self, i: Int[Array, ""], carry: Taken) -> Float[Array, "most"]:
        """What the net says of variable `i` alone, given those taken."""
        return slot(self.visible.out_widths, self.outs(*carry)[-1], i)

    def init_carry(self) -> Taken:
        """No variable is known; what stands in the place of others has no effect."""
        return jnp.zeros(self.visible.size, self.visible.dtype), jnp.zeros(self.visible.size, bool)

    def update_carry(self, i: Int[Array, ""], value: Array, carry: Taken) -> Taken:
        """The values with one variable more."""
        x, known = carry
        return x.at[i].set(value.astype(x.dtype)), known.at[i].set(np.True_)
