"""From turns to medians, and from medians to verdicts on the bars."""

from __future__ import annotations

import math
import statistics
from typing import Any

from benchmarks.case import Bar, Case

Results = dict[str, Any]  # one case's: turns by contestant, why others were skipped, and numbers for its bars


def median(result: Results, who: str, scale: float = 1.0) -> float | None:
    """The median of a contestant's times, or None where it has none.

    >>> median({"turns": {"a": [{"seconds": 3.0}, {"seconds": 1.0}, {"seconds": 2.0}]}}, "a", scale=10)
    20.0
    """
    turns = result["turns"].get(who)
    return statistics.median(turn["seconds"] for turn in turns) * scale if turns else None


def measured(case: Case, bar: Bar, result: Results) -> float | None:
    """What a bar is compared with; None where a contestant is missing.

    A ratio is the median over the repeats of the two times of one repeat, which lie close together.
    """
    if bar.kind == "value":
        return median(result, bar.who) if bar.against == "seconds" else result.get("numbers", {}).get(bar.against)
    return ratio(result, bar.against, bar.who)


def ratio(result: Results, slow: str, fast: str) -> float | None:
    """How many times as long as `fast` `slow` takes: the median over repeats.

    >>> ratio({"turns": {"a": [{"seconds": 3.0}], "b": [{"seconds": 2.0}]}}, "a", "b")
    1.5
    """
    found = ratios(result, slow, fast)
    return statistics.median(found) if found else None


def ratios(result: Results, slow: str, fast: str) -> list[float]:
    """The ratio of each repeat; none where one of the two has no times."""
    pairs = zip(result["turns"].get(slow, ()), result["turns"].get(fast, ()), strict=False)
    return [a["seconds"] / b["seconds"] for a, b in pairs]


def met(bar: Bar, number: float) -> bool:
    """Whether a number reaches its bar."""
    return number <= bar.limit if bar.kind == "value" else number >= bar.limit


def sentence(bar: Bar) -> str:
    """The bar in words.

    >>> sentence(Bar("share", "the matrix products alone", 0.75))
    'at least 75 % of the rate of the matrix products alone'
    """
    if bar.kind == "share":
        return f"at least {100 * bar.limit:.0f} % of the rate of {bar.against}"
    if bar.kind == "times":
        return f"{bar.limit:g} times as fast as {bar.against}"
    return f"at most {bar.limit:g} {bar.against}"


def shown(bar: Bar, number: float) -> str:
    """The measured number as its bar counts.

    >>> shown(Bar("share", "x", 0.75), 0.8123)
    '81.2 %'
    """
    return {"share": f"{100 * number:.1f} %", "times": f"{number:.2f} times", "value": f"{number:.3g}"}[bar.kind]


def root_mean_square(values: list[float], reference: float) -> float:
    """How far values lie from a reference.

    >>> root_mean_square([1.0, 3.0], 2.0)
    1.0
    """
    return math.sqrt(statistics.fmean((value - reference) ** 2 for value in values))
