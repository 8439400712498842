"""What the conformance suite does not reach: refusals, larger enumerations, marginals, deeper mean field."""

from __future__ import annotations

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from examples import OTHERS, RBMS, randomised
from harmonium.errors import InputError
from harmonium.inference import (
    at_marginals,
    conditional,
    configurations,
    encode,
    energy,
    exact_log_partition,
    free_energy,
    log_pseudo_likelihood,
    marginal_natural,
    mean_field,
    mean_stats,
    states_at,
)
from harmonium.models import RBM, Interpolated
from harmonium.testing.enumeration import list_states
from harmonium.units import Bernoulli, Categorical, Gamma, Gaussian, Spin, Unit, inner

BINARY = RBMS["rbm-bernoulli-bernoulli"]
V, H = jnp.zeros(3), jnp.zeros(2)


def rbm(visible, hidden, scale=0.5):
    return randomised(RBM(visible, hidden, key=jax.random.key(0), scale=0.0), 7, scale)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: energy(BINARY, {"v": V}), "Layer 'h' is missing.*v, h"),
        (lambda: energy(BINARY, {"v": V, "h": jnp.zeros(3)}), r"Layer 'h'.*\(2,\), not \(3,\)"),
        (lambda: energy(BINARY, {"v": V, "h": H, "x": H}), "no layer 'x'.*v, h"),
        (lambda: free_energy(BINARY, {"v": jnp.zeros((5, 3))}), "jax.vmap"),
        (lambda: free_energy(BINARY, {"y": V}), "no layer 'y'"),
        (lambda: free_energy(BINARY, {}), "depend on each other.*hm.mean_field"),
        (lambda: free_energy(OTHERS["own-deep"], {"v": V}), "h1, h2 depend on each other"),
        (lambda: conditional(BINARY, "y", {"v": V}), "no layer 'y'.*v, h"),
        (lambda: conditional(BINARY, "h", {}), "Layer 'v' is missing"),
        (lambda: conditional(BINARY, "h", {"v": H}), r"Layer 'v'.*\(3,\), not \(2,\)"),
        (lambda: exact_log_partition(rbm(Bernoulli(30), Bernoulli(26))), "6.71e.07 configurations.*two_sided"),
        (lambda: exact_log_partition(rbm(Bernoulli(1200), Bernoulli(1100))), "configurations.*two_sided"),
        (lambda: log_pseudo_likelihood(RBMS["rbm-gaussian-spin"], jax.random.key(0), H), "CD or PCD"),
    ],
)
def test_bad_input_is_refused_with_the_cure(ask, words):
    with pytest.raises(InputError, match=words):
        ask()


class Mixed(eqx.Module):
    """Bits, and two real layers in blocks of their own that act on each other."""

    real: Unit
    a: jax.Array
    b: jax.Array

    @property
    def layers(self):
        return {"v": Bernoulli(2), "h1": self.real, "h2": self.real}

    @property
    def blocks(self):
        return (("v",), ("h1",), ("h2",))

    def energy(self, stats):
        alone = {name: inner(unit.neutral_natural(), stats[name]) for name, unit in self.layers.items()}
        x, y = stats["h1"].x, stats["h2"].x
        return -sum(alone.values()) - stats["v"] @ self.a @ x - 0.2 * x @ y - self.b @ y


def test_real_units_in_two_blocks_are_summed_where_they_are_gaussian_given_the_bits():
    model = Mixed(Gaussian(1), jnp.array([[0.5], [-1.0]]), jnp.array([0.3]))
    truth = list_states(model).log_partition[0]
    assert float(exact_log_partition(model)) == pytest.approx(truth, abs=1e-4)


def test_real_units_of_other_families_in_two_blocks_are_refused():
    model = Mixed(Gamma(1), jnp.array([[0.5], [-1.0]]), jnp.array([0.3]))
    with pytest.raises(InputError, match=r"Real units in two blocks.*two_sided"):
        exact_log_partition(model)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("rbm-bernoulli-bernoulli", 4),
        ("rbm-categorical-spin", 4),
        ("rbm-bernoulli-categorical", 3),
        ("rbm-gaussian-categorical", 3),
        ("rbm-spin-gaussian", 8),
        ("rbm-gaussian-gaussian", 1),
        ("independent-mixed", 1),
        ("own-deep", 4),
    ],
)
def test_enumeration_visits_the_smaller_side(name, count):
    assert configurations((RBMS | OTHERS)[name]) == pytest.approx(count)


def test_numbered_states_are_all_states():
    model = rbm(Categorical(2, states=3), Spin(2))
    states = jax.vmap(lambda i: states_at(model, ("v", "h"), i))(jnp.arange(36))
    rows = np.hstack([states["v"], states["h"]])
    assert len(np.unique(rows, axis=0)) == 36
    assert set(rows[:, :2].ravel()) == {0, 1, 2}
    assert set(rows[:, 2:].ravel()) == {-1, 1}


