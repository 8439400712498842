"""Rectified units: a Gaussian cut off at zero, and one of two halves with parameters of their own (dReLU)."""

from __future__ import annotations

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from harmonium.errors import InputError, plain
from harmonium.units.gaussian import GaussianBias, GaussianStats
from harmonium.units.unit import Unit, first_outside

FIT = (
    0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368,
    -1.26551223,
)  # fmt: skip
TAIL = 3.0  # deviations above which the tail is drawn by rejection
TRIES = 12  # of which one is accepted but for one draw in 10^12
HALVINGS = 60
ROUNDING = 1e-5  # of a height in float32
LOG_2PI = math.log(2 * math.pi)


def log_mass(eta: GaussianStats) -> Float[Array, "size"]:
    """`log int_0^inf exp(eta_1 x + eta_2 x^2) dx` of each unit, in float32 at any mean.

    >>> half = log_mass(GaussianStats(jnp.zeros(1), jnp.full(1, -0.5)))
    >>> round(float(half[0]), 4)                                                           # log(2 pi) / 2 - log 2
    0.2258
    """
    precision = -2 * eta.square
    z = eta.x / jnp.sqrt(precision)
    away = jnp.where(z > 0, z, -z)  # whose slope at zero is that of the second branch below
    tail = _log_scaled_erfc(away / math.sqrt(2))  # of exp(z^2 / 2) erfc(|z| / sqrt 2)
    above = 0.5 * away**2 + LOG_2PI / 2 + jnp.log1p(-0.5 * jnp.exp(tail - 0.5 * away**2))
    return jnp.where(z > 0, above, tail + 0.5 * math.log(math.pi / 2)) - 0.5 * jnp.log(precision)


def _log_scaled_erfc(x: Float[Array, "size"]) -> Float[Array, "size"]:
    """`log(exp(x^2) erfc(x))` for `x >= 0`: Chebyshev's fit, within 1.2e-7 (Press et al., *Numerical Recipes*, 6.2)."""
    t = 1 / (1 + 0.5 * x)
    return jnp.log(t) + jnp.polyval(jnp.asarray(FIT, jnp.float32), t)


def half_normal(key: Key[Array, ""], eta: GaussianStats) -> Float[Array, "size"]:
    """Positive values of units with these natural parameters, in any tail.

    >>> bool((half_normal(jax.random.key(0), GaussianStats(jnp.full(9, -90.0), jnp.full(9, -0.5))) > 0).all())
    True
    """
    body, tail = jax.random.split(key)
    deviation = 1 / jnp.sqrt(-2 * eta.square)
    low = -eta.x * deviation  # the cut, in deviations above the mean
    drawn = jax.random.truncated_normal(body, jnp.minimum(low, TAIL), jnp.inf, low.shape, jnp.float32) - low
    return jnp.maximum(jnp.where(low < TAIL, drawn, _tail(tail, jnp.maximum(low, TAIL))), 1e-30) * deviation


def _tail(key: Key[Array, ""], low: Float[Array, "size"]) -> Float[Array, "size"]:
    """What a standard normal number exceeds a high bound by (Marsaglia 1964): the first of some tries that is
    accepted."""
    u, choose = jax.random.uniform(key, (2, TRIES, *low.shape), jnp.float32, minval=1e-30)
    beyond = -2 * jnp.log(u) / (jnp.sqrt(low**2 - 2 * jnp.log(u)) + low)
    first = jnp.argmax(choose * (low + beyond) < low, axis=0)
    return jnp.take_along_axis(beyond, first[None], axis=0)[0]


