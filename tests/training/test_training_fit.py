"""The loop: its results depend on the model, data, rule, optimizer and seed, and on nothing else."""

from __future__ import annotations

import importlib
import json
import os
import signal
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from harmonium.data import from_arrays
from harmonium.errors import InputError, NonFiniteLossError, RunError
from harmonium.evaluation import log_likelihood
from harmonium.models import DBM, FVBN, RBM, BoltzmannMachine, Centred, OrderlessNADE, load
from harmonium.objectives import CD, PCD, MaximumLikelihood, Objective, PseudoLikelihood
from harmonium.training import Checkpoints, fit
from harmonium.training.form import form
from harmonium.training.monitor import FEW_VARIABLES, Monitor
from harmonium.training.state import final_model
from harmonium.units import Bernoulli, Categorical, Columns, Gaussian

LOOP = importlib.import_module("harmonium.training.fit")
LOG = importlib.import_module("harmonium.training.log")
STATE = importlib.import_module("harmonium.training.state")
CALLBACKS = importlib.import_module("harmonium.training.callbacks")

X = (np.random.default_rng(0).random((80, 8)) < np.linspace(0.1, 0.9, 8)).astype(np.float32)
DATA = from_arrays(X, X[:20], X[:10])
RBM8 = RBM(Bernoulli(8), Bernoulli(4), key=jax.random.key(0))
EPOCHS, PER_EPOCH = 4, 4
RULE = PCD(steps=1, chains=6)
ADAM = optax.adam(0.01)


def trained(model=RBM8, data=DATA, rule=RULE, **options):
    defaults = {"optimizer": ADAM, "epochs": EPOCHS, "batch_size": 20, "key": jax.random.key(3), "monitor": False}
    return fit(model, data, rule, **defaults | options)


@pytest.fixture(scope="module")
def whole():
    """The run of the defaults."""
    return trained()


def bits(tree) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_array))]


def at_step(step: int, action):
    """A callback that acts once, after the chunk that ends at a step."""
    return lambda progress: action() if progress.step == step else None


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def numbers(run) -> list[dict[str, float]]:
    return [{name: x for name, x in line.items() if name != "seconds"} for line in run.metrics]


# ---- going on ------------------------------------------------------------------------------------------------

SETTINGS = {
    "centred-momentum-average": {
        "model": Centred(RBM8), "optimizer": optax.sgd(0.05, momentum=0.9), "average": 0.9, "monitor": True,
    },
    "adam-cd": {"rule": CD(steps=2)},
}  # fmt: skip


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_an_interrupted_run_goes_on_bit_for_bit(settings, tmp_path):
    whole = trained(**settings)
    half = trained(**settings, out=tmp_path / "run", callbacks=[at_step(2 * PER_EPOCH, interrupt)])
    assert (half.finished, half.step) == (False, 2 * PER_EPOCH)
    assert Checkpoints(tmp_path / "run" / "checkpoints").latest == half.step
    assert not (tmp_path / "run" / "model.safetensors").exists()
    rest = trained(**settings, out=tmp_path / "run", resume=True)
    assert (rest.finished, rest.step) == (True, EPOCHS * PER_EPOCH)
    assert bits(rest.state) == bits(whole.state)  # parameters, optimizer, chains, average and step
    assert bits(rest.model) == bits(whole.model) == bits(load(tmp_path / "run" / "model.safetensors"))
    assert numbers(rest) == numbers(whole)


def test_a_second_sigint_stops_at_once():
    def twice():
        interrupt()
        interrupt()

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        trained(callbacks=[at_step(PER_EPOCH, twice)])
    assert signal.getsignal(signal.SIGINT) is before


