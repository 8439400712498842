"""The variational recurrent network: its law, its masks, its gradients, and what it refuses."""

from __future__ import annotations

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from examples import randomised
from harmonium.errors import InputError
from harmonium.evaluation import log_likelihood, per_frame
from harmonium.models import LatentModel, VariationalRNN, load, save
from harmonium.nets import GRU
from harmonium.testing.statistics import FAILURE_RATE, matches_law
from harmonium.units import Bernoulli, Categorical, Conditional, Frames, Gaussian, Spin

KEY = jax.random.key(0)


def tiny(unit, frames, latent, seed=0, **options):
    """A network of these frames with every parameter moved."""
    return randomised(VariationalRNN(Frames(unit, frames), latent, 3, sizes=[4], key=KEY, **options), seed, 0.4)


B2 = Bernoulli(2)
MODEL = tiny(B2, 4, Gaussian(2), activation="relu")
SEQUENCES = [[[0, 1]], [[1, 1], [0, 0]], [[1, 0], [0, 1], [1, 1]], [[0, 0], [1, 1], [0, 1], [1, 0]]]
ROWS = jnp.asarray(MODEL.visible.rows(SEQUENCES))


@eqx.filter_jit
def weighed(model, keys, rows):
    """A guess for each row, and its two log-probabilities found once more from the guess alone."""

    def one(key, x):
        encoded = model.encode_features(x)
        w = model.importance_sample(key, x, encoded)
        again = model.log_joint(x, w.latents), model.log_q(w.latents, encoded)
        return w, again, model.sample_posterior(key, encoded)

    return jax.vmap(one)(keys, rows)


def by_hand(model, frames, z):
    """`log p(x, z)` and `log q(z | x)` of one sequence `[length, size]`, term by term from the networks' weights."""
    f = {"relu": lambda a: np.maximum(a, 0), "tanh": np.tanh}[model.prior.activation]
    unit, sigmoid = model.visible.unit, scipy.special.expit

    def net(which, x):
        for i, (W, b) in enumerate(zip(which.W, which.b, strict=True)):
            x = x @ np.asarray(W, np.float64) + np.asarray(b)
            x = f(x) if i < len(which.W) - 1 else x
        return x

    def log_prob(units, out, value):
        eta = units.natural_from_output(units.bias(units.neutral_natural()), jnp.asarray(out, jnp.float32))
        return float(Conditional(units, eta).log_prob(jnp.asarray(value, units.dtype)))

    gru = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), model.gru)
    n = len(gru.c)
    h, joint, guess = np.zeros(n), 0.0, 0.0
    for x_t, z_t in zip(frames, z, strict=True):
        phi_x = f(net(model.features, np.asarray(unit.as_input(jnp.asarray(x_t, unit.dtype)))))
        phi_z = f(net(model.latent_features, np.asarray(model.latent.as_input(z_t))))
        joint += log_prob(model.latent, net(model.prior, h), z_t)
        joint += log_prob(unit, net(model.decoder, np.concatenate([phi_z, h])), x_t)
        guess += log_prob(model.latent, net(model.encoder, np.concatenate([phi_x, h])), z_t)
        a, back = np.concatenate([phi_x, phi_z]) @ gru.W + gru.b, h @ gru.U
        r, u = sigmoid(a[:n] + back[:n]), sigmoid(a[n : 2 * n] + back[n : 2 * n])
        h = u * h + (1 - u) * np.tanh(a[2 * n :] + r * (back[2 * n :] + gru.c))
    return joint, guess


