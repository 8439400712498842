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

    @property
    def cells(self) -> tuple[str, ...]:
        """What stands in its line of the table, between the setting and the time."""
        return (*cells(self.ours), self.reference)

    def __str__(self) -> str:
        return f"{self.setting}: {self.ours}"


@dataclass(frozen=True)
class Row:
    """A line of a table whose columns are the protocol's own: what it is of, its cells and numbers, the time."""

    setting: str
    cells: tuple[str, ...]
    numbers: dict[str, float]
    seconds: float

    def __str__(self) -> str:
        return f"{self.setting}: {', '.join(self.cells)}"


@dataclass(frozen=True)
class Protocol:
    """A published experiment: a line about it, its settings in words, and what runs it, result by result.

    `columns` are the headings between the setting and the time; where they are a protocol's own, its results are of
    type `Row`. `draw` makes an SVG of them, which is kept beside the page, and `caption` says what it shows.
    """

    about: str
    settings: str
    run: Callable[[int], Iterator[Result]] | Callable[[int], Iterator[Row]]
    columns: tuple[str, ...] = ("ours", "kind", "verdict", "required or published")
    draw: Callable[[list[Row]], bytes] | None = None
    caption: str = ""


def section(name: str, protocol: Protocol, results: list[Result] | list[Row], seed: int, picture: str = "") -> str:
    """A protocol's results in Markdown, with a link to their `picture` if there is one."""
    known = [r.ours.space for r in results if isinstance(r, Result) and r.ours.space is not None]
    spaces = "; ".join(dict.fromkeys(str(space) for space in known))
    tested = f"Test set{'s' if ';' in spaces else ''}: {spaces}. " if spaces else ""
    headings = ["setting", *protocol.columns, "wall time"]
    lines = [
        f"## {name}",
        "",
        f"{protocol.about}. {protocol.settings}",
        "",
        f"{tested}Seed {seed}. {date.today().isoformat()}, {machine()}. Written by `harmonium reproduce {name}`.",
        "",
        f"| {' | '.join(headings)} |",
        "|---" * len(headings) + "|",
    ]
    lines += [f"| {r.setting} | {' | '.join(r.cells)} | {r.seconds:.0f} s |" for r in results]
    lines += ["", f"![{protocol.caption}]({picture})"] if picture else []
    return "\n".join(lines) + "\n"


def write(page: Path, name: str, protocol: Protocol, results: list[Result] | list[Row], seed: int) -> None:
    """Put a protocol's results on a page, and the picture of them, if any, in the folder `pictures` beside it."""
    picture = f"pictures/{name}.svg" if protocol.draw else ""
    if protocol.draw:
        (page.parent / "pictures").mkdir(exist_ok=True)
        write_atomically(page.parent / picture, protocol.draw(results))
    replace_section(page, name, section(name, protocol, results, seed, picture))


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
