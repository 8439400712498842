"""Patches of natural images by name: what is done to them, what their space says, and what is refused."""

import os

import jax
import numpy as np
import optax
import pytest

import harmonium as hm
from harmonium.data import load, space_of
from harmonium.data.natural_images import natural_images
from harmonium.errors import InputError, RunError
from tests.data.natural import berkeley, book

REAL = os.environ.get("HARMONIUM_DATA")
FEW = {"side": 6, "count": 300}
SPLITS = ("train", "valid", "test")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HARMONIUM_DATA", str(tmp_path))
    return berkeley(book(tmp_path))


def patch_of(row, image, side):
    """The places of an image whose patch, less its mean, is nearest to a row, and how far that is."""
    views = np.lib.stride_tricks.sliding_window_view(image, (side, side)).reshape(-1, side * side)
    logs = np.log(views + 0.5 + 8)
    return np.abs(logs - logs.mean(axis=1, keepdims=True) - row).max(axis=1).min()


def test_a_patch_is_the_log_intensity_less_its_mean(folder):
    data, images = load("patches", whiten=None, **FEW), natural_images("bsds300")
    for split, many in zip(SPLITS, (300, 30, 30), strict=True):
        rows = np.asarray(getattr(data, split), np.float64)
        assert rows.shape == (many, 36)
        np.testing.assert_allclose(rows.mean(axis=1), 0, atol=1e-4)
        for i in range(0, many, 29):  # of the image that it is said to be of: the noise moves a logarithm by 1/16
            assert patch_of(rows[i], images[split][i % len(images[split])], 6) < 0.15
    assert (data.image_shape, data.whitening, data.space.shape) == ((6, 6), None, (6, 6))
    assert any("densities have no upper limit" in note for note in data.notes)


@pytest.mark.parametrize("contrast", [None, 0.1, 3.0])
def test_whitening_is_by_the_training_patches_alone(folder, contrast):
    bare, data = (load("patches", whiten=k, contrast=contrast, **FEW) for k in (None, 20))
    np.testing.assert_allclose(np.cov(data.train.T), np.eye(20), atol=2e-3)
    np.testing.assert_allclose(data.train.mean(axis=0), 0, atol=1e-3)
    for split in SPLITS:
        expected = data.whitening(getattr(bare, split))
        np.testing.assert_allclose(getattr(data, split), expected, atol=5e-3)
    assert (data.image_shape, data.whitening.image_shape, data.whitening.matrix.shape) == (None, (6, 6), (20, 36))
    assert not any("upper limit" in note for note in data.notes)


def test_contrast_is_normalised_before_whitening(folder):
    bare = np.asarray(load("patches", whiten=None, **FEW).train, np.float64)
    found = load("patches", whiten=None, contrast=0.1, **FEW).train
    np.testing.assert_allclose(found, bare / np.sqrt((bare**2).mean(axis=1, keepdims=True) + 0.1), atol=1e-3)
    assert ((found**2).mean(axis=1) < 1).all()


def test_the_space_says_what_was_done(folder):
    data = load("patches", seed=3, contrast=0.1, whiten=20, **FEW)
    done = "log(grey + 8) less each patch's mean, over sqrt(|x|^2 / 36 + 0.1), "
    done += "PCA-whitened to 20 of 36 dimensions by the training patches"
    for split in SPLITS:
        space = space_of(getattr(data, split))
        assert (space.dataset, space.split, space.support) == ("6x6 patches of BSDS300", split, "real")
        assert (space.scaling, space.dequantization) == (done, "grey + U(0, 1), seed=3")
        assert len(space.hash) == 16
    assert (data.name, data.space.scaling, data.space.n) == ("patches", done, 300)
    assert data.notes[0] == "patches of 11/1/5 images for training, validation and test"
    assert "seed=3" in str(data)


@pytest.mark.parametrize(
    ("option", "differ"),
    [
        ({"contrast": 0.2}, "scalings"),
        ({"whiten": 19}, "dimensions"),
        ({"seed": 1}, "dequantizations"),
        ({"source": "hyvarinen"}, "data sets"),
        ({"count": 310}, "examples"),
    ],
)
def test_other_options_are_other_spaces(folder, option, differ):
    plain = FEW | {"whiten": 20}
    first, same, other = load("patches", **plain), load("patches", **plain), load("patches", **plain | option)
    assert space_of(first.test).why_incomparable(space_of(same.test)) is None
    assert differ in space_of(first.test).why_incomparable(space_of(other.test))


