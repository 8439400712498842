"""Layer-wise training: what each machine is shown, and what the parts become."""

from __future__ import annotations

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from examples import randomised
from harmonium.data import from_arrays
from harmonium.errors import InputError
from harmonium.evaluation import log_likelihood
from harmonium.inference import classify, conditional, encode
from harmonium.models import DBM, DBN, RBM, DoubledRBM
from harmonium.objectives import CD, DoubledInput
from harmonium.samplers import initial_state
from harmonium.training import RunFolder, fit, pretrained_dbm, stack, upper_data
from harmonium.units import Bernoulli, Categorical, Spin

KEY = jax.random.key(0)
X = np.random.default_rng(0).integers(2, size=(60, 1)).repeat(6, axis=1).astype(np.float32)
DATA = from_arrays(X, X[:20], X[:10], labels=X[:, 0].astype(int))
OPTIONS = {"visible": Bernoulli(6), "key": KEY, "epochs": 60, "batch_size": 10, "optimizer": lambda: optax.adam(0.05)}


def test_the_next_machine_sees_samples_of_the_hidden_units():
    rbm = RBM(Bernoulli(6), Bernoulli(4), key=KEY, scale=1.0)
    data = upper_data(DATA, rbm)
    np.testing.assert_allclose(data.train, encode(rbm, X), atol=1e-6)
    assert data.binarization == "dynamic"
    assert (data.train_labels == DATA.train_labels).all()
    shown = data.present(KEY, jnp.asarray(np.asarray(data.train)))
    assert set(np.unique(shown)) <= {0.0, 1.0}
    assert set(np.unique(data.test)) <= {0.0, 1.0}
    with pytest.raises(InputError, match="must be Bernoulli"):
        upper_data(DATA, RBM(Bernoulli(6), Spin(4), key=KEY))


@pytest.mark.slow
@pytest.mark.parametrize("centred", [False, True])
def test_a_stack_becomes_a_net_that_knows_the_data(centred):
    net = DBN.stacked(stack(DATA, [Bernoulli(4), Bernoulli(5)], CD(), centred=centred, **OPTIONS))
    found = log_likelihood(net, X[:10], key=KEY, samples=50)
    assert found.kind == "lower"
    assert found.value > -1.5  # log 2 is the best there is, 6 log 2 = 4.16 what knows nothing


def test_machines_leave_runs_behind_and_are_found_again(tmp_path):
    options = OPTIONS | {"epochs": 2}
    first = stack(DATA, [Bernoulli(4), Bernoulli(5)], CD(), out=tmp_path / "s", **options)
    runs = [RunFolder.open(tmp_path / "s" / name) for name in ("1", "2")]
    assert [[line["step"] for line in run.metrics] for run in runs] == [[6, 12]] * 2
    with pytest.raises(InputError, match="is not empty"):
        stack(DATA, [Bernoulli(4), Bernoulli(5)], CD(), out=tmp_path / "s", **options)
    shutil.rmtree(tmp_path / "s" / "2" / "checkpoints")  # as if stopped before the first of them
    again = stack(DATA, [Bernoulli(4), Bernoulli(5)], CD(), out=tmp_path / "s", resume=True, **options)
    assert [len(run.metrics) for run in runs] == [2, 2]
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.W, two.W)


def test_labels_join_the_top_of_a_stack():
    machines = stack(DATA, [Bernoulli(4), Bernoulli(5)], CD(), labels=Categorical(1, states=2), **OPTIONS)
    assert list(DBN.stacked(machines).layers) == ["v", "h1", "h2", "y"]


def test_twins_count_what_they_copy_twice():
    rbm = RBM(Bernoulli(6), Bernoulli(4), key=KEY, scale=1.0)
    v, h = jnp.asarray(X[0]), jnp.ones(4)
    up = conditional(DoubledRBM(rbm, "v"), "h", {"v": v, "u": v}).natural
    np.testing.assert_allclose(up, 2 * v @ rbm.W + rbm.c, rtol=1e-5)
    down = conditional(DoubledRBM(rbm, "v"), "v", {"u": v, "h": h}).natural
    np.testing.assert_allclose(down, rbm.W @ h + rbm.b, rtol=1e-5)
    top = conditional(DoubledRBM(rbm, "h"), "v", {"h": h, "u": h}).natural
    np.testing.assert_allclose(top, 2 * rbm.W @ h + rbm.b, rtol=1e-5)


def test_a_mirrored_rule_shows_the_data_twice():
    twin = DoubledRBM(RBM(Bernoulli(6), Bernoulli(4), key=KEY), "v")
    run = fit(
        twin, DATA, DoubledInput(CD()), optimizer=optax.adam(0.02), epochs=20, batch_size=10, key=KEY, monitor=False
    )
    assert run.metrics[-1]["free_energy_data"] < run.metrics[0]["free_energy_data"] - 2


@pytest.mark.slow
def test_pretraining_halves_what_is_between_and_averages_what_is_shared(monkeypatch):
    dbm = pretrained_dbm(DATA, [Bernoulli(4), Bernoulli(3), Bernoulli(2)], CD(), **OPTIONS | {"epochs": 1})
    assert [W.shape for W in dbm.W] == [(6, 4), (4, 3), (3, 2)]
    with pytest.raises(InputError, match="at least two hidden layers"):
        pretrained_dbm(DATA, [Bernoulli(4)], CD(), **OPTIONS)


