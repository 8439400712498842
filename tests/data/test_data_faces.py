"""Faces by name: pictures that stand upright, and no person in two splits."""

import os

import numpy as np
import pytest
from scipy.io import savemat

from harmonium.data import load
from harmonium.errors import InputError, RunError

REAL = os.environ.get("HARMONIUM_DATA")
PICTURES = np.zeros((400, 64, 64), np.uint8)
PICTURES[:, 0, 0] = np.arange(400) // 10  # who it is
PICTURES[:, 3, 60] = 255


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HARMONIUM_DATA", str(tmp_path))
    (tmp_path / "faces").mkdir()
    return tmp_path / "faces"


def test_no_person_is_in_two_splits(folder):
    savemat(folder / "olivettifaces.mat", {"faces": PICTURES.transpose(0, 2, 1).reshape(400, 4096).T})
    data = load("faces")
    people = []
    for rows, many in zip((data.train, data.valid, data.test), (300, 50, 50), strict=True):
        pictures = np.asarray(rows).reshape(-1, 64, 64)
        assert len(pictures) == many
        np.testing.assert_array_equal(pictures[:, 3, 60], 1)
        people.append(set(np.round(255 * pictures[:, 0, 0]).astype(int)))
    assert [len(part) for part in people] == [30, 5, 5]
    assert len(set.union(*people)) == 40
    assert (data.image_shape, data.space.support, data.space.scaling) == ((64, 64), "unit interval", "divided by 255")
    assert load("faces", binarize="threshold").space.support == "binary"
    assert "copies" not in str(load("faces", seed=1).test.space)


@pytest.mark.parametrize("array", [PICTURES.reshape(400, 4096), PICTURES.reshape(400, 4096).T - 1.0, PICTURES[:9]])
def test_a_file_of_something_else(folder, array):
    savemat(folder / "olivettifaces.mat", {"faces": array})
    with pytest.raises(InputError, match="something else than 400 grey faces of 64x64: replace it"):
        load("faces")


def test_a_file_that_is_not_there(folder):
    with pytest.raises(RunError, match=r"set HARMONIUM_DATA to a folder that holds faces/olivettifaces.mat"):
        load("faces")


@pytest.mark.skipif(not REAL, reason="needs the real files, in HARMONIUM_DATA")
def test_the_real_faces(monkeypatch):
    monkeypatch.setenv("HARMONIUM_DATA", REAL)
    rows = np.asarray(load("faces").train).reshape(-1, 64, 64)
    left, upper = np.abs(rows - rows[:, :, ::-1]).mean(), np.abs(rows - rows[:, ::-1]).mean()
    assert left < 0.9 * upper  # a face is the more alike from side to side
