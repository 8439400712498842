"""The rules: what they remember, where their gradients vanish, and what a step costs."""

from __future__ import annotations

import itertools
import math
import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from examples import CENTRED, RBMS
from harmonium.errors import InputError
from harmonium.inference import free_energy
from harmonium.models import RBM
from harmonium.objectives import CD, PCD, PseudoLikelihood, contrast
from harmonium.rng import fast_key
from harmonium.samplers import Gibbs, run_chain
from harmonium.testing.enumeration import list_states
from harmonium.testing.invariance import exact_samples
from harmonium.testing.statistics import FAILURE_RATE
from harmonium.units import Bernoulli

KEY = jax.random.key(0)
BINARY = RBMS["rbm-bernoulli-bernoulli"]
BATCH = jnp.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])


@eqx.filter_jit
def call(rule, model, batch, key, memory):
    return rule(model, batch, key, memory)


@eqx.filter_jit
def start(rule, model):
    return rule.init(model, KEY)


def equal(a, b):
    return all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def test_the_contrast_is_a_difference_of_free_energies():
    chains = BATCH[:1]
    loss, metrics = eqx.filter_jit(contrast)(BINARY, BATCH, chains)
    f = [float(free_energy(BINARY, {"v": v})) for v in BATCH]
    assert loss == pytest.approx(sum(f) / 2 - f[0], rel=1e-5)
    assert metrics["free_energy_data"] == pytest.approx(sum(f) / 2, rel=1e-5)
    assert metrics["free_energy_chains"] == pytest.approx(f[0], rel=1e-5)


def test_contrastive_divergence_remembers_no_chains():
    memory = start(CD(), BINARY)
    assert memory.chains is None
    assert memory.means is None
    _, (after, _) = call(CD(steps=2), BINARY, BATCH, KEY, memory)
    assert equal(after, memory)


def test_persistent_chains_go_on_from_where_they_were():
    rule = PCD(steps=3, chains=5)
    memory = start(rule, BINARY)
    assert memory.chains["v"].shape == (5, 3)
    assert memory.chains["h"].shape == (5, 2)
    walk = jax.jit(jax.vmap(lambda k, s: run_chain(Gibbs(BINARY), k, s, 3)))
    for step in range(3):
        key = jax.random.fold_in(KEY, step)
        loss, (after, _) = call(rule, BINARY, BATCH, key, memory)
        by_hand = walk(jax.random.split(key, 5), memory.chains)
        assert equal(after.chains, by_hand)
        assert loss == pytest.approx(float(contrast(BINARY, BATCH, by_hand["v"])[0]), abs=1e-5)
        memory = after


def test_persistent_chains_forget_the_data_and_others_do_not():
    stiff = eqx.tree_at(lambda m: (m.W, m.b), BINARY, (jnp.zeros((3, 2)), jnp.full(3, 20.0)))
    zeros = jnp.zeros((4, 3))  # the model holds nothing but ones
    rule = PCD(chains=4)
    _, (memory, _) = call(rule, stiff, zeros, KEY, start(rule, stiff))
    assert (memory.chains["v"] == 1).all()