def test_background_checkpoints_hold_what_was_there(whole, monkeypatch, tmp_path):
    """One after each chunk, while the next chunk reuses the memory of its state."""
    monkeypatch.setattr(LOG, "CHECKPOINT_SECONDS", 0.0)
    trained(out=tmp_path / "run")
    kept = sorted(int(path.name) for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert kept == [3 * PER_EPOCH, 4 * PER_EPOCH]
    (tmp_path / "run" / "checkpoints" / str(kept[-1])).rename(tmp_path / "away")
    assert bits(trained(out=tmp_path / "run", resume=True).state) == bits(whole.state)


def test_a_finished_run_can_be_resumed_and_made_longer(whole, tmp_path):
    first = trained(out=tmp_path / "run", epochs=2)
    again = trained(out=tmp_path / "run", epochs=2, resume=True)
    assert bits(again.state) == bits(first.state)
    longer = trained(out=tmp_path / "run", epochs=EPOCHS, resume=True)
    assert bits(longer.state) == bits(whole.state)


OTHER = {
    "seed": {"key": jax.random.key(4)},
    "objective": {"rule": PCD(steps=2, chains=6)},
    "batch_size": {"batch_size": 10},
    "average": {"average": 0.5},
    "data": {"data": from_arrays(1 - X, X[:20], X[:10])},
    r"another model \(RBM\(.*, now RBM\(": {"model": RBM(Bernoulli(8), Bernoulli(5), key=jax.random.key(0))},
    r"another model \(RBM\(.*, now Centred\(": {"model": Centred(RBM8)},
    r"another model \(RBM\(.*, now DBM\(": {"model": DBM(Bernoulli(8), [Bernoulli(4)], key=jax.random.key(0))},
    "other settings": {"optimizer": optax.sgd(0.1)},
}


def test_other_settings_are_refused_at_resume(tmp_path):
    first = trained(out=tmp_path / "run", epochs=1)
    for what, other in OTHER.items():
        with pytest.raises(InputError, match=what):
            trained(**other, out=tmp_path / "run", resume=True)
    assert bits(trained(out=tmp_path / "run", epochs=1, resume=True).state) == bits(first.state)


CLASSES = DBM(Bernoulli(8), [Bernoulli(4)], Categorical(1, states=3), key=jax.random.key(0))


def test_other_labels_are_refused_at_resume(tmp_path):
    labels = np.arange(80) % 3
    options = {"model": CLASSES, "rule": CD(), "out": tmp_path / "run", "epochs": 1}
    trained(**options, data=from_arrays(X, labels=labels))
    with pytest.raises(InputError, match=r"started with other labels \("):
        trained(**options, data=from_arrays(X, labels=labels[::-1]), resume=True)
    assert trained(**options, data=from_arrays(X, labels=labels), resume=True).finished


def test_a_run_of_a_version_that_recorded_no_model_goes_on(tmp_path):
    first = trained(out=tmp_path / "run", epochs=1)
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    del about["model"]
    first.folder.write_about(about)
    assert trained(out=tmp_path / "run", epochs=1, resume=True).finished


def test_the_form_of_a_machine_says_how_it_is_wired():
    edges = [[(i, i + 1) for i in range(199)], [(i, i + 2) for i in range(198)] + [(0, 1)]]
    chain, other = (form(BoltzmannMachine(Bernoulli(200), edges=pairs, key=jax.random.key(0))) for pairs in edges)
    assert chain != other
    assert max(len(chain), len(other)) < 400  # and not a number for each unit


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_labels_of_every_split_must_be_classes_of_the_model(split):
    labels = {"train": np.arange(80) % 3, "valid": np.arange(20) % 3, "test": np.arange(10) % 3}
    labels[split] = labels[split] + 1
    data = from_arrays(
        X, X[:20], X[:10], labels=labels["train"], valid_labels=labels["valid"], test_labels=labels["test"]
    )
    with pytest.raises(InputError, match=f"The {split} labels of 'array' do not fit .* 3 states .* holds 3 in row"):
        trained(CLASSES, data, CD())


@pytest.mark.parametrize("steps", [1, 3])
def test_the_length_of_chunks_changes_nothing(steps, whole, monkeypatch):
    monkeypatch.setattr(LOOP, "CHUNK_BYTES", steps * 20 * DATA.train[:1].nbytes)
    cut = trained()
    assert [line["step"] for line in cut.metrics] == [*range(steps, 16, steps), 16]
    for a, b in zip(jax.tree.leaves(cut.state), jax.tree.leaves(whole.state), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


# ---- what can go wrong ---------------------------------------------------------------------------------------


def finite(tree) -> bool:
    return all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_inexact_array)))


@pytest.mark.parametrize(("rate", "batch_size"), [(1e3, 20), (1e30, 80)])  # 80: one step a chunk
def test_a_diverging_run_stops_at_its_last_good_point(rate, batch_size, tmp_path):
    x = np.random.default_rng(1).normal(size=(80, 8)).astype(np.float32)
    model = RBM(Gaussian(8), Bernoulli(4), key=jax.random.key(0), scale=0.1)
    options = {"data": x, "rule": CD(), "batch_size": batch_size, "optimizer": optax.sgd(rate)}
    with pytest.raises(NonFiniteLossError, match=r"at step \d+ \(seed 3\).*smaller learning rate") as caught:
        trained(model, **options, out=tmp_path / "run")
    run = caught.value.run
    assert f"step {run.step} " in str(caught.value)
    assert not run.finished
    assert finite(run.model)
    kept = Checkpoints(tmp_path / "run" / "checkpoints")
    assert kept.latest == run.step
    assert finite(kept.restore(run.state))
    for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)


