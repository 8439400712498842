"""Generator nets beside closed forms, Jacobians and quantiles of others; a net of known codes beside its formula."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from jaxtyping import Array

from examples import GENERATORS, randomised
from harmonium.data import from_arrays
from harmonium.errors import InputError
from harmonium.evaluation import log_likelihood
from harmonium.inference import free_energy
from harmonium.models import (
    RBM,
    AffineGenerator,
    ConditionalGenerator,
    InverseTransform,
    Invertible,
    InvertibleNet,
    LogisticMixture,
    TractableModel,
    load,
    save,
)
from harmonium.nets import MLP
from harmonium.objectives import MaximumLikelihood, Supervised
from harmonium.samplers import sample
from harmonium.testing.statistics import FAILURE_RATE
from harmonium.training import fit
from harmonium.units import Bernoulli, Categorical, Columns, Gaussian

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
COVARIANCE = np.array([[2.0, 0.6, -0.3], [0.6, 1.0, 0.2], [-0.3, 0.2, 0.5]])
MEAN = np.array([1.0, -2.0, 0.5])
AFFINE = AffineGenerator.from_moments(MEAN, COVARIANCE)
NET = randomised(InvertibleNet(Gaussian(5), [4], couplings=3, key=KEY), 1, 0.3)
MIXTURE = randomised(InverseTransform(Gaussian(2), LogisticMixture(2, components=3)), 2, 0.5)
ROWS = RNG.normal(size=(50, 5)).astype(np.float32)
log_probs = eqx.filter_jit(lambda model, rows: jax.vmap(model.log_prob)(rows))
CODE = Columns([Categorical(1, states=3), Gaussian(1)])
CODED = ConditionalGenerator(Gaussian(2), CODE, randomised(MLP([4, 3, 4], key=KEY, activation="tanh"), 3))


class NormalLogit(eqx.Module):
    """A user's own cumulative function: that of a normal distribution."""

    mean: Array

    def __call__(self, x: Array) -> Array:
        below, above = (jax.scipy.special.log_ndtr(sign * (x - self.mean)) for sign in (1, -1))
        return below - above


class Mixed(eqx.Module):
    """No cumulative function: it mixes the columns."""

    W: Array

    def __call__(self, x: Array) -> Array:
        return self.W @ x


