"""From the values given to the values stored: cast, divided, binarized, and written down in a Space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from harmonium.data.affine import float32_resolves
from harmonium.data.binarize import binarize, check_scheme, describe, refuse_outside, white
from harmonium.data.examples import Examples, examples, support
from harmonium.data.space import Space
from harmonium.data.storage import Survey, is_memmap, survey
from harmonium.errors import InputError


@dataclass(frozen=True)
class Coding:
    """What is done to each value on its own, so that rows of a file can be coded when they are taken out."""

    dtype: np.dtype
    divisor: float | None = None
    threshold: bool = False

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        if self.divisor is not None:
            kind = np.float64 if self.dtype == np.float64 else np.float32
            rows = np.asarray(rows, kind) / kind(self.divisor)
        return (rows >= 0.5 if self.threshold else rows).astype(self.dtype, copy=False)


@dataclass(frozen=True)
class Encoded:
    """The splits as stored, the space of what is shown, and the coding left to be done on rows taken out."""

    splits: dict[str, Examples]
    space: Space
    binarization: str | None
    decode: Callable[[np.ndarray], np.ndarray] | None


def encode(
    tables: dict[str, np.ndarray],
    space: Space,
    found: Survey,
    *,
    divisor: float | None,
    scheme: str | None,
    seed: int,
) -> Encoded:
    """Store the splits of a data set.

    Args:
        tables: "train", and perhaps "valid" and "test", each [n, d].
        space: name and shape of the data; what is known of the rest is filled in here.
        found: the survey of all splits together.
        divisor: of the known encoding of the values (255 for 8-bit pictures), or None.
        scheme: one of BINARIZATIONS, or None.
        seed: of the binarization.

    Raises:
        InputError: values outside [0, 1] with a scheme, or "fixed" for a memory-mapped file.
    """
    check_scheme(scheme)
    if divisor is None and scheme:
        divisor = white(tables["train"].dtype, found.highest)
    if found.binary:
        divisor = scheme = None  # nothing is left to be done, so nothing is written down
    if is_memmap(tables["train"]):
        return _encode_file(tables, space, found, divisor, scheme, seed)
    if divisor is not None:
        exact = tables["train"].dtype == np.float64
        coding = Coding(np.dtype(np.float64 if exact else np.float32), divisor)
        tables = {split: coding(table) for split, table in tables.items()}
        found = survey_all(tables)
    space, scheme = _described(space, found, divisor, scheme, seed)
    dtype = _dtype(found, tables)
    stored = {
        split: table.astype(dtype, copy=False) if scheme is None else binarize(table, scheme, seed, split=split)
        for split, table in tables.items()
    }
    views = {split: examples(table, _of_split(space, split, scheme, seed)) for split, table in stored.items()}
    return Encoded(views, replace(space, split="train"), scheme, None)


def _of_split(space: Space, split: str, scheme: str | None, seed: int) -> Space:
    """The space of one split: the same held-out rows are the same space, however the training rows are shown."""
    name = space.binarization if scheme is None else describe(scheme, seed, split)
    return replace(space, split=split, binarization=name)


def survey_all(tables: dict[str, np.ndarray]) -> Survey:
    """The survey of all splits together."""
    return reduce(Survey.joined, map(survey, tables.values()))


def _described(
    space: Space, found: Survey, divisor: float | None, scheme: str | None, seed: int
) -> tuple[Space, str | None]:
    """The space of the values once the scheme is applied, and the scheme; None if they are binary already."""
    scaling = space.scaling if divisor is None else f"divided by {divisor:g}"
    if found.binary:
        return replace(space, support="binary", scaling=scaling), None
    unit = found.lowest >= 0 and found.highest <= 1
    if scheme is None:
        name = "unit interval" if unit and divisor is not None else support(found)
        return replace(space, support=name, scaling=scaling), None
    refuse_outside(found, f"The values of {space.dataset!r}")
    return replace(space, support="binary", scaling=scaling, binarization=describe(scheme, seed)), scheme


def _dtype(found: Survey, tables: dict[str, np.ndarray]) -> np.dtype:
    """The smallest of the stored dtypes that holds the values: uint8, int32, float32, or float64 where some column has
    values that float32 does not tell apart."""
    if found.binary or (found.integer and found.lowest >= 0 and found.highest <= 255):
        return np.dtype(np.uint8)
    if found.integer and found.lowest >= np.iinfo(np.int32).min and found.highest <= np.iinfo(np.int32).max:
        return np.dtype(np.int32)
    exact = not found.integer and all(float32_resolves(table) for table in tables.values())
    return np.dtype(np.float32 if exact else np.float64)


def _encode_file(
    tables: dict[str, np.ndarray],
    space: Space,
    found: Survey,
    divisor: float | None,
    scheme: str | None,
    seed: int,
) -> Encoded:
    """As `encode`, with the training rows left in their file and coded when they are taken out."""
    if scheme == "fixed":
        raise InputError(
            f"{space.dataset!r} is read from its file as it is needed, and binarize='fixed' would need a "
            "second copy of it: use 'dynamic' or 'threshold', or save a binary uint8 .npy once."
        )
    scaled = found if divisor is None else _divided(found, divisor)
    shown, scheme = _described(space, scaled, divisor, scheme, seed)
    dtype = _dtype(scaled, tables) if scheme is None else np.dtype(np.uint8 if scheme == "threshold" else np.float32)
    decode = Coding(dtype, divisor, scheme == "threshold")
    same = divisor is None and not decode.threshold and dtype == tables["train"].dtype
    raw = shown if same else replace(space, support=support(found))
    views = {"train": examples(tables["train"], replace(raw, split="train"))}
    for split in tables.keys() - {"train"}:
        grey = Coding(np.dtype(np.float32), divisor)
        table = binarize(grey(tables[split]), scheme, seed, split=split) if scheme else decode(tables[split])
        views[split] = examples(table, _of_split(shown, split, scheme, seed))
    return Encoded(views, replace(shown, split="train"), scheme, None if same else decode)


def _divided(found: Survey, divisor: float) -> Survey:
    return Survey(found.lowest / divisor, found.highest / divisor, False, False)
