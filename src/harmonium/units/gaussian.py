"""Gaussian units: `x` real, `T(x) = (x, x^2)`, `A(eta) = -eta_1^2 / (4 eta_2) + log(-pi / eta_2) / 2`."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from harmonium.errors import InputError, plain, shown
from harmonium.units.log_scale import limited
from harmonium.units.unit import Unit, first_outside


class GaussianStats(NamedTuple):
    """Statistics `(x, x^2)`, or the natural parameters that go with them: `(beta m, -beta / 2)`.

    >>> import jax.numpy as jnp
    >>> Gaussian(1).stats(jnp.array([3.0])).square
    Array([9.], dtype=float32)
    """

    x: Float[Array, "size"]
    square: Float[Array, "size"]


class GaussianBias(NamedTuple):
    """The mean `[size]` and the logarithm of the precision `beta` `[size]` of units on which nothing acts.

    >>> import jax.numpy as jnp
    >>> Gaussian(1).bias(GaussianStats(jnp.array([4.0]), jnp.array([-1.0]))).mean
    Array([2.], dtype=float32)
    """

    mean: Float[Array, "size"]
    log_precision: Float[Array, "size"]


COARSE = 1e-3  # of a deviation, by which float32 may round what is traced


def _numbers(values: Any, size: int) -> tuple[float, ...] | None:
    """Numbers of Python, which hash and hold float64 whatever JAX's default is; one of them stands for all columns."""
    if values is None:
        return None
    found = np.asarray(values, np.float64).ravel()
    if len(found) not in (1, size):
        raise InputError(f"{size} real columns have {size} shifts and scales, or one for all, not {len(found)}.")
    return tuple(np.broadcast_to(found, size).tolist())


