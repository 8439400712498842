"""Samples of the Gibbs kernel itself, free and clamped, against the exact law."""

from __future__ import annotations

import jax
import numpy as np
from jaxtyping import Array, Key

from harmonium.models import EnergyModel
from harmonium.testing.enumeration import Listing, Values, list_states
from harmonium.testing.invariance import CHAINS, agree_in_moments, sweeps, transition
from harmonium.testing.statistics import matches_law
from harmonium.testing.structure import generator

SWEEPS = 30  # enough to forget the start, for weights of the order of one


def check_gibbs_step(model: EnergyModel, key: Key[Array, ""] | None = None) -> None:
    """One sampled sweep from each of two states follows that row of the exact transition matrix; finite units.

    >>> import harmonium as hm, jax
    >>> tiny = hm.RBM(visible=hm.units.Bernoulli(3), hidden=hm.units.Bernoulli(2), key=jax.random.key(0), scale=0.5)
    >>> check_gibbs_step(tiny)
    """
    truth = list_states(model)
    keys = jax.random.split(jax.random.key(2) if key is None else key, 2)
    for key, row in zip(keys, (0, int(truth.log_mass.argmax())), strict=True):
        law = transition(model, truth, np.eye(1, len(truth.index), row)[0])
        counts = count_states(truth.states, sweeps(model, key, _repeated(truth, row), 1))
        matches_law(counts, law, f"One sweep from state {row}", share=0.5)


def check_gibbs_converges(model: EnergyModel, key: Key[Array, ""] | None = None) -> None:
    """Chains that all start in one state follow `p` in the end: all states, or moments beside Gaussian units.

    >>> import harmonium as hm, jax
    >>> tiny = hm.RBM(visible=hm.units.Bernoulli(3), hidden=hm.units.Bernoulli(2), key=jax.random.key(0), scale=0.5)
    >>> check_gibbs_converges(tiny)
    """
    truth = list_states(model)
    start = _repeated(truth, 0)
    end = sweeps(model, jax.random.key(3) if key is None else key, start, SWEEPS)
    if truth.centre.size:
        agree_in_moments(model, end, truth, f"{SWEEPS} sweeps from one state")
    else:
        matches_law(count_states(truth.states, end), truth.probability[0], f"{SWEEPS} sweeps from one state")


def check_clamped_gibbs(model: EnergyModel, key: Key[Array, ""] | None = None) -> None:
    """Clamped units keep their values, and the others follow `p(others | clamped)`; finite units.

    >>> import harmonium as hm, jax
    >>> tiny = hm.RBM(visible=hm.units.Bernoulli(3), hidden=hm.units.Bernoulli(2), key=jax.random.key(0), scale=0.5)
    >>> check_clamped_gibbs(tiny)
    """
    truth = list_states(model)
    row = int(generator(key).integers(len(truth.index)))
    masks = {name: np.arange(unit.size) % 2 == 0 for name, unit in model.layers.items()}
    masks = {name: mask for name, mask in masks.items() if name == next(iter(model.layers)) or mask.size > 1}
    kept = {name: truth.values[name][0, row] for name in masks}
    end = sweeps(model, jax.random.key(4) if key is None else key, _repeated(truth, row), SWEEPS, masks)
    for name, mask in masks.items():
        if (end[name][:, mask] != kept[name][mask]).any():
            raise AssertionError(f"Clamped units of layer '{name}' changed.")
    same = [(truth.values[name][0][:, mask] == kept[name][mask]).all(axis=1) for name, mask in masks.items()]
    law = truth.probability[0] * np.all(same, axis=0)
    matches_law(count_states(truth.states, end), law / law.sum(), "Free units given the clamped ones")


def count_states(states: Values, samples: Values) -> np.ndarray:
    """How often each of some states `[m, size]` by layer occurs among samples `[n, size]`."""
    names = sorted(samples)
    listed = np.hstack([states[name] for name in names])
    drawn = np.hstack([samples[name] for name in names])
    _, code = np.unique(np.vstack([listed, drawn]), axis=0, return_inverse=True)
    code = code.reshape(-1)
    number = np.full(code.max() + 1, -1)
    number[code[: len(listed)]] = np.arange(len(listed))
    found = number[code[len(listed) :]]
    if (found < 0).any():
        raise AssertionError(f"The sampler gave a state that the units do not have: {drawn[found < 0][0]}.")
    return np.bincount(found, minlength=len(listed))


def _repeated(truth: Listing, row: int) -> Values:
    return {name: np.repeat(x[0, row : row + 1], CHAINS, axis=0) for name, x in truth.values.items()}
