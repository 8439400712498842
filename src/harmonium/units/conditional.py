"""The distribution of one layer, given its natural parameters: what `hm.conditional` returns."""

from __future__ import annotations

import equinox as eqx
from jaxtyping import Array, Float, Key

from harmonium.units.unit import Stats, Unit, inner


class Conditional(eqx.Module):
    """`p(x | eta) = exp(<eta, T(x)> - A(eta))` for one layer.

    Arguments: `unit`, the family; `natural`, its natural parameters `eta`.

    >>> import jax.numpy as jnp, harmonium as hm
    >>> Conditional(hm.units.Bernoulli(1), jnp.zeros(1)).log_prob(jnp.ones(1))
    Array(-0.6931472, dtype=float32)
    """

    unit: Unit
    natural: Stats

    @property
    def mean(self) -> Stats:
        """Mean statistics (for Bernoulli units the probabilities of 1)."""
        return self.unit.mean(self.natural)

    @property
    def entropy(self) -> Float[Array, ""]:
        """Entropy in nats (differential for real units)."""
        return self.unit.entropy(self.natural)

    def sample(self, key: Key[Array, ""]) -> Array:
        """A value `[size]`."""
        return self.unit.sample(key, self.natural)

    def log_prob(self, x: Array) -> Float[Array, ""]:
        """Log-probability, or log-density for real units, of a value `[size]`, in nats."""
        self.unit.check_shape(x, "x")
        return inner(self.natural, self.unit.stats(x)) - self.unit.log_partition(self.natural)
