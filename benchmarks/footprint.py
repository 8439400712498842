"""A process that trains one epoch on the rows of a file, and prints the most memory it ever held, in MiB.

Linux's own high-water mark of this process: that of `resource.getrusage` is at least the parent's.

Run as `python -m benchmarks.footprint resident|streamed FILE`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import jax
import numpy as np

import harmonium as hm

VISIBLE, HIDDEN = 784, 50


def main(kind: str, path: Path) -> None:
    """Train, and print."""
    x = np.load(path, mmap_mode="r" if kind == "streamed" else None)
    data = hm.data.from_arrays(x)
    rbm = hm.RBM(visible=hm.units.Bernoulli(VISIBLE), hidden=hm.units.Bernoulli(HIDDEN), key=jax.random.key(0))
    hm.fit(rbm, data, hm.objectives.CD(), epochs=1, key=jax.random.key(1))
    status = Path("/proc/self/status").read_text()
    print(int(status.split("VmHWM:")[1].split()[0]) / 1024)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
