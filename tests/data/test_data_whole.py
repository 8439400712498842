"""Columns of whole numbers, and the way between a table and a model."""

from __future__ import annotations

import numpy as np
import pytest

import harmonium as hm
from harmonium.data import Whole, at_model_scale, in_own_units, rounded, whole_columns
from harmonium.data.columns import places
from harmonium.errors import InputError
from harmonium.training import describe


def test_a_data_set_knows_its_whole_columns_as_they_were_given():
    random = np.random.default_rng(0)
    rows = np.column_stack([random.integers(0, 900, 60), random.integers(-900, 900, 60), random.normal(size=60)])
    rows[:, 2] = np.round(rows[:, 2], 1)
    for options in ({}, {"standardize": True}, {"scale": 7.0}, {"test_fraction": 0.2}):
        data = hm.data.from_arrays(rows, **options)
        assert data.whole == Whole((0, 1), (0,))
        record = describe(data)["data"]
        assert Whole.from_dict(record, 3) == data.whole


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, bool])
def test_all_columns_may_be_whole(dtype):
    rows = (np.random.default_rng(0).random((20, 4)) < 0.5).astype(dtype)
    found = whole_columns(rows)
    assert found == Whole((0, 1, 2, 3), (0, 1, 2, 3))
    assert found.to_dict(4) == {"whole": "all", "counts": "all"}
    assert Whole.from_dict(found.to_dict(4), 4) == found
    assert Whole.from_dict({}, 4) == Whole()  # of a run from before whole columns were recorded


def test_whole_columns_of_a_file_are_found_block_by_block(tmp_path, monkeypatch):
    monkeypatch.setattr("harmonium.data.storage.BLOCK_BYTES", 64)
    rows = np.zeros((50, 3))
    rows[-1] = [0.5, -1, 2]
    np.save(tmp_path / "x.npy", rows)
    assert whole_columns(np.load(tmp_path / "x.npy", mmap_mode="r")) == Whole((1, 2), (2,))


def test_rounding_is_to_the_nearest_and_touches_nothing_else():
    rows = np.array([[-0.4, -1.6, 0.3], [2.6, 1.4, -0.3]])
    found = rounded(rows, Whole((0, 1), (1,)))
    assert found.tolist() == [[0.0, 0.0, 0.3], [3.0, 1.0, -0.3]]
    assert not np.signbit(found[0, 0])
    assert rows[0, 0] == -0.4
    np.testing.assert_array_equal(rounded(rows, Whole()), rows)


@pytest.mark.parametrize("affine", [(np.array([1e5, 0.0]), np.array([1e-3, 1e6])), (3.0, 255.0), None])
def test_to_the_model_and_back(affine):
    rows = np.array([[1e5 + 1e-6, 0.1], [1e5, 1e-9]])
    scaled = at_model_scale(rows, affine)
    back = in_own_units(scaled, affine)
    assert scaled.dtype == back.dtype == np.float64
    np.testing.assert_allclose(back, rows, rtol=1e-15, atol=1e-15)


def test_columns_are_found_by_name_or_refused():
    assert places(["a", "b"], ["a", "b"], "x") is None
    assert places(["a", "a"], ["a", "a"], "x") is None
    assert places([], ["a"], "x") is places(["a"], [], "x") is None
    assert places(list("abc"), list("cab"), "x") == [1, 2, 0]
    for trained, given in (("ab", "ac"), ("ab", "a"), ("ab", "abc"), ("ab", "aab"), ("aab", "aba")):
        with pytest.raises(InputError, match="column"):
            places(list(trained), list(given), "x")
