"""Poisson units: counts 0, 1, 2, ..., `T(x) = (x, -log x!)`, the second natural parameter held at 1.

They are drawn by code of our own, for `jax.random.poisson` takes Threefry keys alone: at rate 1 it was ten times slower
(10,000 counts in 5.2 and 0.55 ms), and a draw of all units is the inner loop of every chain.
"""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln
from jaxtyping import Array, Float, Key, Num

from harmonium.errors import InputError, plain
from harmonium.units.counts import Counts, CountStats
from harmonium.units.unit import first_outside, refuse_missing

FEW = 16.0  # the rate up to which `E[log x!]` is summed; from there on its series is within float32's rounding
MOST = 80.0  # of a log-rate in float32
TRIES = 64  # of which all fail in no draw that anyone will see
TERMS = 64  # counts that have mass at such a rate
LOG_FACTORIAL = np.array([math.lgamma(n + 1) for n in range(TERMS)], np.float32)
ROUNDING = 1e-4  # by which mixtures of energies may miss the parameter 1


@jax.custom_jvp
def log_partition_of_each(eta: CountStats) -> Float[Array, "size"]:
    """`e^eta` of each unit, with the slopes `E[x] = e^eta` and `-E[log x!]`; no number where no Poisson law is meant.

    >>> slope = jax.grad(lambda eta: log_partition_of_each(eta).sum())(CountStats(jnp.zeros(1), jnp.ones(1)))
    >>> round(float(slope.log_base[0]), 4)                                                        # rate 1
    -0.3048
    """
    return jnp.where(jnp.abs(eta.log_base - 1) < ROUNDING, jnp.exp(eta.x), jnp.nan)


@log_partition_of_each.defjvp
def _slope(primals: tuple[CountStats], tangents: tuple[CountStats]) -> tuple[Array, Array]:
    (eta,), (moved,) = primals, tangents
    return log_partition_of_each(eta), jnp.exp(eta.x) * moved.x - mean_log_factorial(eta.x) * moved.log_base


def mean_log_factorial(eta: Float[Array, "size"]) -> Float[Array, "size"]:
    """`E[log x!]` of counts with the rate `e^eta`: summed where the rate is small, by Stirling's series of the entropy
    where it is large.

    >>> round(float(mean_log_factorial(jnp.log(jnp.array([100.0])))[0]), 3)
    364.238
    """
    counts, log_factorial = jnp.arange(TERMS, dtype=jnp.float32), jnp.asarray(LOG_FACTORIAL)
    low = jnp.minimum(eta, float(np.log(FEW)))
    few = jnp.exp(low[..., None] * counts - jnp.exp(low)[..., None] - log_factorial) @ log_factorial
    high = jnp.maximum(eta, float(np.log(FEW)))
    rate = jnp.exp(high)
    series = 1 / 12 + (1 / 24 + (19 / 360 + 9 / 80 / rate) / rate) / rate
    entropy = 0.5 * (jnp.log(2 * jnp.pi) + 1 + high) - series / rate
    return jnp.where(eta < float(np.log(FEW)), few, entropy + rate * (high - 1))


