"""Malformed files of every format through the command line: each is refused in one sentence, or used, and nothing that
a person gave is changed.

    python -m tests.faults inputs --count 2000

The commands run in this process, in a folder with a table, a run that was trained on it and another run. What is held
against each: no exception but the library's own reaches the command line, which leaves with 0, or with 1 or 2 and one
sentence on standard error; it does so within `LIMIT` seconds; the files that were given, and those of the runs, have
the bytes that they had, but for what a command that succeeds is there to write; and a command that fails leaves no file
that was not there. Trainings end when the data is read and the model is made, but for one in `malformed.WHOLE`.
"""

from __future__ import annotations

import argparse
import faulthandler
import hashlib
import os
import shutil
import signal
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests import plainly
from tests.cli.typed import Command
from tests.faults import malformed
from tests.faults.malformed import OTHER, RUN, TABLE, Case
from tests.faults.record import PAGE, circumstances, write_section

LIMIT = 60  # seconds after which a command hangs
# What a command that succeeds may write, beside --out.
WRITES = {
    "evaluate": {"estimates.json", "per_example.npz"},
    "report": {"report.html"},
    "train": {"metrics.jsonl", "estimates.json", "per_example.npz", "run.json", "model.safetensors", "model.json"},
}
NOTES = ("harmonium: read ", "harmonium: warning: ")  # lines that are no refusal


class Hang(BaseException):
    """A command took longer than `LIMIT`."""


class Read(SystemExit):
    """The data of a training is read: it ends as well as it may."""


@dataclass
class Outcome:
    """What came of a case: the exit code, whether training began, and what is wrong with it, if anything."""

    code: int | None
    began: bool = False
    fault: str = ""


@dataclass
class Tally:
    """What came of the cases of one format."""

    codes: Counter[int | None] = field(default_factory=Counter)
    faults: list[tuple[Case, str]] = field(default_factory=list)

    def add(self, case: Case, outcome: Outcome) -> None:
        """Count a case."""
        self.codes[outcome.code] += 1
        if outcome.fault:
            self.faults.append((case, outcome.fault))


