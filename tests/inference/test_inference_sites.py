"""Sums over units: all of them, more than are visited at once, and some without bias."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from examples import RBMS
from harmonium.inference import score, sum_over_sites

X = jnp.asarray(np.random.default_rng(0).normal(size=12).astype(np.float32))


@pytest.mark.parametrize("size", [3, 8, 9, 12])
def test_the_sum_and_its_gradient_are_over_all_units(size):
    value, slope = jax.jit(jax.value_and_grad(lambda x: sum_over_sites(lambda i: jnp.sin(x[i]) ** 2, size)))(X)
    np.testing.assert_allclose(value, np.sum(np.sin(X[:size]) ** 2), rtol=1e-5)
    np.testing.assert_allclose(slope, np.where(np.arange(12) < size, np.sin(2 * X), 0), atol=1e-6)


@pytest.mark.parametrize("sites", [1, 5, 10])
def test_some_units_are_different_ones_and_unbiased(sites):
    """Each is visited once at most, and each as often as the others."""
    keys = jax.random.split(jax.random.key(0), 2**12)
    visits = jax.jit(jax.vmap(jax.grad(lambda x, k: sum_over_sites(lambda i: x[i], 12, k, sites)), (None, 0)))(X, keys)
    np.testing.assert_allclose(visits[visits != 0], 12 / sites, rtol=1e-5)
    assert (np.count_nonzero(visits, axis=1) == sites).all()
    share, spread = sites / 12, np.sqrt(sites / 12 * (1 - sites / 12) / len(keys))
    z = (np.count_nonzero(visits, axis=0) / len(keys) - share) / spread
    assert np.abs(z).max() < 4.1  # 12 units, p = 1e-3 in all


def test_a_gradient_does_not_keep_the_values_within_the_terms():
    size, width = 320, 1000
    slope = jax.jit(jax.grad(lambda x: sum_over_sites(lambda i: jnp.sum(jnp.tanh(i * x)), size)))
    memory = slope.lower(jnp.ones(width)).compile().memory_analysis().temp_size_in_bytes
    assert memory < 0.1 * 4 * size * width


def test_no_key_is_needed_to_visit_all():
    assert sum_over_sites(lambda i: X[i], 12, sites=12) == pytest.approx(float(X.sum()), rel=1e-5)


def test_the_score_of_a_gaussian_machine_is_linear():
    model = RBMS["rbm-gaussian-gaussian"]
    zero, one, two = (score(model, x * jnp.ones(2)) for x in (0.0, 1.0, 2.0))
    np.testing.assert_allclose(two - one, one - zero, rtol=1e-5)
