"""What is written beside a chart lies inside of its picture: signs, factors, names."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from harmonium.report.figures import _later_frame, bars, curves, heat_map, histogram, scatter

X = np.arange(3.0)
SHOWN = {"title": "", "label": "epoch"}
SMALL, FAR = 1e-6 * np.array([3.0, 1.0, 2.0]), -0.39 - 1e-4 * np.array([1.0, 2.0, 4.0])
NAMES = [f"a rather long name {i}" for i in range(12)]
CHARTS = {
    "minus signs": lambda: curves(X, {"gap": FAR}, "", **SHOWN),
    "a factor": lambda: curves(X, {"change": SMALL}, "", **SHOWN),
    "large numbers": lambda: curves(X, {"loss": -1e5 - 1e4 * X}, "", **SHOWN),
    "points": lambda: scatter(FAR, 1e7 * SMALL - 1e6, "", title="", labels=("test rows", "samples")),
    "shares": lambda: histogram({"x": 1e-5 * X}, "", title="", labels=("value", "share")),
    "bars": lambda: bars({"x": 1e5 * np.arange(12.0)}, "", title="", labels=("column", "nats"), names=NAMES),
    "a matrix": lambda: heat_map(np.eye(12), "", title="", labels=("unit", "unit"), span=(-1e-4, 1), colours="RdBu_r",
                                 rows=NAMES, columns=NAMES),
}  # fmt: skip


def pixels(picture):
    code = picture.source.removeprefix("data:image/png;base64,")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(code))))[..., :3]


@pytest.mark.parametrize("chart", CHARTS)
def test_nothing_is_cut_off_at_an_edge(chart):
    image = pixels(CHARTS[chart]())
    assert np.ptp(image) > 0
    assert all((edge == 255).all() for edge in (image[0], image[-1], image[:, 0], image[:, -1]))


def test_a_name_that_is_shown_makes_the_picture_another_one():
    plain, named = (
        pixels(bars({"x": X}, "", title="", labels=("", ""), names=n)) for n in ((), ("age", "city", "kids"))
    )
    assert plain.shape == named.shape
    assert (plain != named).any()


def test_every_one_of_a_few_points_lies_in_the_frame():
    assert _later_frame(np.array([[50.0, 1.0, 1.1]])) is None
    falling = np.concatenate([[500.0, 400.0], np.linspace(2, 1, 30)])[None]
    low, high = _later_frame(falling)  # of many the first may lie outside
    assert low < 1
    assert 2 < high < 400
