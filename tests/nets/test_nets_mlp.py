"""The perceptron: what it computes, and what dropout does to it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from harmonium.errors import InputError
from harmonium.nets import MLP

KEY = jax.random.key(0)


def test_it_is_affine_maps_with_a_function_between():
    net = MLP([3, 4, 2], key=KEY, activation="tanh")
    x = np.array([0.3, -1.0, 2.0])
    W, b = [np.asarray(w, np.float64) for w in net.W], [np.asarray(c, np.float64) for c in net.b]
    np.testing.assert_allclose(net(jnp.asarray(x, jnp.float32)), np.tanh(x @ W[0] + b[0]) @ W[1] + b[1], rtol=1e-5)


def test_dropout_keeps_the_mean_of_what_it_drops():
    """Of a linear net the output's mean over draws is the output without dropout."""
    net = MLP([50, 3], key=KEY)
    x = jnp.ones(50)
    drawn = jax.vmap(lambda k: net(x, k, (0.4, 0.0)))(jax.random.split(KEY, 4000))
    z = (drawn.mean(axis=0) - net(x)) / (drawn.std(axis=0) / np.sqrt(4000))
    assert float(drawn.std()) > 0.1
    assert np.abs(z).max() < 4.0
    np.testing.assert_array_equal(net(x, KEY), net(x))  # nothing dropped, nothing drawn


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: MLP([3], key=KEY), "input and its output"),
        (lambda: MLP([3, 2], key=KEY, activation="x"), "no activation"),
    ],
)
def test_networks_that_cannot_be_are_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()
