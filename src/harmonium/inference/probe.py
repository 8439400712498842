"""A probe of an energy before a number rests on it: all that is derived here is wrong where the energy is not linear.

The conditional of a layer is `-dE/dT` only where the energy is linear in the layer's statistics, and layers of one
block, or units of one colour, are drawn and summed out together only where they do not act on each other. Then what
acts on them, `-dE/dT`, is the same whatever their own values are. That is tried here at a few points drawn at random:
some gradients of the energy, compiled once for each structure. The conformance suite tries much more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Bool, Key, PyTree

from harmonium.compiling import in_float32
from harmonium.errors import InputError
from harmonium.inference.shapes import own, require_shapes
from harmonium.models.energy import Coloured, EnergyModel, LayerStats
from harmonium.models.kinds import ENERGY, is_kind
from harmonium.units import Columns, Stats, Unit

POINTS = 4  # random statistics at which the energy is tried
COLOURS = 64  # of a layer, at most, that are tried: the largest
TOLERANCE = 1e-4  # of what acts on a unit, in nats: rounding is a hundred times smaller
SUITE = "harmonium.testing.checks_for(model) says more"


class Trial(NamedTuple):
    """What is changed at once: the `units` `[size]` of a `layer` that stands in a `block`; where units act on each
    other, those of one `colour`."""

    block: tuple[str, ...]
    layer: str
    units: Bool[np.ndarray, "size"]
    colour: int | None = None


def require_linear(model: Any) -> None:
    """Refuse an energy that is not linear in each layer, or blocks and colours that hold what depends on each other.

    Of another kind of model of a person's own the shapes of its answers are tried (`require_shapes`). Models made of
    this library's own classes pass, which its conformance suite holds to this law. The points are always the same, at
    the scale of the model's own real units; what is not a finite number is left to others. Raises `InputError`, which
    names the layer.

    >>> import harmonium as hm, jax
    >>> require_linear(hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0)))
    """
    if own(model):
        return
    if is_kind(model, ENERGY):
        try_linear(model)
    else:
        require_shapes(model)


def try_linear(model: EnergyModel) -> None:
    """What `require_linear` does with an energy of a person's own.

    >>> import harmonium as hm, jax
    >>> try_linear(hm.RBM(visible=hm.units.Gaussian(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0)))
    """
    _require_number(model)
    trials = list(_trials(model))
    here, there = _points(model, len(trials) + 1)
    changed = [{**here, t.layer: _replaced(here[t.layer], there[t.layer], t.units)} for t in trials]
    slopes = _slopes(model, jax.tree.map(lambda *rows: np.concatenate(rows), here, *changed))
    for i, trial in enumerate(trials, 1):
        for of in sorted(trial.block, key=lambda name: name != trial.layer):
            before, after = (jax.tree.map(lambda x, k=k: x[k * POINTS : (k + 1) * POINTS], slopes[of]) for k in (0, i))
            if of == trial.layer:
                after = _replaced(before, after, trial.units)
            if _change(before, after, here[of], there[of]) > TOLERANCE:
                raise InputError(_sentence(type(model).__name__, trial, of))


def _require_number(model: EnergyModel) -> None:
    """Refuse an energy that is no number at statistics of its layers' shapes."""
    zeros = {name: unit.zeros() for name, unit in model.layers.items()}
    name, shapes = type(model).__name__, ", ".join(f"{k} {jax.tree.map(np.shape, zeros[k])}" for k in zeros)
    try:
        found = jax.eval_shape(model.energy, zeros)
    except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
        said = (str(error).splitlines() or [""])[0]
        raise InputError(
            f"The energy of this {name} cannot be computed ({type(error).__name__}: {said}): its layers' statistics "
            f"have the shapes {shapes}, so write one for these."
        ) from error
    if jax.tree.map(np.shape, found) != ():
        raise InputError(
            f"The energy of this {name} has the shape {jax.tree.map(np.shape, found)}, and an energy is one number: "
            "sum over the units."
        )


