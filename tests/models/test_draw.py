"""DRAW: its pass agrees with its two laws, these are laws, and its attention sees what it is placed on."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.scipy.special as special
import numpy as np
import pytest

import harmonium as hm
from harmonium.models import Biased, LatentModel, load, save, trainable
from harmonium.models.directed import filters_at
from harmonium.nets import LSTM, Affine
from harmonium.testing import FAILURE_RATE
from harmonium.units import Bernoulli, Categorical, Columns, Conditional, Gaussian

DRAWS = 10_000


def moved(model, key, scale=0.5):
    """The model with noise on all its parameters, so that none is at a special value."""
    leaves, tree = jax.tree.flatten(model)
    keys = jax.random.split(key, len(leaves))
    return tree.unflatten([x + scale * jax.random.normal(k, x.shape) for x, k in zip(leaves, keys, strict=True)])


def made(visible, key=0, **options):
    model = hm.DRAW(visible, Gaussian(2), hidden=4, steps=3, key=jax.random.key(key), **options)
    return moved(model, jax.random.key(key + 100))


MODELS = {
    "plain": made(Bernoulli(6)),
    "attention": made(Bernoulli(6), attention=(2, 3), image_shape=(2, 3)),
    "codes": made(Categorical(4, states=3), attention=(1, 2)),
}
COLOURS = made(Gaussian(12), attention=[2, 1], image_shape=(2, 3, 2))
TINY = moved(hm.DRAW(Bernoulli(3), Gaussian(1), hidden=3, steps=2, key=jax.random.key(0)), jax.random.key(1), 0.7)
TINY = eqx.tree_at(  # guesses at most twice as precise as the prior, for else the weights have no variance
    lambda m: (m.guesser.W, m.guesser.b), TINY, (TINY.guesser.W / 5, jnp.array([0.5, -0.7]))
)


@eqx.filter_jit
def together(model, key):
    """A value of the model, what a pass says of it and what its laws do, and the gradient of its weight."""
    x, latents = model.simulate(key)
    encoded = model.encode_features(x)
    weighed = model.importance_sample(key, x, encoded)
    laws = model.log_joint(x, weighed.latents), model.log_q(weighed.latents, encoded)
    slope = eqx.filter_grad(lambda m: m.importance_sample(key, x, m.encode_features(x)).log_weight)(model)
    return x, latents, weighed, laws, model.sample_posterior(key, encoded), slope


@pytest.fixture(scope="module", params=MODELS)
def told(request):
    return MODELS[request.param], together(MODELS[request.param], jax.random.key(5))


@pytest.mark.slow
def test_a_pass_agrees_with_both_laws(told):
    model, (_, _, weighed, laws, guessed, _) = told
    assert isinstance(model, LatentModel)
    np.testing.assert_allclose(weighed.log_joint, laws[0], rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(weighed.log_q, laws[1], rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(weighed.latents["z"], guessed["z"], rtol=1e-5, atol=1e-5)


def test_values_and_latent_variables_have_the_shapes_of_their_layers(told):
    model, (x, latents, weighed, _, _, _) = told
    assert list(model.layers) == ["v", "z"]
    assert x.shape == (model.visible.size,)
    assert latents["z"].shape == weighed.latents["z"].shape == (model.layers["z"].size,) == (6,)
    model.visible.check(np.asarray(x)[None])


def test_a_gradient_reaches_every_parameter(told):
    model, (*_, slope) = told
    for path, leaf in jax.tree_util.tree_leaves_with_path(eqx.filter(slope, trainable(model))):
        assert np.isfinite(leaf).all(), path
        assert np.abs(leaf).max() > 0, path
    assert jax.tree.structure(slope) == jax.tree.structure(model)


def test_a_model_comes_back_as_it_was(told, tmp_path):
    model = told[0]
    back = load(save(model, tmp_path / "draw"))
    assert jax.tree.structure(back) == jax.tree.structure(model)
    for a, b in zip(jax.tree.leaves(back), jax.tree.leaves(model), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_network_is_the_one_of_the_paper():
    """Equations 3 to 8, written out step by step with a cell of their own."""
    model, x = MODELS["plain"], jnp.array([1.0, 0.0, 0.0, 1.0, 1.0, 0.0])
    z = jax.random.normal(jax.random.key(2), (3, 2))
    (enc, dec), c, log_q = (model.encoder.start, model.decoder.start), model.b, 0.0

    def run(lstm, state, inputs):
        i, f, o, g = np.split(np.concatenate([inputs, state[0]]) @ np.asarray(lstm.W) + lstm.b, 4)
        cells = special.expit(f) * state[1] + special.expit(i) * np.tanh(g)
        return special.expit(o) * np.tanh(cells), cells

    for t in range(3):
        enc = run(model.encoder, enc, np.concatenate([x, x - special.expit(c), dec[0]]))
        mean, log_precision = model.guesser(enc[0]).reshape(2, 2).T
        log_q += 0.5 * np.sum(log_precision - np.log(2 * np.pi) - np.exp(log_precision) * (z[t] - mean) ** 2)
        dec = run(model.decoder, dec, z[t])
        c = c + dec[0] @ model.writer.W + model.writer.b
    latents = {"z": z.ravel()}
    log_joint = np.sum(-0.5 * z**2 - 0.5 * np.log(2 * np.pi)) + np.sum(x * c - np.logaddexp(0, c))
    np.testing.assert_allclose(model.log_q(latents, x), log_q, rtol=1e-4)
    np.testing.assert_allclose(model.log_joint(x, latents), log_joint, rtol=1e-4)
    np.testing.assert_allclose(model.canvases(latents)[-1] + model.b, c, rtol=1e-4, atol=1e-5)


def test_the_joint_law_sums_to_one():
    """The mean weight of guesses estimates `p(x)`; over all eight `x` these sum to one."""
    x = jnp.array(np.indices((2, 2, 2)).reshape(3, 8).T, jnp.float32)
    keys = jax.random.split(jax.random.key(3), (8, DRAWS))

    def log_weights(ks, v):
        encoded = TINY.encode_features(v)
        return jax.vmap(lambda k: TINY.importance_sample(k, v, encoded).log_weight)(ks)

    log_w = jax.jit(jax.vmap(log_weights))(keys, x)
    w = np.exp(np.asarray(log_w, np.float64))
    error = np.sqrt(np.sum(w.var(axis=1) / DRAWS))
    assert error < 0.02
    assert abs(w.mean(axis=1).sum() - 1) <= -float(special.ndtri(FAILURE_RATE / 2)) * error


def test_samples_follow_the_law_that_the_weights_estimate():
    x = jax.jit(jax.vmap(TINY.sample))(jax.random.split(jax.random.key(4), DRAWS))
    z = jax.random.normal(jax.random.key(6), (DRAWS, 2))
    means = np.asarray(special.expit(jax.jit(jax.vmap(lambda z: TINY.canvases({"z": z})[-1]))(z) + TINY.b))
    error = np.sqrt((x.var(axis=0) + means.var(axis=0)) / DRAWS)
    assert (np.abs(x.mean(axis=0) - means.mean(axis=0)) <= -float(special.ndtri(FAILURE_RATE / 6)) * error).all()


def test_a_new_model_starts_near_the_marginals():
    rows = jnp.array(np.random.default_rng(0).random((50, 6)) < [0.1, 0.3, 0.5, 0.6, 0.8, 0.9], jnp.float32)
    model = hm.at_marginals(hm.DRAW(Bernoulli(6), Gaussian(2), hidden=4, steps=2, key=jax.random.key(0)), rows)
    assert isinstance(model, Biased)
    still = eqx.tree_at(lambda m: m.writer.W, model, jnp.zeros_like(model.writer.W))
    x = rows[0]
    expected = Conditional(model.visible, model.b).log_prob(x) - 2 * np.log(2 * np.pi)
    np.testing.assert_allclose(still.log_joint(x, {"z": jnp.zeros(4)}), expected, rtol=1e-5)
    np.testing.assert_allclose(special.expit(model.b), (50 * rows.mean(axis=0) + 0.5) / 51, rtol=1e-4)


@pytest.mark.parametrize("place", [[0, 0, 0, 0, 0], [0.5, -0.3, -9, 1, 2], [9, -9, -12, 2, 0]])
@pytest.mark.parametrize("grid", [1, 3])
def test_every_filter_sums_to_one(place, grid):
    filters = filters_at(jnp.array(place, jnp.float32), grid, (4, 7))
    assert filters.rows.shape == (grid, 4)
    assert filters.columns.shape == (grid, 7)
    np.testing.assert_allclose(filters.rows.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(filters.columns.sum(axis=1), 1, rtol=1e-5)


def test_narrow_filters_pick_pixels():
    """A grid of 2 x 2 at every second pixel of 5 x 5, centred on row 2 and column 4, counted from one."""
    picture = jnp.arange(25.0).reshape(1, 5, 5)
    place = jnp.array([4 / 3 - 1, 2 / 3 - 1, -9.0, np.log(2 / 4), np.log(3.0)])  # columns, rows, ..., intensity 3
    filters = filters_at(place, 2, (5, 5))
    picked = np.array([[2.0, 4.0], [12.0, 14.0]])  # rows 1 and 3, columns 3 and 5
    np.testing.assert_allclose(filters.read(picture)[0], 3 * picked, rtol=1e-5)
    written = np.zeros((5, 5))
    written[np.ix_([0, 2], [2, 4])] = picked / 3
    np.testing.assert_allclose(filters.write(jnp.array(picked)[None])[0], written, rtol=1e-5, atol=1e-6)


def test_wide_filters_are_gaussian_curves():
    """One filter over four pixels, at the middle, 2.5, with variance 1: weights exp(-d^2 / 2) / Z, d = 1.5 and 0.5."""
    curve = np.exp([-1.125, -0.125, -0.125, -1.125])
    np.testing.assert_allclose(filters_at(jnp.zeros(5), 1, (1, 4)).columns[0], curve / curve.sum(), rtol=1e-5)


def test_attention_reads_both_pictures_and_writes_all_channels():
    model = COLOURS
    assert model.encoder.W.shape[0] == 2 * 2 * 2**2 + 4 + 4  # two pictures of two channels, h of both networks
    assert model.writer.W.shape[1] == 2 * 2 * 1**2  # a mean and a log-precision of each channel
    at_zero = jax.tree.map(jnp.zeros_like, model.attention)
    first, second = np.arange(12.0), -(np.arange(12.0) ** 2)
    encoded = at_zero.read(jnp.zeros(4), jnp.array([first, second], jnp.float32)).reshape(4, 2, 2)
    filters = filters_at(jnp.zeros(5), 2, (2, 3))
    channels = np.concatenate([part.reshape(2, 3, 2).transpose(2, 0, 1) for part in (first, second)])
    expected = np.einsum("iy,cyx,jx->cij", filters.rows, channels, filters.columns)
    np.testing.assert_allclose(encoded, expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"visible": 784}, r"A DRAW is made of units, not of 784"),
        ({"latent": 10}, r"A DRAW is made of units, not of 10"),
        ({"latent": Bernoulli(3)}, r"are Gaussian, not Bernoulli: give them as hm.units.Gaussian\(3\)"),
        ({"hidden": 0}, r"one size, such as hidden=256, not 0"),
        ({"hidden": [256]}, r"one size, such as hidden=256, not a list"),
        ({"steps": 0}, r"one step or more, not in 0"),
        ({"steps": 2.5}, r"one step or more, not in 2.5"),
        ({"attention": (2, 2)}, r"6 units are no square"),
        ({"attention": (2, 2), "image_shape": (2, 4)}, r"\(2, 4\) does not have the 6 numbers"),
        ({"image_shape": (6,)}, r"\(6,\) does not have the 6 numbers"),
        ({"attention": (0, 2), "image_shape": (2, 3)}, r"grid sizes of one or more.*not \(0, 2\)"),
        ({"attention": 2, "image_shape": (2, 3)}, r"grid sizes of one or more.*not 2"),
        (
            {"visible": Columns([Bernoulli(2), Gaussian(2)]), "attention": (1, 1)},
            r"units of one kind, not over Col",
        ),
    ],
)
def test_bad_input_is_refused_in_one_sentence(change, message):
    options = {"visible": Bernoulli(6), "latent": Gaussian(2), "hidden": 4, "key": jax.random.key(0)} | change
    with pytest.raises(hm.InputError, match=message):
        hm.DRAW(options.pop("visible"), options.pop("latent"), **options)


@pytest.mark.parametrize("kind", [Affine, LSTM])
def test_networks_without_a_size_are_refused(kind):
    with pytest.raises(hm.InputError, match=r"sizes of one or more, not \[0, 3\]"):
        kind(0, 3, key=jax.random.key(0))


def test_a_new_lstm_remembers():
    lstm = LSTM(2, 3, key=jax.random.key(0))
    np.testing.assert_array_equal(lstm.b, [0] * 3 + [1] * 3 + [0] * 6)
