"""A small form of the harness of malformed files; and that it tells what is wrong where something is."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
import pytest

from tests.faults import inputs
from tests.faults.inputs import Bench, Outcome, Tally, tried
from tests.faults.malformed import OTHER, RUN, TABLE, Case, npy_bytes

FORMATS = (".csv", ".tsv", ".txt", ".data", ".npy", ".npz", ".mat", "IDX", "pictures", "run.json", "model.json",
           "estimates.json", "metrics.jsonl", "model.safetensors", "per_example.npz")  # fmt: skip
COUNT = 3  # of each


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("inputs"))


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_malformed_files_are_used_or_refused_in_one_line(bench, name):
    tally = tried(bench, bench.formats()[name], COUNT, seed=7)
    assert tally.codes.total() == COUNT
    assert not tally.faults, "\n".join(f"{fault}\n{case}" for case, fault in tally.faults)


@pytest.mark.slow
def test_every_format_is_tried(bench):
    assert tuple(bench.formats()) == FORMATS


COMPARE = Case({"x.npy": npy_bytes(np.eye(4))}, ("compare", RUN, OTHER))
SAMPLE = Case({}, ("sample", RUN, "-n", "3", "--steps", "2", "--out", "out.npy"))
DONE, REFUSED = (0, "", ""), (2, "", "harmonium: no such thing: give another.\n")


@pytest.mark.parametrize(
    ("case", "does", "left", "told"),
    [
        (COMPARE, lambda folder: None, DONE, ""),
        (COMPARE, lambda folder: None, REFUSED, ""),
        (COMPARE, lambda folder: 1 / 0, DONE, "ZeroDivisionError reaches the person"),
        (COMPARE, lambda folder: time.sleep(5), DONE, "hangs"),
        (COMPARE, lambda folder: None, (7, "", "harmonium: x\n"), "exit code 7"),
        (COMPARE, lambda folder: None, (1, "", "Traceback (most recent call last)\n"), "no sentence of its own"),
        (COMPARE, lambda folder: None, (2, "", "harmonium: a\nharmonium: b\n"), "not one line"),
        (COMPARE, lambda folder: None, (2, "", "harmonium: \x1b[31m\n"), "not one line"),
        (COMPARE, lambda folder: None, (2, "done\n", REFUSED[2]), "refused, after it said"),
        (COMPARE, lambda folder: None, (0, "", "stray\n"), "done, with stray words"),
        (COMPARE, lambda folder: (folder / TABLE).write_text("lost"), DONE, f"changed or lost: {TABLE}"),
        (COMPARE, lambda folder: (folder / "x.npy").unlink(), REFUSED, "changed or lost: x.npy"),
        (COMPARE, lambda folder: (folder / "scratch").touch(), REFUSED, "left behind: scratch"),
        (COMPARE, lambda folder: np.float32(1e38) * np.float32(1e38), DONE, "warns of RuntimeWarning"),
        (SAMPLE, lambda folder: None, DONE, "said to be done, and there is no out.npy"),
        (SAMPLE, lambda folder: np.save(folder / "out.npy", np.eye(2)), DONE, ""),
        (SAMPLE, lambda folder: np.save(folder / "out.npy", np.eye(2)), REFUSED, "left behind: out.npy"),
        (SAMPLE, lambda folder: np.save(folder / "out.npy", [np.nan]), DONE, "out.npy holds what is no number"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(bench, monkeypatch, case, does, left, told):
    """The harness itself: something else is done in the place of the command."""

    def command(*_):
        does(bench.folder)
        return left

    monkeypatch.setattr(bench, "command", command)
    monkeypatch.setattr(inputs, "LIMIT", 0.2 if told == "hangs" else 60)
    fault = bench.attempt(case).fault
    assert fault.startswith(told), fault
    assert bool(fault) == bool(told), fault


def test_cases_are_counted():
    tally = Tally()
    for outcome in (Outcome(0), Outcome(2), Outcome(2), Outcome(1, fault="x"), Outcome(None, fault="hangs")):
        tally.add(COMPARE, outcome)
    assert tally.codes == Counter({0: 1, 2: 2, 1: 1, None: 1})
    assert "| .csv | 5 | 1 | 2 | 1 | 2 |" in inputs.table({".csv": tally})
    assert inputs.table({"a": tally, "b": tally}).endswith("| all | 10 | 2 | 4 | 2 | 4 |")
