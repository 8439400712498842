"""Copies of rows: counted across splits, kept on one side of a split that the library makes."""

from __future__ import annotations

import numpy as np
import pytest

from harmonium.data import from_arrays, load
from harmonium.errors import InputError
from harmonium.evaluation import compare
from harmonium.evaluation.estimate import Estimate

X = np.random.default_rng(0).normal(size=(60, 5)).round(2)
TWICE = np.concatenate([X, X[:30]])
SPLIT = {"valid_fraction": 0.2, "test_fraction": 0.2}


def shared(data) -> int:
    train = {row.tobytes() for row in np.asarray(data.train)}
    return sum(row.tobytes() in train for split in (data.valid, data.test) for row in np.asarray(split))


@pytest.mark.parametrize("seed", range(5))
def test_copies_stay_on_one_side(seed):
    data = from_arrays(TWICE, seed=seed, **SPLIT)
    assert (shared(data), data.test.space.copies) == (0, None)
    assert sum(map(len, (data.train, data.valid, data.test))) == len(TWICE)
    assert abs(len(data.test) - 18) <= 2
    apart = from_arrays(TWICE, seed=seed, groups=None, **SPLIT)
    assert shared(apart) > 0
    assert apart.test.space.copied == pytest.approx(
        np.mean([(row == np.asarray(apart.train)).all(axis=1).any() for row in np.asarray(apart.test)])
    )


def test_rows_that_all_differ_are_split_as_ever():
    for seed in range(3):
        ours, plain = (from_arrays(X, seed=seed, groups=groups, **SPLIT) for groups in ("auto", None))
        np.testing.assert_array_equal(ours.train, plain.train)
        np.testing.assert_array_equal(ours.test, plain.test)


def test_frequencies_of_few_rows_are_no_copies():
    bits = np.random.default_rng(0).integers(0, 2, (200, 3))
    data = from_arrays(bits, **SPLIT)
    assert (len(data.test), data.test.space.copies) == (40, None)
    with pytest.raises(InputError, match="more groups"):
        from_arrays(bits[:, :1], groups="copies", **SPLIT)


def test_groups_of_one_s_own_stay_together():
    person = np.repeat(np.arange(12), 5)
    labels = person.copy()
    data = from_arrays(X, labels=labels, groups=[f"p{i}" for i in person], **SPLIT)
    sides = [set(np.unique(x).tolist()) for x in (data.train_labels, data.valid_labels, data.test_labels)]
    assert (sum(map(len, sides)), len(set.union(*sides))) == (12, 12)
    for wrong in (person[:5], "people"):
        with pytest.raises(InputError, match="roups"):
            from_arrays(X, groups=wrong, **SPLIT)


def test_official_splits_are_counted_and_the_estimate_says_so():
    data = from_arrays(X, test=np.concatenate([X[:7], X[:13] + 0.5]))
    assert data.test.space.copied == 0.35
    space = data.test.space
    estimate = Estimate(-1.0, 0.1, "exact", space=space, method="enumeration")
    assert "35 % are copies of training rows" in str(estimate)
    other = Estimate(-9.0, 0.1, "exact", space=space, method="enumeration")
    assert "35 % are copies of training rows" in compare(estimate, other).reason


def test_a_file_that_is_split_here(tmp_path):
    rows = np.concatenate([TWICE, X[:5]])
    np.savetxt(tmp_path / "x.csv", rows, delimiter=",")
    assert shared(load(tmp_path / "x.csv")) == 0
    assert shared(load(tmp_path / "x.csv", groups=None)) > 0


def test_a_few_rows_many_times_are_split_all_the_same():
    two = np.repeat(np.random.default_rng(0).normal(size=(2, 9)), 10, axis=0)
    data = from_arrays(two, **SPLIT)
    assert list(map(len, (data.train, data.valid, data.test))) == [12, 4, 4]
    six = np.repeat(np.random.default_rng(0).normal(size=(6, 9)), [1, 1, 9, 7, 1, 1], axis=0)
    assert shared(from_arrays(six, **SPLIT)) == 0


def test_rows_that_stay_in_their_file_are_said_not_to_be_counted(tmp_path):
    np.save(tmp_path / "x.npy", X)
    streamed = from_arrays(np.load(tmp_path / "x.npy", mmap_mode="r"), test=X[:9])
    assert "not counted" in repr(streamed)
