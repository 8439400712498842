"""Estimators of gradients beside the exact gradient: no bias where none is claimed, and some where one is."""

from __future__ import annotations

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import harmonium.gradients as G
from harmonium.errors import InputError
from harmonium.gradients import MovingAverage
from harmonium.gradients.optimal import _baselines
from harmonium.gradients.relaxed import _between
from harmonium.testing import FAILURE_RATE
from harmonium.units import (
    Bernoulli,
    Binomial,
    Categorical,
    Columns,
    Conditional,
    CountStats,
    Gaussian,
    GaussianStats,
    Spin,
)

KEYS = 20_000
KEY = jax.random.key(0)
UNIT = Bernoulli(3)
AT = (jnp.array([-1.0, 0.3, 1.5]), jnp.array([1.0, -2.0, 0.5]))  # of q, and of f itself
COLUMNS = Columns([Bernoulli(1), Categorical(1, states=3)])


def value(x, a):
    """Not linear in `x`, of which states between 0 and 1 have a value too."""
    return jnp.sin(x @ a) + 2 * (x @ a) ** 2 + 3 * x[0] * x[2]


def estimate(at, key, estimator, unit=UNIT):
    """The estimate of `E_q f` at natural parameters and parameters of `f`."""
    eta, a = at
    return estimator(lambda x: value(unit.as_input(x) if unit.states != 2 else x, a), Conditional(unit, eta), key)


def of_several(f, q, k):
    """`E log (1/k) sum_i exp f(x_i)`, by enumeration of all `k` draws as one layer."""
    n = q.unit.size
    return G.exact(
        lambda x: jax.nn.logsumexp(jax.vmap(f)(x.reshape(k, n))) - jnp.log(k),
        Conditional(Bernoulli(k * n), jnp.tile(q.natural, k)),
    )


AVERAGE = MovingAverage(0.5).updated(jnp.array([4.0, 1.0])).updated(jnp.array(6.0))
UNBIASED = {
    "reinforce": G.reinforce,
    "reinforce, constant": partial(G.reinforce, baseline=5.0),
    "reinforce, 4 samples": partial(G.reinforce, samples=4, baseline=AVERAGE.value),
    "leave one out": partial(G.leave_one_out_reinforce, samples=4),
    "optimal baseline": partial(G.optimal_baseline, samples=4),
    "optimal baseline, 2 samples": partial(G.optimal_baseline, samples=2),
    "vimco": partial(G.vimco, samples=2),
}
BIASED = {
    "straight-through": G.straight_through,
    "gumbel-softmax": G.gumbel_softmax,
    "normalised": partial(G.reinforce, scale=AVERAGE.scale),
}


@cache
def gradients(name):
    """Values `[n]` and gradients `[n, 6]` under many keys."""
    estimator = (UNBIASED | BIASED)[name]
    one = jax.value_and_grad(lambda at, key: estimate(at, key, estimator))
    found, slopes = jax.jit(jax.vmap(one, (None, 0)))(AT, jax.random.split(jax.random.fold_in(KEY, 1), KEYS))
    return np.asarray(found, np.float64), np.concatenate(slopes, -1).astype(np.float64)


@cache
def truth(k=1):
    """The exact value and gradient, of one draw or of the bound of `k`."""

    def referee(at, f_of=value):
        f, q = (lambda x: f_of(x, at[1])), Conditional(UNIT, at[0])
        return G.exact(f, q) if k == 1 else of_several(f, q, k)

    found, slope = jax.value_and_grad(referee)(AT)
    return float(found), np.concatenate(slope).astype(np.float64)


def z_scores(samples, mean):
    return (samples.mean(0) - mean) / (samples.std(0) / np.sqrt(len(samples)) + 1e-7)


def limit(tests):
    return -scipy.stats.norm.ppf(FAILURE_RATE / (2 * tests))


@pytest.mark.parametrize("name", UNBIASED)
def test_the_mean_of_an_estimator_is_the_exact_gradient(name):
    exact, slope = truth(2 if name == "vimco" else 1)
    found, slopes = gradients(name)
    z = np.append(z_scores(slopes, slope), z_scores(found, exact))
    assert np.abs(z).max() < limit(len(z) * len(UNBIASED)), z


@pytest.mark.parametrize("name", BIASED)
def test_the_bias_of_the_others_is_seen(name):
    exact, slope = truth()
    found, slopes = gradients(name)
    assert np.abs(z_scores(slopes[:, :3], slope[:3])).max() > 20
    unbiased_value = abs(z_scores(found, exact)) < limit(1)
    assert unbiased_value == (name != "gumbel-softmax")


