"""`harmonium train`: run a recipe into a folder, go on with one, and say where it stands."""

from __future__ import annotations

import inspect
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harmonium.cli.flags import as_flags
from harmonium.errors import InputError, RunError
from harmonium.evaluation import few_rows, standing
from harmonium.recipes.common import STAGES, new_folder
from harmonium.recipes.common import about as describe_recipe
from harmonium.recipes.settings import COMMON
from harmonium.records import unfit
from harmonium.signals import Leaving
from harmonium.training import Run, RunFolder


def train(name: str, function: Callable[..., Any], arguments: dict[str, Any], given: set[str]) -> None:
    """Run a recipe with these arguments; `given` are the ones that were typed."""
    if arguments["resume"]:
        if arguments["force"]:
            raise InputError(
                "--resume goes on with the run in --out, and --force replaces it: leave one of the two out."
            )
        arguments = _resumed(name, function, arguments, given)
    elif name != "classifier" and arguments["from_"] is not None:
        arguments = _as_in(Path(arguments["from_"]), name, function, arguments, given)
    if arguments["out"] is None:
        arguments["out"] = new_folder(name, arguments.get("data"))
    if "progress" not in given:
        arguments["progress"] = sys.stderr.isatty()
    out = arguments["out"]
    try:
        run = function(**arguments)
    except InputError as error:
        raise type(error)(as_flags(str(error), inspect.signature(function).parameters)) from error
    except Leaving as left:
        left.words = _left_off(name, out)
        raise
    if not run.finished:  # by a signal to another process of the run
        raise RunError(f"stopped at step {run.step}; go on with: {_again(name, out)}")
    print(run.estimate or f"not measured; do it with: harmonium evaluate {out}")
    for sentence in remarks(run):
        print(sentence)
    print(f"report: {out / 'report.html'}" if arguments["report"] else f"no report; do it with: harmonium report {out}")


def remarks(run: Run) -> list[str]:
    """What stands beside a run's number: that of independent units, and whether few rows were measured."""
    found, base = run.estimate, run.baseline
    if found is None:
        return []
    beside = standing(found, base) if base is not None and found.verdict == "trust" else None
    return [words for words in (beside.words if beside else "", few_rows(found)) if words]


def _again(name: str, out: Path) -> str:
    return shlex.join(["harmonium", "train", name, "--out", str(out), "--resume"])


def _left_off(name: str, out: Path) -> str:
    """How far a run has come that was stopped, and how to go on with it."""
    again = _again(name, out)
    if not (out / "run.json").is_file():
        return "stopped before the run began: start it again with the same command"
    if (out / "model.safetensors").is_file():
        return f"stopped after training, before the model was measured; go on with: {again}"
    stages = sorted((out / STAGES).glob("*"), key=lambda path: path.stat().st_mtime)
    for path in (out, *reversed(stages)):
        if (step := RunFolder(path).last_step) is not None:
            of = "" if path == out else f" of {path.relative_to(out)}"
            return f"stopped at step {step}{of}; go on with: {again}"
    return f"stopped before its first checkpoint; start it again with: {again}"


def _resumed(name: str, function: Callable[..., Any], arguments: dict[str, Any], given: set[str]) -> dict[str, Any]:
    """The arguments that the run in --out was started with; typed ones must agree with them, except for the number of
    epochs."""
    if arguments["out"] is None:
        raise InputError("--resume goes on with a run: say which with --out FOLDER.")
    about = RunFolder.open(arguments["out"]).about
    if about.get("recipe") != name:
        raise InputError(
            f"The run in '{arguments['out']}' is of recipe '{about.get('recipe')}', not '{name}': resume it with that "
            "recipe, or start another run in another folder."
        )
    recorded = about.get("arguments")
    if not recorded:
        raise InputError(f"The record of the run in '{arguments['out']}' is damaged: train again in another folder.")
    typed = describe_recipe(name, arguments)["arguments"]  # paths of files as they are recorded
    for key in given - {*COMMON, "epochs"}:
        if typed[key] != recorded.get(key):
            raise InputError(
                f"The run in '{arguments['out']}' was started with {key}={recorded.get(key)}, not {arguments[key]}: "
                "leave the flag out to go on with it, or start another run in another folder."
            )
    _check_recorded(function, recorded, arguments["out"])
    known = {key: value for key, value in recorded.items() if key in inspect.signature(function).parameters}
    longer = {"epochs": arguments["epochs"]} if "epochs" in given else {}
    return known | longer | {key: arguments[key] for key in COMMON} | {"out": Path(arguments["out"])}


def _check_recorded(function: Callable[..., Any], recorded: dict[str, Any], run: str | Path) -> None:
    """Refuse a record that says of a flag what could not have been typed."""
    if wrong := unfit(recorded, function):
        raise InputError(
            f"The record of the run in '{run}' is damaged ({wrong}): restore its run.json, or train again."
        )


def _as_in(
    other: Path, name: str, function: Callable[..., Any], arguments: dict[str, Any], given: set[str]
) -> dict[str, Any]:
    """The arguments of another run of this recipe, except for those that were typed and where this one goes."""
    about = RunFolder.open(other).about
    recorded = about.get("arguments") if about.get("recipe") == name else {}
    _check_recorded(function, recorded or {}, other)
    same = set(arguments) - given - {*COMMON, "from_"}
    return arguments | {key: value for key, value in (recorded or {}).items() if key in same}
