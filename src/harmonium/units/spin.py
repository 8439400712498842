"""Spin units: `x` in {-1, +1}, `T(x) = x`, `A(eta) = log(2 cosh eta)`."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from harmonium.errors import InputError, plain
from harmonium.units.unit import Unit, first_outside, refuse_missing


class Spin(Unit):
    """A layer of Ising spins: `p(x_i = +1) = sigmoid(2 eta_i)` (section 20.1 with +-1 units).

    Arguments: `size`, the number of spins.

    >>> import jax.numpy as jnp
    >>> Spin(2).mean(jnp.array([0.0, 0.0]))
    Array([0., 0.], dtype=float32)
    """

    size: int = eqx.field(static=True, converter=plain)

    @property
    def states(self) -> int:
        """Two."""
        return 2

    def stats(self, x: Float[Array, "size"]) -> Float[Array, "size"]:
        """`T(x) = x`."""
        return x

    def log_partition(self, eta: Float[Array, "size"]) -> Float[Array, ""]:
        """`sum_i log(2 cosh eta_i)`, without overflow."""
        size = jnp.abs(eta)
        return jnp.sum(size + jnp.log1p(jnp.exp(-2 * size)))

    def mean(self, eta: Float[Array, "size"]) -> Float[Array, "size"]:
        """`tanh(eta)`, for the same reason as in Bernoulli units."""
        return jnp.tanh(eta)

    def sample(self, key: Key[Array, ""], eta: Float[Array, "size"]) -> Float[Array, "size"]:
        """`x_i = +1` where a uniform number falls below `sigmoid(2 eta_i)`, compared without a division."""
        up = jax.random.uniform(key, eta.shape, jnp.float32) * (1 + jnp.exp(-2 * eta)) < 1
        return jnp.where(up, 1.0, -1.0).astype(eta.dtype)

    def natural_from_mean(self, mean: Float[Array, "size"]) -> Float[Array, "size"]:
        """`artanh(mean)`."""
        return jnp.arctanh(mean)

    def values(self, index: Int[Array, "*batch size"]) -> Float[Array, "*batch size"]:
        """State 0 is -1 and state 1 is +1."""
        return 2.0 * index.astype(jnp.float32) - 1.0

    def check(self, x: np.ndarray, *, expectation: bool = False) -> None:
        """Refuse values other than -1 and +1, or outside [-1, 1] where expectations are admitted."""
        inside = np.abs(x) <= 1 if expectation else np.abs(x) == 1
        if not inside.all():
            refuse_missing(x)
            raise InputError(
                f"Spin units take -1 and +1, but the data holds {first_outside(x, inside)}: "
                "map 0 and 1 to 2 x - 1, or use Bernoulli units."
            )
