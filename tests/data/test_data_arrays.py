"""A person's own arrays: what is kept, how they are split, what is refused at the door."""

import jax.numpy as jnp
import numpy as np
import pytest

from harmonium.data import Dataset, as_dataset, from_arrays
from harmonium.errors import InputError

X = np.random.default_rng(0).normal(size=(40, 6))


def test_all_rows_train_unless_asked_otherwise():
    data = from_arrays(X)
    assert isinstance(data, Dataset)
    assert (data.valid, data.test, data.train_labels, data.binarization) == (None, None, None, None)
    assert (data.train.dtype, data.space.n, data.space.shape) == (np.float32, 40, (6,))
    np.testing.assert_array_equal(data.train, X.astype(np.float32))


@pytest.mark.parametrize("x", [X.tolist(), jnp.asarray(X), X.astype(np.float16)], ids=["list", "jax", "float16"])
def test_anything_that_is_a_table_of_numbers(x):
    assert from_arrays(x).train.shape == (40, 6)
    assert from_arrays(x).train.dtype == np.float32


@pytest.mark.parametrize("shape", [(2, 3), (1, 2, 3)])
def test_pictures_are_flattened_and_their_shape_kept(shape):
    data = from_arrays(X.reshape(40, *shape))
    assert (data.train.shape, data.image_shape, data.space.shape) == ((40, 6), shape, shape)
    flat = from_arrays(X, image_shape=shape)
    assert (flat.image_shape, flat.space.dimensions) == (shape, 6)
    assert from_arrays(X.reshape(40, *shape), test=X).image_shape == shape


def test_integers_keep_their_values_and_say_their_range():
    table = np.random.default_rng(0).integers(0, 16, (50, 3))
    table[0] = [0, 7, 15]
    data = from_arrays(table, test=np.array([[19, 0, 0]]))
    assert (data.space.support, data.train.dtype) == ("integers 0..19", np.uint8)
    np.testing.assert_array_equal(data.train, table)
    for wide in ([[-300, 70_000]], [[0, 256]]):
        assert from_arrays(np.array(wide)).train.dtype == np.int32
        np.testing.assert_array_equal(from_arrays(np.array(wide)).train, wide)


def test_a_split_is_a_seeded_partition_that_takes_labels_along():
    x = np.arange(100.0)[:, None]
    data = from_arrays(x, labels=np.arange(100), valid_fraction=0.29, test_fraction=0.1)
    assert [len(part) for part in (data.train, data.valid, data.test)] == [61, 29, 10]
    np.testing.assert_array_equal(np.sort(np.concatenate([data.train, data.valid, data.test]), axis=0), x)
    assert not np.array_equal(data.train[:, 0], np.sort(data.train[:, 0]))
    for split in ("train", "valid", "test"):
        np.testing.assert_array_equal(getattr(data, split)[:, 0], getattr(data, f"{split}_labels"))
    again, other = (from_arrays(x, valid_fraction=0.29, test_fraction=0.1, seed=s) for s in (0, 1))
    np.testing.assert_array_equal(again.train, data.train)
    assert not np.array_equal(other.train, data.train)


def test_labels_of_every_split():
    data = from_arrays(X, X[:4], X[:5], labels=np.ones((40, 1)), valid_labels=[3] * 4, test_labels=[1.0] * 5)
    assert (data.train_labels.shape, data.valid_labels.tolist()) == ((40,), [3] * 4)
    assert data.test_labels.dtype == np.int64
    assert from_arrays(X[:1], labels=[7]).train_labels.tolist() == [7]


def bad(row, column, value):
    x = X.copy()
    x[row, column] = value
    return x