def test_the_referee_agrees_with_a_sum_by_hand():
    eta, a = (np.asarray(x, np.float64) for x in AT)
    states = np.array(list(np.ndindex(2, 2, 2)), np.float64)
    p = np.prod(np.where(states == 1, 1 / (1 + np.exp(-eta)), 1 / (1 + np.exp(eta))), axis=1)
    f = np.sin(states @ a) + 2 * (states @ a) ** 2 + 3 * states[:, 0] * states[:, 2]
    scores = states - 1 / (1 + np.exp(-eta))
    exact, slope = truth()
    assert exact == pytest.approx(p @ f, rel=1e-5)
    assert slope[:3] == pytest.approx((p * f) @ scores, rel=1e-4)
    assert slope[3:] == pytest.approx((p * (np.cos(states @ a) + 4 * (states @ a))) @ states, rel=1e-4)


def test_baselines_lower_the_variance_and_normalisation_the_length():
    spread = {name: gradients(name)[1][:, :3].var(0).sum() for name in UNBIASED | BIASED}
    plain = spread["reinforce"] / 4  # four draws, no baseline
    assert spread["leave one out"] < 0.7 * plain
    assert spread["optimal baseline"] < 0.7 * plain
    assert spread["reinforce, 4 samples"] < 0.9 * plain
    scaled = gradients("normalised")[1][:, :3] * float(AVERAGE.scale)
    assert scaled == pytest.approx(gradients("reinforce")[1][:, :3], rel=1e-4, abs=1e-4)