class Spoiled(Objective):
    """A rule whose loss is finite and whose gradient is not."""

    def __call__(self, model, batch, key, memory):
        return jnp.sum(jnp.sqrt(model.W * 0.0)), (memory, {})


def test_parameters_that_are_not_finite_do_not_pass_for_a_model():
    with pytest.raises(
        NonFiniteLossError, match=r"step 1 .* of step 0 is in this error's `run`, and nothing was written"
    ) as caught:
        trained(rule=Spoiled(), epochs=1, batch_size=80)
    assert bits(caught.value.run.model) == bits(RBM8)


KINDS = {
    "the key 0": ({"key": 0}, r"a key, not from 0: pass key=jax.random.key\(0\)"),
    "no key": ({"key": None}, "a key, not from None"),
    "many keys": ({"key": jax.random.split(jax.random.key(0))}, "one key, not from 2"),
    "optimizer by name": ({"optimizer": "adam"}, r"such as optax.adam\(1e-3\), not 'adam'"),
    "optimizer unmade": ({"optimizer": optax.adam}, "not the function adam: make one"),
    "rule by name": ({"rule": "cd"}, r"such as hm.objectives.CD\(\), not 'cd'"),
    "rule unmade": ({"rule": CD}, "not the class CD: make one"),
    "model by name": ({"model": "rbm"}, "takes a model, such as an hm.RBM, not 'rbm'"),
    "model unmade": ({"model": RBM}, "not the class RBM"),
    "no folder": ({"resume": True}, "Only a run in a folder can be resumed"),
    "epochs": ({"epochs": 1.5}, "whole numbers, not epochs=1.5"),
    "batch_size": ({"batch_size": 20.0}, "A batch of 20.0 .* a batch_size from 1 to 80, a whole number"),
    "average": ({"average": "0.9"}, "not average=0.9"),
}


@pytest.mark.parametrize("what", KINDS)
def test_things_of_the_wrong_kind_are_refused_with_the_cure(what):
    options, words = KINDS[what]
    with pytest.raises(InputError, match=words):
        trained(**options)


def bad_data():
    grey = X * 0.5
    hole = X.copy()
    hole[3, 2] = np.nan
    return {
        "columns": lambda: trained(data=X[:, :5]),
        "grey": lambda: trained(data=grey),
        "NaN": lambda: trained(data=hole),
        "no value": lambda: trained(data=X[:0]),
        "shape": lambda: trained(data=X[0]),
        "not a number": lambda: trained(data=X.astype(str)),
        "labels": lambda: trained(data=from_arrays(X, labels=np.zeros(79, int))),
        "batch_size": lambda: trained(batch_size=81),
        "batch_size from": lambda: trained(batch_size=0),
        "epochs=0": lambda: trained(epochs=0),
        "average=1.0": lambda: trained(average=1.0),
        "grey ": lambda: trained(data=from_arrays(X, grey)),
    }


@pytest.mark.parametrize("what", bad_data())
def test_bad_input_is_refused_before_anything_is_written(what, tmp_path, monkeypatch):
    monkeypatch.setattr(LOG, "Checkpoints", lambda *_: pytest.fail("a folder was made"))
    monkeypatch.setitem(globals(), "fit", lambda *a, **k: LOOP.fit(*a, **k, out=tmp_path / "run"))
    with pytest.raises(InputError, match=what.strip()):
        bad_data()[what]()
    assert list(tmp_path.iterdir()) == []


def test_a_failing_disk_is_told_in_one_sentence(tmp_path, monkeypatch):
    """The metrics' file refuses to grow."""
    real = Path.open

    def full(path, mode="r", *rest, **more):
        if path.name == "metrics.jsonl" and "a" in mode:
            raise OSError(28, "No space left on device")
        return real(path, mode, *rest, **more)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(RunError, match=r"metrics.jsonl' could not be written \(No space left on device\)"):
        trained(out=tmp_path / "run", epochs=1)


# ---- what a run holds ----------------------------------------------------------------------------------------


