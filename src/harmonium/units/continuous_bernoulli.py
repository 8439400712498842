"""Continuous Bernoulli units: `x` in [0, 1], `T(x) = x`, `A(eta) = log((e^eta - 1) / eta)`."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from harmonium.errors import InputError, plain
from harmonium.units.unit import Unit, first_outside, refuse_missing

NEAR = 0.5  # a parameter this small takes the series, whose next term is then below float32's rounding
HALVINGS = 40  # of the interval in which the parameter of a mean is looked for
FURTHEST = 1e6  # the parameter of means nearer to 0 or 1 than float32 tells apart


def log_mass(eta: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """`log((e^eta - 1) / eta)` of each unit, zero at zero.

    >>> [round(float(x), 4) for x in log_mass(jnp.array([-80.0, 0.0, 1e-3, 80.0]))]
    [-4.382, 0.0, 0.0005, 75.618]
    """
    near = jnp.abs(eta) < NEAR
    square = jnp.where(near, eta, 0) ** 2
    series = square * (1 / 24 - square * (1 / 2880 - square * (1 / 181_440 - square / 9_676_800)))
    size = jnp.where(near, 1.0, jnp.abs(eta))
    far = 0.5 * size + jnp.log1p(-jnp.exp(-size)) - jnp.log(size)
    return 0.5 * eta + jnp.where(near, series, far)


class ContinuousBernoulli(Unit):
    """A layer of units between 0 and 1 with the density `p(x) = eta e^(eta x) / (e^eta - 1)`, a cut exponential.

        p(x | eta) = exp(eta x - A),      A = log((e^eta - 1) / eta)

    It is to grey values what a Bernoulli unit is to bits, with the constant that a cross-entropy of grey values leaves
    out (Bengio, Lamblin, Popovici & Larochelle 2007, *Greedy layer-wise training*; Loaiza-Ganem & Cunningham 2019,
    arXiv:1907.06845; section 20.5 of the book). Its bias is `eta` `[size]`: the log-odds of the paper's `lambda`.
    Argument: `size`, the number of units.

    >>> unit = ContinuousBernoulli(2)
    >>> float(unit.log_partition(jnp.zeros(2))), unit.mean(jnp.zeros(2)).tolist()                     # even on [0, 1]
    (0.0, [0.5, 0.5])
    """

    size: int = eqx.field(static=True, converter=plain)

    @property
    def states(self) -> None:
        """None: real values cannot be listed."""
        return None

    @property
    def has_score(self) -> bool:
        """No: the density ends at 0 and at 1."""
        return False

    def stats(self, x: Float[Array, "size"]) -> Float[Array, "size"]:
        """`T(x) = x`."""
        return x

    def log_partition(self, eta: Float[Array, "size"]) -> Float[Array, ""]:
        """The sum of `log_mass`."""
        return jnp.sum(log_mass(eta))

    def sample(self, key: Key[Array, ""], eta: Float[Array, "size"]) -> Float[Array, "size"]:
        """By inversion, `x = -log(1 - u (1 - e^-|eta|)) / |eta|` from the end where the density is high."""
        u = jax.random.uniform(key, eta.shape, jnp.float32)
        size = jnp.maximum(jnp.abs(eta), 1e-5)  # below, the density is even to float32's rounding
        short = jnp.clip(-jnp.log1p(u * jnp.expm1(-size)) / size, 0, 1)
        return jnp.where(eta < 0, short, 1 - short)

    def natural_from_mean(self, mean: Float[Array, "size"]) -> Float[Array, "size"]:
        """By Newton's method, held in an interval that is halved wherever a step leaves it."""
        centre = jnp.abs(mean - 0.5)
        slopes = jax.vmap(jax.grad(log_mass))
        bends = jax.vmap(jax.grad(jax.grad(log_mass)))

        def step(_: Array, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            low, high, eta = state
            above = slopes(eta) - 0.5 > centre
            low, high = jnp.where(above, low, eta), jnp.where(above, eta, high)
            tried = eta - (slopes(eta) - 0.5 - centre) / bends(eta)
            return low, high, jnp.where((tried > low) & (tried < high), tried, (low + high) / 2)

        ends = jnp.zeros_like(centre), jnp.full_like(centre, FURTHEST)
        eta = jax.lax.fori_loop(0, HALVINGS, step, (*ends, jnp.minimum(1 / (0.5 - centre), FURTHEST)))[2]
        return jnp.where(mean < 0.5, -eta, eta)

    def check(self, x: np.ndarray, *, expectation: bool = False) -> None:
        """Refuse values outside [0, 1]."""
        inside = (x >= 0) & (x <= 1)
        if not inside.all():
            refuse_missing(x)
            raise InputError(
                f"ContinuousBernoulli units take numbers from 0 to 1, but the data holds {first_outside(x, inside)}: "
                "scale it to [0, 1] (8-bit pixels by 255), or use hm.units.Gaussian units for measurements."
            )
