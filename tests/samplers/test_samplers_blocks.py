"""Rows drawn in blocks are the rows drawn at once, whatever the blocks."""

from __future__ import annotations

import itertools

import jax
import numpy as np
import pytest

import harmonium as hm
from harmonium import units
from harmonium.errors import InputError
from harmonium.rng import fast_key, row_keys, threefry

KEY = jax.random.key(0)
V, MIXED = units.Bernoulli(5), units.Columns([units.Bernoulli(2), units.Gaussian(2), units.Categorical(1, states=3)])
MODELS = {
    "rbm": lambda: hm.RBM(visible=V, hidden=units.Bernoulli(3), key=KEY, scale=1.0),
    "dbn": lambda: hm.DBN(V, [units.Bernoulli(3), units.Bernoulli(2)], key=KEY, scale=1.0),
    "nade": lambda: hm.NADE(MIXED, 4, key=KEY, scale=1.0),
    "orderless": lambda: hm.OrderlessNADE(MIXED, [4], key=KEY),
    "vae": lambda: hm.VAE(V, units.Gaussian(2), hidden=[3], key=KEY),
    "sbn": lambda: hm.SigmoidBeliefNet(V, [units.Bernoulli(3)], key=KEY),
}


def joined(draw, cuts: list[int]) -> np.ndarray:
    return np.concatenate([np.asarray(draw(a, b)) for a, b in itertools.pairwise(cuts)])


@pytest.mark.parametrize("name", MODELS)
def test_samples_do_not_depend_on_the_blocks(name):
    model = MODELS[name]()
    draw = lambda a, b: hm.sample(model, KEY, b - a, steps=3, first=a)  # noqa: E731
    whole = np.asarray(hm.sample(model, KEY, 9, steps=3))
    np.testing.assert_allclose(joined(draw, [0, 3, 6, 9]), whole, atol=1e-5)
    assert len(np.unique(whole, axis=0)) > 1


@pytest.mark.parametrize("name", ["rbm", "orderless", "vae"])
def test_filled_rows_do_not_depend_on_the_blocks(name):
    model = MODELS[name]()
    rows = np.zeros((9, 5))
    rows[:, 1:4] = np.nan
    fill = lambda a, b: hm.impute(model, KEY, rows[a:b], steps=3, first=a)  # noqa: E731
    whole = np.asarray(hm.impute(model, KEY, rows, steps=3))
    np.testing.assert_allclose(joined(fill, [0, 3, 6, 9]), whole, atol=1e-5)
    assert len(np.unique(whole, axis=0)) > 1


@pytest.mark.parametrize("kind", [fast_key, threefry])
def test_keys_of_rows_are_apart_and_go_beyond_32_bits(kind):
    far = [0, 1, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**33, 2**40]
    keys = [tuple(np.asarray(jax.random.key_data(row_keys(kind(KEY), row, 1)[0])).tolist()) for row in far]
    assert len(set(keys)) == len(far)
    across = row_keys(kind(KEY), 2**32 - 1, 2)
    assert [tuple(np.asarray(jax.random.key_data(key)).tolist()) for key in across] == keys[3:5]


def test_more_rows_than_the_memory_holds_are_refused_with_the_cure():
    for name in ("rbm", "nade", "vae"):
        with pytest.raises(InputError, match=r"takes [\d.]+ GiB, and there are [\d.]+ GiB of memory: draw them in bl"):
            hm.sample(MODELS[name](), KEY, 10**12)
    with pytest.raises(InputError, match="first=-3 is none"):
        hm.sample(MODELS["rbm"](), KEY, 2, first=-3)