def test_the_average_becomes_the_model():
    run = trained(average=0.9, epochs=1)
    mean = np.asarray(RBM8.W)
    assert bits(trained(epochs=1).state.model) == bits(run.state.model)  # what is averaged does not change
    assert bits(run.model) == bits(final_model(run.state))
    assert not np.allclose(run.model.W, run.state.model.W, atol=1e-6)
    between = (np.asarray(run.model.W) - mean) / (np.asarray(run.state.model.W) - mean)
    assert 0 < np.median(between) < 1


def test_constant_offsets_feel_neither_gradients_nor_weight_decay():
    model = Centred(RBM8, rate=0.0)  # offsets that follow nothing
    run = trained(model, rule=PseudoLikelihood(sites=2), optimizer=optax.adamw(0.01, weight_decay=0.5))
    assert bits(run.model.offsets) == bits(model.offsets)
    assert bits(run.model.model) != bits(model.model)


def test_the_given_model_and_the_result_stay_usable():
    before = bits(RBM8)
    first = trained(epochs=1)
    trained(first.model, epochs=1)
    assert bits(RBM8) == before
    assert all(not leaf.is_deleted() for leaf in jax.tree.leaves(first.state) if isinstance(leaf, jax.Array))


class Watch(Objective):
    """A rule that only looks: a hash of the batch as a metric."""

    def __call__(self, model, batch, key, memory):
        place = jnp.arange(batch.size).reshape(batch.shape) + 1.0
        return 0.0 * jnp.sum(model.W), (memory, {"seen": jnp.sum(batch * place), "ones": jnp.mean(batch)})


def test_dynamic_binarization_draws_anew_at_each_presentation():
    grey = from_arrays(np.full((20, 8), 0.5, np.float32), binarize="dynamic")
    run = trained(data=grey, rule=Watch(), epochs=6)
    seen = [line["seen"] for line in run.metrics]
    assert len(set(seen)) == 6  # one batch an epoch, always of the same rows
    assert all(s == round(s) for s in seen)
    ones = np.mean([line["ones"] for line in run.metrics])  # 960 fair coins: beyond 3.3 s.e. once in 1000 seeds
    assert abs(ones - 0.5) < 3.3 * 0.5 / np.sqrt(960)
    fixed = trained(data=from_arrays(np.full((20, 8), 0.5, np.float32), binarize="fixed"), rule=Watch(), epochs=6)
    assert len({round(line["ones"], 6) for line in fixed.metrics}) == 1


def test_streamed_grey_rows_train_as_resident_ones(tmp_path):
    grey = np.random.default_rng(2).integers(0, 256, (80, 8), np.uint8)
    np.save(tmp_path / "grey.npy", grey)
    streamed = from_arrays(np.load(tmp_path / "grey.npy", mmap_mode="r"), binarize="dynamic")
    assert streamed.decode is not None
    a, b = (trained(data=data, epochs=1) for data in (from_arrays(grey, binarize="dynamic"), streamed))
    assert bits(a.state) == bits(b.state)


def test_another_seed_gives_another_run():
    assert bits(trained(epochs=1).model) != bits(trained(epochs=1, key=jax.random.key(4)).model)


def test_plain_rows_and_default_optimizer_are_taken():
    run = fit(RBM8, X, CD(), epochs=1, batch_size=30, key=jax.random.key(0))  # 80 rows: two batches and a rest
    assert run.step == 2
    assert set(run.metrics[0]) >= {"step", "epoch", "seconds", "loss", "log_pseudo_likelihood"}


def test_callbacks_hear_of_every_chunk():
    heard = []
    trained(epochs=2, callbacks=[heard.append], monitor=True)
    assert [(p.step, p.steps, p.epoch) for p in heard] == [(4, 8, 1.0), (8, 8, 2.0)]
    assert set(heard[0].metrics) >= {"loss", "free_energy_gap", "log_pseudo_likelihood"}


