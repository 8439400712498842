"""What inference derives from an energy, against sums over every state."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key, PyTree

from harmonium.compiling import jit_entry
from harmonium.inference import (
    exact_free_energy,
    exact_log_partition,
    free_energy,
    has_closed_form,
    layer_stats,
    log_pseudo_likelihood,
    mean_field,
    variational_free_energy,
)
from harmonium.models import Coloured, EnergyModel, coloured, local_field, trainable
from harmonium.testing.conditionals import (
    TOLERANCE,
    check_real_units_given_others,
    check_units_given_others,
    conditionals,
)
from harmonium.testing.enumeration import (
    Listing,
    energies,
    evaluate,
    list_states,
    log_sum,
    some_states,
    stats_of,
)
from harmonium.testing.statistics import agree
from harmonium.testing.structure import generator

SETTLED = 1e-4  # of a fixed point, whose last sweep changed by less than a tenth of this
INTEGRAL_TOLERANCE = 1e-4  # relative, of log partition functions of machines with Gaussian units


def check_conditionals(model: EnergyModel, key: Key[Array, ""] | None = None) -> None:
    """`p(x_l | rest)` of every layer: log-probability and mean statistics, against all states of the layer.

    Where the units of a layer act on each other: `p(x_i | all others)` of each unit.

    >>> import harmonium as hm, jax
    >>> tiny = hm.RBM(visible=hm.units.Bernoulli(3), hidden=hm.units.Bernoulli(2), key=jax.random.key(0), scale=0.5)
    >>> check_conditionals(tiny)
    """
    states = some_states(model, generator(key))
    energy = energies(model, states)
    derived = evaluate(conditionals, model, states)
    for name in model.layers:
        if coloured(model, name) is not None:
            real = model.layers[name].states is None
            check_real_units_given_others(model, name, states) if real else check_units_given_others(model, name)
            continue
        truth = list_states(model, _without(states, (name,)))
        log_prob, mean = derived[name]
        what = f"Log-probability of layer '{name}' given the rest"
        agree(log_prob, -energy - truth.log_partition, TOLERANCE, what)
        _agree_means(model, mean, truth, name, "given the rest")


def check_free_energy(model: EnergyModel, key: Key[Array, ""] | None = None) -> None:
    """`F(given) = -log sum exp(-E)` for each block that can be summed out.

    >>> import harmonium as hm, jax
    >>> tiny = hm.RBM(visible=hm.units.Bernoulli(3), hidden=hm.units.Bernoulli(2), key=jax.random.key(0), scale=0.5)
    >>> check_free_energy(tiny)
    """
    states = some_states(model, generator(key))
    for block in blocks_of_independent_units(model):
        given = _without(states, block)
        expected = -list_states(model, given).log_partition
        derived = evaluate(_free_energies, model, given) if given else _free_energy_of_nothing(model)
        agree(derived, expected, TOLERANCE, f"Free energy with {', '.join(block)} summed out")


def check_log_partition(model: EnergyModel, key: Key[Array, ""] | None = None) -> None:
    """`log Z` against the sum over every state of every layer.

    >>> import harmonium as hm, jax
    >>> tiny = hm.RBM(visible=hm.units.Bernoulli(3), hidden=hm.units.Bernoulli(2), key=jax.random.key(0), scale=0.5)
    >>> check_log_partition(tiny)
    """
    truth, (log_partition, _) = list_states(model), log_partition_and_slope(model)
    tolerance = INTEGRAL_TOLERANCE if truth.centre.size else TOLERANCE
    agree(log_partition, truth.log_partition[0], tolerance, "Exact log partition function")


def check_sums_to_one(model: EnergyModel, key: Key[Array, ""] | None = None) -> None:
    """`sum_v exp(-F(v) - log Z) = 1` over every state of a finite visible layer.

    >>> import harmonium as hm, jax
    >>> tiny = hm.RBM(visible=hm.units.Bernoulli(3), hidden=hm.units.Bernoulli(2), key=jax.random.key(0), scale=0.5)
    >>> check_sums_to_one(tiny)
    """
    v, _ = _visible_law(model)
    log_partition = np.asarray(log_partition_and_slope(model)[0], np.float64)
    log_prob = -evaluate(_free_energies, model, {"v": v}) - log_partition
    agree(np.exp(log_prob).sum(), 1.0, TOLERANCE, f"Sum of p(v) over {len(v)} states")


def check_mean_field(model: EnergyModel, key: Key[Array, ""] | None = None) -> None:
    """With all but one block given, mean field is the exact posterior; of a layer whose units act on each other it is a
    fixed point, `q = grad A(-dE/dT(q))`.

    >>> import harmonium as hm, jax
    >>> tiny = hm.RBM(visible=hm.units.Bernoulli(3), hidden=hm.units.Bernoulli(2), key=jax.random.key(0), scale=0.5)
    >>> check_mean_field(tiny)
    """
    states = some_states(model, generator(key))
    for block, (means, again) in zip(model.blocks, evaluate(_mean_fields, model, states), strict=True):
        for x, y in zip(jax.tree.leaves(again), jax.tree.leaves(means), strict=True):
            agree(y, x, SETTLED, f"Mean field of {', '.join(block)} against its own update")
        if isinstance(block[0], Coloured):
            continue
        truth = list_states(model, _without(states, block))
        for name in block:
            _agree_means(model, means[name], truth, name, "in mean field")


def check_variational_bound(model: EnergyModel, key: Key[Array, ""] | None = None) -> None:
    """`E(q) - H(q) >= F(v)`, equal where hidden layers are independent, and `F(v)` by enumeration; given layer `v`.

    >>> import harmonium as hm, jax
    >>> binary = hm.units.Bernoulli(2)
    >>> tiny = hm.DBM(binary, [binary, binary], key=jax.random.key(0), scale=0.5)
    >>> check_variational_bound(tiny)
    """
    given = {"v": some_states(model, generator(key))["v"]}
    truth = -list_states(model, given).log_partition
    bound, exact = evaluate(_free_energy_and_bound, model, given)
    agree(exact, truth, TOLERANCE, "Free energy by enumeration of the hidden layers")
    if has_closed_form(model):
        agree(bound, truth, TOLERANCE, "Variational free energy of independent hidden layers")
    elif (bound < truth - TOLERANCE * np.abs(truth).max()).any():
        worst = int(np.argmin(bound - truth))
        raise AssertionError(f"The variational free energy {bound[worst]:.6g} lies below the exact {truth[worst]:.6g}.")


def check_pseudo_likelihood(model: EnergyModel, key: Key[Array, ""] | None = None) -> None:
    """`sum_i log p(v_i | v_-i)` over all sites, from the table of `p(v)`.

    >>> import harmonium as hm, jax
    >>> tiny = hm.RBM(visible=hm.units.Bernoulli(3), hidden=hm.units.Bernoulli(2), key=jax.random.key(0), scale=0.5)
    >>> check_pseudo_likelihood(tiny)
    """
    v, probability = _visible_law(model)
    log_prob = np.log(probability)
    expected = np.zeros(len(v))
    for site in range(v.shape[1]):
        group = np.unique(np.delete(v, site, axis=1), axis=0, return_inverse=True)[1].reshape(-1)
        together = np.where(group[:, None] == group, log_prob, -np.inf)
        expected += log_prob - log_sum(together)
    agree(evaluate(_pseudo_likelihoods, model, v), expected, TOLERANCE, "Log pseudo-likelihood")


def blocks_of_independent_units(model: EnergyModel) -> list[tuple[str, ...]]:
    """The blocks that can be summed out in closed form given the others."""
    return [block for block in model.blocks if not isinstance(block[0], Coloured)]


def _without(states: dict, layers: tuple[str, ...]) -> dict:
    return {name: x for name, x in states.items() if name not in layers}


def _agree_means(model: EnergyModel, mean: PyTree, truth: Listing, name: str, where: str) -> None:
    m, n = truth.log_mass.shape
    stats = stats_of(model, {name: truth.values[name].reshape(m * n, -1)})[name]
    for actual, s in zip(jax.tree.leaves(mean), jax.tree.leaves(stats), strict=True):
        expected = np.einsum("mn,mn...->m...", truth.probability, s.reshape(m, n, *s.shape[1:]))
        agree(actual, expected, TOLERANCE, f"Mean statistics of layer '{name}' {where}")


def _visible_law(model: EnergyModel) -> tuple[np.ndarray, np.ndarray]:
    """Every visible state `[k, size]` and its probability `[k]`."""
    truth = list_states(model)
    v, index = np.unique(truth.values["v"][0], axis=0, return_inverse=True)
    return v, np.bincount(index.reshape(-1), truth.probability[0])


@jit_entry
def log_partition_and_slope(model: EnergyModel) -> tuple[Array, EnergyModel]:
    """`log Z` and its gradient, which several checks share."""
    learned, rest = eqx.partition(model, trainable(model))
    return jax.value_and_grad(lambda part: exact_log_partition(eqx.combine(part, rest)))(learned)


@jit_entry
def _free_energies(model: EnergyModel, given: dict[str, Array]) -> Array:
    return jax.vmap(lambda values: free_energy(model, values))(given)


@jit_entry
def _free_energy_and_bound(model: EnergyModel, given: dict[str, Array]) -> tuple[Array, Array]:
    return jax.vmap(lambda values: (variational_free_energy(model, values), exact_free_energy(model, values)))(given)


@jit_entry
def _free_energy_of_nothing(model: EnergyModel) -> Array:
    return free_energy(model, {})[None]


@jit_entry
def _mean_fields(model: EnergyModel, states: dict[str, Array]) -> list[tuple[dict[str, PyTree], dict[str, PyTree]]]:
    """Mean field of each block given the others, and what its means are updated to."""

    def one(state: dict[str, Array], block: tuple[str, ...]) -> tuple[dict[str, PyTree], dict[str, PyTree]]:
        given = _without(state, block)
        means = mean_field(model, given)
        stats = layer_stats(model, given) | means
        acting = {name: _acting_on(model, stats, name) for name in means}
        return means, {name: model.layers[name].mean(eta) for name, eta in acting.items()}

    return [jax.vmap(lambda s, b=block: one(s, b))(states) for block in model.blocks]


def _acting_on(model: EnergyModel, stats: dict[str, PyTree], name: str) -> PyTree:
    """What acts on all units of a layer: that of each given all others where units act on each other."""
    if coloured(model, name) is not None:
        return local_field(model, stats, name, jnp.arange(model.layers[name].size))
    return jax.tree.map(jnp.negative, jax.grad(lambda own: model.energy({**stats, name: own}))(stats[name]))


@jit_entry
def _pseudo_likelihoods(model: EnergyModel, v: Array) -> Array:
    return jax.vmap(lambda x: log_pseudo_likelihood(model, jax.random.key(0), x))(v)
