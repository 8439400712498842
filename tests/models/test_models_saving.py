"""Models on disk: every model comes back as it was, and no damaged or foreign file passes for one."""

from __future__ import annotations

import hashlib
import json
import os
import pickle

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from examples import CENTRED, OTHERS, RBMS
from harmonium.errors import HarmoniumError, InputError, RunError
from harmonium.models import RBM, Independent, load, save
from harmonium.units import Bernoulli

SAVED = RBMS | CENTRED | {name: model for name, model in OTHERS.items() if isinstance(model, Independent)}
MODEL = RBM(Bernoulli(8), Bernoulli(4), key=jax.random.key(0))


@pytest.fixture
def path(tmp_path):
    return save(MODEL, tmp_path / "rbm.safetensors")


@pytest.mark.parametrize("name", SAVED)
def test_a_model_comes_back_as_it_was(name, tmp_path):
    model = SAVED[name]
    back = load(save(model, tmp_path / name))
    assert jax.tree.structure(back) == jax.tree.structure(model)  # classes and static fields too
    for a, b in zip(jax.tree.leaves(back), jax.tree.leaves(model), strict=True):
        assert (a.dtype, np.asarray(a).tobytes()) == (b.dtype, np.asarray(b).tobytes())


def test_arrays_keep_their_order_in_memory(tmp_path):
    turned = eqx.tree_at(lambda m: m.W, MODEL, np.asfortranarray(np.arange(32, dtype=np.float32).reshape(8, 4)))
    np.testing.assert_array_equal(load(save(turned, tmp_path / "turned.safetensors")).W, turned.W)


class Mine(eqx.Module):
    """A model of a person's own."""

    inner: RBM
    parts: dict[str, jax.Array]
    rates: list[float]


def test_own_classes_are_named_when_loading(tmp_path):
    mine = Mine(MODEL, {"a": jnp.ones(3)}, [0.5, 2.0])
    path = save(mine, tmp_path / "mine")
    with pytest.raises(InputError, match=r"a class 'Mine' .*: give yours, hm.load\(path, classes=\[Mine\]\)"):
        load(path)
    for classes in ({"Mine": Mine}, [Mine]):
        assert jax.tree.structure(load(path, classes=classes)) == jax.tree.structure(mine)


@pytest.mark.parametrize("classes", [["Mine"], "Mine", {"Mine": "Mine"}, 3])
def test_own_classes_are_classes(path, classes):
    with pytest.raises(InputError, match=r"Your own classes are given as classes=\[MyModel\], not"):
        load(path, classes=classes)


# ---- damage --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [0, 7, 100, -1])
def test_truncated_tensors_are_refused(path, kept):
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match="is damaged"):
        load(path)


@pytest.mark.parametrize("kept", [0, 1, 50, -1])
def test_a_truncated_structure_is_refused(path, kept):
    structure = path.with_suffix(".json")
    structure.write_text(structure.read_text()[:kept])
    with pytest.raises(InputError, match=r"rbm.json' is damaged"):
        load(path)


FOREIGN = ["[]", "3", "null", '"harmonium-model"', "{}", '{"format": "other"}', "\udcff\udcfe", "[" * 100_000]


