"""Columns brought to mean 0 and variance 1, by the statistics of the training rows alone."""

from __future__ import annotations

import numpy as np

from harmonium.data.affine import moments
from harmonium.data.kinds import column_states
from harmonium.data.storage import is_memmap
from harmonium.errors import InputError

STANDARDIZED = {
    True: "columns standardized by the training rows",
    "real": "real columns standardized by the training rows",
}


def standardized(
    tables: dict[str, np.ndarray], name: str, which: bool | str = True
) -> tuple[dict[str, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Each split as `(x - m) / s`, with the columns' mean `m` and standard deviation `s` over the training rows.

    Returned with `(m, s)`. Constant columns are only shifted. Densities are then those of the standardized values, and
    their space says so.

    Args:
        tables: "train", and perhaps "valid" and "test", each [n, d].
        name: of the data set, for errors.
        which: True for all columns, "real" for those that hold measurements: neither zeros and ones nor codes.

    Raises:
        InputError: rows that stay in their file, or another choice of columns.

    >>> standardized({"train": np.array([[1.0], [3.0]])}, "x")[0]["train"].tolist()
    [[-1.0], [1.0]]
    """
    if which not in STANDARDIZED:
        raise InputError(
            f"standardize={which!r} is no choice of columns: use True for all, or 'real' for measurements."
        )
    if is_memmap(tables["train"]):
        raise InputError(f"{name!r} is read from its file in place: standardize its columns before it is loaded.")
    mean, deviation = moments(tables["train"])
    if which == "real":
        as_they_are = np.array([states is not None for states in column_states(*tables.values())])
        mean[as_they_are], deviation[as_they_are] = 0.0, 1.0
    return {split: ((x - mean) / deviation).astype(np.float32) for split, x in tables.items()}, (mean, deviation)
