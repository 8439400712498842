"""`hm.compare`: answers what can be answered about two estimates, and refuses the rest (section 20.14)."""

from __future__ import annotations

import math

import numpy as np

from harmonium.errors import IncomparableError, InputError, shown
from harmonium.evaluation.estimate import Estimate, standard_error
from harmonium.evaluation.far_rows import remark_on

ERRORS = 2.0  # standard errors of the difference that count as a difference


class Comparison(str):
    """The answer: the text `better`, `worse` or `inconclusive`, with `.difference`, `.stderr` and `.reason`.

    >>> answer = compare(Estimate(-80.0, 0.1, "exact"), Estimate(-90.0, 0.1, "exact"))
    >>> print(answer, answer.reason)
    better by 10.00 ± 0.14 nats
    """

    difference: float
    stderr: float
    reason: str

    def __new__(cls, answer: str, difference: float, stderr: float, reason: str) -> Comparison:
        self = super().__new__(cls, answer)
        self.difference, self.stderr, self.reason = difference, stderr, reason
        return self


def compare(a: Estimate, b: Estimate) -> Comparison:
    """Whether `a` is `better`, `worse` or `inconclusive` against `b`.

    `a` is better when its lower end lies above the upper end of `b` by two standard errors of the difference (paired
    where both hold values of the same examples). Two lower bounds are always inconclusive. Raises `IncomparableError`,
    with the reason, where the two are of different quantities or live on different spaces, and `InputError` for what is
    no estimate. The reason also names single rows that decide the difference, and says where only one of the two is of
    the distribution that `log_prob` measures.

    >>> low, high = Estimate(-90.0, 0.1, "exact"), Estimate(-80.0, 0.1, "exact")
    >>> compare(high, low)
    'better'
    """
    for estimate in (a, b):
        if not isinstance(estimate, Estimate):
            raise InputError(
                f"A comparison is of two estimates, such as those of hm.log_likelihood, not of {shown(estimate)}."
            )
    if a.quantity != b.quantity:
        raise IncomparableError(f"A {a.quantity} and a {b.quantity} cannot be compared.")
    if a.space is not None and b.space is not None:
        reason = a.space.why_incomparable(b.space)
        if reason:
            raise IncomparableError(reason)
    difference, error = a.value - b.value, _error(a, b)
    margin = ERRORS * error
    ahead, behind = a.ends[0] - b.ends[1], b.ends[0] - a.ends[1]
    at_least = "" if a.kind == b.kind == "exact" else "at least "
    also = _also(a, b)
    if ahead > margin:
        return Comparison("better", difference, error, f"by {at_least}{ahead:.2f} ± {error:.2f} nats{also}")
    if behind > margin:
        return Comparison("worse", difference, error, f"by {at_least}{behind:.2f} ± {error:.2f} nats{also}")
    return Comparison("inconclusive", difference, error, _why_open(a, b, error) + also)


def _error(a: Estimate, b: Estimate) -> float:
    """Standard error of the difference, paired on the same rows; the ends of intervals hold their error of log Z."""
    pairs = _pairs(a, b)
    if pairs is None:
        return math.hypot(a.stderr, b.stderr)
    paired = standard_error(pairs)
    errors = (_shared(e) for e in (a, b) if e.kind in ("lower", "upper"))
    return math.hypot(paired, *(math.inf if error is None else error for error in errors))


def _pairs(a: Estimate, b: Estimate) -> np.ndarray | None:
    """The difference of each example `[n]`, where both hold values of the same ones."""
    x, y = a.per_example, b.per_example
    same = a.space is not None and b.space is not None and a.space.hash and a.space.hash == b.space.hash
    return None if x is None or y is None or not same or len(x) != len(y) else x - y


def _also(a: Estimate, b: Estimate) -> str:
    """What else a reader should know: rows that decide the difference, and answers of different distributions."""
    pairs, laws = _pairs(a, b), [e.settings.get("exact_for") for e in (a, b)]
    said = "" if pairs is None else remark_on(pairs)
    notes = [f"of the difference, {said}"] if said else []
    if laws[0] != laws[1]:
        notes.append(f"the {'first' if laws[0] else 'second'} is exact for {laws[0] or laws[1]}")
    copies = a.space.copies if a.space is not None else None
    notes += [f"of the rows {copies}, on which a model that memorised them is ahead"] if copies else []
    return "".join(f"; {note}" for note in notes)


def _why_open(a: Estimate, b: Estimate, error: float) -> str:
    if math.isinf(a.ends[0]) and math.isinf(b.ends[0]):
        return "neither is bounded from below, so neither can be shown to be better"
    if math.isinf(a.ends[1]) and math.isinf(b.ends[1]):
        return "both are lower bounds, which say nothing about the order of what they bound"
    if not a.kind == b.kind == "exact" and a.ends[0] <= b.ends[1] and b.ends[0] <= a.ends[1]:
        return f"what is known of them overlaps ({_known(a)}, and {_known(b)}), so either may be the larger"
    return f"they lie within {ERRORS:g} standard errors ({error:.2f} nats each)"


def _known(e: Estimate) -> str:
    """What an estimate lies between, in words."""
    low, high = e.ends
    if e.kind == "exact":
        return f"{e.value:.2f}"
    if math.isinf(low) or math.isinf(high):
        return f"at least {low:.2f}" if math.isfinite(low) else f"at most {high:.2f}"
    return f"{low:.2f} to {high:.2f}"


def _shared(e: Estimate) -> float | None:
    """The error that moves every example alike: of log Z, or of the samples that all examples were held against."""
    return e.settings.get("log_partition_stderr", e.settings.get("shared_stderr", 0.0))
