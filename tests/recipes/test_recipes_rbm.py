"""Recipes: one function an experiment, that puts the parts together and refuses what they cannot do."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import typing

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from harmonium.data import from_arrays
from harmonium.errors import InputError
from harmonium.evaluation import Estimate
from harmonium.models import RBM, Centred
from harmonium.recipes import RECIPES, published, recipe
from harmonium.recipes.common import class_unit, data_of, held_out, new_folder, sgd, visible_unit, weights_only
from harmonium.training import RunFolder
from harmonium.units import Bernoulli, Categorical, Gaussian, Spin

RBM8 = RBM(Bernoulli(8), Bernoulli(4), key=jax.random.key(0))
BITS = (np.random.default_rng(0).random((40, 8)) < 0.4).astype(np.float32)


SIZES = {"rbm": {"hidden": 4}, "dbm": {"hidden": "4,3"}, "dbn": {"hidden": "4,3", "greedy_epochs": 2}}


@pytest.mark.parametrize("name", RECIPES)
def test_every_argument_of_a_recipe_says_what_it_is(name):
    function = recipe(name)
    hints = typing.get_type_hints(function, include_extras=True)
    for argument in inspect.signature(function).parameters:
        assert typing.get_origin(hints[argument]) is typing.Annotated, argument
        assert hints[argument].__metadata__[0]
    assert inspect.getdoc(function).endswith(".")


@pytest.mark.parametrize(
    ("rows", "unit"),
    [(BITS, Bernoulli(8)), (BITS.astype(np.uint8), Bernoulli(8)), (BITS * 3.7 - 1, Gaussian(8)),
     ((BITS * 5).astype(int), Categorical(8, states=6))],
)  # fmt: skip
def test_units_follow_the_data(rows, unit):
    found = visible_unit(from_arrays(rows), "auto")
    assert type(found) is type(unit)
    assert (found.size, found.states) == (unit.size, unit.states)


def test_units_by_name():
    assert isinstance(visible_unit(from_arrays(BITS), "spin"), Spin)
    with pytest.raises(InputError, match="no units called 'bernouli'"):
        visible_unit(from_arrays(BITS), "bernouli")
    with pytest.raises(InputError, match="--binarize"):
        visible_unit(from_arrays((BITS * 255).astype(np.uint8)), "auto")


def test_classes_are_those_of_the_labels_of_all_splits():
    def unit(train, test):
        return class_unit(from_arrays(BITS[:4], test=BITS[:2], labels=train, test_labels=test))

    assert unit([0, 1, 2, 0], [1, 2]).states == 3
    with pytest.raises(InputError, match=r"begin at 1, so that class 0 would be empty: count .* \(labels - 1\)"):
        unit([1, 2, 3, 1], [1, 3])
    with pytest.warns(UserWarning, match=r"go up to 9, but 8 of these 10 classes .* \(the first is class 0\)"):
        assert unit([1, 2, 2, 1], [0, 9]).states == 10


def test_decay_and_schedule_act_where_they_should():
    model = Centred(RBM8)
    mask = weights_only(model)
    assert mask.model.W is True
    assert not any(jax.tree.leaves((mask.model.b, mask.model.c, mask.offsets)))
    rule = sgd(0.5, 10, momentum=0.0, weight_decay=0.1, schedule="linear")
    zero = jax.tree.map(jnp.zeros_like, RBM8)
    first, state = rule.update(zero, rule.init(RBM8), RBM8)
    np.testing.assert_allclose(first.W, -0.05 * RBM8.W, rtol=1e-6)
    assert not np.any(first.b)
    for _ in range(9):
        _, state = rule.update(zero, state, RBM8)
    last, _ = rule.update(zero, state, RBM8)
    np.testing.assert_array_equal(last.W, 0.0)  # the rate has fallen to zero
    one = jax.tree.map(jnp.ones_like, RBM8)
    plain = sgd(0.5, 10, momentum=0.9, weight_decay=0.0, schedule="constant")
    _, state = plain.update(one, plain.init(RBM8), RBM8)
    second, _ = plain.update(one, state, RBM8)
    np.testing.assert_allclose(second.b, -0.5 * 1.9, rtol=1e-6)
    assert isinstance(plain, optax.GradientTransformation)


@pytest.mark.parametrize(
    "options", [{"learning_rate": 0.0}, {"learning_rate": float("nan")}, {"momentum": 1.0}, {"weight_decay": -1.0},
                {"schedule": "cosine"}],
)  # fmt: skip
def test_steps_that_cannot_be_taken_are_refused(options):
    defaults = {"learning_rate": 0.1, "steps": 10, "momentum": 0.0, "weight_decay": 0.0, "schedule": "linear"}
    with pytest.raises(InputError):
        sgd(**defaults | options)


def test_the_best_held_out_split_is_taken():
    assert held_out(from_arrays(BITS))[0] == "train"
    assert held_out(from_arrays(BITS, BITS[:3]))[0] == "valid"
    assert held_out(from_arrays(BITS, BITS[:3], BITS[:4]))[0] == "test"


def test_new_folders_have_names_that_are_not_taken(tmp_path):
    first = new_folder("rbm", "/some where/my data.csv", str(tmp_path))
    assert first == tmp_path / "rbm-my_data"
    first.mkdir()
    assert new_folder("rbm", "my data.csv", str(tmp_path)) == tmp_path / "rbm-my_data-2"
    assert new_folder("rbm", None, str(tmp_path)).name == "rbm-digits"


SMALL = {"hidden": 4, "epochs": 2, "batch_size": 10, "chains": 4, "ais_chains": 4, "temperatures": 5}


def test_a_run_of_the_recipe(tmp_path, monkeypatch):
    monkeypatch.setattr("harmonium.report.write_report", lambda *_, **__: None)
    np.save(tmp_path / "bits.npy", BITS)
    run = recipe("rbm")(str(tmp_path / "bits.npy"), **SMALL, out=tmp_path / "run")
    assert run.step == 2 * 3  # 32 of 40 rows train
    assert isinstance(run.model, Centred)
    assert run.estimate.kind == "exact"
    about = RunFolder.open(tmp_path / "run").about
    assert about["recipe"] == "rbm"
    assert about["arguments"]["hidden"] == 4
    assert not {"out", "resume", "force", "progress"} & set(about["arguments"])
    data = data_of(run.folder)
    assert data.space.n == 32
    np.save(tmp_path / "bits.npy", 1 - BITS)
    with pytest.raises(InputError, match="has changed since"):
        data_of(run.folder)


@pytest.mark.parametrize(
    ("options", "said"),
    [({"objective": "cdd"}, "no learning rule 'cdd'"), ({"hidden": 0}, r"needs units, not \[8, 0\]"),
     ({"hidden_units": "relu"}, "no units called 'relu'"), ({"temperatures": 0}, "1 temperature"),
     ({"ais_chains": 1}, "2 chains"), ({"steps": 0}, "steps=0"), ({"chains": 0}, "chains=0"),
     ({"visible": "gaussian", "standardize": True, "binarize": "fixed"}, "standard")],
)  # fmt: skip
def test_what_a_recipe_cannot_do_is_refused_before_it_starts(options, said, tmp_path):
    np.save(tmp_path / "bits.npy", BITS * 0.5)
    defaults = {"binarize": "fixed"} | SMALL
    with pytest.raises(InputError, match=said):
        recipe("rbm")(str(tmp_path / "bits.npy"), **defaults | options, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


# ---- published protocols -------------------------------------------------------------------------------------


def test_a_protocol_replaces_its_section_of_a_page(tmp_path, monkeypatch):
    space = from_arrays(BITS).space
    found = [Estimate(-90.0, 0.5, "exact", n=40, space=space), Estimate(-91, 0.5, "interval", lower=-92.0, upper=-90.0)]

    def run(seed):
        yield published.Result("one", found[0], "-89", 2.0)
        yield published.Result("two", found[1], "-88", 3.0)

    monkeypatch.setitem(published.PROTOCOLS, "tiny", published.Protocol("A tiny one", "Nothing to it.", run))
    page = tmp_path / "results.md"
    page.write_text("# Results\n\nkept\n")
    for _ in range(2):
        published.reproduce("tiny", page=page)
    text = page.read_text()
    assert text.startswith("# Results\n\nkept\n")
    assert text.count("## tiny") == 1
    assert "| one | -90.00 ± 0.50 nats | exact | trust | -89 | 2 s |" in text
    assert "| two | -92.00 to -90.00 nats | interval, gap 2.00 | trust | -88 | 3 s |" in text
    with pytest.raises(InputError, match="no published protocol 'tinny'"):
        published.reproduce("tinny")


TWENTY_STEPS = """
import json, jax
from harmonium.recipes import recipe
assert jax.device_count() == {devices}
run = recipe("{name}")(chains=16, epochs=7, batch_size=300, **{options})
print(json.dumps([run.step, run.estimate.kind, run.estimate.value, [line["loss"] for line in run.metrics]]))
"""


@pytest.mark.parametrize("name", RECIPES)
def test_twenty_steps_on_one_device_and_on_two(name):
    def run(devices: int) -> list:
        flags = {
            "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices} --xla_backend_optimization_level=0",
            "JAX_PLATFORMS": "cpu",
            "JAX_COMPILATION_CACHE_DIR": jax.config.jax_compilation_cache_dir or "",
        }
        code = TWENTY_STEPS.format(devices=devices, name=name, options=SIZES[name])
        done = subprocess.run([sys.executable, "-c", code], env=os.environ | flags, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout)

    one, two = run(1), run(2)
    assert one[:2] == two[:2] == [21, "lower" if name == "dbn" else "exact"]
    assert one[2] == pytest.approx(two[2], abs=1e-3)
    np.testing.assert_allclose(one[3], two[3], atol=1e-3)
