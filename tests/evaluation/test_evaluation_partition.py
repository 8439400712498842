"""`log Z` and likelihoods: exact where they can be, bounded from the stated side otherwise, and honest about it."""

from __future__ import annotations

import importlib

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from examples import RBMS, tiny_rbm
from harmonium.data import from_arrays
from harmonium.errors import InputError
from harmonium.evaluation import (
    base_for,
    forward,
    free_energies,
    ladder,
    log_likelihood,
    log_partition,
    mean_weight,
    reverse,
)
from harmonium.inference import exact_log_partition
from harmonium.models import RBM, Independent
from harmonium.units import Bernoulli, Gaussian

KEY = jax.random.key(0)
FAST = {"chains": 200, "temperatures": 100, "burn_in": 50}
ERRORS = 4.0  # standard errors; with 8 one-sided statements a failure in less than 1e-3 of seeds
VISIBLE = ("bernoulli", "spin", "categorical", "gaussian")
MODEL = RBMS["rbm-bernoulli-bernoulli"]
ROWS = np.array([[0, 1, 1], [1, 1, 0], [0, 0, 0]], np.float32)


# ---- the path ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 29, 1000])
def test_the_ladder_climbs_from_0_to_1(count):
    steps = ladder(count)
    assert (len(steps), steps[0], steps[-1]) == (count + 1, 0.0, 1.0)
    assert (np.diff(steps) > 0).all()


def test_mean_weight_is_the_mean_of_weights():
    log_w = np.random.default_rng(0).normal(700, 1, 50)  # exp overflows float32 and nearly float64
    found, w = mean_weight(log_w), np.exp(log_w - 700)
    assert found.value == pytest.approx(700 + np.log(w.mean()))
    assert found.stderr == pytest.approx(w.std(ddof=1) / np.sqrt(50) / w.mean())
    assert found.effective == pytest.approx(w.sum() ** 2 / (w**2).sum())
    assert mean_weight(np.zeros(1)).stderr == np.inf
    for bad in (np.nan, np.inf):
        assert np.isnan(mean_weight(np.array([0.0, bad])).value)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bernoulli", "gaussian"])
def test_a_path_that_goes_nowhere_has_no_variance(kind):
    model = RBMS[f"rbm-{kind}-bernoulli"]
    rows = jax.random.bernoulli(KEY, 0.5, (20, model.layers["v"].size)).astype(jnp.float32)
    base = base_for(model, rows)
    there = forward(base, base, KEY, 10, 20)
    # an Independent model is one block: all layers are held
    np.testing.assert_allclose(there.log_w, 0.0, atol=1e-5)
    np.testing.assert_allclose(reverse(base, base, KEY, there.end, 20).log_w, 0.0, atol=1e-5)
    still = RBM(*model.layers.values(), key=KEY, scale=0.0)  # no weights: the base itself, hidden units summed out
    two_sided = log_partition(still, key=KEY, method="two_sided", **FAST)
    assert two_sided.stderr < 0.1
    assert two_sided.lower <= float(exact_log_partition(still)) <= two_sided.upper


@pytest.mark.slow
@pytest.mark.parametrize("visible", VISIBLE)
def test_ais_lies_below_and_reverse_ais_above(visible):
    model = tiny_rbm(visible, "bernoulli", seed=5)
    exact = log_partition(model)
    assert (exact.kind, exact.stderr, exact.verdict) == ("exact", 0.0, "trust")
    below = log_partition(model, key=KEY, method="ais", **FAST)
    above = log_partition(model, key=KEY, method="reverse_ais", **FAST)
    assert (below.kind, below.upper, above.kind, above.lower) == ("lower", np.inf, "upper", -np.inf)
    assert below.lower == below.value
    assert above.upper == above.value
    assert below.value - ERRORS * below.stderr < exact.value < above.value + ERRORS * above.stderr
    both = log_partition(model, key=KEY, method="two_sided", **FAST)
    assert both.kind == "interval"
    assert both.lower <= exact.value <= both.upper
    assert both.gap < 0.5
    assert both.verdict == "trust"


@pytest.mark.slow
def test_few_temperatures_give_bounds_on_their_sides():
    """Two temperatures for a machine far from its base: the error that is left has a sign."""
    model = tiny_rbm("bernoulli", "bernoulli", seed=3)
    model = eqx.tree_at(lambda m: m.W, model, 4 * model.W)
    exact = log_partition(model).value
    few = {"method": "ais", "chains": 2, "temperatures": 2}
    lows = [log_partition(model, key=jax.random.key(i), **few).value for i in range(30)]
    mean, error = np.mean(lows), np.std(lows) / np.sqrt(30)
    assert mean < exact + 3.3 * error


# ---- which method, and what it says --------------------------------------------------------------------------


def test_auto_is_exact_where_it_can_be(monkeypatch):
    assert log_partition(MODEL).method == "enumeration"
    monkeypatch.setattr(importlib.import_module("harmonium.evaluation.partition"), "AUTO_LIMIT", 1)
    with pytest.raises(InputError, match="pass key="):
        log_partition(MODEL)
    estimate = log_partition(MODEL, key=KEY, **FAST)
    assert (estimate.kind, estimate.method) == ("interval", "AIS and reverse AIS")
    assert estimate.settings["chains"] == FAST["chains"]
    assert len(estimate.settings["seed"]) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [({"method": "guess"}, "no method 'guess'"), ({"method": "ais"}, "pass key="),
     ({"method": "ais", "key": KEY, "chains": 1}, "at least 2 chains"),
     ({"method": "ais", "key": KEY, "temperatures": 0}, "1 temperature"),
     ({"method": "two_sided", "key": KEY, "burn_in": 0}, "burn_in=0")],
)  # fmt: skip
def test_bad_usage_is_refused(options, said):
    with pytest.raises(InputError, match=said):
        log_partition(MODEL, **options)


