"""What a benchmark is made of: cases, their contestants, and the bars that they are held to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

OURS, PRODUCTS = "harmonium", "the matrix products alone"
PRODUCTS_TORCH = f"{PRODUCTS}, by torch"


@dataclass(frozen=True)
class Bar:
    """A promise about one case: a `share` of another's rate, so many `times` as fast, or a `value` below the limit.

    Arguments: `against`, the other contestant, or the name of the value; `limit`, the number to reach; `who`, whose
    promise it is.
    """

    kind: Literal["share", "times", "value"]
    against: str
    limit: float
    who: str = OURS


@dataclass(frozen=True)
class Case:
    """One thing to time. Arguments: `title`, a sentence for the page; `unit`, what a time is per; `scale`, from the
    seconds that a contestant reports to that unit; `entries`, contestant to `module:function` in
    `benchmarks.entries`, or to a pair of it and settings of its own; `settings`, what all of them are given;
    `repeats`, how often each works, at most; `limit`, the contestant that is the machine's own limit here."""

    name: str
    title: str
    unit: str
    entries: Mapping[str, str | tuple[str, dict[str, Any]]]
    settings: dict[str, Any] = field(default_factory=dict)
    scale: float = 1.0
    bars: tuple[Bar, ...] = ()
    repeats: int = 7
    limit: str = PRODUCTS

    def jobs(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """Contestant to where its function is and what it is given."""
        pairs = {who: (entry, {}) if isinstance(entry, str) else entry for who, entry in self.entries.items()}
        return {who: (where, self.settings | own) for who, (where, own) in pairs.items()}
