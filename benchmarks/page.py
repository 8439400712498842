"""`docs/benchmarks.md`, made from the results of one or several machines."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator
from typing import Any

from benchmarks import verdict
from benchmarks.case import OURS, PRODUCTS, Bar, Case
from benchmarks.cases import OURS_16, PRODUCTS_16
from benchmarks.growth import cliffs

COLD_BARS = {"harmonium --help": 1.0, "first step, nothing compiled before": 8.0}

INTRODUCTION = """# Benchmarks

This page is written by `python -m benchmarks` (`pip install -e '.[bench]'`); nothing in it is typed in. Each contestant
is a process of its own; they take turns, one at a time, so that noise falls on all alike. Times are medians; a ratio is
the median over repeats of the two times of one repeat. **Only ratios are worth quoting**: times belong to the machine.

*The matrix products alone* are the products that a case cannot do without (five for a step of CD-1, `2 k + 3` for
CD-k and PCD-k, two for a temperature of AIS, one and a sum for exact log Z), compiled by the same compiler with
nothing around them: the limit of anything that this compiler makes. *By torch* they are the same products in the
library that the peers are built on, whose limit it is; where the two differ, so do their routines for this processor.
Ours is timed as a user calls it: `hm.fit` from one epoch's end to the next, with shuffling, checks and monitor;
`hm.log_partition` whole. rbms and learnergy are timed at their own steps, without their data loaders, files, progress
bars and running errors, so that they look better here than in use; scikit-learn at its `fit`. scikit-learn's rule is
PCD-1; it stands beside CD-1 too. Long epochs are timed on fewer examples than 60,000, as each title says, and scaled.
All products are in float32 (no TensorFloat-32 on a GPU) unless bfloat16 is named. On the lattice our couplings are a
dense matrix, thrml's a list of edges: the ratio holds for this size. AIS is held to the exact log Z of a machine with
20 hidden units; for one with 500, trained on MNIST, 1,000 temperatures are too few for anyone, as the answer to more
of them shows.

The limit of NADE is not a product: *its activations alone* are the `variables x hidden` sigmoids of a batch, once, and
once more where there is a gradient; *its memory traffic alone* is their array read and written for each variable, three
times where there is a gradient. *Step by step, torch* is the same network written in a loop, its hidden activations
carried along as ours are.
"""


def page(results: Iterable[dict[str, Any]], cases: Iterable[Case]) -> str:
    """The whole page."""
    cases = tuple(cases)
    parts = [INTRODUCTION]
    for result in results:
        parts.extend(_machine(result, cases))
    return "\n".join(parts).rstrip() + "\n"


def table(head: tuple[str, ...], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table.

    >>> print(table(("a", "b"), [("1", "2")]))
    | a | b |
    |---|---|
    | 1 | 2 |
    <BLANKLINE>
    """
    lines = [head, ["---"] * len(head), *rows]
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
    return text.replace("| --- | " + "--- | " * (len(head) - 2) + "--- |", "|" + "---|" * len(head))


def _machine(result: dict[str, Any], cases: tuple[Case, ...]) -> Iterator[str]:
    about = result["about"]
    yield f"## {about['device']}, {about['machine']}\n"
    yield table(("what", "measured with"), about.items())
    known = [(case, result["cases"][case.name]) for case in cases if case.name in result["cases"]]
    yield "### The bars\n"
    rows = [*_bars(known), *_cold_bars(result), *_memory_bar(result)]
    yield table(("case", "bar", "measured", "range over repeats", ""), rows)
    for case, found in known:
        yield f"### {case.title}\n"
        yield from _case(case, found)
    yield from _cold(result)
    yield from _memory(result)
    yield from _growth(result)


def _bars(known: list[tuple[Case, dict[str, Any]]]) -> Iterator[tuple[str, ...]]:
    for case, found in known:
        for bar in case.bars:
            number, outcome = _outcome(bar, verdict.measured(case, bar, found))
            each = [] if bar.kind == "value" else verdict.ratios(found, bar.against, bar.who)
            spread = f"{verdict.shown(bar, min(each))} to {verdict.shown(bar, max(each))}" if each else ""
            yield case.title, _promise(bar), number, spread, outcome


def _promise(bar: Bar) -> str:
    return ("" if bar.who == OURS else f"{bar.who}: ") + verdict.sentence(bar)


