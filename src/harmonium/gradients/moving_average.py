"""A baseline that follows the signal: its running mean, and the running deviation that normalises it."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from harmonium.errors import InputError, shown


class MovingAverage(eqx.Module):
    """The exponentially weighted mean and variance of the values that it has seen, without a bias to its start.

        m <- m + a (f - m),      v <- (1 - a) (v + a (f - m)^2),      a = (1 - decay) / (1 - decay^t)

    The learning signal's running mean, and its running deviation to divide by (Mnih & Gregor 2014, section 2.3.2).
    Arguments: `decay`, from 0 (the last values alone) up to but without 1. Fields: `value`, the mean; `variance`;
    `weight`, `1 - decay^t` after `t` updates. Raises `InputError` for another decay.

    >>> import jax.numpy as jnp
    >>> average = MovingAverage(0.5).updated(jnp.array(3.0)).updated(jnp.array([5.0, 7.0]))
    >>> float(average.value), float(average.scale).__round__(4)              # (3 + 2 * 6) / 3, from weights 1/3, 2/3
    (5.0, 1.633)
    """

    decay: float = eqx.field(static=True)
    value: Float[Array, ""]
    variance: Float[Array, ""]
    weight: Float[Array, ""]

    def __init__(self, decay: Any = 0.9) -> None:
        if not isinstance(decay, int | float) or not 0 <= decay < 1:
            raise InputError(f"A moving average has a decay of at least 0 and below 1, not {shown(decay)}.")
        self.decay = float(decay)
        self.value = self.variance = self.weight = jnp.zeros((), jnp.float32)

    @property
    def scale(self) -> Float[Array, ""]:
        """`max(1, sqrt(v))`: small signals are left as they are."""
        return jnp.maximum(1.0, jnp.sqrt(self.variance))

    def updated(self, values: Float[Array, "..."]) -> MovingAverage:
        """The average after new values, of any shape, that count together as one step; no gradient is kept."""
        values = jax.lax.stop_gradient(jnp.asarray(values))
        weight = self.decay * self.weight + (1 - self.decay)
        share = (1 - self.decay) / weight
        step = jnp.mean(values) - self.value
        within = (1 - share) * self.variance + share * jnp.var(values)
        new = (self.value + share * step, within + share * (1 - share) * step**2, weight)
        return eqx.tree_at(lambda average: (average.value, average.variance, average.weight), self, new)
