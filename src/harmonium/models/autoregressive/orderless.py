"""Auto-regressive networks of every order: each variable given any of the others (section 20.10.10)."""

# No `from __future__ import annotations`: Equinox cannot read AbstractVar from a string.
import itertools
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from equinox import AbstractVar
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from harmonium.decay import no_decay
from harmonium.errors import InputError, whole
from harmonium.memory import check_weights
from harmonium.models.autoregressive.order import ORDERLESS, ancestral, check_order, conditional_log_prob, slot
from harmonium.models.energy import Constant
from harmonium.models.kind import Kind
from harmonium.models.validation import check_sizes, check_units
from harmonium.nets import ACTIVATIONS, check_activation
from harmonium.rng import check_key
from harmonium.units import Stats, Unit

Carry = PyTree[Array]


class Orderless(eqx.Module):
    """A network that says what any variable is given any of the others; its density is the mean over some orders.

        p(x) = 1/M sum_m prod_i p(x_o(i) | x_o(i-1), ..., x_o(1)),      o = orders[m]                    # (20.85)

    (Uria, Murray & Larochelle 2014; book, section 20.10.10.) It is normalised for any orders; different orders give
    different densities, whose mean is the better one. `orders` `[M, size]` is a `Constant`: it is not learned.

    >>> import harmonium as hm, jax
    >>> model = hm.OrderlessNADE(hm.units.Bernoulli(6), [4], key=jax.random.key(0))
    >>> model.orders.value.tolist(), model.with_orders(16, key=jax.random.key(1)).orders.value.shape
    ([[0, 1, 2, 3, 4, 5]], (16, 6))
    """

    model_kind: ClassVar[Kind] = ORDERLESS

    visible: AbstractVar[Unit]
    b: AbstractVar[PyTree]
    orders: AbstractVar[Constant]

    @abstractmethod
    def outs(self, x: Array, mask: Bool[Array, "size"]) -> Float[Array, "refinements num_outputs"]:
        """What the net says of every variable, given those in the mask, at each refinement; the last is what counts."""

    @abstractmethod
    def out(self, i: Int[Array, ""], carry: Carry) -> Float[Array, "most"]:
        """What the net says of variable `i` alone, given those taken."""

    @abstractmethod
    def init_carry(self) -> Carry:
        """What is carried before the first variable."""

    @abstractmethod
    def update_carry(self, i: Int[Array, ""], value: Array, carry: Carry) -> Carry:
        """What is carried once variable `i` has its value."""

    def refinements(self, x: Array, mask: Bool[Array, "size"]) -> Stats:
        """Natural parameters of all variables given those in the mask, `[refinements, ...]`: the last are `given`."""
        return jax.vmap(lambda out: self.visible.natural_from_output(self.b, out))(self.outs(x, mask))

    def given(self, x: Array, mask: Bool[Array, "size"]) -> Stats:
        """Natural parameters of every variable given those in the mask; other values have no effect (NaN neither).

        Of a variable in the mask they say nothing.
        """
        return self.visible.natural_from_output(self.b, self.outs(x, mask)[-1])

    def sample_step(self, key: Key[Array, ""], i: Int[Array, ""], carry: Carry) -> Array:
        """A value of variable `i`."""
        return self.visible.sample_one(key, i, self.b, self.out(i, carry))

    def log_prob_step(self, i: Int[Array, ""], value: Array, carry: Carry) -> Float[Array, ""]:
        """Log-probability of a value of variable `i`."""
        return self.visible.log_prob_one(i, self.b, self.out(i, carry), value)

    @property
    def layers(self) -> dict[str, Unit]:
        """`v`."""
        return {"v": self.visible}

    @property
    def biases(self) -> dict[str, PyTree]:
        """`b`, of the visible units."""
        return {"v": self.b}

    def log_prob(self, x: Array) -> Float[Array, ""]:
        """Log-probability of a value `[size]`, in nats: that of the mean over the orders."""
        self.visible.check_shape(x, "v")
        asked = jnp.ones(self.visible.size, bool)
        each = jax.vmap(lambda order: conditional_log_prob(self, x, order, ~asked, asked))(self.orders.value)
        return jax.nn.logsumexp(each) - jnp.log(len(each))  # (20.85)

    def sample(self, key: Key[Array, ""]) -> Array:
        """A value `[size]`: one of the orders by lot, then one variable after the other."""
        lot, draw = jax.random.split(key)
        which = jax.random.randint(lot, (), 0, len(self.orders.value), jnp.int32)
        return ancestral(self, draw, self.orders.value[which])

    def with_orders(self, n: Any, *, key: Key[Array, ""]) -> "Orderless":
        """The same network with `n` orders drawn at random: an ensemble. Raises `InputError` for none."""
        if not whole(n):
            raise InputError(f"An ensemble has at least one order, in whole numbers, not orders={n}.")
        check_key(key)
        numbers = jnp.arange(self.visible.size, dtype=jnp.int32)
        drawn = jax.vmap(lambda k: jax.random.permutation(k, numbers))(jax.random.split(key, n))
        return eqx.tree_at(lambda model: model.orders, self, Constant(drawn))

    def in_first_order(self) -> "Orderless":
        """The same network with the first of its orders alone: another density, whose cost is one of `M` parts."""
        return eqx.tree_at(lambda model: model.orders, self, Constant(self.orders.value[:1]))

    def filters(self) -> np.ndarray:
        """Weights between the data and the units next to it."""
        return np.asarray(self.W[0], float)

    def hidden_sizes(self) -> list[int]:
        """Of the layers of its network."""
        return [len(c) for c in self.c]


