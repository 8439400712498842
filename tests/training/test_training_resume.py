"""Going on with a run: before its first checkpoint, beyond its end, and where something of it is missing."""

from __future__ import annotations

import importlib
import json
import shutil

import equinox as eqx
import jax
import numpy as np
import optax
import pytest

from harmonium.errors import InputError
from harmonium.evaluation import Estimate
from harmonium.models import NADE, RBM, load
from harmonium.objectives import PCD, MaximumLikelihood
from harmonium.training import RunFolder, fit
from harmonium.units import Bernoulli

LONGER = importlib.import_module("harmonium.training.longer")
X = (np.random.default_rng(0).random((80, 8)) < np.linspace(0.1, 0.9, 8)).astype(np.float32)
RBM8 = RBM(Bernoulli(8), Bernoulli(4), key=jax.random.key(0))
RULE, ADAM, PER_EPOCH = PCD(steps=1, chains=6), optax.adam(0.01), 4


def trained(model=RBM8, epochs=2, data=X, optimizer=ADAM, **options):
    key = jax.random.key(3)
    return fit(model, data, RULE, optimizer=optimizer, epochs=epochs, batch_size=20, key=key, monitor=False, **options)


@pytest.fixture(scope="module")
def whole():
    return {epochs: trained(epochs=epochs) for epochs in (2, 4)}


def bits(tree) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_array))]


class Killed(BaseException):
    """What a process hears of, and cannot answer."""


def killed(*_: object) -> None:
    raise Killed


def at(step: int):
    """A callback that ends the process, as far as Python goes, after the chunk that ends at a step."""

    def end(progress) -> None:
        if progress.step == step:
            raise Killed

    return end


# ---- before the first checkpoint -------------------------------------------------------------------------------


def kill(step: int, out, **options) -> None:
    with pytest.raises(Killed):
        trained(out=out, callbacks=[at(step)], **options)


@pytest.mark.parametrize("damage", ["none", "no metrics", "half a line", "no checkpoints"])
def test_a_run_without_a_checkpoint_starts_again(damage, whole, tmp_path):
    out = tmp_path / "run"
    kill(PER_EPOCH, out)
    assert RunFolder(out).last_step is None
    if damage == "no metrics":
        (out / "metrics.jsonl").unlink()
    if damage == "half a line":
        with (out / "metrics.jsonl").open("a") as file:
            file.write('{"step": 8, "lo')
    if damage == "no checkpoints":
        shutil.rmtree(out / "checkpoints")
    run = trained(out=out, resume=True)
    assert bits(run.state) == bits(whole[2].state)
    assert bits(load(out)) == bits(whole[2].model)
    assert [line["step"] for line in RunFolder(out).metrics] == [PER_EPOCH, 2 * PER_EPOCH]


def test_it_starts_again_under_its_own_settings_alone(tmp_path):
    out = tmp_path / "run"
    kill(PER_EPOCH, out)
    kept = (out / "run.json").read_bytes()
    with pytest.raises(InputError, match="started with another data"):
        trained(out=out, data=1 - X, resume=True)
    with pytest.raises(InputError, match="started with another model"):
        trained(RBM(Bernoulli(8), Bernoulli(5), key=jax.random.key(0)), out=out, resume=True)
    assert (out / "run.json").read_bytes() == kept


def test_sizes_that_no_unit_tells_are_recorded(tmp_path):
    options = {"out": tmp_path / "run", "epochs": 1, "batch_size": 20, "key": jax.random.key(0), "monitor": False}
    with pytest.raises(Killed):
        fit(NADE(Bernoulli(8), 4, key=jax.random.key(0)), X, MaximumLikelihood(), callbacks=[at(4)], **options)
    with pytest.raises(InputError, match=r"started with other sizes \(.*8x4.*, now .*8x5"):
        fit(NADE(Bernoulli(8), 5, key=jax.random.key(0)), X, MaximumLikelihood(), resume=True, **options)


