"""A small form of the harness of kills; and that it tells a run that ends otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests import plainly
from tests.faults import kills

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_runs_that_are_killed_end_with_the_bytes_of_one_that_is_not(tmp_path):
    """The whole command in a process of its own, killed three times at least."""
    page = tmp_path / "reliability.md"
    words = ("kills", "--count", "3", "--recipes", "nade", "--bare", "--page", str(page))
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", *words], cwd=ROOT, env=os.environ | {"XLA_FLAGS": plainly.FLAGS},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    row = next(line for line in page.read_text().splitlines() if line.startswith("| all |"))
    found = [int(cell) for cell in row.split("|")[2:-1]]
    assert found[0] == sum(found[1:-2]) == 3
    assert found[-2] == found[-1] >= 1


def test_another_end_is_told(tmp_path, monkeypatch):
    """The harness itself: a resumed run with other bytes fails it."""
    bench = kills.Bench(tmp_path)
    left = {"model.safetensors": b"one", "metrics.jsonl": [], "estimates": [], "report": True}
    monkeypatch.setattr(bench, "killed", lambda *_: True)
    monkeypatch.setattr(bench, "finish", lambda _: None)
    for found, same in ((left, True), (left | {"model.safetensors": b"two"}, False)):
        monkeypatch.setattr(kills, "left", lambda _, found=found: found)
        tally = kills.Tally()
        arguments = (bench, "nade", kills.Whole(left, (1.0, 2.0, 3.0)), np.random.default_rng(0), tally, 5)
        if same:
            kills.attempts(*arguments)
            assert (tally.runs, tally.same) == (1, 1)
            assert 1 <= tally.killed.total() <= 5
        else:
            with pytest.raises(AssertionError, match=r"nade: killed .*, then another model.safetensors"):
                kills.attempts(*arguments)


def test_every_recipe_is_killed():
    from harmonium.recipes import RECIPES

    assert {name.split()[0] for name in kills.CASES} == set(RECIPES)


def test_a_harness_is_a_file(capsys):
    done = subprocess.run([sys.executable, "-m", "tests.faults", "x"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "usage: python -m tests.faults" in done.stderr
    assert "kills" in done.stderr
    assert "record" not in done.stderr
