"""The enhanced gradient is the centred gradient with offsets at the average of both phases."""

from __future__ import annotations

import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from examples import CENTRED, DBMS, RBMS
from harmonium.errors import InputError
from harmonium.inference import fixed_point, layer_stats
from harmonium.models import Centred, load, recentred, save, trainable, uncentred
from harmonium.objectives import CD, PCD, contrast
from harmonium.samplers import Gibbs, posterior_sample, run_chain
from harmonium.testing.enumeration import list_states

KEY = jax.random.key(0)
BINARY = RBMS["rbm-bernoulli-bernoulli"]
BATCH = jnp.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0], [1.0, 1.0, 1.0]])


def enhanced(data, chains) -> dict[str, np.ndarray]:
    """The ascent direction as published, of `(v, h, weight)` of each phase, in float64 (Cho, Raiko & Ilin 2013):

    dW = Cov_d(v, h) - Cov_m(v, h)
    db = <v>_d - <v>_m - dW (<h>_d + <h>_m) / 2,      dc = <h>_d - <h>_m - dW' (<v>_d + <v>_m) / 2
    """

    def moments(v, h, weight):
        mean_v, mean_h = weight @ v, weight @ h
        return (v * weight[:, None]).T @ h - np.outer(mean_v, mean_h), mean_v, mean_h

    (cov_d, v_d, h_d), (cov_m, v_m, h_m) = moments(*data), moments(*chains)
    dW = cov_d - cov_m
    return {
        "W": dW,
        "b": v_d - v_m - dW @ (h_d + h_m) / 2,
        "c": h_d - h_m - dW.T @ (v_d + v_m) / 2,
    }


def phase(v, weight=None):
    """A phase with the hidden units at their means given `v`."""
    v, W, c = (np.asarray(x, np.float64) for x in (v, BINARY.W, BINARY.c))
    return v, 1 / (1 + np.exp(-(c + v @ W))), np.full(len(v), 1 / len(v)) if weight is None else weight


@eqx.filter_jit
def plain_direction(model: Centred, loss_of) -> dict:
    """Minus the slope in centred coordinates, brought to the plain ones: the derivative of `uncentred` along it."""
    learned, rest = eqx.partition(model, trainable(model))
    slope = jax.grad(lambda part: loss_of(eqx.combine(part, rest)))(learned)
    ascent = jax.tree.map(lambda g: -g, slope)
    change = lambda part: eqx.filter(uncentred(eqx.combine(part, rest)), eqx.is_inexact_array)  # noqa: E731
    moved = jax.jvp(change, (learned,), (ascent,))[1]
    return {"W": moved.W, "b": moved.b, "c": moved.c}


def centred_at(offsets) -> Centred:
    """The binary machine in coordinates with these offsets: the same distribution."""
    zeros = {name: unit.zeros() for name, unit in BINARY.layers.items()}
    return recentred(Centred(BINARY, zeros, rate=1.0), {n: jnp.asarray(x, jnp.float32) for n, x in offsets.items()})


def agree(found, expected):
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=2e-6, err_msg=name)


def test_with_exact_phases():
    truth = list_states(BINARY)
    states, p = jnp.asarray(truth.values["v"][0]), truth.probability[0]
    data, chains = phase(BATCH), phase(states, p)
    offsets = {"v": (data[2] @ data[0] + p @ chains[0]) / 2, "h": (data[2] @ data[1] + p @ chains[1]) / 2}
    weight = jnp.asarray(p, jnp.float32)

    def loss(model):
        per_state = jax.vmap(lambda v: contrast(model, BATCH, v[None])[1]["free_energy_chains"])(states)
        return contrast(model, BATCH, BATCH)[1]["free_energy_data"] - weight @ per_state

    agree(plain_direction(centred_at(offsets), loss), enhanced(data, chains))
    elsewhere = plain_direction(centred_at({"v": data[2] @ data[0], "h": data[2] @ data[1]}), loss)
    assert np.abs(elsewhere["b"] - enhanced(data, chains)["b"]).max() > 1e-3


@pytest.mark.parametrize("rule", [CD(2), PCD(2, chains=7)], ids=["CD", "PCD"])
def test_as_a_rule_with_sampled_phases(rule):
    """The means that a rule gives a model that follows both phases are the offsets of its enhanced gradient."""
    start = centred_at({"v": np.full(3, 0.3), "h": np.full(2, 0.6)})
    model = Centred(start.model, start.offsets.value, rate=1.0, follow="both")
    keys = jax.random.split(KEY, 2)
    memory = rule.init(model, keys[0])
    _, (memory, _) = eqx.filter_jit(rule)(model, BATCH, keys[1], memory)
    chains = ends_of_cd(model, keys[1]) if memory.chains is None else memory.chains
    data, negative = phase(BATCH), phase(chains["v"])
    for name, k in (("v", 0), ("h", 1)):
        both = (data[k].mean(axis=0) + negative[k].mean(axis=0)) / 2
        np.testing.assert_allclose(memory.means[name], both, rtol=1e-5)
    moved = rule.after_step(model, memory)
    assert moved.follow == "both"
    agree(plain_direction(moved, lambda m: contrast(m, BATCH, chains)[0]), enhanced(data, negative))


def ends_of_cd(model, key):
    """The chains of CD-2, which it does not keep, once more."""

    def chain(key, v):
        start, walk = jax.random.split(key)
        return run_chain(Gibbs(model), walk, posterior_sample(model, start, {"v": v}), 2)

    return jax.vmap(chain)(jax.random.split(key, len(BATCH)), BATCH)


@pytest.mark.slow
def test_a_deep_machine_follows_both_phases_too():
    deep = DBMS["dbm-two-layers"]
    model = Centred(deep, rate=1.0, follow="both")
    rule = PCD(1, chains=4)
    _, (memory, _) = eqx.filter_jit(rule)(model, BATCH, KEY, rule.init(model, KEY))
    positive = [{**layer_stats(model, {"v": v}), **fixed_point(model, {"v": v}, max_steps=25).mean} for v in BATCH]
    kept = [{name: memory.chains[name][i] for name in ("v", "h2")} for i in range(4)]
    negative = [{**layer_stats(model, x), **fixed_point(model, x).mean} for x in kept]
    for name in model.layers:
        data, chains = (np.mean([s[name] for s in side], axis=0) for side in (positive, negative))
        np.testing.assert_allclose(memory.means[name], (data + chains) / 2, atol=1e-4)


def test_what_a_model_follows_is_saved_with_it(tmp_path):
    model = Centred(BINARY, follow="both")
    path = save(model, tmp_path / "model")
    assert load(path).follow == "both"
    text = path.with_suffix(".json").read_text()
    described = json.loads(text)
    del described["model"]["fields"]["follow"], described["structure_sha256"]  # of before there was a choice
    described["version"] = 1
    path.with_suffix(".json").write_text(json.dumps(described))
    assert load(path).follow == "positive"
    assert CENTRED["centred-bernoulli-bernoulli"].follow == "positive"


def test_offsets_follow_one_phase_or_both():
    with pytest.raises(InputError, match="'negative'"):
        Centred(BINARY, follow="negative")
