"""Recipes: one function an experiment, that puts the parts together and refuses what they cannot do."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import signal
import subprocess
import sys
import typing
from contextlib import suppress

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.io

from harmonium.data import from_arrays, load
from harmonium.errors import InputError, RunError
from harmonium.evaluation import ErrorRate, Estimate, log_likelihood
from harmonium.models import RBM, Centred, weights
from harmonium.objectives import CD, MaxNorm, Sparse
from harmonium.recipes import RECIPES, published, recipe, sequences
from harmonium.recipes.common import data_of, new_folder
from harmonium.recipes.layers import class_unit, visible_unit
from harmonium.recipes.measuring import error_of, held_out
from harmonium.recipes.optimizers import sgd
from harmonium.recipes.rules import RBM_RULES, constrained, learning_rule
from harmonium.signals import Interrupt
from harmonium.training import RunFolder, check_data
from harmonium.units import Bernoulli, Categorical, Gaussian, Spin
from plainly import FLAGS

RBM8 = RBM(Bernoulli(8), Bernoulli(4), key=jax.random.key(0))
BITS = (np.random.default_rng(0).random((40, 8)) < 0.4).astype(np.float32)


ROLLS = ("vrnn", "rnnrbm", "rtrbm", "crbm")
FILES = dict.fromkeys(("rnade", "ssrbm", "s3c", "mcrbm", "pot"), "real") | dict.fromkeys(ROLLS, "rolls")
SIZES = {
    "boltzmann": {"hidden": 4, "couplings": "restricted", "chains": 16},
    "rbm": {"hidden": 4, "chains": 16},
    "dbm": {"hidden": "4,3", "chains": 16},
    "dbn": {"hidden": "4,3", "greedy_epochs": 2, "chains": 16},
    "mpdbm": {"hidden": "4,3", "classes": True},
    "classifier": {"hidden": "4,3", "greedy_epochs": 2},
    "fvbn": {},
    "made": {"hidden": "5"},
    "nade": {"hidden": 4},
    "rnade": {"hidden": 4, "components": 2},
    "ssrbm": {"hidden": 4, "chains": 16},
    "s3c": {"hidden": 4},
    "mcrbm": {"hidden": 4, "means": 2, "chains": 16},
    "pot": {"factors": 4, "chains": 16},
    "orderless": {"hidden": "4,3", "orders": 2},
    "nadek": {"hidden": "4", "steps": 2, "orders": 2},
    "sbn": {"hidden": "4", "objective": "nvil"},
    "bihm": {"hidden": "4,3", "samples": 3},
    "vae": {"latent": "2", "hidden": "6", "objective": "iwae", "samples": 3},
    "draw": {"latent": 2, "hidden": 5, "steps": 2},
    "vrnn": {"latent": 2, "hidden": 5, "networks": "4"},
    "rnnrbm": {"hidden": 4, "recurrent": 3, "rank": 1},
    "rtrbm": {"hidden": 4},
    "crbm": {"hidden": 4, "order": 1},
}


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
    with pytest.raises(InputError, match=r"go up to 1000000, .* more classes than there are training rows \(4\)"):
        unit([0, 1, 1_000_000, 0], [0, 1])
    with pytest.warns(UserWarning, match=r"go up to 9, but 8 of these 10 classes .* \(the first is class 0\)"):
        assert unit([1, 2, 2, 1], [0, 9]).states == 10
    with pytest.warns(UserWarning, match=r"1 of these 3 classes .* first is class 0 \(ant\)\): leave them out"):
        assert unit(["cat", "bee", "bee", "cat"], ["bee", "ant"]).states == 3


def test_decay_and_schedule_act_where_they_should():
    model = Centred(RBM8)
    mask = weights(model)
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


def measurements(n: int) -> np.ndarray:
    return np.random.default_rng(0).normal([500.0, -3.0, 0.0], [20.0, 0.1, 1.0], (n, 3))


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A file of bits with labels, and no reports."""
    monkeypatch.setattr("harmonium.report.write_report", lambda *_, **__: None)
    np.savez(tmp_path / "bits.npz", x=BITS, y=BITS[:, 0].astype(int))
    np.savez(tmp_path / "real.npz", x=measurements(len(BITS)))
    np.savez(tmp_path / "rolls.npz", x=BITS.reshape(-1, 2, 4).astype(np.int8))
    return str(tmp_path / "bits.npz")


