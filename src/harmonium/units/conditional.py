"""The distribution of one layer, given its natural parameters: what `hm.conditional` returns."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from harmonium.units.columns import Columns
from harmonium.units.unit import Stats, Unit


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
        return self.unit.log_prob(self.natural, x)

    def log_probs(self, x: Array) -> Float[Array, "size"]:
        """Log-probability of each unit's own value, in nats: the terms whose sum is `log_prob`."""
        self.unit.check_shape(x, "x")
        unit = self.unit
        if not isinstance(unit, Columns):
            return _each(unit, self.natural, x.astype(unit.dtype))
        each = zip(unit.kinds, self.natural, unit.by_kind(x), strict=True)
        return unit.in_order([_each(kind.unit, eta, own.astype(kind.unit.dtype)) for kind, eta, own in each])


class ConditionalOfData(Conditional):
    """The distribution of a layer whose values are the data's own: `sample` and `log_prob` are of these; `natural` and
    `mean` are of the values that the layer holds.

    >>> import harmonium as hm, numpy as np
    >>> unit = hm.units.Gaussian(1, [1e9], [2.0])
    >>> law = ConditionalOfData(unit, unit.neutral_natural())
    >>> round(float(law.log_prob(np.array([1e9]))), 4)                                        # log N(0; 0, 2^2)
    -1.6121
    """

    def sample(self, key: Key[Array, ""]) -> Any:
        """A value `[size]`."""
        return self.unit.to_data(super().sample(key))

    def log_prob(self, x: Any) -> Float[Array, ""]:
        """Log-density of a value `[size]`, in nats."""
        return super().log_prob(self.unit.from_data(x)) - jnp.asarray(self.unit.log_scale(), jnp.float32)


def _each(unit: Unit, natural: Stats, x: Array) -> Float[Array, "size"]:
    """`<eta_i, T(x_i)> - A(eta_i)` of each of a layer's units."""
    one = unit.sized(1)

    def log_prob(eta: Stats, value: Array) -> Float[Array, ""]:
        return one.log_prob(jax.tree.map(lambda leaf: leaf[None], eta), value[None])

    return jax.vmap(log_prob)(natural, x)
