"""Gamma units: `x > 0`, `T(x) = (x, log x)`, `A(eta) = log Gamma(eta_2 + 1) - (eta_2 + 1) log(-eta_1)`."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import digamma, gammaln, polygamma
from jaxtyping import Array, Float, Key

from harmonium.errors import InputError, plain
from harmonium.units.unit import Unit, first_outside

NEWTON = 8  # steps towards the shape that gives a mean of the logarithm: more than float32 needs
SMALLEST = float(np.finfo(np.float32).tiny)


class GammaStats(NamedTuple):
    """Statistics `(x, log x)`, or the natural parameters that go with them: `(-rate, shape - 1)`.

    >>> import jax.numpy as jnp
    >>> Gamma(1).stats(jnp.array([1.0])).log
    Array([0.], dtype=float32)
    """

    x: Float[Array, "size"]
    log: Float[Array, "size"]


class GammaBias(NamedTuple):
    """The logarithms of shape and rate `[size]` of units on which nothing acts.

    >>> import jax.numpy as jnp
    >>> Gamma(1).natural(GammaBias(jnp.zeros(1), jnp.zeros(1))).x
    Array([-1.], dtype=float32)
    """

    log_shape: Float[Array, "size"]
    log_rate: Float[Array, "size"]


class Gamma(Unit):
    """A layer of positive units `Gamma(shape, rate)`, with mean `shape / rate`: the precisions of a product of
    Student-t experts (section 20.5.2).

        p(x) = rate^shape x^(shape - 1) exp(-rate x) / Gamma(shape)

    Argument: `size`, the number of units.

    >>> import jax
    >>> unit = Gamma(2); eta = unit.neutral_natural()
    >>> bool(abs(unit.log_partition(eta)) < 1e-5), bool((unit.sample(jax.random.key(0), eta) > 0).all())
    (True, True)
    """

    size: int = eqx.field(static=True, converter=plain)

    @property
    def states(self) -> None:
        """None: real values cannot be listed."""
        return None

    @property
    def has_score(self) -> bool:
        """No: the density ends at zero."""
        return False

    def stats(self, x: Float[Array, "size"]) -> GammaStats:
        """`T(x) = (x, log x)`."""
        return GammaStats(x, jnp.log(x))

    def log_partition(self, eta: GammaStats) -> Float[Array, ""]:
        """`sum_i log Gamma(eta_2 + 1) - (eta_2 + 1) log(-eta_1)`, finite where `eta_1 < 0` and `eta_2 > -1`."""
        shape = eta.log + 1
        return jnp.sum(gammaln(shape) - shape * jnp.log(-eta.x))

    def sample(self, key: Key[Array, ""], eta: GammaStats) -> Float[Array, "size"]:
        """`Gamma(shape) / rate`, never exactly 0."""
        drawn = jax.random.gamma(key, eta.log + 1, dtype=jnp.float32)
        return jnp.maximum(drawn / -eta.x, SMALLEST)

    def mean(self, eta: GammaStats) -> GammaStats:
        """`E[x] = shape / rate`, `E[log x] = digamma(shape) - log rate`."""
        shape, rate = eta.log + 1, -eta.x
        return GammaStats(shape / rate, digamma(shape) - jnp.log(rate))

    def natural_from_mean(self, mean: GammaStats) -> GammaStats:
        """The shape `a` with `log a - digamma(a) = log E[x] - E[log x]`, by Newton's method; the rate `a / E[x]`."""
        gap = jnp.log(mean.x) - mean.log
        shape = (3 - gap + jnp.sqrt((gap - 3) ** 2 + 24 * gap)) / (12 * gap)  # Minka's start, within 1.5 %
        for _ in range(NEWTON):
            slope = 1 / shape - polygamma(1, shape)
            shape = jnp.maximum(shape - (jnp.log(shape) - digamma(shape) - gap) / slope, 0.1 * shape)
        return GammaStats(-shape / mean.x, shape - 1)

    def expected_value(self, mean: GammaStats) -> Float[Array, "size"]:
        """`E[x]`."""
        return mean.x

    def neutral_natural(self) -> GammaStats:
        """The exponential distribution with mean 1."""
        return GammaStats(jnp.full(self.size, -1.0, jnp.float32), jnp.zeros(self.size, jnp.float32))

    def natural(self, bias: GammaBias) -> GammaStats:
        """`(-rate, shape - 1)`."""
        return GammaStats(-jnp.exp(bias.log_rate), jnp.exp(bias.log_shape) - 1)

    def bias(self, natural: GammaStats) -> GammaBias:
        """`log(eta_2 + 1)` and `log(-eta_1)`."""
        return GammaBias(jnp.log(natural.log + 1), jnp.log(-natural.x))

    def interaction(self, stats: GammaStats, bias: GammaBias) -> Float[Array, "size"]:
        """`x`: weights multiply the value. They keep the rate positive only where they act with one sign."""
        return stats.x

    @property
    def out_widths(self) -> tuple[int, ...]:
        """Two numbers for each unit."""
        return (2,) * self.size

    def natural_from_output(self, bias: GammaBias, out: Float[Array, "num_outputs"]) -> GammaStats:
        """`Gamma(shape exp(out_1), rate exp(out_2))` of each unit."""
        log_shape, log_rate = out.reshape(self.size, 2).T
        return self.natural(GammaBias(bias.log_shape + log_shape, bias.log_rate + log_rate))

    def check(self, x: np.ndarray, *, expectation: bool = False) -> None:
        """Refuse values that are not positive and finite."""
        inside = np.isfinite(x) & (np.asarray(x) > 0)
        if not inside.all():
            raise InputError(
                f"Gamma units take positive numbers, but the data holds {first_outside(x, inside)}: shift the column, "
                "or use hm.units.Gaussian units."
            )
