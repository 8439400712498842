"""Benchmarks: the library against what a user would pick instead, and against the machine's own limit.

`python -m benchmarks` runs every case (extra `[bench]`), `python -m benchmarks cd1 ais100` some of them. Each
contestant lives in a process of its own; one works at a time, in turn, so that noise falls on all alike. Only ratios
within one run are worth quoting. Results go to `benchmarks/results/`, and from there to `docs/benchmarks.md`.
"""

import os

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # contestants share one card
