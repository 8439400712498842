"""The command: `python -m benchmarks [CASE ...]`."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax

import harmonium as hm
from benchmarks import fresh, growth, inputs, machine, verdict
from benchmarks.case import OURS, PRODUCTS, Case
from benchmarks.cases import CASES, OFF
from benchmarks.page import page
from benchmarks.run import run_case
from harmonium.errors import InputError
from harmonium.models import write_atomically

OTHERS = ("cold", "memory", "growth")
RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"


def main(arguments: list[str] | None = None) -> None:
    """Run what was asked for, keep its results, and write the page."""
    asked = _parser().parse_args(arguments)
    known = [case.name for case in CASES] + list(OTHERS)
    unknown = set(asked.cases) - set(known)
    if unknown:
        _parser().error(f"there is no case '{min(unknown)}'; the cases are {', '.join(known)}")
    if asked.repeats < 1:
        _parser().error(f"a case takes at least one repeat, not {asked.repeats}")
    if asked.results.is_file() or not asked.page.parent.is_dir() or asked.page.is_dir():
        _parser().error(f"results go to a folder and the page to a file: not {asked.results} and {asked.page}")
    chosen = asked.cases or known
    try:
        for file in asked.results.glob("*.json"):  # all of them make the page, after hours
            _read(file)
    except InputError as error:
        _parser().error(str(error))
    with tempfile.TemporaryDirectory() as folder:
        print("making rows and models", flush=True)
        about = machine.describe(inputs.prepare(Path(folder)))
        path = asked.results / f"{machine.slug(about)}.json"
        result = _kept(path, about)
        for name, part in _parts(Path(folder), asked.repeats):
            if name in chosen:
                print(f"== {name}", flush=True)
                part(result, _say)
                _write(path, asked.page, result, asked.results)
    print(f"written: {path}, {asked.page}")


def _parts(folder: Path, repeats: int) -> list[tuple[str, Callable[[dict[str, Any], Callable], None]]]:
    """All cases and other measurements by name, each a function that adds to the results."""

    def timed(case: Case) -> Callable[[dict[str, Any], Callable], None]:
        def part(result: dict[str, Any], say: Callable[[str], None]) -> None:
            case_here = replace(case, settings=case.settings | {"folder": str(folder)})
            found = run_case(case_here, repeats, say)
            found["numbers"] = _numbers(case_here, found)
            result["cases"][case.name] = found

        return part

    def scan(result: dict[str, Any], say: Callable[[str], None]) -> None:
        result["growth"] = {}
        for name, size, case in growth.cases():
            say(case.name)
            found = run_case(replace(case, settings=case.settings | {"folder": str(folder)}), repeats, lambda _: None)
            for who, why in found["skipped"].items():
                say(f"{who}: {why}")
            point = {"seconds": verdict.median(found, OURS), "share": verdict.ratio(found, PRODUCTS, OURS)}
            result["growth"].setdefault(name, {})[str(size)] = point

    return [
        *((case.name, timed(case)) for case in CASES),
        ("cold", lambda result, say: result.update(cold=fresh.cold_start(min(repeats, 5), say))),
        ("memory", lambda result, say: result.update(memory=fresh.memory(say))),
        ("growth", scan),
    ]


def _read(path: Path) -> dict[str, Any]:
    """The results in a file. Raises `InputError` for a damaged file, or one that holds none."""
    try:
        found = json.loads(path.read_text())
        about, cases = found["about"], found["cases"]
        whole = {"machine", "device"} <= set(about) and all(
            {"turns", "skipped"} <= set(case) for case in cases.values()
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        whole = False
    if not whole:
        raise InputError(f"'{path}' holds no results of benchmarks, or is damaged: move it out of the folder.")
    return found


def _kept(path: Path, about: dict[str, str]) -> dict[str, Any]:
    """Earlier results of this very machine with these versions, so that one table holds nothing else; or none."""
    old = _read(path) if path.exists() else {"cases": {}, "about": about}
    same = all(old["about"].get(fact) == about[fact] for fact in ("machine", "device", "versions", "rows"))
    return (old if same else {"cases": {}}) | {"about": about}


def _numbers(case: Case, found: dict[str, Any]) -> dict[str, float]:
    """What contestants answered, on average, and how far AIS with these settings lies from the exact answer."""
    answers = {who: [turn["value"] for turn in turns if "value" in turn] for who, turns in found["turns"].items()}
    numbers = {f"answer of {who}": sum(values) / len(values) for who, values in answers.items() if values}
    if case.name.startswith("ais") and answers.get(OURS):
        x = inputs.rows(case.settings)
        slow = {"chains": 500, "temperatures": 10_000}
        reference = hm.log_partition(inputs.trained(case.settings), method="ais", data=x, key=jax.random.key(9), **slow)
        numbers["500 chains and 10,000 temperatures instead"] = reference.value
        numbers[OFF] = _off_exact(case.settings | {"hidden": 20}, x)
    return numbers


def _off_exact(settings: dict[str, Any], x: Any) -> float:
    """How far AIS with the case's chains and temperatures lies from exact log Z where that can be computed."""
    small, numbers = inputs.trained(settings), {name: settings[name] for name in ("chains", "temperatures")}
    answers = [
        hm.log_partition(small, method="ais", data=x, key=key, **numbers).value
        for key in jax.random.split(jax.random.key(10), 7)
    ]
    return verdict.root_mean_square(answers, hm.log_partition(small, method="exact").value)


def _write(path: Path, page_path: Path, result: dict[str, Any], folder: Path) -> None:
    write_atomically(path, (json.dumps(result, indent=1) + "\n").encode())
    write_atomically(page_path, page([_read(file) for file in sorted(folder.glob("*.json"))], CASES).encode())


def _say(line: str) -> None:
    print(f"  {line}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Ours, the peers and the machine's limit."
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help="cases to run (default: all)")
    parser.add_argument("--repeats", type=int, default=99, help="repeats, at most (default: each case's own)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--page", type=Path, default=PAGE, help="page to write")
    return parser


if __name__ == "__main__":
    main()
