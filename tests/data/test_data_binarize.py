"""The four ways from grey to binary, and the refusal to choose one silently."""

import numpy as np
import pytest

from harmonium.data import BINARIZATIONS, as_dataset, from_arrays, space_of
from harmonium.data.binarize import binarize
from harmonium.errors import InputError

GREY = np.random.default_rng(0).uniform(size=(500, 8))
PARTS = {"valid": GREY[:100], "test": GREY[:100]}


def test_what_each_scheme_stores():
    stored = {scheme: from_arrays(GREY, **PARTS, binarize=scheme) for scheme in BINARIZATIONS}
    assert {s: (d.train.dtype.name, d.test.dtype.name) for s, d in stored.items()} == {
        "fixed": ("uint8", "uint8"),
        "dynamic": ("float32", "uint8"),
        "threshold": ("uint8", "uint8"),
        "probabilities": ("float32", "uint8"),
    }
    assert {s: (d.space.support, d.test.space.binarization) for s, d in stored.items()} == {
        "fixed": ("binary", "fixed(seed=0)"),
        "dynamic": ("binary", "fixed(seed=0)"),
        "threshold": ("binary", "threshold(0.5)"),
        "probabilities": ("binary", "fixed(seed=0)"),
    }
    assert all(d.binarization == s for s, d in stored.items())
    np.testing.assert_array_equal(stored["threshold"].train, GREY >= 0.5)
    assert binarize(np.array([[0.49, 0.5]]), "threshold").tolist() == [[0, 1]]
    np.testing.assert_array_equal(stored["probabilities"].train, GREY.astype(np.float32))


def test_held_out_rows_compare_where_they_are_the_same_sample_and_only_there():
    def held_out(scheme, seed=0):
        return space_of(from_arrays(GREY, **PARTS, binarize=scheme, seed=seed).test)

    for scheme in ("dynamic", "probabilities"):
        assert held_out("fixed").why_incomparable(held_out(scheme)) is None
        assert "binarization" in held_out("fixed").why_incomparable(held_out(scheme, seed=1))
    assert "binarization" in held_out("fixed").why_incomparable(held_out("threshold"))
    trained = [from_arrays(GREY, binarize=scheme).space for scheme in BINARIZATIONS]
    assert all(a.why_incomparable(b) for a in trained for b in trained if a is not b)


def test_fixed_is_a_sample_that_depends_on_seed_and_split_only():
    grey = np.full((400, 50), 0.3, np.float32)
    bits = binarize(grey, "fixed", 0)
    assert bits.dtype == np.uint8
    assert abs(bits.mean() - 0.3) < 4 * (0.21 / grey.size) ** 0.5
    np.testing.assert_array_equal(bits, binarize(grey, "fixed", 0))
    for other in (binarize(grey, "fixed", 1), binarize(grey, "fixed", 0, split="test")):
        assert abs((bits != other).mean() - 0.42) < 0.02  # independent bits differ with probability 2 p (1 - p)


def test_certain_values_stay_certain_and_blocks_do_not_matter(monkeypatch):
    grey = np.concatenate([np.zeros((9, 5)), np.ones((9, 5)), GREY[:9, :5]]).astype(np.float32)
    whole = binarize(grey, "fixed", 0)
    assert whole[:9].max() == 0
    assert whole[9:18].min() == 1
    monkeypatch.setattr("harmonium.data.storage.BLOCK_BYTES", 60)
    np.testing.assert_array_equal(binarize(grey, "fixed", 0), whole)


def test_binary_data_stays_what_it_is_under_every_scheme():
    x = (GREY > 0.5).astype(float)
    for scheme in (*BINARIZATIONS, None):
        data = from_arrays(x, binarize=scheme)
        np.testing.assert_array_equal(data.train, x)
        assert (data.train.dtype, data.space.support, data.space.binarization) == (np.uint8, "binary", None)


def test_8_bit_values_are_divided_only_to_be_binarized():
    x = np.array([[0, 255], [51, 7]], np.uint8)
    raw, divided = from_arrays(x), from_arrays(x, binarize="probabilities")
    assert (raw.space.support, raw.space.scaling) == ("integers 0..255", None)
    np.testing.assert_array_equal(raw.train, x)
    assert divided.space.scaling == "divided by 255"
    np.testing.assert_allclose(divided.train, x / 255, rtol=1e-6)
    both_ends = from_arrays(np.array([[0, 255], [255, 0]], np.uint8), binarize="fixed")
    np.testing.assert_array_equal(both_ends.train, [[0, 1], [1, 0]])


def test_values_outside_the_unit_interval_are_refused_with_a_cure():
    with pytest.raises(InputError, match=r"run from 0 to 16.*scale=16"):
        from_arrays(np.array([[0, 16], [3, 4]]), binarize="fixed")
    with pytest.raises(InputError, match=r"run from -1 to 2.*shift and scale"):
        from_arrays(np.array([[-1.0, 2.0]]), binarize="threshold")
    data = from_arrays(np.array([[0, 16], [3, 4]]), binarize="probabilities", scale=16)
    np.testing.assert_allclose(data.train, [[0, 1], [3 / 16, 0.25]])
    with pytest.raises(InputError, match="positive"):
        from_arrays(GREY, scale=0)


def test_unknown_scheme_lists_the_four():
    for call in (lambda: binarize(GREY, "stochastic"), lambda: from_arrays(GREY, binarize="stochastic")):
        with pytest.raises(InputError, match="'stochastic'") as caught:
            call()
        assert all(scheme in str(caught.value) for scheme in BINARIZATIONS)


def test_stored_grey_rows_of_a_dynamic_set_are_not_taken_for_binary():
    data = from_arrays(GREY, **PARTS, binarize="dynamic")
    assert space_of(data.train).support == "unit interval"
    assert space_of(data.test).support == "binary"


def test_examples_keep_their_scheme_when_they_become_a_data_set():
    data = from_arrays(GREY.reshape(500, 2, 4), binarize="dynamic", name="squares")
    again = as_dataset(data.train[:50])
    assert (again.name, again.binarization, again.image_shape) == ("squares", "dynamic", (2, 4))
    assert (again.space.support, again.space.n) == ("binary", 50)
    assert as_dataset(data) is data
    changed = as_dataset(data.train[:, :3])
    assert (changed.binarization, changed.train.shape) == (None, (500, 3))


@pytest.mark.parametrize(
    ("values", "scaling"), [(np.uint8([[200, 3]]), 255), (np.uint16([[60000, 3]]), 65535), (np.uint16([[1, 0]]), None)]
)
def test_grey_levels_of_8_and_16_bits_are_divided_by_white(values, scaling):
    data = from_arrays(values, binarize="probabilities")
    assert data.space.scaling == (scaling and f"divided by {scaling}")
    np.testing.assert_allclose(data.train, values / (scaling or 1), rtol=1e-6)


@pytest.mark.parametrize(
    ("values", "white"),
    [(np.uint16([[4000, 3]]), 4095), (np.array([[254, 3]]), 255), (np.array([[16, 3]]), 16), (np.array([[2.5]]), 2.5),
     (np.array([[70_000, 3]]), 70_000)],
)  # fmt: skip
def test_the_cure_of_grey_levels_cures(values, white):
    with pytest.raises(InputError, match=f"divide them by what is white, for example with scale={white:g}, first"):
        from_arrays(values, binarize="fixed")
    assert from_arrays(values, binarize="fixed", scale=white).space.support == "binary"
