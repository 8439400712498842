"""Auto-regressive networks beside what they are another form of, and what they refuse."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.special
import scipy.stats
import sklearn.linear_model
import sklearn.metrics

from examples import SEQUENCES, randomised
from harmonium.errors import InputError
from harmonium.evaluation import log_likelihood
from harmonium.models import FVBN, MADE, NADE, NeuralAutoregressive, linear_gaussian
from harmonium.objectives import MaximumLikelihood
from harmonium.samplers import sample
from harmonium.training import fit
from harmonium.units import Bernoulli, Categorical, Columns, Gaussian

KEY = jax.random.key(0)
B = Bernoulli(4)
ROWS = np.random.default_rng(0).normal(size=(200, 4)) @ np.random.default_rng(1).normal(size=(4, 4)) + 3.0


@pytest.mark.parametrize(("order", "far"), [(None, 0.0), ((2, 0, 3, 1), 0.0), ((2, 0, 3, 1), 300.0)])
def test_the_linear_gaussian_network_is_the_multivariate_gaussian(order, far):
    rows = np.float64(np.float32(ROWS + far))
    found = log_likelihood(linear_gaussian(rows, order=order), rows.astype(np.float32)).per_example
    law = scipy.stats.multivariate_normal(rows.mean(axis=0), np.cov(rows.T, bias=True))
    np.testing.assert_allclose(found, law.logpdf(rows), atol=2e-3)


def test_training_finds_the_conditional_of_a_pair():
    """Of two binary variables the logistic network is every law there is: it ends at the table's own frequencies."""
    counts = np.array([5, 1, 2, 8])
    x = np.repeat(np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32), counts, axis=0)
    options = {"optimizer": optax.adam(0.03), "epochs": 1000, "batch_size": 16, "key": KEY}
    run = fit(FVBN(Bernoulli(2)), x, MaximumLikelihood(), **options)
    best = float((counts / 16 * np.log(counts / 16)).sum())
    assert log_likelihood(run.model, x).value == pytest.approx(best, abs=1e-3)


def test_an_exact_likelihood_takes_no_options_and_a_sample_no_start():
    model = SEQUENCES["fvbn-bernoulli"]
    x = np.zeros((3, 4), np.float32)
    assert log_likelihood(model, x).kind == "exact"
    with pytest.raises(InputError, match="has no method 'ais': choose one of auto, exact"):
        log_likelihood(model, x, method="ais")
    with pytest.raises(InputError, match="no option 'chains'"):
        log_likelihood(model, x, chains=3)
    with pytest.raises(InputError, match="has no option 'start': it takes steps, given, first"):
        sample(model, KEY, 3, start=jnp.asarray(x))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: FVBN(B, order=(0, 1, 1, 3)), "lacks 2"),
        (lambda: FVBN(B, order=(0, 1, 2, 3, 0)), "has 5 entries"),
        (lambda: NADE(B, 3, key=KEY, order=np.array([0, 1])), "lacks 2"),
        (lambda: NADE(B, 0, key=KEY), "hidden=0"),
        (lambda: NADE(B, 3, key=KEY, activation="sine"), "no activation 'sine'"),
        (lambda: MADE(B, [3, 0], key=KEY), "list of sizes"),
        (lambda: MADE(B, [3], key=KEY, activation="sine"), "no activation 'sine'"),
        (lambda: NeuralAutoregressive(B, 0, key=KEY), "group=0"),
        (lambda: FVBN(B, order=np.array([0, 1.5, 2, 3])), "a list of the variables' numbers"),
        (lambda: linear_gaussian(np.ones((9, 2))), "singular"),
        (lambda: linear_gaussian(np.hstack([ROWS, np.full((200, 1), 0.1)])), "singular"),
        (lambda: linear_gaussian(np.hstack([ROWS, ROWS @ [[0.3], [0.1], [-2.0], [0.7]]])), "singular"),
        (lambda: linear_gaussian(np.where(ROWS > 5, np.nan, ROWS)), "complete rows"),
        (lambda: linear_gaussian(np.ones((2, 2))), "more rows than columns"),
        (lambda: Columns(Bernoulli(2)), "list of units"),
        (lambda: Columns([Columns([Bernoulli(1)])]), "plain units"),
        (lambda: Columns([Bernoulli(1), Categorical(1, states=2)]).check(np.array([[0.0, 2.0]])), "In columns 1 to 1"),
    ],
)
def test_what_cannot_be_is_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()


def test_columns_are_their_parts_side_by_side():
    parts = (Bernoulli(2), Gaussian(1), Categorical(1, states=3))
    unit, x = Columns(parts), jnp.array([1.0, 0.0, 0.7, 2.0])
    eta = unit.natural_from_mean(unit.mean(unit.neutral_natural()))
    alone = sum(part.log_partition(own) for part, own in zip(parts, eta, strict=True))
    assert float(unit.log_partition(eta)) == pytest.approx(float(alone), rel=1e-6)
    assert unit.as_input(x).tolist() == pytest.approx([1.0, 0.0, 0.7, 0.0, 0.0, 1.0])
    model = randomised(FVBN(unit), 3, 0.3)
    assert np.isin(np.asarray(sample(model, KEY, 50))[:, 3], [0, 1, 2]).all()


def test_the_logistic_network_is_its_regressions():
    """Logistic regressions of each column on those before it, by scikit-learn, are its maximum of likelihood."""
    random = np.random.default_rng(3)
    x = (random.normal(size=(400, 4)) @ random.normal(size=(4, 4)) > 0).astype(np.float32)
    W, b, expected = np.zeros((4, 4)), np.zeros(4), 0.0
    b[0] = scipy.special.logit(x[:, 0].mean())
    expected -= sklearn.metrics.log_loss(x[:, 0], np.full(400, x[:, 0].mean()))
    for d in range(1, 4):
        regression = sklearn.linear_model.LogisticRegression(C=1e6, tol=1e-8, max_iter=1000).fit(x[:, :d], x[:, d])
        W[d, :d], b[d] = regression.coef_[0], regression.intercept_[0]
        expected -= sklearn.metrics.log_loss(x[:, d], regression.predict_proba(x[:, :d])[:, 1])
    model = eqx.tree_at(lambda m: (m.W, m.b), FVBN(B), (jnp.asarray(W, jnp.float32), jnp.asarray(b, jnp.float32)))
    assert log_likelihood(model, x).value == pytest.approx(expected, abs=1e-5)
    slope = jax.grad(lambda m: jnp.mean(jax.vmap(m.log_prob)(x)))(model)
    assert max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(slope)) < 1e-4
