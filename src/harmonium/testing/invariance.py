"""Block Gibbs leaves the distribution as it is: by its exact transition operator, or by moments of real units."""

from __future__ import annotations

import itertools

import jax
import numpy as np
from jaxtyping import Array, Key

from harmonium.compiling import jit_entry
from harmonium.models import EnergyModel
from harmonium.rng import fast_key
from harmonium.samplers import Clamp, Gibbs, State
from harmonium.testing.conditionals import conditionals, numbered
from harmonium.testing.enumeration import Listing, Values, evaluate, list_states
from harmonium.testing.quadrature import Region
from harmonium.testing.statistics import agree, same_expectations
from harmonium.testing.structure import generator, groups

TOLERANCE = 1e-5
CHAINS = 2**12


def check_gibbs_leaves_invariant(model: EnergyModel, key: Key[Array, ""] | None = None) -> None:
    """`p K = p` for the product `K` of the conditional tables of blocks and colours; models of finite units.

    >>> import harmonium as hm, jax
    >>> tiny = hm.RBM(visible=hm.units.Bernoulli(3), hidden=hm.units.Bernoulli(2), key=jax.random.key(0), scale=0.5)
    >>> check_gibbs_leaves_invariant(tiny)
    """
    truth = list_states(model)
    before = truth.probability[0]
    after = transition(model, truth, before)
    agree(after.sum(), 1.0, TOLERANCE, "Mass after one sweep")
    agree(np.log(after), np.log(before), TOLERANCE, "Log-probabilities after one sweep from the distribution")


def check_gibbs_keeps_moments(model: EnergyModel, key: Key[Array, ""] | None = None) -> None:
    """Exact samples, moved one sweep, keep first and second moments; models with Gaussian units in one block.

    >>> import harmonium as hm, jax
    >>> tiny = hm.RBM(visible=hm.units.Gaussian(1), hidden=hm.units.Bernoulli(2), key=jax.random.key(0), scale=0.5)
    >>> check_gibbs_keeps_moments(tiny)
    """
    truth = list_states(model)
    start = exact_samples(model, truth, generator(key), CHAINS)
    end = sweeps(model, jax.random.key(1) if key is None else key, start, 1)
    agree_in_moments(model, end, truth, "One sweep from exact samples")


def transition(model: EnergyModel, truth: Listing, probability: np.ndarray) -> np.ndarray:
    """Where one sweep of block Gibbs takes a distribution `[n]` over the listed states, exactly."""
    states = {name: x[0] for name, x in truth.values.items()}
    laws = evaluate(conditionals, model, states)
    for drawn in groups(model):
        log_conditional = sum(_log_prob_of(laws[name][0], units) for name, units in drawn.items())
        rest = [x[:, ~drawn[name]] if name in drawn else x for name, x in states.items()]
        group = numbered(np.hstack(rest))
        probability = np.bincount(group, probability)[group] * np.exp(log_conditional)
    return probability


def _log_prob_of(log_prob: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Log-probability of a layer `[n]`, or of units of one colour from those of all its units `[n, size]`."""
    log_prob = log_prob.astype(np.float64)
    return log_prob if log_prob.ndim == 1 else log_prob[:, units].sum(axis=1)


def exact_samples(model: EnergyModel, truth: Listing, rng: np.random.Generator, n: int) -> Values:
    """Independent samples of all layers: a discrete state and a region by its probability, then the real units in it.

    Where the density is not Gaussian in their coordinates, a node of the grid and a place in its cell: the density is
    taken for even there, which moves second moments by less than a hundredth.
    """
    states = truth.centre.shape[1]
    mass = np.bincount(truth.index, truth.probability[0], minlength=states)
    chosen = rng.choice(states, n, p=mass)
    first = np.unique(truth.index, return_index=True)[1]
    samples = {name: truth.values[name][0, first[chosen]] for name in model.layers}
    each = states // max(1, len(truth.regions))
    for number, region in enumerate(truth.regions):
        for state in np.unique(chosen[chosen // each == number]):
            rows = np.flatnonzero(chosen == state)
            drawn = _in_region(truth, region, int(state), rng, len(rows))
            for name, values in region.values(drawn).items():
                samples[name][rows] = np.asarray(values, np.float32)
    return samples


def _in_region(truth: Listing, region: Region, state: int, rng: np.random.Generator, n: int) -> np.ndarray:
    """Coordinates `[n, d]` in a discrete state of a region."""
    centre, root = truth.centre[0, state], truth.root[0, state]
    if not region.curved:
        return centre + rng.normal(size=(n, len(centre))) @ root.T
    nodes = np.array(list(itertools.product(region.grid, repeat=len(centre))))
    mass = truth.probability[0, truth.index == state]
    at = nodes[rng.choice(len(nodes), n, p=mass / mass.sum())]
    cell = region.grid[1] - region.grid[0]
    return centre + (at + rng.uniform(-cell / 2, cell / 2, at.shape)) @ root.T


def agree_in_moments(model: EnergyModel, samples: Values, truth: Listing, what: str) -> None:
    """Refuse samples whose first and second moments, over all layers, are not those of the listing."""
    support = {name: x[0] for name, x in truth.values.items()}
    same_expectations(_moments(model, samples), _moments(model, support), truth.probability[0], what)


def sweeps(model: EnergyModel, key: Key[Array, ""], state: Values, steps: int, masks: Values | None = None) -> Values:
    """Every chain of `state` `[n, size]` after `steps` sweeps, with the units under `masks` clamped.

    One compiled function for any number of steps, clamped or not.
    """
    free = {name: np.zeros(unit.size, bool) for name, unit in model.layers.items()}
    keys = jax.random.split(fast_key(key), len(next(iter(state.values()))))  # as in every chain of the library
    return jax.tree.map(np.asarray, _sweeps(model, keys, state, np.int32(steps), free | (masks or {})))


def _moments(model: EnergyModel, values: Values) -> np.ndarray:
    """Values (codes of categorical units by state) and their products, `[n, k + k (k + 1) / 2]`."""
    columns = [x if unit.states is None or unit.states == 2 else x[..., None] == np.arange(unit.states)
               for unit, x in ((model.layers[name], values[name]) for name in sorted(values))]  # fmt: skip
    x = np.hstack([c.reshape(len(c), -1).astype(np.float64) for c in columns])
    i, j = np.triu_indices(x.shape[1])
    return np.hstack([x, x[:, i] * x[:, j]])


@jit_entry
def _sweeps(model: EnergyModel, keys: Array, state: State, steps: Array, masks: dict[str, Array]) -> State:
    def chain(key: Key[Array, ""], start: State) -> State:
        kernel = Gibbs(model, {name: Clamp(mask, start[name]) for name, mask in masks.items()})
        return jax.lax.fori_loop(0, steps, lambda i, s: kernel(jax.random.fold_in(key, i), s)[0], start)

    return jax.vmap(chain)(keys, state)
