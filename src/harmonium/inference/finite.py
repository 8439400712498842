"""Answers that are no numbers are refused, by the rows that they stand in: what is returned has been looked at."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from harmonium.errors import NotFiniteError

OF_ROWS = (
    "what is given of that row may lie far outside of what the model was trained on, or its training diverged: look at "
    "the row first, or load an earlier checkpoint"
)
OF_MODEL = "its training diverged: load an earlier checkpoint, or train with a smaller learning rate"


def require_finite(
    found: Array | np.ndarray, what: str, why: str = OF_ROWS, *, columns: bool = False
) -> Array | np.ndarray:
    """The answer as it is; `NotFiniteError` where it holds a NaN or an infinity. Inside compiled code nothing is said.

    Arguments: `found` `[n, ...]` or, of one row, `[...]` of one axis; `what` it is; `why` it may be so, with the cure;
    `columns`, whether the second axis is that of the data.

    >>> require_finite(jnp.array([[0.0, 1.0], [jnp.nan, 2.0]]), "The probabilities")
    Traceback (most recent call last):
    harmonium.errors.NotFiniteError: The probabilities are not finite in row 1: what is given of that row may lie ...
    """
    if isinstance(found, jax.core.Tracer) or not jnp.issubdtype(found.dtype, jnp.inexact) or _finite(found):
        return found
    table = np.atleast_2d(np.asarray(found))
    bad = ~np.isfinite(table.reshape(len(table), -1))
    rows = np.flatnonzero(bad.any(axis=1))
    where = f"row {rows[0]}" + (f", column {np.flatnonzero(bad[rows[0]])[0]}" if columns else "")
    more = f" and in {len(rows) - 1:,} more row{'s' if len(rows) > 2 else ''}" if len(rows) > 1 else ""
    raise NotFiniteError(f"{what} are not finite in {where}{more}: {why}.")


def _finite(found: Array | np.ndarray) -> bool:
    """Whether all are finite numbers, asked where they are: on the device, or in double precision beside it."""
    return bool((np if isinstance(found, np.ndarray) else jnp).isfinite(found).all())


def require_numbers(model: Any) -> None:
    """Refuse a model that holds NaN: its binary units would be drawn all the same, and say nothing of it.

    >>> import harmonium as hm
    >>> require_numbers(hm.FVBN(hm.units.Bernoulli(2)))
    """
    leaves = [leaf for leaf in jax.tree.leaves(model) if eqx.is_inexact_array(leaf)]
    if any(not isinstance(leaf, jax.core.Tracer) and bool(jnp.isnan(leaf).any()) for leaf in leaves):
        raise NotFiniteError(f"The parameters of this {type(model).__name__} are not numbers (NaN), for {OF_MODEL}.")
