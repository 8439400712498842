"""RAISE: its weights against the exact law of the annealing model, its bound against exact likelihoods."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp, softmax
from scipy.stats import norm

from examples import EXAMPLES, tiny_rbm
from harmonium.data import from_arrays
from harmonium.errors import InputError
from harmonium.evaluation import base_for, ladder, log_likelihood
from harmonium.evaluation.annealed import visible_block
from harmonium.evaluation.reverse_annealing import METHOD, log_weights
from harmonium.testing import FAILURE_RATE
from harmonium.testing.enumeration import energies, joint_states

KEY = jax.random.key(0)
VISIBLE = ("bernoulli", "spin", "categorical", "gaussian")
STEPS, CHAINS = 3, 4000
ROWS = np.array([[0, 1, 1], [1, 1, 0], [0, 0, 0], [1, 1, 1]], np.float32)


def stronger(model, factor: float = 2.0):
    """The model at a lower temperature, so that a few steps do not reach it."""
    return jax.tree.map(lambda leaf: factor * leaf, model)


FAR = {
    "bernoulli": stronger(tiny_rbm("bernoulli", "bernoulli", seed=2), 3.0),
    "spin": stronger(EXAMPLES["rbm-spin-categorical"]),
    "categorical": stronger(EXAMPLES["rbm-categorical-spin"]),
    "deep": stronger(EXAMPLES["own-deep"]),
}


def annealing_law(model, base, steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every `v`, the law of the last `v` of forward annealing, and the model's own: by products of whole matrices."""
    held = list(visible_block(model))
    others = [name for name in model.layers if name not in held]
    rows, columns = joint_states(model, held), joint_states(model, others)
    n, m = len(rows["v"]), len(columns[others[0]])
    states = {name: np.repeat(x, m, axis=0) for name, x in rows.items()}
    states |= {name: np.tile(x, (n, 1)) for name, x in columns.items()}
    cold, hot = (-energies(part, states).reshape(n, m) for part in (model, base))
    law = softmax(logsumexp(hot, axis=1))
    for beta in ladder(steps)[1:]:
        joint = (1 - beta) * hot + beta * cold
        law = law @ (softmax(joint, axis=1) @ softmax(joint, axis=0).T)
    v, group = np.unique(rows["v"], axis=0, return_inverse=True)
    own = softmax(logsumexp(cold, axis=1))
    return v, np.bincount(group.ravel(), law), np.bincount(group.ravel(), own)


@pytest.mark.parametrize("name", FAR)
def test_the_mean_weight_is_the_annealing_models_probability(name):
    model = FAR[name]
    base = base_for(model, jax.random.bernoulli(KEY, 0.3, (20, model.layers["v"].size)).astype(jnp.float32))
    v, law, own = annealing_law(model, base, STEPS)
    assert law.sum() == pytest.approx(1.0, abs=1e-5)
    common = law > 1e-3
    assert np.abs(law / own - 1)[common].max() > 0.1  # else the test could not tell the two apart
    log_w = log_weights(model, base, KEY, jnp.asarray(v, model.layers["v"].dtype), CHAINS, STEPS)
    w = np.exp(log_w)
    z = (w.mean(axis=1) - law) / (w.std(axis=1, ddof=1) / np.sqrt(CHAINS))
    assert np.abs(z).max() < -norm.ppf(FAILURE_RATE / (2 * len(v)))
    assert (log_w.mean(axis=1) < np.log(law)).all()  # each single chain is a bound, and here a loose one


def likely_rows(model, n: int = 24) -> np.ndarray:
    unit = model.layers["v"]
    return np.asarray(jax.vmap(lambda k: unit.sample(k, unit.neutral_natural()))(jax.random.split(KEY, n)))


@pytest.mark.parametrize("visible", VISIBLE)
def test_with_many_temperatures_it_is_close_and_below(visible):
    model = tiny_rbm(visible, "bernoulli", seed=5)
    rows = likely_rows(model)
    exact = log_likelihood(model, rows)
    found = log_likelihood(model, rows, key=KEY, method="raise", chains=20, temperatures=200)
    error = found.per_example - exact.per_example
    assert abs(error.mean()) < 0.03
    assert error.mean() < norm.ppf(1 - FAILURE_RATE / 4) * error.std(ddof=1) / np.sqrt(len(rows))


@pytest.mark.parametrize("chains", [1, 10])
def test_with_few_temperatures_it_lies_below(chains):
    model = stronger(tiny_rbm("bernoulli", "bernoulli", seed=3), 4)
    exact = log_likelihood(model, ROWS).value
    few = {"method": "raise", "chains": chains, "temperatures": 2}
    lows = [log_likelihood(model, ROWS, key=jax.random.key(i), **few).value for i in range(12)]
    assert np.mean(lows) < exact + 3.3 * np.std(lows) / np.sqrt(12)


def test_what_the_estimate_says():
    model = tiny_rbm("bernoulli", "bernoulli")
    data = from_arrays(ROWS, test=np.tile(ROWS, (5, 1)), name="coins")
    found = log_likelihood(model, data, key=KEY, method="raise", chains=3, temperatures=10, rows=8)
    assert (found.kind, found.lower, found.upper, found.sure) == ("unordered", -np.inf, np.inf, False)
    assert (found.method, found.n, found.space.n, found.space.split) == (METHOD, 8, 8, "test")
    assert found.value == pytest.approx(found.per_example.mean())
    assert found.stderr == pytest.approx(found.per_example.std(ddof=1) / np.sqrt(8))
    assert {"chains": 3, "temperatures": 10, "seed": [0, 0]}.items() <= found.settings.items()
    assert found.settings["seconds"] >= 0
    assert found.verdict.startswith("do not report: bounded from one side only")
    again = log_likelihood(model, data, key=KEY, method="raise", chains=3, temperatures=10, rows=8)
    assert again.space.hash == found.space.hash
    np.testing.assert_array_equal(again.per_example, found.per_example)
    assert log_likelihood(model, ROWS[:1], key=KEY, method="raise", chains=3, temperatures=10).stderr == np.inf


def test_a_model_that_ran_away_is_told():
    model = jax.tree.map(lambda leaf: leaf * np.nan, tiny_rbm("bernoulli", "bernoulli"))
    found = log_likelihood(model, ROWS, key=KEY, method="raise", chains=3, temperatures=10)
    assert found.verdict == "do not report: the weights are not finite"


@pytest.mark.parametrize(
    ("options", "said"),
    [({"chains": 0}, "at least 1, not chains=0"), ({"temperatures": 0}, "temperatures=0"), ({"rows": 0}, "rows=0"),
     ({"key": None}, "'raise' draws random numbers: pass key="), ({"samples": 3}, "no option 'samples'"),
     ({"method": "guess"}, "no method 'guess': choose one of auto, .*trajectory, exact, raise, csl")],
)  # fmt: skip
def test_bad_usage_is_refused(options, said):
    with pytest.raises(InputError, match=said):
        log_likelihood(tiny_rbm("bernoulli", "bernoulli"), ROWS, **{"key": KEY, "method": "raise"} | options)
