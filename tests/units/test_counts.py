"""Counts without a limit: the Poisson law at any rate, what asks for a list of states, and the spaces of counts."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.special
import scipy.stats

import harmonium as hm
from harmonium.errors import InputError
from harmonium.evaluation.rows import space_under
from harmonium.testing.statistics import matches_law
from harmonium.units import Bernoulli, Columns, Conditional, CountStats, Gaussian, Poisson, Rectified, real_columns

KEY = jax.random.key(0)
RATES = np.array([1e-3, 0.4, 3.0, 15.9, 16.1, 40.0, 1e3])
UNIT, ETA = Poisson(len(RATES)), CountStats(jnp.asarray(np.log(RATES), jnp.float32), jnp.ones(len(RATES)))


def expected(f):
    """`E f(x)` at each rate, by summing."""
    found = []
    for rate in RATES:
        x = np.arange(int(rate + 20 * np.sqrt(rate) + 40))
        found.append(scipy.stats.poisson(rate).pmf(x) @ f(x))
    return np.array(found)


def counts(n=400, seed=0):
    """Counts of two columns that are large together."""
    random = np.random.default_rng(seed)
    many = random.integers(2, size=(n, 1))
    return random.poisson([1.0, 2.0] * (1 + 2 * many)).astype(np.float32)


def test_a_poisson_unit_is_the_law_of_its_name():
    law, x = Conditional(UNIT, ETA), jnp.array([0.0, 1.0, 5.0, 16.0, 9.0, 60.0, 1010.0])
    np.testing.assert_allclose(law.log_probs(x), scipy.stats.poisson(RATES).logpmf(x), rtol=5e-6, atol=2e-6)
    assert float(UNIT.log_partition(ETA)) == pytest.approx(RATES.sum(), rel=1e-6)
    np.testing.assert_allclose(law.mean.x, RATES, rtol=2e-6)
    np.testing.assert_allclose(law.mean.log_base, -expected(lambda x: scipy.special.gammaln(x + 1)), rtol=4e-6)
    each = [Conditional(Poisson(1), CountStats(ETA.x[i : i + 1], jnp.ones(1))).entropy for i in range(len(RATES))]
    truth = [float(scipy.stats.poisson(rate).entropy()) for rate in RATES]
    np.testing.assert_allclose(each, truth, atol=4e-7 * 7000)  # the rounding of 1000 log 1000, which cancels


def test_the_slope_of_the_mean_statistics_is_the_covariance():
    found = jax.jacobian(lambda eta: UNIT.mean(CountStats(eta, ETA.log_base)))(ETA.x)
    np.testing.assert_allclose(jnp.diagonal(found.x), RATES, rtol=2e-6)
    slope = -RATES * expected(lambda x: np.log(x + 1))
    np.testing.assert_allclose(jnp.diagonal(found.log_base), slope, rtol=2e-5)


def test_samples_follow_the_law():
    drawn = np.asarray(jax.vmap(UNIT.sample, (0, None))(jax.random.split(KEY, 20_000), ETA))
    for column, rate in zip(drawn.T, RATES, strict=True):
        most = int(rate + 20 * np.sqrt(rate) + 40)
        matches_law(
            np.bincount(column.astype(int), minlength=most), scipy.stats.poisson(rate).pmf(range(most)), "Counts"
        )


def test_a_rate_beyond_float32_leaves_no_nan():
    eta, x = CountStats(jnp.array([70.0, 200.0]), jnp.ones(2)), jnp.array([3.0, 40.0])
    found, slope = jax.value_and_grad(lambda eta: Poisson(2).log_prob(eta, x))(eta)
    assert found < -1e30
    assert np.isfinite(slope.x).all()
    assert Poisson(2).sample(KEY, eta)[1] == np.inf


def test_another_parameter_of_the_base_measure_has_no_answer():
    """`exp(eta x) / x!^2` is no Poisson law, and is not taken for one."""
    assert np.isnan(Poisson(1).log_partition(CountStats(jnp.zeros(1), jnp.full(1, 2.0))))


@pytest.mark.parametrize(
    ("x", "words"),
    [
        ([[0, -1]], "whole numbers from 0, but the data holds -1 in row 0, column 1"),
        ([[0, 0.5]], "0.5 in row 0, column 1: use hm.units.Gaussian"),
        ([[0, np.inf]], "inf in row 0, column 1"),
        ([[0, 1], [np.nan, 0]], "nan in row 1, column 0, which means missing"),
    ],
)
def test_what_is_no_count_is_refused(x, words):
    with pytest.raises(InputError, match=words):
        Poisson(2).check(np.array(x, float))
    with pytest.raises(InputError):
        Poisson(2).check(np.array([[0.0, -0.5]]), expectation=True)
    Poisson(2).check(np.array([[0.0, 0.5]]), expectation=True)
    Poisson(2).check(np.array([[0, 100_000]]))


def test_counts_have_probabilities_and_no_density():
    table = Columns([Poisson(2), Gaussian(1)])
    found = [unit.has_density for unit in (Poisson(2), table, Columns([Poisson(2)]), Gaussian(2), Bernoulli(2))]
    assert found == [False, True, False, True, False]
    assert real_columns(table) == [2]


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_log_likelihoods_of_counts_do_not_compare_with_densities(dtype):
    x = counts(40).astype(dtype)
    as_counts, as_numbers = space_under(Poisson(2), x), space_under(Gaussian(2), x)
    assert "densities" not in (as_counts.measure or "")
    assert "measures differ" in as_counts.why_incomparable(as_numbers)
    a = hm.log_likelihood(hm.RBM(Poisson(2), Bernoulli(2), key=KEY), x)
    b = hm.log_likelihood(hm.RBM(Gaussian(2), Bernoulli(2), key=KEY), x)
    with pytest.raises(InputError, match="measures differ"):
        hm.compare(a, b)


def test_a_table_of_counts_is_learned_and_measured_exactly():
    """Counts of two columns that are large together are two Poisson laws for two states of a hidden unit."""
    data = hm.data.from_arrays(counts(2000), valid=None, test=counts(500, seed=1))
    start = hm.at_marginals(hm.RBM(Poisson(2), Bernoulli(1), key=KEY), data.train)
    np.testing.assert_allclose(np.exp(start.b), (data.train.sum(0) + 1) / (len(data.train) + 1), rtol=1e-4)
    rule, options = hm.objectives.PCD(chains=100), {"epochs": 30, "batch_size": 50, "key": KEY}
    model = hm.fit(start, data, rule, optimizer=optax.adam(0.02), **options).model
    alone, joint = (hm.log_likelihood(m, data.test) for m in (start, model))
    assert joint.kind == "exact"
    laws = [scipy.stats.poisson(rates).logpmf(data.test).sum(1) for rates in ([1.0, 2.0], [3.0, 6.0])]
    truth = np.mean(np.logaddexp(*laws) - np.log(2))
    assert alone.value < truth - 0.25
    assert joint.value > truth - 0.06
    drawn = np.asarray(hm.sample(model, KEY, 500))
    Poisson(2).check(drawn)
    assert np.corrcoef(drawn.T)[0, 1] > 0.15  # 0.4 in the data
    filled = np.asarray(hm.impute(model, KEY, np.repeat([[np.nan, 9.0], [np.nan, 0.0]], 60, axis=0)))
    assert filled[:60, 0].mean() > 1.5 * filled[60:, 0].mean()


def test_log_z_of_counts_is_between_both_estimates():
    model = hm.RBM(Poisson(3), Bernoulli(4), key=KEY, scale=0.4)
    exact = hm.log_partition(model)
    found = hm.log_partition(model, method="two_sided", temperatures=1000, key=KEY)
    assert exact.kind == "exact"
    assert abs(found.value - exact.value) < 4 * found.stderr + 0.02


def test_counts_beside_counts_that_hold_each_other_back_are_estimated():
    model = hm.RBM(Poisson(2), Poisson(2), key=KEY)
    model = hm.models.with_biases(model, {"v": jnp.zeros(2), "h": jnp.zeros(2)})
    object.__setattr__(model, "W", jnp.array([[-0.5, -0.1], [0.0, -0.3]]))
    x = np.stack(np.meshgrid(*[np.arange(25)] * 2, indexing="ij"), -1).reshape(-1, 2)
    truth = scipy.special.logsumexp(
        -scipy.special.gammaln(x + 1).sum(1) + np.exp(x @ np.asarray(model.W, np.float64)).sum(1)
    )
    found = hm.log_partition(model, method="two_sided", temperatures=1000, key=KEY)
    assert abs(found.value - truth) < 4 * found.stderr + 0.02
    with pytest.raises(InputError, match="counts without a limit, cannot be enumerated"):
        hm.log_partition(model, method="exact")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m: hm.log_pseudo_likelihood(m, KEY, jnp.ones(2)), "finitely many states, not Poisson ones"),
        (lambda m: hm.objectives.ScoreMatching()(m, jnp.ones((3, 2)), KEY, None), "Poisson visible units do not allow"),
        (lambda m: hm.objectives.RatioMatching()(m, jnp.ones((3, 2)), KEY, None), "Poisson ones are not: use PCD"),
        (lambda m: hm.samplers.Hamiltonian(m), "real visible units"),
        (lambda m: hm.BoltzmannMachine(Poisson(2), key=KEY), "finitely many states, not Poisson ones"),
    ],
)
def test_what_needs_a_list_or_a_density_refuses_counts(call, words):
    with pytest.raises(InputError, match=words):
        call(hm.RBM(Poisson(2), Bernoulli(2), key=KEY))


def test_densities_with_an_end_have_no_score():
    """The identity that score matching stands on has a term at the end of the half line, which it leaves out."""
    with pytest.raises(InputError, match="Rectified visible units do not allow"):
        hm.objectives.ScoreMatching()(hm.RBM(Rectified(2), Bernoulli(2), key=KEY), jnp.ones((3, 2)), KEY, None)
