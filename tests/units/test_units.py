"""Each unit is the exponential family that it says it is."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.stats

from harmonium.errors import InputError
from harmonium.testing.statistics import FAILURE_RATE, matches_law
from harmonium.units import (
    Bernoulli,
    Binomial,
    Categorical,
    Columns,
    Conditional,
    CountStats,
    Gaussian,
    GaussianBias,
    GaussianStats,
    Spin,
)

RNG = np.random.default_rng(0)


def normal(*shape):
    return jnp.asarray(RNG.normal(size=shape), jnp.float32)


FINITE = {
    "bernoulli": (Bernoulli(3), normal(3)),
    "spin": (Spin(3), normal(3)),
    "categorical": (Categorical(2, states=4), normal(2, 4)),
    "binomial": (Binomial(3, trials=4), CountStats(normal(3), jnp.ones(3))),
}
GAUSSIAN = (Gaussian(3), GaussianStats(normal(3), -jnp.exp(normal(3))))
ALL = FINITE | {"gaussian": GAUSSIAN}

finite = pytest.mark.parametrize(("unit", "eta"), FINITE.values(), ids=FINITE)
every = pytest.mark.parametrize(("unit", "eta"), ALL.values(), ids=ALL)


def table(unit, eta):
    """Every value of a layer `[n, size]` and `<eta, T(x)>` `[n]`, from the definition of the family."""
    index = np.array(list(itertools.product(range(unit.states), repeat=unit.size)))
    if isinstance(unit, Binomial):
        base = np.log(scipy.special.comb(unit.trials, index))
        return index, index @ np.asarray(eta.x, np.float64) + base @ np.asarray(eta.log_base, np.float64)
    eta = np.asarray(eta, np.float64)
    if isinstance(unit, Categorical):
        return index, eta[np.arange(unit.size), index].sum(axis=1)
    x = index if isinstance(unit, Bernoulli) else 2 * index - 1
    return x, x @ eta


def close(actual, expected, tolerance=1e-5):
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@finite
def test_log_partition_and_entropy_of_finite_units(unit, eta):
    _, weight = table(unit, eta)
    log_partition = np.log(np.exp(weight).sum())
    p = np.exp(weight - log_partition)
    close(unit.log_partition(eta), log_partition)
    close(unit.entropy(eta), -np.sum(p * np.log(p)))


def test_log_partition_and_entropy_of_gaussian_units():
    unit, eta = GAUSSIAN
    x = np.linspace(-60, 60, 200_001)[:, None]
    mass = np.exp(np.asarray(eta.x) * x + np.asarray(eta.square) * x**2).sum(axis=0) * (x[1] - x[0])
    close(unit.log_partition(eta), np.log(mass).sum())
    close(unit.entropy(eta), scipy.stats.norm(scale=np.sqrt(-0.5 / np.asarray(eta.square))).entropy().sum())


@every
def test_mean_is_the_slope_of_the_log_partition(unit, eta):
    for at in (eta, unit.neutral_natural(), jax.tree.map(lambda x: 60 * x, eta)):  # ties and saturation included
        close(unit.mean(at), jax.grad(unit.log_partition)(at))


@every
def test_mean_and_natural_parameters_are_inverse(unit, eta):
    mean = unit.mean(eta)
    close(unit.mean(unit.natural_from_mean(mean)), mean)
    if not isinstance(unit, Categorical):  # whose natural parameters are known up to a constant
        close(unit.natural_from_mean(mean), eta, 1e-4)


@every
def test_bias_and_natural_parameters_are_inverse(unit, eta):
    close(unit.natural(unit.bias(eta)), eta)


def test_a_gaussian_bias_is_mean_and_log_precision():
    bias = GaussianBias(jnp.array([2.0]), jnp.log(jnp.array([4.0])))
    mean = Gaussian(1).mean(Gaussian(1).natural(bias))
    close(mean, GaussianStats(np.array([2.0]), np.array([4.25])))
    close(Gaussian(1).interaction(Gaussian(1).stats(jnp.array([3.0])), bias), np.array([12.0]))


@finite
def test_samples_of_finite_units_follow_the_law(unit, eta):
    x, weight = table(unit, eta)
    keys = jax.random.split(jax.random.key(1), 2**14)
    drawn = np.asarray(jax.jit(jax.vmap(unit.sample, (0, None)))(keys, eta))
    assert drawn.dtype == unit.dtype
    counts = (drawn[:, None] == x[None]).all(axis=2).sum(axis=0)
    assert counts.sum() == len(drawn)
    matches_law(counts, np.exp(weight) / np.exp(weight).sum(), type(unit).__name__)


def test_samples_of_gaussian_units_follow_the_law():
    unit, eta = GAUSSIAN
    keys = jax.random.split(jax.random.key(1), 2**13)
    drawn = np.asarray(jax.jit(jax.vmap(unit.sample, (0, None)))(keys, eta))
    precision = -2 * np.asarray(eta.square)
    law = scipy.stats.norm(np.asarray(eta.x) / precision, 1 / np.sqrt(precision))
    p = [scipy.stats.kstest(u, "uniform").pvalue for u in law.cdf(drawn).T]
    assert min(p) > FAILURE_RATE / unit.size
    assert np.abs(np.corrcoef(drawn.T) - np.eye(3)).max() < 0.06


@every
def test_zeros_and_reference_have_the_form_of_statistics(unit, eta):
    stats = unit.stats(unit.sample(jax.random.key(0), eta))
    for same in (unit.zeros(), unit.neutral_natural(), unit.mean(eta)):
        assert jax.tree.structure(same) == jax.tree.structure(stats)
        assert [x.shape for x in jax.tree.leaves(same)] == [x.shape for x in jax.tree.leaves(stats)]
    assert all(not leaf.any() for leaf in jax.tree.leaves(unit.zeros()))
    assert np.isfinite(unit.log_partition(unit.neutral_natural()))
    assert unit.interaction(stats, unit.bias(eta)).shape == (unit.width,)


@finite
def test_a_conditional_sums_to_one(unit, eta):
    law = Conditional(unit, eta)
    x = jnp.asarray(table(unit, eta)[0], unit.dtype)
    log_prob = np.asarray(jax.vmap(law.log_prob)(x), np.float64)
    close(np.exp(log_prob).sum(), 1.0)
    close(law.entropy, -np.exp(log_prob) @ log_prob)
    assert (law.sample(jax.random.key(0)) == unit.sample(jax.random.key(0), eta)).all()


def test_the_density_of_a_gaussian_conditional():
    unit, eta = GAUSSIAN
    precision = -2 * np.asarray(eta.square)
    law = scipy.stats.norm(np.asarray(eta.x) / precision, 1 / np.sqrt(precision))
    x = np.array([0.3, -1.0, 2.0], np.float32)
    close(Conditional(unit, eta).log_prob(jnp.asarray(x)), law.logpdf(x).sum())
    close(Conditional(unit, eta).entropy, law.entropy().sum())


@pytest.mark.parametrize("columns", [False, True])
def test_a_density_far_from_zero_keeps_its_digits(columns):
    """The squares of the means are 1e8 times the variance: as <eta, T(x)> - A(eta) they would leave no digit."""
    unit = Columns([Gaussian(2)]) if columns else Gaussian(2)
    bias = GaussianBias(jnp.array([1e4, -50.0]), jnp.log(jnp.array([1.0, 4e4])))
    law, x = scipy.stats.norm([1e4, -50], [1, 0.005]), np.array([1e4 + 1.5, -50 + 2**-8])
    found = Conditional(unit, unit.natural((bias,) if columns else bias))
    assert float(found.log_prob(jnp.asarray(x, jnp.float32))) == pytest.approx(law.logpdf(x).sum(), abs=5e-3)
    assert float(found.log_probs(jnp.asarray(x, jnp.float32)).sum()) == pytest.approx(law.logpdf(x).sum(), abs=5e-3)
    if not columns:
        assert float(found.entropy) == pytest.approx(law.entropy().sum(), abs=1e-5)


@pytest.mark.parametrize(
    ("unit", "x", "words"),
    [
        (Bernoulli(2), [[0, 1], [0, 0.5]], "grey.*0.5 in row 1, column 1.*binarize='fixed'"),
        (Bernoulli(2), [[0, 255]], "255 in row 0, column 1.*scale it to"),
        (Spin(2), [[1, 0]], r"-1 and \+1.*0 in row 0, column 1.*2 x - 1"),
        (Categorical(2, states=3), [[0, 3]], "from 0 to 2.*3 in row 0, column 1.*raise `states`"),
        (Categorical(2, states=3), [[0.5, 1]], "0.5 in row 0, column 0"),
        (Categorical(2, states=3), [[-1, 1]], "-1 in row 0, column 0"),
        (Binomial(2, trials=3), [[0, 4]], "from 0 to 3.*4 in row 0, column 1.*raise `trials`"),
        (Binomial(2, trials=3), [[0.5, 1]], "0.5 in row 0, column 0"),
        (Binomial(2, trials=3), [[0, 1], [-1, 1]], "-1 in row 1, column 0"),
        (Binomial(2, trials=3), [[np.nan, 1]], "nan in row 0, column 0, which means missing"),
        (Gaussian(2), [[0, np.nan]], "finite.*nan in row 0, column 1"),
        (Gaussian(2), [[np.inf, 0]], "finite.*inf in row 0, column 0"),
    ],
)
def test_values_outside_the_range_are_refused_with_the_cure(unit, x, words):
    with pytest.raises(InputError, match=words):
        unit.check(np.array(x))


@pytest.mark.parametrize(
    ("unit", "x", "expectation"),
    [
        (Bernoulli(2), [[0, 1]], False),
        (Bernoulli(2), [[0, 0.5]], True),
        (Spin(2), [[-1, 1]], False),
        (Spin(2), [[-0.5, 1]], True),
        (Categorical(2, states=3), [[0, 2]], False),
        (Binomial(2, trials=3), [[0, 3]], False),
        (Binomial(2, trials=3), [[0.5, 3]], True),
        (Gaussian(2), [[-3.5, 1e6]], False),
    ],
)
def test_values_inside_the_range_are_taken(unit, x, expectation):
    unit.check(np.array(x), expectation=expectation)


@pytest.mark.parametrize(
    ("unit", "x"), [(Bernoulli(2), [[0, 1.5]]), (Spin(2), [[0, 1.5]]), (Binomial(2, trials=3), [[0, 3.5]])]
)
def test_expectations_have_a_range_too(unit, x):
    with pytest.raises(InputError):
        unit.check(np.array(x), expectation=True)


def test_a_batch_where_one_configuration_belongs_is_refused():
    with pytest.raises(InputError, match=r"Layer 'v'.*\(3,\), not \(5, 3\).*jax.vmap"):
        Bernoulli(3).check_shape(jnp.zeros((5, 3)), "v")


def test_a_binomial_unit_is_the_sum_of_its_trials():
    """Against scipy's, at any log-odds; one trial is a Bernoulli unit."""
    eta = jnp.array([-2.0, 0.3, 40.0])
    law, bits = Conditional(Binomial(3, trials=6), CountStats(eta, jnp.ones(3))), Conditional(Bernoulli(3), eta)
    x = jnp.array([0.0, 4.0, 6.0])
    close(law.log_probs(x), scipy.stats.binom(6, jax.nn.sigmoid(eta)).logpmf(x), 1e-5)
    close(law.mean.x, 6 * np.asarray(bits.mean))
    one = Conditional(Binomial(3, trials=1), CountStats(eta, jnp.ones(3)))
    close(one.log_probs(jnp.array([0.0, 1.0, 1.0])), bits.log_probs(jnp.array([0.0, 1.0, 1.0])))


