"""The process of one contestant: it sets up and warms up, then works once at each line that it is sent.

Run as `python -m benchmarks.worker MODULE:FUNCTION SETTINGS`. The function takes the settings and returns what is to be
timed: a callable that returns a dict of numbers of its own, or anything else; a number named `seconds` replaces the
time taken here. Answers are lines of JSON: `{}` when ready, then `{"seconds": ...}` at each turn; `{"missing": ...}`
where a package is not installed, `{"failed": ...}` where anything else goes wrong.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO


def serve(entry: str, settings: dict[str, Any], requests: TextIO, answers: TextIO) -> None:
    """Answer each line of `requests` by one turn's work."""

    def answer(content: dict[str, Any]) -> None:
        print(json.dumps(content), file=answers, flush=True)

    try:
        module, _, function = entry.partition(":")
        work = getattr(importlib.import_module(f"benchmarks.entries.{module}"), function)(settings)
        timed(work)
        answer({})
        for _ in requests:
            answer(timed(work))
    except ModuleNotFoundError as error:
        answer({"missing": error.name})
    except Exception as error:
        answer({"failed": f"{type(error).__name__}: {' '.join(str(error).split())}"[-300:]})


def timed(work: Callable[[], Any]) -> dict[str, float]:
    """The seconds that one turn takes, and whatever numbers it returns."""
    clock = time.perf_counter()
    found = work()
    seconds = time.perf_counter() - clock
    return {"seconds": seconds, **(found if isinstance(found, dict) else {})}


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a contestant prints is not an answer
    serve(sys.argv[1], json.loads(sys.argv[2]), sys.stdin, answers)
