"""Spaces, and arrays that carry them."""

import subprocess
import sys
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from harmonium.data import Examples, Space, space_of
from harmonium.data.examples import examples
from harmonium.data.fingerprint import fingerprint
from harmonium.data.storage import gather, is_memmap, release, survey

MNIST = Space("binary", (28, 28), "mnist", "fixed(seed=0)", "divided by 255", split="test", hash="a" * 16, n=9)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"support": "real"}, "supports"),
        ({"shape": (28, 27)}, "dimensions"),
        ({"dataset": "digits"}, "data sets"),
        ({"binarization": "threshold(0.5)"}, "binarizations"),
        ({"binarization": None}, "binarizations"),
        ({"scaling": None}, "scalings"),
        ({"dequantization": "uniform"}, "dequantizations"),
        ({"split": "valid"}, "splits"),
        ({"hash": "b" * 16}, "hash"),
    ],
)
def test_each_difference_is_named(change, word):
    other = replace(MNIST, **change)
    for why in (MNIST.why_incomparable(other), other.why_incomparable(MNIST)):
        assert word in why
        assert "20.14" in why


@pytest.mark.parametrize("change", [{}, {"hash": None}, {"n": 3}, {"n": None}, {"shape": (784,)}])
def test_what_does_not_matter(change):
    assert MNIST.why_incomparable(replace(MNIST, **change)) is None


def test_dict_round_trip_through_json():
    import json

    assert Space.from_dict(json.loads(json.dumps(MNIST.to_dict()))) == MNIST


def test_str_is_one_short_line():
    assert str(MNIST) == "mnist test, 9 x 28x28 binary, fixed(seed=0), divided by 255 [aaaaaaaaaaaaaaaa]"


def test_space_follows_slices_and_casts_but_not_arithmetic():
    x = examples(np.eye(4), replace(MNIST, shape=(2, 2)))
    for kept in (x[:2], x[[0, 2]], x.astype(np.float32), x[0], x.copy()):
        assert isinstance(kept, Examples)
        assert kept.space.dataset == "mnist"
        assert kept.space.hash is None
        assert kept.space.n is None
    for dropped in (x + 1, 1 - x, x > 0, x.mean(axis=0), np.concatenate([x, x])):
        assert type(dropped) is np.ndarray
    for scalar in (x.sum(), x.mean(), x.max(), x[0, 0]):
        assert isinstance(scalar, np.float64)
    assert not x.flags.writeable


def test_space_of_counts_the_rows_that_are_there():
    x = examples(np.eye(4), Space("binary", (4,), "eye", split="test"))
    whole, part = space_of(x), space_of(x[:2])
    assert (whole.n, part.n) == (4, 2)
    assert "hash" in whole.why_incomparable(part)
    assert space_of(x[1]).n == 1
    assert space_of(x.astype(np.uint8)) == whole
    assert space_of(x[:, :3]).shape == (3,)


def test_space_of_does_not_believe_a_label_that_the_values_contradict():
    x = examples(np.eye(4), Space("binary", (4,), "eye")).copy()
    x[0, 0] = 0.5
    assert (space_of(x).support, space_of(x).dataset) == ("real", "eye (changed)")
    x[0, 0] = np.nan  # missing
    assert (space_of(x).support, space_of(x).dataset) == ("binary", "eye")


@pytest.mark.parametrize(
    ("x", "support"),
    [
        (np.eye(3), "binary"),
        (np.ones((2, 2), bool), "binary"),
        (np.arange(6).reshape(2, 3), "integers 0..5"),
        (np.array([[-1, 1]]), "integers -1..1"),
        (np.array([[0.0, 2.0]]), "real"),
        (jnp.eye(3), "binary"),
        (np.array([[0.0, np.inf]]), "real"),
    ],
)
def test_support_of_a_plain_array(x, support):
    space = space_of(x)
    assert (space.support, space.dataset, space.n) == (support, "array", len(x))


def test_hash_is_of_values_not_of_storage(monkeypatch):
    x = np.random.default_rng(0).integers(0, 2, (100, 7))
    known = fingerprint(x)
    for same in (x.astype(np.float64), x.astype(bool), np.asfortranarray(x), jnp.asarray(x)):
        assert fingerprint(np.asarray(same)) == known
    assert fingerprint(x[::-1]) != known
    monkeypatch.setattr("harmonium.data.storage.BLOCK_BYTES", 100)
    assert fingerprint(x) == known


def test_survey_by_blocks_finds_the_first_bad_value(monkeypatch):
    monkeypatch.setattr("harmonium.data.storage.BLOCK_BYTES", 64)
    x = np.zeros((50, 4))
    x[33, 2], x[40, 1], x[5, 0] = np.nan, np.inf, 7.0
    found = survey(x)
    assert (found.nan, found.inf, found.first_bad) == (1, 1, (33, 2))
    assert (found.lowest, found.highest, found.binary) == (0, 7, False)


def test_memmap_is_seen_through_views_and_never_copied(tmp_path):
    np.save(tmp_path / "x.npy", np.eye(6))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    view = examples(mapped, MNIST)
    assert is_memmap(view)
    assert is_memmap(view[2:].reshape(-1, 2, 3))
    assert np.shares_memory(view, mapped)
    assert not is_memmap(np.asarray(view[[0, 1]]))
    assert not is_memmap(np.eye(2)[1:])


def test_jax_takes_examples_as_any_array():
    x = examples(np.eye(3, dtype=np.float32), MNIST)
    assert float(jax.jit(jnp.sum)(x)) == 3
    assert jax.vmap(jnp.sum)(x).shape == (3,)


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_rows_of_a_file_are_gathered_in_any_order(mode, tmp_path):
    x = np.arange(30_000, dtype=np.int32).reshape(5000, 6)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode=mode)
    rows = np.random.default_rng(0).integers(0, 5000, 3000)
    np.testing.assert_array_equal(gather(mapped, rows), x[rows])
    np.testing.assert_array_equal(gather(np.asarray(mapped)[10:], rows % 4000), x[10:][rows % 4000])


def test_changes_of_a_copy_on_write_map_are_kept(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((100, 6)))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="c")
    mapped[3] = 7
    release(np.asarray(mapped))
    assert (gather(mapped, np.array([3, 4])) == [[7] * 6, [0] * 6]).all()
    writable = np.load(tmp_path / "x.npy", mmap_mode="r+")
    writable[3] = 8
    release(writable)
    assert (writable[3] == 8).all()


PROBE = """
import sys, jax, numpy as np, harmonium as hm
rbm = hm.RBM(visible=hm.units.Bernoulli(500), hidden=hm.units.Bernoulli(2), key=jax.random.key(0))
for path in sys.argv[1:]:
    x = np.load(path, mmap_mode="r")
    data = hm.data.from_arrays(x, valid=np.asarray(x[:50]), test=np.asarray(x[:50]))
    for _ in data.chunks(seed=0, batch_size=100, steps=10, first_step=0, last_step=100): pass
    hm.training.check_data(rbm, data)
    status = open("/proc/self/status").read()
    print(int(status.split("VmHWM:")[1].split()[0]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_peak_memory_does_not_grow_with_a_file(tmp_path):
    for name, rows in (("few", 200_000), ("many", 600_000)):
        np.lib.format.open_memmap(tmp_path / name, "w+", np.uint8, (rows, 500)).flush()
    command = [sys.executable, "-c", PROBE, str(tmp_path / "few"), str(tmp_path / "many")]
    few, many = map(int, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert many - few < 40_000  # KiB, where the second file is 195,000 larger
