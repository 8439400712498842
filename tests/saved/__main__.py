"""`python -m tests.saved` writes the files of models that have none. What is there is history: it is never replaced."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import harmonium as hm
from examples import EXAMPLES
from harmonium.catalogue import ENTRIES
from saved.number import number

FOLDER = Path(__file__).parent


def main() -> None:
    """Write a tiny model of each class in the catalogue, and a number that it gives."""
    numbers = FOLDER / "numbers.json"
    known = json.loads(numbers.read_text()) if numbers.exists() else {}
    first = {}
    for model in EXAMPLES.values():
        first.setdefault(type(model).__name__, model)
    for name in ENTRIES:
        if not (FOLDER / f"{name}.safetensors").exists():
            hm.save(first[name], FOLDER / f"{name}.safetensors")
            known[name] = number(first[name])
    numbers.write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    main()
