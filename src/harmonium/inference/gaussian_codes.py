"""Exact sums over machines that are Gaussian once their codes are known: discrete units, and which spikes are on.

For each code the energy is quadratic in the real values, so that their integral has a closed form.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import jax.flatten_util
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float, Int

from harmonium.inference.conditional import LayerValues, layer_stats
from harmonium.models.energy import EnergyModel
from harmonium.units import Factored, Gaussian, SpikeSlab, SpikeSlabStats, Unit

LOG_2PI = math.log(2 * math.pi)


class Codes(NamedTuple):
    """The layers that are not given: `finite` ones, whose states are listed; `real` ones, of which spikes are.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(hm.units.Gaussian(2), hm.units.SpikeSlab(3), key=jax.random.key(0))
    >>> round(math.exp(Codes.of(rbm).log_count))
    8
    """

    finite: dict[str, Unit]
    real: dict[str, Unit]

    @classmethod
    def of(cls, model: EnergyModel, given: Iterable[str] = ()) -> Codes:
        """Those of a model."""
        free = {name: unit for name, unit in model.layers.items() if name not in set(given)}
        real = {name: unit for name, unit in free.items() if unit.states is None}
        return cls({name: unit for name, unit in free.items() if name not in real}, real)

    @property
    def quadratic(self) -> bool:
        """Whether the real layers are of families with which energies are quadratic once the codes are known."""
        return all(isinstance(unit, Gaussian | SpikeSlab | Factored) for unit in self.real.values())

    @property
    def log_count(self) -> float:
        """The logarithm of the number of codes; infinite where these layers cannot be summed this way."""
        if not self.quadratic:
            return math.inf
        spikes = sum(unit.spikes for unit in self.real.values() if isinstance(unit, SpikeSlab))
        return spikes * math.log(2) + sum(unit.size * math.log(unit.states) for unit in self.finite.values())

    def at(self, index: Int[Array, ""]) -> tuple[LayerValues, dict[str, Float[Array, "spikes"]]]:
        """Values of the finite layers, and spikes of the others, in code number `index`."""
        values, spikes = {}, {}
        for name, unit in self.finite.items():
            values[name], index = unit.values(_digits(index, unit.states, unit.size)), index // unit.states**unit.size
        for name, unit in self.real.items():
            if isinstance(unit, SpikeSlab):
                spikes[name] = _digits(index, 2, unit.spikes).astype(jnp.float32)
                index = index // 2**unit.spikes
        return values, spikes


def _digits(index: Int[Array, ""], base: int, count: int) -> Int[Array, "count"]:
    return index // jnp.asarray([base**i for i in range(count)], jnp.int32) % base


def free_energy_of_code(
    model: EnergyModel, given: LayerValues, codes: Codes, index: Int[Array, ""]
) -> Float[Array, ""]:
    """`-log` of the integral of `exp(-E)` over the real values of one code; NaN where it is not finite.

        F = E(0) - g^T P^-1 g / 2 + log |P / 2 pi| / 2,     g = -dE/dx(0),     P = d2E/dx2

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(hm.units.Gaussian(2), hm.units.SpikeSlab(3), key=jax.random.key(0), scale=0.0)
    >>> round(float(free_energy_of_code(rbm, {}, Codes.of(rbm), jnp.int32(0))), 4)        # no spike is on: -log 2 pi
    -1.8379
    """
    values, spikes = codes.at(index)
    held = layer_stats(model, {**given, **values})
    zero = {name: jnp.zeros(unit.size, jnp.float32) for name, unit in codes.real.items()}
    flat, unravel = jax.flatten_util.ravel_pytree(zero)
    on = jax.flatten_util.ravel_pytree(
        {name: _on(unit, spikes.get(name)) for name, unit in codes.real.items()}
    )[0]  # fmt: skip

    def energy(x: Float[Array, "reals"]) -> Float[Array, ""]:
        stats = {name: _stats(codes.real[name], part, spikes.get(name)) for name, part in unravel(x).items()}
        return model.energy({**held, **stats})

    precision = jnp.where(on[:, None] * on > 0, jax.hessian(energy)(flat), 0.0) + jnp.diag(1 - on)
    root = jnp.linalg.cholesky(precision)
    z = solve_triangular(root, -jax.grad(energy)(flat) * on, lower=True)
    return energy(flat) - 0.5 * z @ z + jnp.sum(jnp.log(jnp.diagonal(root))) - 0.5 * on.sum() * LOG_2PI


def _on(unit: Unit, spikes: Array | None) -> Float[Array, "size"]:
    return jnp.ones(unit.size, jnp.float32) if spikes is None else jnp.repeat(spikes, unit.slabs)


def _stats(unit: Unit, x: Float[Array, "size"], spikes: Array | None) -> Any:
    """The statistics of real values; where a spike is off they are zero, whatever `x` is."""
    if spikes is None:
        return unit.stats(x)
    x = x * _on(unit, spikes)
    return SpikeSlabStats(spikes, x, x * x)
