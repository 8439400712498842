"""The neural auto-regressive density estimator (section 20.10.10)."""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from harmonium.decay import no_decay
from harmonium.errors import InputError, whole
from harmonium.memory import check_weights
from harmonium.models.autoregressive.conditionals import Conditionals
from harmonium.models.autoregressive.order import check_order, from_slots, slot, to_slots
from harmonium.models.validation import check_units
from harmonium.nets import ACTIVATIONS, check_activation
from harmonium.rng import check_key
from harmonium.units import Stats, Unit

BLOCK = 28  # variables whose hidden units are computed anew, and not kept, for the gradient


class NADE(Conditionals):
    """Each variable given those before it by a net whose hidden layers share their weights.

        h_d = f(c + sum_{j < d} W_j T(x_j)),      eta_d = b_d + V_d h_d                                   # (20.84)

    (Larochelle & Murray 2011; Uria et al. 2016; book, section 20.10.10.) Hidden activations are carried from one
    variable to the next, so that a value costs `size * hidden` operations, to weigh and to draw.

    Arguments: `visible`, the units; `hidden`, how many hidden units; `key`, for the weights' start; `order`, the
    variables in the order of the chain rule (default: their own); `activation`, of the hidden units: sigmoid, tanh,
    relu or softplus; `scale`, the standard deviation of the weights' start.
    Fields: `W` `[width, hidden]`, from the variables; `V` `[num_outputs, hidden]`, to them; `b`, `c`, biases of the
    visible and the hidden units. Raises `InputError` for no hidden units, another activation, or an order that is no
    permutation.

    >>> import harmonium as hm, jax
    >>> nade = NADE(hm.units.Bernoulli(6), 4, key=jax.random.key(0)); nade.sample(jax.random.key(1)).shape
    (6,)
    """

    visible: Unit
    W: Float[Array, "width hidden"]
    V: Float[Array, "num_outputs hidden"]
    b: PyTree = no_decay()
    c: Float[Array, "hidden"] = no_decay()
    order: tuple[int, ...] = eqx.field(static=True)
    activation: str = eqx.field(static=True)

    def __init__(
        self, visible: Unit, hidden: int, *, key: Key[Array, ""], order: Sequence[int] | np.ndarray | None = None,
        activation: str = "sigmoid", scale: float = 0.01,
    ) -> None:  # fmt: skip
        check_units("A NADE", visible)
        check_activation(activation)
        check_key(key)
        if not whole(hidden):
            raise InputError(f"A NADE needs hidden units, not hidden={hidden}.")
        check_weights("A NADE", (visible.width, hidden), (visible.num_outputs, hidden))
        self.visible, self.order, self.activation = visible, check_order(order, visible.size), activation
        below, above = jax.random.split(key)
        self.W = scale * jax.random.normal(below, (visible.width, hidden), jnp.float32)
        self.V = scale * jax.random.normal(above, (visible.num_outputs, hidden), jnp.float32)
        self.b, self.c = visible.bias(visible.neutral_natural()), jnp.zeros(hidden, jnp.float32)

    def natural(self, x: Array) -> Stats:
        """Natural parameters of all variables, each given those before it."""
        unit, f = self.visible, ACTIVATIONS[self.activation]

        def step(a: Array, rows: tuple[Array, Array, Array]) -> tuple[Array, Array]:
            x, W, V = rows
            return a + x @ W, V @ f(a)

        @jax.checkpoint  # hidden units of all variables at once would be as much as the batch times W
        def block(a: Array, rows: tuple[Array, Array, Array]) -> tuple[Array, Array]:
            return jax.lax.scan(step, a, rows)

        whole = unit.size // BLOCK * BLOCK
        # Rows come to the scan in their order: taken out inside of it, each would cost a gradient as large as W.
        pairs = ((unit.widths, unit.as_input(x)), (unit.widths, self.W), (unit.out_widths, self.V))
        rows = tuple(to_slots(widths, self.order, z) for widths, z in pairs)
        first, rest = [z[:whole].reshape(-1, BLOCK, *z.shape[1:]) for z in rows], tuple(z[whole:] for z in rows)
        a, outs = jax.lax.scan(block, self.init_carry(), tuple(first))
        _, others = block(a, rest)
        parts = jnp.concatenate([outs.reshape(whole, max(unit.out_widths)), others])
        return unit.natural_from_output(self.b, from_slots(unit.out_widths, self.order, parts))

    def init_carry(self) -> Float[Array, "hidden"]:
        """The hidden units' activations when nothing is known."""
        return self.c

    def sample_step(self, key: Key[Array, ""], i: Int[Array, ""], carry: Float[Array, "hidden"]) -> Array:
        """A value of variable `i`."""
        return self.visible.sample_one(key, i, self.b, self._out(i, carry))

    def log_prob_step(self, i: Int[Array, ""], value: Array, carry: Float[Array, "hidden"]) -> Float[Array, ""]:
        """Log-probability of a value of variable `i`."""
        return self.visible.log_prob_one(i, self.b, self._out(i, carry), value)

    def update_carry(self, i: Int[Array, ""], value: Array, carry: Float[Array, "hidden"]) -> Float[Array, "hidden"]:
        """The activations with one variable more."""
        rows = slot(self.visible.widths, self.W, i)
        return carry + self.visible.features_of_one(i, value, rows.shape[0]) @ rows

    def _out(self, i: Int[Array, ""], a: Float[Array, "hidden"]) -> Float[Array, "most"]:
        return slot(self.visible.out_widths, self.V, i) @ ACTIVATIONS[self.activation](a)

    def filters(self) -> np.ndarray:
        """Weights between the data and the units next to it."""
        return np.asarray(self.W, float)

    def hidden_sizes(self) -> list[int]:
        """Of the layers of its network."""
        return [len(self.c)]
