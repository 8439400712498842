"""Whitening: uncorrelated values of variance 1, filters and patches on the way back."""

import numpy as np
import pytest

from harmonium.data.whitening import whitening
from harmonium.errors import InputError

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.normal(size=(200, 9)) @ RANDOM.normal(size=(9, 9)) + 5


@pytest.mark.parametrize("k", [1, 4, 9])
def test_whitened_values_are_uncorrelated_and_come_back(k):
    white = whitening(ROWS, k, (3, 3))
    values = white(ROWS)
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(np.cov(values.T).reshape(k, k), np.eye(k), atol=1e-9)
    np.testing.assert_allclose(white.matrix @ white.inverse, np.eye(k), atol=1e-9)
    np.testing.assert_allclose(white(white.patches(values)), values, atol=1e-9)
    assert white.image_shape == (3, 3)


def test_the_directions_kept_are_those_of_largest_variance():
    four, nine = (whitening(ROWS, k, (3, 3)) for k in (4, 9))
    kept = four.patches(four(ROWS))
    np.testing.assert_allclose(kept.var(axis=0, ddof=1).sum(), np.linalg.eigvalsh(np.cov(ROWS.T))[-4:].sum())
    np.testing.assert_allclose(nine.patches(nine(ROWS)), ROWS)


def test_filters_act_on_pixels_as_weights_do_on_values():
    white, weights = whitening(ROWS, 4, (3, 3)), RANDOM.normal(size=(4, 7))
    np.testing.assert_allclose(white(ROWS) @ weights, (ROWS - white.mean) @ white.filters(weights), atol=1e-9)


def test_signs_are_settled():
    for seed in range(5):
        rows = ROWS[np.random.default_rng(seed).permutation(len(ROWS))]
        np.testing.assert_allclose(whitening(rows, 4, (3, 3)).matrix, whitening(ROWS, 4, (3, 3)).matrix, atol=1e-9)
    inverse = whitening(ROWS, 4, (3, 3)).inverse
    assert (np.take_along_axis(inverse, np.abs(inverse).argmax(axis=0)[None], axis=0) > 0).all()


@pytest.mark.parametrize(
    ("rows", "there"), [(ROWS[:4], 3), (np.ones((20, 9)), 0), (np.repeat(ROWS[:, :2], [4, 5], axis=1), 2)]
)
def test_rows_that_differ_in_too_few_directions(rows, there):
    with pytest.raises(InputError, match=rf"differ in {there} directions, too few for whiten=4: ask for more rows"):
        whitening(rows, 4, (3, 3))
