"""What only a new process shows: how long the command takes to start, and how much memory data takes."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

COMMAND = str(Path(sysconfig.get_path("scripts")) / "harmonium")
IMPORT = "import harmonium as hm; hm.fit"
ROWS = (10_000, 100_000, 500_000, 1_000_000)  # two chunks of 128 MiB are full from 430,000 on


def cold_start(repeats: int, say: Callable[[str], None]) -> dict[str, list[float]]:
    """Seconds by what was started."""
    found: dict[str, list[float]] = {"harmonium --help": [], IMPORT: []}
    empty, kept = "first step, nothing compiled before", "first step, compiled before"
    found |= {empty: [], kept: []}
    for _ in range(repeats):
        found["harmonium --help"].append(_seconds([COMMAND, "--help"]))
        found[IMPORT].append(_seconds([sys.executable, "-c", IMPORT]))
        with tempfile.TemporaryDirectory() as folder:
            for name in (empty, kept):
                found[name].append(_until_first_step(Path(folder)))
        for name, seconds in found.items():
            say(f"{name}: {seconds[-1]:.2f} s")
    return found


def memory(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Peak resident memory in MiB while one epoch is trained, by number of rows, in memory and from a file."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for count in ROWS:
            path = Path(folder) / f"{count}.npy"
            _write_rows(path, count)
            for kind in ("resident", "streamed"):
                command = [sys.executable, "-m", "benchmarks.footprint", kind, str(path)]
                result = subprocess.run(command, capture_output=True, text=True, check=True)
                found.append({"rows": count, "kind": kind, "MiB": round(float(result.stdout), 1)})
                say(f"{count} rows, {kind}: {found[-1]['MiB']:.0f} MiB")
    return found


def _write_rows(path: Path, count: int) -> None:
    """A file of random binary rows, block by block."""
    random, table = np.random.default_rng(0), np.lib.format.open_memmap(path, "w+", np.uint8, (count, 784))
    for first in range(0, count, 10_000):
        block = table[first : first + 10_000]
        block[:] = random.random(block.shape, np.float32) < 0.13


def _seconds(command: list[str]) -> float:
    clock = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - clock


def _until_first_step(folder: Path) -> float:
    """Seconds from the start of the default command until its first steps are done: those of one epoch of digits."""
    surroundings = os.environ | {"XDG_CACHE_HOME": str(folder / "cache")}
    surroundings.pop("JAX_COMPILATION_CACHE_DIR", None)
    command = [sys.executable, "-m", "benchmarks.first_step", str(folder / "run")]
    clock = time.time()
    found = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=True)
    return float(found.stdout) - clock
