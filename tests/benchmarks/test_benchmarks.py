"""The benchmark's machinery on tiny cases: turns, missing peers, verdicts, the page, and the twins' answers."""

import io
import json
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import inputs, page, run, verdict, worker
from benchmarks.case import OURS, PRODUCTS, Bar, Case
from benchmarks.cases import CASES
from benchmarks.entries import ours, products, twin
from harmonium.errors import RunError

TINY = {"visible": 12, "hidden": 6, "rule": "PCD", "sweeps": 2, "batch": 10, "rows": 200,
        "chains": 400, "temperatures": 50, "images": 50}  # fmt: skip

ABOUT = {"device": "cpu", "machine": "a machine"}


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    random = np.random.default_rng(0)
    np.save(folder / "rows.npy", (random.random((200, 12)) < 0.3).astype(np.uint8))
    np.save(folder / "test.npy", (random.random((50, 12)) < 0.3).astype(np.uint8))
    arrays = {"W": random.normal(size=(12, 6)), "b": random.normal(size=12), "c": random.normal(size=6)}
    np.savez(folder / "rbm6.npz", **{name: array.astype(np.float32) for name, array in arrays.items()})
    return TINY | {"folder": str(folder)}


def served(entry, settings, turns):
    answers = io.StringIO()
    worker.serve(entry, settings, io.StringIO("go\n" * turns), answers)
    return [json.loads(line) for line in answers.getvalue().splitlines()]


@pytest.mark.slow
def test_contestants_take_turns_in_processes_of_their_own(settings):
    said = []
    entries = {OURS: "ours:training", PRODUCTS: ("products:training", {"matmul_precision": "bfloat16"})}
    found = run.run_case(Case("tiny", "Tiny", "s", entries, settings), 2, said.append)
    assert found["skipped"] == {}
    assert [line.split(":")[0] for line in said] == [OURS, PRODUCTS, PRODUCTS, OURS]
    assert all(turn["seconds"] > 0 for turns in found["turns"].values() for turn in turns)


def test_a_missing_peer_is_skipped_by_name(settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "thrml", None)
    monkeypatch.delitem(sys.modules, "benchmarks.entries.peer_thrml", raising=False)
    (answer,) = served("peer_thrml:lattice", settings, 3)
    assert answer["missing"].startswith("thrml")


def test_a_failing_contestant_says_why(settings):
    (answer,) = served("products:training", settings | {"matmul_precision": "float8"}, 3)
    assert "not in 'float8'" in answer["failed"]


