"""Spike-and-slab units: zero, or a real number, with `T(x) = ([x != 0], x, x^2)`."""

from __future__ import annotations

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from harmonium.errors import InputError, plain, whole
from harmonium.units.unit import Unit, first_outside

LOG_2PI = math.log(2 * math.pi)
SMALLEST = float(np.finfo(np.float32).tiny)  # in the place of a slab drawn as zero, which would say that its spike is 0


class SpikeSlabStats(NamedTuple):
    """Statistics `([x != 0], x, x^2)`, or the natural parameters that go with them.

    >>> import jax.numpy as jnp
    >>> SpikeSlab(2).stats(jnp.array([0.0, 3.0])).on
    Array([0., 1.], dtype=float32)
    """

    on: Float[Array, "spikes"]
    x: Float[Array, "size"]
    square: Float[Array, "size"]


class SpikeSlabBias(NamedTuple):
    """The log-odds `b` of each spike, the mean `mu` and the log-precision `log alpha` of each slab, of units on which
    nothing acts.

    >>> import jax.numpy as jnp
    >>> unit, bias = SpikeSlab(1), SpikeSlabBias(jnp.array([0.5]), jnp.array([2.0]), jnp.zeros(1))
    >>> unit.log_odds(unit.natural(bias)).round(4)
    Array([0.5], dtype=float32)
    """

    log_odds: Float[Array, "spikes"]
    mean: Float[Array, "size"]
    log_precision: Float[Array, "size"]


