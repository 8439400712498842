"""Sequences of unlike length as rows of one size: the shorter ones end in absent frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from harmonium.data.binarize import SPLITS
from harmonium.data.dataset import Dataset
from harmonium.data.examples import examples
from harmonium.data.kinds import MOST_STATES
from harmonium.errors import InputError

ABSENT = -1  # in every entry of a frame that is not there, as units.Frames has it for Bernoulli and categorical units
NO_MEASUREMENT = -(2.0**100)  # and where units are real
SUPPORT = "sequences of 0 and 1"


def padded(sequences: Mapping[str, Sequence[np.ndarray]], name: str) -> dict[str, np.ndarray]:
    """Rows [n, frames, width] of the sequences [length, width] of each split; all have as many frames as the longest.

    Absent frames are -1 in every entry among codes (whole numbers from 0 to 63), and -2^100 among measurements.

    Raises:
        InputError: no sequences, one without a frame, or sequences of unlike width.

    >>> padded({"train": [np.array([[0, 1]]), np.array([[1, 1], [0, 0]])]}, "rolls")["train"].tolist()
    [[[0, 1], [-1, -1]], [[1, 1], [0, 0]]]
    """
    everything = [(split, i, sequence) for split, part in sequences.items() for i, sequence in enumerate(part)]
    if not everything:
        raise InputError(f"{name!r} holds no sequences: give arrays [length, width], one for each.")
    width = everything[0][2].shape[-1] if everything[0][2].ndim else 0
    for split, i, sequence in everything:
        _check(sequence, width, f"Sequence {i} (counted from 0) of the {split} sequences of {name!r}", everything)
    absent = ABSENT if all(_coded(sequence) for *_, sequence in everything) else NO_MEASUREMENT
    frames = max(len(sequence) for *_, sequence in everything)
    return {split: _rows(part, frames, width, absent) for split, part in sequences.items()}


def cut(rows: np.ndarray, lengths: np.ndarray, what: str) -> list[np.ndarray]:
    """The sequences in `rows`: end to end [frames, width], or each in a row of its own [n, frames, width] whose end it
    may leave unused.

    Raises:
        InputError: lengths that are no whole numbers from 1, or do not fit the rows.

    >>> [part.tolist() for part in cut(np.array([[1], [2], [3]]), np.array([1, 2]), "The rows")]
    [[[1]], [[2], [3]]]
    """
    lengths = np.atleast_1d(np.squeeze(lengths))
    if (
        lengths.ndim != 1
        or not lengths.size
        or lengths.dtype.kind not in "iuf"
        or not (lengths == np.floor(lengths)).all()
    ):
        raise InputError(f"The lengths of {what} are no whole numbers [n]: give the frames of each sequence.")
    lengths = lengths.astype(int)
    own = rows.ndim == 3
    fits = len(lengths) == len(rows) and lengths.max() <= rows.shape[1] if own else lengths.sum() == len(rows)
    if rows.ndim not in (2, 3) or not fits or lengths.min() < 1:
        raise InputError(
            f"{len(lengths)} lengths from {lengths.min()} to {lengths.max()}, together {lengths.sum()}, do not fit "
            f"{what} of shape {rows.shape}: give all sequences end to end, [frames, width], or [n, frames, width]."
        )
    if own:
        return [row[:length] for row, length in zip(rows, lengths, strict=True)]
    return np.split(rows, np.cumsum(lengths)[:-1])


def as_sequences(data: Dataset) -> Dataset:
    """A data set of padded sequences, with spaces that say so where their entries are 0 and 1: the mark of absent
    frames is no value of them."""
    if data.space.support != f"integers {ABSENT}..1":
        return data
    parts = {split: getattr(data, split) for split in SPLITS}
    splits = {k: examples(rows, replace(rows.space, support=SUPPORT)) for k, rows in parts.items() if rows is not None}
    return replace(data, space=replace(data.space, support=SUPPORT), **splits)


def _check(sequence: np.ndarray, width: int, what: str, everything: Sequence[tuple[str, int, np.ndarray]]) -> None:
    if sequence.dtype.kind not in "biuf" or sequence.ndim != 2 or not sequence.size:
        raise InputError(f"{what} has dtype {sequence.dtype} and shape {sequence.shape}: give numbers [length, width].")
    if sequence.shape[1] != width:
        lying = len({other.shape[0] for *_, other in everything}) == 1
        cure = "transpose each, for frames come first" if lying else "give every frame of all of them one width"
        raise InputError(f"{what} has frames of {sequence.shape[1]} entries, and the first one of {width}: {cure}.")


def _coded(sequence: np.ndarray) -> bool:
    """Whether all entries are codes: whole numbers from 0 up to a few."""
    return bool(((sequence >= 0) & (sequence < MOST_STATES) & (sequence == np.floor(sequence))).all())


def _rows(sequences: Sequence[np.ndarray], frames: int, width: int, absent: float) -> np.ndarray:
    rows = np.full((len(sequences), frames, width), absent, np.int8 if absent == ABSENT else np.float64)
    for row, sequence in zip(rows, sequences, strict=True):
        row[: len(sequence)] = sequence
    return rows
