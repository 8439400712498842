"""Products of Student-t experts: positive hidden units that weigh the filters of the data (section 20.5.2)."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from harmonium.decay import no_decay
from harmonium.models.boltzmann.covariance import CovarianceMachine, check_filtered, first_biases, first_filters
from harmonium.models.energy import LayerStats
from harmonium.units import Bernoulli, Gamma, Unit

SHAPE = 1.5  # gamma at the start
NORM = 0.7  # of the filters at the start


class MeanProductOfStudentT(CovarianceMachine):
    """The mean product of Student-t experts (mPoT): a unit `u_k > 0` for each filter, and binary ones for the mean.

        E(v, m, u) = (v - b)^T diag(beta) (v - b) / 2 - (beta v)^T W m - c^T m
                     + sum_k [u_k (1 + (C_k^T v)^2 / 2) + (1 - gamma_k) log u_k]                    # (20.48), (20.49)
        p(u_k | v) = Gamma(gamma_k, rate 1 + (C_k^T v)^2 / 2)                                       # (20.50)
        p(v | m, u) = N(S beta (b + W m), S),   S^-1 = diag(beta) + C diag(u) C^T

    (Ranzato, Mnih & Hinton 2010; without means: Welling, Hinton & Osindero 2002.) Summed over `u`, each filter is the
    heavy-tailed expert `(1 + (C_k^T v)^2 / 2)^-gamma_k`. The ridge `beta` keeps the machine normalisable, whatever the
    filters are.

    Arguments: `visible`, `Gaussian` units; `means`, how many binary units; `factors`, how many filters; `key`, for the
    filters' start; `scale`, the standard deviation of the weights of the mean.
    Fields: `C` `[visible, factors]`, `W`, `b`, `c`; `log_gamma` `[factors]`. Layers: `v`, `hm` (where there are mean
    units) and `hc`, which are `Gamma` units. Raises `InputError` for other units or no filters.

    >>> import harmonium as hm, jax
    >>> machine = MeanProductOfStudentT(hm.units.Gaussian(4), 2, 6, key=jax.random.key(0))
    >>> machine.C.shape, hm.sample(machine, jax.random.key(1), 2, steps=3).shape
    ((4, 6), (2, 4))
    """

    log_gamma: Float[Array, "factors"] = no_decay()

    def __init__(self, visible: Any, means: Any, factors: Any, *, key: Key[Array, ""], scale: Any = 0.01) -> None:
        check_filtered("A product of Student-t experts", visible, means, scale, key, factors=factors)
        self.visible, self.means = visible, Bernoulli(means) if means else None
        self.C, self.W = first_filters(visible.size, means, factors, key, scale, NORM)
        self.b, self.c = first_biases(visible, means)
        self.log_gamma = jnp.full(factors, jnp.log(SHAPE), jnp.float32)

    @property
    def layers(self) -> dict[str, Unit]:
        """`v`, `hm` (where there are mean units) and `hc`."""
        covariances = Gamma(self.C.shape[1])
        return {"v": self.seen} | ({} if self.means is None else {"hm": self.means}) | {"hc": covariances}

    def energy(self, stats: LayerStats) -> Float[Array, ""]:
        """`E(v, m, u)` of the layers' statistics, in nats."""
        v, u = stats["v"], stats["hc"]
        return self.mean_energy(stats) + u.x @ (1 + 0.5 * v.filtered) + (1 - jnp.exp(self.log_gamma)) @ u.log  # (20.49)


class ProductOfStudentT(MeanProductOfStudentT):
    """The product of Student-t experts (PoT): mPoT without mean units (Welling, Hinton & Osindero 2002).

    Arguments: `visible`, `Gaussian` units; `factors`, how many filters; `key`, for their start.

    >>> import harmonium as hm, jax
    >>> machine = ProductOfStudentT(hm.units.Gaussian(4), 6, key=jax.random.key(0)); list(machine.layers)
    ['v', 'hc']
    """

    def __init__(self, visible: Any, factors: Any, *, key: Key[Array, ""]) -> None:
        super().__init__(visible, 0, factors, key=key)
