"""Which pictures a folder holds, of which split and class: none is left out without a word."""

import os

import numpy as np
import pytest
from PIL import Image

from harmonium.data import load
from harmonium.data.folders import listing
from harmonium.errors import InputError
from harmonium.training import describe


def put(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.eye(4, dtype=np.uint8)).save(root / name)
    return root


def classes(root):
    """The name of each picture's class, and the notes."""
    found = listing(root)
    return {str(f.relative_to(root)): found.class_names[k] for f, k in zip(found.files, found.labels, strict=True)}


def test_classes_are_numbered_in_the_order_of_numbers(tmp_path):
    put(tmp_path, *(f"{k}/{i}.png" for k in range(12) for i in range(2)))
    found = listing(tmp_path)
    assert all(int(file.parent.name) == label for file, label in zip(found.files, found.labels, strict=True))
    assert found.class_names == tuple(map(str, range(12)))


def test_an_empty_class_keeps_its_number(tmp_path):
    put(tmp_path, "a/1.png", "c/1.png", "c/2.png")
    (tmp_path / "b").mkdir()
    found = listing(tmp_path)
    assert (found.class_names, found.labels) == (("a", "b", "c"), (0, 2, 2))
    assert found.notes == ("classes, numbered from 0: a, b, c", "without a picture: class 1 (b)")


def test_pictures_in_deeper_folders_belong_to_their_class(tmp_path):
    put(tmp_path, "a/1.png", "b/more/2.png", "b/more/still/3.png", "b/4.png")
    assert classes(tmp_path) == {"a/1.png": "a", "b/4.png": "b", "b/more/2.png": "b", "b/more/still/3.png": "b"}
    assert "pictures in folders of a class folder belong to it: b/more, b/more/still" in listing(tmp_path).notes


def test_stray_pictures_and_other_files_are_named(tmp_path):
    put(tmp_path, "preview.png", "a/1.png", "b/2.png", "b/3.png")
    for name in ("notes.txt", "a/Thumbs.db", "b/more/x.psd", "more/readme.md", ".DS_Store", "__MACOSX/a/._1.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert classes(tmp_path) == {"a/1.png": "a", "b/2.png": "b", "b/3.png": "b"}
    assert listing(tmp_path).notes == (
        "left out beside the class folders: 1 picture (preview.png)",
        "left out as no pictures: 4 files (notes.txt, a/Thumbs.db, b/more/x.psd, more/readme.md)",
        "classes, numbered from 0: a, b",
    )


def test_a_long_list_is_cut(tmp_path):
    put(tmp_path, "a.png")
    for i in range(20):
        (tmp_path / f"{i:02}.txt").touch()
    (note,) = listing(tmp_path).notes
    assert note.endswith("10.txt, 11.txt and 8 more)")
    assert "20 files" in note


def test_a_folder_that_may_mean_either_is_refused(tmp_path):
    put(tmp_path, "1.png", "2.png", "old/1.png", "old/2.png")
    with pytest.raises(InputError, match=r"2 pictures itself and 2 in sub-folders \(old\), which would be classes"):
        listing(tmp_path)
    put(tmp_path, "new/3.png")
    assert len(listing(tmp_path).files) == 3


@pytest.mark.parametrize("names", [("train", "valid", "test"), ("Training", "val", "testing"), ("train", "test")])
def test_folders_of_splits(tmp_path, names):
    put(tmp_path, *(f"{split}/{k}/{i}.png" for split in names for k in ("ant", "bee") for i in range(3)))
    put(tmp_path, f"{names[0]}/cat/1.png", "sheet.png")
    found = listing(tmp_path)
    assert found.class_names == ("ant", "bee", "cat")  # the test split has no cat, and the same numbers
    data = load(tmp_path)
    assert (len(data.train), len(data.test)) == (7, 6)
    assert sorted(data.train_labels) == [0, 0, 0, 1, 1, 1, 2]
    assert data.test_labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert (data.valid is None) == (len(names) == 2)
    assert any("splits are the folders" in note for note in data.notes)
    assert "left out beside the splits: sheet.png" in data.notes
    assert describe(data)["data"]["classes"] == ["ant", "bee", "cat"]


def test_splits_without_classes(tmp_path):
    put(tmp_path, "train/1.png", "train/2.png", "test/1.png")
    data = load(tmp_path)
    assert (len(data.train), len(data.test), data.train_labels, data.class_names) == (2, 1, None, None)
    put(tmp_path, "test/a/1.png", "test/a/2.png")
    with pytest.raises(InputError, match="class folders and others none"):
        load(tmp_path)


def test_a_class_may_be_called_train(tmp_path):
    put(tmp_path, "plane/1.png", "train/1.png", "boat/1.png")
    assert listing(tmp_path).class_names == ("boat", "plane", "train")


@pytest.mark.skipif(os.name == "nt", reason="links")
def test_links(tmp_path):
    put(tmp_path / "store", "1.png", "2.png")
    data = tmp_path / "data"
    put(data, "a/1.png")
    (data / "b").symlink_to(tmp_path / "store")
    (data / "b2").mkdir()
    (data / "b2" / "round").symlink_to(data)  # which would be read for ever
    assert classes(data) == {"a/1.png": "a", "b/1.png": "b", "b/2.png": "b"}
    (data / "a" / "gone.png").symlink_to(tmp_path / "nothing.png")
    with pytest.raises(InputError, match=r"gone.png' cannot be read as a picture"):
        load(data)


def test_nothing_that_is_no_file_is_opened(tmp_path):
    put(tmp_path, "a.png")
    os.mkfifo(tmp_path / "pipe.png")  # opening it would wait for ever
    assert listing(tmp_path).notes == ("left out as no pictures: 1 file (pipe.png)",)


def test_no_pictures(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.txt").touch()
    with pytest.raises(InputError, match="holds no pictures"):
        listing(tmp_path)
