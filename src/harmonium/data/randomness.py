"""Every random choice about data: NumPy's Philox, keyed so that any choice can be made again on its own."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

# One number a purpose: with the same seed, the order of batches and the bits of a binarization must not come
# from one stream.
ORDER, BINARIZE, SPLIT, PATCHES = range(4)


def generator(seed: int, purpose: int, index: int = 0) -> np.random.Generator:
    """The generator of one choice, a pure function of its arguments.

    >>> bool(generator(0, ORDER, 5).random() == generator(0, ORDER, 5).random())
    True
    """
    key = np.array([int(seed) % 2**64, (purpose << 48) + index], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def permutation(n: int, seed: int, epoch: int) -> np.ndarray:
    """The order [n] in which an epoch visits the rows; four bytes a row where that is enough."""
    dtype = np.int32 if n <= np.iinfo(np.int32).max else np.int64
    order = np.arange(n, dtype=dtype)
    generator(seed, ORDER, epoch).shuffle(order)
    return order


def batches(n: int, *, seed: int, batch_size: int, steps: int, first_step: int, last_step: int) -> Iterator[np.ndarray]:
    """Row numbers [<=steps, batch_size] for the global steps first_step..last_step (exclusive), by chunks.

    Step s belongs to epoch s // (n // batch_size); the remainder of an epoch is dropped, other rows each
    time.

    >>> [rows.shape for rows in batches(10, seed=0, batch_size=4, steps=3, first_step=0, last_step=5)]
    [(3, 4), (2, 4)]
    """
    per_epoch = n // batch_size
    epoch, order = -1, np.empty(0)
    for start in range(first_step, last_step, steps):
        chunk = []
        for step in range(start, min(start + steps, last_step)):
            if step // per_epoch != epoch:
                epoch = step // per_epoch
                order = permutation(n, seed, epoch)
            at = step % per_epoch * batch_size
            chunk.append(order[at : at + batch_size])
        yield np.stack(chunk)