class Bench:
    """A folder with a table and runs, made whole again for every case."""

    def __init__(self, folder: Path) -> None:
        self.whole, self.folder = folder / "whole", folder / "case"
        self.folder.mkdir(parents=True)
        rng = np.random.default_rng(0)
        rows = [(i % 2, i // 3 % 2, i * 5 % 7, f"{rng.normal(20, 3):.2f}") for i in range(40)]
        text = "\n".join(",".join(map(str, row)) for row in (malformed.NAMES, *rows))
        (self.folder / TABLE).write_text(text + "\n")
        self.command = Command(self.folder, reports=True)
        words = ("train", "rbm", "--data", TABLE, "--epochs", "1", "--batch-size", "8", "--hidden", "2")
        self.command.done(*words, "--out", RUN, "--no-report", "--no-progress")
        shutil.copytree(self.folder / RUN, self.folder / OTHER, ignore=shutil.ignore_patterns("checkpoints"))
        shutil.copytree(self.folder, self.whole)

    def formats(self) -> dict[str, hypothesis.strategies.SearchStrategy[Case]]:
        """The cases of every format."""
        return malformed.formats(self.whole / RUN)

    def attempt(self, case: Case) -> Outcome:
        """Give a case to the command line."""
        self._lay_out(case)
        before, began = self._hashes(), []
        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            _watch_training(patch, began, case.trains)
            try:
                with _within(LIMIT):
                    code, out, err = self.command(*case.words)
            except Hang:
                return Outcome(None, bool(began), f"hangs: not done in {LIMIT} s")
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                return Outcome(None, bool(began), f"{type(error).__name__} reaches the person: {str(error)[:300]}")
        fault = _said(code, out, err) or self._done(case, code, before, bool(began)) or _warned(warned)
        return Outcome(code, bool(began), fault)

    def _lay_out(self, case: Case) -> None:
        shutil.rmtree(self.folder)
        shutil.copytree(self.whole, self.folder)
        for name, content in case.files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if "--force" in case.words:
            (self.folder / case.words[case.words.index("--out") + 1]).write_text("what was there")

    def _hashes(self) -> dict[str, str]:
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    def _done(self, case: Case, code: int, before: dict[str, str], began: bool) -> str:
        """What is wrong with what is on disk now."""
        after = self._hashes()
        out = case.words[case.words.index("--out") + 1] if "--out" in case.words else None
        allowed = {f"{RUN}/{name}" for name in WRITES.get(case.words[0], ())} if code == 0 or began else set()
        if code == 0 and out != RUN:
            allowed.add(out)
        lost = [name for name, mark in before.items() if after.get(name) != mark and name not in allowed]
        if lost:
            return f"changed or lost: {', '.join(lost)}"
        new = [name for name in after.keys() - before.keys() - allowed if not (began and name.startswith("new/"))]
        if new:
            return f"left behind: {', '.join(sorted(new))}"
        if code == 0 and out in ("out.npy", "out.csv"):
            return self._written(out)
        return ""

    def _written(self, out: str) -> str:
        """What is wrong with a table that is said to be written."""
        path = self.folder / out
        if not path.is_file():
            return f"said to be done, and there is no {out}"
        rows = np.load(path) if path.suffix == ".npy" else np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
        return "" if np.isfinite(rows).all() else f"{out} holds what is no number"


def _watch_training(patch: pytest.MonkeyPatch, began: list[bool], trains: bool) -> None:
    """Note that training begins, or end it there."""
    from harmonium.recipes import common
    from harmonium.training import greedy

    fit = common.fit

    def watched(*arguments: object, **options: object) -> object:
        began.append(True)
        if not trains:
            raise Read(0)
        return fit(*arguments, **options)

    for module in (common, greedy):  # in which the stages of a deep machine come before
        patch.setattr(module, "fit", watched)


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    def late(*_: object) -> None:
        raise Hang

    old = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def _said(code: int, out: str, err: str) -> str:
    """What is wrong with what a command said and left with."""
    lines = [line for line in err.split("\n")[:-1] if not line.startswith(NOTES)]
    if "Traceback" in err + out or "(run again with --debug" in err:
        return f"no sentence of its own: {err[-400:]!r}"
    if code == 0:
        return f"done, with stray words: {err[-400:]!r}" if lines else ""
    if code not in (1, 2):
        return f"exit code {code}: {err[-400:]!r}"
    if len(lines) != 1 or not lines[0].startswith("harmonium: ") or not lines[0].isprintable():
        return f"not one line: {err[-400:]!r}"
    return f"refused, after it said {out[:200]!r}" if out else ""


def _warned(found: list[warnings.WarningMessage]) -> str:
    """The first warning that no one wrote for a person to read."""
    known = (UserWarning, DeprecationWarning, PendingDeprecationWarning, ResourceWarning)
    odd = [each for each in found if not issubclass(each.category, known)]
    return f"warns of {odd[0].category.__name__}: {odd[0].message} ({odd[0].filename})" if odd else ""


def tried(bench: Bench, strategy: hypothesis.strategies.SearchStrategy[Case], count: int, seed: int = 0) -> Tally:
    """So many cases of a format, each given to the command line."""
    tally = Tally()

    @hypothesis.seed(seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def attempt(case: Case) -> None:
        tally.add(case, bench.attempt(case))

    attempt()
    return tally


def table(tallies: dict[str, Tally]) -> str:
    """The record as a table."""
    total = Tally()
    lines = ["| file | tried | used | refused | failed | faults |", "|---|---|---|---|---|---|"]
    for name, tally in tallies.items():
        total = Tally(total.codes + tally.codes, total.faults + tally.faults)
        lines.append(_line(name, tally))
    return "\n".join([*lines, _line("all", total)])


def _line(name: str, tally: Tally) -> str:
    counts = " | ".join(str(tally.codes[code]) for code in (0, 2, 1))
    return f"| {name} | {tally.codes.total()} | {counts} | {len(tally.faults)} |"


def main(words: list[str]) -> int:
    """Try the cases, print faults as they come, write the record, and fail where there is a fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults inputs")
    parser.add_argument("--count", type=int, default=2000, help="files")
    parser.add_argument("--formats", help="with commas between; all without it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--page", type=Path, default=PAGE, help="where the record goes")
    asked = parser.parse_args(words)
    folder = Path(tempfile.mkdtemp(prefix="inputs-"))
    os.environ.setdefault("XLA_FLAGS", plainly.FLAGS)
    hypothesis.configuration.set_hypothesis_home_dir(folder / "hypothesis")
    faulthandler.enable()  # a parser that crashes leaves its case in the folder
    print(f"cases are laid out in {folder}")
    begun, bench, tallies = time.monotonic(), Bench(folder), {}
    formats = bench.formats()
    names = asked.formats.split(",") if asked.formats else list(formats)
    for place, name in enumerate(names):
        count = asked.count // len(names) + (place < asked.count % len(names))
        tallies[name] = tried(bench, formats[name], count, asked.seed + place)
        print(_line(name, tallies[name]), f"{time.monotonic() - begun:.0f} s", flush=True)
        print(*(f"  {fault}\n    {case}" for case, fault in tallies[name].faults), sep="\n", end="", flush=True)
    print(found := table(tallies))
    write_section("inputs", _text(asked.count, (time.monotonic() - begun) / 60, found), asked.page)
    shutil.rmtree(folder)
    return int(any(tally.faults for tally in tallies.values()))


def _text(count: int, minutes: float, found: str) -> str:
    return (
        f"## Malformed files\n\n`python -m tests.faults inputs --count {count}` ({circumstances()}; {minutes:.0f} "
        "minutes). Files that hypothesis made, well-formed with odd contents or damaged, were given to `train`, "
        "`evaluate`, `sample`, `impute`, `encode`, `compare` and `report`. *Used* is exit code 0, *refused* 2 and "
        f"*failed* 1, with one sentence. A fault is an exception that is not the library's own, a command that takes "
        f"longer than {LIMIT} seconds, a refusal that is not one line, a file of the person's that has other bytes "
        f"than before, or one that a command left which failed.\n\n{found}"
    )