AIS = {"ais_chains": 4, "temperatures": 5}
STAGED = {"classifier": 2, "classifier from a dbm": 3, "dbn": 2, "dbm": 2}  # how many runs of parts there are
WHOLE = {
    "boltzmann": {"hidden": 2, **AIS},
    "rbm": {"hidden": 4, "objective": "fpcd", **AIS},
    "dbm": {"hidden": "4,3", "pretraining": 2, "classes": True, **AIS},
    "dbn": {"hidden": "4,3", "greedy_epochs": 2, **AIS},
    "mpdbm": {"hidden": "4,3", **AIS},
    "classifier": {"hidden": "4,3", "greedy_epochs": 2},
    "classifier from a dbm": {"hidden": "4,3", "greedy_epochs": 2, "joint_epochs": 2, "from_": "dbm"},
    "fvbn": {"average": 0.9},
    "made": {"hidden": "4,3", "order_seed": 1},
    "nade": {"hidden": 4, "visible": "columns"},
    "rnade": {"hidden": 4, "components": 2, "kind": "laplace", "standardize": True},
    "ssrbm": {"hidden": 4, "slabs": 2, **AIS},
    "s3c": {"hidden": 3, "standardize": True},
    "mcrbm": {"hidden": 3, "means": 2, **AIS},
    "pot": {"factors": 3, "means": 2, **AIS},
    "orderless": {"hidden": "4,3", "orders": 3},
    "nadek": {"hidden": "4", "steps": 2},
    "sbn": {"hidden": "4,3", "recognition": "5", "prior": "fvbn"},
    "bihm": {"hidden": "4"},
    "vae": {"latent": "2,1", "hidden": "6"},
    "draw": {"latent": 2, "hidden": 5, "steps": 2},
    "vrnn": {"latent": 2, "hidden": 5, "networks": "4"},
    "rnnrbm": {"hidden": 3, "recurrent": 3, "cell": "gru"},
    "rtrbm": {"hidden": 3},
    "crbm": {"hidden": 3, "order": 1},
}


class Killed(BaseException):
    """What a process hears of before its first checkpoint, and cannot answer."""


def killed(*_: object) -> None:
    raise Killed


class Stopping(Interrupt):
    """Ctrl-C in every chunk."""

    def __enter__(self) -> Interrupt:
        self.number = signal.SIGINT
        return self


