"""What was read, in a line: rows, columns and their names, what these hold, and classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harmonium.data.arrays import Raw
from harmonium.data.kinds import column_states
from harmonium.data.storage import blocks, is_memmap

_SHOWN = 4  # names in a line


def summary(raw: Raw) -> str:
    """What arrays hold that can be used: they have been checked.

    >>> rows = np.array([[0, 0, 0.5], [1, 1, 2], [1, 2, 7]] * 9)
    >>> summary(Raw({"train": rows}, columns=("smoker", "city", "weight")))
    '27 rows of 3 columns (smoker, city, weight): zeros and ones in 1, codes in 1 (city 0 to 2), measurements in 1'
    """
    arrays = [np.asarray(array) if not is_memmap(array) else array for array in raw.arrays.values()]
    n = sum(map(len, arrays))
    if arrays[0].ndim > 2:
        text = f"{n} examples of {' x '.join(map(str, arrays[0].shape[1:]))}"
    else:
        d = arrays[0].shape[1]
        names = "" if raw.columns is None else f" ({_some(raw.columns)})"
        text = f"{n} rows of {d} column{'s' * (d > 1)}{names}"
        if raw.divisor is None and not any(map(is_memmap, arrays)):
            text += f": {_kinds(arrays, raw.columns)}"
    if "train" in raw.labels:
        text += f"; {len(np.unique(np.concatenate([np.ravel(part) for part in raw.labels.values()])))} classes"
    return text


def _kinds(tables: Sequence[np.ndarray], names: Sequence[str] | None) -> str:
    """What the columns of a table [n, d], in parts, are taken for where units are found column by column."""
    states = column_states(*tables)
    whole = np.all([(block == np.floor(block)).all(axis=0) for table in tables for _, block in blocks(table)], axis=0)
    coded = [column for column, own in enumerate(states) if own is not None and own > 2]
    found = {
        "zeros and ones": [column for column, own in enumerate(states) if own == 2],
        "codes": coded,
        "whole numbers": [column for column, own in enumerate(states) if own is None and whole[column]],
        "measurements": [column for column, own in enumerate(states) if own is None and not whole[column]],
    }
    kept = {kind: columns for kind, columns in found.items() if columns}
    which = [f"{names[column] if names else f'column {column + 1}'} 0 to {states[column] - 1}" for column in coded]
    listed = {"codes": f" ({_some(which)})"}
    if len(kept) == 1:
        (kind,) = kept
        return kind + listed.get(kind, "")
    return ", ".join(f"{kind} in {len(columns)}{listed.get(kind, '')}" for kind, columns in kept.items())


def _some(names: Sequence[str]) -> str:
    """The first names, in one line."""
    shown = [" ".join(name.split()) for name in names[:_SHOWN]]
    return ", ".join(shown + ["..."] * (len(names) > _SHOWN))