def test_an_enumeration_too_large_is_refused():
    with pytest.raises(InputError, match="method='two_sided'"):
        log_partition(RBM(Bernoulli(60), Bernoulli(40), key=KEY), method="exact")


def two_modes(weight: float, tilt: float) -> RBM:
    """All ones or all zeros; `log Z` is `log(1 + e^tilt)` for large weights."""
    n = 12
    model = RBM(Bernoulli(n), Bernoulli(n), key=KEY, scale=0.0)
    arrays = (jnp.full((n, n), 4 * weight), jnp.full(n, -2 * weight * n + tilt / n), jnp.full(n, -2 * weight * n))
    return eqx.tree_at(lambda m: (m.W, m.b, m.c), model, arrays)


@pytest.mark.slow
@pytest.mark.parametrize("data", ["none", "both"])
@pytest.mark.parametrize(("weight", "tilt"), [(0.3, 0.0), (0.3, 3.0), (1.0, 3.0)])
def test_a_mode_that_annealing_misses_is_no_confident_wrong_number(weight, tilt, data):
    model = two_modes(weight, tilt)
    rows = None if data == "none" else jnp.repeat(jnp.array([0.0, 1.0]), 12 * 20).reshape(40, 12)
    found = log_partition(model, key=KEY, method="two_sided", data=rows, **FAST)
    inside = found.lower - 0.1 <= log_partition(model).value <= found.upper + 0.1
    assert inside or found.verdict.startswith("do not report")


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"method": "two_sided", "key": KEY} | FAST])
def test_a_model_that_cannot_be_normalised_is_told(options):
    model = RBM(Gaussian(3), Gaussian(2), key=KEY, scale=3.0)
    found = log_partition(model, **options)
    assert found.verdict.startswith("do not report")
    likely = log_likelihood(model, np.ones((4, 3)), **options)
    assert likely.verdict.startswith("do not report")
    assert "do not report" in str(likely)


# ---- likelihoods ---------------------------------------------------------------------------------------------


def test_a_likelihood_is_the_mean_of_its_values():
    found = log_likelihood(MODEL, ROWS)
    every = [[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    total = np.exp(log_likelihood(MODEL, np.array(every, np.float32)).per_example).sum()
    assert total == pytest.approx(1.0, abs=1e-5)
    assert found.value == pytest.approx(found.per_example.mean())
    assert found.stderr == pytest.approx(found.per_example.std(ddof=1) / np.sqrt(3))
    assert (found.kind, found.n, found.space.support) == ("exact", 3, "binary")
    assert log_likelihood(MODEL, ROWS[:1]).stderr == np.inf


def test_bounds_change_sides():
    low = log_likelihood(MODEL, ROWS, key=KEY, method="reverse_ais", **FAST)
    high = log_likelihood(MODEL, ROWS, key=KEY, method="ais", **FAST)
    both = log_likelihood(MODEL, ROWS, key=KEY, method="two_sided", **FAST)
    assert (low.kind, high.kind) == ("lower", "upper")
    assert low.lower == pytest.approx(low.value)
    assert high.upper == pytest.approx(high.value)
    assert both.lower <= log_likelihood(MODEL, ROWS).value <= both.upper


def test_rows_are_taken_in_chunks(monkeypatch):
    rows = np.random.default_rng(0).integers(0, 2, (25, 3)).astype(np.uint8)
    whole = free_energies(MODEL, rows)
    seen = []
    module = importlib.import_module("harmonium.evaluation.likelihood")
    real = module._free_energies
    monkeypatch.setattr(module, "ROWS", 10)
    monkeypatch.setattr(module, "_free_energies", lambda m, v: seen.append(len(v)) or real(m, v))
    np.testing.assert_allclose(free_energies(MODEL, rows), whole, rtol=1e-5)
    assert seen == [10, 10, 5]
    assert whole.dtype == np.float64


@pytest.mark.parametrize(
    ("rows", "said"),
    [(ROWS * 0.5, "the data is grey"), (ROWS[:, :2], "3 columns"), (ROWS[:0], "3 columns"),
     (ROWS[0], "3 columns"), (np.full((2, 3), np.nan), "nan in row 0, column 0, which means missing")],
)  # fmt: skip
def test_bad_rows_are_refused(rows, said):
    with pytest.raises(InputError, match=said):
        log_likelihood(MODEL, rows)


def test_a_dataset_stands_for_its_test_rows():
    data = from_arrays(ROWS, test=ROWS[:2])
    found = log_likelihood(MODEL, data)
    assert (found.n, found.space.split) == (2, "test")
    with pytest.raises(InputError, match="no test rows"):
        log_likelihood(MODEL, from_arrays(ROWS))


def test_independent_units_are_exact_by_their_own_formula():
    base = Independent({"v": Bernoulli(3)}, {"v": jnp.array([0.5, -1.0, 2.0])})
    assert float(base.log_partition()) == pytest.approx(float(jnp.sum(jax.nn.softplus(base.biases["v"]))))
