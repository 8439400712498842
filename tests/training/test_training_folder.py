"""The folder of a run: made once, replaced only when asked, and read back whole."""

from __future__ import annotations

import json
import math

import jax
import numpy as np
import pytest

from harmonium.data import from_arrays
from harmonium.errors import InputError, RunError
from harmonium.evaluation import Estimate
from harmonium.models import RBM
from harmonium.training import RunFolder, describe
from harmonium.units import Bernoulli

MODEL = RBM(Bernoulli(8), Bernoulli(4), key=jax.random.key(0))


@pytest.fixture
def folder(tmp_path):
    made = RunFolder.create(tmp_path / "run")
    made.write_about({"recipe": "rbm"})
    return made


def test_an_occupied_folder_is_left_alone(folder):
    with pytest.raises(InputError, match=r"is not empty.*--resume.*--force"):
        RunFolder.create(folder.path)
    assert folder.about == {"recipe": "rbm"}


def test_force_replaces_only_what_a_run_writes(folder):
    mine = folder.path / "notes.txt"
    mine.write_text("mine")
    (folder.path / "checkpoints" / "3").mkdir(parents=True)
    RunFolder.create(folder.path, force=True)
    assert sorted(path.name for path in folder.path.iterdir()) == ["notes.txt", "run.json"]
    assert mine.read_text() == "mine"


def test_force_does_not_take_a_stranger_for_a_run(tmp_path):
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(InputError, match=r"holds no run .*'model.json'"):
        RunFolder.create(tmp_path, force=True)
    assert (tmp_path / "model.json").read_text() == "{}"


def test_places_where_no_folder_can_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        RunFolder.create(tmp_path / "file")
    with pytest.raises(InputError, match="cannot be written"):
        RunFolder.create(tmp_path / "file" / "run")
    with pytest.raises(InputError, match="holds no run"):
        RunFolder.open(tmp_path)
    with pytest.raises(InputError, match="holds no run"):
        RunFolder.open(tmp_path / "absent")


def test_metrics_are_lines_of_json(folder):
    folder.write_metrics([{"step": 1, "loss": 0.5}])
    folder.append_metrics({"step": 2, "loss": math.nan, "gap": math.inf})
    lines = (folder.path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line, parse_constant=pytest.fail) for line in lines] == folder.metrics
    assert folder.metrics[1] == {"step": 2, "loss": None, "gap": None}
    with (folder.path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 3, "lo')  # a machine that stopped while it wrote
    assert len(folder.metrics) == 2
    with (folder.path / "metrics.jsonl").open("a") as file:
        file.write("}\n")
    with pytest.raises(InputError, match=r"metrics.jsonl' is damaged .* restore it, or remove the line"):
        print(folder.metrics)


def test_estimates_come_back_with_their_values(folder):
    values = np.array([-3.0, -4.0])
    first = Estimate(-3.5, 0.5, "exact", n=2, per_example=values)
    folder.save_estimate("test", first)
    folder.save_estimate("valid", Estimate(-9.0, math.inf, "lower", lower=-9.0, n=1))
    json.loads((folder.path / "estimates.json").read_text(), parse_constant=pytest.fail)
    assert folder.estimates["test"] == first
    np.testing.assert_array_equal(folder.estimates["test"].per_example, values)
    assert folder.estimates["valid"].stderr == math.inf
    assert folder.estimates["valid"].per_example is None


@pytest.mark.parametrize("name", ["estimates.json", "per_example.npz", "run.json"])
@pytest.mark.parametrize("damage", [b"", b"[1, 2", b'{"test": {"value": 1}}'])
def test_damaged_files_are_told(folder, name, damage):
    folder.save_estimate("test", Estimate(-3.5, 0.5, "exact", per_example=np.zeros(2)))
    (folder.path / name).write_bytes(damage)
    if name == "run.json" and damage.endswith(b"}"):
        assert folder.about  # JSON is JSON
        return
    with pytest.raises(InputError, match=name):
        print(folder.about, folder.estimates)


def test_a_run_without_a_model_says_so(folder):
    with pytest.raises(InputError, match="no model yet: finish it with --resume"):
        folder.load_model()
    folder.save_model(MODEL)
    (folder.path.parent / "run.safetensors").write_bytes(b"another's")
    np.testing.assert_array_equal(folder.load_model().W, MODEL.W)


def test_the_record_tells_data_device_and_versions():
    record = describe(from_arrays(np.eye(4), name="eye"), seed=3)
    assert json.loads(json.dumps(record)) == record
    assert record["seed"] == 3
    assert record["data"]["name"] == "eye"
    assert len(record["data"]["space"]["hash"]) == 16
    assert {"platform", "kind", "count"} <= set(record["device"])
    assert record["versions"]["jax"] == jax.__version__


def test_a_folder_that_vanished_is_a_failed_run(folder):
    (folder.path / "run.json").unlink()
    folder.path.rmdir()
    with pytest.raises(RunError, match=r"metrics.jsonl' could not be written"):
        folder.append_metrics({"step": 1})


@pytest.mark.parametrize(
    ("about", "wrong"),
    [
        ({"arguments": [1]}, r"arguments is \[1\]"), ({"data": {"columns": 3}}, "in data, columns is 3"),
        ({"data": {"space": {"shape": "x"}}}, "in data, in space, shape is 'x'"), ({"recipe": None}, "recipe is None"),
        ({"data": {"shift": [1.0], "scale": [1.0, 2.0]}}, "shift and scale are of different columns"),
    ],
)  # fmt: skip
def test_a_record_of_other_kinds_is_damaged(folder, about, wrong):
    folder.write_about(about)
    with pytest.raises(InputError, match=rf"run\.json' is damaged \(.*{wrong}"):
        _ = folder.about


@pytest.mark.parametrize(
    "line",
    [b'{"step": 1, "seconds": NaN}', b'{"epoch": 1.0}', b'{"step": "x"}', b'{"step": 1.5}', b'\x99{"step": 1}', b"[{}"],
)
def test_metrics_of_other_kinds_are_damaged(folder, line):
    (folder.path / "metrics.jsonl").write_bytes(line + b"\n")
    with pytest.raises(InputError, match=r"metrics\.jsonl' is damaged"):
        _ = folder.metrics


@pytest.mark.parametrize(("name", "value"), [("kind", 3), ("kind", "best"), ("quantity", {}), ("n", "x"), ("space", 1)])
def test_estimates_of_other_kinds_are_refused(folder, name, value):
    folder.save_estimate("test", Estimate(-1.0, 0.1, "exact", n=3))
    path = folder.path / "estimates.json"
    record = json.loads(path.read_text())
    record["test"][name] = value
    path.write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"estimates\.json' holds no estimates"):
        _ = folder.estimates
