"""Gaussian units with a covariance: `T(x) = (x, x^2, (C^T x)^2)`, whose precision is `diag(beta) + C diag(w) C^T`."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Bool, Float, Key

from harmonium.errors import InputError
from harmonium.units.gaussian import Gaussian, GaussianBias, GaussianStats
from harmonium.units.unit import Unit

LOG_2PI = math.log(2 * math.pi)


class FactoredStats(NamedTuple):
    """Statistics `(x, x^2, (C^T x)^2)`, or the natural parameters that go with them: `(., -beta / 2, -w / 2)`.

    >>> import jax.numpy as jnp
    >>> Factored(Gaussian(2), jnp.ones((2, 3))).stats(jnp.array([1.0, 2.0])).filtered
    Array([9., 9., 9.], dtype=float32)
    """

    x: Float[Array, "size"]
    square: Float[Array, "size"]
    filtered: Float[Array, "factors"]


class Factored(Unit):
    """Real units whose precision is that of `alone` plus `C diag(w) C^T`, where other layers set the `w` (section
    20.5.2).

        p(x) = N(S eta_1, S),      S = (-2 diag(eta_2) - 2 C diag(eta_3) C^T)^-1

    A model makes them in its `layers`, of its own units and filters, so that gradients reach `C` through the
    statistics. A value is drawn by one Cholesky factor, `size^3 / 3` products.
    Arguments: `alone`, the `Gaussian` units without the filters; `C` `[size, factors]`, the filters.

    >>> import jax
    >>> unit = Factored(Gaussian(2), jnp.eye(2)); eta = unit.neutral_natural()
    >>> round(float(unit.log_partition(eta)), 4), unit.sample(jax.random.key(0), eta).shape        # log 2 pi
    (1.8379, (2,))
    """

    alone: Gaussian
    C: Float[Array, "size factors"]

    @property
    def size(self) -> int:
        """The number of units."""
        return self.alone.size

    @property
    def states(self) -> None:
        """None: real values cannot be listed."""
        return None

    @property
    def joint(self) -> bool:
        """Whether units depend on each other given all else: they have a covariance."""
        return True

    @property
    def held(self) -> Unit:
        """The units that a model holds, of which it makes these."""
        return self.alone

    def stats(self, x: Float[Array, "size"]) -> FactoredStats:
        """`T(x) = (x, x^2, (C^T x)^2)`."""
        return FactoredStats(x, x * x, (x @ self.C) ** 2)

    def _precision(self, eta: FactoredStats) -> Float[Array, "size size"]:
        return -2 * (jnp.diag(eta.square) + (self.C * eta.filtered) @ self.C.T)

    def _root(self, eta: FactoredStats) -> Float[Array, "size size"]:
        """The Cholesky factor of the precision; NaN where that is not positive definite."""
        return jnp.linalg.cholesky(self._precision(eta))

    def log_partition(self, eta: FactoredStats) -> Float[Array, ""]:
        """`eta_1^T S eta_1 / 2 + log |2 pi S| / 2`."""
        root = self._root(eta)
        z = solve_triangular(root, eta.x, lower=True)
        return 0.5 * (z @ z + self.size * LOG_2PI) - jnp.sum(jnp.log(jnp.diagonal(root)))

    def log_prob(self, eta: FactoredStats, x: Float[Array, "size"]) -> Float[Array, ""]:
        """`-(x - m)^T S^-1 (x - m) / 2 - log |2 pi S| / 2`."""
        root = self._root(eta)
        off = x @ root - solve_triangular(root, eta.x, lower=True)
        return jnp.sum(jnp.log(jnp.diagonal(root))) - 0.5 * (off @ off + self.size * LOG_2PI)

    def sample(self, key: Key[Array, ""], eta: FactoredStats) -> Float[Array, "size"]:
        """`m + R^-T z` with `z` standard normal and `R R^T` the precision."""
        root = self._root(eta)
        z = solve_triangular(root, eta.x, lower=True) + jax.random.normal(key, (self.size,), jnp.float32)
        return solve_triangular(root.T, z, lower=False)

    def sample_given(
        self, key: Key[Array, ""], eta: FactoredStats, known: Bool[Array, "size"], value: Array
    ) -> Float[Array, "size"]:
        """From the Gaussian that the others have given the values that are known."""
        precision, free = self._precision(eta), 1.0 - known
        held = jnp.where(known, value, 0.0)
        root = jnp.linalg.cholesky(precision * free * free[:, None] + jnp.diag(1.0 - free))
        push = (eta.x - precision @ held) * free
        z = solve_triangular(root, push, lower=True) + jax.random.normal(key, (self.size,), jnp.float32)
        return jnp.where(known, value, solve_triangular(root.T, z, lower=False))

    def natural_from_mean(self, mean: FactoredStats) -> FactoredStats:
        """Those of units on which no filter acts, with these means and variances; of others they are not known."""
        alone = self.alone.natural_from_mean(GaussianStats(mean.x, mean.square))
        return FactoredStats(alone.x, alone.square, jnp.zeros(self.C.shape[1], jnp.float32))

    def expected_value(self, mean: FactoredStats) -> Float[Array, "size"]:
        """`E[x]`."""
        return mean.x

    def neutral_natural(self) -> FactoredStats:
        """The standard normal distribution, on which no filter acts."""
        alone = self.alone.neutral_natural()
        return FactoredStats(alone.x, alone.square, jnp.zeros(self.C.shape[1], jnp.float32))

    def natural(self, bias: GaussianBias) -> FactoredStats:
        """Those of the units without the filters."""
        alone = self.alone.natural(bias)
        return FactoredStats(alone.x, alone.square, jnp.zeros(self.C.shape[1], jnp.float32))

    def bias(self, natural: FactoredStats) -> GaussianBias:
        """That of the units without the filters."""
        return self.alone.bias(GaussianStats(natural.x, natural.square))

    def interaction(self, stats: FactoredStats, bias: GaussianBias) -> Float[Array, "size"]:
        """`beta x`, as of Gaussian units."""
        return self.alone.interaction(GaussianStats(stats.x, stats.square), bias)

    def check(self, x: np.ndarray, *, expectation: bool = False) -> None:
        """Refuse values that are not finite."""
        self.alone.check(x, expectation=expectation)

    @property
    def scaled(self) -> bool:
        """Whether there is a shift and a scale."""
        return self.alone.scaled

    def placed(self, shift: np.ndarray, scale: np.ndarray) -> Factored:
        """The same units, which hold their data as `(x - shift) / scale`."""
        return Factored(self.alone.placed(shift, scale), self.C)

    def from_data(self, rows: Any) -> Float[Array, "*n size"]:
        """`(x - shift) / scale`."""
        return self.alone.from_data(rows)

    def to_data(self, values: Any) -> Any:
        """`shift + scale * z`, in float64."""
        return self.alone.to_data(values)

    @property
    def log_scales(self) -> np.ndarray:
        """`log scale_i`."""
        return self.alone.log_scales

    def sized(self, size: int) -> Unit:
        """Units with a covariance are no list of units."""
        raise InputError("Units with a covariance act on each other, and are not drawn one by one: draw whole rows.")
