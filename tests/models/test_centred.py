"""Centring changes the coordinates and not the distribution (section 20.4.5)."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from examples import CENTRED, RBMS
from harmonium.inference import natural_parameters
from harmonium.models import RBM, Centred, recentred, with_biases
from harmonium.objectives import contrast
from harmonium.testing.enumeration import energies, some_states, stats_of


def assert_same_distribution(a, b):
    states = some_states(a, np.random.default_rng(0))
    difference = energies(a, states) - energies(b, states)
    np.testing.assert_allclose(difference, difference[0], atol=2e-5)


@eqx.filter_jit
def plain(model: Centred) -> RBM:
    """The uncentred machine with the same distribution: the bias is what acts on a layer beside zero statistics."""
    zeros = {name: unit.zeros() for name, unit in model.layers.items()}
    pull = {n: natural_parameters(model, {m: s for m, s in zeros.items() if m != n}, (n,))[n] for n in zeros}
    return with_biases(model.model, {name: model.layers[name].bias(eta) for name, eta in pull.items()})


def some_means(model, seed):
    """Mean statistics of a few states: where offsets could move."""
    stats = stats_of(model, some_states(model, np.random.default_rng(seed), 5))
    return jax.tree.map(lambda s: jnp.asarray(s.mean(axis=0)), stats)


@pytest.mark.parametrize("model", CENTRED.values(), ids=CENTRED)
def test_a_centred_machine_is_a_plain_one_in_other_coordinates(model):
    assert_same_distribution(model, plain(model))


@pytest.mark.parametrize("model", CENTRED.values(), ids=CENTRED)
def test_moving_the_offsets_leaves_the_distribution(model):
    means = some_means(model, 1)
    moved = recentred(Centred(model.model, model.offsets.value, rate=0.5), means)
    assert_same_distribution(model, moved)
    half_way = jax.tree.map(lambda a, b: (a + b) / 2, model.offsets.value, means)
    for actual, expected in zip(jax.tree.leaves(moved.offsets.value), jax.tree.leaves(half_way), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_a_centred_machine_is_not_the_plain_one_with_the_same_numbers():
    model = CENTRED["centred-bernoulli-bernoulli"]
    with pytest.raises(AssertionError):
        assert_same_distribution(model, model.model)


def test_models_without_offsets_stay_as_they_are():
    rbm = RBMS["rbm-bernoulli-bernoulli"]
    assert recentred(rbm, {"v": jnp.zeros(3)}) is rbm
    centred = Centred(rbm)
    assert recentred(centred, None) is centred


def test_offsets_start_at_what_the_biases_alone_give():
    rbm = RBMS["rbm-gaussian-bernoulli"]
    offsets = Centred(rbm).offsets.value
    np.testing.assert_allclose(offsets["h"], jax.nn.sigmoid(rbm.c), rtol=1e-5)
    np.testing.assert_allclose(offsets["v"].x, rbm.b.mean, rtol=1e-5)


def test_a_centred_gradient_step_is_the_enhanced_gradient():
    """`dW = <(v-mu)(h-lam)>_d - <.>_m`, `db = <v>_d - <v>_m - dW lam`, `dc = <h>_d - <h>_m - dW' mu`.

    (Melchior, Fischer & Wiskott, arXiv:1311.1354: the update of the plain parameters that one step in centred
    coordinates makes.)
    """
    model, rate = CENTRED["centred-bernoulli-bernoulli"], 0.1
    rng = np.random.default_rng(0)
    data, chains = (rng.integers(0, 2, (n, 3)).astype(np.float32) for n in (7, 5))
    slope = eqx.filter_jit(eqx.filter_grad(contrast, has_aux=True))(model, jnp.asarray(data), jnp.asarray(chains))[
        0
    ].model
    step = jax.tree.map(lambda x, g: x - rate * g, model.model, slope)
    stepped = plain(eqx.tree_at(lambda m: m.model, model, step))

    before = plain(model)
    W, b, c = (np.asarray(x, np.float64) for x in (before.W, before.b, before.c))
    mu, lam = (np.asarray(model.offsets.value[name], np.float64) for name in ("v", "h"))

    def phase(v):
        h = 1 / (1 + np.exp(-(c + v @ W)))
        return (v - mu).T @ (h - lam) / len(v), v.mean(axis=0), h.mean(axis=0)

    dW, dv, dh = (d - m for d, m in zip(phase(data), phase(chains), strict=True))
    np.testing.assert_allclose(stepped.W, W + rate * dW, atol=1e-6)
    np.testing.assert_allclose(stepped.b, b + rate * (dv - dW @ lam), atol=1e-6)
    np.testing.assert_allclose(stepped.c, c + rate * (dh - dW.T @ mu), atol=1e-6)
