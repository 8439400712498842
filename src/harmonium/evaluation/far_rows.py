"""Rows that decide a mean by themselves, named so that a reader can look at them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from harmonium.errors import in_words

LEAST = 10  # rows below which none is told apart from the others
SHARE, FEW = 100, 3  # one row in a hundred is looked at, of a small number up to three
DECIDES = 5.0  # standard errors of the others' mean by which one row alone moves it
FAR, SMALL = 10.0, 0.1  # nats from the others, and nats of the mean, that are not worth a word
NAMED = 5  # at most, where there are many


def remark_on(values: Float[np.ndarray, "n"]) -> str:
    """What a reader of the mean of `values` `[n]` should know of single rows; nothing where none stands out.

    A row stands out that has no finite value, or that alone moves the mean by more than five standard errors of the
    mean of the others. Their numbers count from 0.

    >>> remark_on(np.append(np.linspace(-1.0, -2.0, 20), -1e6))
    'row 20 alone moves the mean by -4.762e+04 nats; without it the mean is -1.50'
    """
    finite = np.isfinite(values)
    if not finite.any():
        return ""
    odd = np.flatnonzero(~finite) if not finite.all() else deciding_rows(values)
    if not len(odd):
        return ""
    rest = float(np.delete(values, odd).mean())
    one = len(odd) == 1
    without = f"without {'it' if one else 'them'} the mean is {rest:.2f}"
    if not finite.all():
        return f"{rows_named(odd)} {'has' if one else 'have'} no finite value; {without}"
    moved = f"{'alone moves' if one else 'alone move'} the mean by {float(values.mean()) - rest:.4g} nats"
    return f"{rows_named(odd)} {moved}; {without}"


def deciding_rows(values: Float[np.ndarray, "n"]) -> Int[np.ndarray, "few"]:
    """The few rows of finite `values` `[n]` each of which decides the mean, in their order.

    The others are all but the farthest from the median, one in a hundred of them (up to three of a small number).

    >>> deciding_rows(np.append(np.linspace(-1.0, -2.0, 20), -1e6)).tolist()
    [20]
    """
    n = len(values)
    if n < LEAST:
        return np.zeros(0, int)
    few = max(1, min(FEW, n // 20), n // SHARE)
    order = np.argsort(np.abs(values - np.median(values)), kind="stable")
    others, farthest = values[order[:-few]], order[-few:]
    least = max(DECIDES * np.std(others, ddof=1) * np.sqrt(n), SMALL * n, FAR)
    return np.sort(farthest[np.abs(values[farthest] - others.mean()) > least])


def rows_named(rows: Int[np.ndarray, "rows"]) -> str:
    """Numbers of rows in words.

    >>> rows_named(np.array([3])), rows_named(np.array([3, 5, 8])), rows_named(np.arange(9))
    ('row 3', 'rows 3, 5 and 8', 'rows 0, 1, 2, 3, 4 and 4 more')
    """
    return f"row{'s' if len(rows) > 1 else ''} {listed([str(row) for row in rows])}"


def listed(words: list[str]) -> str:
    """Words in a row, the first five of many.

    >>> listed(["3"]), listed(["3", "5"]), listed(list("abcdefg"))
    ('3', '3 and 5', 'a, b, c, d, e and 2 more')
    """
    shown = words if len(words) <= NAMED else [*words[:NAMED], f"{len(words) - NAMED} more"]
    return in_words(shown)
