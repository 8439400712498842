"""Running a case: every contestant in a process of its own, taking turns."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

from benchmarks.case import Case

Turn = dict[str, float]

PATIENCE = 900.0  # seconds for one answer, after which a contestant is taken to hang


def run_case(case: Case, repeats: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Turns of all contestants by name, and by name why a contestant has none.

    The order of the contestants turns round by one at each repeat, so that none always follows the same other.
    """
    workers: dict[str, subprocess.Popen] = {}
    turns: dict[str, list[Turn]] = {}
    skipped: dict[str, str] = {}
    try:
        for who, (entry, settings) in case.jobs().items():
            workers[who] = _start(entry, settings)
            _take(workers, who, turns, skipped, say)
        for i in range(min(repeats, case.repeats)):
            names = list(workers)
            turn = i % max(1, len(names))
            for who in names[turn:] + names[:turn]:
                _send(workers[who])
                _take(workers, who, turns, skipped, say)
    finally:
        for worker in workers.values():
            _stop(worker)
    return {"turns": turns, "skipped": skipped}


def _start(entry: str, settings: dict[str, Any]) -> subprocess.Popen:
    command = [sys.executable, "-m", "benchmarks.worker", entry, json.dumps(settings)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def _send(worker: subprocess.Popen) -> None:
    with contextlib.suppress(BrokenPipeError):  # it has ended: its empty answer will say so
        print("go", file=worker.stdin, flush=True)


def _take(
    workers: dict[str, subprocess.Popen], who: str, turns: dict[str, list[Turn]], skipped: dict[str, str],
    say: Callable[[str], None],
) -> None:  # fmt: skip
    """Read one answer and put it where it belongs; a contestant that cannot go on leaves."""
    answer = _answer(workers[who])
    if "seconds" in answer:
        turns.setdefault(who, []).append(answer)
        say(f"{who}: {answer['seconds']:.3g} s")
    elif answer:
        missing = answer.get("missing")
        skipped[who] = f"{missing} is not installed" if missing else f"failed: {answer['failed']}"
        say(f"{who}: {skipped[who]}")
        _stop(workers.pop(who))


def _answer(worker: subprocess.Popen) -> dict[str, Any]:
    """The next line of a contestant, which is ended if none comes."""
    alarm = threading.Timer(PATIENCE, worker.kill)
    alarm.start()
    try:
        line = worker.stdout.readline()
    finally:
        late = not alarm.is_alive()
        alarm.cancel()
    if line:
        return json.loads(line)
    if late:
        return {"failed": f"no answer within {PATIENCE:g} seconds"}
    return {"failed": f"the process ended with exit status {worker.wait()}"}


def _stop(worker: subprocess.Popen) -> None:
    with contextlib.suppress(BrokenPipeError):
        worker.stdin.close()
    worker.stdout.close()
    try:
        worker.wait(timeout=10)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()