def test_the_record_is_the_first_thing_of_a_run(tmp_path, monkeypatch):
    """Whatever is in the folder, it belongs to a run that says what it is."""
    real = RunFolder._write_json

    def full(self, name, record):
        assert list(self.path.iterdir()) == []
        real(self, name, record)
        raise Killed

    monkeypatch.setattr(RunFolder, "_write_json", full)
    with pytest.raises(Killed):
        trained(out=tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["run.json"]


def test_a_record_that_was_written_half_is_no_run_and_in_no_way(whole, tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    (out / ".run.json.4711.tmp").write_text('{"recipe": "r')
    with pytest.raises(InputError, match=r"holds no run .*: start it again without --resume"):
        trained(out=out, resume=True)
    assert bits(trained(out=out).state) == bits(whole[2].state)
    assert not list(out.glob(".*.tmp"))


def test_files_of_others_are_in_the_way(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".notes.tmp").write_text("mine")
    with pytest.raises(InputError, match="is not empty"):
        trained(out=tmp_path / "run")


def test_a_run_that_replaces_another_is_killed_while_it_does(whole, tmp_path, monkeypatch):
    """The old record stays until the new one takes its place: --force works again, and nothing is stuck."""
    out = tmp_path / "run"
    trained(out=out, epochs=1)
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "write_about", killed)
        with pytest.raises(Killed):
            trained(out=out, force=True)
    assert [path.name for path in out.iterdir()] == ["run.json"]
    assert bits(trained(out=out, force=True).state) == bits(whole[2].state)


def test_a_model_without_checkpoints_is_not_trained_again(tmp_path):
    out = tmp_path / "run"
    trained(out=out)
    shutil.rmtree(out / "checkpoints")
    kept = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(InputError, match=r"has its model but no checkpoint .*--from"):
        trained(out=out, resume=True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == kept


# ---- longer ----------------------------------------------------------------------------------------------------


def falling(epochs: int) -> optax.GradientTransformation:
    return optax.sgd(optax.linear_schedule(0.1, 0.0, epochs * PER_EPOCH))


def test_a_longer_run_follows_its_own_schedule_from_the_state_that_it_had(tmp_path):
    """The last epochs are those of a run whose first ones followed the shorter schedule."""
    out = tmp_path / "run"
    first = trained(out=out, optimizer=falling(2))
    longer = trained(out=out, epochs=4, optimizer=falling(4), resume=True)
    both = optax.join_schedules(
        [optax.linear_schedule(0.1, 0.0, 2 * PER_EPOCH), lambda step: 0.1 - 0.1 * (step + 8) / 16], [2 * PER_EPOCH]
    )
    alike = trained(epochs=4, optimizer=optax.sgd(both))
    np.testing.assert_allclose(longer.model.W, alike.model.W, atol=1e-6)
    assert not np.allclose(longer.model.W, first.model.W, atol=1e-3)


def test_what_was_done_is_recorded_and_the_shorter_run_is_kept(whole, tmp_path):
    out = tmp_path / "run"
    trained(out=out, about={"recipe": "rbm", "arguments": {"epochs": 2}})
    RunFolder(out).save_estimate("test", Estimate(-3.0, 0.1, "exact"))
    kill(3 * PER_EPOCH, out, epochs=4, resume=True, about={"recipe": "rbm", "arguments": {"epochs": 4}})
    folder = RunFolder(out)
    assert folder.about["continued"] == [{"epochs": 2, "step": 2 * PER_EPOCH}]
    assert folder.about["settings"]["epochs"] == folder.about["arguments"]["epochs"] == 4
    assert folder.estimates == {}  # those of the shorter run are not taken for the longer one's
    with pytest.raises(InputError, match="no model yet: finish it with --resume"):
        folder.load_model()
    assert bits(load(out / "earlier" / "2-epochs")) == bits(whole[2].model)
    assert json.loads((out / "earlier" / "2-epochs" / "estimates.json").read_text())["test"]["value"] == -3.0
    done = trained(out=out, epochs=4, resume=True)
    assert bits(done.state) == bits(whole[4].state)
    assert bits(load(out)) == bits(whole[4].model)
    assert len(folder.about["continued"]) == 1
    assert len(folder.metrics) == 4


def test_a_run_killed_between_its_record_and_its_results_loses_neither(whole, tmp_path, monkeypatch):
    out = tmp_path / "run"
    trained(out=out)
    with monkeypatch.context() as patch:
        patch.setattr(LONGER, "put_aside", killed)
        with pytest.raises(Killed):
            trained(out=out, epochs=4, resume=True)
    assert bits(trained(out=out, epochs=4, resume=True).state) == bits(whole[4].state)
    assert bits(load(out / "earlier" / "2-epochs")) == bits(whole[2].model)


def test_a_run_is_not_made_shorter_than_it_is(tmp_path):
    trained(out=tmp_path / "run")
    kept = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()}
    with pytest.raises(InputError, match="has come to step 8, and 1 epochs are 4 steps: give more epochs"):
        trained(out=tmp_path / "run", epochs=1, resume=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()} == kept


def test_a_model_that_cannot_be_saved_is_refused_before_it_is_trained(tmp_path):
    class Odd(RBM):
        call: object = eqx.field(static=True, default=None)

    odd = Odd(Bernoulli(8), Bernoulli(4), key=jax.random.key(0))
    object.__setattr__(odd, "call", np.tanh)
    with pytest.raises(InputError, match="cannot be saved"):
        trained(odd, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