@pytest.mark.parametrize("text", FOREIGN, ids=range(len(FOREIGN)))
def test_foreign_json_is_refused(path, text):
    path.with_suffix(".json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=r"rbm.json'"):
        load(path)


def rewritten(path, **changes) -> None:
    file = path.with_suffix(".json")
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def nested(depth: int) -> dict:
    inner = {"value": 1}
    for _ in range(depth):
        inner = {"list": [inner]}
    return inner


STRUCTURES = [
    {"type": "os.system", "fields": {}},
    {"type": "RBM", "fields": {}},
    {"type": ["RBM"], "fields": {}},
    {"type": "RBM"},
    {"type": "GaussianBias", "fields": {"other": {"value": 1}}},
    {"tensor": "absent"},
    {"tensor": "W"},
    {"value": {"an": "object"}},
    {"dict": 5},
    {"list": {"value": 1}},
    "tensor",
    [],
    None,
    nested(400),
]


@pytest.mark.parametrize("structure", STRUCTURES, ids=range(len(STRUCTURES)))
def test_structures_that_are_no_model_are_refused(path, structure):
    rewritten(path, model=structure)
    with pytest.raises(InputError):
        load(path)


def test_another_version_is_refused(path):
    rewritten(path, version=99)
    with pytest.raises(InputError, match="in version 99 of the format, and this one reads up to 2"):
        load(path)


def test_the_structure_of_another_model_is_refused(path, tmp_path):
    other = save(RBMS["rbm-spin-gaussian"], tmp_path / "other")
    path.with_suffix(".json").write_bytes(other.with_suffix(".json").read_bytes())
    with pytest.raises(InputError, match=r"does not belong to 'rbm.json'"):
        load(path)


@pytest.mark.parametrize("missing", [".safetensors", ".json"])
def test_one_file_of_the_two_is_not_enough(path, missing):
    path.with_suffix(missing).unlink()
    with pytest.raises(InputError, match=f"rbm{missing}'"):
        load(path)


@pytest.mark.parametrize("name", ["rbm.pkl", "rbm.json", "rbm.npz"])
def test_other_endings_are_refused(name, tmp_path):
    for use in (lambda: save(MODEL, tmp_path / name), lambda: load(tmp_path / name)):
        with pytest.raises(InputError, match=r"ends in .safetensors"):
            use()
    assert list(tmp_path.iterdir()) == []


class Bomb:
    """Runs code where a file is unpickled."""

    def __reduce__(self):
        return os.mkdir, (os.environ["HARMONIUM_BOMB"],)


def test_loading_runs_no_code(path, tmp_path, monkeypatch):
    monkeypatch.setenv("HARMONIUM_BOMB", str(tmp_path / "exploded"))
    data = pickle.dumps(Bomb())
    path.write_bytes(data)
    rewritten(path, sha256=hashlib.sha256(data).hexdigest())
    with pytest.raises(InputError, match="not a model that this version can read"):
        load(path)
    assert not (tmp_path / "exploded").exists()


def test_no_model_and_no_name_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"A model is saved, not 'rbm': call hm.save\(model, path\)"):
        save("rbm", tmp_path / "rbm")
    for name in ("", None, MODEL):
        for act in (lambda name: save(MODEL, name), load):
            with pytest.raises(InputError, match=r"A model file has a name, such as 'rbm\.safetensors', not"):
                act(name)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_saved_is_named(tmp_path):
    odd = Mine(MODEL, {"a": jnp.ones(3), "f": len}, [])
    with pytest.raises(InputError, match=r"the function len \(at 'parts.f'\)"):
        save(odd, tmp_path / "odd")
    assert list(tmp_path.iterdir()) == []


# ---- writing that fails --------------------------------------------------------------------------------------


@pytest.mark.parametrize("failing", ["first", "second"])
def test_a_failed_write_leaves_the_old_model(path, failing, monkeypatch):
    real, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == (1 if failing == "first" else 2):
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"could not be written \(No space left on device\).*is unchanged"):
        save(RBMS["rbm-spin-gaussian"], path)
    np.testing.assert_array_equal(load(path).W, MODEL.W)
    assert sorted(file.name for file in path.parent.iterdir()) == ["rbm.json", "rbm.safetensors"]


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="could not be written"):
        save(MODEL, tmp_path / "file" / "rbm")


def test_the_folder_of_a_run_stands_for_its_model(tmp_path):
    rbm = RBM(Bernoulli(4), Bernoulli(2), key=jax.random.key(0))
    (tmp_path / "run.v2").mkdir()
    with pytest.raises(InputError, match=r"holds no run and no model .*: give the folder that training wrote"):
        load(tmp_path / "run.v2")
    (tmp_path / "run.v2" / "run.json").write_text("{}")
    with pytest.raises(InputError, match=r"The run in .* has no model yet: finish it with --resume"):
        load(tmp_path / "run.v2")
    save(rbm, tmp_path / "run.v2" / "model.safetensors")
    np.testing.assert_array_equal(load(tmp_path / "run.v2").W, rbm.W)
    (tmp_path / "name").mkdir()
    save(rbm, tmp_path / "name")
    np.testing.assert_array_equal(load(tmp_path / "name").W, rbm.W)  # the file name.safetensors beside the folder


def test_a_structure_that_was_changed_is_refused(path):
    """JSON that is damaged may be JSON still: its checksum tells. A file of the first version has none, and is read."""
    description = path.with_suffix(".json")
    record = json.loads(description.read_text())
    changed = json.loads(description.read_text().replace('"value": 4', '"value": 5', 1))
    assert changed != record
    description.write_text(json.dumps(changed))
    with pytest.raises(InputError, match=r"damaged \(the SHA-256 of its structure differs"):
        load(path)
    record.pop("structure_sha256")
    description.write_text(json.dumps(record, sort_keys=True))
    with pytest.raises(InputError, match=r"damaged \(the SHA-256 of its structure differs"):
        load(path)
    description.write_text(json.dumps(record | {"version": 1}, sort_keys=True))
    load(path)


@pytest.mark.parametrize("name", ["x" * 5000, "x" * 250 + ".safetensors", "a\0b", "a\0b.safetensors"])
def test_names_that_no_file_has_are_refused(name, tmp_path):
    with pytest.raises(InputError, match=r"shorter name|has a name"):
        load(name)
    with pytest.raises(HarmoniumError):
        save(RBMS["rbm-bernoulli-bernoulli"], tmp_path / name)
