"""`harmonium train`: run a recipe into a folder, go on with one, and say where it stands."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harmonium.cli.flags import as_flags
from harmonium.errors import InputError, RunError
from harmonium.evaluation import few_rows, standing
from harmonium.recipes.common import COMMON, new_folder
from harmonium.recipes.common import about as describe_recipe
from harmonium.training import Run, RunFolder


def train(name: str, function: Callable[..., Any], arguments: dict[str, Any], given: set[str]) -> None:
    """Run a recipe with these arguments; `given` are the ones that were typed."""
    if arguments["resume"]:
        if arguments["force"]:
            raise InputError(
                "--resume goes on with the run in --out, and --force replaces it: leave one of the two out."
            )
        arguments = _resumed(name, function, arguments, given)
    elif arguments["out"] is None:
        arguments["out"] = new_folder(name, arguments.get("data"))
    if "progress" not in given:
        arguments["progress"] = sys.stderr.isatty()
    out = arguments["out"]
    try:
        run = function(**arguments)
    except InputError as error:
        raise type(error)(as_flags(str(error), inspect.signature(function).parameters)) from error
    if not run.finished:
        raise RunError(f"stopped at step {run.step}; go on with: harmonium train {name} --out {out} --resume")
    print(run.estimate)
    for sentence in remarks(run):
        print(sentence)
    print(f"report: {out / 'report.html'}")


def remarks(run: Run) -> list[str]:
    """What stands beside a run's number: that of independent units, and whether few rows were measured."""
    found, base = run.estimate, run.baseline
    beside = standing(found, base) if base is not None and found.verdict == "trust" else None
    return [words for words in (beside.words if beside else "", few_rows(found)) if words]


def _resumed(name: str, function: Callable[..., Any], arguments: dict[str, Any], given: set[str]) -> dict[str, Any]:
    """The arguments that the run in --out was started with; typed ones must agree with them."""
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
    for key in given - set(COMMON):
        if typed[key] != recorded.get(key):
            raise InputError(
                f"The run in '{arguments['out']}' was started with {key}={recorded.get(key)}, not {arguments[key]}: "
                "leave the flag out to go on with it, or start another run in another folder."
            )
    known = {key: value for key, value in recorded.items() if key in inspect.signature(function).parameters}
    return known | {key: arguments[key] for key in COMMON} | {"out": Path(arguments["out"])}