def _sentence(model: str, trial: Trial, of: str) -> str:
    layer = trial.layer
    if trial.colour is not None:
        return (
            f"Units of colour {trial.colour} of layer '{layer}' of this {model} act on each other or on themselves, so "
            "that its samples and log Z would be wrong: give those that do different colours, and write an energy that "
            f"is linear in each unit ({SUITE})."
        )
    if of == layer:
        return (
            f"The energy of this {model} is not linear in the statistics of layer '{layer}', so that its conditionals, "
            f"samples and log Z would be wrong: write one in which each term holds those of '{layer}' at most once, "
            f"such as stats['v'] @ W @ stats['h'] ({SUITE})."
        )
    return (
        f"Layers '{layer}' and '{of}' of this {model} stand in one block and act on each other, so that its samples "
        f"and log Z would be wrong: put them in different blocks ({SUITE})."
    )


# ---- what is tried ---------------------------------------------------------------------------------------------------


def _trials(model: EnergyModel) -> Iterator[Trial]:
    for block in model.blocks:
        for layer in block:
            if not isinstance(layer, Coloured):
                yield Trial(block, layer, np.ones(model.layers[layer].size, bool))
                continue
            colours = np.asarray(layer.colours)
            for colour in np.argsort(-np.bincount(colours), kind="stable")[:COLOURS].tolist():
                yield Trial(block, str(layer), colours == colour, colour)


@eqx.filter_jit
@in_float32
def _slopes(model: EnergyModel, stats: LayerStats) -> dict[str, Stats]:
    """`dE/dT` of every layer at statistics `[n, ...]`."""
    return jax.vmap(jax.grad(model.energy))(stats)


def _points(model: EnergyModel, sets: int) -> list[dict[str, PyTree]]:
    """Two sets of statistics `[POINTS, ...]` of every layer: normal numbers, and of real units the statistics of values
    that they take where all else is zero, for these say at what scale the model lives. Slopes are asked for at as many
    `sets` as later, so that they are compiled once."""
    random, zeros = np.random.default_rng(0), {name: unit.zeros() for name, unit in model.layers.items()}

    def noise(leaf: Array) -> np.ndarray:
        return random.normal(size=(POINTS, *leaf.shape)).astype(np.float32)

    found = [jax.tree.map(noise, zeros) for _ in range(2)]
    real = {name: unit for name, unit in model.layers.items() if unit.states is None}
    if real:
        none = jax.tree.map(lambda leaf: np.zeros((sets * POINTS, *leaf.shape), np.float32), zeros)
        eta = jax.tree.map(lambda slope: -slope[0], _slopes(model, none))
    for name, unit in real.items():
        for seed, points in enumerate(found):
            own = _stats_of_values(unit, eta[name], jax.random.key(seed))
            points[name] = _real_ones(unit, own, points[name])
    return found


@eqx.filter_jit
def _stats_of_values(unit: Unit, eta: Stats, key: Key[Array, ""]) -> Stats:
    return jax.vmap(lambda k: unit.stats(unit.sample(k, eta)))(jax.random.split(key, POINTS))


def _real_ones(unit: Unit, own: PyTree, noise: PyTree) -> PyTree:
    """Statistics of values where units are real and these are finite numbers, else noise."""
    if isinstance(unit, Columns):
        return tuple(_real_ones(kind.unit, x, n) for kind, x, n in zip(unit.kinds, own, noise, strict=True))
    if unit.states is not None:
        return noise
    return jax.tree.map(lambda x, n: np.where(np.isfinite(x), x, n), own, noise)


def _replaced(a: PyTree, b: PyTree, units: Bool[np.ndarray, "size"]) -> PyTree:
    """Statistics `a` `[rows, size, ...]` with those of some units from `b`."""
    if units.all():
        return b
    return jax.tree.map(lambda x, y: np.where(units.reshape(-1, *(1,) * (x.ndim - 2)), y, x), a, b)


def _change(before: PyTree, after: PyTree, here: PyTree, there: PyTree) -> float:
    """The largest change of what acts on a unit: in nats between two of its values, over one nat and all that act."""

    def leaf(a: Any, b: Any, x: Any, y: Any) -> float:
        a, b, step = np.asarray(a, np.float64), np.asarray(b, np.float64), np.abs(x - y).max(axis=0)
        changes = np.abs(a - b) * step / (1 + np.maximum(np.abs(a), np.abs(b)) * step)
        return float(np.nanmax(changes, initial=0.0))

    return max(jax.tree.leaves(jax.tree.map(leaf, before, after, here, there)))
