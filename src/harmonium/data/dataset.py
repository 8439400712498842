"""A data set: its splits, and its training rows in chunks of batches, on the device or streamed to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from harmonium.data import storage
from harmonium.data.examples import Examples, examples
from harmonium.data.randomness import batches
from harmonium.data.space import Space
from harmonium.data.whitening import Whitening
from harmonium.data.whole import NONE, Whole
from harmonium.errors import InputError


@dataclass(frozen=True)
class Presentation:
    """Stored rows [..., d] to rows as a model is shown them: float32, or int32 for whole numbers; under the dynamic
    binarization a fresh sample x ~ Bernoulli(rows). Equal for equal treatments, so that compiled code is shared.

    >>> Presentation(dynamic=False, integers=True)(jax.random.key(0), jnp.ones(2, jnp.uint8))
    Array([1, 1], dtype=int32)
    """

    dynamic: bool = False
    integers: bool = False

    def __call__(self, key: jax.Array, rows: jax.Array) -> jax.Array:
        """The rows, shown."""
        if self.dynamic:
            return jax.random.bernoulli(key, rows).astype(jnp.float32)
        return rows.astype(jnp.int32 if self.integers else jnp.float32)


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Training, validation and test rows, their labels and their space; made by `load` and `from_arrays`.

    Attributes:
        name: of the data set.
        train, valid, test: Examples [n, d]; valid and test may be None.
        space: of the training rows as a model is shown them.
        train_labels, valid_labels, test_labels: int arrays [n] or None.
        image_shape: (rows, columns) or (rows, columns, channels) if an example is a picture.
        whole: which columns hold whole numbers alone in the training rows, as they were given.
        binarization: the scheme's name, or None where nothing was done.
        decode: stored rows to example rows, for files too large to be rewritten in memory; None if they are
            the same.
        affine: shift and scale, [d] or numbers, of rows that a model is shown as (value - shift) / scale; None where
            the values are the given ones or binary.
        columns: their names, where the file has names.
        notes: what was read, and what was left out or assumed, a sentence each.
        class_names: of the labels 0, 1, ..., where classes have names.
        whitening: the way from pixels to the columns and back, of whitened pictures; None for other rows.

    >>> import harmonium as hm
    >>> data = hm.data.from_arrays(np.eye(7)); len(data.train), data.steps_per_epoch(2)
    (7, 3)
    """

    name: str
    train: Examples
    space: Space
    valid: Examples | None = None
    test: Examples | None = None
    train_labels: np.ndarray | None = None
    valid_labels: np.ndarray | None = None
    test_labels: np.ndarray | None = None
    image_shape: tuple[int, ...] | None = None
    whole: Whole = NONE
    binarization: str | None = None
    decode: Callable[[np.ndarray], np.ndarray] | None = None
    affine: tuple[np.ndarray | float, np.ndarray | float] | None = None
    columns: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    class_names: tuple[str, ...] | None = None
    whitening: Whitening | None = None

    @property
    def streamed(self) -> bool:
        """Whether the training rows stay on the host and travel chunk by chunk."""
        return storage.is_memmap(self.train) or self.train.nbytes > storage.RESIDENT_BYTES

    def steps_per_epoch(self, batch_size: int) -> int:
        """Whole batches in one epoch, n // batch_size.

        Raises:
            InputError: if the batch is empty or larger than the training set.
        """
        n = len(self.train)
        if not isinstance(batch_size, int | np.integer) or not 1 <= batch_size <= n:
            raise InputError(
                f"A batch of {batch_size} cannot be drawn from the {n} training rows of {self.name!r}: "
                f"choose a batch_size from 1 to {n}, a whole number."
            )
        return n // batch_size

    def shown(self, rows: np.ndarray) -> np.ndarray:
        """Stored training rows [n, d] as `chunks` would hold them, decoded where they come from a large file."""
        return rows if self.decode is None else self.decode(np.asarray(rows))

    @property
    def present(self) -> Presentation:
        """`present(key, rows)`: rows of `chunks` [..., d] as a model is shown them [..., d]; may be compiled."""
        return Presentation(self.binarization == "dynamic", self.space.support.startswith("integers"))

    def sampled(self, key: jax.Array, rows: np.ndarray) -> np.ndarray:
        """Training rows [..., d] as held-out rows are: sampled where they are stored grey to be binarized."""
        if self.binarization in ("dynamic", "probabilities"):
            return np.asarray(jax.random.bernoulli(key, jnp.asarray(rows)), np.float32)
        return np.asarray(rows)

    def held_by(self, unit: Any) -> Dataset:
        """The same data as a layer of these units holds it: real columns shifted and scaled (`unit.from_data`)."""
        if not unit.scaled:
            return self

        def held(rows: Examples | None) -> Examples | None:
            return None if rows is None else examples(np.asarray(unit.from_data(np.asarray(rows))), self._held_space)

        if not storage.is_memmap(self.train):
            return replace(
                self, train=held(self.train), valid=held(self.valid), test=held(self.test), space=self._held_space
            )
        decode = self.shown
        return replace(
            self, valid=held(self.valid), test=held(self.test), space=self._held_space,
            decode=lambda rows: np.asarray(unit.from_data(decode(rows))),
        )  # fmt: skip

    def declared(self, **parts: Any) -> Dataset:
        """The same data, whose space and those of its splits say `parts` of themselves, such as `scaling`."""
        splits = {split: getattr(self, split) for split in ("train", "valid", "test")}
        said = {
            split: examples(rows, replace(rows.space, **parts)) for split, rows in splits.items() if rows is not None
        }
        return replace(self, space=replace(self.space, **parts), **said)

    @property
    def _held_space(self) -> Space:
        return replace(self.space, support="real")

    def chunks(
        self, *, seed: int, batch_size: int, steps: int, first_step: int, last_step: int, sharding=None,
        labels: bool = False,
    ) -> Iterator[jax.Array | dict[str, jax.Array]]:  # fmt: skip
        """Batches [<=steps, batch, d] of stored training rows for steps first_step..last_step (exclusive).

        The order is a pure function of (seed, epoch), so that a resumed run meets the same batches. With a
        `sharding`, or a training set that does not fit on the device, rows are gathered on the host and put
        where the sharding says. With `labels`, a chunk is a dict of the rows, `v`, and their labels, `y`
        [<=steps, batch, 1].

        Raises:
            InputError: if the batch is larger than the training set, a chunk has no step, or labels are asked for and
                there are none.

        >>> from harmonium.data import from_arrays
        >>> data = from_arrays(np.arange(12.0).reshape(6, 2))
        >>> [c.shape for c in data.chunks(seed=0, batch_size=2, steps=2, first_step=0, last_step=5)]
        [(2, 2, 2), (2, 2, 2), (1, 2, 2)]
        """
        self.steps_per_epoch(batch_size)
        if steps < 1 or first_step < 0:
            raise InputError(
                f"Chunks of {steps} steps from step {first_step} do not exist: use steps >= 1 and first_step >= 0."
            )
        order = batches(
            len(self.train),
            seed=seed,
            batch_size=batch_size,
            steps=steps,
            first_step=first_step,
            last_step=last_step,
        )
        if labels and self.train_labels is None:
            raise InputError(
                f"{self.name!r} has no labels: give them where the data is loaded (labels=...), or make the model "
                "without a layer for them."
            )
        return self._gathered(order, sharding, labels)

    def _gathered(self, order: Iterator[np.ndarray], sharding, labels: bool) -> Iterator[jax.Array]:
        on_host = self.streamed or sharding is not None
        for rows in order:
            found = jax.device_put(self._from_host(rows), sharding) if on_host else _take(self._on_device, rows)
            if labels:
                found = {"v": found, "y": jax.device_put(self.train_labels[rows][..., None], sharding)}
            yield found

    def _from_host(self, rows: np.ndarray) -> np.ndarray:
        found = self.shown(storage.gather(np.asarray(self.train), rows.ravel()))
        return found.reshape(*rows.shape, *found.shape[1:])

    @cached_property
    def _on_device(self) -> jax.Array:
        return jnp.asarray(np.asarray(self.train))  # never with a decoding: only streamed files have one

    def __repr__(self) -> str:
        counts = [(s, getattr(self, s)) for s in ("train", "valid", "test")]
        sizes = ", ".join(f"{len(x)} {split}" for split, x in counts if x is not None)
        return f"Dataset({'; '.join([f'{self.name!r}: {sizes}', str(self.space), *self.notes])})"


@jax.jit
def _take(stored: jax.Array, rows: jax.Array) -> jax.Array:
    return stored.at[rows].get(mode="promise_in_bounds")
