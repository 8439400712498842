"""Bernoulli units: `x` in {0, 1}, `T(x) = x`, `A(eta) = log(1 + e^eta)`."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from harmonium.errors import InputError, plain
from harmonium.units.unit import Unit, first_outside, refuse_missing


class Bernoulli(Unit):
    """A layer of binary units: `p(x_i = 1) = sigmoid(eta_i)` (20.7 to 20.9 of the book, section 20.2).

    Arguments: `size`, the number of units.

    >>> import jax.numpy as jnp
    >>> Bernoulli(2).mean(jnp.array([0.0, 0.0]))
    Array([0.5, 0.5], dtype=float32)
    """

    size: int = eqx.field(static=True, converter=plain)

    @property
    def states(self) -> int:
        """Two."""
        return 2

    def stats(self, x: Float[Array, "size"]) -> Float[Array, "size"]:
        """`T(x) = x`; an expectation in [0, 1] is its own mean statistic."""
        return x

    def log_partition(self, eta: Float[Array, "size"]) -> Float[Array, ""]:
        """`sum_i log(1 + exp eta_i)`, in the form that costs a third of `jax.nn.softplus` on a CPU."""
        return jnp.sum(jnp.maximum(eta, 0) + jnp.log1p(jnp.exp(jnp.minimum(eta, -eta))))

    def mean(self, eta: Float[Array, "size"]) -> Float[Array, "size"]:
        """`sigmoid(eta)`, written out because the derivative of `log_partition` costs more."""
        return jax.nn.sigmoid(eta)

    def sample(self, key: Key[Array, ""], eta: Float[Array, "size"]) -> Float[Array, "size"]:
        """`x_i = 1` where a uniform number falls below `sigmoid(eta_i)`, compared without a division."""
        return (jax.random.uniform(key, eta.shape, jnp.float32) * (1 + jnp.exp(-eta)) < 1).astype(eta.dtype)

    def natural_from_mean(self, mean: Float[Array, "size"]) -> Float[Array, "size"]:
        """Log-odds of the mean."""
        return jnp.log(mean) - jnp.log1p(-mean)

    def values(self, index: Int[Array, "*batch size"]) -> Float[Array, "*batch size"]:
        """State 0 is 0 and state 1 is 1."""
        return index.astype(jnp.float32)

    def check(self, x: np.ndarray, *, expectation: bool = False) -> None:
        """Refuse values other than 0 and 1, or outside [0, 1] where expectations are admitted."""
        inside = (x >= 0) & (x <= 1) if expectation else (x == 0) | (x == 1)
        if inside.all():
            return
        refuse_missing(x)
        found = first_outside(x, inside)
        if ((x >= 0) & (x <= 1)).all():
            raise InputError(
                f"Bernoulli units take 0 and 1, but the data is grey ({found}): choose binarize='fixed' "
                "(sampled once, seeded), 'dynamic' (sampled at each presentation), 'threshold' (1 from 0.5 "
                "upwards) or 'probabilities' (the grey value is the expectation), where the data is loaded (--binarize "
                "fixed, say); or use Gaussian units for measurements."
            )
        raise InputError(
            f"Bernoulli units take 0 and 1, but the data holds {found}: scale it to [0, 1] and choose a binarization "
            "(--scale 255 --binarize fixed, say, for 8-bit pixels), or use another unit, such as Gaussian for real "
            "values or Categorical for codes."
        )
