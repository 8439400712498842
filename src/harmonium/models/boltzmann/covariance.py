"""Machines whose hidden units set the covariance of real data: the mean-covariance RBM (section 20.5.2)."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from harmonium.decay import no_decay
from harmonium.errors import InputError, whole
from harmonium.memory import check_weights
from harmonium.models.energy import LayerStats
from harmonium.models.validation import check_family, check_scale
from harmonium.rng import check_key
from harmonium.units import Bernoulli, Factored, Gaussian, GaussianBias, Unit, inner

RIDGE = -2.0  # logarithm of the precision that visible units have without any filter, at the start
OFF = -2.0  # log-odds of the mean units at the start
ON = 2.0  # and of the covariance units: the precision is high unless a constraint is violated


class CovarianceMachine(eqx.Module):
    """What machines of real units with filters share: `v` has the precision `diag(beta) + C diag(w) C^T`, and mean
    units `hm` move its mean.

    >>> MeanCovarianceRBM.__mro__[1].__name__
    'CovarianceMachine'
    """

    visible: Gaussian
    means: Bernoulli | None
    C: Float[Array, "visible factors"]
    W: Float[Array, "visible means"] | None
    b: GaussianBias = no_decay()
    c: Float[Array, "means"] | None = no_decay()

    @property
    def seen(self) -> Factored:
        """The visible units with the filters."""
        return Factored(self.visible, self.C)

    @property
    def blocks(self) -> tuple[tuple[str, ...], ...]:
        """The visible layer, and the hidden ones, which are independent given it."""
        hidden = tuple(name for name in self.layers if name != "v")
        return (("v",), hidden)

    def mean_energy(self, stats: LayerStats) -> Float[Array, ""]:
        """The energy of the visible units without filters, and of the mean units."""
        v = stats["v"]
        alone = inner(self.seen.natural(self.b), v)
        if self.means is None:
            return -alone
        return -alone - (self.seen.interaction(v, self.b) @ self.W) @ stats["hm"] - self.c @ stats["hm"]

    def filters(self) -> np.ndarray:
        """The filters of the covariance, beside those of the mean."""
        parts = [self.C] if self.W is None else [self.C, self.W]
        return np.concatenate([np.asarray(part, float) for part in parts], axis=1)


class MeanCovarianceRBM(CovarianceMachine):
    """The mean and covariance RBM (mcRBM): binary units `hc` that switch constraints on and off, others that move the
    mean.

        E(v, m, h) = (v - b)^T diag(beta) (v - b) / 2 - (beta v)^T W m - c^T m - d^T h
                     + sum_fk P_fk h_k (C_f^T v)^2 / 2                                              # (20.43) to (20.46)
        p(v | m, h) = N(S beta (b + W m), S),   S^-1 = diag(beta) + C diag(P h) C^T                 # (20.47)

    (Ranzato & Hinton 2010, doi:10.1109/CVPR.2010.5539962.) `P` is not negative here and stands with a plus; in the
    papers its sign is the other way. Data is not divided by its norm, as it is there, so that the conditionals are
    known and Gibbs sampling is exact: a value is drawn by one Cholesky factor.

    Arguments: `visible`, `Gaussian` units; `means` and `covariances`, how many hidden units of each; `factors`, how
    many filters (default: one for each covariance unit); `key`, for the filters' start; `scale`, the standard deviation
    of the weights of the mean.
    Fields: `C` `[visible, factors]`; `raw` `[factors, covariances]`, of which `P` is the softplus; `W`; `b`, `c`, `d`,
    the biases. Layers: `v`, `hm`, `hc`. Raises `InputError` for other units or no covariance units.

    >>> import harmonium as hm, jax
    >>> machine = MeanCovarianceRBM(hm.units.Gaussian(4), 2, 3, key=jax.random.key(0))
    >>> machine.C.shape, hm.sample(machine, jax.random.key(1), 2, steps=3).shape
    ((4, 3), (2, 4))
    """

    covariances: Bernoulli
    raw: Float[Array, "factors covariances"] = no_decay()
    d: Float[Array, "covariances"] = no_decay()

    def __init__(
        self, visible: Any, means: Any, covariances: Any, *, factors: Any = None, key: Key[Array, ""], scale: Any = 0.01
    ) -> None:
        factors = covariances if factors is None else factors
        check_filtered("A mean-covariance RBM", visible, means, scale, key, covariances=covariances, factors=factors)
        self.visible, self.covariances = visible, Bernoulli(covariances)
        self.means = Bernoulli(means) if means else None
        self.C, self.W = first_filters(visible.size, means, factors, key, scale, 1.0)
        tied = np.arange(factors)[:, None] % covariances == np.arange(covariances)
        self.raw = jnp.log(jnp.expm1(jnp.where(tied, 1.0, 0.0) + 1e-3)).astype(jnp.float32)
        self.b, self.c = first_biases(visible, means)
        self.d = jnp.full(covariances, ON, jnp.float32)

    @property
    def layers(self) -> dict[str, Unit]:
        """`v`, `hm` (where there are mean units) and `hc`."""
        return {"v": self.seen} | ({} if self.means is None else {"hm": self.means}) | {"hc": self.covariances}

    @property
    def P(self) -> Float[Array, "factors covariances"]:
        """How much each covariance unit weighs each filter."""
        return jax.nn.softplus(self.raw)

    def energy(self, stats: LayerStats) -> Float[Array, ""]:
        """`E(v, m, h)` of the layers' statistics, in nats."""
        h = stats["hc"]
        return self.mean_energy(stats) - self.d @ h + 0.5 * (stats["v"].filtered @ self.P) @ h  # (20.45)


def check_filtered(owner: str, visible: Any, means: Any, scale: Any, key: Any, **sizes: Any) -> None:
    """Refuse what no machine with filters can be made of.

    >>> import harmonium as hm
    >>> check_filtered("A PoT", hm.units.Gaussian(2), 0, 0.1, jax.random.key(0), factors=0)
    Traceback (most recent call last):
    harmonium.errors.InputError: A PoT has at least one of each, and means from 0, not factors=0 and means=0.
    """
    check_family(owner, "visible", visible, Gaussian)
    if not whole(means, least=0) or not whole(*sizes.values()):
        told = " and ".join(f"{name}={value}" for name, value in sizes.items())
        raise InputError(f"{owner} has at least one of each, and means from 0, not {told} and means={means}.")
    check_weights(owner, *((visible.size, n) for n in (means, *sizes.values()) if n))
    check_key(key)
    check_scale(scale)


def first_filters(visible: int, means: int, factors: int, key: Key[Array, ""], scale: float, norm: float) -> tuple:
    """Filters of one norm, in random directions, and small weights of the mean.

    >>> C, W = first_filters(2, 1, 3, jax.random.key(0), 0.1, 0.5); jnp.linalg.norm(C, axis=0).round(4), W.shape
    (Array([0.5, 0.5, 0.5], dtype=float32), (2, 1))
    """
    first, second = jax.random.split(key)
    C = jax.random.normal(first, (visible, factors), jnp.float32)
    W = scale * jax.random.normal(second, (visible, means), jnp.float32) if means else None
    return norm * C / jnp.linalg.norm(C, axis=0), W


def first_biases(visible: Gaussian, means: int) -> tuple[GaussianBias, Array | None]:
    """A low precision of the visible units, and mean units that are mostly off.

    >>> first_biases(Gaussian(1), 2)[1]
    Array([-2., -2.], dtype=float32)
    """
    zeros = jnp.zeros(visible.size, jnp.float32)
    return GaussianBias(zeros, zeros + RIDGE), jnp.full(means, OFF, jnp.float32) if means else None
