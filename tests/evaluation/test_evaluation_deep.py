"""Bounds of deep machines and belief nets, against sums over every state."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from examples import DBMS, randomised
from harmonium.errors import InputError
from harmonium.evaluation import likelihood, log_likelihood, log_partition
from harmonium.evaluation.importance import belief_net_bound
from harmonium.inference import exact_log_partition, free_energy
from harmonium.models import DBM, DBN
from harmonium.samplers import sample
from harmonium.testing.enumeration import list_states
from harmonium.testing.statistics import matches_law
from harmonium.units import Bernoulli, Categorical

KEY = jax.random.key(0)
BITS = np.array(list(itertools.product([0.0, 1.0], repeat=3)), np.float32)
NET = randomised(DBN(Bernoulli(3), [Bernoulli(2), Bernoulli(2)], key=KEY, scale=0.0), 5, 1.0)
LABELLED = randomised(DBN(Bernoulli(3), [Bernoulli(2), Bernoulli(2)], Categorical(1, states=3), key=KEY), 6, 1.0)


def exact_law(net: DBN) -> np.ndarray:
    """`p(v)` of every visible state: sum over `h1` of the link's probability times the top machine's."""
    h = np.array(list(itertools.product([0.0, 1.0], repeat=2)), np.float32)
    top = list_states(net.top)
    index = (top.values["v"][0] @ np.array([2, 1])).astype(int)
    prior = np.bincount(index, top.probability[0])
    up = scipy.special.expit(h @ np.asarray(net.down[0].W).T + np.asarray(net.down[0].b))
    given = np.prod(np.where(BITS[:, None] == 1, up, 1 - up), axis=-1)
    return given @ prior


@pytest.mark.parametrize("net", [NET, LABELLED], ids=["plain", "labelled"])
def test_the_importance_weighted_bound_rises_to_the_exact_value(net):
    exact = np.log(exact_law(net))
    one = log_likelihood(net, np.tile(BITS, (200, 1)), key=KEY, samples=1)
    many = log_likelihood(net, BITS, key=KEY, samples=20_000)
    each = one.per_example.reshape(200, 8)
    assert one.kind == many.kind == "lower"
    below = exact - each.mean(axis=0)
    assert (below > -4 * each.std(axis=0) / np.sqrt(200)).all()
    np.testing.assert_allclose(np.exp(many.per_example), np.exp(exact), rtol=0.05)
    assert one.value < many.value


def test_one_weight_is_unbiased():
    """The mean of `exp(bound)` over draws is `p(v)`."""
    rows = np.tile(BITS, (4000, 1))
    found = log_likelihood(NET, rows, key=KEY, samples=1)
    w = np.exp(found.per_example.reshape(4000, 8))
    z = (w.mean(axis=0) - exact_law(NET)) / (w.std(axis=0) / np.sqrt(len(w)))
    assert np.abs(z).max() < 4.0  # two-sided 1e-3 over eight states


def test_samples_of_a_belief_net_follow_its_law():
    drawn = np.asarray(sample(NET, KEY, 4000, steps=30))
    counts = np.bincount((drawn @ np.array([4, 2, 1])).astype(int), minlength=8)
    matches_law(counts, exact_law(NET), "Samples of the belief net")


def test_a_net_of_one_hidden_layer_is_measured_as_its_rbm():
    net = randomised(DBN(Bernoulli(3), [Bernoulli(2)], key=KEY), 7, 1.0)
    expected = [-float(free_energy(net.top, {"v": v})) - float(exact_log_partition(net.top)) for v in jnp.asarray(BITS)]
    found = log_likelihood(net, BITS, key=KEY, samples=1)
    np.testing.assert_allclose(found.per_example, expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["dbm-two-layers", "dbm-labels", "centred-dbm"])
def test_annealing_brackets_the_partition_function_of_a_deep_machine(name):
    exact = log_partition(DBMS[name]).value
    both = log_partition(DBMS[name], key=KEY, method="two_sided", chains=200, temperatures=300, burn_in=50)
    assert both.lower <= exact <= both.upper
    assert both.gap < 0.3


def test_a_large_deep_machine_gets_a_lower_bound_and_a_small_one_the_exact_value(monkeypatch):
    dbm = DBMS["dbm-two-layers"]
    exact = log_likelihood(dbm, BITS)
    assert exact.kind == "exact"
    assert np.exp(exact.per_example).sum() == pytest.approx(1.0, rel=1e-4)
    monkeypatch.setattr(likelihood, "HIDDEN_LIMIT", 0)
    jax.clear_caches()
    bound = log_likelihood(dbm, BITS)
    with pytest.raises(InputError, match=r"'exact' would sum 4 hidden states for each row.* lower bound"):
        log_likelihood(dbm, BITS, method="exact")
    jax.clear_caches()
    assert (bound.kind, bound.sure, bound.upper) == ("lower", True, np.inf)
    assert bound.value == bound.lower <= exact.value
    assert (bound.per_example <= exact.per_example + 1e-5).all()
    assert "variational bound" in bound.method


def test_a_bound_with_log_z_from_below_is_no_bound():
    estimate = likelihood.as_bound(likelihood.Estimate(-80.0, 0.1, "upper", upper=-80.0))
    assert (estimate.kind, estimate.value) == ("unordered", -80.0)


def test_bad_questions_about_a_net_are_refused():
    with pytest.raises(InputError, match="pass key"):
        log_likelihood(NET, BITS)
    with pytest.raises(InputError, match=r"no method 'exact': choose one of auto, ais"):
        log_likelihood(NET, BITS, key=KEY, method="exact")
    with pytest.raises(InputError, match="samples=0"):
        belief_net_bound(NET, BITS, KEY, "auto", samples=0)
    with pytest.raises(InputError, match="3 columns"):
        log_likelihood(NET, np.zeros((2, 5)), key=KEY)


@pytest.mark.slow
def test_deep_machines_of_real_size_run():
    """AIS, its reverse and the bound at 30-20-10, beyond enumeration of the hidden units."""
    dbm = randomised(DBM(Bernoulli(30), [Bernoulli(20), Bernoulli(10)], key=KEY), 8, 0.1)
    rows = jnp.asarray(np.random.default_rng(0).random((50, 30)) < 0.5, jnp.float32)
    exact = log_partition(dbm)
    both = log_partition(dbm, key=KEY, method="two_sided", chains=50, temperatures=200, burn_in=50)
    assert both.lower < exact.value < both.upper
    assert log_likelihood(dbm, rows).kind == "exact"  # 2^10 states of h2 for each row
