"""Data sets by name: installed, found in a folder, or fetched with a check of their hash."""

import gzip
import hashlib
import os
import struct
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import scipy.io
from sklearn.datasets import load_digits

from harmonium.data import available, fetch, load, space_of
from harmonium.errors import InputError, RunError

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (60, 28, 28), dtype=np.uint8)
LABELS = RANDOM.integers(0, 10, 60).astype(np.uint8)
BITS = {
    split: RANDOM.integers(0, 2, (n, 784), dtype=np.uint8) for split, n in [("train", 5), ("valid", 2), ("test", 3)]
}


def idx(array):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def mnist_files(folder, zipped=True):
    folder.mkdir(parents=True, exist_ok=True)
    for part, rows in [("train", 60), ("t10k", 10)]:
        for kind, array in [("images-idx3", IMAGES[:rows]), ("labels-idx1", LABELS[:rows])]:
            name = f"{part}-{kind}-ubyte"
            (folder / (name + ".gz" * zipped)).write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
    return folder


def binarized_text(folder):
    for split, bits in BITS.items():
        np.savetxt(folder / f"binarized_mnist_{split}.amat", bits, fmt="%d")
    return folder


@pytest.fixture(autouse=True)
def nothing_of_this_machine(monkeypatch, tmp_path):
    for name in ("HARMONIUM_DATA", "HARMONIUM_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A local mirror of small files with hashes of their own: its folder, and what was asked of it."""
    folder, asked = binarized_text(mnist_files(tmp_path / "mirror")), []

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, form, *args):
            asked.append(self.path.lstrip("/"))

    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=http.serve_forever, daemon=True).start()
    monkeypatch.setenv("HARMONIUM_MIRROR", f"http://127.0.0.1:{http.server_port}")
    for path in folder.iterdir():
        kind = "md5" if path.suffix == ".amat" else "sha256"
        monkeypatch.setitem(fetch.HASHES, path.name, f"{kind}:{hashlib.new(kind, path.read_bytes()).hexdigest()}")
    yield folder, asked
    http.shutdown()
    http.server_close()


def test_digits_are_those_of_scikit_learn():
    bunch, data = load_digits(), load("digits", binarize="probabilities")
    known = {picture.tobytes(): label for picture, label in zip(bunch.images.astype(int), bunch.target, strict=True)}
    rows = np.asarray(np.round(16 * np.asarray(data.train, np.float64)), int)
    assert [known[row.tobytes()] for row in rows] == list(data.train_labels)


def test_digits_are_split_once_and_for_all():
    data, other = load("digits"), load("digits", seed=5)
    assert [len(part) for part in (data.train, data.valid, data.test)] == [1197, 300, 300]
    np.testing.assert_array_equal(data.train, other.train)
    assert (data.image_shape, data.space.scaling) == ((8, 8), "divided by 16")
    assert (data.space.support, data.train.max()) == ("unit interval", 1)
    assert min(np.bincount(data.test_labels)) > 15  # shuffled: every class is there
    assert len({row.tobytes() for part in (data.train, data.valid, data.test) for row in part}) == 1797


def test_digits_fixed_depends_on_the_seed():
    first, second = load("digits", binarize="fixed"), load("digits", binarize="fixed", seed=1)
    assert first.test.space.binarization == "fixed(seed=0)"
    assert "binarizations" in space_of(first.test).why_incomparable(space_of(second.test))
    assert not np.array_equal(first.test, second.test)


@pytest.mark.parametrize("sub_folder", ["", "mnist"])
@pytest.mark.parametrize("zipped", [True, False])
def test_mnist_from_a_folder(tmp_path, monkeypatch, sub_folder, zipped):
    mnist_files(tmp_path / "data" / sub_folder, zipped)
    monkeypatch.setenv("HARMONIUM_DATA", str(tmp_path / "data"))
    data = load("mnist")
    assert [len(part) for part in (data.train, data.valid, data.test)] == [50, 10, 10]
    np.testing.assert_allclose(data.valid, IMAGES[50:].reshape(10, 784) / 255, rtol=1e-6)
    np.testing.assert_array_equal(data.valid_labels, LABELS[50:])
    assert (data.image_shape, data.space.dataset, data.space.scaling) == ((28, 28), "mnist", "divided by 255")


