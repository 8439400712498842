"""Convolutional nets: shapes, what they compute, and how they are used and kept."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import harmonium as hm
from harmonium.errors import InputError
from harmonium.nets import ConvDecoder, ConvEncoder

KEY = jax.random.key(0)


def test_an_encoder_is_its_sums() -> None:
    net = ConvEncoder((5, 4), [2], 3, key=KEY, activation="relu")
    x = np.asarray(jax.random.normal(jax.random.key(1), (5, 4)))
    kernel, last = (np.asarray(W) for W in net.W)
    below = np.pad(x, ((1, 1), (0, 1)))  # stride 2: odd sides are padded on both ends, even ones at the far end
    hidden = np.array(
        [
            [np.maximum(np.tensordot(below[i : i + 3, j : j + 3], kernel[:, :, 0], 2), 0) for j in (0, 2)]
            for i in (0, 2, 4)
        ]
    )
    np.testing.assert_allclose(net(jnp.asarray(x.ravel())), hidden.ravel() @ last, rtol=1e-4, atol=1e-5)


def test_a_decoder_doubles_and_convolves() -> None:
    net = ConvDecoder(2, (3, 4), [1], key=KEY)
    z = jnp.array([0.5, 2.0])
    small = np.maximum(np.asarray(z @ net.W[0]).reshape(2, 2), 0)
    picture = np.pad(np.repeat(np.repeat(small, 2, axis=0), 2, axis=1)[:3], 1)
    kernel = np.asarray(net.W[1])[:, :, 0, 0]
    found = [[np.sum(picture[i : i + 3, j : j + 3] * kernel) for j in range(4)] for i in range(3)]
    np.testing.assert_allclose(net(z), np.ravel(found), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("unit", [hm.units.Bernoulli(5 * 7), hm.units.Gaussian(5 * 7)], ids=["bernoulli", "gaussian"])
def test_an_auto_encoder_of_pictures_trains_and_is_kept(unit: hm.units.Unit, tmp_path: object) -> None:
    latent = hm.units.Gaussian(3)
    encoder = ConvEncoder((5, 7), [2, 3], latent.num_outputs, key=KEY)
    decoder = ConvDecoder(3, (5, 7), [3, 2], key=KEY, each=unit.num_outputs // unit.size)
    model = hm.VAE(unit, latent, key=KEY, encoder=encoder, decoder=decoder)
    rows = np.asarray(jax.random.bernoulli(KEY, 0.3, (20, 35)), np.float32)
    run = hm.fit(model, rows, hm.objectives.ELBO(), epochs=2, batch_size=10, key=KEY)
    kept = hm.load(hm.save(run.model, f"{tmp_path}/vae.safetensors"))
    same = jax.tree.map(lambda a, b: bool(jnp.array_equal(a, b)), kept.down[0].net.W, run.model.down[0].net.W)
    assert all(same)
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), run.model.up[0].net.W, model.up[0].net.W)
    assert all(moved)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ConvEncoder((8,), [2], 3, key=KEY), "rows, columns"),
        (lambda: ConvEncoder((8, 8), [], 3, key=KEY), "one layer or more"),
        (lambda: ConvDecoder(3, (8, 8), [0], key=KEY), "one layer or more"),
        (lambda: ConvDecoder(3, (8, 8), [2], key=KEY, each=0), "each=0"),
        (lambda: ConvEncoder((8, 8), [2], 3, key=KEY, activation="sine"), "no activation"),
        (
            lambda: hm.VAE(
                hm.units.Bernoulli(64), hm.units.Gaussian(3), key=KEY, decoder=ConvDecoder(3, (8, 7), [2], key=KEY)
            ),
            r"gives 64, but this one gives \(56,\)",
        ),
    ],
)
def test_what_makes_no_net_is_refused(make: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        make()