@pytest.mark.slow
@pytest.mark.parametrize("name", WHOLE)
def test_a_run_that_is_stopped_again_and_again_ends_as_one_that_is_not(name, table, tmp_path):
    function = recipe(name.split()[0])
    table = table.replace("bits", FILES.get(name, "bits"))
    options = {"epochs": 2, "batch_size": 10, **WHOLE[name]}
    whole = function(table, **options, out=tmp_path / "whole")
    runs = sorted(path.parent.name for path in (tmp_path / "whole").glob("stages/*/model.safetensors"))
    assert len(runs) == STAGED.get(name, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.import_module("harmonium.training.log"), "Checkpoints", killed)
        with pytest.raises(Killed):
            function(table, **options, out=tmp_path / "stopped")
    assert not list((tmp_path / "stopped").rglob("checkpoints"))
    stops, run = 0, None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.import_module("harmonium.training.fit"), "Interrupt", Stopping)
        while run is None or not run.finished:
            with suppress(RunError):  # of a stage
                run = function(table, **options, out=tmp_path / "stopped", resume=True)
            stops += 1
            assert stops < 20
    assert stops == 2 + len(runs)  # one chunk of each, and the end of it with the first chunk of the next
    for ours, theirs in zip(jax.tree.leaves(run.model), jax.tree.leaves(whole.model), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert run.estimate.value == whole.estimate.value


@pytest.mark.slow
def test_stages_leave_metrics_and_give_way_to_force(table, tmp_path):
    options = {"hidden": "4,3", "greedy_epochs": 1, "epochs": 1, "batch_size": 10, "out": tmp_path / "run"}
    recipe("classifier")(table, **options)
    stage = RunFolder.open(tmp_path / "run" / "stages" / "2")
    assert [line["step"] for line in stage.metrics] == [3]
    recipe("classifier")(table, **options | {"greedy_epochs": 0}, force=True)
    assert not (tmp_path / "run" / "stages").exists()


@pytest.mark.slow
def test_classifiers_are_judged_by_their_classes(table, tmp_path):
    options = {"hidden": "4,3", "greedy_epochs": 0, "joint_epochs": 1, "from_": "dbm", "epochs": 1, "batch_size": 10}
    run = recipe("classifier")(table, **options, out=tmp_path / "run")
    assert isinstance(run.estimate, ErrorRate)
    assert run.folder.error_rates["test"].errors == run.estimate.errors
    assert run.folder.estimates == {}
    data = data_of(run.folder)  # rows beside the inferred means of h2
    assert data.train.shape == (32, 8 + 3)
    assert error_of(run.model, data, "test", data.test) == run.estimate
    with pytest.raises(InputError, match="this model answers"):
        log_likelihood(run.model, data.test)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("vae", {"objective": "cd"}, "choose elbo or iwae"),
        ("vae", {"latent": ""}, "at least one latent layer"),
        ("vae", {"hidden": "8,x"}, "with commas between"),
        ("vae", {"convolution": "4"}, "leave --convolution out"),
        ("vae", {"samples": 0}, "at least one sample"),
        ("sbn", {"objective": "cd"}, "choose one of rws"),
        ("sbn", {"objective": "vimco", "samples": 1}, "at least 2 samples"),
        ("sbn", {"prior": "flat"}, "choose one of factorial, fvbn"),
        ("draw", {"attention": "2"}, "leave --attention out"),
        ("vrnn", {}, "holds no sequences"),
        ("rnnrbm", {}, "holds no sequences"),
        ("rtrbm", {"standardize": True}, "Sequences are not standardized here"),
        ("crbm", {"learning_rate": 0.0}, "takes a positive learning rate|holds no sequences"),
        ("classifier", {"from_": "rbm"}, "dbn or a dbm"),
        ("classifier", {"from_": "dbm", "hidden": "4"}, "two hidden layers"),
        ("classifier", {"visible": "categorical"}, "values, not codes"),
        ("classifier", {"greedy_epochs": -1}, "no negative number of epochs"),
        ("classifier", {"drop_hidden": 1.0}, "below 1"),
        ("classifier", {"fine_rate": 0.0}, "positive learning rate"),
        ("classifier", {"hidden": "4,x"}, "with commas"),
        ("mpdbm", {"sweeps": 0}, "at least one sweep"),
        ("mpdbm", {"max_masked": 2.0}, "from 0 to 1"),
        ("boltzmann", {"couplings": "lattice"}, "no pictures"),
        ("boltzmann", {"couplings": "torus"}, "dense, lattice or restricted"),
        ("boltzmann", {"couplings": "restricted"}, "--hidden"),
        ("boltzmann", {"couplings": "dense", "edges": "e.csv"}, "leave one of them out"),
        ("boltzmann", {"edges": "absent.csv"}, "no file"),
        ("boltzmann", {"hidden": -1}, "negative"),
        ("boltzmann", {"hidden": 30, "objective": "exact"}, "choose --objective pcd"),
        ("boltzmann", {"hidden": 2, "objective": "pseudo"}, "act on each other"),
        ("boltzmann", {"objective": "fpcd"}, "choose one of pcd, cd, exact, pseudo, ratio"),
        ("boltzmann", {"hidden": 2, "hidden_units": "gaussian"}, "use an RBM"),
        ("rbm", {"sparsity": 2.0}, "target between 0 and 1"),
        ("rbm", {"max_norm": 0.0}, "limit of a norm"),
        ("rbm", {"hidden_units": "spin", "sparsity": 0.1}, "Bernoulli hidden units"),
    ],
)
def test_what_no_recipe_can_do_is_refused_before_it_starts(name, options, said, table, tmp_path):
    with pytest.raises(InputError, match=said):
        recipe(name)(table, **{"epochs": 1, "batch_size": 10} | options, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [("0,1\n2\n", "column"), ("0,1.5\n", "whole numbers"), ("0,9\n", "not there"), ("1,1\n", "to itself"),
     ("0,1,2\n", "two whole numbers"), ("0,1\n1,0\n", "given twice")],
)  # fmt: skip
def test_files_of_edges_are_checked(text, said, table, tmp_path):
    (tmp_path / "edges.csv").write_text(text)
    with pytest.raises(InputError, match=said):
        recipe("boltzmann")(table, edges=str(tmp_path / "edges.csv"), epochs=1, batch_size=10)


