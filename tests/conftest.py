"""Shapes are checked at run time, and compiled programs are kept between runs of the suite."""

from __future__ import annotations

import gc
import os
import signal
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from plainly import FLAGS

os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {FLAGS}"  # must precede the first use of JAX

import jax
from jaxtyping import install_import_hook

from harmonium.compiling import whole_entries

CHECKED = ("units", "nets", "models", "inference", "samplers", "objectives")

# jaxtyping and beartype hold every function of these packages to its annotations. Must precede their import.
install_import_hook([f"harmonium.{name}" for name in CHECKED], "beartype.beartype")

# The workers of a suite, its child processes and other suites share the folder.
whole_entries()
_cache = os.environ.get("HARMONIUM_TEST_CACHE", Path(tempfile.gettempdir()) / f"harmonium-suite-{os.getuid()}")
jax.config.update("jax_compilation_cache_dir", str(_cache))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as of what a script starts in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)

HELD = 1.2e9  # bytes of a worker beyond which it lets go of the programs of the tests that are over
AT_LEAST = 40  # tests of one file between two times that it does
_since = [0]


def pytest_runtest_teardown(item, nextitem) -> None:
    """Give back what compiled programs hold: kept to the end they are gigabytes."""
    _since[0] += 1
    over = nextitem is None or nextitem.path != item.path or _since[0] >= AT_LEAST
    if over and _resident() > HELD:
        _since[0] = 0
        jax.clear_caches()
        gc.collect()


def _resident() -> int:
    """Bytes of memory that this process holds; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
