"""How loops are compiled, and how compiled programs are kept."""

from __future__ import annotations

import os
import threading
import zlib

import jax
import numpy as np
import pytest

from harmonium.compiling import in_float32, jit_entry, whole_entries, write_whole


def test_a_reader_finds_an_entry_whole_or_not_at_all(tmp_path):
    """A reader that looks all the time, while entries of half a megabyte are written again and again."""
    entry, content = tmp_path / "program-cache", zlib.compress(os.urandom(500_000))
    found, done = set(), threading.Event()

    def read():
        while not done.is_set():
            if entry.exists():
                found.add(entry.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(100):
        write_whole(entry, content)
    done.set()
    reader.join()
    assert found <= {content}
    assert os.listdir(tmp_path) == ["program-cache"]


def test_what_fails_while_it_is_written_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        write_whole(tmp_path / "program-cache", "text where bytes belong")
    assert os.listdir(tmp_path) == []


def test_jax_writes_its_cache_that_way(tmp_path, monkeypatch):
    """Held to JAX as installed: where it gets another cache, `whole_entries` must follow it."""
    from jax._src.compilation_cache import get_file_cache

    whole_entries()
    cache, _ = get_file_cache(str(tmp_path))
    written = []
    monkeypatch.setattr("harmonium.compiling.write_whole", lambda path, value: written.append((path, value)))
    cache.put("program", b"value")
    assert written == [(tmp_path / "program-cache", b"value")]
    monkeypatch.undo()
    (tmp_path / "program-cache").write_bytes(b"ha")  # what a killed process of an earlier version left
    cache.put("program", b"value")
    assert cache.get("program") == b"value"


@pytest.mark.parametrize("door", [lambda f: in_float32(jax.jit(f)), jit_entry], ids=["jit", "jit_entry"])
def test_what_a_process_asks_of_jax_does_not_reach_within(door):
    def types(x, key):
        return x + jax.numpy.zeros(3) * jax.numpy.arange(3), jax.random.normal(key, (2,)), x * np.float64(2), x @ x

    key = jax.random.key(0)
    usual = door(types)(np.ones(3, np.float32), key)
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        found = door(types)(jax.numpy.ones(3), key)
        assert jax.numpy.ones(()).dtype == "float64"  # outside it is as it was
    assert [leaf.dtype for leaf in found] == ["float32"] * 4
    for a, b in zip(found, usual, strict=True):
        np.testing.assert_array_equal(a, b)
