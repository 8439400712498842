"""How the cost grows with batch, hidden units, chains and sweeps, as a share of the products at each size
(of NADE: of its activations).

It is also the guard for cliffs: a compiler that leaves its fast path shows as a size whose share is far below its
neighbours'.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.case import OURS, PRODUCTS, Case

CLIFF = 0.5  # of the median share of a scan: below it, the size is called a cliff
REPEATS = 3
STEPS = 60  # of training at each size
TRAINED = {"visible": 784, "hidden": 500, "rule": "PCD", "sweeps": 1, "batch": 100}
ANNEALED = {"visible": 784, "hidden": 500, "chains": 100, "temperatures": 200, "rows": 1000}
DRAWN = {"hidden": 500, "batch": 100}
SCANS: dict[str, tuple[str, dict[str, Any], str, tuple[int, ...]]] = {
    "batch": ("training", TRAINED, "batch", (20, 50, 100, 200, 500, 1000)),
    "batch, bfloat16 products": ("training", TRAINED | {"matmul_precision": "bfloat16"}, "batch", (100, 500, 1000)),
    "hidden units": ("training", TRAINED, "hidden", (50, 200, 500, 1000, 2000)),
    "sweeps": ("training", TRAINED, "sweeps", (1, 3, 10, 30)),
    "chains of AIS": ("annealing", ANNEALED, "chains", (20, 50, 100, 200, 500, 1000)),
    "variables of NADE, drawn": ("sampling", DRAWN, "visible", (98, 196, 392, 784, 1568)),
}
LIMITS = {"training": "products:training", "annealing": "products:annealing", "sampling": "nade:activations"}
WORKERS = {"training": "ours:training", "annealing": "ours:annealing", "sampling": "nade:sampling"}


def cases() -> Iterator[tuple[str, int, Case]]:
    """The scan's name, the size, and the case to run there."""
    for name, (function, settings, axis, sizes) in SCANS.items():
        for size in sizes:
            here = settings | {axis: size}
            if function == "training":
                here["rows"] = STEPS * here["batch"]
            entries = {OURS: WORKERS[function], PRODUCTS: LIMITS[function]}
            yield name, size, Case(f"growth {name} {size}", "", "s", entries, here, repeats=REPEATS)


def cliffs(shares: dict[int, float]) -> list[int]:
    """The sizes whose share of the products' rate is less than half of the scan's median.

    >>> cliffs({100: 0.8, 500: 0.01, 1000: 0.7})
    [500]
    """
    middle = sorted(shares.values())[len(shares) // 2]
    return [size for size, share in shares.items() if share < CLIFF * middle]
