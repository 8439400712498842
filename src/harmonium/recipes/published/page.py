"""Results beside what was published, and the page that they are written to."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import jax

from harmonium.evaluation import ErrorRate, Estimate
from harmonium.models import write_atomically


@dataclass(frozen=True)
class Result:
    """One number of a protocol: what it is of, ours, the published or required one with its source, the time."""

    setting: str
    ours: Estimate | ErrorRate
    reference: str
    seconds: float


@dataclass(frozen=True)
class Protocol:
    """A published experiment: a line about it, its settings in words, and what runs it, result by result."""

    about: str
    settings: str
    run: Callable[[int], Iterator[Result]]


def section(name: str, protocol: Protocol, results: list[Result], seed: int) -> str:
    """A protocol's results in Markdown."""
    spaces = "; ".join(dict.fromkeys(str(r.ours.space) for r in results if r.ours.space is not None))
    lines = [
        f"## {name}",
        "",
        f"{protocol.about}. {protocol.settings}",
        "",
        f"Test set{'s' if ';' in spaces else ''}: {spaces}. Seed {seed}. {date.today().isoformat()}, {machine()}. "
        f"Written by `harmonium reproduce {name}`.",
        "",
        "| setting | ours | kind | verdict | required or published | wall time |",
        "|---|---|---|---|---|---|",
    ]
    for r in results:
        lines.append(f"| {r.setting} | {' | '.join(cells(r.ours))} | {r.reference} | {r.seconds:.0f} s |")
    return "\n".join(lines) + "\n"


def cells(ours: Estimate | ErrorRate) -> tuple[str, str, str]:
    """The number, its kind and its verdict.

    >>> cells(ErrorRate(150, 10_000))
    ('1.50 % ± 0.12 %', 'error rate', 'trust')
    """
    if isinstance(ours, ErrorRate):
        return f"{100 * ours.value:.2f} % ± {100 * ours.stderr:.2f} %", "error rate", "trust"
    if ours.kind == "interval":
        return f"{ours.lower:.2f} to {ours.upper:.2f} nats", f"interval, gap {ours.gap:.2f}", ours.verdict
    kind = {"lower": "lower bound", "upper": "upper bound"}.get(ours.kind, ours.kind)
    return f"{ours.value:.2f} ± {ours.stderr:.2f} nats", kind, ours.verdict


def machine() -> str:
    """What it was run on, in words."""
    device = jax.devices()[0]
    cores = f"{len(os.sched_getaffinity(0))} cores" if device.platform == "cpu" else device.device_kind
    return f"{platform.machine()} {device.platform.upper()}, {cores}, JAX {jax.__version__}"


def replace_section(page: Path, name: str, text: str) -> None:
    """Put a section between its marks on a page, in place of the old one or at the end."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    old = page.read_text() if page.is_file() else "# Results\n"
    block = f"{begin}\n{text}{end}"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    new = pattern.sub(lambda _: block, old) if pattern.search(old) else f"{old.rstrip()}\n\n{block}\n"
    write_atomically(page, new.encode())