def test_the_composed_machine_has_the_parts_weights():
    from harmonium.training.greedy import _composed

    rbms = [RBM(Bernoulli(a), Bernoulli(b), key=jax.random.key(a), scale=1.0) for a, b in ((6, 4), (4, 3), (3, 2))]
    dbm = _composed(
        [DoubledRBM(rbms[0], "v"), rbms[1], DoubledRBM(rbms[2], "h")], [Bernoulli(n) for n in (6, 4, 3, 2)], KEY
    )
    for W, rbm, share in zip(dbm.W, rbms, (1.0, 0.5, 1.0), strict=True):
        np.testing.assert_allclose(W, share * rbm.W)
    np.testing.assert_allclose(dbm.b[1], (rbms[0].c + rbms[1].b) / 2)


def test_the_highest_machine_learns_its_data_with_the_labels():
    """The label is the value of all pixels: the whole machine knows it, and of each part what stands in the paper."""
    labels = Categorical(1, states=2)
    dbm = pretrained_dbm(DATA, [Bernoulli(4), Bernoulli(5)], CD(), labels=labels, **OPTIONS)
    assert list(dbm.layers) == ["v", "h1", "h2", "y"]
    assert [W.shape for W in dbm.W] == [(6, 4), (4, 5), (5, 2)]
    assert (np.asarray(classify(dbm, X)).argmax(axis=1) == X[:, 0]).all()
    with pytest.raises(InputError, match="has no labels"):
        pretrained_dbm(X, [Bernoulli(4), Bernoulli(5)], CD(), labels=labels, **OPTIONS)


def test_labels_have_one_copy_for_each_copy_of_what_they_act_on():
    """What acts on each layer of the highest machine is what will act on it in the whole one, layers below guessed."""
    machine = randomised(DBM(Bernoulli(6), [Bernoulli(4)], Categorical(1, states=3), key=KEY), 5, 1.0)
    twin, v, h, y = DoubledRBM(machine, "h"), jnp.asarray(X[0]), jnp.array([1.0, 0.0, 1.0, 1.0]), jnp.array([2])
    W, U = machine.W
    free = initial_state(twin, KEY)  # what does not matter
    up = conditional(twin, "h", free | {"v": v, "y": y}).natural
    np.testing.assert_allclose(up, v @ W + U[:, 2] + machine.b[1], rtol=1e-5)
    np.testing.assert_allclose(conditional(twin, "u", free | {"v": v, "z": y}).natural, up, rtol=1e-5)
    down = conditional(twin, "v", free | {"h": h, "u": h}).natural
    np.testing.assert_allclose(down, 2 * W @ h + machine.b[0], rtol=1e-5)
    across = conditional(twin, "y", free | {"h": h}).natural
    np.testing.assert_allclose(across[0], h @ U + machine.b[2][0], rtol=1e-5)


def test_the_composed_machine_has_the_weights_of_its_labels():
    from harmonium.training.greedy import _composed

    labels = Categorical(1, states=3)
    low = RBM(Bernoulli(6), Bernoulli(4), key=KEY, scale=1.0)
    high = randomised(DBM(Bernoulli(4), [Bernoulli(2)], labels, key=KEY), 6, 1.0)
    dbm = _composed([DoubledRBM(low, "v"), DoubledRBM(high, "h")], [Bernoulli(n) for n in (6, 4, 2)], KEY, labels)
    for found, expected in zip(dbm.W, (low.W, *high.W), strict=True):
        np.testing.assert_allclose(found, expected)
    for found, expected in zip(dbm.b, (low.b, (low.c + high.b[0]) / 2, *high.b[1:]), strict=True):
        np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("make", [stack, pretrained_dbm])
@pytest.mark.parametrize(
    ("hidden", "options", "words"),
    [
        (Bernoulli(4), {}, "give a list of units"),
        ([4, 3], {}, "made of units, not of 4"),
        ([Bernoulli(4), 3], {}, "made of units, not of 3"),
        ([Bernoulli(4), Bernoulli(3)], {"visible": 6}, "made of units, not of 6"),
        ([Bernoulli(4), Bernoulli(3)], {"optimizer": optax.adam(0.1)}, r"a function that makes one, such as lambda: "),
    ],
)
def test_what_makes_no_stack_is_refused_before_any_machine_is_trained(make, hidden, options, words):
    with pytest.raises(InputError, match=words):
        make(X, hidden, CD(), **OPTIONS | options)


@pytest.mark.slow
def test_plain_rows_are_taken_as_fit_takes_them():
    hidden, options = [Bernoulli(4), Bernoulli(5)], OPTIONS | {"epochs": 1}
    of_rows, of_data = (stack(data, hidden, CD(), **options) for data in (X, from_arrays(X)))
    assert all((a.W == b.W).all() for a, b in zip(of_rows, of_data, strict=True))
    assert upper_data(X, of_rows[0]).train.shape == (60, 4)
    assert [W.shape for W in pretrained_dbm(X, hidden, CD(), **options).W] == [(6, 4), (4, 5)]
