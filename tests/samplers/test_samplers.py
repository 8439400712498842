"""Kernels, chains and what is made of them; laws of the kernels are in the conformance suite."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from examples import OTHERS, RBMS, randomised
from harmonium.errors import InputError
from harmonium.evaluation import log_partition
from harmonium.models import RBM
from harmonium.samplers import (
    Clamp,
    Gibbs,
    Kernel,
    impute,
    initial_state,
    posterior_sample,
    run_chain,
    sample,
    sample_block,
)
from harmonium.testing.chains import count_states
from harmonium.testing.enumeration import list_states
from harmonium.testing.statistics import matches_law
from harmonium.units import Bernoulli, Categorical, Gaussian, Spin

KEY = jax.random.key(0)
BINARY = RBMS["rbm-bernoulli-bernoulli"]


def equal(a, b):
    return all(np.array_equal(a[name], b[name]) for name in a | b)


def test_a_sweep_is_each_block_in_turn():
    state = initial_state(BINARY, KEY)
    keys = jax.random.split(KEY, 2)
    by_hand = state | sample_block(BINARY, keys[0], state, ("v",))
    by_hand = by_hand | sample_block(BINARY, keys[1], by_hand, ("h",))
    assert equal(Gibbs(BINARY)(KEY, state)[0], by_hand)
    assert isinstance(Gibbs(BINARY), Kernel)


def test_a_clamp_on_nothing_changes_nothing():
    state = initial_state(BINARY, KEY)
    clamp = Clamp(jnp.zeros(3, bool), jnp.ones(3))
    assert equal(Gibbs(BINARY, {"v": clamp})(KEY, state)[0], Gibbs(BINARY)(KEY, state)[0])


def test_a_clamp_on_everything_holds_everything():
    state = initial_state(BINARY, KEY)
    value = jnp.array([1.0, 0.0, 1.0])
    for seed in range(5):
        after, _ = Gibbs(BINARY, {"v": Clamp(jnp.ones(3, bool), value)})(jax.random.key(seed), state)
        np.testing.assert_array_equal(after["v"], value)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_chain_is_its_steps(steps):
    kernel, state = Gibbs(BINARY), initial_state(BINARY, KEY)
    by_hand = state
    for key in jax.random.split(KEY, steps):
        by_hand, _ = kernel(key, by_hand)
    assert equal(run_chain(kernel, KEY, state, steps), by_hand)


def test_a_posterior_sample_keeps_what_is_given():
    v = jnp.array([1.0, 1.0, 0.0])
    draw = jax.jit(jax.vmap(lambda key: posterior_sample(BINARY, key, {"v": v})))
    state = jax.tree.map(np.asarray, draw(jax.random.split(KEY, 2**12)))
    assert (state["v"] == v).all()
    truth = list_states(BINARY, {"v": np.asarray(v)[None]})
    matches_law(count_states(truth.states, state), truth.probability[0], "Posterior samples")


def test_a_posterior_sample_of_a_deep_machine_follows_the_conditional_after_some_sweeps():
    v, deep = jnp.array([1.0, 1.0, 0.0]), OTHERS["own-deep"]
    draw = jax.jit(jax.vmap(lambda key: posterior_sample(deep, key, {"v": v}, sweeps=30)))
    state = jax.tree.map(np.asarray, draw(jax.random.split(KEY, 2**12)))
    assert (state["v"] == v).all()
    truth = list_states(deep, {"v": np.asarray(v)[None]})
    matches_law(count_states(truth.states, state), truth.probability[0], "Posterior samples of a deep machine")


def test_chains_start_at_random_with_the_biases():
    rbm = randomised(RBM(Bernoulli(3), Bernoulli(2), key=KEY, scale=0.0), 1)
    v = jax.jit(jax.vmap(lambda key: initial_state(rbm, key)["v"]))(jax.random.split(KEY, 2**12))
    p = np.asarray(jax.nn.sigmoid(rbm.b))
    assert (np.abs(v.mean(axis=0) - p) < 3.6 * np.sqrt(p * (1 - p) / 2**12)).all()  # p = 1e-3 over three units


@pytest.mark.parametrize("name", ["rbm-bernoulli-bernoulli", "rbm-categorical-spin", "own-deep"])
def test_samples_follow_the_law(name):
    model = (RBMS | OTHERS)[name]
    v = np.asarray(sample(model, KEY, 2**12, steps=30))
    truth = list_states(model)
    states, index = np.unique(truth.values["v"][0], axis=0, return_inverse=True)
    law = np.bincount(index.reshape(-1), truth.probability[0])
    counts = (v[:, None] == states[None]).all(axis=2).sum(axis=0)
    assert counts.sum() == len(v)
    matches_law(counts, law, "Samples")


@pytest.mark.parametrize("name", ["rbm-categorical-bernoulli", "rbm-spin-bernoulli", "rbm-gaussian-bernoulli"])
def test_chains_start_where_they_are_told_whatever_the_type_of_the_rows(name):
    model = RBMS[name]
    start = np.ones((3, model.layers["v"].size), np.int64)  # ones are in every unit's range
    assert sample(model, KEY, 3, steps=3, start=start).dtype == model.layers["v"].dtype


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n": 0}, "n=0"),
        ({"steps": 0}, "steps=0"),
        ({"n": 2, "start": np.zeros((3, 3))}, r"2 chains starts from a row, but there are 3"),
        ({"n": 2, "start": np.full((2, 3), 0.5)}, "grey"),
    ],
)
def test_samples_that_cannot_be_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        sample(BINARY, KEY, **options)


def test_missing_values_follow_their_law_given_the_observed():
    x = np.tile(np.array([1.0, np.nan, np.nan], np.float32), (2**12, 1))
    filled = np.asarray(impute(BINARY, KEY, x, steps=20))
    assert (filled[:, 0] == 1).all()
    truth = list_states(BINARY)
    law = np.zeros((2, 2))
    for v, p in zip(truth.values["v"][0].astype(int), truth.probability[0], strict=True):
        law[v[1], v[2]] += p * v[0]
    counts = np.zeros((2, 2))
    np.add.at(counts, tuple(filled[:, 1:].astype(int).T), 1)
    matches_law(counts.ravel(), law.ravel() / law.sum(), "Imputed values")


def test_nothing_missing_is_nothing_changed():
    x = np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]], np.float32)
    np.testing.assert_array_equal(impute(BINARY, KEY, x, steps=1), x)
    np.testing.assert_array_equal(impute(BINARY, KEY, x[0], steps=1), x[0])


@pytest.mark.parametrize(
    ("x", "options", "words"),
    [
        (np.array([2.0, np.nan, 0.0]), {}, "2 in row 0, column 0"),
        (np.array([np.nan, 0.0]), {}, "3 columns"),
        (np.array([np.nan, 0.0, 1.0]), {"steps": 0}, "steps=0"),
    ],
)
def test_rows_that_cannot_be_filled_are_refused(x, options, words):
    with pytest.raises(InputError, match=words):
        impute(BINARY, KEY, x, **options)


def test_a_model_without_a_density_has_no_exact_number_and_no_samples():
    rbm = RBM(Gaussian(3), Gaussian(2), key=jax.random.key(0), scale=9.0)
    found = log_partition(rbm, method="exact")
    assert found.kind == "unordered"
    assert "cannot be normalised; the precision" in found.verdict
    with pytest.raises(InputError, match=r"ran away.*not positive definite"):
        sample(rbm, jax.random.key(1), 3, steps=300)


@pytest.mark.parametrize("unit", [Bernoulli(2), Spin(2), Categorical(2, states=3)])
def test_missing_values_are_named_as_such(unit):
    with pytest.raises(InputError, match=r"nan in row 0, column 1, which means missing"):
        unit.check(np.array([[1.0, np.nan]]))
