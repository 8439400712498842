"""A model's biases: starting at the marginals, centring and annealing rest on what they say."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Key, PyTree

from harmonium.errors import InputError
from harmonium.models import Biased, BiasedModel, EnergyModel, Wrapped, require_biases, with_biases
from harmonium.testing.enumeration import energies_of_stats
from harmonium.testing.statistics import agree
from harmonium.testing.structure import generator, groups, random_stats, replaced
from harmonium.units import Unit

TOLERANCE = 1e-4  # relative, of energies and their differences


def check_biases(model: EnergyModel, key: Key[Array, ""] | None = None) -> None:
    """Every layer has a bias of its unit's form, which can be replaced, and which the energy holds as

        E(T_l, all else 0) - E(0) = -<natural(b_l), T_l>,      T_l of units that do not act on each other,

    and, where a push on the layer is taken up by its bias (as centring does), as `-<natural(b') - natural(b), T_l>` at
    any statistics. Of a model around another one this is asked of the one inside, in whose coordinates biases are.

    >>> import harmonium as hm, jax
    >>> tiny = hm.RBM(visible=hm.units.Bernoulli(3), hidden=hm.units.Bernoulli(2), key=jax.random.key(0), scale=0.5)
    >>> check_biases(tiny)
    """
    while isinstance(model, Wrapped):
        model = model.model
    try:
        require_biases(model)
    except InputError as error:
        raise AssertionError(str(error)) from error
    rng = generator(key)
    stats = random_stats(model, rng)
    _check_alone(model, stats)
    for name, unit in model.layers.items():
        push = rng.normal(size=unit.width).astype(np.float32)
        moved = _with_bias(model, name, _pushed(unit, model.biases[name], push))
        _check_moved(model, moved, stats, name)


def _check_alone(model: BiasedModel, stats: dict[str, PyTree]) -> None:
    zero = jax.tree.map(np.zeros_like, stats)
    nothing = energies_of_stats(model, zero)
    for name, units in ((name, units) for group in groups(model) for name, units in group.items()):
        alone = replaced(zero[name], stats[name], units)
        found = energies_of_stats(model, zero | {name: alone}) - nothing
        expected = -_inner(_natural(model.layers[name], model.biases[name]), alone)
        agree(found, expected, TOLERANCE, f"Energy of layer '{name}' alone, beside what its entry in `biases` says")


def _check_moved(model: BiasedModel, moved: BiasedModel, stats: dict[str, PyTree], name: str) -> None:
    expected: Any = 0.0
    for layer, unit in model.layers.items():  # of all, for copies share a bias
        before, after = (_natural(unit, m.biases[layer]) for m in (model, moved))
        expected = expected - _inner(jax.tree.map(lambda a, b: b - a, before, after), stats[layer])
    found = energies_of_stats(moved, stats) - energies_of_stats(model, stats)
    agree(found, expected, TOLERANCE, f"Change of the energy when the bias of layer '{name}' is replaced")


def _with_bias(model: Biased, name: str, bias: PyTree) -> Biased:
    try:
        return with_biases(model, {name: bias})
    except InputError as error:
        raise AssertionError(str(error)) from error


def _inner(eta: PyTree, stats: PyTree) -> np.ndarray:
    """`<eta, T>` of each of the rows of statistics, in float64."""
    parts = zip(jax.tree.leaves(eta), jax.tree.leaves(stats), strict=True)
    return sum((x.reshape(len(x), -1) @ np.asarray(e, np.float64).ravel() for e, x in parts), start=np.zeros(1))


@eqx.filter_jit
def _natural(unit: Unit, bias: PyTree) -> PyTree:
    return unit.natural(bias)


@eqx.filter_jit
def _pushed(unit: Unit, bias: PyTree, push: Array) -> PyTree:
    return unit.bias(unit.natural_from_field(bias, push))
