"""CSL: a bound in expectation, tight with many samples, with an error that is true."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from scipy.stats import chi2, norm

from examples import EXAMPLES, tiny_rbm
from harmonium.errors import InputError
from harmonium.evaluation import compare, log_likelihood
from harmonium.evaluation.sampling_bound import ROWS as AT_ONCE
from harmonium.testing import FAILURE_RATE
from harmonium.testing.enumeration import joint_states, list_states

KEY = jax.random.key(0)
VISIBLE = ("bernoulli", "spin", "categorical", "gaussian")
MANY = {"method": "csl", "samples": 5000, "chains": 100, "burn_in": 50, "thinning": 3}
FEW = {"method": "csl", "samples": 40, "chains": 40, "burn_in": 50}
MODEL = tiny_rbm("bernoulli", "bernoulli", seed=3)
ROWS = np.array([[0, 1, 1], [1, 1, 0], [0, 0, 0], [1, 1, 1]], np.float32)


@pytest.mark.parametrize("visible", VISIBLE)
def test_with_many_samples_it_is_close_and_below(visible):
    model = tiny_rbm(visible, "bernoulli", seed=5)
    unit = model.layers["v"]
    rows = np.asarray(jax.vmap(lambda k: unit.sample(k, unit.neutral_natural()))(jax.random.split(KEY, 24)))
    exact = log_likelihood(model, rows)
    found = log_likelihood(model, rows, key=KEY, **MANY)
    limit = norm.ppf(1 - FAILURE_RATE / 8) * found.settings["shared_stderr"]
    assert abs(found.value - exact.value) < limit  # 5000 samples leave no bias to see
    assert found.settings["shared_stderr"] < 0.02


def test_in_a_deep_model_v_is_given_all_its_neighbours():
    model = EXAMPLES["own-deep"]
    v = joint_states(model, ["v"])["v"]
    found = log_likelihood(model, v, key=KEY, **MANY)
    truth = list_states(model)
    code = truth.values["v"][0] @ np.array([4, 2, 1])
    exact = np.log(np.bincount(code.astype(int), truth.probability[0]))
    limit = norm.ppf(1 - FAILURE_RATE / 2) * found.settings["shared_stderr"]
    assert abs(found.value - exact[(v @ np.array([4, 2, 1])).astype(int)].mean()) < limit


def test_with_few_samples_it_lies_below():
    model = jax.tree.map(lambda leaf: 3 * leaf, tiny_rbm("bernoulli", "bernoulli", seed=2))
    exact = log_likelihood(model, ROWS).value
    fewest = FEW | {"samples": 2, "chains": 2}
    lows = [log_likelihood(model, ROWS, key=jax.random.key(i), **fewest).value for i in range(40)]
    assert np.mean(lows) < exact - 3.3 * np.std(lows) / np.sqrt(40)


def test_its_error_is_true():
    found = [log_likelihood(MODEL, ROWS, key=jax.random.key(i), **FEW | {"samples": 80}) for i in range(40)]
    values, errors = np.array([e.value for e in found]), np.array([e.settings["shared_stderr"] for e in found])
    ratio = 39 * values.var(ddof=1) / np.mean(errors**2)
    assert chi2.ppf(FAILURE_RATE / 2, 39) < ratio < chi2.ppf(1 - FAILURE_RATE / 2, 39)


def test_many_rows_are_taken_in_parts():
    rows = np.tile(ROWS, (AT_ONCE // 4 + 3, 1))
    found = log_likelihood(MODEL, rows, key=KEY, **FEW)
    np.testing.assert_allclose(found.per_example, np.tile(found.per_example[:4], len(rows) // 4), rtol=1e-5)
    few = log_likelihood(MODEL, ROWS, key=KEY, **FEW)
    np.testing.assert_allclose(found.per_example[:4], few.per_example, rtol=1e-5)


def test_what_the_estimate_says():
    found = log_likelihood(MODEL, ROWS, key=KEY, **FEW | {"samples": 70})
    assert (found.kind, found.lower, found.upper, found.sure) == ("lower", found.value, np.inf, False)
    assert (found.method, found.n, found.space.support) == ("CSL, from the model's own chains", 4, "binary")
    assert {"samples": 80, "chains": 40, "thinning": 1, "seed": [0, 0]}.items() <= found.settings.items()
    spread = found.per_example.std(ddof=1) / 2
    assert found.stderr == pytest.approx(np.hypot(spread, found.settings["shared_stderr"]))
    assert found.verdict.startswith("do not report: bounded from one side only")
    assert log_likelihood(MODEL, ROWS, key=KEY, **FEW | {"samples": 1}).stderr == np.inf
    exact = log_likelihood(MODEL, ROWS)
    pairs = np.std(exact.per_example - found.per_example, ddof=1) / 2
    assert compare(exact, found).stderr == pytest.approx(np.hypot(pairs, found.settings["shared_stderr"]))


def test_a_model_that_ran_away_is_told():
    found = log_likelihood(jax.tree.map(lambda leaf: leaf * np.nan, MODEL), ROWS, key=KEY, **FEW)
    assert found.verdict == "do not report: the weights are not finite"


@pytest.mark.parametrize("name", ["samples", "chains", "burn_in", "thinning"])
def test_numbers_below_one_are_refused(name):
    with pytest.raises(InputError, match=f"CSL needs samples, chains, burn_in and thinning of at least 1, .*{name}=0"):
        log_likelihood(MODEL, ROWS, key=KEY, method="csl", **{name: 0})


def test_a_missing_key_and_an_unknown_option_are_refused():
    with pytest.raises(InputError, match="'csl' draws random numbers: pass key="):
        log_likelihood(MODEL, ROWS, method="csl")
    with pytest.raises(InputError, match="no option 'temperatures': it takes samples, chains, burn_in, thinning"):
        log_likelihood(MODEL, ROWS, key=KEY, method="csl", temperatures=10)
