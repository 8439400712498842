"""The real-valued neural auto-regressive density estimator (section 20.10.10)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp, ndtri
from jaxtyping import Array, Float, Int, Key

from harmonium.decay import no_decay
from harmonium.errors import InputError, shown, whole
from harmonium.memory import check_weights
from harmonium.models.autoregressive.order import ORDERED, ancestral, check_order
from harmonium.models.kind import Kind
from harmonium.nets import ACTIVATIONS, check_activation
from harmonium.rng import check_key
from harmonium.units import Gaussian, Unit, limited

# log p(z) of a component with mean 0 and scale 1, and how it is drawn
DENSITIES = {
    "gaussian": (lambda z: -0.5 * z * z - 0.5 * math.log(2 * math.pi), jax.random.normal),
    "laplace": (lambda z: -jnp.abs(z) - math.log(2.0), jax.random.laplace),
}


class RNADE(eqx.Module):
    """Each real variable given those before it by a mixture, whose parameters a net with shared weights gives.

        p(x_d | x_{<d}) = sum_k alpha_dk N(x_d; mu_dk, sigma_dk^2),      alpha = softmax(u),  sigma = exp(s)
        (u, mu, s)_d = b_d + V_d h_d,      h_d = f(rho_d a_d),      a_{d+1} = a_d + x_d W_d,      a_1 = c

    (Uria, Murray & Larochelle 2013; Uria et al. 2016; book, section 20.10.10.) With Laplace components, `sigma` is
    their scale `E|x - mu|`. As in the paper, the gradient with respect to a mean is multiplied by its `sigma`, so that
    narrow components take no long steps; the value of `log_prob` is not touched, but a gradient with respect to `x` is
    the exact one only with `scaled_means=False`. Columns should be standardised: means start over that range. What
    the net adds to `s` is `limited`; its bias is not, so that columns that are constant, or hold few values, have no
    upper limit of likelihood.

    Arguments: `visible`, `Gaussian(n)` for `n` columns; `hidden`, how many hidden units; `components` of each
    mixture; `kind` of components: gaussian or laplace; `key`, for the weights' start; `order`, the variables in the
    order of the chain rule (default: their own); `activation`, of the hidden units: sigmoid, tanh, relu or softplus;
    `scaled_means`, whether gradients are those of the paper; `scale`, the standard deviation of the weights' start.
    Fields: `W` `[size, hidden]`; `V` `[size, 3, components, hidden]` and `b` `[size, 3, components]`, for the mixtures'
    weights, means and scales; `c` `[hidden]`; `rho` `[size]`. Raises `InputError` for other units than Gaussian ones,
    no hidden units or components, another kind or activation, or an order that is no permutation.

    >>> import harmonium as hm, jax
    >>> rnade = RNADE(hm.units.Gaussian(3), 8, key=jax.random.key(0)); rnade.sample(jax.random.key(1)).shape
    (3,)
    """

    model_kind: ClassVar[Kind] = ORDERED

    visible: Unit
    W: Float[Array, "size hidden"]
    V: Float[Array, "size 3 components hidden"]
    b: Float[Array, "size 3 components"] = no_decay()
    c: Float[Array, "hidden"] = no_decay()
    rho: Float[Array, "size"] = no_decay()
    order: tuple[int, ...] = eqx.field(static=True)
    kind: str = eqx.field(static=True)
    activation: str = eqx.field(static=True)
    scaled_means: bool = eqx.field(static=True)

    def __init__(
        self, visible: Any, hidden: int, *, components: int = 10, kind: str = "gaussian", key: Key[Array, ""],
        order: Sequence[int] | np.ndarray | None = None, activation: str = "relu", scaled_means: bool = True,
        scale: float = 0.05,
    ) -> None:  # fmt: skip
        if not isinstance(visible, Gaussian):
            raise InputError(f"An RNADE is of real columns: make it with Gaussian(n), not {shown(visible)}.")
        if not whole(hidden, components):
            raise InputError(
                f"An RNADE needs hidden units and components, not hidden={hidden} and components={components}."
            )
        check_weights("An RNADE", (visible.size, 3, components, hidden), (visible.size, hidden))
        if kind not in DENSITIES:
            raise InputError(f"There is no kind of components '{kind}': choose one of {', '.join(DENSITIES)}.")
        check_activation(activation)
        check_key(key)
        self.visible, self.order = visible, check_order(order, visible.size)
        self.kind, self.activation, self.scaled_means = kind, activation, scaled_means
        below, above = jax.random.split(key)
        self.W = scale * jax.random.normal(below, (visible.size, hidden), jnp.float32)
        self.V = scale * jax.random.normal(above, (visible.size, 3, components, hidden), jnp.float32)
        places = (jnp.arange(components, dtype=jnp.float32) + 0.5) / components
        spread = ndtri(places)  # means apart, or components would stay alike
        self.b = jnp.zeros((visible.size, 3, components), jnp.float32).at[:, 1].set(spread)
        self.c, self.rho = jnp.zeros(hidden, jnp.float32), jnp.ones(visible.size, jnp.float32)

    @property
    def layers(self) -> dict[str, Unit]:
        """`v`."""
        return {"v": self.visible}

    def log_prob(self, x: Array) -> Float[Array, ""]:
        """Log-density of a value `[size]`, in nats."""
        self.visible.check_shape(x, "v")
        f, at = ACTIVATIONS[self.activation], np.asarray(self.order)

        def step(a: Array, rows: tuple[Array, ...]) -> tuple[Array, Array]:
            x, W, V, b, rho = rows
            return a + x * W, _mixture(b, V @ f(rho * a))

        # Rows come to the scan in their order: taken out inside of it, each would cost a gradient as large as V.
        _, mixtures = jax.lax.scan(step, self.init_carry(), (x[at], self.W[at], self.V[at], self.b[at], self.rho[at]))
        return jnp.sum(self._log_density(x[at], mixtures))

    def sample(self, key: Key[Array, ""]) -> Float[Array, "size"]:
        """A value `[size]`."""
        return ancestral(self, key)

    def init_carry(self) -> Float[Array, "hidden"]:
        """The hidden units' activations when nothing is known."""
        return self.c

    def log_prob_step(self, i: Int[Array, ""], value: Array, carry: Float[Array, "hidden"]) -> Float[Array, ""]:
        """Log-density of a value of variable `i` given those before it, in nats."""
        return self._log_density(value, self._mixture(i, carry))

    def sample_step(self, key: Key[Array, ""], i: Int[Array, ""], carry: Float[Array, "hidden"]) -> Float[Array, ""]:
        """A value of variable `i`."""
        choose, place = jax.random.split(key)
        u, mu, s = self._mixture(i, carry)
        k = jax.random.categorical(choose, u)
        return mu[k] + jnp.exp(s[k]) * DENSITIES[self.kind][1](place, dtype=jnp.float32)

    def update_carry(self, i: Int[Array, ""], value: Array, carry: Float[Array, "hidden"]) -> Float[Array, "hidden"]:
        """The activations with one variable more."""
        return carry + value * self.W[i]

    def _mixture(self, i: Int[Array, ""], a: Float[Array, "hidden"]) -> Float[Array, "3 components"]:
        return _mixture(self.b[i], self.V[i] @ ACTIVATIONS[self.activation](self.rho[i] * a))

    def _log_density(self, x: Float[Array, "*d"], mixture: Float[Array, "*d 3 k"]) -> Float[Array, "*d"]:
        """`log sum_k alpha_k p(x; mu_k, sigma_k)`."""
        u, mu, s = jnp.moveaxis(mixture, -2, 0)
        if self.scaled_means:  # the same number, whose gradient is sigma times as long
            still = jax.lax.stop_gradient(mu)
            mu = still + jax.lax.stop_gradient(jnp.exp(s)) * (mu - still)
        z = (x[..., None] - mu) * jnp.exp(-s)
        return logsumexp(jax.nn.log_softmax(u) + DENSITIES[self.kind][0](z) - s, axis=-1)

    def filters(self) -> np.ndarray:
        """Weights between the data and the units next to it."""
        return np.asarray(self.W, float)

    def hidden_sizes(self) -> list[int]:
        """Of the layers of its network."""
        return [len(self.c)]


def _mixture(b: Float[Array, "3 components"], out: Float[Array, "3 components"]) -> Float[Array, "3 components"]:
    """Weights, means and log-scales from the biases and what the net adds to them."""
    return b + out.at[2].set(limited(out[2]))
