"""What was looked at in a trained model: each thing with a verdict and a cure, all of them as a table."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Literal

import numpy as np

DIVERGED = "training diverged: use a smaller learning rate"
GAP = 0.2  # of the spread over the rows that training rows may lie better than others: a small effect


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes: `name`; `found`, in words; `verdict`, whether that is `good`, `poor` or `unknown`; `cure`, what to do
    where it is poor, or why it is unknown; `numbers` behind the words.

    >>> print(Finding("dead hidden units", "3 of 20", "poor", "use fewer"))
    dead hidden units: 3 of 20, poor (use fewer)
    """

    name: str
    found: str
    verdict: Literal["good", "poor", "unknown"]
    cure: str = ""
    numbers: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name}: {self.found}, {self.verdict}{f' ({self.cure})' if self.cure else ''}"


class Findings:
    """What a diagnosis found: a data class whose fields are each a `Finding`, printed as a table of them.

    >>> @dataclass(frozen=True)
    ... class Chains(Findings):
    ...     mixing: Finding
    >>> print(Chains(Finding("chains", "R-hat 2.0", "poor", "run longer ones")))
    chains  R-hat 2.0  poor: run longer ones
    """

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All of them, in order."""
        return tuple(getattr(self, f.name) for f in fields(self))

    @property
    def good(self) -> bool:
        """Whether nothing is poor."""
        return all(finding.verdict != "poor" for finding in self.findings)

    def __str__(self) -> str:
        wide, wider = (max(len(getattr(f, part)) for f in self.findings) for part in ("name", "found"))
        ends = [f": {f.cure}" if f.cure else "" for f in self.findings]
        lines = zip(self.findings, ends, strict=True)
        return "\n".join(f"{f.name:<{wide}}  {f.found:<{wider}}  {f.verdict}{end}" for f, end in lines)


def judged(good: bool, cure: str) -> tuple[Literal["good", "poor"], str]:
    """The verdict, and the cure where one is needed.

    >>> judged(True, "use fewer units")
    ('good', '')
    """
    return ("good", "") if good else ("poor", cure)


def gap_between(name: str, seen: np.ndarray, held: np.ndarray, cure: str) -> Finding:
    """By how much validation rows `held` `[m]` lie worse (higher) than training rows `seen` `[n]`, in nats.

    >>> print(gap_between("gap", np.array([1.0, 3.0]), np.array([10.0, 12.0]), "stop earlier"))
    gap: 9.00 ± 1.00 nats (valid less train; spread 1.00), poor (stop earlier)
    """
    gap, spread = float(held.mean() - seen.mean()), float(seen.std())
    if not math.isfinite(gap):
        return Finding(name, "not finite", "poor", DIVERGED)
    error = math.hypot(spread / math.sqrt(len(seen)), float(held.std()) / math.sqrt(len(held)))
    good = gap - 2 * error <= GAP * spread
    found = f"{gap:.2f} ± {error:.2f} nats (valid less train; spread {spread:.2f})"
    return Finding(name, found, *judged(good, cure), {"gap": gap, "stderr": error, "spread": spread})
