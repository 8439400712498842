"""Real columns in which a density may grow without limit: constant ones, values held again and again, and copies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from harmonium.data import Dataset
from harmonium.data.affine import moments
from harmonium.errors import warn
from harmonium.evaluation.far_rows import listed
from harmonium.models import FVBN, BeliefNet, BiHM, EnergyModel, LatentModel, TractableModel
from harmonium.models.directed.generators import AffineGenerator
from harmonium.units import Frames, real_columns

ROWS = 2000  # that are looked at, at most, or three for each column
COLUMNS = 500  # more of them are not held against each other
LEAST = 20  # rows that hold a value, and more rows than twice the columns, from which on something is said
SHARE = 0.2  # of the rows that hold one value
EXACT = 1e-4  # of a column's deviation that others leave over, where it is a copy
NO_LIMIT = "a density may grow there without limit, and its number then tells how long it was trained"

Names = Sequence[str] | None  # of the columns of a table
Densities = EnergyModel | BeliefNet | TractableModel | LatentModel | BiHM
ONE_PRECISION = EnergyModel | BeliefNet | FVBN | AffineGenerator  # of a column, whatever the row: no value is narrowed


def warn_of_training_rows(model: Any, data: Dataset) -> None:
    """Warn of training columns in which a density of real values may have no upper limit; not of classifiers.

    >>> import harmonium as hm, warnings
    >>> with warnings.catch_warnings(record=True, action="always") as told:
    ...     warn_of_training_rows(hm.FVBN(hm.units.Gaussian(3)), hm.data.from_arrays(np.eye(3) * [1, 0, 0]))
    >>> str(told[0].message)
    "Columns 1 and 2 of 'array' are constant: a density has no upper limit there, ... drop them."
    """
    real, name = _columns(model), f"'{data.name}'"
    if not real:
        return
    constant = [] if data.streamed else constant_columns(np.asarray(data.train), real)
    others = [i for i in real if i not in constant]
    noisy = data.space.support.startswith("integers")  # whole numbers are shown with noise of one level
    found = [] if noisy else _found(model, data.train, others, name, data.shown, data.columns)
    for message in [*_constant(constant, name, data.columns), *found]:
        warn(message)


def warn_of_rows(model: Any, data: Any) -> None:
    """Warn of columns of rows that are weighed, where a density of real values may have no upper limit.

    Rows that are no table of numbers as wide as the model are left to who refuses them.

    >>> import harmonium as hm, warnings
    >>> x = np.random.default_rng(0).normal(size=(99, 1))
    >>> with warnings.catch_warnings(record=True, action="always") as told:
    ...     warn_of_rows(hm.FVBN(hm.units.Gaussian(2)), np.hstack([x, 1 - 2 * x]))
    >>> str(told[0].message)
    'Column 1 of the rows is a linear function of column 0: a density may grow there without limit, ... leave it out.'
    """
    rows = data.test if isinstance(data, Dataset) else data
    try:
        rows = np.asanyarray(rows)
    except (TypeError, ValueError):  # a key, or a ragged list
        return
    if rows.dtype.kind in "biuf" and rows.ndim == 2 and rows.shape[1] == model.layers["v"].size:
        real = _columns(model)
        constant = constant_columns(rows, real) if len(rows) else []  # a question, and no data set
        for message in _found(model, rows, [i for i in real if i not in constant], "the rows"):
            warn(message)


def _columns(model: Any) -> list[int]:
    """The columns of real values of which a model has a density."""
    return real_columns(model.layers["v"]) if isinstance(model, Densities) else []


def _constant(columns: list[int], name: str, names: Names = None) -> list[str]:
    if not columns:
        return []
    are, them = ("is", "it") if len(columns) == 1 else ("are", "them")
    return [
        f"{_named('Column', columns, names)} of {name} {are} constant: a density has no upper limit there, and "
        f"training may diverge; drop {them}."
    ]


def _found(
    model: Any, rows: np.ndarray, real: list[int], name: str, shown: Callable[[np.ndarray], np.ndarray] = np.asarray,
    names: Names = None,
) -> list[str]:  # fmt: skip
    """What is said of repeated values and of copies, from some of the rows."""
    if not real or isinstance(model.layers["v"], Frames):  # absent frames hold one value
        return []
    n, most = len(rows), max(ROWS, 3 * min(len(real), COLUMNS))
    some = np.sort(np.random.default_rng(0).choice(n, most, replace=False)) if n > most else slice(None)
    table = np.asarray(shown(np.asarray(rows[some]))[:, real], np.float64)
    table = table[np.isfinite(table).all(axis=1)]
    atoms = {} if isinstance(model, ONE_PRECISION) else repeated(table)
    told = [_of_atoms({real[i]: share for i, share in atoms.items()}, name, names)] if atoms else []
    copies = {real[j]: [real[i] for i in others] for j, others in dependent(table).items()}
    return [*told, _of_copies(copies, name, names)] if copies else told


def _of_atoms(shares: dict[int, float], name: str, names: Names) -> str:
    holds, it = ("holds", "it") if len(shares) == 1 else ("hold", "them")
    return (
        f"{_named('Column', list(shares), names)} of {name} {holds} one value in "
        f"{listed([f'{100 * share:.0f} %' for share in shares.values()])} of the rows: {NO_LIMIT}; model that value "
        "apart (a column of zeros and ones for where it stands), add noise of half a digit where values are rounded, "
        f"or leave {it} out."
    )


def _of_copies(copies: dict[int, list[int]], name: str, names: Names) -> str:
    if len(copies) > 1:
        which = _named("Column", list(copies), names)
        return f"{which} of {name} are linear functions of others: {NO_LIMIT}; leave them out."
    (column, others), *_ = copies.items()
    which, of = _named("Column", [column], names), _named("column", others, names)
    return f"{which} of {name} is a linear function of {of}: {NO_LIMIT}; leave it out."


def constant_columns(rows: np.ndarray, columns: list[int]) -> list[int]:
    """Those of the columns that hold one value in all rows.

    >>> constant_columns(np.array([[1.0, 2.0], [1.0, 3.0]]), [0, 1])
    [0]
    """
    first = rows[0, columns]
    maybe = [i for i, same in zip(columns, (rows[:99, columns] == first).all(axis=0), strict=True) if same]
    return [i for i, width in zip(maybe, np.ptp(rows[:, maybe], axis=0), strict=True) if width == 0]


def repeated(table: Float[np.ndarray, "n columns"]) -> dict[int, float]:
    """The columns of which one value makes a fifth of the rows or more, and its share of them.

    >>> {i: round(share, 2) for i, share in repeated(np.outer(np.maximum(np.arange(100), 60), [1, 0])).items()}
    {0: 0.61, 1: 1.0}
    """
    n = len(table)
    if n < LEAST:
        return {}
    ordered = np.sort(table, axis=0)
    at_least = max(LEAST, int(np.ceil(SHARE * n)))
    if at_least > n:
        return {}
    maybe = np.flatnonzero((ordered[at_least - 1 :] == ordered[: n - at_least + 1]).any(axis=0))
    return {int(i): float(np.unique(ordered[:, i], return_counts=True)[1].max() / n) for i in maybe}


def dependent(table: Float[np.ndarray, "n columns"]) -> dict[int, list[int]]:
    """The columns that are linear functions of those before them, and of which.

    What the columns before leave over is on the diagonal of `R` in `Q R` of the standardized table.

    >>> x = np.random.default_rng(0).normal(size=(99, 2))
    >>> dependent(np.column_stack([x, 3 * x[:, 0] + 1, x[:, 1] - x[:, 0]]))
    {2: [0], 3: [0, 1]}
    """
    if not len(table):
        return {}
    mean, spread = moments(table)
    varies = table.min(axis=0) < table.max(axis=0)
    moving = np.flatnonzero(varies & (spread > 1e-12 * np.abs(table).max(axis=0)))
    if len(table) < 2 * len(moving) + LEAST or not 2 <= len(moving) <= COLUMNS:
        return {}
    standard = (table[:, moving] - mean[moving]) / spread[moving]
    over = np.abs(np.diag(np.linalg.qr(standard, mode="r"))) / np.sqrt(len(table))
    found = {}
    for j in np.flatnonzero(over < EXACT):
        others = [i for i in range(j) if over[i] >= EXACT]
        weights = np.linalg.lstsq(standard[:, others], standard[:, j], rcond=None)[0]
        found[int(moving[j])] = [int(moving[i]) for i, w in zip(others, weights, strict=True) if abs(w) > 10 * EXACT]
    return found


def _named(word: str, columns: list[int], names: Names) -> str:
    shown = [str(i) if names is None else repr(names[i]) for i in columns]
    return f"{word}{'s' if len(columns) > 1 else ''} {listed(shown)}"
