"""Data sets from arrays: a person's own, or those that a file held."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from harmonium.data import check
from harmonium.data.affine import Affine, moments
from harmonium.data.binarize import check_scheme
from harmonium.data.classes import numbered
from harmonium.data.copies import copied_shares, cuts, kept_together, row_groups
from harmonium.data.dataset import Dataset
from harmonium.data.encode import Encoded, encode, survey_all
from harmonium.data.examples import Examples, examples, space_of
from harmonium.data.randomness import SPLIT, generator
from harmonium.data.space import Space
from harmonium.data.standardize import STANDARDIZED, standardized
from harmonium.data.storage import Survey, is_memmap
from harmonium.data.whole import whole_columns
from harmonium.errors import InputError

MOMENT_ROWS = 100_000  # rows of a file that stays on disk, at most, that say where its columns stand
STREAMED_SPLIT = 10_000  # rows at most of a default split of a memory-mapped file, since they are coded in memory


@dataclass(frozen=True)
class Raw:
    """What was given or read, before anything is done to it.

    Attributes:
        arrays: "train", and perhaps "valid" and "test".
        labels: of the same splits, perhaps of none.
        image_shape: of one example, if it is known and the arrays are flat.
        divisor: of the known encoding of the values, 255 for 8-bit pictures.
        columns: their names, where the file has names.
        notes: what a reader took, left out or assumed, a sentence each.
        class_names: those of the classes 0, 1, ..., where they have names.
        ragged: whether rows are sequences of unlike length, whose last frames may be absent.
    """

    arrays: dict[str, object]
    labels: dict[str, object] = field(default_factory=dict)
    image_shape: tuple[int, ...] | None = None
    divisor: float | None = None
    columns: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    class_names: tuple[str, ...] | None = None
    ragged: bool = False


def from_arrays(
    x,
    valid=None,
    test=None,
    *,
    labels=None,
    valid_labels=None,
    test_labels=None,
    binarize: str | None = None,
    name: str = "array",
    image_shape: tuple[int, ...] | None = None,
    scale: float | None = None,
    standardize: bool | Literal["real"] = False,
    seed: int = 0,
    valid_fraction: float | None = None,
    test_fraction: float | None = None,
    groups: object = "auto",
) -> Dataset:
    """A data set of a person's own arrays; all rows train if no other split is given or asked for.

    float64 is kept as float32 where that resolves the values of each column. Memory-mapped arrays stay in their file,
    and are then split without shuffling.

    Args:
        x, valid, test: [n, d], [n, rows, columns] or [n, rows, columns, channels].
        labels, valid_labels, test_labels: whole numbers [n], or words, which become the `class_names`.
        binarize: "fixed", "dynamic", "threshold" or "probabilities" for grey values in [0, 1], or uint8 ones
            up to 255.
        name: of the data set, in its Space and in errors.
        image_shape: (rows, columns) or (rows, columns, channels) of flat rows.
        scale: what all values are divided by first.
        standardize: bring each column to mean 0 and variance 1 by the training rows; with "real" only columns that
            hold measurements, and neither zeros and ones nor codes.
        seed: of the binarization and of the shuffle before a split.
        valid_fraction, test_fraction: of the rows of `x`, in [0, 1).
        groups: rows that a split keeps together: "auto", copies of a row where they are no chance; "copies", always;
            None, none; or an array [n] of numbers or texts (`harmonium.data.copies`).

    Raises:
        InputError: no rows, no numbers, NaN or infinity, splits or labels that do not fit, values that
            cannot be binarized.

    >>> from_arrays(np.eye(4), test_fraction=0.25)
    Dataset('array': 3 train, 1 test; array train, 3 x 4 binary)
    """
    check_scale(scale)
    if x is None:
        raise InputError("There are no rows to train on (x is None): give an array [n, d].")
    arrays = {"train": x, "valid": valid, "test": test}
    marks = {"train": labels, "valid": valid_labels, "test": test_labels}
    raw = Raw(_given(arrays), _given(marks), image_shape, scale)
    return assemble(
        raw,
        name,
        binarize=binarize,
        standardize=standardize,
        seed=seed,
        valid_fraction=valid_fraction,
        test_fraction=test_fraction,
        groups=groups,
    )


def check_scale(scale: float | None) -> None:
    """Refuse a number that no values can be divided by.

    >>> check_scale(0.0)
    Traceback (most recent call last):
    harmonium.errors.InputError: scale=0.0 cannot divide values: give a positive number.
    """
    if scale is not None and not (np.isfinite(scale) and scale > 0):
        raise InputError(f"scale={scale} cannot divide values: give a positive number.")


def as_dataset(x: Dataset | np.ndarray) -> Dataset:
    """A data set as it is, or the training set of an array [n, d].

    Examples keep their name, picture shape and binarization.

    >>> as_dataset(np.eye(3)).name
    'array'
    """
    if isinstance(x, Dataset):
        return x
    if isinstance(x, Examples) and x.space is not None and not is_memmap(x) and x.ndim == 2:
        return _of_examples(x, x.space)
    return from_arrays(x)


def _of_examples(x: Examples, space: Space) -> Dataset:
    truth = space_of(x)
    if len(x) == 0 or truth.dataset != space.dataset or x.shape[1] != space.dimensions:
        return from_arrays(np.asarray(x), name=truth.dataset)
    check.finite(np.asarray(x), f"The rows of {space.dataset!r}")
    scheme = None if space.binarization is None else space.binarization.partition("(")[0]
    image_shape = space.shape if len(space.shape) > 1 else None
    return Dataset(space.dataset, x, replace(space, n=len(x)), image_shape=image_shape, binarization=scheme)


def assemble(
    raw: Raw,
    name: str,
    *,
    binarize: str | None = None,
    standardize: bool | Literal["real"] = False,
    seed: int = 0,
    valid_fraction: float | None = None,
    test_fraction: float | None = None,
    default_fraction: float = 0.0,
    groups: object = "auto",
) -> Dataset:
    """The one way from arrays to a Dataset: check, split, encode."""
    check_scheme(binarize)
    tables, shape, found = _checked(raw, name)
    marks, class_names = numbered(raw.labels, name, raw.class_names)
    labels = _checked_labels(marks, tables, name)
    fractions = _fractions(tables, name, valid_fraction, test_fraction, default_fraction)
    if any(fractions.values()):
        together = row_groups(tables["train"], groups)
        parts = 1 + sum(count > 0 for count in fractions.values())
        if isinstance(groups, str) and groups == "auto" and together is not None and together.max() + 1 < parts:
            together = None  # all rows are a few, many times
        tables, labels = split_rows(tables, labels, fractions, seed, together)
    copied = copied_shares(tables)
    space = Space("", shape or tables["train"].shape[1:], name)
    affine = None if raw.divisor is None else (0.0, raw.divisor)
    whole = whole_columns(tables["train"])
    if standardize:
        if binarize is not None:
            raise InputError("Values are either standardized or binarized: choose one of the two.")
        tables, affine = standardized(tables, name, standardize)
        space = replace(space, scaling=STANDARDIZED[standardize])
        found = survey_all(tables)
    divisor = None if standardize else raw.divisor  # which the deviations hold already
    coded = encode(tables, space, found, divisor=divisor, scheme=binarize, seed=seed)
    coded = _with_copies(_with_affine(coded), copied)
    return Dataset(
        name,
        coded.splits["train"],
        replace(coded.space, n=len(tables["train"])),
        valid=coded.splits.get("valid"),
        test=coded.splits.get("test"),
        train_labels=labels.get("train"),
        valid_labels=labels.get("valid"),
        test_labels=labels.get("test"),
        image_shape=shape,
        whole=whole,
        binarization=coded.binarization,
        decode=coded.decode,
        affine=None if coded.space.support == "binary" and not standardize else affine,
        columns=raw.columns,
        notes=(*raw.notes, *_told(coded.splits)),
        class_names=class_names,
    )


def _told(splits: dict[str, Examples]) -> list[str]:
    """What is to be known of held-out rows that are copies of training rows."""
    if len(splits) > 1 and is_memmap(splits["train"]):
        return ["copies of training rows among the others were not counted, for they stay in their file"]
    return [f"of the {split} rows {x.space.copies}" for split, x in splits.items() if x.space.copies]


def _with_affine(coded: Encoded) -> Encoded:
    """The splits with the shift and scale of their columns, by the training rows, where they are no zeros and ones and
    no grey values."""
    rows, support = coded.splits["train"], coded.space.support
    if support != "real" and not support.startswith("integers"):
        return coded
    shown = rows if coded.decode is None else coded.decode(rows[:MOMENT_ROWS])
    shift, scale = moments(np.asarray(shown))
    affine: Affine | None = tuple(shift.tolist()), tuple(scale.tolist())
    raw = {"train"} if coded.decode is not None else set()  # rows that are not yet what a model is shown
    splits = {
        split: x if split in raw else examples(x, replace(x.space, affine=affine)) for split, x in coded.splits.items()
    }
    return replace(coded, splits=splits, space=replace(coded.space, affine=affine))


def _with_copies(coded: Encoded, copied: dict[str, float]) -> Encoded:
    """The splits with the share of their rows that also stand in the training rows."""
    found = coded.splits
    told = {split: examples(found[split], replace(found[split].space, copied=x)) for split, x in copied.items()}
    return replace(coded, splits=found | told)


def split_rows(
    tables: dict[str, np.ndarray],
    labels: dict[str, np.ndarray],
    fractions: dict[str, int],
    seed: int,
    groups: np.ndarray | None = None,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Take numbers of rows out of "train" for "valid" and "test", after a seeded shuffle; rows of one group stay
    together, so that the numbers are then met as nearly as groups allow.

    A memory-mapped table is not shuffled, since that would copy it: its last rows are taken.
    """
    x, n = tables["train"], len(tables["train"])
    order = None if is_memmap(x) else generator(seed, SPLIT).permutation(n)
    kept = n - sum(fractions.values())
    middle = kept + fractions["valid"]
    if groups is not None and order is not None:
        order = kept_together(order, groups)
        found = cuts(order, groups, sorted({kept, middle} - {n}))
        if found is None:
            raise InputError("These splits need more groups of rows: give smaller fractions, or groups=None.")
        kept, middle = found[0], found[-1] if fractions["test"] else n
    bounds = {"train": (0, kept), "valid": (kept, middle), "test": (middle, n)}

    def taken(values: np.ndarray) -> dict[str, np.ndarray]:
        cut = {split: slice(*ends) for split, ends in bounds.items() if ends[0] < ends[1]}
        return {split: values[rows] if order is None else values[order[rows]] for split, rows in cut.items()}

    return taken(x), taken(labels["train"]) if "train" in labels else {}


