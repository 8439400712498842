"""The command line, typed as a person would: what it leaves behind, what it says, and with which exit code."""

from __future__ import annotations

import gc
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harmonium.training import RunFolder
from harmonium.units import parts_of
from tests.cli.typed import MODULE, Command

TINY = ("--hidden", "4", "--epochs", "1", "--batch-size", "300", "--chains", "4")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with `run`, trained on the digits, and a copy with another binarization."""
    folder = tmp_path_factory.mktemp("cli")
    harmonium = Command(folder)
    said = harmonium.done("train", "rbm", *TINY, "--out", "run")
    assert "nats per example (exact, by enumeration; n = 300; digits test" in said
    assert "independent units, which reach -27." in said
    assert "report: run/report.html" in said
    return folder


@pytest.fixture
def harmonium(trained, tmp_path):
    """The command in a folder of the test's own, with a copy of the run."""
    shutil.copytree(trained / "run", tmp_path / "run")
    return Command(tmp_path)


# ---- what there is -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("what", "name"), [("models", "RBM "), ("recipes", "rbm "), ("data", "digits ")])
def test_lists(what, name, tmp_path):
    lines = Command(tmp_path).done("list", what).splitlines()
    assert any(line.startswith(name) for line in lines)
    assert all(len(line.split()) > 1 for line in lines)