def _outcome(bar: Bar, number: float | None) -> tuple[str, str]:
    if number is None:
        return "not measured", ""
    return verdict.shown(bar, number), "met" if verdict.met(bar, number) else "**not met**"


def _cold_bars(result: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, limit in COLD_BARS.items():
        if name in result.get("cold", {}):
            bar = Bar("value", "seconds", limit)
            seconds = result["cold"][name]
            number, outcome = _outcome(bar, statistics.median(seconds))
            yield name, verdict.sentence(bar), number, f"{min(seconds):.3g} to {max(seconds):.3g}", outcome


def _memory_bar(result: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    streamed = {entry["rows"]: entry["MiB"] for entry in result.get("memory", ()) if entry["kind"] == "streamed"}
    if streamed:
        few, many = sorted(streamed)[-2:]
        bar = Bar("value", f"times the memory of {few:,} rows", 1.05)
        number, outcome = _outcome(bar, streamed[many] / streamed[few])
        yield f"Peak memory, {many:,} x 784 rows, streamed", verdict.sentence(bar), number, "", outcome


def _case(case: Case, found: dict[str, Any]) -> Iterator[str]:
    rows = []
    for who in case.jobs():
        if who not in found["turns"]:
            rows.append((who, "skipped: " + found["skipped"].get(who, "not run"), "", "", ""))
            continue
        times = [turn["seconds"] * case.scale for turn in found["turns"][who]]
        limit = PRODUCTS_16 if who in (OURS_16, PRODUCTS_16) else case.limit
        products, ours = (verdict.ratio(found, other, who) for other in (limit, OURS))
        rows.append((
            who,
            f"{statistics.median(times):.3g}",
            f"{min(times):.3g} to {max(times):.3g}",
            "" if products is None else f"{100 * products:.0f} %",
            "" if not ours else f"{1 / ours:.2f}",
        ))  # fmt: skip
    limit = "the products'" if case.limit == PRODUCTS else f"that of {case.limit}"
    head = ("", case.unit, "range", f"rate as a share of {limit}", f"time in multiples of {OURS}'s")
    yield table(head, rows)
    for who in (who for who in found["skipped"] if who in found["turns"]):
        yield f"{who} stopped before the last repeat: {found['skipped'][who]}.\n"
    numbers = found.get("numbers", {})
    if numbers:
        yield ", ".join(f"{name}: {value:.4g}" for name, value in numbers.items()) + ".\n"


def _cold(result: dict[str, Any]) -> Iterator[str]:
    if "cold" in result:
        yield "### From a new process\n"
        rows = [
            (name, f"{statistics.median(s):.2f}", f"{min(s):.2f} to {max(s):.2f}") for name, s in result["cold"].items()
        ]
        yield table(("", "s", "range"), rows)


def _memory(result: dict[str, Any]) -> Iterator[str]:
    if "memory" not in result:
        return
    yield "### Memory\n"
    yield "Peak resident memory of a process that trains one epoch of CD-1, 784 x 50, on rows of one byte a pixel.\n"
    by_rows: dict[int, dict[str, float]] = {}
    for entry in result["memory"]:
        by_rows.setdefault(entry["rows"], {})[entry["kind"]] = entry["MiB"]
    rows = [
        (f"{n:,}", f"{784 * n / 2**20:.0f}", f"{m['resident']:.0f}", f"{m['streamed']:.0f}") for n, m in by_rows.items()
    ]
    yield table(("rows", "data, MiB", "held in memory, MiB", "streamed from a file, MiB"), rows)


def _growth(result: dict[str, Any]) -> Iterator[str]:
    if "growth" not in result:
        return
    yield "### Growth\n"
    yield (
        "Ours in seconds and as a share of the products' rate: 60 steps of PCD-1 with the monitor after them, or\n"
        "AIS with 200 temperatures; 784 x 500, batch and chains 100, unless it is varied. Of NADE\n"
        "100 rows are drawn, and the share is of its activations' rate.\n"
    )
    for name, by_size in result["growth"].items():
        shares = {int(size): point["share"] for size, point in by_size.items() if point["share"] is not None}
        times = [f"{by_size[str(size)]['seconds']:.3g}" for size in shares]
        rows = [("s", *times), ("share", *(f"{100 * share:.0f} %" for share in shares.values()))]
        yield table((name, *map(str, shares)), rows)
        fallen = cliffs(shares)
        yield f"Cliff at {', '.join(map(str, fallen))}.\n" if fallen else "No cliff.\n"
