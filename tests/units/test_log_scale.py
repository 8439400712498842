"""Log-precisions that a net sets: as they are near zero, and limited far from it, in every model that has them."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import harmonium as hm
from harmonium.models import VariationalRNN
from harmonium.models.directed.draw_attention import filters_at
from harmonium.models.energy import weights
from harmonium.units import Bernoulli, Columns, Frames, Gaussian, GaussianBias, limited
from harmonium.units.log_scale import FREE, LIMIT

KEY = jax.random.key(0)
RELU = {"key": KEY, "activation": "relu"}


def test_it_is_the_number_itself_near_zero_and_twice_differentiable_everywhere():
    a = jnp.linspace(-FREE, FREE, 101)
    np.testing.assert_array_equal(limited(a), a)
    x = jnp.linspace(-40, 40, 1601)
    np.testing.assert_array_less(jnp.abs(limited(x)), LIMIT + 1e-6)
    np.testing.assert_allclose(limited(-x), -limited(x), atol=1e-6)
    slope, bend = jax.vmap(jax.grad(limited))(x), jax.vmap(jax.grad(jax.grad(limited)))(x)
    assert (slope >= 0).all()
    assert np.isfinite(bend).all()
    by_hand = np.where(np.abs(x) <= FREE, 1.0, 1 / np.cosh((np.abs(x) - FREE) / (LIMIT - FREE)) ** 2)
    np.testing.assert_allclose(slope, by_hand, atol=1e-5)
    np.testing.assert_allclose([jax.grad(jax.grad(limited))(FREE + e) for e in (-1e-3, 1e-3)], 0, atol=1e-3)


def test_what_no_number_is_stays_so():
    np.testing.assert_array_equal(limited(jnp.array([jnp.nan, jnp.inf, -jnp.inf])), [np.nan, LIMIT, -LIMIT])


def test_a_bias_has_no_limit():
    bias = GaussianBias(jnp.zeros(1), jnp.array([27.0]))  # a column of standard deviation 1e-6
    eta = Gaussian(1).natural_from_output(bias, jnp.array([0.0, 1e9]))
    np.testing.assert_allclose(eta.square, -0.5 * np.exp(27.0 + LIMIT), rtol=1e-4)


MIXED = Columns([Bernoulli(1), Gaussian(2)])
MODELS = {
    "orderless": hm.OrderlessNADE(Gaussian(3), [6], **RELU).with_orders(2, key=KEY),
    "nadek": hm.NADEk(Gaussian(3), 6, key=KEY, activation="relu"),
    "made": hm.MADE(Gaussian(3), [6], **RELU),
    "nade": hm.NADE(Gaussian(3), 6, **RELU),
    "mixed": hm.MADE(MIXED, [6], **RELU),
    "rnade": hm.RNADE(Gaussian(3), 6, **RELU),
    "laplace": hm.RNADE(Gaussian(3), 6, kind="laplace", **RELU),
    "vae": hm.VAE(Gaussian(3), Gaussian(2), [6], **RELU),
    "deep vae": hm.VAE(MIXED, [Gaussian(2), Gaussian(2)], [6], **RELU),
    "draw": hm.DRAW(Gaussian(4), Gaussian(2), hidden=5, steps=2, attention=(2, 2), key=KEY),
    "sequences": VariationalRNN(Frames(Gaussian(1), 3), Gaussian(2), 5, sizes=[6], **RELU),
    "invertible": hm.InvertibleNet(Gaussian(3), [6], **RELU),
}


@pytest.mark.parametrize("name", MODELS)
def test_far_rows_have_finite_and_very_low_log_probabilities(name):
    """Nets with weights twice as large as at their start, and rows up to 10,000 deviations off."""
    model = MODELS[name]
    model = jax.tree.map(lambda leaf, weight: 2 * leaf if weight else leaf, model, weights(model))
    size = model.layers["v"].size
    rows = np.zeros((5, size))
    rows[1:, -2 if size > 2 else 0] = [10, -100, 1e3, -1e4]
    guesses = {"samples": 4} if isinstance(model, hm.models.LatentModel) else {}
    each = hm.log_likelihood(model, rows, key=KEY, **guesses).per_example
    assert np.isfinite(each).all(), each
    assert each[0] > -1e3 > each[3] > each[4]


def test_filters_of_a_far_place_are_finite():
    found = filters_at(jnp.array([0.0, 0.0, 1e4, -1e4, 1e4]), 3, (4, 4))
    assert all(np.isfinite(leaf).all() for leaf in found)


def test_the_bias_of_a_frame_sets_the_scale_of_its_units():
    frames, bias = Frames(Gaussian(1), 2), GaussianBias(jnp.array([5e4]), jnp.array([-16.0]))
    plain = VariationalRNN(frames, Gaussian(2), 4, sizes=[4], key=KEY)
    still = eqx.tree_at(lambda m: m.decoder.W[-1], plain, jnp.zeros_like(plain.decoder.W[-1]))
    model = eqx.tree_at(lambda m: m.b, still, bias, is_leaf=lambda x: x is None)
    encoded = model.visible.unit.mean(model._decoded(jnp.zeros(4), jnp.zeros(4)))
    np.testing.assert_allclose(
        [encoded.x[0], np.sqrt(encoded.square[0] - encoded.x[0] ** 2)], [5e4, np.exp(8.0)], rtol=0.02
    )
    made = VariationalRNN(frames, Gaussian(2), 4, sizes=[4], key=KEY, b=bias)
    np.testing.assert_array_equal(made.b.log_precision, bias.log_precision)
