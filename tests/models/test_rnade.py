"""The RNADE beside its formula in NumPy, its samples beside its density, and the two gradients that it has."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from examples import SEQUENCES, randomised
from harmonium.errors import InputError
from harmonium.evaluation import log_likelihood
from harmonium.models import FVBN, RNADE, load, save
from harmonium.models.autoregressive import Stepwise
from harmonium.samplers import sample
from harmonium.testing.statistics import FAILURE_RATE
from harmonium.units import Bernoulli, Columns, Gaussian

KEY = jax.random.key(0)
ORDER = (2, 0, 1)
LAWS = {"gaussian": scipy.stats.norm, "laplace": scipy.stats.laplace}
FUNCTIONS = {"relu": lambda a: np.maximum(a, 0), "tanh": np.tanh}
MODELS = {
    ("gaussian", "relu"): randomised(RNADE(Gaussian(3), 4, components=3, order=ORDER, key=KEY), 1, 0.4),
    ("laplace", "tanh"): randomised(
        RNADE(Gaussian(3), 4, components=3, kind="laplace", order=ORDER, activation="tanh", key=KEY), 2, 0.4
    ),
}
ROWS = 1.5 * np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
either = pytest.mark.parametrize(("kind", "activation"), MODELS)


def conditionals(model: Any, kind: str, activation: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log p and distribution function of each variable of one row given those before it, in the order, in float64."""
    W, V, b, a, rho = (np.asarray(z, np.float64) for z in (model.W, model.V, model.b, model.c, model.rho))
    log_density, below = [], []
    for d in model.order:
        h = FUNCTIONS[activation](rho[d] * a)
        logits, means, log_scales = (V[d, q] @ h + b[d, q] for q in range(3))
        weights, law = np.exp(logits) / np.exp(logits).sum(), LAWS[kind](means, np.exp(log_scales))
        log_density.append(np.log(weights @ law.pdf(x[d])))
        below.append(weights @ law.cdf(x[d]))
        a = a + x[d] * W[d]
    return np.array(log_density), np.array(below)


@either
def test_the_density_is_the_formula(kind, activation):
    model = MODELS[kind, activation]
    expected = [conditionals(model, kind, activation, x)[0].sum() for x in np.float64(ROWS)]
    np.testing.assert_allclose(jax.vmap(model.log_prob)(jnp.asarray(ROWS)), expected, rtol=2e-5, atol=2e-5)


@either
def test_one_variable_after_the_other_weighs_as_much(kind, activation):
    model, x = MODELS[kind, activation], jnp.asarray(ROWS[0])
    assert isinstance(model, Stepwise)
    carry, found = model.init_carry(), []
    for i in jnp.asarray(ORDER):
        found.append(float(model.log_prob_step(i, x[i], carry)))
        carry = model.update_carry(i, x[i], carry)
    np.testing.assert_allclose(found, conditionals(model, kind, activation, np.float64(x))[0], rtol=2e-5, atol=2e-5)


@pytest.mark.slow
@either
def test_samples_follow_each_conditional(kind, activation):
    """The distribution function of each variable given those before it, at samples: uniform, by Kolmogorov-Smirnov."""
    model = MODELS[kind, activation]
    drawn = np.asarray(sample(model, jax.random.key(3), 2000), np.float64)
    below = np.array([conditionals(model, kind, activation, x)[1] for x in drawn])
    chances = [scipy.stats.kstest(u, "uniform").pvalue for u in below.T]
    assert min(chances) > FAILURE_RATE / 3


def test_no_variable_hears_of_a_later_one():
    """What is known of the conditional of variable i is its derivative by x_j: none where j comes later."""
    model = MODELS["laplace", "tanh"]

    def each(x: jax.Array) -> jax.Array:
        carry, found = model.init_carry(), []
        for i in ORDER:
            found.append(model.log_prob_step(jnp.array(i), x[i], carry))
            carry = model.update_carry(jnp.array(i), x[i], carry)
        return jnp.stack(found)

    hears = np.asarray(jax.jacobian(each)(jnp.asarray(ROWS[0])))[:, list(ORDER)] != 0
    assert (hears == np.tri(3, dtype=bool)).all()
    whole = jax.grad(model.log_prob)(jnp.asarray(ROWS[0]))  # the scan has the same order
    np.testing.assert_allclose(whole, jax.jacobian(each)(jnp.asarray(ROWS[0])).sum(axis=0), rtol=1e-4, atol=1e-5)


