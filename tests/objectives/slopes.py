"""Gradients of rules in expectation: summed over a law that is listed, or compared by z-tests where they are drawn."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from harmonium.rng import fast_key
from harmonium.testing.statistics import FAILURE_RATE

KEY = jax.random.key(0)


@eqx.filter_jit
def loss_and_slope(rule, model, batch, key=KEY):
    """The loss of a batch and its gradient."""
    return eqx.filter_value_and_grad(lambda m: rule(m, batch, key, None)[0])(model)


@eqx.filter_jit
def expected_slope(rule, model, rows, weight):
    """The gradient for rows `[n, size]` one at a time, summed with their weights `[n]`."""

    def total(m):
        return weight @ jax.vmap(lambda v: rule(m, v[None], KEY, None)[0])(rows)

    return eqx.filter_grad(total)(model)


@eqx.filter_jit
def drawn_slopes(rule, model, batch, n):
    """Losses `[n]` and gradients `[n, ...]` of one batch under `n` keys."""
    keys = jax.random.split(fast_key(KEY), len(n))
    return jax.vmap(lambda key: eqx.filter_value_and_grad(lambda m: rule(m, batch, key, None)[0])(model))(keys)


def flat(tree, n=1):
    """All numbers of a tree of arrays `[n, ...]` as `[n, m]`."""
    return np.hstack([np.asarray(leaf, np.float64).reshape(n, -1) for leaf in jax.tree.leaves(tree)])


def assert_equal_trees(actual, expected, atol=1e-5):
    """Refuse trees of the same structure whose numbers differ."""
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    np.testing.assert_allclose(flat(actual), flat(expected), rtol=1e-4, atol=atol)


def assert_unbiased(rule, model, batch, expected, n=2**11):
    """Refuse a rule whose loss and gradient, over keys, are not in the mean the expected ones."""
    drawn = flat(drawn_slopes(rule, model, batch, jnp.zeros(n)), n)
    spread = drawn.std(axis=0) / np.sqrt(n)
    assert spread.max() > 1e-4, "nothing is drawn"
    z = (drawn.mean(axis=0) - flat(expected)[0]) / (spread + 1e-6)
    assert np.abs(z).max() < scipy.stats.norm.isf(FAILURE_RATE / (2 * len(z))), z
