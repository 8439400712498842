"""Runs of a person's own class, and of data that has no name, through the commands."""

from __future__ import annotations

import importlib.util
import sys

import jax
import numpy as np
import pytest

import harmonium as hm
from harmonium.errors import InputError
from harmonium.training import RunFolder
from tests.cli.typed import Command

BITS = (np.random.default_rng(1).random((40, 4)) < 0.5).astype(float)
MINE = """
from pathlib import Path
import jax.numpy as jnp
import harmonium as hm

Path("read.txt").write_text("imported")

class Mine(hm.RBM):
    def energy(self, stats):
        return super().energy(stats) + 0.5 * jnp.sum(stats["v"])

number = 3
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with `mine`, a run of an own class, from arrays with all splits."""
    folder = tmp_path_factory.mktemp("opening")
    (folder / "my_module.py").write_text(MINE)
    (folder / "broken.py").write_text("import nothing_of_that_name")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        spec = importlib.util.spec_from_file_location("my_module", folder / "my_module.py")
        module = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, "my_module", module)
        spec.loader.exec_module(module)
        model = module.Mine(hm.units.Bernoulli(4), hm.units.Bernoulli(2), key=jax.random.key(0))
        data = hm.data.from_arrays(BITS[:20], valid=BITS[20:30], test=BITS[30:])
        options = {"epochs": 1, "batch_size": 10, "key": jax.random.key(1)}
        hm.fit(model, data, hm.objectives.CD(), out="mine", **options)
        plain = hm.RBM(hm.units.Bernoulli(64), hm.units.Bernoulli(2), key=jax.random.key(0))
        digits = hm.data.load("digits", binarize="fixed", seed=2)
        plain = hm.at_marginals(plain, digits.train)
        hm.fit(plain, digits, hm.objectives.CD(), out="digits", **options | {"batch_size": 300})
        np.savez("data.npz", train=BITS[:20], valid=BITS[20:30], test=BITS[30:])
        np.savez("other.npz", train=1 - BITS[:20], valid=BITS[20:30], test=BITS[30:])
        np.save("rows.npy", BITS[:20])
        (folder / "read.txt").unlink()
    return folder


@pytest.fixture
def harmonium(folder):
    yield Command(folder)
    sys.modules.pop("harmonium_own_my_module", None)
    for name in ("read.txt", "samples.npy", "filled.npy"):
        (folder / name).unlink(missing_ok=True)


CLASS = ("--classes", "my_module.py:Mine")


def test_a_class_that_is_not_given_is_told_with_the_command(harmonium):
    np.save(harmonium.folder / "holes.npy", np.where(BITS == 1, np.nan, BITS))
    where = harmonium.folder / "my_module.py"
    for words in (
        ("evaluate", "mine", "--data", "data.npz"), ("report", "mine", "--data", "data.npz"), ("sample", "mine"),
        ("impute", "mine", "--input", "holes.npy"),
    ):  # fmt: skip
        said = harmonium.refused(*words)
        assert "holds a class 'Mine' that is not this library's" in said
        assert said.endswith(f"say where it is, with --classes {where}:Mine\n")
    assert not (harmonium.folder / "read.txt").exists()  # nothing was imported that nobody named


@pytest.mark.parametrize("place", ["my_module.py", "my_module"])
def test_commands_take_an_own_class(place, harmonium):
    own = ("--classes", f"{place}:Mine")
    assert "(exact, by enumeration; n = 10; data.npz test" in harmonium.done(
        "evaluate", "mine", "--data", "data.npz", *own
    )
    assert harmonium.done("report", "mine", "--data", "data.npz", *own) == "mine/report.html\n"
    assert harmonium.done("sample", "mine", "-n", "3", "--steps", "2", *own) == "3 samples: samples.npy\n"
    np.save(harmonium.folder / "holes.npy", np.where(BITS == 1, np.nan, BITS))
    words = ("impute", "mine", "--input", "holes.npy", "--steps", "2", *own)
    assert f"{int(BITS.sum())} cells filled" in harmonium.done(*words)
    assert "inconclusive" in harmonium.done("compare", "mine", "mine")
    assert (harmonium.folder / "read.txt").exists()
    sys.modules.pop("my_module", None)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Mine", "named with its file, FILE.py:CLASS, or its module"),
        ("my_module.py:", "not 'my_module.py:'"),
        ("absent.py:Mine", "no file 'absent.py'"),
        ("my_module.py:Yours", "has no class 'Yours'"),
        ("my_module.py:number", "has no class 'number'"),
        ("broken.py:Mine", "'broken.py' could not be imported (ModuleNotFoundError: No module named"),
        ("absent_module:Mine", "'absent_module' could not be imported"),
    ],
)
def test_classes_that_are_not_there_are_told(name, said, harmonium):
    before = list(sys.path)
    assert said in harmonium.refused("sample", "mine", "--classes", name)
    assert sys.path == before


def test_data_without_a_name_is_asked_for_and_compared(harmonium):
    words = ("evaluate", "mine", *CLASS)
    said = harmonium.refused(*words)
    assert "was started from Python with arrays, so its data has no name here" in said
    assert "np.savez('data.npz', train=x, valid=v, test=t), and give it with --data data.npz" in said
    assert "check the path" in harmonium.refused(*words, "--data", "absent.npz")
    said = harmonium.refused(*words, "--data", "other.npz")
    assert "The training rows of 'other.npz' are not those of the run in 'mine' (hash " in said
    assert "has no test rows: choose --split train" in harmonium.refused(*words, "--data", "rows.npy")
    assert "n = 20; rows.npy train" in harmonium.done(*words, "--data", "rows.npy", "--split", "train")


def test_data_by_name_is_found_as_it_was_read(harmonium):
    assert "fixed(seed=2)" in harmonium.done("evaluate", "digits")


def test_a_file_that_has_moved_is_given(harmonium):
    np.save(harmonium.folder / "here.npy", BITS)
    words = ("--hidden", "2", "--epochs", "1", "--batch-size", "8", "--chains", "4")
    harmonium.done("train", "rbm", "--data", "here.npy", *words, "--out", "moved")
    (harmonium.folder / "here.npy").rename(harmonium.folder / "there.npy")
    assert "check the path" in harmonium.refused("evaluate", "moved")
    assert "there.npy test" in harmonium.done("evaluate", "moved", "--data", "there.npy")
    assert "has changed since" in harmonium.refused("evaluate", "moved", "--data", "rows.npy")


def test_a_run_folder_is_loaded_in_python(folder):
    with pytest.raises(InputError, match=r"a class 'Mine' .* hm.load\(path, classes=\[Mine\]\)"):
        hm.load(folder / "mine")
    assert RunFolder.open(folder / "mine").about["classes"] == {"Mine": str(folder / "my_module.py")}
    assert hm.load(folder / "digits").W.shape == (64, 2)
    assert hm.load(str(folder / "digits") + "/").W.shape == (64, 2)