class Rectified(Unit):
    """A layer of units `x >= 0` with the density of a Gaussian there, cut off at zero.

        p(x) = exp(eta_1 x + eta_2 x^2 - A),   A = [eta_1^2 / beta + log(2 pi / beta)] / 2 + log Phi(eta_1 / sqrt(beta))

    with `beta = -2 eta_2`. Its bias is the mean and the log-precision of the Gaussian that is cut off.
    Argument: `size`, the number of units.

    >>> unit = Rectified(2); eta = unit.neutral_natural()
    >>> round(float(unit.log_partition(eta)), 4), bool((unit.sample(jax.random.key(0), eta) >= 0).all())
    (0.4516, True)
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

    def stats(self, x: Float[Array, "size"]) -> GaussianStats:
        """`T(x) = (x, x^2)`."""
        return GaussianStats(x, x * x)

    def log_partition(self, eta: GaussianStats) -> Float[Array, ""]:
        """The sum of `log_mass`, finite where every `eta_2 < 0`."""
        return jnp.sum(log_mass(eta))

    def sample(self, key: Key[Array, ""], eta: GaussianStats) -> Float[Array, "size"]:
        """By inversion, and by rejection in the tail."""
        return half_normal(key, eta)

    def natural_from_mean(self, mean: GaussianStats) -> GaussianStats:
        """`E[x^2] / E[x]^2` falls with the mean over the deviation, which halving the interval finds."""
        ratio = mean.square / mean.x**2

        def at(z: Float[Array, "size"]) -> GaussianStats:
            return self.mean(GaussianStats(z, jnp.full_like(z, -0.5)))

        def halve(_: Array, ends: tuple[Array, Array]) -> tuple[Array, Array]:
            low, high = ends
            middle = (low + high) / 2
            found = at(middle)
            left = found.square / found.x**2 < ratio
            return jnp.where(left, low, middle), jnp.where(left, middle, high)

        ends = jnp.full_like(ratio, -60.0), jnp.full_like(ratio, 1000.0)
        z = sum(jax.lax.fori_loop(0, HALVINGS, halve, ends)) / 2
        deviation = mean.x / at(z).x
        return GaussianStats(z / deviation, -0.5 / deviation**2)

    def expected_value(self, mean: GaussianStats) -> Float[Array, "size"]:
        """`E[x]`."""
        return mean.x

    def neutral_natural(self) -> GaussianStats:
        """The half of the standard normal distribution above zero."""
        return GaussianStats(jnp.zeros(self.size, jnp.float32), jnp.full(self.size, -0.5, jnp.float32))

    def natural(self, bias: GaussianBias) -> GaussianStats:
        """`(beta m, -beta / 2)`."""
        precision = jnp.exp(bias.log_precision)
        return GaussianStats(precision * bias.mean, -0.5 * precision)

    def bias(self, natural: GaussianStats) -> GaussianBias:
        """`m = -eta_1 / (2 eta_2)` and `beta = -2 eta_2`."""
        precision = -2 * natural.square
        return GaussianBias(natural.x / precision, jnp.log(precision))

    def interaction(self, stats: GaussianStats, bias: GaussianBias) -> Float[Array, "size"]:
        """`x`: weights multiply the value."""
        return stats.x

    def check(self, x: np.ndarray, *, expectation: bool = False) -> None:
        """Refuse values that are negative or not finite."""
        inside = np.isfinite(x) & (np.asarray(x) >= 0)
        if not inside.all():
            raise InputError(
                f"Rectified units take numbers from 0, but the data holds {first_outside(x, inside)}: use "
                "hm.units.DoubleRectified or Gaussian units."
            )


class DoubleStats(NamedTuple):
    """Statistics `(x+, x+^2)` and `(x-, x-^2)` of the two halves, or the natural parameters that go with them.

    >>> DoubleRectified(1).stats(jnp.array([-3.0])).below.square
    Array([9.], dtype=float32)
    """

    above: GaussianStats
    below: GaussianStats


class DoubleRectified(Unit):
    """A layer of real units whose density is that of one Gaussian above zero and of another one below (dReLU).

        p(x) = exp(theta+ x+ - gamma+ x+^2 / 2 + theta- x- - gamma- x-^2 / 2 - A),    x = x+ - x-

    (Tubiana & Monasson 2017, arXiv:1611.06759.) As hidden units they hold rectifiers, Gaussian units and heavy-sided
    ones as special cases, and are summed out in closed form. Their bias is a `DoubleStats` of the Gaussians' biases.
    Argument: `size`, the number of units.

    >>> unit = DoubleRectified(2); eta = unit.neutral_natural()
    >>> round(float(unit.log_partition(eta)), 4)                                                         # log 2 pi
    1.8379
    """

    size: int = eqx.field(static=True, converter=plain)

    @property
    def states(self) -> None:
        """None: real values cannot be listed."""
        return None

    @property
    def has_score(self) -> bool:
        """No: the slope jumps at zero."""
        return False

    def stats(self, x: Float[Array, "size"]) -> DoubleStats:
        """`T(x)` of both halves."""
        above, below = jnp.maximum(x, 0), jnp.maximum(-x, 0)
        return DoubleStats(GaussianStats(above, above**2), GaussianStats(below, below**2))

    def log_partition(self, eta: DoubleStats) -> Float[Array, ""]:
        """`sum_i log(e^A+ + e^A-)`."""
        return jnp.sum(jnp.logaddexp(log_mass(eta.above), log_mass(eta.below)))

    def sample(self, key: Key[Array, ""], eta: DoubleStats) -> Float[Array, "size"]:
        """The half, by its mass, then the value in it."""
        side, up, down = jax.random.split(key, 3)
        odds = log_mass(eta.above) - log_mass(eta.below)
        above = jax.random.bernoulli(side, jax.nn.sigmoid(odds))
        return jnp.where(above, half_normal(up, eta.above), -half_normal(down, eta.below))

    def natural_from_mean(self, mean: DoubleStats) -> DoubleStats:
        """The highest point of `<eta, mean> - A(eta)`, by Newton's method, each step halved until it rises."""
        flat = jnp.stack([*mean.above, *mean.below], axis=1)
        one = DoubleRectified(1)

        def height(eta: Float[Array, "4"], target: Float[Array, "4"]) -> Float[Array, ""]:
            return eta @ target - one.log_partition(_unflat(eta[None]))

        def step(eta: Float[Array, "4"], target: Float[Array, "4"]) -> Float[Array, "4"]:
            slope, bend = jax.grad(height)(eta, target), jax.hessian(height)(eta, target)
            move = jnp.linalg.solve(bend - 1e-7 * jnp.eye(4, dtype=eta.dtype), -slope)
            tried = eta + move * 0.5 ** jnp.arange(12, dtype=eta.dtype)[:, None]
            inside = (tried[:, 1] < 0) & (tried[:, 3] < 0)
            safe = jnp.where(inside[:, None], tried, eta)
            heights = jnp.where(inside, jax.vmap(lambda e: height(e, target))(safe), -jnp.inf)
            whole = heights[0] > height(eta, target) - ROUNDING  # near the top, where heights tell no more, slopes do
            return jnp.where(whole, safe[0], safe[jnp.argmax(heights)])

        def solve(target: Float[Array, "4"]) -> Float[Array, "4"]:
            variance = target[1] + target[3]
            start = jnp.stack(
                [jnp.zeros((), jnp.float32), -0.5 / variance, jnp.zeros((), jnp.float32), -0.5 / variance]
            )
            return jax.lax.fori_loop(0, HALVINGS, lambda _, eta: step(eta, target), start)

        return _unflat(jax.vmap(solve)(flat))

    def expected_value(self, mean: DoubleStats) -> Float[Array, "size"]:
        """`E[x] = E[x+] - E[x-]`."""
        return mean.above.x - mean.below.x

    def neutral_natural(self) -> DoubleStats:
        """The standard normal distribution."""
        half = Rectified(self.size).neutral_natural()
        return DoubleStats(half, half)

    def natural(self, bias: DoubleStats) -> DoubleStats:
        """Those of each half."""
        half = Rectified(self.size)
        return DoubleStats(half.natural(bias.above), half.natural(bias.below))

    def bias(self, natural: DoubleStats) -> DoubleStats:
        """That of each half."""
        half = Rectified(self.size)
        return DoubleStats(half.bias(natural.above), half.bias(natural.below))

    def interaction(self, stats: DoubleStats, bias: DoubleStats) -> Float[Array, "size"]:
        """`x = x+ - x-`: weights multiply the value."""
        return stats.above.x - stats.below.x

    def check(self, x: np.ndarray, *, expectation: bool = False) -> None:
        """Refuse values that are not finite."""
        inside = np.isfinite(x)
        if not inside.all():
            raise InputError(
                f"DoubleRectified units take finite numbers, but the data holds {first_outside(x, inside)}: remove or "
                "fill such cells first."
            )


def _unflat(eta: Float[Array, "size 4"]) -> DoubleStats:
    a, b, c, d = eta.T
    return DoubleStats(GaussianStats(a, b), GaussianStats(c, d))