def test_help_is_there_without_jax():
    code = (
        "import sys; sys.argv = ['harmonium', '--help']\n"
        "from harmonium.cli import main\n"
        "try: main()\n"
        "except SystemExit as left: assert not left.code\n"
        "heavy = {'jax', 'equinox', 'numpy', 'matplotlib', 'orbax', 'click'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    for command in ("train", "evaluate", "sample", "impute", "compare", "report", "reproduce", "list"):
        assert command in done.stdout


def test_the_help_of_a_recipe_tells_every_default(tmp_path):
    out = " ".join(Command(tmp_path).done("train", "rbm", "--help").replace("│", " ").split())
    told = ("(default: digits)", "(default: a new one in runs/)", "--no-centred", "pcd, cd, fpcd", "[default: 0.1]")
    assert all(words in out for words in told)


# ---- training ------------------------------------------------------------------------------------------------


def test_a_run_on_disk(harmonium):
    run = harmonium.folder / "run"
    found = {path.name for path in run.iterdir()} - {"tensorboard"}
    assert found == {
        "run.json", "metrics.jsonl", "checkpoints", "model.safetensors", "model.json", "estimates.json",
        "per_example.npz", "report.html",
    }  # fmt: skip
    about = json.loads((run / "run.json").read_text())
    assert {"recipe", "arguments", "versions", "seed", "device", "data", "git_commit"} <= set(about)
    assert about["arguments"]["hidden"] == 4
    assert about["data"]["space"]["hash"]
    assert [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()] == [3]
    assert os.listdir(run / "checkpoints") == ["3"]
    assert json.loads((run / "estimates.json").read_text())["test"]["kind"] == "exact"


def before(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_occupied_folder_is_not_touched(harmonium):
    kept = before(harmonium.folder)
    assert "--force" in harmonium.refused("train", "rbm", *TINY, "--out", "run")
    assert before(harmonium.folder) == kept


def test_force_replaces_the_run_and_nothing_else(harmonium):
    run = harmonium.folder / "run"
    (run / "notes.txt").write_text("mine")
    harmonium.done("train", "rbm", *TINY, "--seed", "1", "--out", "run", "--force", "--no-progress")
    assert (run / "notes.txt").read_text() == "mine"
    assert RunFolder.open(run).about["arguments"]["seed"] == 1


def test_a_refused_force_destroys_nothing(harmonium):
    kept = before(harmonium.folder)
    for wrong in (("--temperatures", "0"), ("--data", "nothing.npy"), ("--momentum", "2"), ("--average", "7")):
        harmonium.refused("train", "rbm", *TINY, *wrong, "--out", "run", "--force")
    assert before(harmonium.folder) == kept


def test_resuming(harmonium):
    """A finished run is measured again; typed flags must agree with those it was started with."""
    weights = (harmonium.folder / "run" / "model.safetensors").read_bytes()
    assert "hidden=4, not 5" in harmonium.refused("train", "rbm", "--hidden", "5", "--out", "run", "--resume")
    assert "say which with --out" in harmonium.refused("train", "rbm", "--resume")
    assert "holds no run" in harmonium.refused("train", "rbm", "--resume", "--out", "absent")
    assert "report: run/report.html" in harmonium.done("train", "rbm", "--hidden", "4", "--out", "run", "--resume")
    assert (harmonium.folder / "run" / "model.safetensors").read_bytes() == weights
    about = RunFolder.open(harmonium.folder / "run").about
    RunFolder(harmonium.folder / "run").write_about(about | {"recipe": "dbm"})
    assert "is of recipe 'dbm'" in harmonium.refused("train", "rbm", "--out", "run", "--resume")


@pytest.fixture
def tidied():
    yield
    gc.collect()  # Orbax's unfinished coroutines


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_damaged_checkpoint_is_told_with_its_cure(harmonium, tidied):
    for path in (harmonium.folder / "run" / "checkpoints").rglob("*"):
        if path.is_file() and path.stat().st_size > 500:
            path.write_bytes(path.read_bytes()[:50])
    assert "start again with --force" in harmonium.refused("train", "rbm", "--out", "run", "--resume")


def test_a_diverging_run_fails_with_one_line(harmonium):
    rows = np.random.default_rng(0).normal(size=(60, 5))
    np.save(harmonium.folder / "real.npy", rows)
    words = ("train", "rbm", "--data", "real.npy", "--hidden", "4", "--batch-size", "10", "--epochs", "2")
    said = harmonium.refused(*words, "--learning-rate", "1e30", "--out", "bad", code=1)
    assert "smaller learning rate" in said
    assert not (harmonium.folder / "bad" / "model.safetensors").exists()
    assert list((harmonium.folder / "bad" / "checkpoints").iterdir())


def test_a_stopped_run_says_how_to_go_on(harmonium, monkeypatch):
    run = harmonium.folder / "run"
    stopped = type("Run", (), {"finished": False, "step": 7})()
    monkeypatch.setattr("harmonium.recipes.common.fit", lambda *_, **__: stopped)
    said = harmonium.refused("train", "rbm", *TINY, "--out", "new", code=1)
    assert "stopped at step 7; go on with: harmonium train rbm --out new --resume" in said
    assert run.exists()


# ---- bad usage and bad input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("train", "rbmm"), "did you mean 'rbm'?"),
        (("list", "modles"), "did you mean 'models'?"),
        (("reproduce", "rbm21"), "did you mean 'rbm20'?"),
        (("evaluate", "absent"), "holds no run"),
        (("evaluate", "run", "--split", "best"), "no split 'best'"),
        (("evaluate", "run", "--method", "guess"), "no method 'guess'"),
        (("evaluate", "run", "--method", "ais", "--chains", "1"), "at least 2 chains"),
        (("sample", "run", "-n", "0"), "n=0"),
        (("sample", "run", "--out", "x.txt"), ".npy or .csv"),
        (("sample", "run", "--out", "absent/x.npy"), "no folder 'absent'"),
        (("train", "rbm", "--epochs", "0"), "not --epochs 0"),
        (("train", "rbm", "--hidden", "0"), "needs units, not [64, 0]: give"),
        (("evaluate", "run", "--method", "exact", "--chains", "5"), "'exact' has no option 'chains': leave it out"),
        (("evaluate", "run", "--samples", "5"), "'auto' has no option 'samples': it takes chains"),
        (("evaluate", "run", "--rows", "0"), "rows=0"),
        (("train", "rbm", "--batch-size", "0"), "choose a --batch-size from 1"),
        (("train", "rbm", "--visible", "relu"), "no units called 'relu'"),
        (("train", "rbm", "--binarize", "maybe"), "no binarization 'maybe'"),
        (("train", "rbm", "--data", "digitz"), "did you mean 'digits'?"),
        (("train", "rbm", "--data", "digits.csv"), "'digits.csv' is neither a data set nor a file: check the path"),
        (("train", "rbm", "--resume", "--force", "--out", "run"), "leave one of the two out"),
        (("train", "rbm", "--seed", 2**63), "A seed has 64 bits"),
        (("sample", "run", "--seed", -(2**64)), "A seed has 64 bits"),
        (("train", "rbm", "--objective", "score"), "choose --objective pseudo"),
        (("train", "rbm", "--objective", "exact"), "choose --objective pcd"),
        (("train", "rbm", "--sparsity", "1.5"), "target between 0 and 1"),
        (("train", "boltzman"), "did you mean 'boltzmann'?"),
        (("train", "boltzmann", "--couplings", "ring"), "no couplings 'ring'"),
        (("train", "boltzmann", "--edges", "run/run.json"), "ending that is not read"),
        (("train", "boltzmann", "--visible", "gaussian"), "use an RBM"),
        (("train", "mpdbm", "--sweeps", "0"), "at least one sweep"),
        (("train", "mpdbm", "--classes", "--data", "binarized.npy", "--batch-size", "16"), "no labels"),
        (("train", "classifier", "--data", "binarized.npy", "--batch-size", "16"), "no labels"),
        (("train", "classifier", "--from", "rbm"), "dbn or a dbm"),
        (("train", "classifier", "--from", "dbm", "--hidden", "4,3,2"), "two hidden layers"),
        (("train", "classifier", "--drop-inputs", "1"), "below 1"),
        (("train", "nade", "--hidden", "0"), "--hidden 0"),
        (("train", "nad"), "did you mean 'nade'?"),
        (("train", "made", "--hidden", "500;3"), "with commas"),
        (("train", "fvbn", "--order-seed", "-1"), "whole number from 0, not -1"),
        (("train", "rbm", *TINY, "--out", "run/run.json"), "is a file"),
        (("train", "rbm", *TINY, "--out", "run/run.json/deeper"), "cannot be written"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(words, said, harmonium):
    np.save(harmonium.folder / "binarized.npy", BITS)
    assert said in harmonium.refused(*words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("train", "rbm", "--hiden", "4"), "--hiden"),
        (("train", "rbm", "--hidden", "four"), "--hidden"),
        (("trian", "rbm"), "trian"),
        (("compare", "run"), "RUN"),
        (("impute", "run"), "--input"),
    ],
)
def test_wrong_flags_are_told_with_the_usage(words, said, harmonium):
    code, out, err = harmonium(*words)
    assert (code, out) == (2, "")
    assert said in err
    assert "Usage: harmonium" in err or "did you mean" in err
    assert "Traceback" not in err


BITS = (np.random.default_rng(1).random((20, 6)) < 0.5).astype(float)


def table(rows: np.ndarray, **cells: float) -> np.ndarray:
    rows = rows.copy()
    for value in cells.values():
        rows[2, 3] = value
    return rows


BAD_FILES = {
    "grey": (lambda path: np.save(path, BITS * 0.5), ("--visible", "bernoulli"), "--binarize fixed"),
    "codes": (lambda path: np.save(path, (BITS * 200).astype(np.uint8)), (), "--binarize"),
    "NaN": (lambda path: np.save(path, table(BITS, hole=np.nan)), (), "NaN 1 time, first in row 2, column 3"),
    "infinity": (lambda path: np.save(path, table(BITS, top=np.inf)), (), "infinity"),
    "no bytes": (lambda path: path.write_bytes(b""), (), "not a .npy file"),
    "no rows": (lambda path: np.save(path, BITS[:0]), (), "hold no value"),
    "cut short": (lambda path: (np.save(path, BITS), path.write_bytes(path.read_bytes()[:300])), (), "cut short"),
    "objects": (lambda path: np.save(path, np.array([{}, 1], object)), (), "Python objects"),
}


@pytest.mark.parametrize("what", BAD_FILES)
def test_bad_files_are_refused_without_a_trace(what, harmonium):
    make, flags, said = BAD_FILES[what]
    make(harmonium.folder / "x.npy")
    assert said in harmonium.refused(
        "train", "rbm", "--data", "x.npy", *TINY, "--batch-size", 8, *flags, "--out", "new"
    )
    assert not (harmonium.folder / "new").exists()


def test_labels_of_another_length_are_refused(harmonium):
    np.savez(harmonium.folder / "x.npz", x=BITS, y=np.zeros(19, int))
    assert "19 for 20 rows" in harmonium.refused("train", "rbm", "--data", "x.npz", *TINY)
    (harmonium.folder / "ragged.csv").write_text("1,0,1\n0,1\n")
    assert "column" in harmonium.refused("train", "rbm", "--data", "ragged.csv", *TINY)
    assert not (harmonium.folder / "runs").exists()


def test_a_truncated_model_is_refused(harmonium):
    model = harmonium.folder / "run" / "model.safetensors"
    model.write_bytes(model.read_bytes()[:100])
    for words in (("evaluate", "run"), ("sample", "run"), ("report", "run")):
        assert "is damaged" in harmonium.refused(*words)


def test_debug_shows_where_it_happened(harmonium):
    for words in (("--debug", "evaluate", "absent"), ("evaluate", "absent", "--debug")):
        code, _, err = harmonium(*words)
        assert code == 2
        assert "Traceback" in err
        assert err.splitlines()[-1].startswith("harmonium: 'absent' holds no run")


def test_ctrl_c_is_one_line_and_exit_code_130(harmonium, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("harmonium.cli.writing.draw", stopped)
    assert harmonium.refused("sample", "run", code=130) == "harmonium: stopped by Ctrl-C before it was done\n"
    monkeypatch.setattr(MODULE, "app", stopped)
    assert harmonium.refused("sample", "run", code=130) == "harmonium: stopped by Ctrl-C before it was done\n"


def test_what_nobody_foresaw_is_one_line_too(harmonium, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("first\nsecond")

    monkeypatch.setattr("harmonium.cli.writing.draw", broken)
    said = harmonium.refused("sample", "run", code=1)
    assert "ZeroDivisionError: first second (run again with --debug" in said


# ---- finished runs -------------------------------------------------------------------------------------------


def test_evaluate_prints_and_records(harmonium):
    out = harmonium.done("evaluate", "run", "--split", "valid")
    assert "(exact, by enumeration; n = 300; digits valid" in out
    words = ("--method", "two_sided", "--chains", "20", "--temperatures", "20")
    assert "interval in expectation" in harmonium.done("evaluate", "run", *words)
    found = RunFolder.open(harmonium.folder / "run").estimates
    assert (found["valid"].kind, found["test"].kind) == ("exact", "exact")


def test_a_weaker_estimate_is_recorded_beside_the_stronger(harmonium):
    words = ("evaluate", "run", "--method", "two_sided", "--chains", "20", "--temperatures")
    said = harmonium.done(*words, "20")
    assert "as 'test by two_sided', beside the stronger one (exact, n = 300)" in said
    folder = RunFolder.open(harmonium.folder / "run")
    assert {name: found.kind for name, found in folder.estimates.items()} == {
        "test": "exact", "test by two_sided": "interval",
    }  # fmt: skip
    assert len(folder.estimates["test by two_sided"].per_example) == 300
    (folder.path / "estimates.json").unlink()
    assert "beside" not in harmonium.done(*words, "20", "--rows", "7")
    assert "beside" not in harmonium.done(*words, "20")  # of more rows
    assert "beside" not in harmonium.done("evaluate", "run")
    assert {name: (found.kind, found.n) for name, found in folder.estimates.items()} == {"test": ("exact", 300)}


def test_a_number_of_rows_is_drawn_and_says_which(harmonium):
    folder = RunFolder.open(harmonium.folder / "run")
    whole = folder.estimates["test"]
    words = ("evaluate", "run", "--rows", "9", "--method")
    for method, options in (("exact", ()), ("raise", ("--chains", "2", "--temperatures", "5"))):
        assert "n = 9;" in harmonium.done(*words, method, *options)
        found = folder.estimates[f"test by {method}"]
        assert (found.n, found.space.split) == (9, "test")
        assert found.space.hash != whole.space.hash
    harmonium.done(*words[:-1])
    assert folder.estimates["test on 9 rows"].n == 9
    assert "by CSL, from the model's own chains; n = 9" in harmonium.done(
        *words, "csl", "--samples", "40", "--chains", "4"
    )
    assert folder.estimates["test by csl"].settings["samples"] == 40
    rows = {name: folder.estimates[name].per_example for name in ("test", "test by exact")}
    assert set(rows["test by exact"].round(3)) <= set(rows["test"].round(3))


def test_a_split_that_is_not_there_is_told_with_those_that_are(harmonium):
    np.savez(harmonium.folder / "x.npz", train=BITS, valid=BITS)
    harmonium.done("train", "rbm", "--data", "x.npz", *TINY[:4], "--batch-size", "10", "--chains", "4", "--out", "new")
    assert "has no test rows: choose --split train or valid." in harmonium.refused("evaluate", "new")


@pytest.mark.slow
def test_a_run_is_evaluated_without_its_labels(harmonium):
    """No likelihood needs them, and their file may be gone."""
    np.save(harmonium.folder / "x.npy", BITS)
    np.save(harmonium.folder / "y.npy", np.arange(len(BITS)) % 2)
    words = ("--data", "x.npy", "--labels", "y.npy", "--classes", "--hidden", "3", "--epochs", "1", "--out", "new")
    harmonium.done("train", "dbm", *words, "--batch-size", "5", "--chains", "4")
    (harmonium.folder / "y.npy").unlink()
    harmonium.done("evaluate", "new")
    harmonium.done("report", "new")


def test_recipes_and_protocols_of_one_name_are_both_listed(tmp_path):
    lines = Command(tmp_path).done("list", "recipes").splitlines()
    for name in ("dbn", "dbm"):
        assert [line.split()[1] for line in lines if line.split()[0] == name] == ["train:", "reproduce:"]
    assert all(line.endswith("report.") for line in lines if " train: " in line)  # no sentence is cut


def test_a_record_that_lacks_the_data_is_told(harmonium):
    np.save(harmonium.folder / "x.npy", BITS)
    words = ("--data", "x.npy", "--hidden", "3", "--epochs", "1", "--out", "new", "--batch-size", "5", "--chains", "4")
    harmonium.done("train", "rbm", *words)
    path = harmonium.folder / "new" / "run.json"
    record = json.loads(path.read_text())
    del record["arguments"]["binarize"]
    path.write_text(json.dumps(record))
    assert "run was trained on ('binarize' is not there)" in harmonium.refused("evaluate", "new")


def test_constant_columns_are_told_once(harmonium):
    rows = np.random.default_rng(0).normal(size=(60, 3))
    rows[:, 1] = 7.0
    np.save(harmonium.folder / "real.npy", rows)
    words = ("--data", "real.npy", "--hidden", "2", "--learning-rate", "1e-4", "--out", "new", "--batch-size", "10")
    with pytest.warns(UserWarning, match=r"Column 1 of 'real.npy' is constant: .* drop it\.") as told:
        harmonium.done("train", "rbm", *words, "--epochs", "1")
    assert sum("constant" in str(warning.message) for warning in told) == 1


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A folder with `c`, a classifier of the digits."""
    folder = tmp_path_factory.mktemp("classifier")
    words = ("--hidden", "4", "--greedy-epochs", "0", "--epochs", "1", "--batch-size", "300", "--out", "c")
    assert Command(folder).done("train", "classifier", *words).startswith("test error ")
    return Command(folder)


def test_a_classifier_is_evaluated_by_its_errors(classifier):
    assert classifier.done("evaluate", "c", "--split", "valid").startswith("valid error ")
    folder = RunFolder.open(classifier.folder / "c")
    assert {name: rate.n for name, rate in folder.error_rates.items()} == {"test": 300, "valid": 300}
    assert classifier.done("report", "c") == "c/report.html\n"
    words = ("--from", "dbn", "--hidden", "4", "--out", "c", "--resume")
    assert "report: c/report.html" in classifier.done("train", "classifier", *words)


def test_what_a_classifier_has_not_is_refused(classifier):
    assert "this model answers hm.classify" in classifier.refused("evaluate", "c", "--method", "ais")
    assert "not a Classifier: this model answers" in classifier.refused("sample", "c", "--out", "x.npy")
    np.save(classifier.folder / "rows.npy", np.full((2, 64), np.nan))
    impute = ("impute", "c", "--input", "rows.npy", "--out", "x.npy")
    assert "not a Classifier: this model answers" in classifier.refused(*impute)
    assert "was started with from_=dbn" in classifier.refused(
        "train", "classifier", "--from", "dbm", "--out", "c", "--resume"
    )


def test_a_resumed_run_knows_its_files_by_any_path(harmonium):
    np.save(harmonium.folder / "bits.npy", BITS)
    (harmonium.folder / "pairs.csv").write_text("0,1\n2,3\n")
    words = ("train", "boltzmann", "--data", "bits.npy", "--edges", "pairs.csv", "--out", "b")
    harmonium.done(*words, "--objective", "pseudo", "--batch-size", "8", "--epochs", "1")
    assert "(exact, by enumeration" in harmonium.done(*words, "--resume")


def test_each_method_has_its_own_options(harmonium):
    words = ("evaluate", "run", "--split", "train", "--method")
    assert "unordered, by RAISE, a lower bound for the annealing model; n = 100" in harmonium.done(
        *words, "raise", "--chains", "2", "--temperatures", "5"
    )
    said = harmonium.refused(*words, "csl", "--temperatures", "5")
    assert "The method 'csl' has no option 'temperatures': it takes samples, chains, burn_in, thinning." in said
    assert "needs snapshots" in harmonium.refused(*words, "trajectory")


@pytest.mark.parametrize("name", ["x.npy", "x.csv"])
def test_samples_are_written_once(name, harmonium):
    words = ("sample", "run", "-n", "3", "--steps", "2", "--out", name)
    assert harmonium.done(*words) == f"3 samples: {name}\n"
    path = harmonium.folder / name
    rows = np.load(path) if name.endswith("npy") else np.loadtxt(path, delimiter=",")
    assert rows.shape == (3, 64)
    assert set(np.unique(rows)) <= {0.0, 1.0}
    kept = path.read_bytes()
    assert "is there already" in harmonium.refused(*words)
    assert path.read_bytes() == kept
    harmonium.done(*words, "--force", "--seed", "1")
    assert path.read_bytes() != kept


def test_missing_cells_are_filled(harmonium):
    rows = np.tile([0.0, 1.0], (3, 32))
    rows[0, :10], rows[2, 63] = np.nan, np.nan
    np.save(harmonium.folder / "x.npy", rows)
    text = "\n".join(",".join("" if np.isnan(cell) else f"{cell:g}" for cell in row) for row in rows)
    (harmonium.folder / "x.csv").write_text(text + "\n")
    filled = []
    for ending in ("npy", "csv"):
        words = ("--input", f"x.{ending}", "--out", "filled.npy", "--steps", "2", "--force")
        assert harmonium.done("impute", "run", *words) == "11 cells filled: filled.npy\n"
        filled.append(np.load(harmonium.folder / "filled.npy"))
    np.testing.assert_array_equal(*filled)
    seen = ~np.isnan(rows)
    np.testing.assert_array_equal(filled[0][seen], rows[seen])
    assert set(np.unique(filled[0])) <= {0.0, 1.0}
    assert "there already" in harmonium.refused("impute", "run", "--input", "x.npy")  # filled.npy is the default
    np.save(harmonium.folder / "grey.npy", rows * 0.5)
    for wrong, said in (
        ("grey.npy", "(fixed(seed=0)), but --input holds 0.5: give"),
        ("absent.npy", "no file"),
        ("narrow.npy", "64 columns"),
    ):
        np.save(harmonium.folder / "narrow.npy", rows[:, :9])
        assert said in harmonium.refused("impute", "run", "--input", wrong, "--out", "y.npy")
    assert not (harmonium.folder / "y.npy").exists()


def test_a_few_pictures_are_trained_on_at_the_defaults(harmonium):
    """Fifty rows: a batch is all forty training rows, which is said, and so is what five test rows are worth."""
    np.save(harmonium.folder / "few.npy", np.random.default_rng(0).integers(0, 2, (50, 3, 3)))
    with pytest.warns(UserWarning, match=r"^A batch is all 40 training rows of 'few.npy', and not 50"):
        code, out, err = harmonium("train", "rbm", "--data", "few.npy", "--hidden", "3", "--epochs", "1", "--out", "f")
    assert code == 0, err
    assert "independent units, which reach" in out
    assert "Measured on 5 rows only, which say little of others: gather or hold back more." in out
    assert json.loads((harmonium.folder / "f" / "run.json").read_text())["settings"]["batch_size"] == 40


def test_runs_are_compared_where_that_means_something(harmonium):
    folder = harmonium.folder
    assert "inconclusive: " in harmonium.done("compare", "run", "run")
    shutil.copytree(folder / "run", folder / "other")
    other = RunFolder.open(folder / "other")
    estimate = other.estimates["test"].to_dict()
    record = json.loads((folder / "other" / "estimates.json").read_text())
    record["test"]["space"]["binarization"] = "dynamic(evaluated at seed=0)"
    (folder / "other" / "estimates.json").write_text(json.dumps(record))
    assert "binarizations differ" in harmonium.refused("compare", "run", "other")
    for name in ("value", "lower", "upper"):
        record["test"][name] = estimate[name] - 50
    record["test"]["space"] = estimate["space"]
    (folder / "other" / "estimates.json").write_text(json.dumps(record))
    assert "run is better than other: by 50.00" in harmonium.done("compare", "run", "other")
    assert "other is worse than run" in harmonium.done("compare", "other", "run")
    (folder / "other" / "estimates.json").unlink()
    assert "no estimate of the same split" in harmonium.refused("compare", "run", "other")


def test_a_report_is_written_anew(harmonium):
    (harmonium.folder / "run" / "report.html").unlink()
    assert harmonium.done("report", "run") == "run/report.html\n"
    assert (harmonium.folder / "run" / "report.html").exists()


FULL_DISK = """
import resource, sys
from pathlib import Path
import jax, numpy as np
import harmonium.cli, harmonium.samplers, harmonium.training

def fill_the_disk(*_, **__):
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))  # no file can grow beyond 3 kB
    numbers = np.random.default_rng(0).random((100, 100))
    harmonium.training.Checkpoints(Path("new")).save(1, {"W": jax.numpy.asarray(numbers)}, wait=True)

harmonium.samplers.sample = fill_the_disk
sys.argv = ["harmonium", "sample", "run"]
harmonium.cli.main()
"""


def test_a_process_is_quiet_where_the_disk_is_full(harmonium):
    """Orbax tells of it by tracebacks from its threads; the command says it in one line."""
    command = [sys.executable, "-c", FULL_DISK]
    done = subprocess.run(command, cwd=harmonium.folder, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("harmonium: Checkpoint 1 could not be written")
    assert line.endswith("and start again with --force.")


def test_grey_files_and_labels_of_another_length_are_refused_by_command(harmonium):
    np.save(harmonium.folder / "grey.npy", np.random.default_rng(0).uniform(size=(60, 9)).astype(np.float32))
    np.save(harmonium.folder / "three.npy", np.arange(3))
    said = harmonium.refused("train", "rbm", "--data", "grey.npy", "--out", "no", *TINY, "--batch-size", 8)
    assert all(scheme in said for scheme in ("fixed", "dynamic", "threshold", "probabilities", "Gaussian"))
    words = ("--data", "grey.npy", "--binarize", "fixed", "--labels", "three.npy", "--out", "no")
    assert "labels" in harmonium.refused("train", "rbm", *words)
    assert not (harmonium.folder / "no").exists()


def test_gaps_and_samples_of_a_standardized_table_are_in_its_own_units(harmonium):
    random = np.random.default_rng(0)
    rows = random.normal([500.0, -3.0], [20.0, 0.1], (600, 2))
    np.savetxt(harmonium.folder / "table.csv", rows, delimiter=",")
    train = ("--data", "table.csv", "--standardize", "--out", "t", "--batch-size", "100", "--epochs", "2")
    harmonium.done("train", "rbm", *train, "--hidden", "2", "--learning-rate", "0.01")
    holes = rows[:200].copy()
    holes[::2, 0] = holes[1::2, 1] = np.nan
    np.save(harmonium.folder / "holes.npy", holes)
    harmonium.done("impute", "t", "--input", "holes.npy", "--out", "filled.npy", "--steps", "20")
    filled, gap = np.load(harmonium.folder / "filled.npy"), np.isnan(holes)
    np.testing.assert_array_equal(filled[~gap], holes[~gap])
    harmonium.done("sample", "t", "-n", "200", "--out", "drawn.npy", "--steps", "20")
    for values in (filled, np.load(harmonium.folder / "drawn.npy")):
        scores = (values - [500.0, -3.0]) / [20.0, 0.1]
        np.testing.assert_allclose(scores.mean(0), 0.0, atol=0.4)
        np.testing.assert_allclose(scores.std(0), 1.0, rtol=0.25)


# ---- tables of mixed columns ---------------------------------------------------------------------------------


def mixed_table(n: int = 300) -> np.ndarray:
    """Two binary columns, one of four categories, two real ones in units of their own."""
    random = np.random.default_rng(0)
    kind = random.integers(0, 4, n)
    bits = random.random((n, 2)) < np.array([0.1, 0.4, 0.7, 0.95])[kind][:, None]
    real = random.normal([500.0, 0.003], [20.0, 0.0005], (n, 2)) + np.outer(kind, [30.0, 0.001])
    return np.column_stack([bits, kind, real])


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A folder with `f`, an FVBN of a mixed table, and `r`, an RBM of it."""
    folder = tmp_path_factory.mktemp("networks")
    np.savetxt(folder / "table.csv", mixed_table(), delimiter=",", fmt="%.8g")
    train = ("--data", "table.csv", "--standardize", "--epochs", "3", "--batch-size", "20")
    said = Command(folder).done("train", "fvbn", *train, "--out", "f")
    assert "(exact, by the chain rule; n = 30; table.csv test, 30 x 5 real, real columns standardized" in said
    rbm = ("--visible", "columns", "--hidden", "2", "--learning-rate", "0.01", "--chains", "4", "--out", "r")
    Command(folder).done("train", "rbm", *train, *rbm)
    return Command(folder)


@pytest.mark.slow
def test_a_network_is_evaluated_exactly_and_without_options(network):
    assert "exact, by the chain rule; n = 30; table.csv valid" in network.done("evaluate", "f", "--split", "valid")
    assert "exact, by the chain rule; n = 30" in network.done("evaluate", "f", "--method", "exact")
    assert "no option 'chains': it takes given, orders" in network.refused("evaluate", "f", "--chains", "5")
    for method in ("ais", "raise", "csl"):
        words = ("evaluate", "f", "--method", method, "--rows", "5")
        assert f"of an FVBN has no method '{method}': choose one of auto, exact" in network.refused(*words)
    assert "inconclusive" in network.done("compare", "f", "f")
    assert "f is better than r: by " in network.done("compare", "f", "r")
    assert network.done("report", "f") == "f/report.html\n"
    assert "report: f/report.html" in network.done("train", "fvbn", "--out", "f", "--resume")
    assert "order_seed=None, not 1" in network.refused("train", "fvbn", "--order-seed", "1", "--out", "f", "--resume")


@pytest.mark.slow
@pytest.mark.parametrize("run", ["f", "r"])
def test_samples_of_a_mixed_table_are_in_its_own_units(run, network):
    network.done("sample", run, "-n", "200", "--steps", "20", "--out", f"{run}.csv")
    drawn, rows = np.loadtxt(network.folder / f"{run}.csv", delimiter=","), mixed_table()
    assert set(np.unique(drawn[:, :2])) == {0, 1}
    assert set(np.unique(drawn[:, 2])) == {0, 1, 2, 3}
    np.testing.assert_allclose((drawn[:, 3:].mean(0) - rows[:, 3:].mean(0)) / rows[:, 3:].std(0), 0, atol=0.4)
    np.testing.assert_allclose(drawn[:, 3:].std(0) / rows[:, 3:].std(0), 1, rtol=0.3)


@pytest.mark.slow
def test_gaps_of_a_mixed_table_are_filled_in_its_own_units(network):
    rows = mixed_table(30)
    rows[::3, 2] = rows[1::3, 3] = rows[2::3, 0] = np.nan
    np.save(network.folder / "holes.npy", rows)
    network.done("impute", "r", "--input", "holes.npy", "--out", "whole.npy", "--steps", "20")
    filled, gap = np.load(network.folder / "whole.npy"), np.isnan(rows)
    np.testing.assert_array_equal(filled[~gap], rows[~gap])
    assert set(np.unique(filled[::3, 2])) <= {0, 1, 2, 3}
    assert set(np.unique(filled[2::3, 0])) <= {0, 1}
    assert ((filled[1::3, 3] > 400) & (filled[1::3, 3] < 700)).all()


def test_a_category_that_training_has_not_seen_is_refused_by_command(network):
    rows = mixed_table(9)
    rows[4, 2], rows[0, 0] = 6, np.nan
    np.save(network.folder / "other.npy", rows)
    said = network.refused("impute", "r", "--input", "other.npy", "--out", "x.npy")
    assert "take whole numbers from 0 to 3, but the data holds 6 in row 4, column 2" in said
    whole = mixed_table()
    np.savez(network.folder / "split.npz", train=whole[:200], valid=whole[200:], test=np.nan_to_num(rows))
    words = ("--data", "split.npz", "--standardize", "--batch-size", "20", "--epochs", "1", "--out", "new")
    network.done("train", "nade", *words)  # where it stands in rows to be held out, it counts
    states = [part.states for part, _ in parts_of(RunFolder.open(network.folder / "new").load_model().visible)]
    assert states == [2, 7, None]


def test_what_was_read_is_said_before_anything_else(tmp_path):
    (tmp_path / "x.csv").write_text(",smoker,weight\n" + "".join(f"{i},{i % 2},{i * i % 7 / 2}\n" for i in range(20)))
    code, out, err = Command(tmp_path)(
        "train", "nade", "--data", "x.csv", "--batch-size", 8, "--visible", "pixels", "--out", "new"
    )
    said, refused = err.splitlines()
    assert said == (
        "harmonium: read x.csv: 20 rows of 2 columns (smoker, weight): zeros and ones in 1, measurements in 1; the "
        "first column, which has no name and numbers the rows, was left out"
    )
    assert (code, out, refused.startswith("harmonium: There are no units called")) == (2, "", True)


def test_a_network_of_one_order_fills_in_what_comes_last(network):
    rows = mixed_table(2)
    rows[:, 3:] = np.nan
    np.save(network.folder / "last.npy", rows)
    network.done("impute", "f", "--input", "last.npy", "--out", "ends.npy")
    filled = np.load(network.folder / "ends.npy")
    np.testing.assert_array_equal(filled[:, :3], rows[:, :3])
    assert (abs(filled[:, 3] - 550) < 200).all()
    rows[0, 0] = np.nan
    np.save(network.folder / "gap.npy", rows)
    said = network.refused("impute", "f", "--input", "gap.npy", "--out", "x.npy")
    assert "in row 0 column 1 is known and comes after column 0, which is missing: train an hm.OrderlessNADE" in said


@pytest.mark.slow
def test_a_network_of_every_order_fills_any_gaps_of_a_mixed_table(network):
    train = ("--data", "table.csv", "--standardize", "--epochs", "20", "--batch-size", "20", "--hidden", "20")
    said = network.done("train", "orderless", *train, "--orders", "3", "--out", "o")
    assert "(exact, by the chain rule, mean over 3 orders; n = 30; table.csv test, 30 x 5 real, real columns" in said
    assert RunFolder.open(network.folder / "o").load_model().orders.value.shape == (3, 5)
    rows = mixed_table()
    gap = np.random.default_rng(1).random(rows.shape) < 0.3
    cells = [["" if hole else f"{x:.8g}" for x, hole in zip(*row, strict=True)] for row in zip(rows, gap, strict=True)]
    text = "\n".join(",".join(row) for row in [["smoker", "owner", "kind", "weight", "rate"], *cells])
    (network.folder / "gaps.csv").write_text(text + "\n")
    assert f"{gap.sum()} cells filled" in network.done("impute", "o", "--input", "gaps.csv", "--out", "full.csv")
    assert (network.folder / "full.csv").read_text().startswith("smoker,owner,kind,weight,rate\n")
    filled = np.loadtxt(network.folder / "full.csv", delimiter=",", skiprows=1)
    known = np.array([[float(cell or "nan") for cell in row] for row in cells])
    np.testing.assert_array_equal(filled[~gap], known[~gap])
    assert set(np.unique(filled[:, :2])) == {0, 1}
    assert set(np.unique(filled[:, 2])) == {0, 1, 2, 3}
    for column in (3, 4):  # nearer to the truth than the column's mean is
        hole, x = gap[:, column], rows[:, column]
        assert np.mean(abs(filled[hole, column] - x[hole])) < 1.3 * np.mean(abs(x - x.mean()))
        assert abs(filled[hole, column].mean() - x.mean()) < 0.5 * x.std()
    other = network.done("evaluate", "o", "--orders", "5")
    assert "mean over 5 orders" in other
    assert "as 'test in 5 orders'" in other
    assert RunFolder.open(network.folder / "o").estimates["test"].method.endswith("mean over 3 orders")
    assert "has one order: leave orders=5 out" in network.refused("evaluate", "f", "--orders", "5")
