"""A process that compiles thousands of small programs runs out of memory maps: they are let go of in time."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

MAPS = Path("/proc/self/maps")
EVERY, MOST = (
    25,
    20_000,
)  # tests between looks; maps of one process (Linux allows about 65,000, then compilation crashes)

_run = 0


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """Drop compiled programs, which the cache on disk keeps, where there are too many in memory."""
    global _run
    _run += 1
    if _run % EVERY == 0 and MAPS.exists() and MAPS.read_bytes().count(b"\n") > MOST:
        import jax

        jax.clear_caches()
        gc.collect()
