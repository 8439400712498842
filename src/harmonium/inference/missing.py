"""Rows some of whose cells are missing."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from harmonium.data.check import as_numbers
from harmonium.inference.marginals import as_rows
from harmonium.units import Unit, parts_of


def with_holes(unit: Unit, x: Any) -> tuple[Float[np.ndarray, "n size"], Bool[np.ndarray, "n size"]]:
    """Rows `[n, size]` (or one `[size]`) with a value of its unit in each missing cell (NaN), and where these are; of
    units that hold their data shifted and scaled in float64.

    Raises `InputError` for no rows, or other values outside the units' range.

    >>> import harmonium as hm
    >>> x, missing = with_holes(hm.units.Spin(2), [1.0, np.nan]); x.tolist(), missing.tolist()
    ([[1.0, -1.0]], [[False, True]])
    """
    kind = np.float64 if unit.scaled else np.float32
    rows = as_rows(unit, np.atleast_2d(as_numbers(x, "The rows"))).astype(kind)
    missing = np.isnan(rows)
    filled = np.where(missing, np.asarray(unit.to_data(neutral(unit))), rows)
    unit.check(filled)
    return filled, missing


def neutral(unit: Unit) -> Float[np.ndarray, "size"]:
    """A value of each unit: its first state, or zero of a real one.

    >>> import harmonium as hm
    >>> neutral(hm.units.Columns([hm.units.Spin(1), hm.units.Gaussian(1)])).tolist()
    [-1.0, 0.0]
    """
    parts = [part for part, _ in parts_of(unit)]
    first = [part.values(jnp.zeros(part.size, jnp.int32)) if part.states else np.zeros(part.size) for part in parts]
    return np.concatenate([np.asarray(value, np.float32) for value in first])
