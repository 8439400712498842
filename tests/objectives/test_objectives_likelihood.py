"""Maximum likelihood: the gradient by enumeration, closed forms, and what no model can pass."""

from __future__ import annotations

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.stats
from slopes import KEY, assert_equal_trees, loss_and_slope

from examples import RBMS
from harmonium.errors import InputError
from harmonium.models import RBM
from harmonium.objectives import MaximumLikelihood
from harmonium.testing.enumeration import list_states
from harmonium.testing.invariance import exact_samples
from harmonium.training import fit
from harmonium.units import Bernoulli

BINARY, NORMAL = RBMS["rbm-bernoulli-bernoulli"], RBMS["rbm-gaussian-gaussian"]
RULE = MaximumLikelihood()


@eqx.filter_jit
@eqx.filter_value_and_grad
def by_hand(model, rows):
    """Minus the mean log-likelihood, every state listed."""
    v, h = (jnp.array(list(itertools.product([0.0, 1.0], repeat=n))) for n in (3, 2))

    def minus_energies(v):
        return (v @ model.b)[:, None] + (h @ model.c)[None] + v @ model.W @ h.T  # (20.5)

    log_p = jax.nn.logsumexp(minus_energies(rows), axis=1) - jax.nn.logsumexp(minus_energies(v))
    return -jnp.mean(log_p)


def test_the_loss_and_its_gradient_are_those_by_enumeration():
    rows = jnp.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    loss, slope = loss_and_slope(RULE, BINARY, rows)
    expected, expected_slope = by_hand(BINARY, rows)
    assert loss == pytest.approx(float(expected), rel=1e-5)
    assert_equal_trees(slope, expected_slope)
    _, (_, metrics) = RULE(BINARY, rows, KEY, None)
    assert metrics["log_likelihood"] == pytest.approx(-float(expected), rel=1e-5)


def test_a_machine_of_gaussian_layers_has_the_density_of_a_gaussian():
    beta, gamma = (np.exp(np.asarray(bias.log_precision, np.float64)) for bias in (NORMAL.b, NORMAL.c))
    W, b, c = (np.asarray(x, np.float64) for x in (NORMAL.W, NORMAL.b.mean, NORMAL.c.mean))
    coupling = beta[:, None] * W * gamma  # E = beta (v-b)^2 / 2 + gamma (h-c)^2 / 2 - v coupling h, up to a constant
    precision = np.block([[np.diag(beta), -coupling], [-coupling.T, np.diag(gamma)]])
    mean = np.linalg.solve(precision, np.concatenate([beta * b, gamma * c]))
    law = scipy.stats.multivariate_normal(mean[:2], np.linalg.inv(precision)[:2, :2])
    rows = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)
    loss, _ = loss_and_slope(RULE, NORMAL, jnp.asarray(rows))
    assert loss == pytest.approx(-law.logpdf(rows).mean(), rel=1e-5)


def test_training_reaches_more_than_the_truth_and_no_more_than_the_data():
    """On its own sample the truth is beaten by the maximum, and the sample's entropy by nothing."""
    rows = exact_samples(BINARY, list_states(BINARY), np.random.default_rng(0), 400)["v"]
    model = RBM(Bernoulli(3), Bernoulli(2), key=KEY, scale=0.1)
    run = fit(model, rows, RULE, optimizer=optax.adam(0.05), epochs=300, batch_size=400, key=KEY, monitor=False)
    _, counts = np.unique(rows, axis=0, return_counts=True)
    entropy = scipy.stats.entropy(counts)
    reached = run.metrics[-1]["log_likelihood"]
    assert -float(by_hand(BINARY, jnp.asarray(rows))[0]) < reached < -entropy


def test_the_memory_of_a_gradient_does_not_grow_with_the_states():
    def needed(hidden):
        model = RBM(Bernoulli(20), Bernoulli(hidden), key=KEY)
        slope = jax.jit(jax.grad(lambda m: RULE(m, jnp.zeros((1, 20)), KEY, None)[0]))
        return slope.lower(model).compile().memory_analysis().temp_size_in_bytes

    assert needed(17) < 1.5 * needed(13)


def test_a_machine_too_large_to_be_summed_is_refused():
    large = RBM(Bernoulli(30), Bernoulli(26), key=KEY)
    with pytest.raises(InputError, match=r"6.71e.07 configurations"):
        RULE(large, jnp.zeros((1, 30)), KEY, None)