class OrderlessNADE(Orderless):
    """Each variable given any of the others by one deep net of those known and of which they are: DeepNADE.

        h^1 = f(c^1 + W^1T (m * T(x)) + U^T m),      h^l = f(c^l + W^lT h^(l-1)),      eta = b + V h^L

    with `m_i = 1` where `x_i` is known (Uria, Murray & Larochelle 2014; Uria et al. 2016; book, section 20.10.10).
    `hm.objectives.OrderAgnostic` trains it for all orders at once. Activations of the first layer are carried from one
    variable to the next, so that a variable costs `hidden` operations, and `hidden^2` for each upper layer.

    Arguments: `visible`, the units; `hidden`, the sizes of the hidden layers; `key`, for the weights' start (variance
    1 / fan-in, 2 / fan-in for relu); `orders`, over which the density is a mean, one a row (default: the variables'
    own order alone); `activation`: sigmoid, tanh, relu or softplus.
    Fields: `W`, a tuple of weights `[below, above]`, the first `[width, hidden]`; `U` `[size, hidden]`, from the mask;
    `V` `[num_outputs, hidden]`, to the variables; `b`, `c`, biases of the visible and (a tuple) the hidden units.
    Raises `InputError` for no hidden units, another activation, or an order that is no permutation.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> model = OrderlessNADE(hm.units.Bernoulli(3), [4, 4], key=jax.random.key(0))
    >>> model.given(jnp.array([1.0, jnp.nan, 0.0]), jnp.array([True, False, True])).shape
    (3,)
    """

    visible: Unit
    W: tuple[Float[Array, "below above"], ...]
    U: Float[Array, "size hidden"]
    V: Float[Array, "num_outputs hidden"]
    b: PyTree = no_decay()
    c: tuple[Float[Array, "above"], ...] = no_decay()
    orders: Constant
    activation: str = eqx.field(static=True)

    def __init__(
        self, visible: Unit, hidden: Any, *, key: Key[Array, ""], orders: Any = None, activation: str = "relu"
    ) -> None:
        check_units("An OrderlessNADE", visible)
        check_activation(activation)
        check_key(key)
        sizes = check_sizes(hidden)
        check_weights("An OrderlessNADE", *itertools.pairwise([visible.width, *sizes, visible.num_outputs]))
        self.visible, self.activation, self.orders = visible, activation, check_orders(orders, visible.size)
        net, mask = jax.random.split(key)
        self.W, self.V, self.c = started(visible, sizes, activation, net)
        self.U = (1 / visible.size) ** 0.5 * jax.random.normal(mask, (visible.size, sizes[0]), jnp.float32)
        self.b = visible.bias(visible.neutral_natural())

    def outs(self, x: Array, mask: Bool[Array, "size"]) -> Float[Array, "refinements num_outputs"]:
        """What the net says of every variable, given those in the mask: there is nothing to refine."""
        known, _ = known_features(self.visible, x, mask)
        return (self.V @ self._last(known @ self.W[0] + mask.astype(jnp.float32) @ self.U + self.c[0]))[None]

    def out(self, i: Int[Array, ""], carry: Float[Array, "hidden"]) -> Float[Array, "most"]:
        """What the net says of variable `i` alone, given those taken."""
        return slot(self.visible.out_widths, self.V, i) @ self._last(carry)

    def init_carry(self) -> Float[Array, "hidden"]:
        """The first layer's activations when nothing is known."""
        return self.c[0]

    def update_carry(self, i: Int[Array, ""], value: Array, carry: Float[Array, "hidden"]) -> Float[Array, "hidden"]:
        """The activations with one variable more."""
        rows = slot(self.visible.widths, self.W[0], i)
        return carry + self.visible.features_of_one(i, value, rows.shape[0]) @ rows + self.U[i]

    def _last(self, a: Float[Array, "hidden"]) -> Float[Array, "last"]:
        """The last layer's units, for activations of the first."""
        f = ACTIVATIONS[self.activation]
        h = f(a)
        for W, c in zip(self.W[1:], self.c[1:], strict=True):
            h = f(h @ W + c)
        return h


