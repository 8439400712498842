"""The layers that recipes make: visible units by name or by what the data hold, hidden units, a layer of classes."""

from __future__ import annotations

import itertools
import re

import numpy as np

from harmonium.data import Dataset
from harmonium.data.classes import titled
from harmonium.data.kinds import column_states
from harmonium.errors import InputError, warn
from harmonium.units import Bernoulli, Categorical, Columns, Gaussian, Spin, Unit, parts_of

MARGINAL_ROWS = 100_000  # rows, at most, whose marginals the visible biases start at
FEW_CLASSES = 1000  # classes that labels may make where training rows are fewer
CATEGORICAL_LIMIT = 64  # states beyond which whole numbers are taken for grey values and not for codes
GREY_LEVELS = "integers 0..255"


def column_units(data: Dataset) -> Unit:
    """Units for each column of a table by what its rows hold, those of all splits, neighbours of one kind joined.

    Zeros and ones make a Bernoulli unit, codes 0 to K - 1 a categorical one with K states (`column_states` says what
    is a code), measurements a Gaussian one; so does every column that was standardized. Columns that are all alike are
    a plain layer, others `Columns`.

    >>> from harmonium.data import from_arrays
    >>> column_units(from_arrays(np.array([[0, 0, 0.5], [1, 1, 2], [1, 2, 7]] * 9))).parts
    (Bernoulli(size=1), Categorical(size=1, states=3), Gaussian(size=1))
    """
    rows = np.asarray(data.train) if data.decode is None else data.shown(data.train[:MARGINAL_ROWS])
    states = column_states(rows, *(held_out for held_out in (data.valid, data.test) if held_out is not None))
    if data.affine is not None and np.ndim(data.affine[0]):
        moved = (data.affine[0] != 0) | (data.affine[1] != 1)
        states = [None if real else own for own, real in zip(states, moved, strict=True)]
    parts = [_unit(kind, len(list(same))) for kind, same in itertools.groupby(states)]
    return parts[0] if len(parts) == 1 else Columns(parts)


def _unit(states: int | None, size: int) -> Unit:
    if states is None:
        return Gaussian(size)
    return Bernoulli(size) if states == 2 else Categorical(size, states=states)


def table_unit(data: Dataset, name: str) -> Unit:
    """The visible units called `name`; of a table of mixed columns `auto` is `columns`.

    Raises `InputError` for zeros and ones beside values from 0 to 1, which may be grey values or measurements.
    """
    if name == "columns":
        return column_units(data)
    plain = data.image_shape is not None or data.binarization is not None or data.space.support == GREY_LEVELS
    unit = None if name != "auto" or plain else column_units(data)
    if not isinstance(unit, Columns):
        return visible_unit(data, name)
    if data.space.support == "real" and is_grey(data):
        raise InputError(
            f"'{data.name}' holds columns of zeros and ones beside others from 0 to 1: say what these are, with "
            "--visible columns for measurements, or --binarize for grey values."
        )
    return unit


def real_unit(data: Dataset) -> Gaussian:
    """The units of a table of measurements. Raises `InputError` for a column of anything else."""
    unit = column_units(data)
    for part, at in parts_of(unit):
        if part.states is not None:
            codes = "zeros and ones" if part.states == 2 else f"codes 0 to {part.states - 1}"
            raise InputError(
                f"Column {at.start} of '{data.name}' holds {codes}, of which there is no density: leave such columns "
                "out, or train a nade, whose columns may be of every kind."
            )
    return unit


def visible_unit(data: Dataset, name: str) -> Unit:
    """The visible units called `name` (`auto`: those that the data's support asks for)."""
    size = data.train.shape[1]
    states = _states(data)
    if name == "auto" and data.space.support == "integers -1..1" and np.abs(data.train[:1000]).min() == 1:
        name = "spin"
    if name == "auto":
        measured = data.space.support == "real" and not is_grey(data)
        name = "gaussian" if measured else "categorical" if states else "bernoulli"
        if states and states > CATEGORICAL_LIMIT:
            raise InputError(
                f"'{data.name}' holds whole numbers up to {states - 1}: say what they are, with --binarize for grey "
                "values, --visible categorical for codes, or --visible gaussian for measurements."
            )
    if name == "categorical":
        return Categorical(size, states=states or 2)
    return named_unit(name, size)


def is_grey(data: Dataset) -> bool:
    """Whether real values all lie from 0 to 1, as grey values do: what they are is then for their owner to say."""
    rows = np.asarray(data.train[:1000])
    return bool(rows.min() >= 0 and rows.max() <= 1)


def _states(data: Dataset) -> int:
    """States of whole-number data (`integers 0..K-1`), 0 for other data."""
    found = re.fullmatch(r"integers 0\.\.(\d+)", data.space.support)
    return int(found[1]) + 1 if found else 0


def named_unit(name: str, size: int) -> Unit:
    """Units by name. Raises `InputError` for another name or no units."""
    families = {"bernoulli": Bernoulli, "spin": Spin, "gaussian": Gaussian}
    if name not in families:
        raise InputError(
            f"There are no units called '{name}': choose one of {', '.join(families)} "
            "(visible units also: auto, categorical, and columns for auto-regressive and directed networks)."
        )
    return families[name](size)


def layer_units(text: str) -> list[Unit]:
    """Bernoulli layers of the sizes in a text such as `500,1000`.

    >>> [unit.size for unit in layer_units("500, 1000")]
    [500, 1000]
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise InputError(f"Hidden layers are whole numbers with commas between, such as 500,1000, not '{text}'.")
    return [Bernoulli(int(part)) for part in parts]


def sizes(text: str) -> list[int]:
    """Sizes of layers of a network in a text such as `200,200`; none in an empty one.

    >>> sizes("200, 100"), sizes("")
    ([200, 100], [])
    """
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise InputError(f"Sizes of layers are whole numbers with commas between, such as 200,200, not '{text}'.")
    return [int(part) for part in parts]


def class_unit(data: Dataset) -> Categorical:
    """A layer for the labels of the data, those of all its splits. Raises `InputError` where there are none, or they
    are counted from 1, or make more classes than there are rows; warns of classes between others that no training row
    has."""
    if data.train_labels is None:
        raise InputError(f"'{data.name}' has no labels: give them with --labels, or train without classes.")
    splits = (data.train_labels, data.valid_labels, data.test_labels)
    found = np.unique(np.concatenate([labels for labels in splits if labels is not None]))
    if found[0] > 0 and data.class_names is None:
        raise InputError(
            f"The labels of '{data.name}' begin at {found[0]}, so that class 0 would be empty: count its classes from "
            f"0 (labels - {found[0]})."
        )
    count, trained_on = int(found[-1]) + 1, np.unique(data.train_labels)
    if count > max(FEW_CLASSES, len(data.train)):
        raise InputError(
            f"The labels of '{data.name}' go up to {found[-1]}, which makes more classes than there are training rows "
            f"({len(data.train)}): number the classes without gaps."
        )
    if len(trained_on) < count:
        empty = np.setdiff1d(np.arange(min(count, len(trained_on) + 1)), trained_on)[0]
        warn(
            f"The labels of '{data.name}' go up to {count - 1}, but {count - len(trained_on)} of these {count} classes "
            f"have no training row (the first is class {titled(data.class_names, empty)}): "
            f"{'leave them out of the data' if data.class_names else 'number the classes without gaps'}.",
        )
    return Categorical(1, states=max(count, 2))
