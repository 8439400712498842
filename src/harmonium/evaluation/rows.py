"""Rows of data as evaluation takes them: fitting the model, and a few of many."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
from jaxtyping import Array, Key

from harmonium.data import Dataset, Space, space_of
from harmonium.data.check import as_numbers
from harmonium.errors import InputError
from harmonium.inference.marginals import as_rows
from harmonium.models import BiHM, EnergyModel, LatentModel, TractableModel
from harmonium.units import Unit, Words, real_columns

CHECKED = 1000  # rows checked at a time


def rows_of(model: EnergyModel | TractableModel | LatentModel | BiHM, data: Dataset | Array) -> np.ndarray:
    """Rows `[n, size]` that fit the visible units; a `Dataset` stands for its test rows.

    >>> import harmonium as hm
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> rows_of(rbm, np.ones((4, 2, 3))).shape
    (4, 6)
    """
    rows, unit = as_given(model, data), model.layers["v"]
    for i in range(0, len(rows), CHECKED):
        unit.check(np.asarray(rows[i : i + CHECKED]))
    return rows


def space_under(unit: Unit, rows: np.ndarray) -> Space:
    """The space of rows `[n, size]`, and what units weigh them by: Gaussian ones by densities, others by probabilities.

    It is named where the support of the values does not say it already.

    >>> import harmonium as hm
    >>> space_under(hm.units.Gaussian(3), np.eye(3)).measure, space_under(hm.units.Bernoulli(3), np.eye(3)).measure
    ('densities', None)
    """
    space, real = space_of(rows), real_columns(unit)
    if isinstance(unit, Words):
        return dataclasses.replace(space, measure="probabilities of words in their order, given how many")
    if len(real) == (unit.size if space.support in ("real", "unit interval") else 0):
        return space
    if not real:
        return dataclasses.replace(space, measure="probabilities")
    some = f" in columns {_ranges(real)}" if len(real) < unit.size else ""
    return dataclasses.replace(space, measure=f"densities{some}")


def _ranges(columns: list[int]) -> str:
    """Numbers with neighbours joined: `0-2, 5`."""
    runs = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def as_given(model: EnergyModel | TractableModel | LatentModel | BiHM, data: Dataset | Array) -> np.ndarray:
    """Rows `[n, size]` of numbers, whatever their values, as wide as the visible units.

    >>> import harmonium as hm
    >>> as_given(hm.FVBN(hm.units.Bernoulli(2)), np.array([[np.nan, 1.0]])).shape
    (1, 2)
    """
    if isinstance(data, Dataset):
        if data.test is None:
            raise InputError(f"'{data.name}' has no test rows: pass the rows to evaluate, such as data.train.")
        data = data.test
    as_numbers(data, "The rows")
    rows = np.asanyarray(data)
    rows = rows.reshape(len(rows), -1) if rows.ndim > 2 and len(rows) else rows
    as_rows(model.layers["v"], rows)
    return rows


def some_of(rows: np.ndarray, key: Key[Array, ""], n: int) -> np.ndarray:
    """Up to `n` rows, drawn without replacement and in their order; all where there are no more.

    >>> some_of(np.arange(5), jax.random.key(0), 9)
    array([0, 1, 2, 3, 4])
    """
    if n >= len(rows):
        return rows
    random = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel().tolist())
    return rows[np.sort(random.choice(len(rows), n, replace=False))]


def training_rows(
    model: EnergyModel | LatentModel | BiHM, data: Dataset | Array, key: Key[Array, ""], n: int
) -> np.ndarray:  # fmt: skip
    """Up to `n` rows, drawn without replacement: training rows of a `Dataset`, as the model is shown them.

    >>> import harmonium as hm
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(4), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> training_rows(rbm, hm.data.from_arrays(np.eye(4)), jax.random.key(1), 3).shape
    (3, 4)
    """
    train = data.train if isinstance(data, Dataset) else rows_of(model, data)
    pick, show = jax.random.split(key)
    chosen = some_of(train, pick, n)
    if isinstance(data, Dataset):
        chosen = data.sampled(show, data.shown(chosen))
    return rows_of(model, chosen)
