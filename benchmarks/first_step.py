"""The default command in a process of its own, which ends when the first steps are done and prints when that was.

Run as `python -m benchmarks.first_step FOLDER`.
"""

from __future__ import annotations

import importlib
import os
import sys
import time


def main(folder: str) -> None:
    """`harmonium train rbm --out FOLDER`, up to the end of its first compiled steps."""
    from harmonium.cli import main as command

    sys.argv = ["harmonium", "train", "rbm", "--out", folder, "--force"]
    stop_after_first_steps()
    command()


def stop_after_first_steps() -> None:
    """Let the loop's compiled steps run once; then print the time and end the process."""
    importlib.import_module("harmonium.cli.main")._compilation_cache()  # before JAX, as the command does

    import jax

    loop = importlib.import_module("harmonium.training.fit")
    steps = loop.run_chunk

    def once(*arguments: object) -> None:
        jax.block_until_ready(steps(*arguments)[1])
        print(time.time(), flush=True)
        os._exit(0)

    loop.run_chunk = once


if __name__ == "__main__":
    main(sys.argv[1])
