"""What a column of a table is taken for, and that only measurements are standardized where that is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from harmonium.data import from_arrays
from harmonium.data.kinds import column_states
from harmonium.errors import InputError

N = 100


def column(*values: float) -> np.ndarray:
    return np.resize(np.array(values, float), N)[:, None]


COLUMNS = {
    "zeros and ones": (column(0, 1), 2),
    "only zeros": (column(0), 2),
    "codes": (column(0, 1, 2, 3), 4),
    "codes from 1": (column(1, 2), 3),
    "as many as there are rows for": (column(*range(20)), 20),
    "a count of which each value is rare": (column(*range(21)), None),
    "whole numbers far apart": (column(0, 10, 20, 30), None),
    "years": (column(1999, 2000, 2001), None),
    "fractions": (column(0, 0.5, 1), None),
    "signs": (column(-1, 1), None),
    "a constant": (column(7), None),
    "an age": (column(*range(18, 90)), None),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int32, np.uint8])
def test_columns_are_told_apart(dtype):
    names = [name for name, (rows, _) in COLUMNS.items() if (rows.astype(dtype) == rows).all()]
    rows = np.hstack([COLUMNS[name][0] for name in names]).astype(dtype)
    assert dict(zip(names, column_states(rows), strict=True)) == {name: COLUMNS[name][1] for name in names}


def test_all_parts_of_a_table_are_asked():
    rows = np.random.default_rng(0).integers(0, 4, (N, 3)).astype(float)
    rows[:, 1] = np.arange(N) % 2
    rows[-1, 1:] = 2, 0.5  # a code and a fraction that only the last part has
    assert column_states(rows[:70], rows[70:90], rows[90:]) == column_states(rows) == [4, 3, None]
    assert column_states(rows[:70], rows[70:90]) == [4, 2, 4]


def test_only_real_columns_are_standardized():
    rows = np.hstack([column(0, 1), np.random.default_rng(0).normal(500, 20, (N, 1)), column(0, 1, 2)])
    data = from_arrays(rows, test=rows[:9], standardize="real")
    shift, scale = data.affine
    np.testing.assert_array_equal(np.asarray(data.train)[:, [0, 2]], rows[:, [0, 2]])
    np.testing.assert_allclose(np.asarray(data.test) * scale + shift, rows[:9], rtol=1e-6)
    np.testing.assert_allclose(data.train[:, 1].std(), 1, rtol=1e-5)
    assert "real columns" in data.space.scaling
    assert data.test.space.why_incomparable(from_arrays(rows, test=rows[:9], standardize=True).test.space)
    with pytest.raises(InputError, match="no choice of columns"):
        from_arrays(rows, standardize="some")


def test_what_is_standardized_is_not_divided_as_well():
    rows = np.random.default_rng(0).normal(50, 20, (N, 2))
    data = from_arrays(rows, scale=10.0, standardize=True)
    shift, scale = data.affine
    np.testing.assert_allclose(np.asarray(data.train) * scale + shift, rows, rtol=1e-5)


def test_a_constant_column_is_only_shifted():
    """The standard deviation of a thousand times 0.1 is a rounding error: nothing is divided by it."""
    rows = np.hstack([np.full((1000, 1), 0.1), np.random.default_rng(0).normal(size=(1000, 1))])
    assert rows[:, 0].std() > 0
    data = from_arrays(rows, test=rows[:9] + np.array([[0.5, 0]]), standardize=True)
    np.testing.assert_array_equal(np.asarray(data.train)[:, 0], 0)
    np.testing.assert_allclose(np.asarray(data.test)[:, 0], 0.5, rtol=1e-6)
