"""What the estimator learns and says, against the energy, enumeration, and scikit-learn's own training."""

from __future__ import annotations

import copy
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.stats import chisquare
from sklearn.datasets import load_digits
from sklearn.neural_network import BernoulliRBM as Theirs

import harmonium as hm
from harmonium.sklearn import BernoulliRBM
from harmonium.sklearn.formulas import choose_sites
from harmonium.sklearn.learning import rbm_of
from harmonium.testing import FAILURE_RATE

SEEDS = 8
TOLERANCE = 1.5  # nats between the means of SEEDS runs, whose difference has a standard deviation of 0.46

DIGITS = (load_digits().data > 7).astype(np.float32)
SHUFFLED = DIGITS[np.random.default_rng(0).permutation(len(DIGITS))]  # scikit-learn takes rows in their order
ROWS = np.array(list(itertools.product((0.0, 1.0), repeat=4)))


@pytest.fixture(scope="module")
def trained():
    return BernoulliRBM(10, n_iter=5, random_state=0).fit(DIGITS)


@pytest.fixture
def tiny():
    """Four visible and three hidden units with weights that matter."""
    model = BernoulliRBM(3, n_iter=0, random_state=0).fit(ROWS)
    rng = np.random.default_rng(1)
    model.components_ = rng.normal(0, 1.5, (3, 4))
    model.intercept_visible_, model.intercept_hidden_ = rng.normal(size=4), rng.normal(size=3)
    return model


@pytest.fixture
def law(tiny):
    """The exact probabilities of the 16 rows."""
    free = jax.vmap(lambda v: hm.free_energy(tiny.model_, {"v": v}))(jnp.asarray(ROWS, jnp.float32))
    weights = -np.asarray(free, np.float64)
    return np.exp(weights - np.logaddexp.reduce(weights))


def follows(rows, law):
    """Whether rows of four bits are drawn from the law, by Pearson's test."""
    counts = np.bincount(np.asarray(rows, int) @ [8, 4, 2, 1], minlength=16)
    expected = law * counts.sum()
    common = expected >= 5
    pools = [np.append(x[common], x[~common].sum()) for x in (counts, expected)]
    return chisquare(pools[0] + 1e-9, pools[1] + 1e-9).pvalue > FAILURE_RATE


def test_training_raises_likelihood_and_score(trained):
    start = BernoulliRBM(10, n_iter=0, random_state=0).fit(DIGITS)
    assert trained.score_samples(DIGITS).mean() > start.score_samples(DIGITS).mean() + 10
    assert trained.log_likelihood(DIGITS).value > start.log_likelihood(DIGITS).value + 15


def test_learns_as_much_as_scikit_learn():
    def mean_log_likelihood(estimator):
        models = [estimator(10, n_iter=5, random_state=seed).fit(SHUFFLED) for seed in range(SEEDS)]
        rbms = [rbm_of(m.components_, m.intercept_visible_, m.intercept_hidden_) for m in models]
        return np.mean([hm.log_likelihood(rbm, SHUFFLED).value for rbm in rbms])

    assert abs(mean_log_likelihood(BernoulliRBM) - mean_log_likelihood(Theirs)) < TOLERANCE


def test_one_step_is_scikit_learns():
    ours, theirs = (cls(10, n_iter=0, random_state=0).fit(DIGITS) for cls in (BernoulliRBM, Theirs))
    for model in (ours, theirs):
        model.intercept_visible_ -= 50  # so that all chains stay at zero, and the step has no noise
        model.partial_fit(DIGITS[:10])
    for name in ("components_", "intercept_visible_", "intercept_hidden_"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-5, atol=1e-7)


