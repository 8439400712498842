"""The visible units of a table whose columns are of several kinds."""

from __future__ import annotations

import itertools

import numpy as np

from harmonium.data import Dataset
from harmonium.data.kinds import column_states
from harmonium.errors import InputError
from harmonium.recipes.common import MARGINAL_ROWS, is_grey, visible_unit
from harmonium.units import Bernoulli, Categorical, Columns, Gaussian, Unit, parts_of

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
