"""Runs that begin with the model of another: of every recipe of one model, and of no other form."""

from __future__ import annotations

import importlib
import shutil

import equinox as eqx
import jax
import numpy as np
import pytest

from harmonium.errors import InputError
from harmonium.models import load
from harmonium.recipes import RECIPES, recipe
from harmonium.training import Run, RunFolder

COMMON = importlib.import_module("harmonium.recipes.common")
BITS = (np.random.default_rng(0).random((40, 8)) < 0.4).astype(np.float32)
OPTIONS = {
    "boltzmann": {"hidden": 2},
    "rbm": {"hidden": 4, "objective": "nce"},
    "dbm": {"hidden": "4,3", "pretraining": 1, "classes": True},
    "dbn": {"hidden": "4,3", "greedy_epochs": 1},
    "mpdbm": {"hidden": "4,3", "classes": True},
    "made": {"hidden": "4,3", "order_seed": 1},
    "nade": {"hidden": 4},
    "rnade": {"hidden": 4, "components": 2},
    "ssrbm": {"hidden": 4, "average": None},
    "s3c": {"hidden": 4, "average": None},
    "mcrbm": {"hidden": 4, "means": 2, "average": None},
    "pot": {"factors": 4, "average": None},
    "orderless": {"hidden": "4,3", "orders": 3},
    "nadek": {"hidden": "4", "steps": 2},
    "sbn": {"hidden": "4,3", "prior": "fvbn"},
    "bihm": {"hidden": "4"},
    "vae": {"latent": "2,1", "hidden": "6"},
    "draw": {"latent": 2, "hidden": 5, "steps": 2},
    "vrnn": {"latent": 2, "hidden": 5, "networks": "4"},
    "rnnrbm": {"hidden": 4, "recurrent": 3},
    "rtrbm": {"hidden": 4},
    "crbm": {"hidden": 4, "order": 1},
}
UNSTAGED = {"dbm": {"pretraining": 0, "centred": False}, "dbn": {"greedy_epochs": 0}}  # the same models, sooner
REAL = ("rnade", "ssrbm", "s3c", "mcrbm", "pot")  # recipes of measurements
FILES = dict.fromkeys(REAL, "real") | dict.fromkeys(("vrnn", "rnnrbm", "rtrbm", "crbm"), "rolls")


@pytest.fixture
def table(tmp_path):
    np.savez(tmp_path / "bits.npz", x=BITS, y=BITS[:, 0].astype(int))
    np.savez(tmp_path / "real.npz", x=np.random.default_rng(0).normal(size=(40, 3)))
    np.savez(tmp_path / "rolls.npz", x=BITS.reshape(-1, 2, 4).astype(np.int8))
    return lambda name: str(tmp_path / f"{FILES.get(name, 'bits')}.npz")


@pytest.fixture
def started(monkeypatch):
    """What `fit` is given to start with. It trains nothing: the model in the folder has its numbers moved."""
    models = []

    def watched(model, *_, out, about, **__):
        models.append(model)
        moved = jax.tree.map(lambda leaf: leaf + 0.5 if eqx.is_inexact_array(leaf) else leaf, model)
        folder = RunFolder.create(out, about)
        folder.save_model(moved)
        return Run(moved, [], 1, folder=folder)

    monkeypatch.setattr(COMMON, "fit", watched)
    return models


@pytest.fixture(autouse=True)
def _nothing_is_measured(monkeypatch):
    monkeypatch.setattr(COMMON, "measured", lambda *_, **__: None)


def bits(tree) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree) if hasattr(leaf, "shape")]


@pytest.mark.parametrize("name", [name for name in RECIPES if name != "classifier"])
def test_a_run_begins_with_the_model_of_another(name, table, started, tmp_path):
    options = {"epochs": 1, "batch_size": 10, **OPTIONS.get(name, {})}
    first = recipe(name)(table(name), **options | UNSTAGED.get(name, {}), out=tmp_path / "first")
    recipe(name)(table(name), **options, seed=5, from_=str(tmp_path / "first"), out=tmp_path / "next")
    assert bits(eqx.filter(started[-1], eqx.is_inexact_array)) == bits(eqx.filter(first.model, eqx.is_inexact_array))
    assert not (tmp_path / "next" / "stages").exists()
    about = RunFolder(tmp_path / "next").about
    assert about["from"]["run"] == about["arguments"]["from_"] == str(tmp_path / "first")
    if name in ("orderless", "nadek"):  # whose orders are not learned, and follow from the seed
        assert bits(started[-1].orders) != bits(first.model.orders)
    assert bits(load(tmp_path / "first")) == bits(first.model)


def killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_it_goes_on_like_any_other(table, tmp_path, monkeypatch):
    """Before its first checkpoint with the same model to begin with, and after it without the other run."""
    options = {"epochs": 2, "batch_size": 10, "hidden": 4}
    recipe("nade")(table("nade"), **options, out=tmp_path / "a")
    recipe("nade")(table("nade"), **options, seed=1, out=tmp_path / "b")
    new = options | {"from_": str(tmp_path / "a")}
    whole = recipe("nade")(table("nade"), **new, out=tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(importlib.import_module("harmonium.training.log"), "Checkpoints", killed)
        with pytest.raises(KeyboardInterrupt):
            recipe("nade")(table("nade"), **new, out=tmp_path / "run")
    shutil.move(tmp_path / "a", tmp_path / "away")
    with pytest.raises(InputError, match="a' holds no run"):
        recipe("nade")(table("nade"), **new, out=tmp_path / "run", resume=True)
    shutil.copytree(tmp_path / "b", tmp_path / "a")
    with pytest.raises(InputError, match="started with another from"):
        recipe("nade")(table("nade"), **new, out=tmp_path / "run", resume=True)
    shutil.rmtree(tmp_path / "a")
    shutil.move(tmp_path / "away", tmp_path / "a")
    run = recipe("nade")(table("nade"), **new, out=tmp_path / "run", resume=True)
    assert bits(run.model) == bits(whole.model)
    shutil.rmtree(tmp_path / "a")
    again = recipe("nade")(table("nade"), **new, out=tmp_path / "run", resume=True)
    assert bits(again.model) == bits(whole.model)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"hidden": 5}, r"has NADE\(.*, and this one would train NADE\(.* of 8x5, 8x5, 8, 5: give it the same"),
        ({"activation": "relu"}, "and this one would train"),
        ({"order_seed": 2}, "and this one would train"),
    ],
)
def test_a_model_of_another_form_is_refused(options, said, table, started, tmp_path):
    same = {"epochs": 1, "batch_size": 10, "hidden": 4}
    recipe("nade")(table("nade"), **same, out=tmp_path / "a")
    with pytest.raises(InputError, match=said):
        recipe("nade")(table("nade"), **same | options, from_=str(tmp_path / "a"), out=tmp_path / "b")
    assert not (tmp_path / "b").exists()
    with pytest.raises(InputError, match="this one: choose another --out, or train it longer"):
        recipe("nade")(table("nade"), **same, from_=str(tmp_path / "a"), out=tmp_path / "a", force=True)
    assert load(tmp_path / "a")