def test_scores_agree_with_scikit_learns_definition(trained):
    theirs = Theirs(10, n_iter=0, random_state=0).fit(DIGITS)
    for name in ("components_", "intercept_visible_", "intercept_hidden_"):
        setattr(theirs, name, getattr(trained, name))
    rows = np.repeat(DIGITS[:20], 200, axis=0)
    mean = theirs.score_samples(rows).reshape(20, 200)
    exact = trained.score_samples(DIGITS[:20], sites=None)
    z = (mean.mean(1) - exact) / (mean.std(1) / np.sqrt(200))
    assert np.abs(z).max() < 4.5
    np.testing.assert_allclose(trained.transform(DIGITS), theirs.transform(DIGITS), rtol=1e-5)


def test_closed_forms_are_those_of_the_energy(tiny):
    v, h = jnp.asarray(ROWS, jnp.float32), np.random.default_rng(2).random((5, 3))
    np.testing.assert_allclose(tiny.transform(ROWS), hm.encode(tiny.model_, v), rtol=1e-5)
    means = [hm.conditional(tiny.model_, "v", {"h": row}).mean for row in jnp.asarray(h, jnp.float32)]
    np.testing.assert_allclose(tiny.inverse_transform(h), means, rtol=1e-5)
    exact = [hm.log_pseudo_likelihood(tiny.model_, jax.random.key(0), row) for row in v]
    np.testing.assert_allclose(tiny.score_samples(ROWS, sites=None), exact, rtol=1e-5)


@pytest.mark.parametrize("sites", [1, 3])
def test_score_of_few_sites_is_unbiased(tiny, sites):
    draws = np.array([tiny.set_params(random_state=seed).score_samples(ROWS, sites=sites) for seed in range(400)])
    z = (draws.mean(0) - tiny.score_samples(ROWS, sites=None)) / (draws.std(0) / np.sqrt(400))
    assert np.abs(z).max() < 4.5  # 16 rows at the declared failure rate


def test_sites_are_uniform_distinct_and_of_the_row_alone():
    rows = (np.random.default_rng(0).random((7840, 784)) < 0.1).astype(np.float64)
    sites = choose_sites(rows, 3, np.random.RandomState(0))
    assert chisquare(np.bincount(sites[:, 0], minlength=784)).pvalue > FAILURE_RATE
    assert (np.diff(np.sort(sites, axis=1)) > 0).all()
    np.testing.assert_array_equal(choose_sites(rows[5:9], 3, np.random.RandomState(0)), sites[5:9])
    zeros = [choose_sites(sign * np.zeros((2, 9)), 9, np.random.RandomState(0)) for sign in (1.0, -1.0)]
    np.testing.assert_array_equal(*zeros)


def test_samples_follow_the_law(tiny, law):
    rows = tiny.sample(4000, steps=50, random_state=0)
    assert rows.shape == (4000, 4)
    assert follows(rows, law)
    assert not follows(tiny.sample(4000, steps=50, random_state=0) * 0, law)


def test_gibbs_leaves_the_law(tiny, law):
    start = ROWS[np.random.default_rng(0).choice(16, 4000, p=law)]
    end = tiny.gibbs(start)
    assert end.dtype == bool
    assert follows(end, law)
    assert (tiny.gibbs(start) != end).any()  # the draws go on


def test_sample_repeats_with_a_seed_and_goes_on_without(trained):
    first = trained.sample(5, steps=5, random_state=3)
    np.testing.assert_array_equal(trained.sample(5, steps=5, random_state=3), first)
    assert (trained.sample(5, steps=5) != trained.sample(5, steps=5)).any()


def test_inverse_transform_is_a_picture_of_the_rows(trained):
    back = trained.inverse_transform(trained.transform(DIGITS))
    assert back.shape == DIGITS.shape
    assert ((back > 0) & (back < 1)).all()
    mean = DIGITS.mean(axis=0)
    assert np.square(back - DIGITS).mean() < np.square(mean - DIGITS).mean()
    with pytest.raises(ValueError, match="10 hidden units, but H has 64"):
        trained.inverse_transform(DIGITS)


def test_log_likelihood_is_exact_where_it_can_be(tiny, law):
    estimate = tiny.log_likelihood(ROWS)
    assert (estimate.kind, estimate.n) == ("exact", 16)
    assert estimate.value == pytest.approx(np.log(law).mean(), abs=1e-4)


