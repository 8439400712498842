"""The logarithms of precisions and scales that a net sets: kept within limits, whatever the net is shown."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

FREE = 5.0  # nats from zero within which a net's number stands as it is
LIMIT = 10.0  # nats from zero that it approaches and never passes


def limited(log_scale: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """A net's number as the logarithm of a precision or a scale: itself near zero, at most 10 nats away from it.

        a                                               where |a| <= 5
        sign(a) (5 + 5 tanh((|a| - 5) / 5))             beyond, twice differentiable at the join

    A net with unbounded activations grows with what it is shown. Its exponential would then end at infinity a few
    dozen deviations from the training rows, and a log-density there would be no number. What a bias adds to it is a
    parameter, which no row moves, and has no limit.

    >>> limited(jnp.array([-1e30, -3.0, 0.0, 5.0, 1e30])).tolist()
    [-10.0, -3.0, 0.0, 5.0, 10.0]
    """
    near = jnp.clip(log_scale, -FREE, FREE)
    return near + (LIMIT - FREE) * jnp.tanh((log_scale - near) / (LIMIT - FREE))