@pytest.mark.parametrize("trials", [0, -1, 2.5, "many"])
def test_trials_are_a_whole_number(trials):
    with pytest.raises(InputError, match="one trial or more, not trials="):
        Binomial(2, trials=trials)


def test_real_units_have_no_list_of_states():
    with pytest.raises(InputError, match="no list of states"):
        Gaussian(1).values(jnp.zeros(1, jnp.int32))


class TestPrecision:
    """How the precision of Gaussian units is learned: each its own, one for all, or as it stands."""

    @staticmethod
    def trained(precision: str) -> np.ndarray:
        import harmonium as hm

        rows = np.random.default_rng(0).normal(size=(400, 3)) * [0.5, 1.0, 2.0] / np.sqrt(1.75)
        rbm = hm.RBM(Gaussian(3, np.zeros(3), np.ones(3), precision=precision), Bernoulli(2), key=jax.random.key(0))
        rule, options = hm.objectives.PCD(chains=50), {"epochs": 60, "batch_size": 50, "key": jax.random.key(1)}
        model = hm.fit(rbm, rows, rule, optimizer=optax.adam(0.02), monitor=False, **options).model
        assert model.visible.precision == precision
        return np.exp(np.asarray(model.b.log_precision))

    def test_of_each_unit(self):
        found = self.trained("own")
        assert found[0] > 2 * found[2]

    def test_of_all_units(self):
        found = self.trained("shared")
        np.testing.assert_allclose(found, found[0], rtol=1e-5)
        assert abs(found[0] - 1) > 0.02

    def test_that_is_not_learned(self):
        np.testing.assert_array_equal(self.trained("fixed"), 1.0)

    def test_starting_biases_that_share_it_have_the_mean_variance(self):
        import harmonium as hm

        rows = np.random.default_rng(0).normal(size=(4000, 2)) * [1.0, 3.0]
        rbm = hm.RBM(Gaussian(2, precision="shared"), Bernoulli(2), key=jax.random.key(0))
        b = hm.at_marginals(rbm, rows).b
        np.testing.assert_allclose(b.log_precision, b.log_precision[0], rtol=1e-6)

    def test_of_another_name(self):
        with pytest.raises(InputError, match="'own', 'shared' or 'fixed', not 'none'"):
            Gaussian(2, precision="none")

    def test_it_is_kept_by_what_is_made_of_the_unit_and_by_files(self, tmp_path):
        import harmonium as hm

        unit = Gaussian(2, precision="fixed")
        assert unit.placed(np.zeros(2), np.ones(2)).precision == "fixed"
        assert unit.sized(5).precision == unit.joined([unit]).precision == "fixed"
        rbm = hm.RBM(unit, Bernoulli(2), key=jax.random.key(0))
        assert hm.load(hm.save(rbm, tmp_path / "m")).visible.precision == "fixed"