def test_gradients_do_not_flow_through_the_chains():
    rule = PCD(chains=4)
    memory = start(rule, BINARY)
    slope = eqx.filter_jit(eqx.filter_grad(lambda m: rule(m, BATCH, KEY, memory)[0]))(BINARY)
    _, (after, _) = call(rule, BINARY, BATCH, KEY, memory)
    expected = eqx.filter_jit(eqx.filter_grad(lambda m: contrast(m, BATCH, after.chains["v"])[0]))(BINARY)
    for a, b in zip(jax.tree.leaves(slope), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("rule", [CD(steps=1), CD(steps=3)], ids=["CD-1", "CD-3"])
def test_the_rule_rests_where_the_data_is_the_model(rule):
    """The expected gradient is zero when the data are the model's own samples: the chain starts in equilibrium."""
    n, size = 200, 64
    v = exact_samples(BINARY, list_states(BINARY), np.random.default_rng(0), n * size)["v"].reshape(n, size, 3)

    @eqx.filter_jit
    def slopes(model, v, keys):
        one = eqx.filter_grad(lambda m, batch, key: rule(m, batch, key, rule.init(m, key))[0])
        return jax.vmap(lambda batch, key: one(model, batch, key))(v, keys)

    slope = slopes(BINARY, v, jax.random.split(fast_key(KEY), n))
    flat = np.hstack([np.asarray(leaf).reshape(n, -1) for leaf in jax.tree.leaves(slope)])
    z = flat.mean(axis=0) / (flat.std(axis=0) / np.sqrt(n))
    assert flat.std() > 0.01
    assert np.abs(z).max() < scipy.stats.norm.isf(FAILURE_RATE / (2 * len(z)))
    elsewhere = slopes(eqx.tree_at(lambda m: m.b, BINARY, BINARY.b + 1), v, jax.random.split(fast_key(KEY), n))
    assert np.abs(elsewhere.b.mean(axis=0)).min() > 0.01


def test_the_gradient_of_the_pseudo_likelihood_is_the_one_by_enumeration():
    v = jnp.array(list(itertools.product([0.0, 1.0], repeat=3)))
    h = jnp.array(list(itertools.product([0.0, 1.0], repeat=2)))

    def by_hand(model):
        e = -(v @ model.b)[:, None] - (h @ model.c)[None] - v @ model.W @ h.T
        log_p = jax.nn.logsumexp(-e, axis=1).reshape(2, 2, 2)
        log_pl = sum(log_p - jax.nn.logsumexp(log_p, axis=site, keepdims=True) for site in range(3))
        return -jnp.mean(jnp.stack([log_pl[1, 0, 1], log_pl[0, 0, 1]]))

    rule = PseudoLikelihood(sites=None)
    loss, slope = eqx.filter_jit(eqx.filter_value_and_grad(lambda m: rule(m, BATCH, KEY, None)[0]))(BINARY)
    expected, expected_slope = eqx.filter_jit(eqx.filter_value_and_grad(by_hand))(BINARY)
    assert loss == pytest.approx(float(expected), rel=1e-5)
    for a, b in zip(jax.tree.leaves(slope), jax.tree.leaves(expected_slope), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_rule_moves_the_offsets_of_a_centred_model():
    model = CENTRED["centred-bernoulli-bernoulli"]
    rule = CD()
    before = start(rule, model)
    assert equal(before.means, model.offsets.value)
    _, (memory, _) = call(rule, model, BATCH, KEY, before)
    np.testing.assert_allclose(memory.means["v"], BATCH.mean(axis=0), rtol=1e-6)
    after = rule.after_step(model, memory)
    moved = model.offsets.value["v"] + model.rate * (BATCH.mean(axis=0) - model.offsets.value["v"])
    np.testing.assert_allclose(after.offsets.value["v"], moved, rtol=1e-5)
    assert rule.after_step(BINARY, start(rule, BINARY)) is BINARY


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: CD(steps=0), "steps=0"),
        (lambda: PCD(steps=0), "steps=0"),
        (lambda: PCD(chains=0), "chains=0"),
        (lambda: PseudoLikelihood(sites=0), "sites=0"),
    ],
)
def test_rules_that_do_nothing_are_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()


def test_a_compiled_step_of_cd_has_five_large_matrix_products():
    """`v W`, `W h`, `v' W` and the two of the gradient: no hidden copies of the work."""
    rbm = RBM(visible=Bernoulli(784), hidden=Bernoulli(500), key=KEY)
    rule, batch = CD(), jnp.zeros((100, 784))

    def step(model, key):
        return jax.value_and_grad(lambda m: rule(m, batch, key, None), has_aux=True)(model)

    text = jax.jit(step).lower(rbm, KEY).compile().as_text()
    shapes = re.findall(r"f32\[([\d,]+)\][^=\n]* (?:dot|custom-call)\(", text)
    products = [shape for shape in shapes if math.prod(int(n) for n in shape.split(",")) >= 50_000]
    assert len(products) == 5, products


def test_a_compiled_step_of_cd_draws_each_sample_once():
    """XLA would fuse the generator into every use of what is drawn, and hash again for each."""
    rbm = RBM(visible=Bernoulli(784), hidden=Bernoulli(500), key=KEY)

    def step(model, key):
        return jax.value_and_grad(lambda m: CD()(m, jnp.zeros((100, 784)), key, None), has_aux=True)(model)

    text = jax.jit(step).lower(rbm, fast_key(KEY)).compile().as_text()
    comparisons = re.findall(r"pred\[100,(784|500)\]\S* compare\([^\n]*direction=LT", text)
    assert sorted(comparisons) == ["500", "784"], comparisons