def test_a_contestant_that_dies_is_named(settings, monkeypatch):
    """It ends at its second turn: the first one's time is kept, and the page says that it stopped."""
    script = (
        "import os; print('{}', flush=True); input(); print('{\"seconds\": 2.0}', flush=True); input(); os._exit(3)"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    monkeypatch.setattr(run, "_start", lambda *_: subprocess.Popen([sys.executable, "-c", script], **pipes))
    case = Case("tiny", "Tiny", "s", {OURS: "ours:training"}, settings)
    found = run.run_case(case, 4, lambda _: None)
    assert found["turns"] == {OURS: [{"seconds": 2.0}]}
    assert found["skipped"] == {OURS: "failed: the process ended with exit status 3"}
    text = page.page([{"about": ABOUT, "cases": {"tiny": found}}], [case])
    assert "harmonium stopped before the last repeat: failed: the process ended with exit status 3." in text


def test_a_contestant_that_hangs_is_ended(settings, monkeypatch):
    script = "print('{}', flush=True); input(); import time; time.sleep(60)"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    monkeypatch.setattr(run, "_start", lambda *_: subprocess.Popen([sys.executable, "-c", script], **pipes))
    monkeypatch.setattr(run, "PATIENCE", 2.0)
    found = run.run_case(Case("tiny", "Tiny", "s", {OURS: "ours:training"}, settings), 2, lambda _: None)
    assert found == {"turns": {}, "skipped": {OURS: "failed: no answer within 2 seconds"}}


@pytest.mark.slow
@pytest.mark.parametrize("function", ["training", "annealing", "enumeration", "free_energy"])
def test_ours_and_the_products_run(settings, function):
    assert len(served(f"products:{function}", settings, 2)) == 3
    answers = served(f"ours:{function}", settings, 1)
    assert answers[0] == {}
    assert answers[1]["seconds"] > 0


def test_annealing_and_enumeration_agree(settings):
    exact, annealed = ours.enumeration(settings)()["value"], ours.annealing(settings)()["value"]
    assert abs(exact - annealed) < 0.2


def test_the_twin_anneals_to_the_same_answer(settings):
    exact = ours.enumeration(settings)()["value"]
    base = twin.base_for(inputs.trained(settings), jnp.asarray(inputs.rows(settings), jnp.float32)).log_partition()
    for how in (twin.derived_annealing, twin.written_annealing):
        assert how(settings | {"temperatures": 1000})()["value"] + base == pytest.approx(exact, abs=0.1)


def test_the_twin_trains_the_same_machine(settings):
    """Free energies after 400 steps on two patterns, far from where both start; other random numbers, the same law."""
    rows = np.tile(np.repeat(np.eye(2, dtype=np.uint8), 6, axis=1), (2000, 1))
    np.save(Path(settings["folder"]) / "rows.npy", rows)
    here = settings | {"rule": "CD", "sweeps": 1, "rows": 4000}
    derived, written = (how(here)()["value"] for how in (twin.derived_training, twin.written_training))
    assert derived < -8  # it starts at -6 log 2, and has learned
    assert derived == pytest.approx(written, rel=0.05)


def test_orthonormal_weights_keep_states_from_vanishing():
    for shape in ((12, 6), (6, 12)):
        W = np.asarray(products.orthonormal(*shape))
        gram = W.T @ W if shape[0] > shape[1] else W @ W.T
        np.testing.assert_allclose(gram, np.eye(6), atol=1e-6)


def test_the_lattice_is_the_square_lattice():
    W = ours.checkerboard(4, 0.5)
    assert (W.sum(0) == 2.0).all()
    assert (W.sum(1) == 2.0).all()
    assert set(np.unique(W)) == {0.0, 0.5}


def test_page_and_verdicts():
    case = Case("one", "Title", "s", {OURS: "", PRODUCTS: "", "peer": ""}, bars=(
        Bar("share", PRODUCTS, 0.75), Bar("times", "peer", 2.0), Bar("value", "seconds", 5.0)))  # fmt: skip
    turns = {OURS: [{"seconds": 4.0}], PRODUCTS: [{"seconds": 2.0}]}
    result = {
        "about": ABOUT,
        "cases": {"one": {"turns": turns, "skipped": {"peer": "peer is not installed"}}},
    }
    text = page.page([result], [case])
    assert (
        "| Title | at least 75 % of the rate of the matrix products alone | 50.0 % | 50.0 % to 50.0 % | **not met** |"
        in text
    )
    assert "| Title | 2 times as fast as peer | not measured |  |  |" in text
    assert "| Title | at most 5 seconds | 4 |  | met |" in text
    assert "skipped: peer is not installed" in text
    assert verdict.ratio(result["cases"]["one"], "peer", OURS) is None


def test_the_rest_of_the_page():
    points = {
        "100": {"seconds": 2.0, "share": 0.8},
        "500": {"seconds": 90.0, "share": 0.01},
        "900": {"seconds": 20.0, "share": 0.7},
    }
    memory = [{"rows": rows, "kind": kind, "MiB": 100.0 + (kind == "resident") * rows / 1000}
              for rows in (10, 20_000, 30_000) for kind in ("resident", "streamed")]  # fmt: skip
    result = {"about": ABOUT, "cases": {}, "cold": {"harmonium --help": [0.8, 0.9, 2.0]},
              "memory": memory, "growth": {"chains": points}}  # fmt: skip
    text = page.page([result], [])
    assert "| harmonium --help | at most 1 seconds | 0.9 | 0.8 to 2 | met |" in text
    assert "at most 1.05 times the memory of 20,000 rows | 1 |  | met |" in text
    assert "| 30,000 | 22 | 130 | 100 |" in text
    assert "| s | 2 | 90 | 20 |" in text
    assert "Cliff at 500." in text


def test_results_of_another_machine_are_dropped(tmp_path):
    path, about = tmp_path / "cpu.json", {"machine": "a", "device": "cpu", "versions": "1", "rows": "some", "date": "2"}
    assert command._kept(path, about) == {"cases": {}, "about": about}
    case = {"turns": {}, "skipped": {}}
    path.write_text(json.dumps({"about": about | {"date": "1"}, "cases": {"one": case}, "memory": []}))
    assert command._kept(path, about) == {"about": about, "cases": {"one": case}, "memory": []}
    assert command._kept(path, about | {"versions": "2"}) == {"about": about | {"versions": "2"}, "cases": {}}


NO_RESULTS = {
    "truncated": json.dumps({"about": {"machine": "a", "device": "b"}, "cases": {}})[:-9],
    "of something else": json.dumps({"name": "package", "version": "1"}),
    "a list": "[1, 2]",
    "no text": "\x00\x01",
    "a case without turns": json.dumps({"about": {"machine": "a", "device": "b"}, "cases": {"cd1": {}}}),
}


@pytest.mark.parametrize("what", NO_RESULTS)
def test_a_file_that_holds_no_results_is_told_before_anything_is_measured(what, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(inputs, "prepare", lambda folder: pytest.fail("something was measured"))
    (tmp_path / "cpu-1.json").write_text(NO_RESULTS[what])
    with pytest.raises(SystemExit) as left:
        command.main(["--results", str(tmp_path), "--page", str(tmp_path / "page.md")])
    assert left.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "cpu-1.json' holds no results of benchmarks, or is damaged: move it out of the folder." in said
    assert (tmp_path / "cpu-1.json").read_text() == NO_RESULTS[what]


def test_results_that_cannot_be_written_leave_what_was_there(tmp_path, monkeypatch):
    about = {"machine": "a", "device": "b", "versions": "1", "rows": "2"}
    path, result = tmp_path / "cpu-1.json", {"about": about, "cases": {}}
    command._write(path, tmp_path / "page.md", result, tmp_path)
    before = path.read_text(), (tmp_path / "page.md").read_text()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(RunError, match="No space left"):
        command._write(path, tmp_path / "page.md", result | {"memory": []}, tmp_path)
    assert (path.read_text(), (tmp_path / "page.md").read_text()) == before


def test_the_page_in_docs_is_what_the_results_say():
    results = [json.loads(path.read_text()) for path in sorted(command.RESULTS.glob("*.json"))]
    assert results
    assert command.PAGE.read_text() == page.page(results, CASES)


def test_an_unknown_case_is_refused_with_the_known_ones(capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(["cd7"])
    assert stop.value.code == 2
    assert "there is no case 'cd7'; the cases are cd1, pcd1" in capsys.readouterr().err


def test_the_network_in_torch_is_the_same_one(settings):
    pytest.importorskip("torch")
    from benchmarks.entries import nade, peer_torch_nade

    assert peer_torch_nade.density(settings)()["value"] == pytest.approx(nade.density(settings)()["value"], abs=1e-4)
    drawn = [module.sampling(settings | {"batch": 4000})()["value"] for module in (nade, peer_torch_nade)]
    assert drawn[0] == pytest.approx(drawn[1], abs=0.01)  # two means of 48,000 bits: 3.1 standard errors of each


@pytest.mark.parametrize("function", ["training", "activations", "traffic"])
def test_a_network_and_its_limits_run(settings, function):
    assert served(f"nade:{function}", settings | {"gradient": True}, 1)[-1]["seconds"] > 0