def known_features(
    unit: Unit, x: Array, mask: Bool[Array, "size"]
) -> tuple[Float[Array, "width"], Bool[Array, "width"]]:
    """The vector that networks take in, zero for variables outside of the mask, and the mask by its numbers.

    >>> import harmonium as hm
    >>> known_features(hm.units.Spin(2), jnp.array([jnp.nan, -1.0]), jnp.array([False, True]))[0].tolist()
    [0.0, -1.0]
    """
    wide = mask if unit.width == unit.size else mask[np.repeat(np.arange(unit.size), unit.widths)]
    return jnp.where(wide, unit.as_input(jnp.where(mask, x, 0).astype(unit.dtype)), 0), wide


def check_orders(orders: Any, size: int) -> Constant:
    """Orders `[M, size]` of variables; None is their own alone. Raises `InputError` for none, or no permutations.

    >>> check_orders([[1, 0], [0, 1]], 2).value.shape
    (2, 2)
    """
    rows = [None] if orders is None else orders
    if not isinstance(rows, Sequence | np.ndarray | jax.Array) or isinstance(rows, str) or len(rows) == 0:
        raise InputError(f"Orders are a list of orders, such as [range({size})], not {orders!r}.")
    return Constant(jnp.asarray([check_order(row, size) for row in rows], jnp.int32))


def started(
    unit: Unit, sizes: Sequence[int], activation: str, key: Key[Array, ""]
) -> tuple[tuple[Array, ...], Array, tuple[Array, ...]]:
    """Weights between layers, weights from the last one to the variables (small), and hidden biases (zero).

    >>> import harmonium as hm
    >>> W, V, c = started(hm.units.Gaussian(6), [4, 3], "relu", jax.random.key(0)); [len(w) for w in W], V.shape
    ([6, 4], (12, 3))
    """
    gain = 2.0 if activation == "relu" else 1.0
    below, keys = [unit.width, *sizes[:-1]], jax.random.split(key, len(sizes) + 1)
    pairs = zip(keys[:-1], below, sizes, strict=True)
    W = tuple((gain / m) ** 0.5 * jax.random.normal(k, (m, n), jnp.float32) for k, m, n in pairs)
    V = 0.1 * (gain / sizes[-1]) ** 0.5 * jax.random.normal(keys[-1], (unit.num_outputs, sizes[-1]), jnp.float32)
    return W, V, tuple(jnp.zeros(n, jnp.float32) for n in sizes)
