"""What holds by definition: shapes, linearity in the statistics, blocks, and a file that gives the model back."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key, PyTree

from harmonium.compiling import jit_entry
from harmonium.inference import natural_parameters
from harmonium.models import Biased, Coloured, EnergyModel, local_field, weights
from harmonium.samplers import Gibbs, initial_state
from harmonium.testing.enumeration import energies_of_stats
from harmonium.testing.statistics import agree

ROWS = 8  # random statistics on which a law is tried
T = 0.3  # where between two statistics linearity is tried


def groups(model: EnergyModel) -> list[dict[str, np.ndarray]]:
    """What a sweep draws at once, in its order: units by layer, as masks `[size]`. A block of layers, or one colour.

    >>> import harmonium as hm, jax
    >>> chain = hm.BoltzmannMachine(hm.units.Bernoulli(3), edges=[(0, 1), (1, 2)], key=jax.random.key(0))
    >>> [group["v"].tolist() for group in groups(chain)]
    [[True, False, True], [False, True, False]]
    """
    found = []
    for block in model.blocks:
        if isinstance(block[0], Coloured):
            colours = np.asarray(block[0].colours)
            found += [{str(block[0]): colours == colour} for colour in range(colours.max() + 1)]
        else:
            found.append({name: np.ones(model.layers[name].size, bool) for name in block})
    return found


def check_shapes(model: EnergyModel, key: Key[Array, ""] | None = None) -> None:
    """A start and a sweep have each layer's shape and type; the energy is one finite float32.

    >>> import harmonium as hm, jax
    >>> tiny = hm.RBM(visible=hm.units.Bernoulli(3), hidden=hm.units.Bernoulli(2), key=jax.random.key(0), scale=0.5)
    >>> check_shapes(tiny)
    """
    first = eqx.filter_eval_shape(initial_state, model, jax.random.key(0))
    later, _ = eqx.filter_eval_shape(Gibbs(model), jax.random.key(0), first)
    for name, unit in model.layers.items():
        for state in (first[name], later[name]):
            if state.shape != (unit.size,) or state.dtype != unit.dtype:
                raise AssertionError(
                    f"Samples of layer '{name}' are {state.dtype}{list(state.shape)}, not {unit.dtype}[{unit.size}]."
                )
    stats = random_stats(model, generator(key))
    energy = eqx.filter_eval_shape(model.energy, jax.tree.map(lambda s: s[0], stats))
    if energy.shape != () or energy.dtype != np.float32:
        raise AssertionError(f"The energy is {energy.dtype}{list(energy.shape)}, not one float32.")
    if not np.isfinite(energies_of_stats(model, stats)).all():
        raise AssertionError("The energy of finite statistics is not finite.")


def check_energy_is_linear(model: EnergyModel, key: Key[Array, ""] | None = None) -> None:
    """`E(t a + (1 - t) b) = t E(a) + (1 - t) E(b)` in each layer's statistics, or those of each colour of its units,
    the others held fixed.

    >>> import harmonium as hm, jax
    >>> tiny = hm.RBM(visible=hm.units.Bernoulli(3), hidden=hm.units.Bernoulli(2), key=jax.random.key(0), scale=0.5)
    >>> check_energy_is_linear(tiny)
    """
    rng = generator(key)
    for name, units in ((name, units) for group in groups(model) for name, units in group.items()):
        a = random_stats(model, rng)
        b = a | {name: replaced(a[name], random_stats(model, rng)[name], units)}
        mixed = jax.tree.map(lambda x, y: (T * x + (1 - T) * y).astype(np.float32), a, b)
        expected = T * energies_of_stats(model, a) + (1 - T) * energies_of_stats(model, b)
        agree(
            energies_of_stats(model, mixed),
            expected,
            1e-4,
            f"Energy between two statistics of layer '{name}'",
        )


def check_blocks(model: EnergyModel, key: Key[Array, ""] | None = None) -> None:
    """Each layer is in one block, and what acts on it does not depend on the others of its block.

    A layer whose units act on each other is alone in its block, each of its units has a colour, and what acts on a unit
    does not depend on those of its colour.

    >>> import harmonium as hm, jax
    >>> tiny = hm.RBM(visible=hm.units.Bernoulli(3), hidden=hm.units.Bernoulli(2), key=jax.random.key(0), scale=0.5)
    >>> check_blocks(tiny)
    """
    listed = sorted(name for block in model.blocks for name in block)
    if listed != sorted(model.layers):
        raise AssertionError(f"The blocks hold {listed}; they must hold each of {sorted(model.layers)} once.")
    rng = generator(key)
    a, b = random_stats(model, rng), random_stats(model, rng)
    for block in model.blocks:
        for name in block if len(block) > 1 else ():
            changed = a | {mate: b[mate] for mate in block if mate != name}
            before, after = _acting_on(model, a, name), _acting_on(model, changed, name)
            for x, y in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
                agree(y, x, 1e-6, f"What acts on layer '{name}' when others of its block {block} change")
    for layer in (name for block in model.blocks for name in block if isinstance(name, Coloured)):
        _check_colours(model, layer, a, b)


def _check_colours(model: EnergyModel, layer: Coloured, a: dict[str, PyTree], b: dict[str, PyTree]) -> None:
    colours, size = np.asarray(layer.colours), model.layers[layer].size
    alone = next(block for block in model.blocks if layer in block) == (layer,)
    if not alone or colours.shape != (size,) or set(colours) != set(range(colours.max() + 1)):
        raise AssertionError(f"Layer '{layer}' of {size} units stands in {model.blocks} with the colours {colours}.")
    for colour in set(colours):
        units = colours == colour
        changed = a | {str(layer): replaced(a[layer], b[layer], units)}
        before, after = (_acting_on_units(model, stats, str(layer)) for stats in (a, changed))
        what = f"What acts on units of colour {colour} of layer '{layer}' when others of that colour change"
        for x, y in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
            agree(y[:, units], x[:, units], 1e-6, what)


def check_acting_on(model: EnergyModel, key: Key[Array, ""] | None = None) -> None:
    """What a model says acts on some of its units is `-dE/dT` of these, at any statistics.

    >>> import harmonium as hm, jax
    >>> tiny = hm.BoltzmannMachine(hm.units.Bernoulli(3), key=jax.random.key(0), scale=0.5)
    >>> check_acting_on(tiny)
    """
    stats = random_stats(model, generator(key))
    for name in model.layers:
        own, slope = _acting_on_units(model, stats, name), _minus_slope(model, stats, name)
        for x, y in zip(jax.tree.leaves(own), jax.tree.leaves(slope), strict=True):
            agree(x, y, 1e-5, f"What acts on the units of layer '{name}'")


def check_save_and_load(model: EnergyModel, key: Key[Array, ""] | None = None) -> None:
    """The loaded model is of the same type and structure, with equal arrays.

    >>> import harmonium as hm, jax
    >>> tiny = hm.RBM(visible=hm.units.Bernoulli(3), hidden=hm.units.Bernoulli(2), key=jax.random.key(0), scale=0.5)
    >>> check_save_and_load(tiny)
    """
    from harmonium.models import load, save  # here, so that the other checks need no files

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save(model, path)
        loaded = load(path, classes=_module_classes(model))
    if jax.tree.structure(loaded) != jax.tree.structure(model):
        raise AssertionError(f"Saved a {jax.tree.structure(model)} and loaded a {jax.tree.structure(loaded)}.")
    for before, after in zip(jax.tree.leaves(model), jax.tree.leaves(loaded), strict=True):
        if np.asarray(before).dtype != np.asarray(after).dtype or not np.array_equal(before, after):
            raise AssertionError(f"Saved {before!r} and loaded {after!r}.")


def check_weights(model: Any, key: Key[Array, ""] | None = None) -> None:
    """Biases are arrays of the model's own, and are no weights: weight decay leaves them alone.

    >>> import harmonium as hm, jax
    >>> check_weights(hm.RBM(visible=hm.units.Bernoulli(3), hidden=hm.units.Bernoulli(2), key=jax.random.key(0)))
    """
    decay = {id(leaf): mark for leaf, mark in zip(jax.tree.leaves(model), jax.tree.leaves(weights(model)), strict=True)}
    for layer, bias in model.biases.items() if isinstance(model, Biased) else ():
        for leaf in jax.tree.leaves(bias):
            if decay.get(id(leaf)) is not False:
                raise AssertionError(f"The bias of '{layer}' would decay: let `biases` return the model's own arrays.")


def generator(key: Key[Array, ""] | None) -> np.random.Generator:
    """NumPy's generator, seeded by a key of JAX (default: key 0)."""
    return np.random.default_rng(0 if key is None else np.asarray(jax.random.key_data(key)))


