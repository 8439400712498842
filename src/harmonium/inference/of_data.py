"""Energies and conditionals of the data's own values, where a model holds these shifted and scaled.

The functions of the same names in `harmonium.inference` take values as the layers hold them; these take and return
those of the data, and agree with them wherever nothing is scaled. With `v = shift + scale * z`,

    E(v) = E(z) + sum_i log scale_i,      so that p(v) = exp(-E(v)) / Z with the same Z.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from harmonium.compiling import in_float32
from harmonium.inference import conditional as _conditional
from harmonium.inference import energy as _energy
from harmonium.inference import free_energy as _free_energy
from harmonium.inference import mean_field as _mean_field
from harmonium.inference.conditional import LayerValues
from harmonium.models.kinds import ENERGY, is_kind
from harmonium.units import Conditional, Stats
from harmonium.units.conditional import ConditionalOfData


@in_float32
def conditional(model: Any, layer: str, values: LayerValues) -> Conditional:
    """The distribution of one layer given all the others, `hm.inference.conditional`, of the data's own values.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> hm.conditional(rbm, "h", {"v": jnp.zeros(6)}).mean
    Array([0.5, 0.5, 0.5], dtype=float32)
    """
    found = _conditional(model, layer, _held(model, values))
    return ConditionalOfData(found.unit, found.natural) if found.unit.scaled else found


@in_float32
def energy(model: Any, values: LayerValues) -> Float[Array, ""]:
    """Energy `E` of one configuration of all layers, `hm.inference.energy`, of the data's own values; in nats.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> float(hm.energy(rbm, {"v": jnp.zeros(6), "h": jnp.ones(3)})) == 0.0
    True
    """
    return _energy(model, _held(model, values)) + _log_scale(model, values)


@in_float32
def free_energy(model: Any, values: LayerValues) -> Float[Array, ""]:
    """Free energy of the given layers, `hm.inference.free_energy`, of the data's own values; in nats.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> hm.free_energy(rbm, {"v": jnp.zeros(6)})        # -3 log 2
    Array(-2.0794415, dtype=float32)
    """
    return _free_energy(model, _held(model, values)) + _log_scale(model, values)


@in_float32
def mean_field(model: Any, values: LayerValues, **options: Any) -> dict[str, Stats]:
    """Mean statistics of the layers that are not given, `hm.inference.mean_field`, given the data's own values; those
    of a layer that is held shifted and scaled are of the values held.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> hm.mean_field(rbm, {"v": jnp.zeros(6)})["h"]
    Array([0.5, 0.5, 0.5], dtype=float32)
    """
    return _mean_field(model, _held(model, values), **options)


def _held(model: Any, values: Any) -> Any:
    """Values by layer as the layers hold them; what is none is left for the functions themselves to refuse."""
    if not is_kind(model, ENERGY) or isinstance(model, type) or not isinstance(values, dict):
        return values
    scaled = {name for name, unit in model.layers.items() if unit.scaled and name in values}
    shaped = {name for name in scaled if jnp.shape(values[name]) == (model.layers[name].size,)}
    return values | {name: model.layers[name].from_data(values[name]) for name in shaped}


def _log_scale(model: Any, values: Any) -> float:
    given = values if isinstance(values, dict) and is_kind(model, ENERGY) else {}
    return sum((model.layers[name].log_scale() for name in given if name in model.layers), start=0.0)
