"""What is shown while a finished run is measured, and what can be left out."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest

from harmonium.errors import InputError
from harmonium.evaluation import Stage
from harmonium.recipes import recipe
from harmonium.recipes.waiting import Line, waiting
from harmonium.training import RunFolder

BITS = (np.random.default_rng(0).random((40, 8)) < 0.4).astype(np.float32)
SMALL = {"hidden": "4", "epochs": 1, "batch_size": 10}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_line_says_what_is_done_and_how_long_it_takes():
    clock = Clock()
    line = Line(clock)
    line.show(Stage("measuring the test rows", 0, 0))
    assert line.text() == "measuring the test rows ..."
    line.show(Stage("measuring the test rows (AIS)", 1, 5))
    clock.now = 10.0
    line.show(Stage("measuring the test rows (AIS)", 2, 5))
    assert line.text() == "measuring the test rows (AIS): about 15 s left"
    clock.now = 14.0  # nothing new is known, but time goes by
    assert line.text() == "measuring the test rows (AIS): about 11 s left"
    clock.now = 100.0
    assert line.text() == "measuring the test rows (AIS): about 1 s left"
    line.show(Stage("measuring the test rows (importance weighting)", 0, 100, until_settled=True))
    clock.now = 110.0
    line.show(Stage("measuring the test rows (importance weighting)", 1, 100, until_settled=True))
    assert line.text() == "measuring the test rows (importance weighting): at most about 16 min left"
    line.show(Stage("writing the report", 0, 0))
    assert line.text() == "writing the report ..."


def test_the_line_goes_to_stderr_and_only_where_it_is_asked_for(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    for enabled in (False, True):
        with waiting(enabled) as show:
            show(Stage("measuring [the] rows", 0, 0))
        out, err = capsys.readouterr()
        assert out == ""
        assert ("measuring [the] rows ..." in err) == enabled


@pytest.fixture
def bits(tmp_path):
    np.save(tmp_path / "bits.npy", BITS)
    return str(tmp_path / "bits.npy")


def test_the_estimate_and_the_report_can_be_left_out(bits, tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr("harmonium.report.write_report", lambda *_, **__: written.append(1))
    run = recipe("sbn")(bits, **SMALL, out=tmp_path / "neither", estimate=False, report=False)
    assert run.estimate is None
    assert not written
    folder = RunFolder.open(tmp_path / "neither")
    assert not folder.estimates
    assert not {"estimate", "report"} & set(folder.about["arguments"])
    again = recipe("sbn")(bits, **SMALL, out=tmp_path / "neither", resume=True)  # and made up for
    assert again.estimate is not None
    assert written
    assert RunFolder.open(tmp_path / "neither").estimates.keys() == {"test"}


def test_samples_of_the_final_bound_can_be_bounded(bits, tmp_path, monkeypatch):
    monkeypatch.setattr("harmonium.report.write_report", lambda *_, **__: None)
    run = recipe("sbn")(bits, **SMALL, out=tmp_path / "run", estimate_samples=7)
    assert run.estimate.settings["samples"] == 7
    with pytest.raises(InputError, match="estimate_samples of at least 1, not estimate_samples=0"):
        recipe("sbn")(bits, **SMALL, out=tmp_path / "other", estimate_samples=0)
    assert not (tmp_path / "other").exists()


def test_the_command_says_what_was_left_out(bits, tmp_path, capsys, monkeypatch):
    from harmonium.cli.main import main

    monkeypatch.setattr("harmonium.report.write_report", lambda *_, **__: None)
    run = str(tmp_path / "run")
    flags = ["--hidden", "4", "--epochs", "1", "--batch-size", "10", "--out", run, "--no-estimate", "--no-report"]
    monkeypatch.setattr(sys, "argv", ["harmonium", "train", "sbn", "--data", bits, *flags])
    with pytest.raises(SystemExit) as left:
        main()
    out = capsys.readouterr().out
    assert left.value.code == 0
    assert re.search(
        f"not measured; do it with: harmonium evaluate {run}\nno report; do it with: harmonium report {run}", out
    )
