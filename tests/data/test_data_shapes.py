"""Shapes as they are drawn: areas of geometry, the place and turn that the code says, the same ones for a seed."""

from __future__ import annotations

import numpy as np
import pytest

from harmonium.data import shapes
from harmonium.data.shapes import KINDS, SIDE, SIDES, drawn, render
from harmonium.errors import InputError

AREAS = {0: 2.0, 1: np.pi, 2: 0.75 * np.sqrt(3)}  # of a circle of radius 1 around the shape


@pytest.mark.parametrize("kind", range(len(KINDS)), ids=KINDS)
def test_area_centre_and_shade(kind):
    picture = render(kind, 2.5, -4.0, 10.0, 0.4, 0.7)
    assert picture.shape == (SIDE, SIDE)
    assert picture.min() == 0
    assert picture.max() == 0.7
    np.testing.assert_allclose(picture.sum() / 0.7, AREAS[kind] * 100, rtol=0.01)
    across = np.arange(SIDE) - (SIDE - 1) / 2
    centre = [picture.sum(axis=axis) @ across / picture.sum() for axis in (0, 1)]
    np.testing.assert_allclose(centre, [2.5, -4.0], atol=0.1)
    assert ((picture > 0) & (picture < 0.7)).any()  # edges are grey


@pytest.mark.parametrize("kind", [0, 2], ids=["square", "triangle"])
def test_a_shape_turned_by_one_side_is_the_same_and_by_less_is_another(kind):
    upright, side, less = (render(kind, 1, 2, 9, angle, 1) for angle in (0, 2 * np.pi / SIDES[kind], 0.5))
    np.testing.assert_allclose(upright, side, atol=1e-9)
    assert np.abs(upright - less).max() > 0.3


def test_codes_say_all_that_is_drawn():
    codes, pictures = shapes(60, seed=3)
    assert codes.dtype == pictures.dtype == np.float32
    assert set(codes[:, 0]) == {0, 1, 2}
    np.testing.assert_allclose(np.hypot(codes[:, 5], codes[:, 6]), 1, atol=1e-6)
    for code, picture in zip(codes, pictures, strict=True):
        np.testing.assert_allclose(drawn(code).reshape(-1), picture, atol=1e-4)
    assert np.abs(codes[:, 1:5]).max() <= 1
    assert pictures.min() == 0
    assert pictures.max() <= 1
    frame = np.ones((SIDE, SIDE), bool)
    frame[1:-1, 1:-1] = False
    share = pictures[:, frame.reshape(-1)].sum() / pictures.sum()
    assert share < 0.02  # shapes lie inside of the picture, all but their tips


def test_a_seed_gives_the_same_shapes_and_more_begin_with_them():
    few, many, other = shapes(4, seed=1), shapes(9, seed=1), shapes(4, seed=2)
    np.testing.assert_array_equal(few[0], many[0][:4])
    np.testing.assert_array_equal(few[1], many[1][:4])
    assert (few[0] != other[0]).any()


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="no shape 3: choose 0, 1 or 2"):
        render(3, 0, 0, 5, 0, 1)
    with pytest.raises(InputError, match="at least one, not n=0"):
        shapes(0, seed=0)