def _given(values: dict[str, object]) -> dict[str, object]:
    return {split: value for split, value in values.items() if value is not None}


def _checked(raw: Raw, name: str) -> tuple[dict[str, np.ndarray], tuple[int, ...] | None, Survey]:
    """The tables [n, d] of every split, the shape of one picture, and what the values are."""
    tables, shapes, found = {}, set(), None
    for split, array in raw.arrays.items():
        what = f"The {split} rows of {name!r}"
        tables[split], shape = check.as_table(array, what)
        shapes.add(shape)
        here = check.finite(tables[split], what)
        found = here if found is None else found.joined(here)
    check.same_columns(tables, name)
    shape = check.picture_shape(raw.image_shape, shapes - {None}, tables["train"].shape[1], name)
    return tables, shape, found


def _checked_labels(labels: dict[str, object], tables: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    for split in labels.keys() - tables.keys():
        raise InputError(f"{name!r} has {split} labels but no {split} rows: give both or neither.")
    return {
        split: check.as_labels(values, len(tables[split]), f"The {split} labels of {name!r}")
        for split, values in labels.items()
    }


def _fractions(
    tables: dict[str, np.ndarray], name: str, valid: float | None, test: float | None, default: float
) -> dict[str, int]:
    """How many training rows become "valid" and "test"."""
    n, asked = len(tables["train"]), {"valid": valid, "test": test}
    if asked == {"valid": None, "test": None}:
        few = min(int(n * default), STREAMED_SPLIT) if is_memmap(tables["train"]) else int(n * default)
        return dict.fromkeys(asked, 0 if len(tables) > 1 else few)
    if len(tables) > 1:
        raise InputError(f"{name!r} comes with its own splits: leave out valid_fraction and test_fraction.")
    counts = {split: round(n * (fraction or 0.0)) for split, fraction in asked.items()}
    for split, fraction in asked.items():
        if fraction and (fraction < 0 or counts[split] == 0):
            raise InputError(f"{split}_fraction={fraction} of {n} rows is no row: give a larger fraction or more rows.")
    if sum(counts.values()) >= n:
        raise InputError(
            f"valid_fraction={valid} and test_fraction={test} of {n} rows leave no training row: give "
            "smaller fractions."
        )
    return counts