def packed(folder):
    np.savez(folder / "binarized_mnist_packed.npz", **{k: np.packbits(v, axis=1) for k, v in BITS.items()})


def matlab(folder, ending):
    from scipy.io import savemat

    for split, bits in BITS.items():
        savemat(folder / "m.mat", {"data": bits})
        (folder / "m.mat").rename(folder / f"binarized_mnist_{split}.{ending}")


BINARIZED = {
    "packed": packed,
    "text": binarized_text,
    "MATLAB as .amat": partial(matlab, ending="amat"),
    "MATLAB": partial(matlab, ending="mat"),
}


@pytest.mark.parametrize("form", BINARIZED)
def test_binarized_mnist_in_every_form(tmp_path, monkeypatch, form):
    BINARIZED[form](tmp_path)
    monkeypatch.setenv("HARMONIUM_DATA", str(tmp_path))
    for scheme in (None, "fixed"):
        data = load("binarized_mnist", binarize=scheme)
        for split, bits in BITS.items():
            rows = getattr(data, split)
            np.testing.assert_array_equal(rows, bits)
            assert (rows.space.binarization, rows.space.split) == ("fixed(Larochelle & Murray 2011)", split)
        assert (data.image_shape, data.binarization, data.train.dtype) == ((28, 28), "fixed", np.uint8)
    with pytest.raises(InputError, match=r"binary already.*use 'mnist'"):
        load("binarized_mnist", binarize="dynamic")


def test_files_are_fetched_once(server):
    _, asked = server
    first = load("mnist")
    assert len(asked) == 4
    np.testing.assert_array_equal(load("mnist").train, first.train)
    np.testing.assert_array_equal(load("binarized_mnist").test, BITS["test"])
    assert len(asked) == 7
    np.testing.assert_array_equal(first.test_labels, LABELS[:10])


def test_what_is_in_the_folder_is_not_fetched(server, tmp_path, monkeypatch):
    folder, asked = server
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes((folder / "train-images-idx3-ubyte.gz").read_bytes())
    monkeypatch.setenv("HARMONIUM_DATA", str(tmp_path))
    load("mnist")
    assert len(asked) == 3
    assert "train-images-idx3-ubyte.gz" not in asked


def one_line(error):
    assert "\n" not in str(error.value)
    assert "set HARMONIUM_DATA" in str(error.value)


