"""`kill -9` at random points of a run of every recipe: what is resumed ends with the bytes of a run that nobody killed.

    python -m tests.faults kills --count 100

Each run is the `harmonium train` command in a process of its own, forked from this one, which has imported everything
and done nothing, so that no time goes by before there is something to kill. Half the runs are killed again while they
are resumed. Checkpoints are written every `PAUSE` seconds instead of every minute. A point is drawn uniformly in one
of three stretches: from the moment at which the folder is there to the first checkpoint, from there to the model, and
to the end of measuring and report.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests import plainly
from tests.faults.record import PAGE, circumstances, write_section

PAUSE = 0.1  # seconds between checkpoints
LIMIT = 300  # seconds after which a run hangs
AGAIN = 0.5  # share of the kills after which the resumed run is killed, too
ROWS = (np.random.default_rng(0).random((60, 8)) < np.linspace(0.1, 0.9, 8)).astype(np.float32)
AIS = ("--ais-chains", "4", "--temperatures", "20")
# What is trained: the recipe, its data and its flags.
CASES = {
    "boltzmann": ("bits", "--hidden", "2", *AIS),
    "rbm": ("bits", "--hidden", "4", "--objective", "fpcd", "--average", "0.9", *AIS),
    "dbm": ("bits", "--hidden", "4,3", "--pretraining", "20", "--classes", *AIS),
    "dbn": ("bits", "--hidden", "4,3", "--greedy-epochs", "20", *AIS),
    "mpdbm": ("bits", "--hidden", "4,3", "--classes", *AIS),
    "classifier": ("bits", "--hidden", "4,3", "--greedy-epochs", "20"),
    "classifier from a dbm": (
        "bits", "--from", "dbm", "--hidden", "4,3", "--greedy-epochs", "20", "--joint-epochs", "20",
    ),
    "fvbn": ("bits",),
    "made": ("bits", "--hidden", "4,3"),
    "neural": ("bits", "--group", "2"),
    "nade": ("bits", "--hidden", "4"),
    "rnade": ("real", "--hidden", "4", "--components", "2"),
    "orderless": ("bits", "--hidden", "4,3", "--orders", "2"),
    "nadek": ("bits", "--hidden", "4", "--steps", "2", "--orders", "2"),
    "sbn": ("bits", "--hidden", "4,3"),
    "bihm": ("bits", "--hidden", "4"),
    "vae": ("bits", "--latent", "2", "--hidden", "6"),
    "draw": ("bits", "--latent", "2", "--hidden", "5", "--steps", "2"),
    "vrnn": ("rolls", "--latent", "2", "--hidden", "5", "--networks", "4"),
    "rnnrbm": ("rolls", "--hidden", "4", "--recurrent", "3"),
    "rtrbm": ("rolls", "--hidden", "4"),
    "crbm": ("rolls", "--hidden", "4", "--order", "1"),
    "ssrbm": ("real", "--hidden", "4", *AIS),
    "s3c": ("real", "--hidden", "4"),
    "mcrbm": ("real", "--hidden", "4", "--means", "2", *AIS),
    "pot": ("real", "--factors", "4", *AIS),
}  # fmt: skip
FLAGS = ("--epochs", "100", "--batch-size", "12", "--no-progress")
STATES = ("no record", "no checkpoint", "in a stage", "between checkpoints", "being measured")


@dataclass
class Whole:
    """A run that nobody killed: what it left, and the seconds from its folder's appearance to its first checkpoint, to
    its model and to its end."""

    left: dict[str, object]
    seconds: tuple[float, float, float]


@dataclass
class Tally:
    """What came of the runs of one recipe."""

    runs: int = 0
    same: int = 0
    killed: Counter[str] = field(default_factory=Counter)


class Bench:
    """A folder with data, in which commands are run, each in a process that may be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        np.savez(folder / "bits.npz", x=ROWS, y=ROWS[:, 0].astype(int))
        np.savez(folder / "real.npz", x=np.random.default_rng(1).normal(size=(60, 3)))
        np.savez(folder / "rolls.npz", x=ROWS.reshape(-1, 2, 4).astype(np.int8))

    def command(self, name: str, out: str, *, resume: bool) -> list[str]:
        """The words of a run, or of going on with it."""
        words = ["harmonium", "train", name.split()[0], "--out", out]
        data, *flags = CASES[name]
        return [*words, "--resume", "--no-progress"] if resume else [*words, "--data", f"{data}.npz", *FLAGS, *flags]

    def start(self, words: list[str]) -> int:
        """The number of the process in which a command runs."""
        child = os.fork()
        if child:
            return child
        code = 1
        try:
            os.setsid()
            os.chdir(self.folder)
            said = os.open("said.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(said, 1)
            os.dup2(said, 2)
            code = _harmonium(words)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def finish(self, words: list[str]) -> None:
        """Run a command to its end. Raises `AssertionError`, with what it said, where it fails."""
        code = _ended(self.start(words), time.monotonic() + LIMIT)
        if code != 0:
            said = (self.folder / "said.txt").read_text()[-2000:]
            raise AssertionError(f"{' '.join(words)}: exit code {code}\n{said}")

    def killed(self, words: list[str], out: Path, seconds: float) -> bool:
        """Kill a command so many seconds after its folder is there; False where it came to its end before."""
        child = self.start(words)
        _there(out, "", time.monotonic() + LIMIT)
        time.sleep(seconds)
        done, _ = os.waitpid(child, os.WNOHANG)
        if done:
            return False
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return True


def _harmonium(words: list[str]) -> int:
    from harmonium import cli
    from harmonium.training import log

    log.CHECKPOINT_SECONDS = PAUSE
    sys.argv = words
    try:
        cli.main()
    except SystemExit as left:
        return left.code or 0
    return 0


def _there(folder: Path, name: str, limit: float) -> float:
    """The time at which there is something of a name in a folder, or that at which waiting for it ended."""
    while not (any(folder.glob(name)) if name else folder.exists()) and time.monotonic() < limit:
        time.sleep(0.005)
    return time.monotonic()


def _ended(child: int, limit: float) -> int:
    """The exit code of a process; one that hangs is killed."""
    while time.monotonic() < limit:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -signal.SIGKILL


def whole(bench: Bench, name: str) -> Whole:
    """The run that is not killed: run twice, so that the second finds its programs compiled, as those after it do."""
    for out in ("first", "whole"):
        path = bench.folder / f"{out} {name}"
        child, limit = bench.start(bench.command(name, path.name, resume=False)), time.monotonic() + LIMIT
        begun, *ends = (_there(path, name, limit) for name in ("", "**/checkpoints/[0-9]*", "model.safetensors"))
        code = _ended(child, limit)
        assert code == 0, f"{name}: exit code {code}\n{(bench.folder / 'said.txt').read_text()[-2000:]}"
        found = Whole(left(path), tuple(end - begun for end in (*ends, time.monotonic())))
    assert left(bench.folder / f"first {name}") == found.left, f"{name}: two runs of one seed differ"
    return found


def left(run: Path) -> dict[str, object]:
    """What a run left that must be the same: the bytes of its model, its metrics without the clock, its estimates."""

    def untimed(text: str) -> object:
        return json.loads(text, object_hook=lambda record: {k: v for k, v in record.items() if k != "seconds"})

    measured = [run / name for name in ("estimates.json", "error_rates.json") if (run / name).exists()]
    return {
        "model.safetensors": (run / "model.safetensors").read_bytes(),
        "metrics.jsonl": [untimed(line) for line in (run / "metrics.jsonl").read_text().splitlines()],
        "estimates": [untimed(path.read_text()) for path in measured],
        "report": (run / "report.html").exists(),
    }


def state(run: Path) -> str:
    """How far a run had come when it was killed."""
    if not (run / "run.json").is_file():
        return "no record"
    if (run / "model.safetensors").is_file():
        return "being measured"
    if any(path.name.isdecimal() for path in (run / "checkpoints").glob("*")):
        return "between checkpoints"
    return "in a stage" if (run / "stages").exists() else "no checkpoint"


def attempts(bench: Bench, name: str, known: Whole, random: np.random.Generator, tally: Tally, most: int) -> None:
    """One run, killed once or more, at most `most` times, and resumed to its end, which must be that of the other."""
    path = bench.folder / f"killed {name}"
    shutil.rmtree(path, ignore_errors=True)
    kills, words = 0, bench.command(name, path.name, resume=False)
    while kills < most and (not kills or random.random() < AGAIN):
        stretch = random.integers(3)
        if not bench.killed(words, path, random.uniform(*(0.0, *known.seconds)[stretch : stretch + 2])):
            break  # a resumed run is shorter
        kills += 1
        tally.killed[state(path)] += 1
        words = bench.command(name, path.name, resume=(path / "run.json").is_file())
    if kills:
        bench.finish(words)
        tally.runs += 1
        found = left(path)
        other = [part for part in found if found[part] != known.left[part]]
        assert not other, f"{name}: killed {dict(tally.killed)}, then another {', '.join(other)} ({path})"
        tally.same += 1


def rounds(bench: Bench, names: list[str], count: int, seed: int) -> Iterator[tuple[str, Tally]]:
    """The tallies of the recipes, after each run, until so many kills are done."""
    random = np.random.default_rng(seed)
    tallies = {name: Tally() for name in names}
    known: dict[str, Whole] = {}

    def killed() -> int:
        return sum(sum(tally.killed.values()) for tally in tallies.values())

    while killed() < count:
        for name in map(str, random.permutation(names)):
            if killed() < count:
                known[name] = known.get(name) or whole(bench, name)
                attempts(bench, name, known[name], random, tallies[name], count - killed())
                yield name, tallies[name]


def table(tallies: dict[str, Tally]) -> str:
    """The record as a table: how often each recipe was killed, where it then stood, and how often its end was one."""
    lines = [f"| recipe | kills | {' | '.join(STATES)} | runs | same bytes |", "|---" * (len(STATES) + 4) + "|"]
    total = Tally()
    for name, tally in tallies.items():
        total = Tally(total.runs + tally.runs, total.same + tally.same, total.killed + tally.killed)
        lines.append(_line(name, tally))
    return "\n".join([*lines, _line("all", total)])


def _line(name: str, tally: Tally) -> str:
    where = " | ".join(str(tally.killed[state]) for state in STATES)
    return f"| {name} | {tally.killed.total()} | {where} | {tally.runs} | {tally.same} |"


def main(words: list[str]) -> int:
    """Kill runs, print what came of it, and write the record."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults kills", description=__doc__.split("\n\n")[0])
    parser.add_argument("--count", type=int, default=100, help="kills")
    parser.add_argument("--recipes", default=",".join(CASES), help="with commas between")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bare", action="store_true", help="without reports, which take most of the time")
    parser.add_argument("--page", type=Path, default=PAGE, help="where the record goes")
    asked = parser.parse_args(words)
    folder = Path(tempfile.mkdtemp(prefix="kills-"))
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder / "compiled")  # killed while it is written, too
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ.setdefault("XLA_FLAGS", plainly.FLAGS)
    _import_all()
    if asked.bare:
        _without_reports()
    begun, tallies = time.monotonic(), {}
    for name, tally in rounds(Bench(folder), asked.recipes.split(","), asked.count, asked.seed):
        tallies[name] = tally
        print(f"{sum(t.killed.total() for t in tallies.values())} kills, {name}: {dict(tally.killed)}", flush=True)
    minutes = (time.monotonic() - begun) / 60
    print(found := table(dict(sorted(tallies.items()))))
    write_section("kills", _text(asked.count, minutes, found), asked.page)
    shutil.rmtree(folder)
    return 0


def _text(count: int, minutes: float, found: str) -> str:
    return (
        f"## Kills\n\n`python -m tests.faults kills --count {count}` ({circumstances()}; {minutes:.0f} minutes). Runs "
        "were killed by SIGKILL at random points, half of them again while they were resumed, and then resumed to "
        "their end. A run counts as the same where the bytes of its `model.safetensors`, its metrics and its estimates "
        f"are those of a run that nobody killed.\n\n{found}"
    )


def _without_reports() -> None:
    import harmonium.report

    harmonium.report.write_report = lambda folder, *_, **__: (folder.path / "report.html").write_text("")


def _import_all() -> None:
    """Everything that a run imports, so that its process need not: importing starts no threads."""
    from harmonium.recipes import RECIPES, recipe

    missing = set(RECIPES) - {name.split()[0] for name in CASES}
    assert not missing, f"no case for {missing}"
    for name in RECIPES:
        recipe(name)
