"""What auto-regressive networks share that give the natural parameters of all variables at once."""

# No `from __future__ import annotations`: Equinox cannot read AbstractVar from a string.
from abc import abstractmethod
from typing import ClassVar

import equinox as eqx
from equinox import AbstractVar
from jaxtyping import Array, Float, Key, PyTree

from harmonium.models.autoregressive.order import ORDERED, ancestral
from harmonium.models.kind import Kind
from harmonium.units import Conditional, Stats, Unit


class Conditionals(eqx.Module):
    """A network whose conditionals are units: `log p(x) = sum_i log p(x_i | eta_i(x_{i-1}, ..., x_1))`.

    >>> import harmonium as hm
    >>> list(hm.FVBN(hm.units.Bernoulli(3)).layers)
    ['v']
    """

    model_kind: ClassVar[Kind] = ORDERED

    visible: AbstractVar[Unit]
    b: AbstractVar[PyTree]
    order: AbstractVar[tuple[int, ...]]

    @abstractmethod
    def natural(self, x: Array) -> Stats:
        """Natural parameters of all variables, each given those before it."""

    @property
    def layers(self) -> dict[str, Unit]:
        """`v`."""
        return {"v": self.visible}

    @property
    def biases(self) -> dict[str, PyTree]:
        """`b`, of the visible units."""
        return {"v": self.b}

    def log_prob(self, x: Array) -> Float[Array, ""]:
        """Log-probability of a value `[size]`, in nats."""
        self.visible.check_shape(x, "v")
        return Conditional(self.visible, self.natural(x)).log_prob(x)

    def sample(self, key: Key[Array, ""]) -> Array:
        """A value `[size]`."""
        return ancestral(self, key)
