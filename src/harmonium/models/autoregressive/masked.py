"""Nets whose connections are masked so that no output sees a later variable: MADE, and its ancestor of 2000."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from harmonium.decay import no_decay
from harmonium.errors import InputError, whole
from harmonium.memory import check_weights
from harmonium.models.autoregressive.conditionals import Conditionals
from harmonium.models.autoregressive.order import check_order, ranks, slot
from harmonium.models.validation import check_sizes, check_units
from harmonium.nets import ACTIVATIONS, check_activation
from harmonium.rng import check_key
from harmonium.units import Stats, Unit


class MADE(Conditionals):
    """A masked net: each hidden unit has a degree, sees variables up to it, and is seen by those after it.

        h^l = f(c^l + (M^l * W^l)^T h^(l-1)),      eta = b + (M^V * V)^T h^L + (M^D * D) T(x)

    with `M^l_jk = 1` where the degree of unit `k` is at least that of `j`, and `M^V_kd = 1` where that of `d` is more
    than that of `k` (Germain, Gregor, Murray & Larochelle 2015; book, section 20.10.9). One pass gives all
    conditionals; drawing takes one pass a variable. Degrees are spread evenly over the hidden units.

    Arguments: `visible`, the units; `hidden`, the sizes of the hidden layers; `key`, for the weights' start (variance
    1 / fan-in, 2 / fan-in for relu); `order`, the variables in the order of the chain rule (default: their own);
    `activation`: sigmoid, tanh, relu or softplus; `direct`, whether variables also act on later ones directly (`D`).
    Fields: `W`, a tuple of weights `[below, above]`, the last of which are `V`; `D` `[num_outputs, width]` or None;
    `c`, a tuple of hidden biases; `b`, the visible ones. Raises `InputError` for no hidden units, another activation,
    or an order that is no permutation.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> made = MADE(hm.units.Bernoulli(6), [8, 8], key=jax.random.key(0)); made.log_prob(jnp.ones(6)).shape
    ()
    """

    visible: Unit
    W: tuple[Float[Array, "..."], ...]
    D: Float[Array, "num_outputs width"] | None
    b: PyTree = no_decay()
    c: tuple[Float[Array, "..."], ...] = no_decay()
    order: tuple[int, ...] = eqx.field(static=True)
    activation: str = eqx.field(static=True)
    degrees: tuple[tuple[int, ...], ...] = eqx.field(static=True)

    def __init__(
        self, visible: Unit, hidden: Sequence[int], *, key: Key[Array, ""],
        order: Sequence[int] | np.ndarray | None = None, activation: str = "relu", direct: bool = True,
    ) -> None:  # fmt: skip
        check_units("A MADE", visible)
        sizes = check_sizes(hidden)
        check_weights("A MADE", *itertools.pairwise([visible.width, *sizes, visible.num_outputs]))
        last = max(visible.size - 1, 1)  # a unit of degree d sees the first d variables; none may see the last
        spread = tuple(tuple((1 + np.arange(size) * last // size).tolist()) for size in sizes)
        self._fill(visible, spread, key, order, activation, direct)

    def _fill(
        self, visible: Unit, degrees: tuple[tuple[int, ...], ...], key: Key[Array, ""],
        order: Sequence[int] | np.ndarray | None, activation: str, direct: bool,
    ) -> None:  # fmt: skip
        check_activation(activation)
        check_key(key)
        self.visible, self.order = visible, check_order(order, visible.size)
        self.activation, self.degrees = activation, degrees
        gain = 2.0 if activation == "relu" else 1.0
        weights = []
        for mask, k in zip(self.masks, jax.random.split(key, len(degrees) + 1), strict=True):
            fan = np.maximum(mask.sum(axis=0), 1).astype(np.float32)  # what is masked does not count
            weights.append((gain / fan) ** 0.5 * jax.random.normal(k, mask.shape, jnp.float32))
        self.W = (*weights[:-1], 0.1 * weights[-1])
        self.D = jnp.zeros((visible.num_outputs, visible.width), jnp.float32) if direct else None
        self.b, self.c = (
            visible.bias(visible.neutral_natural()),
            tuple(jnp.zeros(len(degree), jnp.float32) for degree in degrees),
        )

    @property
    def masks(self) -> list[Bool[np.ndarray, "below above"]]:
        """Which weights of each layer count."""
        rank, out = ranks(self.visible.widths, self.order), ranks(self.visible.out_widths, self.order)
        degrees = [rank + 1, *(np.asarray(degree) for degree in self.degrees)]
        inside = [above[None, :] >= below[:, None] for below, above in itertools.pairwise(degrees)]
        return [*inside, out[None, :] + 1 > degrees[-1][:, None]]

    def natural(self, x: Array) -> Stats:
        """Natural parameters of all variables, each given those before it."""
        return self.visible.natural_from_output(self.b, self._out(x))

    def init_carry(self) -> Array:
        """No variable is known; what stands in the place of a later one has no effect."""
        return jnp.zeros(self.visible.size, self.visible.dtype)

    def sample_step(self, key: Key[Array, ""], i: Int[Array, ""], carry: Array) -> Array:
        """A value of variable `i`."""
        return self.visible.sample_one(key, i, self.b, slot(self.visible.out_widths, self._out(carry), i))

    def log_prob_step(self, i: Int[Array, ""], value: Array, carry: Array) -> Float[Array, ""]:
        """Log-probability of a value of variable `i`."""
        return self.visible.log_prob_one(i, self.b, slot(self.visible.out_widths, self._out(carry), i), value)

    def update_carry(self, i: Int[Array, ""], value: Array, carry: Array) -> Array:
        """The values with one variable more."""
        return carry.at[i].set(value.astype(carry.dtype))

    def _out(self, x: Array) -> Float[Array, "num_outputs"]:
        features = h = self.visible.as_input(x)
        *inside, last = [jnp.where(jnp.asarray(mask), W, 0) for mask, W in zip(self.masks, self.W, strict=True)]
        for W, c in zip(inside, self.c, strict=True):
            h = ACTIVATIONS[self.activation](h @ W + c)
        if self.D is None:
            return h @ last
        rank, out = ranks(self.visible.widths, self.order), ranks(self.visible.out_widths, self.order)
        return h @ last + jnp.where(jnp.asarray(rank[None, :] < out[:, None]), self.D, 0) @ features

    def filters(self) -> np.ndarray:
        """Weights between the data and the units next to it."""
        return np.where(self.masks[0], np.asarray(self.W[0], float), 0)

    def hidden_sizes(self) -> list[int]:
        """Of the layers of its network."""
        return [len(c) for c in self.c]


class NeuralAutoregressive(MADE):
    """A group of hidden units for each variable, which sees it and those before it, and is reused by all after it.

        h_j = tanh(c_j + sum_{i <= j} W_ji T(x_i)),      eta_d = b_d + sum_{j < d} V_dj h_j + sum_{j < d} D_dj T(x_j)

    (Bengio & Bengio 2000; book, section 20.10.9, Fig. 20.9.) It is the masked net of one hidden layer whose degrees
    come in groups. Arguments as in `MADE`, except for `group`, how many hidden units each variable (but the last) has.
    Raises `InputError` for no hidden units, or an order that is no permutation.

    >>> import harmonium as hm, jax
    >>> net = NeuralAutoregressive(hm.units.Bernoulli(6), 4, key=jax.random.key(0)); net.W[0].shape
    (6, 20)
    """

    def __init__(
        self, visible: Unit, group: int, *, key: Key[Array, ""], order: Sequence[int] | np.ndarray | None = None,
        activation: str = "tanh", direct: bool = True,
    ) -> None:  # fmt: skip
        check_units("A NeuralAutoregressive", visible)
        if not whole(group):
            raise InputError(f"Each variable has a group of hidden units, not group={group}.")
        check_weights("A NeuralAutoregressive", (visible.width, group * visible.size))
        degrees = np.repeat(np.arange(1, max(visible.size, 2)), group)
        self._fill(visible, (tuple(degrees.tolist()),), key, order, activation, direct)
