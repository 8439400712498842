"""Archives of natural images: found, read in grey, and split by image."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from harmonium.data.natural_images import FOLDER, natural_images
from harmonium.errors import InputError, RunError
from tests.data.natural import berkeley, book, scene, stored


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HARMONIUM_DATA", str(tmp_path))
    return tmp_path


def numbers(images):
    """Which of the scenes of `book` these are."""
    return [next(i for i in range(1, 99) if np.array_equal(scene(i, image.shape), image)) for image in images]


@pytest.mark.parametrize(
    "layout",
    [{}, {"name": "BSDS300-images.tgz", "inside": "BSDS300/images/{}", "held": "test"}],
    ids=["plain", "as published"],
)
def test_the_folders_of_bsds_are_its_splits(folder, layout):
    berkeley(folder, **layout)
    found = natural_images("bsds300")
    assert {split: len(images) for split, images in found.items()} == {"train": 11, "valid": 1, "test": 5}
    assert {image.shape for images in found.values() for image in images} == {(30, 40), (40, 30)}
    for place, image in enumerate(found["test"]):  # by number: 16, 32, 64, 128, 256
        grey = scene(100 * len(layout.get("held", "val")) + place, image.shape)
        np.testing.assert_array_equal(image, np.asarray(Image.open(io.BytesIO(stored(grey, "jpeg")))))


def test_the_last_of_hyvarinens_images_are_for_test(folder):
    book(folder)
    found = natural_images("hyvarinen")
    assert numbers(found["test"]) == [11, 12, 13]
    assert len(found["valid"]) == 1
    assert sorted(numbers(found["train"] + found["valid"])) == list(range(1, 11))
    np.testing.assert_array_equal(natural_images("hyvarinen")["valid"][0], found["valid"][0])


@pytest.mark.parametrize("name", ["xyz", None, 3, ["bsds300"]])
def test_unknown_sources(name):
    with pytest.raises(InputError, match=r"There are no images source=.*choose one of 'bsds300', 'hyvarinen'"):
        natural_images(name)


@pytest.mark.parametrize(("source", "file"), [("bsds300", "BSDS300_jpg.tar"), ("hyvarinen", "hyvarinenBookImages.zip")])
def test_files_that_are_not_there(folder, monkeypatch, source, file):
    for there in (True, False):
        if not there:
            monkeypatch.delenv("HARMONIUM_DATA")
        with pytest.raises(RunError, match=rf"not here: set HARMONIUM_DATA to a folder that holds {FOLDER}/{file}\.$"):
            natural_images(source)


@pytest.mark.parametrize("left", [0.0, 0.3, 0.7])
@pytest.mark.parametrize(
    ("make", "source", "file"),
    [
        (berkeley, "bsds300", "BSDS300_jpg.tar"),
        (lambda folder: berkeley(folder, name="BSDS300-images.tgz"), "bsds300", "BSDS300-images.tgz"),
        (book, "hyvarinen", "hyvarinenBookImages.zip"),
    ],
    ids=["tar", "tgz", "zip"],
)
def test_damaged_archives(folder, make, source, file, left):
    make(folder)
    path = folder / FOLDER / file
    content = path.read_bytes()
    path.write_bytes(content[: int(left * len(content))])
    with pytest.raises(InputError) as caught:
        natural_images(source)
    assert "\n" not in str(caught.value)
    assert file in str(caught.value)


@pytest.mark.parametrize(
    ("make", "source", "says"),
    [
        (lambda folder: berkeley(folder, counts=(0, 5)), "bsds300", "holds 5 images, not those of BSDS300 in folders"),
        (lambda folder: berkeley(folder, counts=(5, 0)), "bsds300", "holds 5 images, not those of BSDS300 in folders"),
        (lambda folder: book(folder, count=4), "hyvarinen", r"holds 4 images, not those of .* \(at least 5\)"),
        (lambda folder: book(folder, count=0), "hyvarinen", "holds 0 images"),
    ],
)
def test_archives_of_something_else(folder, make, source, says):
    make(folder)
    with pytest.raises(InputError, match=says):
        natural_images(source)


def test_a_picture_in_an_archive_that_is_none_or_too_deep(folder):
    for content, says in ((b"II*\0", "cannot be read as a picture"), (stored(np.uint16([[9]]), "tiff"), "8 bits")):
        book(folder)
        with zipfile.ZipFile(folder / FOLDER / "hyvarinenBookImages.zip", "a") as archive:
            archive.writestr("hyvarinenBookImages/14.tiff", content)
        with pytest.raises(InputError, match=rf"hyvarinenBookImages\.zip.*14\.tiff.*{says}"):
            natural_images("hyvarinen")
