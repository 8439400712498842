"""A number that knows what it is: its kind, its error, how it was made, and the space it lives on (section 20.14)."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from harmonium.data import Space
from harmonium.errors import InputError, whole
from harmonium.evaluation.far_rows import remark_on
from harmonium.records import unfit

Kind = Literal["exact", "interval", "lower", "upper", "unordered"]
Quantity = Literal["log_likelihood", "log_likelihood_per_frame", "conditional_log_likelihood", "log_partition"]

GAP_LIMIT = 1.0  # nats between the two ends beyond which an interval should not be reported
HOPELESS = 1000.0  # nats between the ends that no number of temperatures mends
SAMPLE_LIMIT = 10.0  # effective samples below which a weighted mean should not be reported

NOT_FINITE = "do not report: the log-probabilities are not finite"
ONE_SIDED = "do not report: bounded from one side only; use method='two_sided'"

QUANTITIES = {
    "log_likelihood": "log-likelihood", "log_likelihood_per_frame": "log-likelihood per frame",
    "conditional_log_likelihood": "conditional log-likelihood",
    "log_partition": "log Z",
}  # fmt: skip


@dataclass(frozen=True)
class Estimate:
    """A quantity in nats with its kind, error, method and space; `log_likelihood` is a mean per example.

    Attributes:
        value: the number; for an interval its middle.
        stderr: standard error of `value`, over the examples and over the chains that estimated log Z.
        kind: `exact`, `interval` (with `lower` and `upper`), `lower` or `upper` (a bound), or `unordered`.
        quantity: `log_likelihood`, `log_likelihood_per_frame` (of sequences), `conditional_log_likelihood` (of some
            columns given others) or `log_partition`.
        lower, upper: what bounds it; infinite where nothing does.
        sure: whether the bounds hold surely, or only in expectation over the chains.
        method, settings: how it was made, with the seed and the wall time in seconds.
        space: of the examples; None for a property of the model alone.
        n: how many examples.
        verdict: `trust`, or `do not report` with the reason.
        remark: which single rows decide the value, or have none that is finite; found from `per_example`.
        per_example: the values that `value` is the mean of, `[n]`, where there are such; not written to JSON.

    >>> print(Estimate(-80.0, 0.5, "exact", method="enumeration", n=300))
    log-likelihood -80.00 ± 0.50 nats per example (exact, by enumeration; n = 300)
    """

    value: float
    stderr: float
    kind: Kind
    quantity: Quantity = "log_likelihood"
    lower: float = -math.inf
    upper: float = math.inf
    sure: bool = False
    method: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    space: Space | None = None
    n: int | None = None
    verdict: str = "trust"
    remark: str = ""
    per_example: np.ndarray | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.per_example is None:
            return
        object.__setattr__(self, "remark", remark_on(self.per_example))
        if self.verdict == "trust" and not np.isfinite(self.per_example).all():
            object.__setattr__(self, "verdict", NOT_FINITE)

    @property
    def gap(self) -> float:
        """Distance between the ends in nats: 0 for exact values, infinite for one-sided ones."""
        return 0.0 if self.kind == "exact" else self.upper - self.lower

    @property
    def strength(self) -> tuple[int, bool, int]:
        """How much it says of its quantity: by its kind, then by its verdict, then by the number of examples.

        >>> Estimate(-80.0, 0.1, "exact").strength > Estimate(-80.0, 0.1, "lower", lower=-80.0).strength
        True
        """
        rank = {"unordered": 0, "lower": 1, "upper": 1, "interval": 2, "exact": 3}[self.kind]
        return rank, self.verdict == "trust", self.n or 0

    @property
    def ends(self) -> tuple[float, float]:
        """What the quantity lies between."""
        return (self.value, self.value) if self.kind == "exact" else (self.lower, self.upper)

    def to_dict(self) -> dict[str, Any]:
        """The estimate as JSON-ready values (JSON has no infinity and no NaN: they are null)."""
        record = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "per_example"}
        record["space"] = self.space.to_dict() if self.space else None
        return _without_infinities(record)

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Estimate:
        """The inverse of `to_dict`. Raises `TypeError` for a value of another kind."""
        record = dict(record)
        record["space"] = Space.from_dict(record["space"]) if record["space"] else None
        absent = {"value": math.nan, "stderr": math.inf, "lower": -math.inf, "upper": math.inf}
        record |= {name: x for name, x in absent.items() if record[name] is None}
        if wrong := unfit(record, cls):
            raise TypeError(wrong)
        return cls(**record)

    def __str__(self) -> str:
        per = "" if self.quantity in ("log_partition", "log_likelihood_per_frame") else " per example"
        if self.kind == "interval":
            number = f"between {self.lower:.2f} and {self.upper:.2f} nats{per}"
            sort = f"interval{'' if self.sure else ' in expectation'}, gap {self.gap:.2f}"
        else:
            number = f"{self.value:.2f} ± {self.stderr:.2f} nats{per}"
            sort = {"lower": "lower bound", "upper": "upper bound"}.get(self.kind, self.kind)
        parts = [f"{sort}, by {self.method}"]
        parts += [f"n = {self.n}"] if self.n is not None else []
        parts += [str(self.space)] if self.space is not None else []
        parts += [self.verdict] if self.verdict != "trust" else []
        parts += [self.remark] if self.remark else []
        return f"{QUANTITIES[self.quantity]} {number} ({'; '.join(parts)})"


def _without_infinities(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_infinities(x) for name, x in value.items()}
    if isinstance(value, list | tuple):
        return [_without_infinities(x) for x in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def interval_verdict(gap: float, effective_samples: float) -> str:
    """`trust`, or `do not report` and why: from the distance of the ends and the weights' effective sample size.

    >>> interval_verdict(0.2, 50.0), interval_verdict(3.0, 50.0)
    ('trust', 'do not report: the ends are 3 nats apart; use more temperatures')
    """
    if not math.isfinite(gap):
        return "do not report: the weights are not finite"
    if gap > GAP_LIMIT:
        cure = "use more temperatures" if gap < HOPELESS else "the chains do not mix, or training diverged"
        return f"do not report: the ends are {gap:.3g} nats apart; {cure}"
    if effective_samples < SAMPLE_LIMIT:
        return f"do not report: only {effective_samples:.1f} effective chains; use more temperatures or more chains"
    return "trust"


def standard_error(values: np.ndarray) -> float:
    """Of the mean of independent numbers; infinite for a single one.

    >>> standard_error(np.array([-1.0, 1.0]))
    1.0
    """
    return float(np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.inf


def mean_estimate(
    values: np.ndarray, kind: Kind, method: str, settings: dict[str, Any], space: Space | None, *,
    quantity: Quantity = "log_likelihood", sure: bool = False, verdict: str | None = None,
) -> Estimate:  # fmt: skip
    """The mean of what was found of each example `[n]`: exact values, or lower bounds, `sure` or in expectation.

    The verdict, where none is given, is whether the number is finite.

    >>> found = mean_estimate(np.array([-1.0, -3.0]), "exact", "the chain rule", {}, None); found.value, found.upper
    (-2.0, -2.0)
    """
    value, exact = float(values.mean()), kind == "exact"
    odd = NOT_FINITE if exact else "do not report: the weights are not finite"
    return Estimate(
        value, standard_error(values), kind, quantity, lower=value, upper=value if exact else math.inf,
        sure=sure or exact, method=method, settings=settings, space=space, n=len(values),
        verdict=verdict or ("trust" if math.isfinite(value) else odd), per_example=values,
    )  # fmt: skip


def one_sided_verdict(value: float) -> str:
    """What a bound of one side is worth: alone, never enough for a record.

    >>> one_sided_verdict(-84.0)
    "do not report: bounded from one side only; use method='two_sided'"
    """
    return ONE_SIDED if math.isfinite(value) else "do not report: the weights are not finite"


def at_least_one(what: str, **numbers: int) -> None:
    """Refuse numbers, not whole or below 1, with which there is nothing to do.

    >>> at_least_one("RAISE", chains=0, rows=100)
    Traceback (most recent call last):
    harmonium.errors.InputError: RAISE needs chains and rows of at least 1, not chains=0, rows=100.
    """
    if not whole(*numbers.values()):
        *most, last = numbers
        names = f"{', '.join(most)} and {last}" if most else last
        given = ", ".join(f"{name}={number}" for name, number in numbers.items())
        raise InputError(f"{what} needs {names} of at least 1, not {given}.")