def test_log_likelihood_takes_options_and_keeps_the_space(tiny):
    data = hm.data.from_arrays(ROWS, name="all rows")
    estimate = tiny.log_likelihood(data.train, method="ais", chains=10, temperatures=20, burn_in=1)
    assert (estimate.kind, estimate.space.dataset) == ("upper", "all rows")
    again = tiny.log_likelihood(ROWS, method="ais", chains=10, temperatures=20, burn_in=1)
    assert again.value == estimate.value  # the key follows from random_state
    with pytest.raises(ValueError, match="grey"):
        tiny.log_likelihood(0.5 * ROWS)


def test_partial_fit_goes_on_with_parameters_and_chains():
    first = BernoulliRBM(10, random_state=0).partial_fit(DIGITS[:10])
    assert first.h_samples_.shape == (10, 10)
    assert set(np.unique(first.h_samples_)) == {0.0, 1.0}
    other = copy.deepcopy(first)
    other.h_samples_ = 1 - other.h_samples_
    weights = first.components_.copy()
    first.partial_fit(DIGITS[10:20])
    assert 0 < np.abs(first.components_ - weights).max() < 0.1  # one step of rate 0.1, in means of [0, 1]
    assert (other.partial_fit(DIGITS[10:20]).components_ != first.components_).any()


def test_a_stream_of_batches_is_an_epoch():
    streamed, once = BernoulliRBM(10, random_state=0), BernoulliRBM(10, n_iter=1, random_state=0)
    for rows in np.split(SHUFFLED[:1790], 179):
        streamed.partial_fit(rows)
    gap = streamed.log_likelihood(DIGITS).value - once.fit(SHUFFLED).log_likelihood(DIGITS).value
    assert abs(gap) < TOLERANCE


def test_fewer_rows_than_a_batch():
    model = BernoulliRBM(3, batch_size=50, n_iter=2, random_state=0).fit(ROWS)
    assert model.h_samples_.shape == (50, 3)
    assert (model.h_samples_ != 0).any()


def test_more_sweeps_learn_no_less(trained):
    longer = BernoulliRBM(10, n_iter=5, random_state=0, gibbs_steps=5).fit(DIGITS)
    assert (longer.components_ != trained.components_).any()
    assert longer.log_likelihood(DIGITS).value > trained.log_likelihood(DIGITS).value - TOLERANCE


@pytest.mark.parametrize("form", [np.asarray, csr_matrix])
def test_visible_biases_begin_at_the_marginals_where_asked(form):
    model = BernoulliRBM(3, n_iter=0, random_state=0, init="marginals").fit(form(DIGITS))
    start = hm.RBM(visible=hm.units.Bernoulli(64), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    np.testing.assert_allclose(model.intercept_visible_, hm.at_marginals(start, DIGITS).b, rtol=1e-4)
    assert not BernoulliRBM(3, n_iter=0, random_state=0).fit(form(DIGITS)).intercept_visible_.any()


def test_the_marginals_are_the_better_start():
    zeros, marginals = (
        BernoulliRBM(8, n_iter=3, random_state=0, init=init).fit(DIGITS).log_likelihood(DIGITS).value
        for init in ("zeros", "marginals")
    )
    assert marginals > zeros


def test_another_start_is_refused():
    with pytest.raises(ValueError, match="init='ones' is not possible: choose 'zeros' or 'marginals'"):
        BernoulliRBM(3, init="ones").fit(DIGITS)


def test_a_grid_search_maximises_the_likelihood():
    from sklearn.model_selection import GridSearchCV

    rows = np.repeat(np.eye(4), 10, axis=0)
    search = GridSearchCV(
        BernoulliRBM(n_components=2, n_iter=3, random_state=0), {"learning_rate": [1e-4, 0.5]}, cv=2,
        scoring=lambda model, X, y=None: model.log_likelihood(X).value,
    )  # fmt: skip
    search.fit(rows)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