def test_affine_generator_is_the_normal_distribution():
    rows = ROWS[:, :3] + MEAN.astype(np.float32)
    expected = scipy.stats.multivariate_normal(MEAN, COVARIANCE).logpdf(rows)
    np.testing.assert_allclose(log_probs(AFFINE, jnp.asarray(rows)), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(AFFINE.L @ AFFINE.L.T, COVARIANCE, atol=1e-6)
    assert float(AFFINE.L[0, 1]) == 0


def test_moments_of_rows_are_where_maximum_likelihood_ends():
    rows = RNG.normal(size=(200, 3)) @ np.array([[1.0, 0.5, 0.0], [0.0, 2.0, 1.0], [0.0, 0.0, 0.4]]) + 3
    there = AffineGenerator.from_moments(rows.mean(axis=0), np.cov(rows.T, bias=True))
    slopes = eqx.filter_jit(eqx.filter_grad(lambda m, x: -jnp.mean(jax.vmap(m.log_prob)(x))))
    x = jnp.asarray(rows, jnp.float32)
    at_end, elsewhere = (jax.tree.leaves(slopes(m, x)) for m in (there, AFFINE))
    assert max(float(jnp.abs(leaf).max()) for leaf in at_end) < 1e-3 < min(float(jnp.abs(s).max()) for s in elsewhere)


def test_affine_samples_follow_the_moments():
    x = np.asarray(sample(AFFINE, KEY, 4000), np.float64)
    z = np.linalg.solve(np.linalg.cholesky(COVARIANCE), (x - MEAN).T)  # independent standard normal numbers, if so
    chances = [scipy.stats.kstest(column, "norm").pvalue for column in z]
    assert min(chances) > FAILURE_RATE / 3
    correlation = np.abs(np.corrcoef(z)[np.triu_indices(3, 1)]).max() * np.sqrt(len(x))
    assert correlation < -scipy.stats.norm.ppf(FAILURE_RATE / 6)


@pytest.mark.parametrize("model", [AFFINE, NET, MIXTURE], ids=["affine", "net", "mixture"])
def test_inverse_undoes_forward_and_the_jacobian_gives_the_density(model):
    n = model.visible.size
    z = jnp.asarray(ROWS[0, :n])
    base = scipy.stats.norm.logpdf
    if isinstance(model, InverseTransform):
        z, base = jax.nn.sigmoid(z), np.zeros_like
    x = eqx.filter_jit(lambda m, z: m.forward(z))(model, z)
    np.testing.assert_allclose(model.inverse(x), z, rtol=1e-4, atol=1e-5)
    jacobian = np.asarray(jax.jit(jax.jacobian(model.inverse))(x), np.float64)  # of g^-1: the density is p_z |det|
    expected = np.sum(base(np.asarray(z, np.float64))) + np.linalg.slogdet(jacobian)[1]
    np.testing.assert_allclose(log_probs(model, x[None])[0], expected, rtol=1e-4)
    if not isinstance(model, InverseTransform):
        forward = np.linalg.slogdet(np.asarray(jax.jit(jax.jacobian(model.forward))(z), np.float64))[1]
        np.testing.assert_allclose(forward, -np.linalg.slogdet(jacobian)[1], rtol=1e-3, atol=1e-4)
    assert isinstance(model, Invertible)
    assert isinstance(model, TractableModel)


def test_a_coupling_keeps_columns_and_depends_on_nothing_moved():
    one = NET.couplings[0]
    x, log_det = one.forward(jnp.asarray(ROWS[0]))
    np.testing.assert_array_equal(x[::2], ROWS[0, ::2])
    jacobian = np.asarray(jax.jacobian(lambda z: one.forward(z)[0])(jnp.asarray(ROWS[0])))
    moved = jacobian[1::2, 1::2]
    assert (moved == np.diag(np.diag(moved))).all()
    assert jacobian[1::2, ::2].all()
    np.testing.assert_allclose(log_det, np.log(np.diag(moved)).sum(), rtol=1e-5)
    assert [c.first for c in NET.couplings] == [0, 1, 0]


def test_a_users_cumulative_function_gives_its_density_quantiles_and_samples():
    mean = np.array([0.5, -1.0], np.float32)
    model = InverseTransform(Gaussian(2), NormalLogit(jnp.asarray(mean)))
    rows = np.vstack([ROWS[:, :2], [[9.0, -11.0]]])  # tails in which 1 - F is nothing in float32
    expected = scipy.stats.norm.logpdf(rows, mean).sum(axis=1)
    np.testing.assert_allclose(log_probs(model, jnp.asarray(rows, jnp.float32)), expected, rtol=1e-3, atol=1e-4)
    u = np.array([[1e-5, 0.9], [0.3, 0.5]], np.float32)
    quantiles = eqx.filter_jit(lambda m, u: jax.vmap(m.forward)(u))
    found = quantiles(model, jnp.asarray(u))
    np.testing.assert_allclose(found, scipy.stats.norm.ppf(u, mean), rtol=1e-4, atol=1e-5)
    far = eqx.tree_at(lambda m: m.logit.mean, model, jnp.array([-5e4, 7.0]))  # the bracket grows until it holds them
    np.testing.assert_allclose(quantiles(far, jnp.full((2, 2), 0.5))[0], [-5e4, 7.0], rtol=1e-6)
    drawn = np.asarray(sample(model, KEY, 4000), np.float64)
    assert min(scipy.stats.kstest(x - m, "norm").pvalue for x, m in zip(drawn.T, mean, strict=True)) > FAILURE_RATE / 2


def test_logistic_mixture_is_a_mixture_of_logistic_distributions():
    parts = MIXTURE.logit
    alpha, s, m = np.asarray(jax.nn.softmax(parts.u)), np.exp(np.asarray(parts.log_s)), np.asarray(parts.m)
    x = 3 * ROWS[:, :2]
    density = (alpha * scipy.stats.logistic.pdf(x[:, :, None], m, s)).sum(axis=2)
    below = (alpha * scipy.stats.logistic.cdf(x[:, :, None], m, s)).sum(axis=2)
    np.testing.assert_allclose(log_probs(MIXTURE, jnp.asarray(x)), np.log(density).sum(axis=1), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(jax.vmap(MIXTURE.inverse)(jnp.asarray(x)), below, atol=1e-5)


def test_samples_of_an_invertible_net_are_normal_once_inverted():
    z = np.asarray(jax.jit(jax.vmap(NET.inverse))(sample(NET, KEY, 4000)))
    assert min(scipy.stats.kstest(column, "norm").pvalue for column in z.T) > FAILURE_RATE / 5


@pytest.mark.parametrize("name", GENERATORS)
def test_generators_learn(name):
    x = RNG.normal(size=(200, 2)).astype(np.float32)
    data = from_arrays(np.stack([x[:, 0] + 2, x[:, 0] ** 2 + 0.3 * x[:, 1]], axis=1))
    run = fit(GENERATORS[name], data, MaximumLikelihood(), epochs=3, batch_size=20, key=KEY)
    before, after = (log_likelihood(m, np.asarray(data.train)) for m in (GENERATORS[name], run.model))
    assert after.value > before.value
    assert (after.kind, after.method) == ("exact", "the change of variables")


def test_a_net_of_known_codes_says_its_formula():
    row = jnp.array([2.0, 0.7, -0.4, 1.1])  # the third kind, a number, and two pixels
    out = np.asarray(CODED.link.net(jnp.array([0.0, 0.0, 1.0, 0.7]))).reshape(2, 2)
    expected = scipy.stats.norm.logpdf(row[2:], out[:, 0], np.exp(-out[:, 1] / 2)).sum()
    np.testing.assert_allclose(CODED.log_prob_given(row), expected, rtol=1e-5)
    np.testing.assert_allclose(CODED.mean(row[:2]), out[:, 0], rtol=1e-5)
    loss, (_, metrics) = eqx.filter_jit(Supervised())(CODED, jnp.stack([row, row]), KEY, None)
    np.testing.assert_allclose([loss, metrics["log_likelihood"]], [-expected, expected], rtol=1e-5)
    assert CODED.layers["v"].size == 4
    assert not isinstance(CODED, TractableModel)


def test_outputs_of_a_net_of_known_codes_are_the_means_of_binary_units():
    units = Columns([Bernoulli(2), Gaussian(1)])
    model = ConditionalGenerator(units, Gaussian(1), randomised(MLP([1, 4], key=KEY), 4))
    out = np.asarray(model.link.net(jnp.array([0.3])))
    expected = [*(1 / (1 + np.exp(-out[:2]))), out[2]]  # p(x_i = 1 | c) = g(c)_i
    np.testing.assert_allclose(model.mean(jnp.array([0.3])), expected, rtol=1e-5)


def test_gradients_of_known_codes_reach_every_parameter_and_training_raises_the_likelihood():
    codes = np.column_stack([RNG.integers(3, size=300), RNG.normal(size=300)])
    x = np.column_stack([codes[:, 0] - 1, codes[:, 1]]) + 0.1 * RNG.normal(size=(300, 2))
    rows = np.hstack([codes, x]).astype(np.float32)
    slopes = eqx.filter_jit(eqx.filter_grad(lambda m: Supervised()(m, jnp.asarray(rows[:20]), KEY, None)[0]))(CODED)
    assert all(bool(jnp.any(leaf != 0)) and bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(slopes))
    run = fit(CODED, rows, Supervised(), epochs=3, batch_size=20, key=KEY)
    weighed = eqx.filter_jit(lambda m: jnp.mean(jax.vmap(m.log_prob_given)(jnp.asarray(rows))))
    assert weighed(run.model) > weighed(CODED)


def test_a_net_of_known_codes_is_kept(tmp_path):
    again = load(save(CODED, tmp_path / "generator"))
    c = jnp.array([1.0, 0.3])
    np.testing.assert_array_equal(again.mean(c), CODED.mean(c))
    own = InverseTransform(Gaussian(2), NormalLogit(jnp.ones(2)))
    again = load(save(own, tmp_path / "own"), classes={"NormalLogit": NormalLogit})
    np.testing.assert_array_equal(again.logit.mean, own.logit.mean)


BAD = {
    "binary": (lambda: AffineGenerator(Bernoulli(3)), "gives real values: make it with hm.units.Gaussian"),
    "number": (lambda: InvertibleNet(3, key=KEY), "is made of units, not of 3"),
    "one-column": (lambda: InvertibleNet(Gaussian(1), key=KEY), "needs 2 columns or more, not 1"),
    "one-coupling": (lambda: InvertibleNet(Gaussian(2), couplings=1, key=KEY), "needs two couplings or more"),
    "hidden": (lambda: InvertibleNet(Gaussian(2), [], key=KEY), "a list of sizes"),
    "covariance-shape": (lambda: AffineGenerator.from_moments(MEAN, np.eye(2)), "A mean .n. goes with"),
    "covariance": (lambda: AffineGenerator.from_moments(MEAN, -np.eye(3)), "symmetric and positive definite"),
    "asymmetric": (lambda: AffineGenerator.from_moments(MEAN, np.eye(3) + np.eye(3, k=1) / 2), "symmetric"),
    "mean": (lambda: AffineGenerator.from_moments([np.nan], np.eye(1)), "numbers that are not finite"),
    "components": (lambda: LogisticMixture(2, components=0), "needs columns and components"),
    "falling": (lambda: InverseTransform(Gaussian(2), Mixed(-jnp.eye(2))), "rises with its own column"),
    "mixed": (lambda: InverseTransform(Gaussian(2), Mixed(jnp.ones((2, 2)))), "moves with no other"),
    "mixture-size": (lambda: InverseTransform(Gaussian(2), LogisticMixture(3)), "(does not take|gives .*) 2 columns"),
    "wide": (lambda: InverseTransform(Gaussian(2), Mixed(jnp.ones((3, 2)))), "gives 3 numbers for 2 columns"),
    "no-function": (lambda: InverseTransform(Gaussian(2), 3), "can be called, not 3"),
    "net": (lambda: ConditionalGenerator(Gaussian(2), CODE, MLP([4, 2], key=KEY)), "takes 4 numbers and gives 4"),
    "no-units": (lambda: ConditionalGenerator(2, CODE, MLP([4, 2], key=KEY)), "is made of units"),
    "no-mean": (
        lambda: ConditionalGenerator(CODE, Gaussian(2), MLP([2, 5], key=KEY)).mean(jnp.ones(2)),
        "no mean value",
    ),
    "other-model": (
        lambda: Supervised()(RBM(Bernoulli(2), Bernoulli(2), key=KEY), jnp.ones((1, 2)), KEY, None),
        "Supervised trains a model of values given a code",
    ),
    "affine-width": (lambda: AFFINE.log_prob(jnp.ones(1)), r"configuration of shape .3,., not .1,."),
    "net-width": (lambda: NET.log_prob(jnp.ones(6)), "configuration of shape"),
    "mixture-width": (lambda: MIXTURE.log_prob(jnp.ones(1)), "configuration of shape"),
    "row-width": (lambda: CODED.log_prob_given(jnp.ones(3)), "configuration of shape"),
    "free-energy": (
        lambda: free_energy(NET, {"v": ROWS[0]}),
        "a generator net that can be inverted is sampled by hm.sample",
    ),
    "likelihood": (lambda: log_likelihood(CODED, ROWS[:, :4]), "of values given a code: model.conditional"),
    "codes-alone": (lambda: fit(CODED, np.zeros((9, 2), np.float32), Supervised(), key=KEY), "4 visible units"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_sentence(name):
    make, message = BAD[name]
    with pytest.raises(InputError, match=message) as raised:
        make()
    assert "\n" not in str(raised.value)
    assert str(raised.value).endswith(".")
