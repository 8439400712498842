"""Gibbs sampling of layers whose units act on each other: colour by colour, free and clamped."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from examples import MACHINES, randomised
from harmonium.models import BoltzmannMachine, local_field
from harmonium.rng import fast_key
from harmonium.samplers import Clamp, Gibbs, impute, initial_state, posterior_sample, run_chain, sample
from harmonium.testing.chains import count_states
from harmonium.testing.enumeration import energies, list_states
from harmonium.testing.statistics import matches_law, same_expectations
from harmonium.units import Bernoulli, Spin

KEY = jax.random.key(0)
CHAINS = 2**12


@pytest.mark.parametrize("name", ["machine-dense", "machine-edges"])
def test_a_sweep_is_each_colour_in_turn(name):
    model = MACHINES[name]
    state = initial_state(model, KEY)
    by_hand = dict(state)
    for key, (layer,) in zip(jax.random.split(KEY, len(model.blocks)), model.blocks, strict=True):
        colours = np.array(layer.colours)
        most = np.bincount(colours).max()
        for colour, k in enumerate(jax.random.split(key, colours.max() + 1)):
            units = np.flatnonzero(colours == colour)
            stats = {n: model.layers[n].stats(x) for n, x in by_hand.items()}
            filled = np.resize(units, most)  # as many are drawn of every colour
            drawn = model.layers[layer].sample(k, local_field(model, stats, str(layer), jnp.asarray(filled)))
            by_hand[layer] = by_hand[layer].at[units].set(drawn[: len(units)])
    after, _ = Gibbs(model)(KEY, state)
    for layer in model.layers:
        np.testing.assert_array_equal(after[layer], by_hand[layer])


def test_a_sweep_is_compiled_once_however_many_units_there_are():
    def operations(n):
        model = BoltzmannMachine(Bernoulli(n), key=KEY)
        return str(jax.make_jaxpr(Gibbs(model))(KEY, {"v": jnp.zeros(n)})).count("=")

    assert operations(40) == operations(5)


def test_an_ising_lattice_has_its_energy_and_magnetisation():
    """Means over independent chains against sums over the 512 states."""
    model = BoltzmannMachine.lattice(Spin(9), (3, 3), periodic=False, key=KEY)
    couple = (jnp.full_like(model.weights, 0.3), jnp.full(9, 0.1))
    model = eqx.tree_at(lambda m: (m.weights, m.b), model, couple)
    v = np.asarray(sample(model, KEY, CHAINS, steps=60))
    truth = list_states(model)

    def observed(v, energy):
        return np.stack([energy, v.mean(axis=1), np.abs(v.mean(axis=1))], axis=1)

    states = truth.values["v"][0]
    of_samples = observed(v, energies(model, {"v": v}))
    same_expectations(of_samples, observed(states, truth.energy[0]), truth.probability[0], "Ising observables")


def test_clamped_units_hold_from_the_first_step_whatever_the_state_was():
    """The others follow `p(free | clamped)` although the chain started elsewhere."""
    model = MACHINES["machine-visible"]
    mask, value = jnp.array([True, False, True, False]), jnp.array([1.0, 0.0, 0.0, 1.0])
    kernel = Gibbs(model, {"v": Clamp(mask, value)})
    start = {"v": 1 - value}

    @jax.jit
    def draw(keys):
        return jax.vmap(lambda key: run_chain(kernel, key, start, 15))(keys)

    end = jax.tree.map(np.asarray, draw(jax.random.split(fast_key(KEY), CHAINS)))
    assert (end["v"][:, mask] == value[mask]).all()
    truth = list_states(model)
    law = truth.probability[0] * (truth.values["v"][0][:, mask] == value[mask]).all(axis=1)
    matches_law(count_states(truth.states, end), law / law.sum(), "Free units given clamped ones of their own layer")


def test_a_clamped_unit_never_moves_within_a_sweep():
    """With one free unit, one sweep draws it exactly from its conditional given the clamped values."""
    model = randomised(BoltzmannMachine(Bernoulli(3), key=KEY), 5)
    mask, value = jnp.array([True, True, False]), jnp.array([1.0, 1.0, 0.0])
    kernel = Gibbs(model, {"v": Clamp(mask, value)})
    draw = jax.jit(jax.vmap(lambda key: kernel(key, {"v": jnp.zeros(3)})[0]["v"]))
    v = np.asarray(draw(jax.random.split(fast_key(KEY), CHAINS)))
    assert (v[:, :2] == 1).all()
    p = float(jax.nn.sigmoid(model.b[2] + model.U[2, 0] + model.U[2, 1]))
    assert 0.05 < p < 0.95
    matches_law(np.bincount(v[:, 2].astype(int), minlength=2), np.array([1 - p, p]), "The one free unit")


def test_a_layer_that_is_held_stays():
    model = MACHINES["machine-dense"]
    state = initial_state(model, KEY)
    for seed in range(5):
        after, _ = Gibbs(model, held=("v",))(jax.random.key(seed), state)
        np.testing.assert_array_equal(after["v"], state["v"])


def test_a_posterior_sample_follows_the_conditional_after_some_sweeps():
    model, v = MACHINES["machine-dense"], jnp.array([1.0, 0.0, 1.0])
    draw = jax.jit(jax.vmap(lambda key: posterior_sample(model, key, {"v": v}, sweeps=15)))
    state = jax.tree.map(np.asarray, draw(jax.random.split(fast_key(KEY), CHAINS)))
    assert (state["v"] == v).all()
    truth = list_states(model, {"v": np.asarray(v)[None]})
    matches_law(count_states(truth.states, state), truth.probability[0], "Posterior samples")


def test_missing_values_follow_their_law_given_the_observed():
    model = MACHINES["machine-edges"]
    x = np.tile(np.array([1.0, np.nan, 0.0, np.nan], np.float32), (CHAINS, 1))
    filled = np.asarray(impute(model, KEY, x, steps=20))
    assert (filled[:, [0, 2]] == [1, 0]).all()
    truth = list_states(model)
    v = truth.values["v"][0].astype(int)
    law, counts = np.zeros((2, 2)), np.zeros((2, 2))
    np.add.at(law, (v[:, 1], v[:, 3]), truth.probability[0] * (v[:, 0] == 1) * (v[:, 2] == 0))
    np.add.at(counts, (filled[:, 1].astype(int), filled[:, 3].astype(int)), 1)
    matches_law(counts.ravel(), law.ravel() / law.sum(), "Imputed values")
