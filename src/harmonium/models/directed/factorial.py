"""Units on which nothing acts, as a model: the usual prior of latent variables."""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
from jaxtyping import Array, Float, Key, PyTree

from harmonium.decay import no_decay
from harmonium.models.energy import Constant
from harmonium.models.kind import Kind
from harmonium.models.tractable import TRACTABLE
from harmonium.units import Conditional, Unit


class Factorial(eqx.Module):
    """Independent units: `log p(x) = sum_i log p(x_i)` (book, section 20.10.1).

    Arguments: `visible`, the units; `b`, their bias, which is learned, or a `Constant` of it, which is not (default:
    the neutral member, for Gaussian units the standard normal distribution).

    >>> import harmonium as hm, jax.numpy as jnp
    >>> round(float(Factorial(hm.units.Bernoulli(3)).log_prob(jnp.ones(3))), 4)              # -3 log 2
    -2.0794
    """

    model_kind: ClassVar[Kind] = TRACTABLE

    visible: Unit
    b: PyTree = no_decay()

    def __init__(self, visible: Unit, b: PyTree = None) -> None:
        self.visible = visible
        self.b = visible.bias(visible.neutral_natural()) if b is None else b

    @property
    def layers(self) -> dict[str, Unit]:
        """`v`."""
        return {"v": self.visible}

    @property
    def conditional(self) -> Conditional:
        """The distribution."""
        bias = self.b.value if isinstance(self.b, Constant) else self.b
        return Conditional(self.visible, self.visible.natural(bias))

    def log_prob(self, x: Array) -> Float[Array, ""]:
        """Log-probability of a value `[size]`, in nats."""
        return self.conditional.log_prob(x)

    def sample(self, key: Key[Array, ""]) -> Array:
        """A value `[size]`."""
        return self.conditional.sample(key)
