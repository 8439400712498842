"""Values that are known: of the visible layer, with NaN where they are not, and of other layers by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from harmonium.errors import InputError, articled, shown, whole
from harmonium.inference.missing import with_holes

Known = dict[str, tuple[np.ndarray, np.ndarray]]  # by layer: values [n, size], and where they are known


def check_first(first: Any) -> None:
    """Refuse what is no number of a row.

    >>> check_first(-1)
    Traceback (most recent call last):
    harmonium.errors.InputError: Rows are counted from 0, and first=-1 is none of them: give a whole number.
    """
    if not whole(first, least=0):
        raise InputError(f"Rows are counted from 0, and first={shown(first)} is none of them: give a whole number.")


def known_layers(model: Any, given: Any, n: int) -> Known:
    """Values of each of `n` rows of the layers that are given, as their units hold them, and where they are known.

    Arguments: `given`, by the name of a layer other than `v`: one value for a layer of one unit (a class), a row
    `[size]` for all, or one for each `[n]` or `[n, size]`; NaN where not known.
    Raises `InputError` for a layer that there is not, another shape, or values outside the range of its units.

    >>> import harmonium as hm, jax
    >>> labels = hm.units.Categorical(1, states=3)
    >>> dbm = hm.DBM(hm.units.Bernoulli(4), [hm.units.Bernoulli(3)], labels, key=jax.random.key(0))
    >>> known_layers(dbm, {"y": 2}, 2)["y"][0].tolist()
    [[2], [2]]
    """
    if given is not None and not isinstance(given, Mapping):
        raise InputError(f"Known values are given by the name of their layer, such as {{'y': 3}}, not {shown(given)}.")
    return {name: _known(model, name, values, n) for name, values in (given or {}).items()}


def _known(model: Any, name: str, values: Any, n: int) -> tuple[np.ndarray, np.ndarray]:
    others = [layer for layer in model.layers if layer != "v"]
    if name not in others:
        there = f"choose {' or '.join(others)}" if others else "give values of the visible layer only"
        raise InputError(f"There is no layer {name!r} in {articled(type(model).__name__)}: {there}.")
    unit = model.layers[name]
    rows = np.asarray(values)
    if unit.size == 1 and rows.ndim < 2:
        rows = rows.reshape(-1, 1)
    if rows.ndim > 2 or rows.shape[-1:] != (unit.size,) or (rows.ndim == 2 and len(rows) not in (1, n)):
        raise InputError(
            f"Values of layer {name!r} are an array [{unit.size}], or [{n}, {unit.size}] with a row for each, not one "
            f"of shape {list(np.shape(values))}."
        )
    filled, missing = with_holes(unit, np.broadcast_to(rows, (n, unit.size)))
    return np.asarray(unit.from_data(filled)), ~missing


def known_rows(model: Any, given: Any, n: int) -> tuple[np.ndarray, dict[str, Any]]:
    """Rows `[n, size]` of the visible layer, NaN where nothing is known, and what is known of other layers.

    >>> import harmonium as hm
    >>> known_rows(hm.FVBN(hm.units.Bernoulli(2)), [1, np.nan], 2)[0].tolist()
    [[1.0, nan], [1.0, nan]]
    """
    by_name = dict(given) if isinstance(given, Mapping) else {"v": given}
    size = model.layers["v"].size
    rows = np.asarray(by_name.pop("v", np.full(size, np.nan)))
    if rows.ndim not in (1, 2) or rows.shape[-1] != size or (rows.ndim == 2 and len(rows) not in (1, n)):
        raise InputError(
            f"Known values of the visible layer are a row [{size}], or one for each sample [{n}, {size}], NaN where "
            f"they are not known, not an array of shape {list(rows.shape)}."
        )
    return np.broadcast_to(rows, (n, size)), by_name
