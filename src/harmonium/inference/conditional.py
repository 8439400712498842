"""The one line from which the rest follows: the natural parameters of a layer are `-dE/dT` of that layer.

An energy is linear in a layer's statistics when the other layers are held fixed, so that

    p(x_l | rest) = exp(<eta_l, T(x_l)> - A(eta_l)),      eta_l = -dE/dT_l,

exactly, whatever the units (Welling, Rosen-Zvi & Hinton 2005). The derivative is taken at zero statistics.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from harmonium.errors import InputError, shown
from harmonium.models.energy import Coloured, EnergyModel, LayerStats, coloured
from harmonium.models.kinds import ENERGY, require_kind
from harmonium.units import Conditional, Stats

LayerValues = Mapping[str, Array | np.ndarray]


def layer_stats(model: EnergyModel, values: LayerValues) -> dict[str, Stats]:
    """The sufficient statistics of each given layer's value, with names and shapes checked.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Gaussian(2), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> layer_stats(rbm, {"v": jnp.array([1.0, 3.0])})["v"].square
    Array([1., 9.], dtype=float32)
    """
    _by_layer(values)
    for name, x in values.items():
        if name not in model.layers:
            raise InputError(f"There is no layer '{name}'; the layers are {', '.join(model.layers)}.")
        model.layers[name].check_shape(x, name)
    return {name: model.layers[name].stats(x) for name, x in values.items()}


def as_values(x: Array | np.ndarray | LayerValues) -> dict[str, Array]:
    """Values by layer: an array stands for layer `v`.

    >>> list(as_values(jax.numpy.zeros(3)))
    ['v']
    """
    return dict(x) if isinstance(x, Mapping) else {"v": x}


def energy(model: Any, values: LayerValues) -> Float[Array, ""]:
    """Energy `E` of one configuration of all layers, in nats.

    Arguments: `values`, every layer's value `[size]` by name. Raises `InputError` for a missing layer or wrong shape.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> float(hm.energy(rbm, {"v": jnp.zeros(6), "h": jnp.ones(3)})) == 0.0
    True
    """
    require_kind("hm.energy", model, ENERGY)
    _require(model, values, model.layers)
    return model.energy(layer_stats(model, values))


def natural_parameters(model: EnergyModel, stats: LayerStats, layers: Iterable[str]) -> dict[str, Stats]:
    """`eta_l = -dE/dT_l` of each layer of one block, given the statistics of all layers outside it.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> eta = natural_parameters(rbm, {"v": jnp.ones(6)}, ["h"])
    >>> bool(jnp.allclose(eta["h"], rbm.c + rbm.W.sum(axis=0)))
    True
    """
    _, slope = energy_and_slope(model, stats, layers)
    return jax.tree.map(lambda g: -g, slope)


def energy_and_slope(
    model: EnergyModel, stats: LayerStats, layers: Iterable[str]
) -> tuple[Float[Array, ""], dict[str, Stats]]:
    """`E` and `dE/dT` at zero statistics of `layers` (one block), given the others'."""
    layers = tuple(layers)
    zeros = {name: model.layers[name].zeros() for name in layers}
    rest = {name: value for name, value in stats.items() if name not in layers}
    return jax.value_and_grad(lambda block: model.energy({**rest, **block}))(zeros)


def conditional(model: Any, layer: str, values: LayerValues) -> Conditional:
    """The distribution of one layer given all the others: `p(x_l | rest)` with `eta_l = -dE/dT_l`.

    Arguments: `layer`, its name; `values`, the other layers' values `[size]` by name. The result has `.natural`,
    `.mean`, `.entropy`, `.sample(key)` and `.log_prob(x)`. Raises `InputError` for a missing layer or wrong shape, or
    where the units of the layer act on each other.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> hm.conditional(rbm, "h", {"v": jnp.zeros(6)}).mean
    Array([0.5, 0.5, 0.5], dtype=float32)
    """
    require_kind("hm.conditional", model, ENERGY)
    if layer not in model.layers:
        raise InputError(f"There is no layer '{layer}'; the layers are {', '.join(model.layers)}.")
    if coloured(model, layer) is not None:
        raise InputError(
            f"The units of layer '{layer}' act on each other, so its values have no conditional in closed form: use "
            "hm.mean_field for its means, or harmonium.samplers.Gibbs to draw its units one after the other."
        )
    _require(model, values, (name for name in model.layers if name != layer))
    stats = layer_stats(model, values)
    return Conditional(model.layers[layer], natural_parameters(model, stats, (layer,))[layer])


def free_block(model: EnergyModel, given: Iterable[str]) -> tuple[str, ...]:
    """The layers that are not given, which must be independent of each other (lie in one block, and not `Coloured`).

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> free_block(rbm, ["v"])
    ('h',)
    """
    given = set(given)
    if not has_closed_form(model, given):
        free = [name for name in model.layers if name not in given]
        which = f"units of layer {free[0]} act" if len(free) == 1 else f"layers {', '.join(free)} depend"
        raise InputError(
            f"The {which} on each other, so they have no closed form together: give more layers, or use hm.mean_field."
        )
    return tuple(name for name in model.layers if name not in given)


def has_closed_form(model: EnergyModel, given: Iterable[str] = ("v",)) -> bool:
    """Whether the units that are not given are independent of each other, so that they can be summed out.

    >>> import harmonium as hm, jax
    >>> dbm = hm.DBM(hm.units.Bernoulli(3), [hm.units.Bernoulli(2), hm.units.Bernoulli(2)], key=jax.random.key(0))
    >>> has_closed_form(dbm), has_closed_form(dbm, ["v", "h2"])
    (False, True)
    """
    free = set(model.layers) - set(given)
    return any(free <= {name for name in block if not isinstance(name, Coloured)} for block in model.blocks)


def _by_layer(values: Any) -> None:
    if not isinstance(values, Mapping):
        raise InputError(
            f"Values are given by layer, such as {{'v': v}}, not as {shown(values)}: say which they are of."
        )


def _require(model: EnergyModel, values: LayerValues, layers: Iterable[str]) -> None:
    _by_layer(values)
    missing = [name for name in layers if name not in values]
    if missing:
        raise InputError(f"Layer '{missing[0]}' is missing: give values for all of {', '.join(model.layers)}.")
