"""Noise-contrastive estimation: by hand, at rest in the truth, and a log Z that is learned."""

from __future__ import annotations

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.special
from slopes import KEY, assert_unbiased, flat

from examples import CENTRED, RBMS, tiny_independent
from harmonium.errors import InputError
from harmonium.inference import at_marginals, exact_log_partition
from harmonium.models import RBM, Centred, Independent, Normalised
from harmonium.objectives import NCE, marginal_noise, noise_contrast
from harmonium.testing.enumeration import energies, joint_states, list_states, log_sum
from harmonium.testing.invariance import exact_samples
from harmonium.training import fit
from harmonium.units import Bernoulli, Gaussian

BINARY = RBMS["rbm-bernoulli-bernoulli"]
ROWS = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 1], [0, 0, 1]], np.float32)
NOISE = marginal_noise(BINARY, ROWS)


def laws(model, noise):
    """Every visible state, its free energy by enumeration, and its log-probability under the noise."""
    v = joint_states(model, ["v"])["v"]
    h = joint_states(model, ["h"])["h"]
    pairs = [np.stack(x) for x in zip(*itertools.product(v, h), strict=True)]
    f = -log_sum(-energies(model, {"v": pairs[0], "h": pairs[1]}).reshape(len(v), len(h)))
    minus_e = -energies(noise, {"v": v})
    return v, f, minus_e - scipy.special.logsumexp(minus_e)


def true_normaliser(model):
    return Normalised(model, exact_log_partition(model))


@eqx.filter_jit
def expected_slope(model, noise, data, data_weight, drawn, drawn_weight, ratio):
    """The mean gradient of the loss over listed laws of data and of noise."""

    def total(m):
        def pair(x, y):
            return noise_contrast(m, noise, x[None], jnp.broadcast_to(y, (ratio, *y.shape)))[0]

        losses = jax.vmap(lambda x: jax.vmap(lambda y: pair(x, y))(drawn))(data)
        return data_weight @ losses @ drawn_weight

    return eqx.filter_value_and_grad(total)(model)


@pytest.mark.parametrize("ratio", [1, 2])
def test_the_loss_is_a_logistic_regression_by_hand(ratio):
    model = Normalised(BINARY, 1.5)
    v, f, log_noise = laws(BINARY, NOISE)
    place = {tuple(row): i for i, row in enumerate(v)}
    data, drawn = ROWS[:2], np.tile(ROWS[2:], (ratio, 1))
    x, y = ([place[tuple(row)] for row in rows] for rows in (data, drawn))
    h = 1 / (1 + ratio * np.exp(log_noise - (-f - 1.5)))  # the chance that a row is data
    expected = -np.mean(np.log(h[x])) - ratio * np.mean(np.log(1 - h[y]))
    loss, metrics = eqx.filter_jit(noise_contrast)(model, NOISE, jnp.asarray(data), jnp.asarray(drawn))
    assert loss == pytest.approx(expected, rel=1e-5)
    assert metrics["accuracy"] == pytest.approx(np.mean([*(h[x] > 0.5), *(h[y] < 0.5)]))


@pytest.mark.parametrize("name", ["rbm-bernoulli-bernoulli", "rbm-categorical-spin", "rbm-spin-bernoulli"])
def test_the_rule_rests_at_the_truth_with_its_log_partition(name):
    rbm = RBMS[name]
    model, ratio = true_normaliser(rbm), 2
    noise = tiny_independent(rbm.visible, rbm.hidden, 5)
    noise = Independent({"v": rbm.visible}, {"v": noise.biases["v"]})
    v, f, log_noise = laws(rbm, noise)
    p = np.exp(-f - scipy.special.logsumexp(-f)).astype(np.float32)
    listed = (jnp.asarray(v), p, jnp.asarray(v), np.exp(log_noise).astype(np.float32), ratio)
    _, slope = expected_slope(model, noise, *listed)
    assert np.abs(flat(slope)).max() < 1e-5
    off = Normalised(rbm, model.log_partition + 1)
    _, slope = expected_slope(off, noise, *listed)
    assert slope.log_partition > 0.05  # which lowers the number


def test_noise_is_drawn_from_its_law():
    model, batch = Normalised(BINARY), jnp.asarray(ROWS)
    v, _, log_noise = laws(BINARY, NOISE)
    uniform = np.full(len(ROWS), 1 / len(ROWS), np.float32)
    noise_law = (jnp.asarray(v), np.exp(log_noise).astype(np.float32))
    expected = expected_slope(model, NOISE, batch, uniform, *noise_law, 3)
    assert_unbiased(NCE(NOISE, ratio=3), model, batch, expected)


@pytest.mark.parametrize("centre", [False, True], ids=["plain", "centred"])
def test_the_log_partition_is_learned(centre):
    truth = RBMS["rbm-bernoulli-spin"]
    rows = exact_samples(truth, list_states(truth), np.random.default_rng(0), 1000)["v"]
    start = at_marginals(RBM(truth.visible, truth.hidden, key=KEY), rows)
    inner = Centred(start) if centre else start
    rule = NCE(marginal_noise(start, rows), ratio=5)
    model = Normalised(inner, exact_log_partition(inner) + 2)
    run = fit(model, rows, rule, optimizer=optax.adam(0.02), epochs=60, batch_size=200, key=KEY, monitor=False)
    learned = float(run.model.log_partition)
    assert learned == pytest.approx(float(exact_log_partition(run.model.model)), abs=0.1)
    assert run.metrics[-1]["log_partition"] == pytest.approx(learned, abs=0.2)


def test_what_makes_noise_makes_noise_at_the_marginals():
    biased = at_marginals(BINARY, ROWS)
    np.testing.assert_allclose(NOISE.biases["v"], biased.b, rtol=1e-6)
    assert set(NOISE.layers) == {"v"}


@pytest.mark.parametrize("model", [BINARY, CENTRED["centred-bernoulli-bernoulli"]])
def test_a_model_without_a_learned_number_is_refused(model):
    with pytest.raises(InputError, match=rf"{type(model).__name__} does not have: wrap it, hm.Normalised\(model\)"):
        NCE(NOISE)(model, jnp.asarray(ROWS), KEY, None)


def test_noise_that_does_not_fit_is_refused():
    both = tiny_independent(BINARY.visible, BINARY.hidden, 0)
    with pytest.raises(InputError, match="ratio=0"):
        NCE(NOISE, ratio=0)
    with pytest.raises(InputError, match=r"is a machine, not 0: .*marginal_noise"):
        NCE(0)
    with pytest.raises(InputError, match=r"'v' alone, not h, v: .*marginal_noise"):
        NCE(both)
    for unit in (Bernoulli(4), Gaussian(3)):
        other = Independent({"v": unit}, {"v": unit.bias(unit.neutral_natural())})
        with pytest.raises(InputError, match=r"Bernoulli\(size=3\) and the noise's .*marginal_noise"):
            NCE(other)(Normalised(BINARY), jnp.asarray(ROWS), KEY, None)
