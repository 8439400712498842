"""What is done to the library to see whether it bears it: `python -m tests.faults NAME [options]`, from the repository.

Each harness is a module of this folder with a function `main(words)`, which returns an exit code and writes its record
into docs/reliability.md.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

HELPERS = ("__main__", "malformed", "record")


def names() -> list[str]:
    """The harnesses that there are."""
    files = Path(__file__).parent.glob("*.py")
    return sorted(file.stem for file in files if file.stem not in HELPERS and not file.stem.startswith("test_"))


def main() -> int:
    """Run the harness that is named."""
    if len(sys.argv) < 2 or sys.argv[1] not in names():
        print(f"usage: python -m tests.faults {'|'.join(names())} [options]", file=sys.stderr)
        return 2
    return importlib.import_module(f"tests.faults.{sys.argv[1]}").main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