def test_a_wrong_hash_is_an_error_and_leaves_nothing_behind(server, tmp_path):
    folder, _ = server
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"something else")
    with pytest.raises(RunError, match=r"train-images-idx3-ubyte.gz does not have the hash") as caught:
        load("mnist")
    one_line(caught)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_a_file_that_the_server_lacks(server):
    (server[0] / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(RunError, match="could not be fetched") as caught:
        load("mnist")
    one_line(caught)


def test_no_network(monkeypatch):
    monkeypatch.setenv("HARMONIUM_MIRROR", "http://127.0.0.1:9/")
    with pytest.raises(RunError, match="connect to a network") as caught:
        load("binarized_mnist")
    one_line(caught)


def test_the_second_source_is_tried(server, monkeypatch):
    good = os.environ["HARMONIUM_MIRROR"] + "/"
    monkeypatch.delenv("HARMONIUM_MIRROR")
    monkeypatch.setitem(fetch._SOURCES, "mnist", ("http://127.0.0.1:9/", good))
    assert len(load("mnist").train) == 50


def test_a_folder_that_is_none(monkeypatch):
    monkeypatch.setenv("HARMONIUM_DATA", "/no/such/folder")
    with pytest.raises(InputError, match="HARMONIUM_DATA='/no/such/folder' is not a folder"):
        load("mnist")


@pytest.mark.parametrize(
    ("name", "near"), [("minst", "mnist"), ("digit", "digits"), ("binarised_mnist", "binarized_mnist")]
)
def test_an_unknown_name_has_a_nearest_one(name, near):
    with pytest.raises(InputError, match=f"{name}.*did you mean '{near}'"):
        load(name)


def test_unknown_names_schemes_and_options():
    with pytest.raises(InputError, match="choose one of digits, mnist"):
        load("xyzzy")
    with pytest.raises(InputError, match="no binarization 'grey'"):
        load("digits", binarize="grey")
    with pytest.raises(InputError, match="use from_arrays"):
        load(np.eye(3))
    with pytest.raises(InputError, match="leave out valid_fraction"):
        load("digits", valid_fraction=0.1)


@pytest.mark.parametrize(
    ("name", "option", "hint"),
    [
        ("digits", "side", "leave it out"),
        ("digits", "binarise", "did you mean binarize"),
        ("faces", "standardise", "did you mean standardize"),
        ("some/file.csv", "whiten", "leave it out"),
        ("some/file.csv", "heading", "did you mean header"),
    ],
)
def test_options_that_are_none(name, option, hint):
    with pytest.raises(InputError, match=rf"'{name}' is loaded with no option {option}: {hint}"):
        load(name, **{option: 3})


def test_every_available_name_has_a_line():
    tables, music = {"adult", "dna", "mushrooms", "nips", "nltcs"}, {"jsb", "nottingham", "piano_midi"}
    pictures = {"digits", "mnist", "binarized_mnist", "faces", "patches"}
    assert set(available()) == pictures | tables | music
    assert all(line and "\n" not in line for line in available().values())


def test_the_package_imports_nothing_heavy():
    code = (
        "import sys, harmonium.data; print(sorted({'sklearn', 'scipy', 'pooch', 'PIL', 'requests'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("packed", [True, False])
def test_binary_tables_are_read_from_a_folder(tmp_path, monkeypatch, packed):
    bits = {split: np.eye(11, dtype=np.uint8)[: 9 - i] for i, split in enumerate(("train", "valid", "test"))}
    held = {k: np.packbits(v, axis=1) for k, v in bits.items()} | {"n_vars": 11} if packed else bits
    monkeypatch.setenv("HARMONIUM_DATA", str(tmp_path))
    with pytest.raises(RunError, match=r"'dna' is not here.*uci_binary/dna.npz"):
        load("dna")
    (tmp_path / "uci_binary").mkdir()
    np.savez(tmp_path / "uci_binary" / "dna.npz", **held)
    data = load("dna")
    for split, rows in bits.items():
        np.testing.assert_array_equal(getattr(data, split), rows)
    with pytest.raises(InputError, match="binary already"):
        load("dna", binarize="fixed")
    np.savez(tmp_path / "uci_binary" / "dna.npz", **{k: 2 * v for k, v in bits.items()})
    with pytest.raises(InputError, match="no train, valid and test rows of zeros and ones"):
        load("dna")


def test_piano_rolls_end_in_absent_frames(monkeypatch, tmp_path):
    rolls = [RANDOM.integers(0, 2, (n, 88), dtype=np.uint8) for n in (3, 200, 2, 5)]
    cells = {"traindata": rolls[:2], "validdata": rolls[2:3], "testdata": rolls[3:]}
    with pytest.raises(RunError, match="music/JSB_Chorales"):
        load("jsb")
    monkeypatch.setenv("HARMONIUM_DATA", str(tmp_path))
    (tmp_path / "music").mkdir()

    def saved(cells):
        path = tmp_path / "music" / "JSB_Chorales.mat"
        table = {key: np.empty((1, len(rolls)), object) for key, rolls in cells.items()}
        for key, rolls in cells.items():
            table[key][0, :] = rolls
        scipy.io.savemat(path, table)

    saved(cells)
    assert load("jsb").space.shape == (200, 88)
    data = load("jsb", frames=160)
    assert (data.space.shape, data.space.support) == ((160, 88), "sequences of 0 and 1")
    rows = np.asarray(data.train).reshape(-1, 160, 88)
    for row, roll in zip(rows, [rolls[0], rolls[1][:160], rolls[1][160:]], strict=True):
        np.testing.assert_array_equal(row[: len(roll)], roll)
        assert (row[len(roll) :] == -1).all()
    assert len(data.valid) == len(data.test) == 1
    with pytest.raises(InputError, match="binary already"):
        load("jsb", binarize="fixed")
    for odd in ({"frames": 0}, {"transpose": -1}, {"transpose": 99}):
        with pytest.raises(InputError, match="are cut to frames from 1, and transposed by up to 24 semitones"):
            load("jsb", **odd)
    with pytest.raises(InputError, match="no option frame: did you mean frames"):
        load("jsb", frame=3)
    keys = np.asarray(load("jsb", transpose=2).train).reshape(5, 2, 200, 88)  # lower, ..., higher
    np.testing.assert_array_equal(keys[2, 1], rolls[1])
    np.testing.assert_array_equal(keys[0, 1, :, :-2], rolls[1][:, 2:])
    assert (keys[0, 1, :, -2:] == 0).all()
    np.testing.assert_array_equal(keys[4, 0, :3, 2:], rolls[0][:, :-2])
    assert (keys[:, 0, 3:] == -1).all()
    saved({**cells, "testdata": [2 * rolls[3]]})
    with pytest.raises(InputError, match="something else than rolls"):
        load("jsb")


REAL = os.environ.get("HARMONIUM_DATA")


@pytest.mark.skipif(not REAL, reason="needs the real files, in HARMONIUM_DATA")
@pytest.mark.parametrize(
    ("name", "expected"),
    [("adult", -25.77), ("dna", -100.39), ("mushrooms", -34.23), ("nips", -294.80), ("nltcs", -9.23)],
)
def test_the_real_binary_tables(monkeypatch, name, expected):
    monkeypatch.setenv("HARMONIUM_DATA", REAL)
    data = load(name)
    train, test = np.asarray(data.train, float), np.asarray(data.test, float)
    p = (train.sum(axis=0) + 1) / (len(train) + 2)
    likelihood = (test @ np.log(p) + (1.0 - test) @ np.log1p(-p)).mean()
    np.testing.assert_allclose(likelihood, expected, atol=0.015)


@pytest.mark.skipif(not REAL, reason="needs the real files, in HARMONIUM_DATA")
@pytest.mark.parametrize(
    ("name", "frames", "expected"),
    [("jsb", 4725, -11.06), ("nottingham", 44463, -10.25), ("piano_midi", 19036, -11.05)],
)
def test_the_real_piano_rolls(monkeypatch, name, frames, expected):
    """Test frames, and their log-likelihood by the frequency of each note in the training ones."""
    monkeypatch.setenv("HARMONIUM_DATA", REAL)
    data = load(name)
    train, test = (x[(x >= 0).all(axis=1)] for x in (np.asarray(x).reshape(-1, 88) for x in (data.train, data.test)))
    p = (train.sum(axis=0) + 1.0) / (len(train) + 2)
    assert len(test) == frames
    np.testing.assert_allclose((test @ np.log(p) + (1.0 - test) @ np.log1p(-p)).mean(), expected, atol=0.015)


@pytest.mark.skipif(not REAL, reason="needs the real files, in HARMONIUM_DATA")
def test_the_real_binarized_mnist(monkeypatch):
    monkeypatch.setenv("HARMONIUM_DATA", REAL)
    data = load("binarized_mnist")
    means = [part.mean() for part in (data.train, data.valid, data.test)]
    np.testing.assert_allclose(means, [0.130562, 0.131127, 0.132512], atol=5e-7)
    p = (data.train.sum(axis=0) + 1) / (len(data.train) + 2)
    likelihood = (data.test @ np.log(p) + (1.0 - data.test) @ np.log1p(-p)).mean()
    np.testing.assert_allclose(likelihood, -205.79, atol=0.005)


@pytest.mark.skipif(not REAL, reason="needs the real files, in HARMONIUM_DATA")
def test_the_real_mnist(monkeypatch):
    monkeypatch.setenv("HARMONIUM_DATA", REAL)
    data = load("mnist")
    assert [len(part) for part in (data.train, data.valid, data.test)] == [50_000, 10_000, 10_000]
    assert data.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    np.testing.assert_allclose(data.train.mean(), 0.1307, atol=5e-4)
