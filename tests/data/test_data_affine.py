"""Where columns stand: moments that do not overflow or cancel, values that float32 would merge."""

from __future__ import annotations

import numpy as np
import pytest

from harmonium.data import from_arrays
from harmonium.data.affine import float32_resolves, moments
from harmonium.data.fingerprint import fingerprint
from harmonium.data.space import Space


@pytest.mark.parametrize(("mean", "sd"), [(0.0, 1.0), (1.7e9, 3.0), (1e300, 1e298), (1e-300, 1e-302), (1.0, 1e-9)])
def test_moments(mean, sd):
    z = np.random.default_rng(0).normal(size=(500, 1))
    found, deviation = moments(mean + sd * z)
    assert found[0] == pytest.approx(mean + sd * z.mean(), rel=1e-12, abs=sd * 1e-6)
    assert deviation[0] == pytest.approx(sd * z.std(), rel=1e-5)


def test_absent_frames_are_left_out():
    z = np.random.default_rng(0).normal(size=(60, 2))
    z[::3, 1] = -(2.0**100)
    found, deviation = moments(z)
    there = z[z[:, 1] > -10, 1]
    assert (found[1], deviation[1]) == (pytest.approx(there.mean()), pytest.approx(there.std()))


def test_a_constant_column_is_itself():
    found = moments(np.full((7, 1), 0.1))
    assert (found[0][0], found[1][0]) == (0.1, 1.0)


@pytest.mark.parametrize("column", [1.6e9 + np.arange(20.0), 1 + 1e-9 * np.arange(20.0), 1e39 * np.arange(20.0)])
def test_values_that_float32_would_merge_stay_apart(column):
    x = np.c_[column, np.arange(20.0)]
    data = from_arrays(x)
    assert (float32_resolves(x), data.train.dtype) == (False, np.float64)
    assert len(np.unique(data.train[:, 0])) == 20
    assert data.space.support == "real"
    assert fingerprint(x) != fingerprint(x + np.array([[np.abs(column).max() * 1e-9, 0]]))
    assert Space.from_dict(data.space.to_dict()) == data.space


def test_others_stay_float32_with_the_hash_that_they_had():
    x = np.random.default_rng(0).normal(size=(20, 3))
    assert from_arrays(x).train.dtype == np.float32
    assert fingerprint(x) == fingerprint(x.astype(np.float32))


def test_large_whole_numbers_are_measurements():
    data = from_arrays(np.array([[2**40], [2**40 + 1], [2**40 + 3]]))
    assert (data.space.support, len(np.unique(data.train))) == ("real", 3)


def test_zeros_and_ones_have_no_shift():
    assert from_arrays(np.eye(3)).space.affine is None
    assert from_arrays(np.eye(3) * 0.5, binarize="fixed").space.affine is None
