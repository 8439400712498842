"""Arrays of examples that know which space they live on."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from harmonium.data.fingerprint import fingerprint
from harmonium.data.space import Space
from harmonium.data.storage import Survey, survey


class Examples(np.ndarray):
    """A plain array [n, ...] that carries `.space`; slices and casts keep it, arithmetic drops it.

    Arithmetic gives a plain array because its values are no longer the declared data.

    >>> x = examples(np.eye(3), Space("binary", (3,), "identity"))
    >>> x[:2].space.dataset, type(x + 1).__name__
    ('identity', 'ndarray')
    """

    space: Space | None = None

    def __array_finalize__(self, source: object) -> None:
        if isinstance(source, Examples):
            self.space = source.space

    def __array_wrap__(self, array, context=None, return_scalar=False):
        plain = np.asarray(array)
        return plain[()] if return_scalar else plain


def examples(array: np.ndarray, space: Space | None) -> Examples:
    """A read-only view of `array` [n, ...] that carries `space`; nothing is copied, nor read from its file.

    The hash and number of examples are not carried, since a slice would make them wrong: `space_of` counts
    the actual rows.
    """
    view = np.asarray(array).view(Examples)
    view.flags.writeable = False
    view.space = space and replace(space, hash=None, n=None)
    return view


def space_of(x: np.ndarray) -> Space:
    """The space of the rows of `x` [n, ...] as they are now, with their hash and number.

    Examples keep what was declared for them as long as their values agree with it; any other array is
    described by its values: "binary" if all are 0 or 1, "integers a..b" by its dtype, otherwise "real".

    >>> space_of(np.array([[0, 1], [1, 1]])).support
    'binary'
    """
    declared = x.space if isinstance(x, Examples) else None
    rows = _rows(np.asarray(x), declared)
    found = survey(rows)
    shape = rows.shape[1:]
    if declared is None:
        space = Space(support(found), shape, "array")
    elif math.prod(shape) == declared.dimensions:
        space = _truth(declared, found)
    else:
        space = replace(_truth(declared, found), shape=shape)
    return replace(space, hash=fingerprint(rows), n=len(rows))


def support(found: Survey) -> str:
    """The support of values of which nothing else is known.

    >>> support(survey(np.array([[0, 7]])))
    'integers 0..7'
    """
    if found.binary:
        return "binary"
    codes = found.integer and found.lowest >= -(2**31) and found.highest < 2**31
    return f"integers {found.lowest:.0f}..{found.highest:.0f}" if codes else "real"


def _rows(x: np.ndarray, declared: Space | None) -> np.ndarray:
    """`x` with a leading axis of examples, which one example taken out of its set has lost."""
    single = x.ndim == 0 or (declared is not None and x.ndim == 1 and x.size == declared.dimensions > 1)
    return x[None] if single else x


def _truth(declared: Space, found: Survey) -> Space:
    """What was declared, unless the values contradict it."""
    if _admits(declared.support, found):
        return declared
    if (declared.binarization or "").startswith("dynamic"):
        return replace(declared, support="unit interval")  # stored grey, binary only when presented
    return Space(support(found), declared.shape, f"{declared.dataset} (changed)", split=declared.split)


def _admits(name: str, found: Survey) -> bool:
    if name == "binary":
        return found.binary
    if name == "unit interval":
        return found.lowest >= 0 and found.highest <= 1
    if name.startswith("integers "):
        low, high = name.removeprefix("integers ").split("..")
        return found.lowest >= float(low) and found.highest <= float(high)
    return True
