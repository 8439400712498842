"""How likely sequences are under machines with a `log Z` for each context: exactly, and from both sides."""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import harmonium as hm
from examples import CONTEXTS, randomised
from harmonium.errors import IncomparableError, InputError
from harmonium.evaluation import count_values, per_frame
from harmonium.evaluation.annealed_contexts import short_estimate
from harmonium.models import RNNRBM, RTRBM, ReplicatedSoftmax
from harmonium.training import Best
from harmonium.units import Bernoulli, Frames, Gaussian, Poisson, Words

KEY = jax.random.key(0)
LARGE = randomised(RTRBM(Frames(Bernoulli(20), 4), Bernoulli(18), key=KEY), 1, 0.3)
ROLLS = np.random.default_rng(0).integers(0, 2, (6, 80))
ROLLS[:3, 40:] = -1


def test_both_ends_hold_the_exact_value():
    """Of a machine whose 2^12 codes are summed, with weights that matter."""
    model = randomised(RNNRBM(Frames(Bernoulli(15), 3), Bernoulli(12), 4, key=KEY), 2, 0.4)
    rows = np.asarray(hm.sample(model, KEY, 5, steps=50))
    exact = hm.log_likelihood(model, rows)
    assert exact.kind == "exact"
    assert exact.settings["values"] == 15
    found = hm.log_likelihood(model, rows, method="two_sided", key=KEY, chains=50, temperatures=300)
    assert found.lower <= exact.value <= found.upper
    assert found.gap < 0.5
    assert found.settings["effective_chains"] > 10
    np.testing.assert_allclose(found.per_example, exact.per_example, atol=0.5)


def test_few_temperatures_leave_a_gap_that_more_of_them_close():
    wide = hm.log_likelihood(LARGE, ROLLS, key=KEY, chains=5, temperatures=3, burn_in=5)
    close = hm.log_likelihood(LARGE, ROLLS, key=KEY, chains=20, temperatures=200)
    assert wide.kind == close.kind == "interval"
    assert close.gap < wide.gap / 4
    assert close.verdict == "trust"
    assert max(wide.lower, close.lower) <= min(wide.upper, close.upper)
    assert math.isclose(close.settings["bias_of_the_sum"], 0, abs_tol=0.1)


def test_per_frame_divides_by_what_is_counted():
    found = hm.log_likelihood(LARGE, ROLLS, key=KEY)
    counts = count_values(LARGE, ROLLS)
    assert counts.tolist() == [2, 2, 2, 4, 4, 4]
    each = per_frame(found, counts)
    np.testing.assert_allclose(each.value, found.value * 6 / 18)
    assert each.quantity == "log_likelihood_per_frame"
    model = CONTEXTS["crbm-frames"]
    assert count_values(model, np.ones((1, 8))).tolist() == [3]


def test_an_exact_value_is_refused_where_it_would_take_too_long():
    with pytest.raises(InputError, match=r"2\.62e\+05 states of this RTRBM .* method='two_sided' and a key"):
        hm.log_prob(LARGE, ROLLS)
    with pytest.raises(InputError, match=r"pass key=jax\.random\.key"):
        hm.log_likelihood(LARGE, ROLLS)
    with pytest.raises(InputError, match="at least 2 chains"):
        hm.log_likelihood(LARGE, ROLLS, key=KEY, chains=1)
    with pytest.raises(InputError, match="Row 0 has no value that this ConditionalRBM says something of"):
        hm.log_likelihood(CONTEXTS["crbm-frames"], np.array([[1, 0, -1, -1, -1, -1, -1, -1]]))


@pytest.mark.slow
def test_a_deep_machine_of_documents_has_a_bound():
    """Whose posterior over 2^34 codes is bounded by mean field, a sum over half of them too long."""
    words, small, large = Words(6, most=8), [Bernoulli(8), Bernoulli(4)], [Bernoulli(17), Bernoulli(17)]
    rows = np.random.default_rng(2).multinomial(8, np.ones(6) / 6, 5)
    model = randomised(ReplicatedSoftmax(words, small, key=KEY), 4, 0.2)
    exact = hm.log_likelihood(model, rows)
    both = hm.log_likelihood(model, rows, method="two_sided", key=KEY)
    assert (exact.kind, both.kind) == ("exact", "interval")
    assert both.lower <= exact.value <= both.upper
    deep = randomised(ReplicatedSoftmax(words, large, key=KEY), 5, 0.1)
    bound = hm.log_likelihood(deep, rows, key=KEY)
    assert bound.kind == "lower"
    assert bound.method.startswith("variational bound with mean field")


def test_densities_are_of_the_datas_own_values():
    rng = np.random.default_rng(1)
    rows = 1e5 + 40 * rng.normal(size=(60, 3))
    model = hm.ConditionalRBM(Frames(Gaussian(1), 3), Bernoulli(2), order=1, key=KEY)
    near = hm.fit(model, (rows - 1e5) / 40, hm.objectives.CD(), epochs=3, batch_size=10, key=KEY).model
    far = hm.fit(model, rows, hm.objectives.CD(), epochs=3, batch_size=10, key=KEY).model
    expected = hm.log_likelihood(near, (rows - 1e5) / 40).value - 2 * math.log(40)  # two frames of three are counted
    assert math.isclose(hm.log_likelihood(far, rows).value, expected, abs_tol=1e-2)
    assert math.isclose(hm.log_prob(far, rows).mean(), expected, abs_tol=1e-2)


