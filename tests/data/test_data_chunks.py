"""The order of batches, and the two ways rows reach the device."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from harmonium.data import from_arrays
from harmonium.data.randomness import BINARIZE, ORDER, generator, permutation
from harmonium.errors import InputError

X = np.random.default_rng(0).normal(size=(23, 3)).astype(np.float32)


def mapped(path, x):
    np.save(path / "x.npy", x)
    return np.load(path / "x.npy", mmap_mode="r")


def flat(chunks):
    return np.concatenate([np.asarray(c) for c in chunks])


def test_any_cut_of_the_steps_gives_the_same_batches():
    data = from_arrays(X)
    ask = {"seed": 3, "batch_size": 5}
    whole = flat(data.chunks(**ask, steps=100, first_step=0, last_step=30))
    for cuts, steps in [([0, 7, 8, 22, 30], 4), ([0, 30], 1), ([0, 13, 30], 7)]:
        parts = [flat(data.chunks(**ask, steps=steps, first_step=a, last_step=b)) for a, b in itertools.pairwise(cuts)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)
    late = flat(data.chunks(**ask, steps=4, first_step=11, last_step=19))
    np.testing.assert_array_equal(late, whole[11:19])


def test_chunks_stop_where_asked():
    shapes = [c.shape for c in from_arrays(X).chunks(seed=0, batch_size=5, steps=4, first_step=2, last_step=12)]
    assert shapes == [(4, 5, 3), (4, 5, 3), (2, 5, 3)]
    assert list(from_arrays(X).chunks(seed=0, batch_size=5, steps=4, first_step=2, last_step=2)) == []


def test_an_epoch_visits_rows_once_and_drops_other_rows_each_time():
    data = from_arrays(np.arange(23.0)[:, None])
    assert data.steps_per_epoch(5) == 4
    epochs = flat(data.chunks(seed=0, batch_size=5, steps=3, first_step=0, last_step=40)).reshape(10, 20)
    assert all(len(set(epoch)) == 20 for epoch in epochs.tolist())
    assert len({frozenset(epoch) for epoch in epochs.tolist()}) > 1


def test_order_depends_on_seed_and_epoch_only():
    assert np.array_equal(permutation(50, 1, 2), permutation(50, 1, 2))
    assert not np.array_equal(permutation(50, 1, 2), permutation(50, 1, 3))
    assert not np.array_equal(permutation(50, 1, 2), permutation(50, 2, 2))
    assert permutation(50, 1, 2).dtype == np.int32
    assert generator(0, ORDER).random() != generator(0, BINARIZE).random()
    assert generator(np.int64(7), ORDER).random() == generator(7, ORDER).random()
    assert generator(-1, ORDER).random() != generator(1, ORDER).random()


@pytest.mark.parametrize(
    "x",
    [
        X,
        X.astype(np.float64),
        (X > 0).astype(np.float64),
        np.arange(69).reshape(23, 3),
        X > 0,
        X.astype(">f4"),
    ],
    ids=["float32", "float64", "binary float", "int64", "bool", "big-endian"],
)
def test_streamed_and_resident_chunks_are_the_same_bits(tmp_path, x):
    resident, streamed = from_arrays(x), from_arrays(mapped(tmp_path, x))
    assert streamed.streamed
    assert not resident.streamed
    assert streamed.space == resident.space
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    ask = {"seed": 1, "batch_size": 4, "steps": 3, "first_step": 2, "last_step": 17}
    ways = [resident.chunks(**ask), streamed.chunks(**ask), resident.chunks(**ask, sharding=sharding)]
    for a, b, c in zip(*ways, strict=True):
        assert a.dtype == b.dtype == c.dtype
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)


@pytest.mark.parametrize("scheme", ["dynamic", "threshold", "probabilities", None])
def test_a_streamed_file_of_8_bit_values_is_coded_row_by_row(tmp_path, scheme):
    grey = np.random.default_rng(0).integers(0, 256, (30, 4), dtype=np.uint8)
    test = 255 - grey[:7]
    resident = from_arrays(grey, test=test, binarize=scheme)
    streamed = from_arrays(mapped(tmp_path, grey), test=test, binarize=scheme)
    ask = {"seed": 1, "batch_size": 4, "steps": 3, "first_step": 0, "last_step": 9}
    np.testing.assert_array_equal(flat(resident.chunks(**ask)), flat(streamed.chunks(**ask)))
    np.testing.assert_array_equal(resident.test, streamed.test)
    assert streamed.train.dtype == np.uint8
    assert streamed.space == resident.space
    assert streamed.test.space == resident.test.space


def test_a_large_array_in_memory_is_streamed_too(monkeypatch):
    data = from_arrays(X)
    ask = {"seed": 1, "batch_size": 4, "steps": 3, "first_step": 0, "last_step": 9}
    resident = flat(data.chunks(**ask))
    monkeypatch.setattr("harmonium.data.storage.RESIDENT_BYTES", 10)
    assert data.streamed
    np.testing.assert_array_equal(flat(data.chunks(**ask)), resident)


def test_a_streamed_file_is_not_read_beyond_the_rows_of_a_chunk(tmp_path):
    import tracemalloc

    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (200_000, 20))
    x[:] = 1.5
    data = from_arrays(x)
    tracemalloc.start()
    list(data.chunks(seed=0, batch_size=100, steps=5, first_step=0, last_step=20))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * len(x) + 2_000_000  # the permutation, and a few chunks; the rows are 16 MB


def test_fixed_is_refused_for_a_streamed_file(tmp_path):
    with pytest.raises(InputError, match="'dynamic' or 'threshold'"):
        from_arrays(mapped(tmp_path, np.abs(X) / 9), binarize="fixed")


def test_a_mapped_file_is_split_in_order_without_copying(tmp_path):
    data = from_arrays(mapped(tmp_path, X), labels=np.arange(23), valid_fraction=0.2, test_fraction=0.1)
    np.testing.assert_array_equal(np.concatenate([data.train, data.valid, data.test]), X)
    np.testing.assert_array_equal(data.test_labels, [21, 22])
    assert data.streamed


@pytest.mark.parametrize("batch_size", [24, 0, -1])
def test_impossible_batches_are_refused_at_once(batch_size):
    with pytest.raises(InputError, match=r"23 training rows.*choose a batch_size from 1 to 23"):
        from_arrays(X).chunks(seed=0, batch_size=batch_size, steps=1, first_step=0, last_step=1)
    with pytest.raises(InputError, match="batch_size"):
        from_arrays(X).steps_per_epoch(batch_size)


def test_chunks_without_steps_are_refused():
    with pytest.raises(InputError, match="steps >= 1"):
        from_arrays(X).chunks(seed=0, batch_size=2, steps=0, first_step=0, last_step=1)


def test_present_casts_or_samples():
    key = jax.random.key(0)
    assert from_arrays(X > 0).present(key, jnp.ones((2, 3), jnp.uint8)).dtype == jnp.float32
    assert from_arrays(np.full((4, 2), 9)).present(key, jnp.full((2, 2), 9, jnp.uint8)).dtype == jnp.int32
    data = from_arrays(np.full((10, 8), 0.3), binarize="dynamic")
    rows = jnp.full((4000, 8), 0.3)
    shown = jax.jit(data.present)(key, rows)
    assert shown.dtype == jnp.float32
    assert set(np.unique(shown)) == {0.0, 1.0}
    assert abs(float(shown.mean()) - 0.3) < 4 * (0.21 / rows.size) ** 0.5
    assert not np.array_equal(shown, data.present(jax.random.key(1), rows))
