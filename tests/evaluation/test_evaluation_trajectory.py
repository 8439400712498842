"""Annealing along snapshots: bounds on the stated sides of exact `log Z`, whatever the snapshots are."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from examples import EXAMPLES, tiny_rbm
from harmonium.errors import InputError
from harmonium.evaluation import base_for, forward_along, log_likelihood, log_partition, reverse_along, training_path
from harmonium.evaluation.trajectory import _shared
from harmonium.models import RBM, Centred
from harmonium.objectives import CD
from harmonium.testing.enumeration import list_states
from harmonium.training import fit
from harmonium.units import Bernoulli

KEY = jax.random.key(0)
FAST = {"chains": 200, "temperatures": 90, "burn_in": 50}
ERRORS = 4.0  # standard errors; with 10 statements a failure in less than 1e-3 of seeds
VISIBLE = ("bernoulli", "spin", "categorical", "gaussian")
MODEL = tiny_rbm("bernoulli", "bernoulli", seed=5)


def earlier(model, *shares: float) -> list:
    """The model with all parameters at these shares of what they became."""
    return [jax.tree.map(lambda leaf, s=share: s * leaf, model) for share in shares]


@pytest.mark.slow
@pytest.mark.parametrize("visible", VISIBLE)
def test_the_path_gives_bounds_on_both_sides(visible):
    model = tiny_rbm(visible, "bernoulli", seed=5)
    snapshots = earlier(model, 0.2, 0.6)
    exact = log_partition(model).value
    below = log_partition(model, key=KEY, method="trajectory", snapshots=snapshots, **FAST)
    assert (below.kind, below.lower, below.upper) == ("lower", below.value, np.inf)
    assert below.method == "AIS along snapshots of training"
    assert below.settings["snapshots"] == 3
    assert below.verdict.startswith("do not report: bounded from one side only")
    assert abs(below.value - exact) < ERRORS * below.stderr
    assert below.stderr < 0.05
    both = log_partition(model, key=KEY, method="two_sided", snapshots=[*snapshots, model], **FAST)
    assert (both.kind, both.verdict) == ("interval", "trust")
    assert both.method == "AIS and reverse AIS along snapshots of training"
    assert both.settings["snapshots"] == 3  # the model itself is not taken twice
    assert both.lower <= exact <= both.upper
    assert both.gap < 0.3


def test_a_layer_beside_the_data_is_held_with_it():
    model = EXAMPLES["own-deep"]
    found = log_partition(model, key=KEY, method="trajectory", snapshots=earlier(model, 0.5), **FAST)
    assert abs(found.value - list_states(model).log_partition[0]) < ERRORS * found.stderr


def test_snapshots_far_from_the_path_cost_variance_and_no_bias():
    """Bounds hold in expectation for any path, also through a model that has nothing to do with this one."""
    detour = tiny_rbm("bernoulli", "bernoulli", seed=99)
    weights = [
        np.exp(forward_along((detour, MODEL), base_for(MODEL, jnp.zeros((4, 3))), jax.random.key(i), 500, 4).log_w)
        for i in range(4)
    ]  # fmt: skip
    known = float(base_for(MODEL, jnp.zeros((4, 3))).log_partition())
    ratio = np.exp(log_partition(MODEL).value - known)
    w = np.concatenate(weights)
    assert abs(w.mean() - ratio) < ERRORS * w.std() / np.sqrt(len(w))
    low = [np.log(part.mean()) for part in np.split(w, 400)]
    assert np.mean(low) < np.log(ratio)


def test_a_likelihood_takes_the_path_and_turns_the_bound_around():
    rows = np.array([[0, 1, 1], [1, 1, 0]], np.float32)
    found = log_likelihood(MODEL, rows, key=KEY, method="trajectory", snapshots=earlier(MODEL, 0.2, 0.6), **FAST)
    assert (found.kind, found.n) == ("upper", 2)
    assert abs(found.value - log_likelihood(MODEL, rows).value) < ERRORS * found.settings["log_partition_stderr"]


@pytest.mark.parametrize("length", [1, 2, 4])
def test_a_path_that_goes_nowhere_has_no_variance(length):
    still = RBM(Bernoulli(3), Bernoulli(2), key=KEY, scale=0.0)
    base = base_for(still, jnp.array([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0]]))
    path = (still,) * length
    there = forward_along(path, base, KEY, 10, 8)
    np.testing.assert_allclose(there.log_w, 0.0, atol=1e-5)
    np.testing.assert_allclose(reverse_along(path, base, KEY, there.end, 8).log_w, 0.0, atol=1e-5)


@pytest.mark.parametrize(("models", "steps"), [(1, 1), (1, 7), (3, 3), (4, 10), (7, 100)])
def test_steps_are_shared_evenly_and_join(models, steps):
    alone, segments, betas = (np.asarray(part) for part in _shared(models, steps))
    counts = np.append(alone, np.bincount(segments, minlength=models - 1)) if models > 1 else alone[None]
    assert counts.sum() == steps
    assert np.ptp(counts) <= 1
    assert (np.diff(segments) >= 0).all()
    starts, ends = betas[:, 0], betas[:, 1]
    assert ((starts == 0) == (np.diff(segments, prepend=-1) > 0)).all()
    np.testing.assert_array_equal(ends[:-1][np.diff(segments) == 0], starts[1:][np.diff(segments) == 0])
    assert (ends[np.diff(segments, append=models) > 0] == 1).all()


def test_a_callback_of_fit_collects_them():
    snapshots = []
    rows = np.tile(np.array([[0, 0, 0, 0], [1, 1, 1, 1]]), (50, 1))
    model = Centred(RBM(Bernoulli(4), Bernoulli(2), key=KEY))
    run = fit(model, rows, CD(), epochs=3, batch_size=10, key=KEY, average=0.9, monitor=False,
              callbacks=[lambda progress: snapshots.append(progress.model)])  # fmt: skip
    assert len(snapshots) == 3
    norms = [float(jnp.abs(snapshot.model.W).sum()) for snapshot in snapshots]  # none was given away
    assert len(set(norms)) == 3
    np.testing.assert_array_equal(snapshots[-1].model.W, run.model.model.W)
    assert len(training_path(run.model, snapshots, 30)) == 3
    found = log_partition(run.model, key=KEY, method="trajectory", snapshots=snapshots, **FAST)
    assert abs(found.value - log_partition(run.model).value) < ERRORS * found.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [({}, "needs snapshots: pass snapshots="), ({"snapshots": []}, "needs snapshots"),
     ({"snapshots": [tiny_rbm("spin", "bernoulli")]}, "Snapshot 0 is of another structure"),
     ({"snapshots": [MODEL, RBM(Bernoulli(3), Bernoulli(5), key=KEY)]}, "Snapshot 1 is of another structure"),
     ({"snapshots": [Centred(MODEL)]}, "another structure"),
     ({"snapshots": earlier(MODEL, 0.1, 0.5), "temperatures": 2}, "through 3 models takes at least as many"),
     ({"snapshots": [MODEL], "chains": 1}, "at least 2 chains"),
     ({"snapshots": [MODEL], "key": None}, "pass key=")],
)  # fmt: skip
def test_bad_usage_is_refused(options, said):
    with pytest.raises(InputError, match=said):
        log_partition(MODEL, **{"key": KEY, "method": "trajectory"} | options)


@pytest.mark.parametrize("method", ["raise", "csl"])
def test_bounds_of_likelihoods_are_no_methods_of_log_z(method):
    with pytest.raises(InputError, match=f"no method '{method}' for log Z: choose one of auto, .*, trajectory"):
        log_partition(MODEL, key=KEY, method=method)