def test_validation_sequences_choose_the_epoch():
    model = RTRBM(Frames(Bernoulli(3), 4), Bernoulli(4), key=KEY)
    rows = np.random.default_rng(3).integers(0, 2, (40, 12))
    best = Best(rows[:10])
    data = hm.data.from_arrays(rows[10:], rows[:10])
    run = hm.fit(model, data, hm.objectives.CD(), epochs=4, batch_size=10, key=KEY, callbacks=[best])
    assert len(best.values) == 4
    assert best.value == max(best.values)
    exact = hm.log_likelihood(best.model, rows[:10]).value
    assert abs(best.value - exact) < 0.1
    assert math.isfinite(run.metrics[-1]["log_pseudo_likelihood_valid"])
    assert short_estimate(best.model, rows[:10], KEY) != best.value  # another key, another estimate


def test_what_is_given_makes_a_conditional_likelihood_that_compares_with_no_other():
    """Rows of `[x, v]`, of which only `v` is modelled, are the same rows as those of an RBM of both."""
    rows = np.random.default_rng(6).integers(0, 2, (20, 4)).astype(float)
    given = hm.ConditionalRBM(Bernoulli(2), Bernoulli(2), given=Bernoulli(2), key=KEY)
    other = hm.ConditionalRBM(Bernoulli(3), Bernoulli(2), given=Bernoulli(1), key=KEY)
    joint = hm.RBM(Bernoulli(4), Bernoulli(2), key=KEY)
    found = hm.log_likelihood(given, rows)
    assert found.quantity == "conditional_log_likelihood"
    with pytest.raises(IncomparableError, match="A conditional_log_likelihood and a log_likelihood"):
        hm.compare(found, hm.log_likelihood(joint, rows))
    with pytest.raises(IncomparableError, match="examples themselves differ"):
        hm.compare(found, hm.log_likelihood(other, rows))
    assert hm.compare(found, hm.log_likelihood(given, rows)) == "inconclusive"
    frames = Frames(Bernoulli(1), 4)
    orders = [hm.ConditionalRBM(frames, Bernoulli(2), order=order, key=KEY) for order in (1, 2)]
    first, second = (hm.log_likelihood(model, rows) for model in orders)
    with pytest.raises(IncomparableError):
        hm.compare(first, second)
    assert hm.log_likelihood(RTRBM(frames, Bernoulli(2), key=KEY), rows).quantity == "log_likelihood"
    assert per_frame(first, count_values(orders[0], rows)).value > first.value


def test_words_in_their_order_do_not_compare_with_counts():
    rows = np.array([[1, 0, 2], [2, 1, 1]])
    words = hm.log_likelihood(ReplicatedSoftmax(Words(3, most=5), Bernoulli(2), key=KEY), rows)
    counts = hm.log_likelihood(hm.RBM(Poisson(3), Bernoulli(2), key=KEY), rows)
    with pytest.raises(IncomparableError, match="measures differ"):
        hm.compare(words, counts)


def test_a_machine_without_partition_functions_has_no_number():
    wild = RTRBM(Frames(Gaussian(2), 3), Gaussian(2), key=KEY, scale=9.0)
    rows = np.random.default_rng(7).normal(size=(4, 6))
    for method in ("auto", "two_sided", "exact"):
        found = hm.log_likelihood(wild, rows, method=method, key=KEY if method != "exact" else None)
        assert found.verdict.startswith("do not report: the model cannot be normalised")
        assert math.isnan(found.value)
    with pytest.raises(InputError, match="has no probabilities: the model cannot be normalised"):
        hm.log_prob(wild, rows)


def test_a_mode_that_annealing_misses_shows_as_a_gap_where_the_rows_are_in_it():
    """Two modes, all units off and all on, of which annealing from the machine's own biases finds the first alone."""
    model = RTRBM(Frames(Bernoulli(16), 1), Bernoulli(14), key=KEY, scale=0.0)
    model = eqx.tree_at(
        lambda m: (m.rbm.W, m.rbm.b, m.rbm.c), model,
        (jnp.full((16, 14), 4.0), jnp.full(16, -28.0), jnp.full(14, -31.7)),
    )  # fmt: skip
    rows = np.ones((3, 16))
    exact = hm.log_likelihood(model, rows, method="exact")
    few = hm.log_likelihood(model, rows, method="two_sided", key=KEY, chains=10, temperatures=20, burn_in=5)
    assert few.lower <= exact.value + 0.01
    assert few.gap > 1
    assert few.verdict.startswith("do not report")


def test_rows_too_short_are_named_and_others_are_not_refused_for_them():
    model = CONTEXTS["crbm-frames"]
    long, short = [1, 0, 1, 1, -1, -1, -1, -1], [1, 0, -1, -1, -1, -1, -1, -1]
    with pytest.raises(InputError, match="Row 1 has no value"):
        hm.log_likelihood(model, np.array([long, short]))
    assert math.isfinite(hm.log_likelihood(model, np.array([long, long])).value)