class SpikeSlab(Unit):
    """A layer of units `x = h s`, a binary spike times a real slab: exactly 0, or a real number (section 20.5.3).

        p(x) = exp(<eta, T(x)> - A(eta)),    T(x) = ([x != 0], x, x^2),    with respect to delta_0 + dx
        A(eta) = sum_i log(1 + exp(eta_1i + sum_k [-eta_2k^2 / (4 eta_3k) + log(-pi / eta_3k) / 2]))

    (Courville, Bergstra & Bengio 2011; pooled: 2014, doi:10.1109/TPAMI.2013.238.) The slab of a spike that is off is
    no random number here, so that no constant of it stands in `log Z`.
    Arguments: `size`, the number of slabs; `slabs`, how many of them, side by side, share a spike (a pool). Raises
    `InputError` for a size that is no multiple of `slabs`.

    >>> import jax
    >>> unit = SpikeSlab(2); eta = unit.neutral_natural()
    >>> round(float(unit.log_partition(eta)), 4), unit.sample(jax.random.key(0), eta).shape        # 2 log 2
    (1.3863, (2,))
    """

    size: int = eqx.field(static=True, converter=plain)
    slabs: int = eqx.field(static=True, converter=plain, default=1)

    def __check_init__(self) -> None:
        if not whole(self.slabs) or self.size % self.slabs:
            raise InputError(f"Slabs come in pools of one size, so {self.size} of them are no pools of {self.slabs}.")

    @property
    def states(self) -> None:
        """None: real values cannot be listed."""
        return None

    @property
    def has_score(self) -> bool:
        """No: zeros have probabilities."""
        return False

    @property
    def spikes(self) -> int:
        """The number of spikes."""
        return self.size // self.slabs

    @property
    def joint(self) -> bool:
        """Whether the slabs of a pool are on and off together."""
        return self.slabs > 1

    def stats(self, x: Float[Array, "size"]) -> SpikeSlabStats:
        """`T(x) = ([x != 0], x, x^2)`, with one spike for each pool."""
        on = jnp.any((x != 0).reshape(-1, self.slabs), axis=1)
        return SpikeSlabStats(on.astype(x.dtype), x, x * x)

    def log_odds(self, eta: SpikeSlabStats) -> Float[Array, "spikes"]:
        """The log-odds of each spike, its slabs integrated out."""
        slab = -(eta.x**2) / (4 * eta.square) + 0.5 * jnp.log(-jnp.pi / eta.square)
        return eta.on + slab.reshape(-1, self.slabs).sum(axis=1)

    def log_partition(self, eta: SpikeSlabStats) -> Float[Array, ""]:
        """`sum_i log(1 + exp(log-odds_i))`, finite where every `eta_3 < 0`."""
        return jnp.sum(jax.nn.softplus(self.log_odds(eta)))

    def sample(self, key: Key[Array, ""], eta: SpikeSlabStats) -> Float[Array, "size"]:
        """The spikes, each from its log-odds, then the slabs of those that are on."""
        flip, slab = jax.random.split(key)
        on = jax.random.bernoulli(flip, jax.nn.sigmoid(self.log_odds(eta)))
        return jnp.where(jnp.repeat(on, self.slabs), self._slabs(slab, eta), 0.0)

    def sample_given(
        self, key: Key[Array, ""], eta: SpikeSlabStats, known: Bool[Array, "size"], value: Array
    ) -> Float[Array, "size"]:
        """Where a slab of a pool is known, so is its spike: off if the slab is 0."""
        flip, slab = jax.random.split(key)
        on = jax.random.bernoulli(flip, jax.nn.sigmoid(self.log_odds(eta)))
        pool = known.reshape(-1, self.slabs)
        on = jnp.where(pool.any(axis=1), (pool & (value != 0).reshape(pool.shape)).any(axis=1), on)
        return jnp.where(known, value, jnp.where(jnp.repeat(on, self.slabs), self._slabs(slab, eta), 0.0))

    def _slabs(self, key: Key[Array, ""], eta: SpikeSlabStats) -> Float[Array, "size"]:
        """Slabs of spikes that are on, never exactly 0."""
        precision = -2 * eta.square
        s = eta.x / precision + jax.random.normal(key, precision.shape, jnp.float32) / jnp.sqrt(precision)
        return jnp.where(s == 0, SMALLEST, s)

    def natural_from_mean(self, mean: SpikeSlabStats) -> SpikeSlabStats:
        """From the mean and the variance of each slab given its spike, and the log-odds of the spike."""
        on = jnp.repeat(mean.on, self.slabs)
        slab, log_odds = mean.x / on, jnp.log(mean.on) - jnp.log1p(-mean.on)
        precision = 1 / (mean.square / on - slab**2)
        return self.natural(SpikeSlabBias(log_odds, slab, jnp.log(precision)))

    def expected_value(self, mean: SpikeSlabStats) -> Float[Array, "size"]:
        """`E[x]`."""
        return mean.x

    def neutral_natural(self) -> SpikeSlabStats:
        """Even spikes and standard normal slabs."""
        zeros = jnp.zeros(self.size, jnp.float32)
        return self.natural(SpikeSlabBias(jnp.zeros(self.spikes, jnp.float32), zeros, zeros))

    def natural(self, bias: SpikeSlabBias) -> SpikeSlabStats:
        """`(b - sum_k [alpha mu^2 - log(alpha / 2 pi)] / 2, alpha mu, -alpha / 2)`, for a spike with log-odds `b`."""
        alpha = jnp.exp(bias.log_precision)
        slab = -0.5 * alpha * bias.mean**2 + 0.5 * (bias.log_precision - LOG_2PI)
        on = bias.log_odds + slab.reshape(-1, self.slabs).sum(axis=1)
        return SpikeSlabStats(on, alpha * bias.mean, -0.5 * alpha)

    def bias(self, natural: SpikeSlabStats) -> SpikeSlabBias:
        """The log-odds of the spikes, `mu = -eta_2 / (2 eta_3)` and `alpha = -2 eta_3`."""
        alpha = -2 * natural.square
        return SpikeSlabBias(self.log_odds(natural), natural.x / alpha, jnp.log(alpha))

    def interaction(self, stats: SpikeSlabStats, bias: SpikeSlabBias) -> Float[Array, "size"]:
        """`x`: weights multiply the value."""
        return stats.x

    @property
    def out_widths(self) -> tuple[int, ...]:
        """Three numbers for each slab: networks that set such units add to the log-odds, the mean, the precision."""
        raise InputError("Spike-and-slab units are not set by networks here: use them in an energy model.")

    def check(self, x: np.ndarray, *, expectation: bool = False) -> None:
        """Refuse values that are not finite, and data without exact zeros, of which spikes would say nothing."""
        inside = np.isfinite(x)
        if not inside.all():
            raise InputError(
                f"Spike-and-slab units take finite numbers, but the data holds {first_outside(x, inside)}: remove or "
                "fill such cells first."
            )
        if not expectation and np.size(x) and not (np.asarray(x) == 0).any():
            raise InputError(
                "Spike-and-slab units are exactly 0 at times, and the data holds no zero: use hm.units.Gaussian units."
            )

    def sized(self, size: int) -> SpikeSlab:
        """So many slabs, in pools as these are."""
        return SpikeSlab(size, self.slabs)
