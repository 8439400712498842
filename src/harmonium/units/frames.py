"""Sequences of frames, some of which may be absent: one value of a layer is one sequence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from harmonium.errors import InputError, plain, shown, whole
from harmonium.units.spin import Spin
from harmonium.units.unit import Stats, Unit

NO_MEASUREMENT = -(2.0**100)  # exact in float32 and in float64, and finite, as data has to be


class Frames(Unit):
    """A layer of up to `frames` frames of other units, one after the other: a sequence as one row `[frames * size]`.

        p(x | eta, length) = prod_{t < length} p(x_t | eta_t)

    Rows have one size, sequences many: a shorter one ends in absent frames, every entry of which is `absent`, a number
    that the units do not take: -1 for Bernoulli and categorical units, 0 for spins, -2^100 where some units are real.
    How many frames there are is given with a sequence, and not modelled; absent frames have log-probability 0.
    `rows` makes such rows of sequences, `count` says their lengths, and `check` refuses a frame that is absent in part
    or between others. Statistics and natural parameters are those of the frames, with a leading axis `[frames]`; an
    absent frame has no statistics (NaN), so that what does not know of such frames cannot take them for data unnoticed.

    Arguments: `unit`, the units of one frame; `frames`, the largest number of them. Raises `InputError` for anything
    else.

    >>> import harmonium as hm
    >>> unit = Frames(hm.units.Bernoulli(2), 3); x = unit.rows([[[0, 1]], [[1, 1], [0, 0]]]); x.tolist()
    [[0.0, 1.0, -1.0, -1.0, -1.0, -1.0], [1.0, 1.0, 0.0, 0.0, -1.0, -1.0]]
    >>> unit.size, unit.count(x).tolist(), unit.present(jnp.asarray(x[0])).tolist()
    (6, [1, 2], [True, False, False])
    """

    unit: Unit
    frames: int = eqx.field(static=True, converter=plain)

    def __init__(self, unit: Any, frames: Any) -> None:
        if not isinstance(unit, Unit) or isinstance(unit, Frames) or not whole(unit.size):
            raise InputError(
                f"Frames are made of units, one at least, such as hm.units.Bernoulli(88), not of {shown(unit)}."
            )
        if not whole(frames):
            raise InputError(f"A sequence has at least one frame, a whole number, not frames={shown(frames)}.")
        self.unit, self.frames = unit, int(frames)

    # ---- sequences -----------------------------------------------------------------------------------------

    @property
    def absent(self) -> float:
        """The number in every entry of an absent frame."""
        if self.unit.has_density:
            return NO_MEASUREMENT
        return 0.0 if isinstance(self.unit, Spin) else -1.0

    def present(self, x: Array) -> Bool[Array, "frames"]:
        """Which frames of a value `[frames * size]` are there."""
        return (x.reshape(self.frames, self.unit.size) != self.absent).any(axis=1)

    def split(self, x: Array) -> Array:
        """The frames `[frames, size]` of a value, in the units' own type; zeros in place of absent ones."""
        frames = x.reshape(self.frames, self.unit.size)
        return jnp.where(self.present(x)[:, None], frames, 0).astype(self.unit.dtype)

    def rows(self, sequences: Any) -> np.ndarray:
        """Rows `[n, frames * size]` of sequences `[length, size]`. Raises `InputError` for one that does not fit."""
        found = np.full((len(sequences), self.frames, self.unit.size), self.absent, np.dtype(self.dtype))
        for i, sequence in enumerate(sequences):
            frames = np.asarray(sequence)
            if frames.ndim != 2 or frames.shape[1] != self.unit.size or not 1 <= len(frames) <= self.frames:
                raise InputError(
                    f"Sequence {i} has shape {frames.shape}, and this layer takes from 1 to {self.frames} frames of "
                    f"{self.unit.size} numbers: cut it, or make the layer with more frames."
                )
            found[i, : len(frames)] = frames
        return found.reshape(len(sequences), self.size)

    def count(self, x: np.ndarray) -> np.ndarray:
        """How many frames are there in each of the rows `[n, frames * size]`, as whole numbers `[n]`."""
        return self._present(np.asarray(x)).sum(axis=1)

    def blank(self, length: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """A sequence of so many frames to be drawn (default: all), and which cells these are."""
        length = self.frames if length is None else length
        if not whole(length) or length > self.frames:
            raise InputError(
                f"A sequence of this layer has from 1 to {self.frames} frames, a whole number, not "
                f"length={shown(length)}."
            )
        missing = np.repeat(np.arange(self.frames) < length, self.unit.size)
        return np.where(missing, 0, self.absent).astype(np.dtype(self.dtype)), missing

    @property
    def scaled(self) -> bool:
        """Whether the units of a frame are."""
        return self.unit.scaled

    def placed(self, shift: np.ndarray, scale: np.ndarray) -> Frames:
        """The same frames, of units that hold their data shifted and scaled, both `[unit.size]`."""
        return Frames(self.unit.placed(shift, scale), self.frames)

    def from_data(self, rows: Array | np.ndarray) -> Array:
        """Each present frame as its units hold it; absent ones as they are."""
        return self._each(rows, self.unit.from_data) if self.scaled else super().from_data(rows)

    def to_data(self, values: Array | np.ndarray) -> Array | np.ndarray:
        """Each present frame as data; absent ones as they are."""
        return self._each(values, self.unit.to_data) if self.scaled else values

    def _each(self, rows: Any, of: Callable[[Any], Any]) -> Any:
        """A function of the frames that are there."""
        split = rows.reshape(*rows.shape[:-1], self.frames, self.unit.size)
        there = (split != self.absent).any(axis=-1, keepdims=True)
        found = of(split)
        where = np.where if isinstance(found, np.ndarray) else jnp.where
        return where(np.asarray(there) if where is np.where else there, found, self.absent).reshape(rows.shape)

    @property
    def log_scales(self) -> np.ndarray:
        """Those of a frame, repeated."""
        return np.tile(self.unit.log_scales, self.frames)

    def log_scale(self, rows: np.ndarray | None = None) -> float | np.ndarray:
        """That of a frame, as often as there are frames in each row `[n]`."""
        return super().log_scale() if rows is None else self.unit.log_scale() * self.count(np.asarray(rows))

    def _present(self, x: np.ndarray) -> np.ndarray:
        return (x.reshape(-1, self.frames, self.unit.size) != self.absent).any(axis=2)

    def check(self, x: np.ndarray, *, expectation: bool = False) -> None:
        """Refuse a frame in part absent, or absent before a present one, a sequence of none, and what the units do."""
        there = self._present(x)
        frames = x.reshape(-1, self.frames, self.unit.size)
        gaps = there[:, 1:] & ~there[:, :-1]
        if gaps.any() or not there[:, 0].all():
            row = int(np.argmax(gaps.any(axis=1) | ~there[:, 0]))
            raise InputError(
                f"The sequence in row {row} has an absent frame ({self.absent:g} in every entry) at its start or "
                "between others: absent frames come last, after one present frame at least."
            )
        partly = there & (frames == self.absent).any(axis=2)
        if partly.any():
            row, t = (int(i) for i in np.argwhere(partly)[0])
            raise InputError(
                f"Frame {t} of row {row} is {self.absent:g}, which means absent, in some entries and not in all: an "
                "absent frame has it in every one."
            )
        self._check_frames(frames, there, expectation)

    def _check_frames(self, frames: np.ndarray, there: np.ndarray, expectation: bool) -> None:
        try:
            self.unit.check(frames[there], expectation=expectation)
        except InputError:
            for row, t in np.argwhere(there):  # again, one by one, to say where
                try:
                    self.unit.check(frames[row, t][None], expectation=expectation)
                except InputError as error:
                    raise InputError(f"In frame {t} of row {row}, as a row of its own: {error}") from None
            raise

    # ---- the family: that of the frames, side by side --------------------------------------------------------

    @property
    def size(self) -> int:
        """Frames times units."""
        return self.frames * self.unit.size

    @property
    def states(self) -> int | None:
        """Those of the units."""
        return self.unit.states

    @property
    def has_density(self) -> bool:
        """Whether the units have."""
        return self.unit.has_density

    @property
    def has_score(self) -> bool:
        """Whether the units have."""
        return self.unit.has_score

    @property
    def dtype(self) -> jnp.dtype:
        """That of the units."""
        return self.unit.dtype

    def stats(self, x: Array) -> Stats:
        """The frames' statistics; NaN for absent frames."""
        nan = jnp.where(self.present(x), 0.0, jnp.nan)
        return jax.tree.map(lambda leaf: jax.vmap(jnp.add)(leaf, nan), jax.vmap(self.unit.stats)(self.split(x)))

    def log_partition(self, eta: Stats) -> Float[Array, ""]:
        """`sum_t A(eta_t)`, of all frames."""
        return jnp.sum(jax.vmap(self.unit.log_partition)(eta))

    def log_prob(self, eta: Stats, x: Array) -> Float[Array, ""]:
        """`sum_t log p(x_t | eta_t)` of the frames that are there."""
        return jnp.sum(jnp.where(self.present(x), jax.vmap(self.unit.log_prob)(eta, self.split(x)), 0.0))

    def sample(self, key: Key[Array, ""], eta: Stats) -> Array:
        """A sequence of all frames."""
        return jax.vmap(self.unit.sample)(jax.random.split(key, self.frames), eta).reshape(-1)

    def mean(self, eta: Stats) -> Stats:
        """The frames' mean statistics."""
        return jax.vmap(self.unit.mean)(eta)

    def natural_from_mean(self, mean: Stats) -> Stats:
        """Frame by frame."""
        return jax.vmap(self.unit.natural_from_mean)(mean)

    def expected_value(self, mean: Stats) -> PyTree:
        """Frame by frame."""
        return jax.vmap(self.unit.expected_value)(mean)

    def neutral_natural(self) -> Stats:
        """The units' neutral member in every frame."""
        return self._repeated(self.unit.neutral_natural())

    @property
    def width(self) -> int:
        """Frames times the units' width."""
        return self.frames * self.unit.width

    @property
    def widths(self) -> tuple[int, ...]:
        """Those of the units, frame by frame."""
        return self.unit.widths * self.frames

    def natural(self, bias: PyTree) -> Stats:
        """Frame by frame."""
        return jax.vmap(self.unit.natural)(bias)

    def bias(self, natural: Stats) -> PyTree:
        """Frame by frame."""
        return jax.vmap(self.unit.bias)(natural)

    def interaction(self, stats: Stats, bias: PyTree) -> Float[Array, "width"]:
        """The frames' couplings, end to end."""
        return jax.vmap(self.unit.interaction)(stats, bias).reshape(-1)

    @property
    def out_widths(self) -> tuple[int, ...]:
        """Those of the units, frame by frame."""
        return self.unit.out_widths * self.frames

    def natural_from_output(self, bias: PyTree, out: Float[Array, "num_outputs"]) -> Stats:
        """Frame by frame."""
        return jax.vmap(self.unit.natural_from_output)(bias, out.reshape(self.frames, -1))

    def sample_one(self, key: Key[Array, ""], i: Int[Array, ""], bias: PyTree, out: Float[Array, "most"]) -> Array:
        """A value of unit `i`, counted over all frames."""
        return self.unit.sample_one(key, i % self.unit.size, self._frame_of(i)(bias), out)

    def log_prob_one(
        self, i: Int[Array, ""], bias: PyTree, out: Float[Array, "most"], value: Array
    ) -> Float[Array, ""]:
        """Log-probability of a value of unit `i`, counted over all frames."""
        return self.unit.log_prob_one(i % self.unit.size, self._frame_of(i)(bias), out, value)

    def features_of_one(self, i: Int[Array, ""], value: Array, most: int) -> Float[Array, "most"]:
        """Those of unit `i`, counted over all frames."""
        return self.unit.features_of_one(i % self.unit.size, value, most)

    def values(self, index: Int[Array, "*batch size"]) -> Array:
        """Those of the units."""
        return self.unit.values(index)

    def _frame_of(self, i: Int[Array, ""]) -> Callable[[PyTree], PyTree]:
        return lambda bias: jax.tree.map(lambda leaf: leaf[i // self.unit.size], bias)

    def _repeated(self, tree: PyTree) -> PyTree:
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (self.frames, *leaf.shape)), tree)
