"""`log Z` and likelihoods of machines whose units act on each other, against sums over every state."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from examples import MACHINES
from harmonium.evaluation import base_for, forward, likelihood, log_likelihood, log_partition, reverse
from harmonium.evaluation.annealed import visible_block
from harmonium.models import BoltzmannMachine
from harmonium.testing.enumeration import list_states
from harmonium.units import Bernoulli

KEY = jax.random.key(0)
FAST = {"chains": 200, "temperatures": 100, "burn_in": 50}
ERRORS = 4.0  # standard errors; with 10 one-sided statements a failure in less than 1e-3 of seeds
NAMES = ["machine-visible", "machine-semi-restricted", "machine-dense", "machine-hidden", "machine-categorical"]


def test_the_chains_hold_what_cannot_be_summed_out():
    held = {name: visible_block(MACHINES[name]) for name in NAMES}
    assert held["machine-visible"] == ("v",)
    assert held["machine-semi-restricted"] == ("v",)
    assert held["machine-dense"] == ("v", "h")
    assert held["machine-hidden"] == ("v", "h")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_ais_lies_below_and_reverse_ais_above(name):
    model = MACHINES[name]
    exact = list_states(model).log_partition[0]
    assert log_partition(model).value == pytest.approx(exact, rel=1e-5)
    below = log_partition(model, key=KEY, method="ais", **FAST)
    above = log_partition(model, key=KEY, method="reverse_ais", **FAST)
    assert below.value - ERRORS * below.stderr < exact < above.value + ERRORS * above.stderr
    both = log_partition(model, key=KEY, method="two_sided", **FAST)
    assert both.lower <= exact <= both.upper
    assert both.gap < 0.5
    assert both.verdict == "trust"


def test_a_path_that_goes_nowhere_has_no_variance():
    model = BoltzmannMachine(Bernoulli(3), Bernoulli(2), key=KEY, scale=0.0)
    base = base_for(model, jax.random.bernoulli(KEY, 0.5, (20, 3)).astype(jnp.float32))
    model = eqx.tree_at(lambda m: (m.b, m.c), model, (base.biases["v"], base.biases["h"]))
    there = forward(model, base, KEY, 10, 20)
    np.testing.assert_allclose(there.log_w, 0.0, atol=1e-5)
    np.testing.assert_allclose(reverse(model, base, KEY, there.end, 20).log_w, 0.0, atol=1e-5)


@pytest.mark.parametrize("name", ["machine-visible", "machine-semi-restricted", "machine-hidden"])
def test_likelihoods_are_exact_and_sum_to_one(name):
    model = MACHINES[name]
    v = np.unique(list_states(model).values["v"][0], axis=0)
    found = log_likelihood(model, v)
    assert (found.kind, found.n) == ("exact", len(v))
    assert np.exp(found.per_example).sum() == pytest.approx(1.0, abs=1e-5)


def test_a_machine_with_too_many_hidden_states_gets_a_lower_bound(monkeypatch):
    model = MACHINES["machine-dense"]
    v = np.unique(list_states(model).values["v"][0], axis=0)
    exact = log_likelihood(model, v)
    monkeypatch.setattr(likelihood, "HIDDEN_LIMIT", 0)
    jax.clear_caches()
    bound = log_likelihood(model, v)
    assert (bound.kind, bound.upper) == ("lower", np.inf)
    assert exact.value - 0.3 < bound.value < exact.value
