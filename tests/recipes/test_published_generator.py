"""The supervised generator's protocol, in small: order of its rows, neighbours, and its picture."""

from __future__ import annotations

import numpy as np
from PIL import Image

from harmonium.recipes.published import PROTOCOLS
from harmonium.recipes.published.generator import NOISE, SHOWN, Shapes, compared, nearest
from harmonium.recipes.published.page import section


def test_protocol_in_small(tmp_path):
    train, held = Shapes.drawn(400, 0, 0), Shapes.drawn(50, 0, 1)
    path = tmp_path / "pictures" / "generator.png"
    results = list(compared(train, held, 0, 2, path))
    pixels, near, generator, renderer = [result.ours.value for result in results]
    assert max(pixels, near, generator) < renderer
    most = -train.clean.shape[1] * (0.5 + np.log(NOISE) + 0.5 * np.log(2 * np.pi))  # minus the noise's entropy
    assert abs(renderer - most) < 4 * results[-1].ours.stderr
    assert results[-1].reference == "squared error per pixel 0.00000"
    page = section("generator", PROTOCOLS["generator"], results, 0)
    assert page.count("| exact | trust |") == 4
    with Image.open(path) as picture:
        assert picture.size == (2 * 34 * SHOWN, 2 * 34 * 3)


def test_sets_of_a_seed_differ():
    one, other = (Shapes.drawn(3, 0, stream) for stream in (0, 1))
    assert (one.codes != other.codes).any()
    assert (one.noisy - one.clean != other.noisy - other.clean).any()


def test_neighbours_are_of_one_kind_and_discs_have_no_angle():
    codes = np.zeros((4, 7))
    codes[:, 0] = [0, 1, 1, 2]
    codes[:, 5:] = [[1, 0], [1, 0], [0, 1], [1, 0]]
    codes[2, 1] = 0.1
    asked = np.array([[1, 0, 0, 0, 0, 0.0, 1], [1, 0.09, 0, 0, 0, 1, 0], [2, 0.9, 0.9, 0, 0, -1, 0]])
    assert nearest(codes, asked).tolist() == [1, 2, 3]