@pytest.mark.parametrize(
    ("model", "sequences"),
    [
        (MODEL, SEQUENCES),
        (tiny(Gaussian(2), 3, Gaussian(1), 1), [[[0.3, -1.2]], [[-1.0, 0.5]] * 3]),
        (tiny(Categorical(1, states=3), 3, Bernoulli(2), 2), [[[2]], [[0], [1]], [[1], [2], [0]]]),
        (tiny(Spin(2), 2, Gaussian(1), 3), [[[1, -1]], [[-1, -1], [1, 1]]]),
    ],
    ids=["bernoulli", "gaussian", "categorical", "spin"],
)
def test_weights_are_those_of_the_definition(model, sequences):
    assert isinstance(model, LatentModel)
    rows = model.visible.rows(sequences)
    model.visible.check(rows)
    found, again, guess = weighed(model, jax.random.split(KEY, len(rows)), jnp.asarray(rows))
    np.testing.assert_allclose((found.log_joint, found.log_q), again, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(found.latents["z"], guess["z"])
    for i, sequence in enumerate(sequences):
        z = found.latents["z"][i].reshape(model.visible.frames, -1)
        joint, log_q = by_hand(model, sequence, z[: len(sequence)])
        neutral = sum(float(model.latent.log_prob(model.latent.neutral_natural(), z_t)) for z_t in z[len(sequence) :])
        joint, log_q = joint + neutral, log_q + neutral
        np.testing.assert_allclose((found.log_joint[i], found.log_q[i]), (joint, log_q), rtol=1e-4, atol=1e-4)


def test_absent_frames_change_nothing():
    """Neither the weights of a sequence, by the same noise in the frames that are there, nor their gradients."""
    longer = eqx.tree_at(lambda m: m.visible, MODEL, Frames(B2, 7))
    keys = jax.random.split(KEY, len(SEQUENCES))
    padded = jnp.asarray(longer.visible.rows(SEQUENCES))
    one, _, _ = weighed(MODEL, keys, ROWS)
    other, _, _ = weighed(longer, keys, padded)
    np.testing.assert_allclose(one.log_weight, other.log_weight, rtol=1e-5)
    slopes = jax.tree.leaves(slope(MODEL, keys, ROWS)), jax.tree.leaves(slope(longer, keys, padded))
    for a, b in zip(*slopes, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@eqx.filter_jit
@eqx.filter_grad
def slope(model, keys, rows):
    """The gradient of the mean log-weight."""
    return jnp.mean(
        jax.vmap(lambda k, x: model.importance_sample(k, x, model.encode_features(x)).log_weight)(keys, rows)
    )


def test_gradients_reach_every_parameter():
    gradient = slope(MODEL, jax.random.split(KEY, len(SEQUENCES)), ROWS)
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
        assert np.isfinite(leaf).all(), jax.tree_util.keystr(path)
        assert np.any(leaf != 0), jax.tree_util.keystr(path)


def test_a_sum_over_latent_states_leaves_out_those_of_absent_frames():
    model = tiny(B2, 1, Bernoulli(2), 7)
    longer, rows = eqx.tree_at(lambda m: m.visible, model, Frames(B2, 3)), np.array([[0, 1], [1, 1]])
    one = log_likelihood(model, rows)
    other = log_likelihood(longer, longer.visible.rows(rows[:, None]))
    assert one.kind == other.kind == "exact"
    np.testing.assert_allclose(one.per_example, other.per_example, rtol=1e-5)
    assert per_frame(other, longer.visible.count(longer.visible.rows(rows[:, None]))).value == pytest.approx(one.value)


SMALL, GUESSES = tiny(B2, 2, Gaussian(1), 5), 8000
EVERY = [np.reshape(s, (t, 2)) for t in (1, 2) for s in itertools.product([0, 1], repeat=2 * t)]  # 4 and 16


@pytest.fixture(scope="module")
def weights():
    """Weights `[sequences, guesses]` of every sequence of one and of two frames: their means are `p(x)`."""
    rows = jnp.asarray(SMALL.visible.rows(EVERY))

    @eqx.filter_jit
    def log_weights(model, keys, rows):
        def one(keys, x):
            encoded = model.encode_features(x)
            return jax.vmap(lambda key: model.importance_sample(key, x, encoded).log_weight)(keys)

        return jax.vmap(one)(keys, rows)

    return np.exp(np.asarray(log_weights(SMALL, jax.random.split(KEY, (len(rows), GUESSES)), rows), np.float64))


def test_weights_of_all_sequences_sum_to_one(weights):
    """Their mean over guesses is `p(x)`, of which the sum over all sequences of one length is one."""
    for some in (weights[:4], weights[4:]):
        error = np.sqrt((some.var(axis=1, ddof=1) / GUESSES).sum())
        assert error < 0.02
        assert abs(some.mean(axis=1).sum() - 1.0) < -scipy.special.ndtri(FAILURE_RATE / 4) * error


@eqx.filter_jit
def simulated(model, keys):
    return jax.vmap(model.simulate)(keys)


def test_samples_follow_the_law_of_the_weights(weights):
    p = weights[4:].mean(axis=1)
    drawn = np.asarray(simulated(SMALL, jax.random.split(jax.random.key(3), 4096))[0])
    counts = np.bincount((drawn @ np.array([8, 4, 2, 1])).astype(int), minlength=16)
    matches_law(counts, p / p.sum(), "Samples of the network")


def test_a_saved_network_is_the_same(tmp_path):
    found = load(save(MODEL, tmp_path / "music.safetensors"))
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(MODEL), strict=True):
        np.testing.assert_array_equal(a, b)
    assert found.visible == MODEL.visible
    assert found.layers["z"].size == 8


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: VariationalRNN(Bernoulli(88), Gaussian(2), key=KEY), "takes sequences, .* not a Bernoulli"),
        (lambda: VariationalRNN(Frames(B2, 3), 2, key=KEY), "made of units, not of 2"),
        (lambda: VariationalRNN(Frames(B2, 3), Gaussian(2), 0, key=KEY), "hidden=0"),
        (lambda: VariationalRNN(Frames(B2, 3), Gaussian(2), sizes=[], key=KEY), r"list of sizes, .* not \[\]"),
        (lambda: VariationalRNN(Frames(B2, 3), Gaussian(2), activation="sine", key=KEY), "no activation 'sine'"),
        (lambda: GRU(0, 3, key=KEY), "at least one input"),
    ],
)
def test_what_cannot_be_is_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()