def random_stats(model: EnergyModel, rng: np.random.Generator) -> dict[str, PyTree]:
    """Normal numbers in the place of every layer's statistics, `[ROWS, ...]`."""

    def draw(leaf: Array) -> np.ndarray:
        return rng.normal(size=(ROWS, *leaf.shape)).astype(np.float32)

    return {name: jax.tree.map(draw, unit.zeros()) for name, unit in model.layers.items()}


def replaced(a: PyTree, b: PyTree, units: np.ndarray) -> PyTree:
    """Statistics `a` `[rows, size, ...]` with those of some units from `b`, or of all of whatever families."""
    if units.all():
        return b
    return jax.tree.map(lambda x, y: np.where(units.reshape(-1, *(1,) * (x.ndim - 2)), y, x), a, b)


@jit_entry
def _acting_on_units(model: EnergyModel, stats: PyTree, name: str) -> PyTree:
    """What acts on the units of a layer, asked for in two parts, the last units first."""
    size = model.layers[name].size
    parts = jnp.arange(size // 2, size), jnp.arange(size // 2)
    last, first = (jax.vmap(lambda row, p=part: local_field(model, row, name, p))(stats) for part in parts)
    return jax.tree.map(lambda a, b: jnp.concatenate([a, b], axis=1), first, last)


@jit_entry
def _minus_slope(model: EnergyModel, stats: PyTree, name: str) -> PyTree:
    return jax.tree.map(lambda g: -g, jax.vmap(jax.grad(model.energy))(stats)[name])


@jit_entry
def _acting_on(model: EnergyModel, stats: PyTree, name: str) -> PyTree:
    return jax.vmap(lambda row: natural_parameters(model, row, (name,)))(stats)


def _module_classes(node: Any) -> dict[str, type]:
    """The classes of a model and of all modules in it, by name: what `load` may build."""
    if isinstance(node, eqx.Module) or (isinstance(node, tuple) and hasattr(node, "_fields")):
        fields = node._fields if isinstance(node, tuple) else [f.name for f in dataclasses.fields(node)]
        children, found = [getattr(node, name) for name in fields], {type(node).__name__: type(node)}
    else:
        children = list(node.values()) if isinstance(node, dict) else node if isinstance(node, list | tuple) else []
        found = {}
    for child in children:
        found |= _module_classes(child)
    return found
