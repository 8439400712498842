"""Free energy: the energy with the hidden layers summed out in closed form."""

from __future__ import annotations

from typing import Any

import jax
from jaxtyping import Array, Float

from harmonium.inference.conditional import LayerValues, energy_and_slope, free_block, layer_stats
from harmonium.models.energy import EnergyModel, LayerStats
from harmonium.models.kinds import ENERGY, require_kind


def free_energy(model: Any, values: LayerValues) -> Float[Array, ""]:
    """Free energy of the given layers, `F(v) = -log sum_h exp(-E(v, h))`, in nats.

        F(v) = E(v, 0) - sum_l A(-dE/dT_l)

    over the layers `l` that are not given (book, section 18.2 and 20.2; Hinton 2012, section 16.1).
    Arguments: `values`, the given layers' values `[size]` by name. Raises `InputError` where the other layers
    depend on each other.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> hm.free_energy(rbm, {"v": jnp.zeros(6)})        # -3 log 2
    Array(-2.0794415, dtype=float32)
    """
    require_kind("hm.free_energy", model, ENERGY)
    return free_energy_of_stats(model, layer_stats(model, values))


def free_energy_of_stats(model: EnergyModel, stats: LayerStats) -> Float[Array, ""]:
    """`F` as a function of the given layers' statistics."""
    free = free_block(model, stats)
    base, slope = energy_and_slope(model, stats, free)
    eta = jax.tree.map(lambda g: -g, slope)
    return base - sum(model.layers[name].log_partition(eta[name]) for name in free)
