"""`harmonium train` stopped, gone on with, made longer, and begun from another run."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from harmonium.training import RunFolder
from tests.cli.typed import Command
from tests.data.natural import berkeley

LOG = importlib.import_module("harmonium.training.log")
BITS = (np.random.default_rng(1).random((40, 6)) < 0.5).astype(float)
NADE = ("--data", "bits.npy", "--hidden", "3", "--epochs", "4", "--batch-size", "8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with data and `whole`, a run that nobody stopped."""
    folder = tmp_path_factory.mktemp("training")
    np.save(folder / "bits.npy", BITS)
    Command(folder).done("train", "nade", *NADE, "--out", "whole")
    return folder


@pytest.fixture
def harmonium(folder, tmp_path):
    (tmp_path / "bits.npy").symlink_to(folder / "bits.npy")
    (tmp_path / "whole").symlink_to(folder / "whole")
    return Command(tmp_path)


def model(run: Path) -> bytes:
    return (run / "model.safetensors").read_bytes()


class signalled:
    """A signal after the first step of a run, while it trains."""

    def __init__(self, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
        real = LOG.Log.add

        def add(log, record) -> None:
            real(log, record)
            signal.raise_signal(number)
            monkeypatch.setattr(LOG.Log, "add", real)

        monkeypatch.setattr(LOG.Log, "add", add)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_stopped_run_has_its_checkpoint_and_says_how_to_go_on(number, code, harmonium, monkeypatch):
    signalled(number, monkeypatch)
    said = harmonium.refused("train", "nade", *NADE, "--out", "my run", code=code)
    assert said == "harmonium: stopped at step 4; go on with: harmonium train nade --out 'my run' --resume\n"
    assert RunFolder(harmonium.folder / "my run").last_step == 4
    harmonium.done("train", "nade", "--out", "my run", "--resume")
    assert model(harmonium.folder / "my run") == model(harmonium.folder / "whole")


def test_a_run_that_is_stopped_elsewhere_says_where_it_is(harmonium, monkeypatch):
    words = ("train", "nade", *NADE, "--out", "r")

    def stop(*_, **__):
        signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr("harmonium.recipes.networks.opened", stop)
        assert "before the run began: start it again with the same" in harmonium.refused(*words, code=143)
    with monkeypatch.context() as patch:
        patch.setattr(LOG, "Checkpoints", stop)
        said = harmonium.refused(*words, code=143)
        assert "before its first checkpoint; start it again with: harmonium train nade --out r --resume" in said
    with monkeypatch.context() as patch:
        patch.setattr("harmonium.recipes.measuring.log_likelihood", stop)
        said = harmonium.refused("train", "nade", "--out", "r", "--resume", code=143)
        assert "after training, before the model was measured; go on with: harmonium train nade --out r" in said
    harmonium.done("train", "nade", "--out", "r", "--resume")
    assert model(harmonium.folder / "r") == model(harmonium.folder / "whole")


SLOW = """
import sys, time
from harmonium.training import checkpoint, log
import harmonium.report, harmonium.cli
log.CHECKPOINT_SECONDS = 1e9
real = checkpoint.Checkpoints.save
def save(self, step, state, *, wait=False):
    print("writing", flush=True)
    time.sleep(1.5)
    real(self, step, state, wait=wait)
checkpoint.Checkpoints.save = save
harmonium.report.write_report = lambda *_, **__: None
sys.argv = ["harmonium", *sys.argv[1:]]
harmonium.cli.main()
"""


@pytest.mark.slow
def test_a_second_ctrl_c_waits_for_the_checkpoint_that_is_written(harmonium):
    """As typed: a process of its own, with a disk that takes its time."""
    flags = {
        "JAX_COMPILATION_CACHE_DIR": jax.config.jax_compilation_cache_dir or "",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    words = ("train", "nade", *NADE[:-4], "--epochs", "100000", "--batch-size", "8", "--out", "r")
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, *words], cwd=harmonium.folder, env=os.environ | flags, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    metrics, limit = harmonium.folder / "r" / "metrics.jsonl", time.monotonic() + 120
    while not (metrics.exists() and metrics.stat().st_size) and time.monotonic() < limit:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "writing\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    said = [line for line in err.splitlines() if line][-3:]
    assert said[:2] == [
        "harmonium: stopping after the steps that are running; once more stops at once",
        "harmonium: writing the checkpoint; once more stops at once",
    ]
    step = RunFolder(harmonium.folder / "r").last_step
    assert said[2] == f"harmonium: stopped at step {step}; go on with: harmonium train nade --out r --resume"
    assert step == RunFolder(harmonium.folder / "r").metrics[-1]["step"]


# ---- longer, and from another run --------------------------------------------------------------------------------


def test_a_finished_run_is_trained_longer(harmonium):
    harmonium.done("train", "nade", *NADE, "--out", "r")
    run = RunFolder(harmonium.folder / "r")
    assert "and 3 epochs are 12 steps: give more" in harmonium.refused(
        "train", "nade", "--out", "r", "--resume", "--epochs", "3"
    )
    harmonium.done("train", "nade", "--out", "r", "--resume", "--epochs", "6")
    assert run.about["continued"] == [{"epochs": 4, "step": 16}]
    assert run.about["arguments"]["epochs"] == 6
    assert run.metrics[-1]["step"] == 24
    assert model(run.path / "earlier" / "4-epochs") == model(harmonium.folder / "whole") != model(run.path)
    kept = model(run.path)
    harmonium.done("train", "nade", "--out", "r", "--resume")  # to its own end, which is that of the longer run
    assert model(run.path) == kept


@pytest.mark.slow
def test_a_run_of_stages_that_is_stopped_in_them_is_made_longer(harmonium, monkeypatch):
    words = ("--data", "bits.npy", "--hidden", "3,2", "--greedy-epochs", "2", "--batch-size", "8", "--out", "d")
    signalled(signal.SIGTERM, monkeypatch)
    said = harmonium.refused("train", "dbn", *words, "--epochs", "1", code=143)
    assert "stopped at step 4 of stages/1; go on with: harmonium train dbn --out d --resume" in said
    signalled(signal.SIGTERM, monkeypatch)
    harmonium.refused("train", "dbn", "--out", "d", "--resume", "--epochs", "3", code=143)
    assert RunFolder(harmonium.folder / "d").about["arguments"]["epochs"] == 3
    harmonium.done("train", "dbn", "--out", "d", "--resume")
    assert RunFolder(harmonium.folder / "d").metrics[-1]["step"] == 12


def test_a_run_from_another_takes_its_model_and_its_flags(harmonium):
    harmonium.done("train", "nade", "--from", "whole", "--epochs", "1", "--out", "new")
    about = RunFolder(harmonium.folder / "new").about
    assert about["arguments"]["hidden"] == 3
    assert about["arguments"]["epochs"] == 1
    assert about["arguments"]["data"] == RunFolder(harmonium.folder / "whole").about["arguments"]["data"]
    assert about["from"]["run"] == str((harmonium.folder / "whole").resolve())
    (harmonium.folder / "new" / "run.json").rename(harmonium.folder / "run.json")
    said = harmonium.refused("train", "nade", "--from", "whole", "--hidden", "4", "--out", "other")
    assert "of 6x3, 6x3, 6, 3, and this one would train NADE" in said
    assert "holds no run" in harmonium.refused("train", "nade", "--from", "absent", "--out", "other")
    said = harmonium.refused("train", "rbm", "--data", "bits.npy", "--from", "whole", "--batch-size", "8", "--out", "o")
    assert "has NADE(" in said
    assert not (harmonium.folder / "other").exists()
    assert json.loads((harmonium.folder / "whole" / "run.json").read_text())["arguments"]["epochs"] == 4


def test_the_report_tells_of_both_parts_of_a_longer_run(harmonium):
    harmonium.done("train", "nade", *NADE, "--out", "r")
    harmonium.done("train", "nade", "--out", "r", "--resume", "--epochs", "6")
    from harmonium.report.record import command_line

    first, second = command_line(RunFolder(harmonium.folder / "r").about).splitlines()
    assert "--epochs 4 " in first
    assert second == "harmonium train nade --epochs 6 --resume"


def test_patches_of_images_by_name(tmp_path, monkeypatch):
    monkeypatch.setenv("HARMONIUM_DATA", str(tmp_path))
    typed = Command(tmp_path)
    said = typed.refused("train", "rbm", "--data", "patches", code=1)
    assert "set HARMONIUM_DATA to a folder that holds natural_images/BSDS300_jpg.tar" in said
    berkeley(tmp_path)
    typed.done("train", "rbm", "--data", "patches", "--epochs", "1", "--out", "run", "--temperatures", "20")
    data = RunFolder(tmp_path / "run").about["data"]
    assert (data["name"], data["space"]["shape"], data["image_shape"]) == ("patches", [36], None)
    typed.done("evaluate", "run", "--temperatures", "20")