def test_one_component_without_hidden_units_is_a_gaussian():
    model = randomised(RNADE(Gaussian(3), 2, components=1, key=KEY), 4)
    model = eqx.tree_at(lambda m: m.V, model, jnp.zeros_like(model.V))
    mean, scale = np.asarray(model.b[:, 1, 0]), np.exp(np.asarray(model.b[:, 2, 0]))
    expected = scipy.stats.norm(mean, scale).logpdf(ROWS).sum(axis=1)
    np.testing.assert_allclose(jax.vmap(model.log_prob)(jnp.asarray(ROWS)), expected, rtol=1e-5)


@pytest.mark.parametrize("kind", LAWS)
def test_the_gradient_of_a_mean_is_the_true_one_times_sigma(kind):
    """One component, one variable: d log p / d mu = z / sigma, or sign(z) / sigma; all other gradients are exact."""
    values, slopes = [], []
    x = jnp.array([0.7])
    for scaled in (True, False):
        model = randomised(RNADE(Gaussian(1), 2, components=1, kind=kind, scaled_means=scaled, key=KEY), 5)
        value, slope = eqx.filter_value_and_grad(lambda m: m.log_prob(x))(model)
        values.append(float(value))
        slopes.append(slope)
    h = np.maximum(float(model.rho[0]) * np.asarray(model.c), 0)
    _, mu, s = np.asarray(model.b[0, :, 0] + model.V[0, :, 0] @ h)
    z, sigma = (0.7 - mu) / np.exp(s), np.exp(s)
    true = (z if kind == "gaussian" else np.sign(z)) / sigma
    assert values[0] == values[1]
    assert abs(sigma - 1) > 0.1
    assert float(slopes[1].b[0, 1, 0]) == pytest.approx(true, rel=1e-4)
    assert float(slopes[0].b[0, 1, 0]) == pytest.approx(sigma * true, rel=1e-4)
    np.testing.assert_allclose(slopes[0].V[0, 1, 0], sigma * true * h, rtol=1e-4)
    assert (slopes[0].b[0, (0, 2)] == slopes[1].b[0, (0, 2)]).all()


def test_exact_gradients_are_those_of_the_formula():
    """Without the heuristic, a gradient is the central difference of the NumPy density."""
    model = randomised(RNADE(Gaussian(3), 4, components=3, order=ORDER, scaled_means=False, key=KEY), 1, 0.4)
    x = ROWS[0]
    slope = eqx.filter_grad(lambda m: m.log_prob(jnp.asarray(x)))(model)

    def density(name: str, at: tuple[int, ...], step: float) -> float:
        moved = SimpleNamespace(
            **{key: np.array(getattr(model, key), np.float64) for key in ("W", "V", "b", "c", "rho")}
        )
        getattr(moved, name)[at] += step
        moved.order = ORDER
        return conditionals(moved, "gaussian", "relu", np.float64(x))[0].sum()

    for name, at in (
        ("b", (2, 1, 0)),
        ("b", (1, 1, 2)),
        ("W", (2, 1)),
        ("c", (0,)),
        ("rho", (1,)),
        ("V", (0, 1, 2, 0)),
    ):
        expected = (density(name, at, 1e-5) - density(name, at, -1e-5)) / 2e-5
        assert float(getattr(slope, name)[at]) == pytest.approx(expected, rel=1e-3, abs=1e-5), name


def test_a_saved_model_is_the_same(tmp_path):
    model = SEQUENCES["rnade-laplace"]
    again = load(save(model, tmp_path / "rnade.safetensors"))
    assert (again.kind, again.order, again.scaled_means) == ("laplace", (1, 0), True)
    rows = np.asarray(ROWS[:, :2])
    assert log_likelihood(again, rows).value == log_likelihood(model, rows).value


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"visible": Bernoulli(3)}, "real columns"),
        ({"visible": Columns([Gaussian(3)])}, "real columns"),
        ({"visible": 3}, "real columns"),
        ({"hidden": 0}, "hidden=0"),
        ({"components": 0}, "components=0"),
        ({"kind": "cauchy"}, "no kind of components 'cauchy'"),
        ({"activation": "sine"}, "no activation 'sine'"),
        ({"order": (0, 0, 2)}, "lacks 1"),
    ],
)
def test_what_cannot_be_is_refused(change, words):
    with pytest.raises(InputError, match=words):
        RNADE(**{"visible": Gaussian(3), "hidden": 2, "key": KEY} | change)


@pytest.mark.parametrize("model", [MODELS["gaussian", "relu"], FVBN(Gaussian(3))])
def test_a_value_of_another_width_is_refused(model):
    """A scan over the first three of five columns would weigh these alone."""
    with pytest.raises(InputError, match=r"shape \(3,\), not \(5,\)"):
        model.log_prob(jnp.ones(5))