@pytest.mark.parametrize("couplings", ["lattice", "edges"])
def test_couplings_are_those_that_are_asked_for(couplings, tmp_path, monkeypatch):
    monkeypatch.setattr("harmonium.report.write_report", lambda *_, **__: None)
    np.save(tmp_path / "pictures.npy", BITS.reshape(-1, 2, 4))
    (tmp_path / "edges.csv").write_text("unit,other\n0,5\n7,2\n")
    asked = {"couplings": couplings, "hidden": 1} if couplings == "lattice" else {"edges": str(tmp_path / "edges.csv")}
    run = recipe("boltzmann")(str(tmp_path / "pictures.npy"), **asked, epochs=1, batch_size=10, objective="pseudo")
    found = np.argwhere(np.triu(np.asarray(run.model.U)))
    if couplings == "edges":
        assert found.tolist() == [[0, 5], [2, 7]]
    else:
        assert len(found) == 4 + 6 + 8  # below, to the right, and of every pixel with the hidden unit
    assert run.estimate.kind == "exact"


# ---- learning rules by name ------------------------------------------------------------------------------------

ASKED = {"steps": 1, "chains": 4, "rungs": 3, "fast_rate": 0.05, "sites": 2, "ratio": 2, "noise": 0.3}
VISIBLE = {"bernoulli": Bernoulli(8), "spin": Spin(8), "categorical": Categorical(8, states=3), "gaussian": Gaussian(8)}
REFUSED = {
    "bernoulli": {"score", "denoising"},
    "spin": {"score", "denoising"},
    "categorical": {"score", "denoising", "ratio"},
    "gaussian": {"pseudo", "ratio"},
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", VISIBLE)
def test_every_rule_takes_a_step_or_is_refused_with_another_one(kind):
    """Traced, not run: the rules have tests of their own."""
    model = Centred(RBM(VISIBLE[kind], Bernoulli(4), key=jax.random.key(0)))
    batch = np.zeros((5, 8), np.float32) + (1 if kind == "spin" else 0)
    batch = jnp.asarray(batch, VISIBLE[kind].dtype)
    for name in RBM_RULES:
        asked = ASKED | {"objective": name}
        if name in REFUSED[kind]:
            with pytest.raises(InputError, match="choose --objective"):
                learning_rule(asked, model, np.asarray(batch))
            continue
        ours, rule = learning_rule(asked, model, np.asarray(batch))
        memory = rule.init(ours, jax.random.key(1))
        loss, _ = eqx.filter_eval_shape(rule, ours, batch, jax.random.key(2), memory)
        assert loss.shape == ()


def test_constraints_wrap_the_rule():
    asked = {"sparsity": 0.2, "sparsity_strength": 3.0, "max_norm": 2.0}
    rule = constrained(asked, CD())
    assert repr(rule) == repr(MaxNorm(Sparse(CD(), 0.2, strength=3.0), 2.0))
    assert constrained(dict.fromkeys(asked), rule) is rule


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
from harmonium.compiling import whole_entries
from harmonium.evaluation import ErrorRate
from harmonium.recipes import recipe
whole_entries()
assert jax.device_count() == {devices}
for name, options in {asked}.items():
    run = recipe(name)(epochs=7, batch_size=300, **options)
    kind = "error rate" if isinstance(run.estimate, ErrorRate) else run.estimate.kind
    print(json.dumps([run.step, kind, run.estimate.value, [line["loss"] for line in run.metrics]]))
"""
NETWORKS = (
    "fvbn",
    "made",
    "nade",
    "rnade",
    "orderless",
    "nadek",
)  # quick ones, which share a process; a neural one is a MADE of another shape
DIRECTED = ("sbn", "bihm", "vae", "draw", "vrnn")
REAL = ("ssrbm", "s3c", "mcrbm", "pot")
CONTEXTS = ("rnnrbm", "rtrbm", "crbm")
TOGETHER = (NETWORKS, DIRECTED, REAL, CONTEXTS)
ASKED_TOGETHER = [*((name,) for name in SIZES if not any(name in names for names in TOGETHER)), *TOGETHER]


# Simulated devices share two threads: of sums that do not wait for each other each device might take another one first,
# and then both wait for ever.
FAST = f"{FLAGS} --xla_cpu_enable_concurrency_optimized_scheduler=false"


@pytest.mark.slow
@pytest.mark.parametrize("names", ASKED_TOGETHER, ids=" ".join)
def test_twenty_steps_on_one_device_and_on_two(names, tmp_path):
    np.save(tmp_path / "real.npy", measurements(1200))
    np.save(tmp_path / "rolls.npy", np.random.default_rng(0).integers(0, 2, (1200, 3, 4)).astype(np.int8))
    asked = {n: SIZES[n] | ({"data": str(tmp_path / f"{FILES[n]}.npy")} if n in FILES else {}) for n in names}

    def run(devices: int) -> list[list]:
        flags = {
            "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices} {FAST}",
            "JAX_PLATFORMS": "cpu",
            "JAX_COMPILATION_CACHE_DIR": jax.config.jax_compilation_cache_dir or "",
        }
        code = TWENTY_STEPS.format(devices=devices, asked=asked)
        done = subprocess.run([sys.executable, "-c", code], env=os.environ | flags, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        return [json.loads(line) for line in done.stdout.splitlines()]

    kinds = {"dbn": "lower", "mpdbm": "error rate", "classifier": "error rate"}
    kinds |= dict.fromkeys(("bihm", "vae", "draw", "vrnn"), "lower") | {"pot": "interval"}
    for name, one, two in zip(names, run(1), run(2), strict=True):
        assert one[:2] == two[:2] == [21, kinds.get(name, "exact")]
        assert one[2] == pytest.approx(two[2], abs=1e-3)  # of an error rate: the same rows are wrong
        np.testing.assert_allclose(one[3], two[3], atol=1e-3)


def test_own_sequences_of_unlike_length_fit_a_recurrent_network(tmp_path):
    """Cells as the piano rolls have them, and the marginals of the frames that are there."""
    rolls = [np.ones((4, 3)), np.zeros((2, 3)), np.ones((1, 3))]
    cells = np.empty((1, 3), object)
    cells[0, :] = rolls
    scipy.io.savemat(tmp_path / "own.mat", {"traindata": cells, "validdata": cells[:, :1], "testdata": cells[:, 1:]})
    data = load(tmp_path / "own.mat")
    model = sequences.started(data, 2, 5, [4], jax.random.key(0))
    check_data(model, data)
    assert (model.visible.unit, model.visible.frames) == (Bernoulli(3), 4)
    np.testing.assert_allclose(model.decoder.b[-1], np.log(5.5 / 2.5), rtol=1e-5)  # of 5 in 7, beside one pseudo-count
