"""Ratio matching: by hand over all flips, at rest in the truth, and unbiased at a few sites."""

from __future__ import annotations

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from slopes import KEY, assert_equal_trees, assert_unbiased, expected_slope, flat, loss_and_slope

from examples import RBMS, randomised
from harmonium.errors import InputError
from harmonium.models import RBM
from harmonium.objectives import RatioMatching
from harmonium.testing.enumeration import list_states
from harmonium.units import Bernoulli, Categorical

BINARY, SPIN = RBMS["rbm-bernoulli-bernoulli"], RBMS["rbm-spin-bernoulli"]
PLACES = np.array([[1, 0, 1], [0, 0, 1]])
EVERY = RatioMatching(sites=None)


@eqx.filter_jit
@eqx.filter_value_and_grad
def by_hand(model, values):
    v = values[jnp.array(list(itertools.product([0, 1], repeat=3)))]
    h = jnp.array(list(itertools.product([0.0, 1.0], repeat=2)))
    e = -(v @ model.b)[:, None] - (h @ model.c)[None] - v @ model.W @ h.T
    p = jax.nn.softmax(jax.nn.logsumexp(-e, axis=1)).reshape(2, 2, 2)
    terms = sum((1 / (1 + p / jnp.flip(p, axis=site))) ** 2 for site in range(3))  # (18.26)
    return jnp.mean(jnp.stack([terms[tuple(place)] for place in PLACES]))


@pytest.mark.parametrize(("model", "values"), [(BINARY, [0.0, 1.0]), (SPIN, [-1.0, 1.0])], ids=["bernoulli", "spin"])
def test_the_loss_and_its_gradient_are_those_by_hand(model, values):
    values = jnp.array(values)
    loss, slope = loss_and_slope(EVERY, model, values[PLACES])
    expected, expected_slope = by_hand(model, values)
    assert loss == pytest.approx(float(expected), rel=1e-5)
    assert_equal_trees(slope, expected_slope)


def test_categorical_units_of_two_states_are_binary():
    coded = randomised(RBM(Categorical(3, states=2), Bernoulli(2), key=KEY, scale=0.0), 1)
    W = coded.W.reshape(3, 2, 2)
    fields = (W[:, 1] - W[:, 0], coded.b[:, 1] - coded.b[:, 0], coded.c + W[:, 0].sum(axis=0))
    plain = eqx.tree_at(lambda m: (m.W, m.b, m.c), BINARY, fields)
    loss, _ = loss_and_slope(EVERY, coded, jnp.asarray(PLACES, jnp.int32))
    assert loss == pytest.approx(float(by_hand(plain, jnp.array([0.0, 1.0]))[0]), rel=1e-5)


@pytest.mark.parametrize("model", [BINARY, SPIN, RBMS["rbm-bernoulli-gaussian"]], ids=["bernoulli", "spin", "gaussian"])
def test_the_rule_rests_where_the_data_is_the_model(model):
    truth = list_states(model)
    v, weight = jnp.asarray(truth.values["v"][0]), jnp.asarray(truth.probability[0], jnp.float32)
    assert np.abs(flat(expected_slope(EVERY, model, v, weight))).max() < 1e-5
    moved = eqx.tree_at(lambda m: m.b, model, model.b + 1)
    assert np.abs(expected_slope(EVERY, moved, v, weight).b).min() > 0.01


@pytest.mark.parametrize("sites", [1, 2])
def test_some_sites_are_unbiased(sites):
    batch = jnp.asarray(PLACES, jnp.float32)
    assert_unbiased(RatioMatching(sites=sites), BINARY, batch, loss_and_slope(EVERY, BINARY, batch))


def test_as_many_sites_as_units_are_all():
    batch = jnp.asarray(PLACES, jnp.float32)
    for sites in (3, 100):
        assert_equal_trees(loss_and_slope(RatioMatching(sites), BINARY, batch), loss_and_slope(EVERY, BINARY, batch))


def test_what_cannot_be_flipped_is_refused():
    with pytest.raises(InputError, match="sites=0"):
        RatioMatching(sites=0)
    with pytest.raises(InputError, match=r"Gaussian ones are not: use ScoreMatching"):
        EVERY(RBMS["rbm-gaussian-bernoulli"], jnp.zeros((1, 2)), KEY, None)
    with pytest.raises(InputError, match=r"Categorical ones are not: use PseudoLikelihood"):
        EVERY(RBMS["rbm-categorical-bernoulli"], jnp.zeros((1, 2), jnp.int32), KEY, None)
