"""How the long loops of training, sampling and annealing are compiled."""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp

OPTIONS = {"xla_cpu_prefer_vector_width": 512}  # XLA's 256 leaves half of AVX-512 idle: 5 % of a CD-1 step

CACHED_ROWS = 100  # whose activations a network carries along at a time on a CPU

P = ParamSpec("P")
R = TypeVar("R")


def in_float32(function: Callable[P, R]) -> Callable[P, R]:
    """The function in float32 and with matrix products in full float32, whatever the process asks of JAX otherwise.

    A GPU would by itself round products to TensorFloat-32. In 64-bit mode (`jax_enable_x64`, which other libraries
    set) every array made from nothing would be float64, beside parameters in float32; strict promotion of types and
    ranks, which a person may ask for, would refuse what is written here for the usual one. Arrays go in narrowed.

    >>> import jax.numpy as jnp
    >>> in_float32(jnp.dot)(jnp.ones(2), jnp.ones(2))
    Array(2., dtype=float32)
    """

    @functools.wraps(function)
    def exact(*args: P.args, **kwargs: P.kwargs) -> R:
        if jax.enable_x64.value:
            args, kwargs = jax.tree.map(_narrowed, (args, kwargs))
        with (
            jax.default_matmul_precision("float32"),
            jax.enable_x64(False),
            jax.numpy_dtype_promotion("standard"),
            jax.numpy_rank_promotion("allow"),
        ):
            return function(*args, **kwargs)

    return exact


def _narrowed(leaf: Any) -> Any:
    """An array of 64-bit numbers in 32 bits, as JAX would make it outside of its 64-bit mode."""
    if not isinstance(leaf, jax.Array) or leaf.dtype not in (jnp.float64, jnp.int64):
        return leaf
    return leaf.astype(jnp.float32 if leaf.dtype == jnp.float64 else jnp.int32)


def map_rows(function: Callable[..., R], *arrays: Any) -> R:
    """`jax.vmap` over rows, on a CPU a hundred at a time within the compiled program.

    Networks carry an activation vector along from variable to variable. Those of a hundred rows stay in the cache of a
    processor core (500 hidden units: 200 KB), those of a thousand leave it at every variable: 2000 rows of a NADE with
    784 variables are then weighed in 1.1 s and not 0.5 s. Fewer rows would leave little to matrix products.

    >>> import jax.numpy as jnp
    >>> map_rows(lambda x, y: x @ y, jnp.ones((250, 3)), jnp.ones((250, 3))).shape
    (250,)
    """
    if len(arrays[0]) <= CACHED_ROWS or jax.default_backend() != "cpu":
        return jax.vmap(function)(*arrays)
    return jax.lax.map(lambda row: function(*row), arrays, batch_size=CACHED_ROWS)


def jit_entry(function: Callable[P, R] | None = None, **options: Any) -> Callable[..., Any]:
    """`eqx.filter_jit` in full float32, with the compiler's options for loops that take most of the time.

    JAX takes such options only where a function is called from outside of all others that are compiled; called from
    within one, the function goes without them. Arguments: `options`, further ones of `eqx.filter_jit`.

    >>> import jax.numpy as jnp
    >>> double = jit_entry(lambda x: 2 * x); double(jnp.ones(2)), jax.jit(double)(jnp.ones(2))
    (Array([2., 2.], dtype=float32), Array([2., 2.], dtype=float32))
    """
    if function is None:
        return functools.partial(jit_entry, **options)
    alone = in_float32(eqx.filter_jit(function, compiler_options=OPTIONS, **options))
    within = in_float32(eqx.filter_jit(function))

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        traced = any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((args, kwargs)))
        return (within if traced else alone)(*args, **kwargs)

    return call


@functools.cache
def whole_entries() -> None:
    """Have this process write each entry of JAX's cache of compiled programs whole or not at all.

    JAX 0.10 opens a file under its last name and then writes it: another process that shares the folder reads half an
    entry, and where a process is killed in between, the half stays for good. Here entries are written beside and
    renamed, also over one that could not be read. Programs that share a cache call this before they compile. Where JAX
    keeps its cache in another way, that way stays.

    >>> whole_entries()
    """
    try:
        from jax._src.lru_cache import LRUCache
    except ImportError:
        return
    usual = LRUCache.put

    def put(cache: Any, key: str, value: bytes) -> None:
        folder = str(cache._path)
        if cache.eviction_enabled or "://" in folder:  # under a lock, or not on a disk
            usual(cache, key, value)
        else:
            write_whole(Path(folder) / f"{key}-cache", value)

    LRUCache.put = put


def write_whole(path: Path, value: bytes) -> None:
    """Write a file that others may read at any time: they find the old one, all of the new one, or none.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_whole(Path(folder) / "entry", b"whole"); os.listdir(folder)
    ['entry']
    """
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(value)
        os.replace(beside, path)
    except BaseException:
        os.unlink(beside)
        raise
