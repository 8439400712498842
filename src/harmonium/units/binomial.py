"""Binomial units: counts 0..n of `n` trials, `T(x) = (x, log C(n, x))`, the second natural parameter held at 1."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, Num
from scipy.special import gammaln

from harmonium.errors import InputError, plain, shown, whole
from harmonium.units.counts import Counts, CountStats
from harmonium.units.unit import first_outside, refuse_missing


class Binomial(Counts):
    """A layer of counts of successes among `trials` trials, `p(x) = C(n, x) p^x (1 - p)^(n - x)` with log-odds `eta`.

        p(x | eta) = exp(eta x + log C(n, x) - A),      A = n log(1 + e^eta)

    A unit is the sum of `n` Bernoulli units with weights and bias in common (Teh & Hinton 2001, *Rate-coded restricted
    Boltzmann machines*; section 20.5 of the book). Its bias is the log-odds `[size]`, its cost that of `trials` + 1
    states. Arguments: `size`, the number of units; `trials`, the number `n` of trials of each.
    Raises `InputError` where `trials` is no whole number from 1.

    >>> unit = Binomial(2, trials=4)
    >>> round(float(unit.log_partition(unit.neutral_natural())), 4), unit.states                # 8 log 2
    (5.5452, 5)
    """

    size: int = eqx.field(static=True, converter=plain)
    trials: int = eqx.field(static=True, converter=plain, kw_only=True)

    def __check_init__(self) -> None:
        if not whole(self.trials):
            raise InputError(f"Binomial units count one trial or more, not trials={shown(self.trials)}.")

    @property
    def states(self) -> int:
        """`trials` + 1."""
        return self.trials + 1

    def stats(self, x: Num[Array, "size"]) -> CountStats:
        """`T(x) = (x, log C(n, x))`."""
        x = x.astype(jnp.float32)
        return CountStats(x, jnp.asarray(self._log_choices)[jnp.clip(x, 0, self.trials).astype(jnp.int32)])

    def log_partition(self, eta: CountStats) -> Float[Array, ""]:
        """`sum_i log sum_x exp(eta_1i x + eta_2i log C(n, x))`, at any second parameter."""
        return jnp.sum(jax.nn.logsumexp(self._logits(eta), axis=-1))

    def sample(self, key: Key[Array, ""], eta: CountStats) -> Float[Array, "size"]:
        """A count for each unit, by the Gumbel maximum."""
        return jax.random.categorical(key, self._logits(eta), axis=-1).astype(jnp.float32)

    def natural_from_mean(self, mean: CountStats) -> CountStats:
        """The log-odds of `mean / n`."""
        return self.natural(jnp.log(mean.x) - jnp.log(self.trials - mean.x))

    def check(self, x: np.ndarray, *, expectation: bool = False) -> None:
        """Refuse anything but whole numbers from 0 to `trials`; `expectation` admits those between."""
        inside = (x >= 0) & (x <= self.trials) & (expectation | (x == np.floor(x)))
        if not inside.all():
            refuse_missing(x)
            raise InputError(
                f"Binomial units of {self.trials} trials take whole numbers from 0 to {self.trials}, but the data "
                f"holds {first_outside(x, inside)}: raise `trials`, or use another unit, such as Categorical for codes."
            )

    @property
    def _log_choices(self) -> np.ndarray:
        """`log C(n, x)` of every count `[n + 1]`."""
        x = np.arange(self.trials + 1)
        return (gammaln(self.trials + 1) - gammaln(x + 1) - gammaln(self.trials - x + 1)).astype(np.float32)

    def _logits(self, eta: CountStats) -> Float[Array, "size states"]:
        counts = jnp.arange(self.trials + 1, dtype=jnp.float32)
        return eta.x[:, None] * counts + eta.log_base[:, None] * jnp.asarray(self._log_choices)
