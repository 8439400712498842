"""Cheap random numbers for the inner loops of chains: a counter-based generator that XLA fuses into its user.

`jax.random` with its default generator, Threefry-2x32-20, costs more than the matrix products of a Gibbs sweep on a
CPU. Within kernels, bits come instead from PCG3D (Jarzynski & Olano, *Hash functions for GPU rendering*, Journal of
Computer Graphics Techniques 9(3), 2020), a hash of three words: a counter and the two words of a key. Keys are split
and folded by the same hash, taken twice and kept apart from draws by a constant: XLA compiles Threefry to a loop of
small operations, which took a fifth of a CD-1 step and most of its compilation. Everything remains a pure function of
the key, on any number of devices.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.random import define_prng_impl, threefry_prng_impl
from jaxtyping import Array, Key, UInt32

from harmonium.errors import InputError, shown

_MULTIPLIER = np.uint32(1664525)
_INCREMENT = np.uint32(1013904223)
_HALF = np.uint32(16)
_SPLIT = np.uint32(0x53504C54)
_FOLD = np.uint32(0x464F4C44)


def pcg3d(x: UInt32[Array, "..."], y: UInt32[Array, "..."], z: UInt32[Array, "..."]) -> tuple[Array, Array, Array]:
    """The hash of three words into three words, as published.

    >>> [hex(int(word)) for word in pcg3d(*jnp.zeros(3, jnp.uint32))]
    ['0x9bafd7c6', '0xa8e88a6b', '0x3f15482c']
    """
    x, y, z = (w * _MULTIPLIER + _INCREMENT for w in (x, y, z))
    x, y, z = _mix(x, y, z)
    x, y, z = (w ^ (w >> _HALF) for w in (x, y, z))
    return _mix(x, y, z)


def check_key(key: Any, call: str = "") -> None:
    """Refuse what is no single key of JAX, such as a seed or several keys; `call` is how a function takes it.

    >>> check_key(0)
    Traceback (most recent call last):
    harmonium.errors.InputError: Random numbers follow from a key, not from 0: pass key=jax.random.key(0).
    """
    array = isinstance(key, jax.Array | np.ndarray)
    typed = array and jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    if typed and key.shape:
        raise InputError(f"Random numbers follow from one key, not from {key.shape[0]} of them: pass a single one.")
    if typed or (array and key.dtype == np.uint32 and key.shape == (2,)):
        return
    seed = key if isinstance(key, int) else 0
    given = f"an array {key.shape}" if array else shown(key)
    cure = f"call {call.replace('key', 'jax.random.key(0)')}" if call else f"pass key=jax.random.key({seed})"
    raise InputError(f"Random numbers follow from a key, not from {given}: {cure}.")


def fast_key(key: Key[Array, ""]) -> Key[Array, ""]:
    """The same key with draws by PCG3D; a key that asks for another generator is returned as it is.

    The library calls this wherever long chains start. To have Threefry throughout, pass `threefry(key)`.
    Arguments: `key`, a JAX key (`jax.random.key(seed)`). Raises `InputError` for anything else, such as a seed.

    >>> str(jax.random.key_impl(fast_key(jax.random.key(0))))
    'pcg3d'
    """
    check_key(key)
    return _with(key, PCG3D) if str(jax.random.key_impl(key)) == "threefry2x32" else key


def threefry(key: Key[Array, "..."]) -> Key[Array, "..."]:
    """The same key, marked to draw by Threefry-2x32-20 even in inner loops: JAX's default, several times slower.

    >>> str(jax.random.key_impl(fast_key(threefry(jax.random.key(0)))))
    'threefry'
    """
    return _with(key, THREEFRY)


def row_keys(key: Key[Array, ""], first: int, n: int) -> Key[Array, "n"]:
    """Keys of the rows `first`, `first + 1`, ...: each depends on the key and on its row's number alone, so that rows
    are the same in whatever blocks they are drawn.

    >>> key = jax.random.key(0); bool((row_keys(key, 0, 5)[3:] == row_keys(key, 3, 2)).all())
    True
    """
    rows = np.arange(first, first + n, dtype=np.uint64)
    low, high = (part.astype(np.uint32) for part in (rows & np.uint64(0xFFFFFFFF), rows >> np.uint64(32)))
    return _keys_of(key, low, high if high.any() else None)


@jax.jit
def _keys_of(key: Key[Array, ""], low: UInt32[Array, "n"], high: UInt32[Array, "n"] | None) -> Key[Array, "n"]:
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, low)
    if high is None:
        return keys
    return jnp.where(high > 0, jax.vmap(jax.random.fold_in)(keys, high), keys)  # a fold takes 32 bits


def key_data(key: Key[Array, ""]) -> list[int]:
    """The words of a key as whole numbers: the seed as records show it.

    >>> key_data(jax.random.key(7))
    [0, 7]
    """
    return [int(word) for word in jax.random.key_data(key).ravel()]


def _with(key: Key[Array, "..."], generator: object) -> Key[Array, "..."]:
    return jax.random.wrap_key_data(jax.random.key_data(key), impl=generator)


def _mix(x: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
    x = x + y * z
    y = y + z * x
    z = z + x * y
    return x, y, z


def _random_bits(key: UInt32[Array, "2"], bit_width: int, shape: tuple[int, ...]) -> Array:
    if bit_width not in (8, 16, 32, 64):
        raise ValueError(f"PCG3D draws words of 8, 16, 32 or 64 bits, not {bit_width}.")
    word, other, _ = pcg3d(_counter(shape), key[0], key[1])
    if bit_width == 64:  # which JAX asks for in its 64-bit mode alone
        return (word.astype(jnp.uint64) << np.uint64(32)) | other.astype(jnp.uint64)
    return (word >> np.uint32(32 - bit_width)).astype(jnp.dtype(f"uint{bit_width}"))


def _counter(shape: tuple[int, ...]) -> UInt32[Array, "..."]:
    counter = jnp.zeros(shape, jnp.uint32)
    stride = 1
    for axis in reversed(range(len(shape))):
        counter = counter + jax.lax.broadcasted_iota(jnp.uint32, shape, axis) * np.uint32(stride)
        stride *= shape[axis]
    return counter


def _split(key: UInt32[Array, "2"], shape: tuple[int, ...]) -> UInt32[Array, "... 2"]:
    return _derived(key, _counter(shape), _SPLIT)


def _fold_in(key: UInt32[Array, "2"], data: UInt32[Array, ""]) -> UInt32[Array, "2"]:
    return _derived(key, data, _FOLD)


def _derived(key: UInt32[Array, "2"], number: UInt32[Array, "..."], purpose: np.uint32) -> UInt32[Array, "... 2"]:
    """New keys, one for each number: hashed twice, and apart from draws and from each other's purpose."""
    words = jnp.broadcast_arrays(number, key[0] ^ purpose, key[1])
    _, *words = pcg3d(*pcg3d(*words))
    return jnp.stack(words, axis=-1)


def _generator(name: str, **functions: Callable[..., Array]) -> object:
    own = {part: getattr(threefry_prng_impl, part) for part in ("seed", "split", "fold_in", "random_bits")}
    shape = threefry_prng_impl.key_shape
    return define_prng_impl(key_shape=shape, name=name, tag=name, **(own | functions))


PCG3D = _generator("pcg3d", split=_split, fold_in=_fold_in, random_bits=_random_bits)
THREEFRY = _generator("threefry")