def test_defaults_and_the_other_source(folder):
    data, other = load("patches", count=400), load("patches", count=400, source="hyvarinen")
    assert (data.train.shape, data.whitening.image_shape) == ((400, 36), (16, 16))
    assert other.notes[0].startswith("patches of 9/1/3 images")
    assert load("patches", count=50, side=4, whiten=3).valid.shape == (5, 3)
    assert load("patches", count=4, side=3, whiten=None).valid.shape == (1, 9)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"side": 31}, "side=31 is too large for the images of BSDS300, of which one has .*30.*: choose 30 at most"),
        ({"side": 1}, "a side of two pixels at least, not side=1"),
        ({"side": 2.5}, "not side=2.5"),
        ({"side": "16"}, "not side='16'"),
        ({"whiten": 256}, "have 255 dimensions, which cannot become whiten=256: choose a whole number from 1 to 255"),
        ({"whiten": 0}, "cannot become whiten=0"),
        ({"whiten": True}, "cannot become whiten=True"),
        ({"whiten": 1.5}, "cannot become whiten=1.5"),
        ({"contrast": 0}, "contrast=0 cannot stand below a patch: give a positive number, or None"),
        ({"contrast": -0.1}, "contrast=-0.1"),
        ({"contrast": float("nan")}, "contrast=nan"),
        ({"contrast": "much"}, "contrast='much'"),
        ({"count": 0}, "count=0 training patches: give a whole number from 2"),
        ({"count": 36}, "count=36 patches cannot be whitened to 36 dimensions: give more of them"),
        ({"source": "imagenet"}, "source='imagenet': choose one of 'bsds300', 'hyvarinen'"),
        ({"binarize": "fixed"}, "real values, so that binarize='fixed' does not apply"),
        ({"standardize": True}, "leave out standardize"),
        ({"sides": 16}, "'patches' is loaded with no option sides: did you mean side"),
        ({"xyz": 16}, "no option xyz: choose of side, whiten, contrast, count, source"),
    ],
)
def test_what_is_refused(folder, options, says):
    with pytest.raises(InputError, match=says) as caught:
        load("patches", **options)
    assert "\n" not in str(caught.value)


def test_files_that_are_not_there(monkeypatch):
    monkeypatch.delenv("HARMONIUM_DATA", raising=False)
    with pytest.raises(RunError, match=r"set HARMONIUM_DATA to a folder that holds natural_images/BSDS300_jpg.tar"):
        load("patches")


@pytest.mark.skipif(not REAL, reason="needs the real files, in HARMONIUM_DATA")
def test_the_real_patches(monkeypatch):
    """The Gaussian with the full covariance of the training patches, on the test patches (another draw of them has a
    standard deviation of one nat or two)."""
    monkeypatch.setenv("HARMONIUM_DATA", REAL)
    data = load("patches", side=16, whiten=36)
    assert [x.shape for x in (data.train, data.valid, data.test)] == [(10_000, 36), (1000, 36), (1000, 36)]
    assert data.notes[0].startswith("patches of 180/20/100 images")
    train, test = np.asarray(data.train, np.float64), np.asarray(data.test, np.float64)
    covariance = np.cov(train.T)
    square = np.einsum("ni,ij,nj->n", test, np.linalg.inv(covariance), test).mean()
    likelihood = -0.5 * (36 * np.log(2 * np.pi) + np.linalg.slogdet(covariance)[1] + square)
    np.testing.assert_allclose(likelihood, -50.8, atol=1)


def test_a_machine_is_trained_on_them_and_its_filters_are_pictures(folder):
    data = load("patches", whiten=12, **FEW)
    unit, hidden = hm.units.Gaussian(12), hm.units.Bernoulli(5)
    key = jax.random.key(0)
    run = hm.fit(
        hm.at_marginals(hm.RBM(unit, hidden, key=key), data.train), data, hm.objectives.CD(), epochs=1, batch_size=50,
        optimizer=optax.adam(1e-3), key=key,
    )  # fmt: skip
    assert data.whitening.filters(run.model.W).shape == (36, 5)
    assert hm.log_likelihood(run.model, data.test, key=key).space.scaling == data.space.scaling
