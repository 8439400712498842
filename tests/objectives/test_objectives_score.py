"""Score matching: against explicit Hessians, at rest in the truth, sliced and denoising forms in expectation."""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from slopes import KEY, assert_equal_trees, assert_unbiased, expected_slope, flat, loss_and_slope

from examples import RBMS, randomised
from harmonium.errors import InputError
from harmonium.models import RBM
from harmonium.objectives import DenoisingScoreMatching, ScoreMatching
from harmonium.testing.enumeration import list_states
from harmonium.units import Bernoulli, Gaussian

BINARY, NORMAL = RBMS["rbm-gaussian-bernoulli"], RBMS["rbm-gaussian-gaussian"]
WIDE = randomised(RBM(Gaussian(10), Bernoulli(3), key=KEY, scale=0.0), 0, 0.3)  # more units than are visited at once
ROWS = jnp.asarray(np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32))


def free_energy_by_hand(model, v):
    """`F(v)` of an RBM with Gaussian visible units, up to what `v` does not change."""
    beta = jnp.exp(model.b.log_precision)
    act = (beta * v) @ model.W
    if isinstance(model.hidden, Bernoulli):
        inside = jnp.sum(jnp.log1p(jnp.exp(model.c + act)))
    else:
        inside = jnp.sum(jnp.exp(model.c.log_precision) * (model.c.mean + act) ** 2) / 2
    return beta @ (v - model.b.mean) ** 2 / 2 - inside


@eqx.filter_jit
@eqx.filter_value_and_grad
def by_hand(model, rows, noise=0.0):
    """`|psi|^2 / 2 + tr d psi / d v + sigma^2 tr (d psi / d v)^2 / 2`; the last for noise and a quadratic `F`."""

    def one(v):
        slope = jax.grad(free_energy_by_hand, argnums=1)(model, v)
        curvature = jax.hessian(free_energy_by_hand, argnums=1)(model, v)
        return slope @ slope / 2 - jnp.trace(curvature) + noise**2 / 2 * jnp.sum(curvature**2)

    return jnp.mean(jax.vmap(one)(rows))


@pytest.mark.parametrize("model", [BINARY, NORMAL, WIDE], ids=["bernoulli", "gaussian", "wide"])
def test_the_loss_and_its_gradient_are_those_of_an_explicit_hessian(model):
    rows = jnp.asarray(np.random.default_rng(1).normal(size=(3, model.visible.size)).astype(np.float32))
    loss, slope = loss_and_slope(ScoreMatching(), model, rows)
    expected, expected_slope = by_hand(model, rows)
    assert loss == pytest.approx(float(expected), rel=1e-5)
    assert_equal_trees(slope, expected_slope)


@pytest.mark.parametrize("model", [BINARY, NORMAL], ids=["bernoulli", "gaussian"])
def test_the_rule_rests_where_the_data_is_the_model(model):
    truth = list_states(model)
    v, weight = jnp.asarray(truth.values["v"][0]), jnp.asarray(truth.probability[0], jnp.float32)
    assert np.abs(flat(expected_slope(ScoreMatching(), model, v, weight))).max() < 1e-4
    moved = eqx.tree_at(lambda m: m.b.mean, model, model.b.mean + 1)
    assert np.abs(expected_slope(ScoreMatching(), moved, v, weight).b.mean).min() > 0.01


def test_squared_score_and_divergence_cancel_where_the_data_is_the_model():
    truth = list_states(BINARY)
    metrics = eqx.filter_jit(jax.vmap(lambda v: ScoreMatching()(BINARY, v[None], KEY, None)[1][1]))(
        jnp.asarray(truth.values["v"][0])
    )
    mean = {name: truth.probability[0] @ np.asarray(values, np.float64) for name, values in metrics.items()}
    assert mean["squared_score"] > 0.5
    assert mean["squared_score"] + mean["score_divergence"] == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("probes", [1, 3])
def test_random_probes_are_unbiased(probes):
    assert_unbiased(ScoreMatching(probes=probes), BINARY, ROWS, loss_and_slope(ScoreMatching(), BINARY, ROWS))


@pytest.mark.parametrize("noise", [0.2, 0.6])
def test_denoising_is_score_matching_with_a_penalty_on_a_gaussian(noise):
    """With `psi(v) = -P (v - m)` the mean is `|psi|^2 / 2 - tr P + sigma^2 tr P^2 / 2` and a constant.

    As the noise vanishes this is the loss of score matching.
    """
    rule = DenoisingScoreMatching(noise=noise)
    expected, slope = by_hand(NORMAL, ROWS, noise)
    assert_unbiased(rule, NORMAL, ROWS, (expected + ROWS.shape[1] / (2 * noise**2), slope), 2**13)


def test_denoising_is_score_matching_of_blurred_data():
    """For any model `E_z DSM(v) = E_z SM(v + sigma z) + n / (2 sigma^2)`; on the right `E_z` is by quadrature here."""
    noise, rule = 0.5, DenoisingScoreMatching(noise=0.5)
    nodes, weights = np.polynomial.hermite_e.hermegauss(15)
    z = np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, 2)
    weight = np.outer(weights, weights).ravel() / (2 * np.pi)
    v = jnp.asarray(ROWS[:1] + noise * z, jnp.float32)
    slope = expected_slope(ScoreMatching(), BINARY, v, jnp.asarray(weight, jnp.float32))
    loss = weight @ np.array(eqx.filter_jit(jax.vmap(lambda x: ScoreMatching()(BINARY, x[None], KEY, None)[0]))(v))
    assert_unbiased(rule, BINARY, ROWS[:1], (np.float32(loss + 2 / (2 * noise**2)), slope), 2**13)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ScoreMatching(probes=0), "not 0"),
        (lambda: DenoisingScoreMatching(noise=0.0), "not 0.0"),
        (lambda: DenoisingScoreMatching(noise=-1.0), "not -1.0"),
        (lambda: DenoisingScoreMatching(noise=math.nan), "not nan"),
    ],
)
def test_rules_that_do_nothing_are_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()


@pytest.mark.parametrize("rule", [ScoreMatching(), DenoisingScoreMatching(noise=0.1)], ids=["exact", "denoising"])
@pytest.mark.parametrize("kind", ["bernoulli", "spin", "categorical"])
def test_units_that_are_not_real_are_refused(rule, kind):
    model = RBMS[f"rbm-{kind}-bernoulli"]
    with pytest.raises(InputError, match=f"{kind.title()} visible units.*RatioMatching.*PseudoLikelihood"):
        rule(model, jnp.zeros((1, model.visible.size)), KEY, None)
