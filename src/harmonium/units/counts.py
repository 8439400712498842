"""What units of counts share: a base measure that is a statistic, whose natural parameter is 1."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from harmonium.units.unit import Unit


class CountStats(NamedTuple):
    """Statistics `(x, log h(x))` of counts with base measure `h`, or the natural parameters of these, `(eta, 1)`.

    No bias and no weight acts on the second, so that `exp <eta, T(x)> = h(x) exp(eta x)` wherever an energy is summed.

    >>> import harmonium as hm
    >>> hm.units.Binomial(1, trials=4).stats(jnp.array([2.0])).log_base                     # log 6
    Array([1.7917595], dtype=float32)
    """

    x: Float[Array, "size"]
    log_base: Float[Array, "size"]


class Counts(Unit):
    """Units of counts: weights multiply the count, and a bias is added to what they say.

    >>> import harmonium as hm
    >>> hm.units.Poisson(1).natural(jnp.zeros(1)).log_base
    Array([1.], dtype=float32)
    """

    def neutral_natural(self) -> CountStats:
        """No bias: even odds, or the rate 1."""
        return self.natural(jnp.zeros(self.size, jnp.float32))

    def expected_value(self, mean: CountStats) -> Float[Array, "size"]:
        """`E[x]`."""
        return mean.x

    def natural(self, bias: Float[Array, "size"]) -> CountStats:
        """`(b, 1)`."""
        return CountStats(bias, jnp.ones_like(bias))

    def bias(self, natural: CountStats) -> Float[Array, "size"]:
        """The first parameter."""
        return natural.x

    def interaction(self, stats: CountStats, bias: Float[Array, "size"]) -> Float[Array, "size"]:
        """`x`: weights multiply the count."""
        return stats.x

    def values(self, index: Int[Array, "*batch size"]) -> Float[Array, "*batch size"]:
        """A count is its own value, of however many there are."""
        return index.astype(jnp.float32)