def test_log_partition_over_several_chunks_and_a_remainder():
    model = rbm(Categorical(9, states=3), Categorical(8, states=3), 0.3)  # 6561 = 4096 + 2465 configurations
    assert configurations(model) == pytest.approx(6561)
    h = np.stack(np.unravel_index(np.arange(3**8), (3,) * 8), axis=1)
    W, b, c = (np.asarray(x, np.float64) for x in (model.W, model.b, model.c))
    act = b + (np.eye(3)[h].reshape(len(h), -1) @ W.T).reshape(len(h), 9, 3)
    minus_f = c[np.arange(8), h].sum(axis=1) + np.log(np.exp(act).sum(axis=2)).sum(axis=1)
    np.testing.assert_allclose(exact_log_partition(model), np.log(np.exp(minus_f).sum()), rtol=1e-5)


def test_a_gaussian_precision_that_is_not_positive_has_no_log_partition():
    model = rbm(Gaussian(2), Gaussian(1), 0.2)
    assert np.isfinite(exact_log_partition(model))
    assert np.isnan(exact_log_partition(eqx.tree_at(lambda m: m.W, model, jnp.full((2, 1), 5.0))))


@pytest.mark.parametrize(
    ("unit", "x"),
    [
        (Bernoulli(3), np.array([[0, 1, 1], [0, 1, 0], [0, 1, 1], [0, 1, 0]], np.float32)),
        (Spin(3), np.array([[1, 1, -1], [1, -1, -1]], np.float32)),
        (Categorical(2, states=3), np.array([[0, 2], [1, 2], [1, 2]], np.int32)),
        (Gaussian(2), np.array([[0.5, -3.0], [1.5, 4.0], [0.2, 0.2]], np.float32)),
    ],
)
def test_biases_at_the_marginals_give_the_marginals(unit, x):
    hidden = Bernoulli(2)
    model = at_marginals(RBM(unit, hidden, key=jax.random.key(0), scale=0.0), jnp.asarray(x))
    mean = conditional(model, "v", {"h": jnp.ones(2)}).mean
    prior, data = unit.mean(unit.neutral_natural()), mean_stats(unit, jnp.asarray(x))
    smooth = 0 if unit.states is None else 1  # real units have the data's own mean and deviation
    expected = jax.tree.map(lambda d, p: (len(x) * d + smooth * p) / (len(x) + smooth), data, prior)
    for a, b in zip(jax.tree.leaves(mean), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_without_pseudo_counts_the_marginals_are_the_data():
    eta = marginal_natural(Bernoulli(2), jnp.array([0.25, 0.75]), 10, pseudo_count=0.0)
    np.testing.assert_allclose(eta, [-np.log(3), np.log(3)], rtol=1e-5)


def test_mean_field_of_two_hidden_layers_is_a_fixed_point_and_a_bound():
    model = OTHERS["own-deep"]
    settled = eqx.filter_jit(functools.partial(mean_field, tolerance=1e-6))
    for v in ([0.0, 0.0, 0.0], [1.0, 0.0, 1.0]):
        v = jnp.array(v)
        q = settled(model, {"v": v})
        for name, others in (("h1", ("h2",)), ("h2", ("h1",))):
            stats = {"v": v} | {other: q[other] for other in others}
            act = jax.grad(lambda t, stats=stats, name=name: -model.energy(stats | {name: t}))(jnp.zeros(2))
            np.testing.assert_allclose(q[name], model.layers[name].mean(act), atol=1e-4)
        entropy = sum(unit.entropy(unit.natural_from_mean(q[n])) for n, unit in model.layers.items() if n != "v")
        bound = -model.energy({"v": v} | q) + entropy
        exact = list_states(model, {"v": np.asarray(v)[None]}).log_partition[0]
        assert exact - 0.3 < bound < exact  # below, and not far


def test_features_are_the_posterior_means():
    v = np.random.default_rng(0).integers(0, 2, (5, 3)).astype(np.float32)
    expected = 1 / (1 + np.exp(-(np.asarray(BINARY.c) + v @ np.asarray(BINARY.W))))
    np.testing.assert_allclose(encode(BINARY, jnp.asarray(v)), expected, rtol=1e-5)
    np.testing.assert_allclose(encode(BINARY, jnp.asarray(v[0])), expected[0], rtol=1e-5)
    assert set(encode(OTHERS["own-deep"], jnp.asarray(v))) == {"h1", "h2"}


def test_some_sites_of_the_pseudo_likelihood_are_unbiased():
    model, v = BINARY, jnp.array([1.0, 0.0, 1.0])
    every = eqx.filter_jit(log_pseudo_likelihood)(model, jax.random.key(0), v)
    keys = jax.random.split(jax.random.key(1), 2**12)
    some = jax.jit(jax.vmap(lambda k: log_pseudo_likelihood(model, k, v, sites=1)))(keys)
    assert np.std(some) > 0.05
    assert abs(np.mean(some) - every) < 3.3 * np.std(some) / np.sqrt(len(some))  # p = 1e-3


def test_an_inner_product_runs_over_all_leaves():
    a = Gaussian(2).stats(jnp.array([1.0, 2.0]))
    assert inner(a, a) == 1 + 4 + 1 + 16


def test_models_of_different_base_and_target_share_layers():
    path = Interpolated(OTHERS["own-deep"], OTHERS["own-deep"], 0.5)
    assert path.blocks == OTHERS["own-deep"].blocks