def log_probability(rate: Float[Array, "*n"], x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """`x log rate - rate - log x!`, for large counts in the form in which float32 keeps its digits.

    >>> round(float(log_probability(jnp.float32(1e6), jnp.float32(1e6))), 4)                 # -log(2 pi 1e6) / 2
    -7.8267
    """
    few = jnp.minimum(x, FEW)
    direct = jax.scipy.special.xlogy(few, rate) - rate - gammaln(few + 1)
    return jnp.where(x < FEW, direct, _about_rate(rate, jnp.maximum(x, FEW)))


def _about_rate(rate: Float[Array, "*n"], x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """The same by Stirling's series, for counts from 1."""
    away = jnp.maximum((x - rate) / rate, -1 + 1e-6)  # where the rate is a million times the count, minus the rate
    series = (1 / 12 - 1 / (360 * x**2)) / x + 0.5 * jnp.log(2 * jnp.pi * x)
    return -rate * ((1 + away) * jnp.log1p(away) - away) - series


def draw(key: Key[Array, ""], rate: Float[Array, "size"]) -> Float[Array, "size"]:
    """Counts with these rates: of small ones by inversion, of others by transformed rejection; a rate that is no finite
    number as it is.

    >>> draw(jax.random.key(0), jnp.array([0.0, 1e6])).round(-4).tolist()
    [0.0, 1000000.0]
    """
    low, high = jax.random.split(key)
    drawn = jnp.where(rate < FEW, _inverted(low, jnp.minimum(rate, FEW)), _rejected(high, rate))
    return jnp.where(jnp.isfinite(rate), drawn, rate)


def _inverted(key: Key[Array, ""], rate: Float[Array, "size"]) -> Float[Array, "size"]:
    """The first count up to which the probabilities add up to a uniform number."""
    u = jax.random.uniform(key, rate.shape, jnp.float32)

    def step(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        x, mass, below = state
        x = jnp.where(below < u, x + 1, x)
        mass = jnp.where(below < u, mass * rate / jnp.maximum(x, 1), mass)
        return x, mass, jnp.where(below < u, below + mass, below)

    def unsettled(state: tuple[Array, Array, Array]) -> Array:
        return jnp.any((state[2] < u) & (state[0] < TERMS))

    first = jnp.exp(-rate)
    return jax.lax.while_loop(unsettled, step, (jnp.zeros_like(rate), first, first))[0]


def _rejected(key: Key[Array, ""], rate: Float[Array, "size"]) -> Float[Array, "size"]:
    """Algorithm PTRS of Hörmann (1993, doi:10.1016/0167-6687(93)90997-4), where the rate is not small."""
    large = jnp.maximum(rate, FEW)
    b = 0.931 + 2.53 * jnp.sqrt(large)
    a, most = 0.02483 * b - 0.059, 1.1239 + 1.1328 / (b - 3.4)

    def step(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        i, x, done = state
        u, v = jax.random.uniform(jax.random.fold_in(key, i), (2, *rate.shape), jnp.float32, minval=1e-7)
        inside = 0.5 - jnp.abs(u - 0.5)
        tried = jnp.floor((2 * a / inside + b) * (u - 0.5) + large + 0.43)
        height = jnp.log(v * most / (a / inside**2 + b))
        taken = (tried >= 1) & (height <= _about_rate(large, jnp.maximum(tried, 1)))  # of 0, one in 10^7
        return i + 1, jnp.where(done, x, tried), done | taken

    start = jnp.int32(0), large, ~(rate >= FEW) | jnp.isinf(rate)
    return jax.lax.while_loop(lambda state: ~state[2].all() & (state[0] < TRIES), step, start)[1]


class Poisson(Counts):
    """A layer of counts without a limit, `p(x) = e^(eta x) / x! / exp(e^eta)`, with rate `e^eta`.

        p(x | eta) = exp(eta x - log x! - A),      A = e^eta

    (Gehler, Holub & Welling 2006, *The rate adapting Poisson model*, doi:10.1145/1143844.1143887; section 20.5 of the
    book.) Its bias is the log-rate `[size]`. Layers of Poisson units that excite each other have no partition function
    (Besag 1974); hidden units that are bounded, such as Bernoulli ones, are safe. Argument: `size`, how many units.

    >>> unit = Poisson(2); eta = unit.neutral_natural()
    >>> float(unit.log_partition(eta)), unit.mean(eta).x.tolist()
    (2.0, [1.0, 1.0])
    """

    size: int = eqx.field(static=True, converter=plain)

    @property
    def states(self) -> None:
        """None: there is no end to them."""
        return None

    @property
    def has_density(self) -> bool:
        """No: counts have probabilities."""
        return False

    def stats(self, x: Num[Array, "size"]) -> CountStats:
        """`T(x) = (x, -log x!)`."""
        x = x.astype(jnp.float32)
        return CountStats(x, -gammaln(x + 1))

    def log_partition(self, eta: CountStats) -> Float[Array, ""]:
        """`sum_i exp(eta_i)`, where every second parameter is 1."""
        return jnp.sum(log_partition_of_each(eta))

    def sample(self, key: Key[Array, ""], eta: CountStats) -> Float[Array, "size"]:
        """A count for each unit."""
        return draw(key, jnp.exp(eta.x))

    def log_prob(self, eta: CountStats, x: Num[Array, "size"]) -> Float[Array, ""]:
        """The same for large counts too, of which `eta x`, `e^eta` and `log x!` differ by little."""
        rate = jnp.where(jnp.abs(eta.log_base - 1) < ROUNDING, jnp.exp(jnp.minimum(eta.x, MOST)), jnp.nan)
        return jnp.sum(log_probability(rate, x.astype(jnp.float32)))

    def natural_from_mean(self, mean: CountStats) -> CountStats:
        """The logarithm of the mean."""
        return self.natural(jnp.log(mean.x))

    def check(self, x: np.ndarray, *, expectation: bool = False) -> None:
        """Refuse anything but whole numbers from 0; `expectation` admits those between."""
        inside = np.isfinite(x) & (x >= 0) & (expectation | (x == np.floor(x)))
        if not inside.all():
            refuse_missing(x)
            raise InputError(
                f"Poisson units take counts, whole numbers from 0, but the data holds {first_outside(x, inside)}: use "
                "hm.units.Gaussian units for measurements, or Rectified ones where these are never negative."
            )