REFUSED = {
    "nothing": (lambda: from_arrays(None), "no rows"),
    "one axis": (lambda: from_arrays(X[0]), r"shape \(6,\).*reshape"),
    "no axis": (lambda: from_arrays(3.0), r"shape \(\)"),
    "five axes": (lambda: from_arrays(np.zeros((2, 1, 1, 1, 1))), "shape"),
    "no rows": (lambda: from_arrays(X[:0]), r"shape \(0, 6\) and hold no value"),
    "no columns": (lambda: from_arrays(X[:, :0]), "hold no value"),
    "text": (lambda: from_arrays(np.array([["a", "b"]])), "dtype <U1"),
    "objects": (lambda: from_arrays(np.array([[1, None]])), "dtype object"),
    "complex": (lambda: from_arrays(X + 1j), "dtype complex128"),
    "ragged": (lambda: from_arrays([[1.0], [1.0, 2.0]]), "same number of columns"),
    "masked": (lambda: from_arrays(np.ma.masked_less(X, 0)), "masked"),
    "nan": (lambda: from_arrays(bad(4, 2, np.nan)), r"NaN 1 time, first in row 4, column 2.*impute"),
    "inf": (lambda: from_arrays(bad(7, 1, -np.inf)), r"infinity 1 time, first in row 7, column 1"),
    "nan in test": (lambda: from_arrays(X, test=bad(0, 0, np.nan)), "The test rows"),
    "columns": (
        lambda: from_arrays(X, valid=X[:, :5]),
        "valid rows of 'array' have 5 columns and the train rows 6",
    ),
    "labels": (lambda: from_arrays(X, labels=[1, 2]), "train labels of 'array' are 2 for 40 rows"),
    "label values": (lambda: from_arrays(X[:2], labels=[0.5, 1]), "not whole numbers"),
    "label from -1": (lambda: from_arrays(X[:2], test=X[:2], test_labels=[-1, 1]), "test labels of .array. hold -1"),
    "label beyond": (lambda: from_arrays(X[:2], labels=[0, np.inf]), "labels of 'array' hold inf"),
    "label none": (
        lambda: from_arrays(X[:2], labels=["a", None]),
        "the one of row 1 .* is None: give every row a word",
    ),
    "label NaN": (lambda: from_arrays(X[:2], labels=["a", np.nan]), "the one of row 1 .* is nan"),
    "label blank": (lambda: from_arrays(X[:2], labels=np.array(["a", " "])), "the one of row 1 .* is ' '"),
    "label mixed": (
        lambda: from_arrays(X[:2], test=X[:2], labels=["a", "b"], test_labels=[0, 1]),
        "The test labels of 'array' are numbers and the train labels words",
    ),
    "label ragged": (lambda: from_arrays(X[:2], labels=[[0], [1, 2]]), "not a table of numbers"),
    "label one-hot": (lambda: from_arrays(X[:3], labels=np.eye(3)), r"labels.argmax\(axis=1\)"),
    "one row": (lambda: from_arrays(X[0]), r"x\[None\] is one example of 6 values"),
    "data set": (lambda: from_arrays(from_arrays(X)), "not a Dataset: pass those of one split, such as data.train"),
    "labels of nothing": (lambda: from_arrays(X, test_labels=[1]), "test labels but no test rows"),
    "picture": (
        lambda: from_arrays(X, image_shape=(2, 2)),
        r"6 values, which are no picture of shape \(2, 2\)",
    ),
    "pictures": (
        lambda: from_arrays(X.reshape(40, 2, 3), X.reshape(40, 3, 2)),
        r"shapes \[\(2, 3\), \(3, 2\)\]",
    ),
    "no picture": (lambda: from_arrays(X, image_shape=(6,)), "rows, columns"),
    "fractions": (lambda: from_arrays(X, valid_fraction=0.5, test_fraction=0.5), "no training row"),
    "negative": (lambda: from_arrays(X, valid_fraction=-0.5), "valid_fraction=-0.5"),
    "no row": (lambda: from_arrays(X[:3], test_fraction=0.1), "test_fraction=0.1 of 3 rows is no row"),
    "twice": (lambda: from_arrays(X, test=X, test_fraction=0.1), "comes with its own splits"),
    "as_dataset": (lambda: as_dataset([1, 2]), "shape"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_at_the_door_in_one_line(case):
    call, words = REFUSED[case]
    with pytest.raises(InputError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert ": " in str(caught.value)  # the cure


def test_repr_is_one_line():
    assert repr(from_arrays(X, name="mine")) == "Dataset('mine': 40 train; mine train, 40 x 6 real)"


def test_standardized_columns_by_the_training_rows_alone():
    x = np.random.default_rng(0).normal([3.0, -50.0, 7.0], [2.0, 9.0, 0.0], (400, 3))
    data = from_arrays(x, test=x[:50] + 1, standardize=True)
    np.testing.assert_allclose(np.asarray(data.train).mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(np.asarray(data.train).std(0), [1, 1, 0], atol=1e-5)
    np.testing.assert_allclose(data.test[0], (x[0] + 1 - x.mean(0)) / [x[:, 0].std(), x[:, 1].std(), 1], rtol=1e-4)
    assert "standardized" in data.space.scaling
    assert data.test.space.why_incomparable(from_arrays(x, test=x[:50]).test.space)


def test_standardizing_and_binarizing_exclude_each_other():
    with pytest.raises(InputError, match="choose one of the two"):
        from_arrays(np.eye(3), binarize="fixed", standardize=True)