def test_the_bar_and_tensorboard_go_where_they_should(tmp_path, capsys):
    pytest.importorskip("tensorboardX")
    trained(epochs=1, out=tmp_path / "run", progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "epoch" in captured.err
    assert os.listdir(tmp_path / "run" / "tensorboard")


def test_without_tensorboard_there_are_no_events(tmp_path, monkeypatch):
    real = importlib.util.find_spec
    missing = lambda name, *rest: None if name == "tensorboardX" else real(name, *rest)  # noqa: E731
    monkeypatch.setattr(CALLBACKS.importlib.util, "find_spec", missing)
    trained(epochs=1, out=tmp_path / "run")
    assert not (tmp_path / "run" / "tensorboard").exists()


# ---- what is compiled ----------------------------------------------------------------------------------------


def test_a_second_run_with_the_same_rule_compiles_nothing(monkeypatch):
    def no_tracing(*_):
        pytest.fail("the step was traced again")

    trained(epochs=1, key=jax.random.key(8))
    monkeypatch.setattr(STATE, "update", no_tracing)
    trained(epochs=1, key=jax.random.key(9), data=from_arrays(1 - X, X[:20], X[:10]))
    trained(epochs=1, rule=PCD(steps=1, chains=6))
    with pytest.raises(pytest.fail.Exception):
        trained(epochs=1, rule=PCD(steps=2, chains=6))


def test_rules_with_settings_of_any_kind_are_told_apart(whole):
    class Odd(PCD):
        extra: list = eqx.field(static=True, default_factory=list)

        def __call__(self, model, batch, key, memory):
            loss, rest = super().__call__(model, batch, key, memory)
            return loss * len(self.extra), rest

    one, two = (trained(rule=Odd(steps=1, chains=6, extra=[0] * n), optimizer=optax.sgd(0.1)) for n in (1, 2))
    assert bits(one.model) != bits(two.model)
    assert bits(trained(rule=Odd(steps=1, chains=6, extra=[0])).model) == bits(whole.model)


def test_bfloat16_products_train_nearly_the_same_machine(whole, tmp_path):
    run = trained(matmul_precision="bfloat16", out=tmp_path / "run")
    W, reference = np.asarray(run.model.W), np.asarray(whole.model.W)
    assert W.dtype == np.float32
    assert not np.array_equal(W, reference)
    moved = np.abs(reference - np.asarray(RBM8.W)).max()
    assert np.abs(W - reference).max() < 0.5 * moved
    assert run.folder.about["settings"]["matmul_precision"] == "bfloat16"
    with pytest.raises(InputError, match="another matmul_precision"):
        trained(out=tmp_path / "run", resume=True)


def test_runs_recorded_before_there_was_a_choice_of_products_go_on(tmp_path):
    trained(out=tmp_path / "run", epochs=2)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    del record["settings"]["matmul_precision"]
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    assert trained(out=tmp_path / "run", resume=True).finished


@pytest.mark.parametrize("size", [4, FEW_VARIABLES + 1])
def test_the_monitor_weighs_many_variables_in_the_first_order_alone(size):
    rows = np.random.default_rng(0).integers(0, 2, (30, size)).astype(np.float32)
    model = OrderlessNADE(Bernoulli(size), [2], key=jax.random.key(0)).with_orders(3, key=jax.random.key(1))
    found = Monitor.of(model, from_arrays(rows), jax.random.key(2))(model)["log_likelihood_train"]
    told = log_likelihood(model.in_first_order() if size > FEW_VARIABLES else model, rows)
    assert found == pytest.approx(told.value, rel=1e-5)
    assert found != pytest.approx(log_likelihood(model.with_orders(3, key=jax.random.key(5)), rows).value, rel=1e-5)


def test_the_monitor_of_a_network_is_the_exact_likelihood():
    options = {"optimizer": ADAM, "epochs": 2, "batch_size": 20, "key": jax.random.key(3)}
    run = fit(FVBN(Bernoulli(8)), DATA, MaximumLikelihood(), **options)
    for split, rows in (("train", DATA.train), ("valid", DATA.valid)):
        found = run.metrics[-1][f"log_likelihood_{split}"]
        assert found == pytest.approx(log_likelihood(run.model, rows).value, rel=1e-5)
    assert run.metrics[0]["log_likelihood_train"] < run.metrics[1]["log_likelihood_train"]
    alone = fit(FVBN(Bernoulli(8)), X, MaximumLikelihood(), **options)
    assert "log_likelihood_valid" not in alone.metrics[-1]


def test_constant_real_columns_of_a_network_are_told():
    rows = np.column_stack([X[:, :1], np.full(80, 3.0), X[:, 1:2] + X[:, 2:3] / 3])
    model = FVBN(Columns([Bernoulli(1), Gaussian(2)]))
    with pytest.warns(UserWarning, match="Column 1 of 'array' is constant"):
        fit(model, jnp.asarray(rows), MaximumLikelihood(), epochs=1, batch_size=80, key=jax.random.key(0))