def test_the_optimal_baseline_of_two_draws_is_the_other_draw():
    rules = [partial(rule, samples=2) for rule in (G.optimal_baseline, G.leave_one_out_reinforce)]
    keys = jax.random.split(KEY, 20)
    first, second = (
        jax.jit(jax.vmap(lambda key, rule=rule: jax.grad(estimate)(AT, key, rule)))(keys) for rule in rules
    )
    assert np.ptp(first[0], axis=0).min() > 0.1
    np.testing.assert_allclose(first[0], second[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(first[1], second[1], rtol=1e-5)


def test_the_optimal_baseline_is_that_of_its_formula():
    """Estimated from many draws it is `E[f s_i^2] / E[s_i^2]`, by a z-test of the ratio."""
    eta, a = AT
    q, n = Conditional(UNIT, eta), 1000

    def score2(x):
        return (x - jax.nn.sigmoid(eta)) ** 2

    each = [(lambda x, i=i: value(x, a) * score2(x)[i], lambda x, i=i: score2(x)[i]) for i in range(3)]
    best = np.array([float(G.exact(above, q) / G.exact(below, q)) for above, below in each])
    x = jax.vmap(q.sample)(jax.random.split(KEY, n))
    values, s = jax.vmap(lambda x: value(x, a))(x), x - jax.nn.sigmoid(eta)
    found = np.asarray(_baselines(values, s))[0]
    residual = np.asarray((values[:, None] - best) * s**2)
    z = (found - best) * np.mean(s**2, 0) / (residual.std(0) / np.sqrt(n))
    assert np.abs(z).max() < limit(3)


def test_other_units_have_unbiased_estimators_too():
    """Categorical units and columns of several kinds; the path of `f` through one-hot codes."""
    eta = (jnp.array([0.5]), jnp.array([[0.2, -1.0, 0.4]]))
    a = jnp.array([1.0, -2.0, 0.5, 1.5])
    rules = {"scores": partial(G.optimal_baseline, samples=3), "exact": lambda f, q, key: G.exact(f, q)}
    slopes = {
        name: jax.jit(jax.vmap(lambda key, rule=rule: jax.grad(estimate)((eta, a), key, rule, COLUMNS)))(
            jax.random.split(KEY, 4000 if name == "scores" else 1)
        )
        for name, rule in rules.items()
    }
    for leaf, exact in zip(*(jax.tree.leaves(slopes[name]) for name in rules), strict=True):
        z = z_scores(np.asarray(leaf, np.float64).reshape(4000, -1), np.ravel(exact))
        assert np.abs(z).max() < limit(8)


# ---- paths ---------------------------------------------------------------------------------------------------


def normal(at):
    """`N(m, exp(-b))` of one unit, and of another in a second layer of columns."""
    m, b = at
    each = GaussianStats(jnp.exp(b) * m, -0.5 * jnp.exp(b))
    return each, Conditional(Columns([Gaussian(1), Gaussian(1)]), (each,))


@pytest.mark.parametrize("rule", ["reparametrized", "leave_one_out_reinforce"])
@pytest.mark.parametrize("kind", ["plain", "columns"])
def test_the_gradient_of_a_second_moment_is_the_closed_form(rule, kind):
    """`E x^2 = m^2 + exp(-b)`, along the path and by scores."""
    at = (jnp.array([0.7, -1.2]), jnp.array([0.5, -0.3]))
    n = 5000

    def slope(at, key):
        each, columns = normal(at)
        q = columns if kind == "columns" else Conditional(Gaussian(2), each)
        return getattr(G, rule)(lambda x: jnp.sum(x**2), q, key, samples=2)

    found = jax.jit(jax.vmap(jax.grad(slope), (None, 0)))(at, jax.random.split(KEY, n))
    z = z_scores(np.concatenate(found, -1).astype(np.float64), np.concatenate([2 * at[0], -jnp.exp(-at[1])]))
    assert np.abs(z).max() < limit(4 * 4)


def test_the_path_has_less_variance_than_the_score():
    at, keys = jnp.array([0.7]), jax.random.split(KEY, 500)

    def spread(rule):
        def estimate(m, key):
            return rule(lambda x: x[0] ** 2, Conditional(Gaussian(1), GaussianStats(m, jnp.array([-0.5]))), key)

        return jnp.var(jax.jit(jax.vmap(jax.grad(estimate), (None, 0)))(at, keys))

    assert spread(G.reparametrized) < 0.5 * spread(G.reinforce)


FINITE = {
    "bernoulli": (Bernoulli(2), jnp.array([-0.5, 1.0])),
    "spin": (Spin(2), jnp.array([-0.3, 0.8])),
    "categorical": (Categorical(1, states=3), jnp.array([[0.5, -1.0, 0.2]])),
}


@pytest.mark.parametrize("kind", FINITE)
def test_relaxed_draws_are_nearest_to_a_state_as_often_as_it_is_drawn(kind):
    unit, eta = FINITE[kind]
    n = 4000
    relaxed = jax.jit(jax.vmap(lambda key: _between(Conditional(unit, eta), key, 0.7)))(jax.random.split(KEY, n))
    relaxed = np.asarray(relaxed)
    low, high = (-1, 1) if kind == "spin" else (0, 1)
    assert ((relaxed >= low) & (relaxed <= high)).all()
    assert ((relaxed > low + 0.01) & (relaxed < high - 0.01)).any()
    nearest = relaxed == relaxed.max(-1, keepdims=True) if kind == "categorical" else relaxed > (low + high) / 2
    p = np.asarray(unit.mean(eta))
    p = (1 + p) / 2 if kind == "spin" else p
    z = (nearest.mean(0) - p) / np.sqrt(p * (1 - p) / n)
    assert np.abs(z).max() < limit(3 * z.size)


def test_relaxed_draws_of_counts_are_between_counts():
    eta = jnp.array([-0.5, 1.0])
    bits = _between(Conditional(Bernoulli(2), eta), KEY, 0.7)
    one = _between(Conditional(Binomial(2, trials=1), CountStats(eta, jnp.ones(2))), KEY, 0.7)
    np.testing.assert_allclose(one, bits, rtol=1e-6)
    q = Conditional(Binomial(2, trials=5), CountStats(eta, jnp.ones(2)))
    relaxed = np.asarray(jax.vmap(lambda key: _between(q, key, 0.1))(jax.random.split(KEY, 4000)))
    assert ((relaxed >= 0) & (relaxed <= 5)).all()
    np.testing.assert_allclose(np.round(relaxed).mean(0), q.mean.x, atol=0.1)


@pytest.mark.parametrize("kind", FINITE)
def test_straight_through_is_exact_where_f_is_linear(kind):
    unit, eta = FINITE[kind]
    a = jnp.arange(1.0, eta.size + 1).reshape(eta.shape)
    found = jax.grad(lambda eta: G.straight_through(lambda t: jnp.vdot(a, t), Conditional(unit, eta), KEY))(eta)
    exact = jax.grad(lambda eta: G.exact(lambda x: jnp.vdot(a, unit.stats(x)), Conditional(unit, eta)))(eta)
    np.testing.assert_allclose(found, exact, atol=1e-5)


# ---- the moving average --------------------------------------------------------------------------------------


def test_a_moving_average_is_the_weighted_mean_and_variance():
    batches = np.random.default_rng(0).normal(-90.0, 4.0, size=(6, 3))
    average = MovingAverage(0.8)
    for batch in batches:
        average = average.updated(jnp.asarray(batch))
    weights = np.repeat(0.8 ** np.arange(5, -1, -1), 3)
    mean = np.average(batches.ravel(), weights=weights)
    assert float(average.value) == pytest.approx(mean, rel=1e-5)
    variance = np.average((batches.ravel() - mean) ** 2, weights=weights)
    assert float(average.variance) == pytest.approx(variance, rel=1e-3)
    assert float(average.scale) == pytest.approx(np.sqrt(variance), rel=1e-3)
    assert float(MovingAverage().scale) == 1.0
    assert float(MovingAverage().updated(jnp.array([0.1, 0.2])).scale) == 1.0


# ---- what is refused -----------------------------------------------------------------------------------------

Q = Conditional(UNIT, AT[0])
REAL = Conditional(Gaussian(2), GaussianStats(jnp.zeros(2), jnp.full(2, -0.5)))
MIXED = Columns([Gaussian(1), Bernoulli(1)])
MIXED_Q = Conditional(MIXED, MIXED.neutral_natural())
REFUSED = {
    "a path through discrete units": (lambda: G.reparametrized(jnp.sum, Q, KEY), "of Bernoulli: use reinforce"),
    "a path through some": (lambda: G.reparametrized(jnp.sum, MIXED_Q, KEY), "of column 1: use reinforce"),
    "leave one out of one": (lambda: G.leave_one_out_reinforce(jnp.sum, Q, KEY, samples=1), "at least 2 samples.*=1"),
    "vimco of one": (lambda: G.vimco(jnp.sum, Q, KEY, samples=1), "at least 2 samples"),
    "optimal of one": (lambda: G.optimal_baseline(jnp.sum, Q, KEY, samples=1), "samples=2 or more, or use reinforce"),
    "no samples": (lambda: G.reinforce(jnp.sum, Q, KEY, samples=0), "at least one sample.*samples=0"),
    "half a sample": (lambda: G.straight_through(jnp.sum, Q, KEY, samples=0.5), "samples=0.5"),
    "a seed": (lambda: G.reinforce(jnp.sum, Q, 0), "key=jax.random.key"),
    "a unit": (lambda: G.reinforce(jnp.sum, UNIT, KEY), "hm.units.Conditional, not a Bernoulli"),
    "a unit, listed": (lambda: G.exact(jnp.sum, UNIT), "hm.units.Conditional, not a Bernoulli"),
    "several numbers": (lambda: G.reinforce(lambda x: x, Q, KEY), r"one number.*shape \(3,\)"),
    "no number": (lambda: G.exact(lambda x: (x, x), Q), "one number.*a tuple"),
    "several baselines": (lambda: G.reinforce(jnp.sum, Q, KEY, baseline=jnp.zeros(3)), r"one number.*\(3,\)"),
    "a scale of zero": (lambda: G.reinforce(jnp.sum, Q, KEY, scale=0), "a positive number, not 0"),
    "relaxed real units": (lambda: G.gumbel_softmax(jnp.sum, REAL, KEY), "not of Gaussian: use reparametrized"),
    "relaxed columns": (lambda: G.straight_through(jnp.sum, MIXED_Q, KEY), "not of Columns"),
    "cold": (lambda: G.gumbel_softmax(jnp.sum, Q, KEY, temperature=0), "positive number, not 0"),
    "a word": (lambda: G.gumbel_softmax(jnp.sum, Q, KEY, temperature="low"), "positive number, not 'low'"),
    "listed real units": (lambda: G.exact(jnp.sum, REAL), "use reparametrized"),
    "too many": (lambda: G.exact(jnp.sum, Conditional(Bernoulli(20), jnp.zeros(20))), "1.05e\\+06 values.*65,536"),
    "a decay of 1": (lambda: MovingAverage(1.0), "below 1, not 1.0"),
    "a decay in words": (lambda: MovingAverage("slow"), "below 1, not 'slow'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_refused_with_the_cure(name):
    call, message = REFUSED[name]
    with pytest.raises(InputError, match=message):
        call()
