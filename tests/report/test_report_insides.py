"""What lies inside a model, as the report shows it."""

from dataclasses import replace

import jax
import numpy as np

from harmonium.data import from_arrays
from harmonium.data.whitening import whitening
from harmonium.models import RBM
from harmonium.report.insides import filters
from harmonium.report.subject import Subject
from harmonium.training import RunFolder
from harmonium.units import Bernoulli, Gaussian

KEY = jax.random.key(0)


def test_filters_on_whitened_columns_are_shown_as_patches(tmp_path, monkeypatch):
    patches = np.random.default_rng(0).normal(size=(80, 20)) * np.linspace(1, 3, 20)
    white = whitening(patches, 7, (4, 5))
    data = replace(from_arrays(white(patches), test_fraction=0.2), whitening=white)
    model = RBM(Gaussian(7), Bernoulli(3), key=KEY, scale=0.3)
    drawn = []
    monkeypatch.setattr("harmonium.report.insides.grid", lambda tiles, *_, **__: drawn.append(tiles))
    section = filters(Subject(RunFolder(tmp_path), model, data, KEY, 5))
    assert "whitened columns are shown as those on the pixels" in section.shows
    assert drawn[0].shape[:4] == (1, 3, 4, 5)
    order = np.argsort(-np.linalg.norm(model.W, axis=0))
    weights = white.filters(np.asarray(model.W)[:, order]).T.reshape(3, 4, 5)
    red, blue = (drawn[0][0, ..., channel].astype(int) for channel in (0, 2))
    far = np.abs(weights) > 0.3 * np.abs(weights).max()
    np.testing.assert_array_equal((red > blue)[far], (weights > 0)[far])