class Gaussian(Unit):
    """A layer of real units `N(m, 1 / beta)` with mean and precision of their own (section 20.5.1).

    The precision `beta = exp(log_precision)` is learned and stays positive, for each unit (`precision="own"`), as one
    for all ("shared"; starting biases have the mean variance), or not at all ("fixed", as it stands). A layer of data
    far from zero, or of a scale far from one, holds it as `(x - shift) / scale`: the map is kept in float64, what the
    model computes is of order one, and float32 loses nothing. `hm.fit` and `hm.at_marginals` take the map from the
    data; functions of rows (`hm.log_likelihood`, `hm.sample`, `hm.impute`, ...) take and return the data's own values.

    Arguments: `size`, the number of units; `shift` and `scale`, `[size]` in the data's own unit (default: 0 and 1,
    until data is seen); `precision`, how it is learned. Raises `InputError` for a shift that is not finite, a scale
    that is not positive, or another `precision`.

    >>> import jax.numpy as jnp
    >>> unit = Gaussian(1); unit.mean(unit.natural(GaussianBias(jnp.ones(1), jnp.zeros(1)))).x
    Array([1.], dtype=float32)
    >>> Gaussian(1, shift=[1e9], scale=[2.0]).from_data(np.array([[1e9 + 3]]))
    Array([[1.5]], dtype=float32)
    """

    size: int = eqx.field(static=True, converter=plain)
    shift: tuple[float, ...] | None = eqx.field(static=True, repr=False, default=None)
    scale: tuple[float, ...] | None = eqx.field(static=True, repr=False, default=None)
    precision: str = eqx.field(static=True, repr=False, default="own")

    def __init__(self, size: Any, shift: Any = None, scale: Any = None, *, precision: Any = "own") -> None:
        self.size, self.shift, self.scale = size, _numbers(shift, size), _numbers(scale, size)
        self.precision = precision

    def __check_init__(self) -> None:
        if (self.shift is None) != (self.scale is None):
            raise InputError("Real columns have both a shift and a scale, or neither: give both.")
        if not all(math.isfinite(x) for x in self.shift or ()) or not all(0 < x < math.inf for x in self.scale or ()):
            raise InputError("Real columns have finite shifts and positive scales: leave out columns without values.")
        if self.precision not in ("own", "shared", "fixed"):
            raise InputError(f"A precision is 'own', 'shared' or 'fixed', not {shown(self.precision)}: choose one.")

    @property
    def states(self) -> None:
        """None: real values cannot be listed."""
        return None

    def stats(self, x: Float[Array, "size"]) -> GaussianStats:
        """`T(x) = (x, x^2)`."""
        return GaussianStats(x, x * x)

    def log_partition(self, eta: GaussianStats) -> Float[Array, ""]:
        """`sum_i -eta_1i^2 / (4 eta_2i) + log(-pi / eta_2i) / 2`, finite where every `eta_2i < 0`."""
        return jnp.sum(-(eta.x**2) / (4 * eta.square) + 0.5 * jnp.log(-jnp.pi / eta.square))

    def log_prob(self, eta: GaussianStats, x: Float[Array, "size"]) -> Float[Array, ""]:
        """`sum_i log(beta_i / 2 pi) / 2 - beta_i (x_i - m_i)^2 / 2`: the squares of far means would not cancel."""
        precision = -2 * eta.square
        return 0.5 * jnp.sum(jnp.log(precision / (2 * jnp.pi)) - precision * (x - eta.x / precision) ** 2)

    def entropy(self, eta: GaussianStats) -> Float[Array, ""]:
        """`sum_i log(2 pi e / beta_i) / 2`, wherever the means are."""
        return 0.5 * jnp.sum(jnp.log(-jnp.pi * jnp.e / eta.square))

    def sample(self, key: Key[Array, ""], eta: GaussianStats) -> Float[Array, "size"]:
        """`m + z / sqrt(beta)` with `z` standard normal."""
        precision = -2 * eta.square
        return eta.x / precision + jax.random.normal(key, eta.x.shape, jnp.float32) / jnp.sqrt(precision)

    def natural_from_mean(self, mean: GaussianStats) -> GaussianStats:
        """`(m / s2, -1 / (2 s2))` with the variance `s2 = E[x^2] - m^2`."""
        variance = mean.square - mean.x**2
        return GaussianStats(mean.x / variance, -0.5 / variance)

    def expected_value(self, mean: GaussianStats) -> Float[Array, "size"]:
        """`E[x]`."""
        return mean.x

    def neutral_natural(self) -> GaussianStats:
        """The standard normal distribution."""
        return GaussianStats(jnp.zeros(self.size, jnp.float32), jnp.full(self.size, -0.5, jnp.float32))

    def natural(self, bias: GaussianBias) -> GaussianStats:
        """`(beta m, -beta / 2)`."""
        precision = self.precision_of(bias)
        return GaussianStats(precision * bias.mean, -0.5 * precision)

    def precision_of(self, bias: GaussianBias) -> Float[Array, "size"]:
        """`beta`, whose gradient reaches each unit's own number, all alike, or none."""
        still = jax.lax.stop_gradient(bias.log_precision)
        if self.precision == "fixed":
            return jnp.exp(still)
        if self.precision == "own":
            return jnp.exp(bias.log_precision)
        return jnp.exp(still + jnp.mean(bias.log_precision) - jnp.mean(still))  # equal numbers stay equal

    def bias(self, natural: GaussianStats) -> GaussianBias:
        """`m = -eta_1 / (2 eta_2)` and `beta = -2 eta_2`; one that is shared has the mean variance."""
        precision = -2 * natural.square
        mean = natural.x / precision
        if self.precision == "shared":
            precision = jnp.broadcast_to(1 / jnp.mean(1 / precision), precision.shape)
        return GaussianBias(mean, jnp.log(precision))

    def interaction(self, stats: GaussianStats, bias: GaussianBias) -> Float[Array, "size"]:
        """`beta * x`, so that weights move the mean of a unit by what they are. # (20.42)"""
        return self.precision_of(bias) * stats.x

    @property
    def out_widths(self) -> tuple[int, ...]:
        """Two numbers for each unit: they are added to its mean and to its log-precision."""
        return (2,) * self.size

    def natural_from_output(self, bias: GaussianBias, out: Float[Array, "num_outputs"]) -> GaussianStats:
        """`N(m + out_1, exp(-(log beta + out_2)))` of each unit, with `out_2` `limited`."""
        mean, log_precision = out.reshape(self.size, 2).T
        return self.natural(GaussianBias(bias.mean + mean, bias.log_precision + limited(log_precision)))

    @property
    def family(self) -> Hashable:
        """The class, where each unit has a mean, a precision, a shift and a scale of its own."""
        return type(self) if self.precision == "own" else (type(self), self.precision)

    def check(self, x: np.ndarray, *, expectation: bool = False) -> None:
        """Refuse values that are not finite."""
        inside = np.isfinite(x)
        if not inside.all():
            raise InputError(
                f"Gaussian units take finite numbers, but the data holds {first_outside(x, inside)}: "
                "remove or fill such cells first."
            )

    def sized(self, size: int) -> Gaussian:
        """So many real units, without a shift and a scale."""
        return Gaussian(size, precision=self.precision)

    def joined(self, others: Sequence[Unit]) -> Gaussian:
        """One layer of all the columns."""
        size = sum(unit.size for unit in others)
        if not any(unit.scaled for unit in others):
            return self.sized(size)
        shift = [unit.shift or (0.0,) * unit.size for unit in others]
        scale = [unit.scale or (1.0,) * unit.size for unit in others]
        return Gaussian(size, np.concatenate(shift), np.concatenate(scale), precision=self.precision)

    @property
    def scaled(self) -> bool:
        """Whether there is a shift and a scale."""
        return self.shift is not None

    def placed(self, shift: np.ndarray, scale: np.ndarray) -> Gaussian:
        """The same units, which hold their data as `(x - shift) / scale`."""
        return Gaussian(self.size, shift, scale, precision=self.precision)

    def from_data(self, rows: Array | np.ndarray) -> Float[Array, "*n size"]:
        """`(x - shift) / scale` of rows of data, in float64 before it is rounded."""
        if self.shift is None:
            return super().from_data(rows)
        if isinstance(rows, jax.core.Tracer):
            if not all(abs(a) * 2.0**-24 <= COARSE * b for a, b in zip(self.shift, self.scale, strict=True)):
                raise InputError(
                    "Inside jax.vmap and jax.jit rows are float32, which cannot hold these columns: call the function "
                    "for one row after the other, or that of harmonium.inference on model.layers['v'].from_data(rows)."
                )
            return (rows - jnp.asarray(self.shift)) / jnp.asarray(self.scale)
        return jnp.asarray((np.asarray(rows, np.float64) - self.shift) / self.scale, jnp.float32)

    def to_data(self, values: Array | np.ndarray) -> Array | np.ndarray:
        """`shift + scale * z`, in float64."""
        if self.shift is None:
            return values
        if isinstance(values, jax.core.Tracer):
            return values * jnp.asarray(self.scale) + jnp.asarray(self.shift)
        return np.asarray(values, np.float64) * self.scale + self.shift

    @property
    def log_scales(self) -> np.ndarray:
        """`log scale_i`."""
        return np.log(self.scale) if self.scale is not None else super().log_scales
