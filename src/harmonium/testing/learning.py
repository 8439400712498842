"""The learning rule against the gradient of the exact log-likelihood."""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key, PyTree

from harmonium.compiling import jit_entry
from harmonium.inference import free_energy
from harmonium.models import EnergyModel, Normalised, trainable
from harmonium.objectives import contrast
from harmonium.testing.derived import log_partition_and_slope
from harmonium.testing.enumeration import list_states, some_states, stats_of
from harmonium.testing.statistics import agree
from harmonium.testing.structure import generator

TOLERANCE = 1e-4
EXAMPLES = 4
REACHED = 1e-6  # a gradient smaller than this everywhere is rounding
NEAR = 0.1  # standard deviation by which parameters are moved where a gradient vanishes


def check_gradients_reach_every_parameter(model: EnergyModel, key: Key[Array, ""] | None = None) -> None:
    """The gradient of `mean E(x) + log Z` is finite, and not zero in any trainable array.

    Where it is zero at the model's own parameters, as by symmetry at biases of zero, it must not be at others near
    them. The number of a `Normalised` model cancels there, so the model inside is held to this.

    >>> import harmonium as hm, jax
    >>> tiny = hm.RBM(visible=hm.units.Bernoulli(3), hidden=hm.units.Bernoulli(2), key=jax.random.key(0), scale=0.5)
    >>> check_gradients_reach_every_parameter(tiny)
    """
    model = model.model if isinstance(model, Normalised) else model
    rng = generator(key)
    states = some_states(model, rng, EXAMPLES)

    def slopes(model: EnergyModel) -> PyTree:
        return _sum(_energy_slope(model, stats_of(model, states)), log_partition_and_slope(model)[1])

    here = slopes(model)
    if idle := _idle(here):
        still = [path for path in _idle(slopes(_near(model, rng))) if path in idle]
        if still:
            raise AssertionError(f"No gradient reaches{still[0]}, at these parameter values and at others near them.")


def refuse_idle(slopes: PyTree, exempt: str | None = None) -> None:
    """Refuse gradients that are not finite, or zero everywhere in an array whose name does not end in `exempt`."""
    for path in _idle(slopes):
        if not (exempt and path.endswith(exempt)):
            raise AssertionError(f"No gradient reaches{path}, at these parameter values.")


def _idle(slopes: PyTree) -> list[str]:
    """The arrays whose gradient is zero everywhere. Refuses gradients that are not finite."""
    found = []
    for path, leaf in _leaves(slopes):
        if not np.isfinite(leaf).all():
            raise AssertionError(f"The gradient of{path} is not finite.")
        if leaf.size and np.abs(leaf).max() < REACHED:
            found.append(path)
    return found


def _near(model: EnergyModel, rng: np.random.Generator) -> EnergyModel:
    """The model with each of its parameters moved a little."""
    learned, rest = eqx.partition(model, trainable(model))
    moved = jax.tree.map(lambda x: x + (NEAR * rng.normal(size=x.shape)).astype(x.dtype), learned)
    return eqx.combine(moved, rest)


def check_learning_rule(model: EnergyModel, key: Key[Array, ""] | None = None) -> None:
    """`contrast` with exact phases has the gradient of `mean F(data) + log Z`, which is minus the log-likelihood.

    >>> import harmonium as hm, jax
    >>> tiny = hm.RBM(visible=hm.units.Bernoulli(3), hidden=hm.units.Bernoulli(2), key=jax.random.key(0), scale=0.5)
    >>> check_learning_rule(tiny)
    """
    data, truth = some_states(model, generator(key), EXAMPLES)["v"], list_states(model)
    weight = truth.probability[0].astype(np.float32)
    learned, free = _contrast_and_free_slopes(model, data, truth.values["v"][0], weight)
    exact = _sum(free, log_partition_and_slope(model)[1])
    for (path, slope), (_, expected) in zip(_leaves(learned), _leaves(exact), strict=True):
        agree(slope, expected, TOLERANCE, f"Contrastive gradient of{path} with exact phases")


def _leaves(tree: PyTree) -> list[tuple[str, np.ndarray]]:
    leaves = jax.tree.leaves_with_path(tree)
    return [(f" {jax.tree_util.keystr(path)}", np.asarray(leaf)) for path, leaf in leaves]


def _sum(a: PyTree, b: PyTree) -> PyTree:
    return jax.tree.map(lambda x, y: np.asarray(x) + np.asarray(y), a, b)


@jit_entry
def _energy_slope(model: EnergyModel, stats: PyTree) -> PyTree:
    return _gradient(lambda m: jnp.mean(jax.vmap(m.energy)(stats)), model)


@jit_entry
def _contrast_and_free_slopes(model: EnergyModel, data: Array, negative: Array, weight: Array) -> tuple[PyTree, PyTree]:
    def contrastive(model: EnergyModel) -> Array:
        return weight @ jax.vmap(lambda v: contrast(model, data, v[None])[0])(negative)

    def free(model: EnergyModel) -> Array:
        return jnp.mean(jax.vmap(lambda v: free_energy(model, {"v": v}))(data))

    return _gradient(contrastive, model), _gradient(free, model)


def _gradient(loss: Callable[[EnergyModel], Array], model: EnergyModel) -> PyTree:
    learned, rest = eqx.partition(model, trainable(model))
    return jax.grad(lambda part: loss(eqx.combine(part, rest)))(learned)
