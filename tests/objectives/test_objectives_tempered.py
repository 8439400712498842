"""Tempered rules: their particles cross between modes, their bases fit the data, their trails keep what they should."""

from __future__ import annotations

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from examples import CENTRED, RBMS, randomised
from harmonium.errors import InputError
from harmonium.models import RBM, BoltzmannMachine
from harmonium.objectives import PCD, TemperedPCD, TrajectoryPCD, contrast
from harmonium.objectives.tempered import WINDOW, Marginals
from harmonium.objectives.trajectory import Trail, extended
from harmonium.samplers import swap_chances
from harmonium.testing.enumeration import list_states
from harmonium.testing.statistics import matches_law
from harmonium.units import Bernoulli, Gaussian

KEY = jax.random.key(0)
BINARY = RBMS["rbm-bernoulli-bernoulli"]
CHAINS = 2**10


@eqx.filter_jit
def call(rule, model, batch, key, memory):
    return rule(model, batch, key, memory)


@eqx.filter_jit
def at(model, batch, target):
    return eqx.filter_value_and_grad(lambda m: contrast(m, batch, target)[0])(model)


def scaled(factor: float) -> RBM:
    """A machine of two modes, all zeros and all ones, in proportion 1 to about 2; flat at `factor` 0."""
    rbm = RBM(Bernoulli(5), Bernoulli(1), key=KEY, scale=0.0)
    W, b, c = jnp.full((5, 1), 16.0), jnp.full(5, -8.0), jnp.full(1, -39.3)
    return eqx.tree_at(lambda m: (m.W, m.b, m.c), rbm, (factor * W, factor * b, factor * c))


FAR = scaled(1.0)
MODES = jnp.array([[0.0] * 5, [1.0] * 5])


def along_the_past() -> tuple:
    """The rule with flatter and flatter machines as its snapshots."""
    rule = TrajectoryPCD(steps=20, chains=CHAINS, snapshots=5)
    memory = eqx.filter_jit(rule.init)(FAR, KEY)
    past = [eqx.filter(scaled(x), eqx.is_array) for x in (0.0, 0.1, 0.2, 0.35, 0.6)]
    arrays = jax.tree.map(lambda *leaves: jnp.stack(leaves), *past)
    return rule, eqx.tree_at(lambda m: m.own.arrays, memory, arrays)


def tempered() -> tuple:
    rule = TemperedPCD(steps=20, chains=CHAINS, temperatures=8)
    return rule, eqx.filter_jit(rule.init)(FAR, KEY)


def plain() -> tuple:
    rule = PCD(steps=20, chains=CHAINS)
    return rule, eqx.filter_jit(rule.init)(FAR, KEY)


def after_a_while(rule, memory, steps=10):
    """The memory after some steps at one model, from chains that are all in the mode of zeros."""
    zeros = jax.tree.map(lambda x: 0 * x if eqx.is_inexact_array(x) else x, memory.chains)
    memory = replace(memory, chains=zeros)
    for step in range(steps):
        _, (memory, metrics) = call(rule, FAR, MODES, jax.random.fold_in(KEY, step), memory)
    return memory, metrics


@pytest.mark.slow
@pytest.mark.parametrize("start", [tempered, along_the_past])
def test_particles_cross_between_far_modes(start):
    """They have the exact law after a start in one mode."""
    memory, metrics = after_a_while(*start())
    truth = list_states(FAR)
    v = np.asarray(memory.chains.target["v"])
    ones = truth.probability[0] @ (truth.values["v"][0].sum(axis=1) == 5)
    assert 0.5 < ones < 0.7
    states, index = np.unique(truth.values["v"][0], axis=0, return_inverse=True)
    law = np.bincount(index.reshape(-1), truth.probability[0])
    matches_law((v[:, None] == states[None]).all(axis=2).sum(axis=0), law, "Target particles")
    assert 0.05 < float(metrics["lowest_swap_rate"]) < float(metrics["swap_rate"]) < 1
    assert float(metrics["round_trips"]) > 5


def test_particles_of_pcd_stay_in_their_mode():
    memory, _ = after_a_while(*plain())
    assert float((memory.chains["v"].sum(axis=1) >= 3).mean()) < 0.005  # it should be near 0.6


@pytest.mark.parametrize("rule", [TemperedPCD(2, 6, 4), TrajectoryPCD(2, 6, 3)], ids=["temperatures", "trajectory"])
def test_the_contrast_is_taken_at_the_target(rule):
    model = CENTRED["centred-bernoulli-bernoulli"]
    batch = jnp.eye(3)
    memory = eqx.filter_jit(rule.init)(model, KEY)
    objective = eqx.filter_value_and_grad(lambda m, memory: rule(m, batch, KEY, memory), has_aux=True)
    step = eqx.filter_jit(objective)
    (loss, (after, metrics)), slope = step(model, memory)
    expected, by_hand = at(model, batch, after.chains.target)
    assert float(loss) == pytest.approx(float(expected), abs=1e-5)
    for a, b in zip(jax.tree.leaves(slope.model), jax.tree.leaves(by_hand.model), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    np.testing.assert_allclose(after.means["v"], batch.mean(axis=0), rtol=1e-6)
    assert set(metrics) >= {"swap_rate", "lowest_swap_rate", "round_trips"}
    (_, (again, _)), _ = step(model, after)
    assert after.chains.tally.sweeps.tolist() == again.chains.tally.sweeps.tolist() == [2] * 6  # of each step alone


def test_the_base_fits_the_marginals_seen_so_far():
    unit, rng = Gaussian(2), np.random.default_rng(0)
    rows = rng.normal([1.0, -2.0], [0.5, 3.0], size=(60, 2)).astype(np.float32)
    model = RBM(unit, Bernoulli(2), key=KEY)
    marginals = Marginals.unseen(unit)
    start = marginals.base(model).natural()
    np.testing.assert_allclose(start["v"].square, unit.neutral_natural().square)
    for part in np.split(rows, [7, 30]):
        marginals = marginals.updated(unit, jnp.asarray(part))
    np.testing.assert_allclose(marginals.mean.x, rows.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(marginals.mean.square, (rows**2).mean(axis=0), rtol=1e-4)
    assert float(marginals.count) == 60
    base = marginals.base(model)
    np.testing.assert_allclose(unit.mean(base.natural()["v"]).x, rows.mean(axis=0) * 60 / 61, rtol=1e-4)
    np.testing.assert_array_equal(base.natural()["h"], jnp.zeros(2))


def test_marginals_forget_slowly_what_is_long_past():
    unit = Bernoulli(1)
    marginals = Marginals.unseen(unit).updated(unit, jnp.zeros((3 * WINDOW, 1)))
    assert float(marginals.mean[0]) == 0.0
    later = marginals.updated(unit, jnp.ones((WINDOW // 10, 1)))
    assert float(later.count) == WINDOW
    assert float(later.mean[0]) == pytest.approx(0.1)


def test_the_snapshot_that_is_missed_least_gives_way():
    """Of rates 0.9, 0.3, 0.6, 0.8, 0.2 the product of the third and the fourth is largest: snapshot 3 goes."""
    rule = TrajectoryPCD(chains=2, snapshots=5)
    memory = eqx.filter_jit(rule.init)(BINARY, KEY)
    numbered = jax.tree.map(lambda x: x + jnp.arange(5.0).reshape(-1, *[1] * (x.ndim - 1)), memory.own.arrays)
    trail = Trail(numbered, jnp.array([0.9, 0.3, 0.6, 0.8, 0.2]), jnp.int32(7))
    current = jax.tree.map(lambda x: x + 5.0, BINARY)
    replicas = eqx.tree_at(lambda r: r.seen, memory.chains, jnp.broadcast_to(jnp.arange(6) % 3, (2, 6)))
    after, moved = eqx.filter_jit(extended)(trail.ladder(current), trail, replicas)
    np.testing.assert_allclose(after.arrays.W - BINARY.W, jnp.array([0, 1, 2, 4, 5])[:, None, None] * jnp.ones((3, 2)))
    np.testing.assert_allclose(after.rates, [0.9, 0.3, 0.48, 0.2, 1.0])
    assert int(after.taken) == 8
    np.testing.assert_array_equal(moved.values["v"], replicas.values["v"][:, jnp.array([0, 1, 2, 4, 5, 5])])
    assert moved.walker.tolist() == [[0, 1, 2, 4, 3, 5]] * 2
    assert moved.seen.tolist() == [[0, 1, 2, 1, 0, 2]] * 2


def test_copies_give_way_before_snapshots_do():
    trail, rule = Trail.begun(BINARY, 3), TrajectoryPCD(chains=1, snapshots=3)
    replicas, model = rule.init(BINARY, KEY).chains, BINARY
    for step in range(1, 5):
        model = jax.tree.map(lambda x: x + 1.0, model)
        trail = replace(trail, rates=trail.rates.at[-1].set(0.2))
        trail, replicas = extended(trail.ladder(model), trail, replicas)
        kept = np.asarray(trail.arrays.W - BINARY.W)[:, 0, 0].round()
        assert kept.tolist() == {1: [0, 0, 1], 2: [0, 1, 2], 3: [0, 2, 3], 4: [0, 2, 4]}[step]


@pytest.mark.slow
def test_snapshots_are_taken_when_swaps_become_rare():
    """A machine that grows by itself leaves its past behind, at the pace that the threshold sets."""
    rule = TrajectoryPCD(steps=5, chains=64, snapshots=6, threshold=0.6)
    memory, taken = rule.init(scaled(0.0), KEY), []
    factors = np.linspace(0, 1, 60)
    for step, factor in enumerate(factors):
        key = jax.random.fold_in(KEY, step)
        before = memory
        _, (memory, metrics) = call(rule, scaled(float(factor)), MODES, key, memory)
        if int(memory.own.taken) > int(before.own.taken):
            taken.append(float(factor))
            assert float(memory.own.rates[-1]) == 1.0
            np.testing.assert_allclose(memory.own.arrays.W[-1], scaled(float(factor)).W)
        assert float(metrics["snapshots"]) == float(before.own.taken)
    assert 2 <= len(taken) <= 5
    assert rule.ladder(FAR, memory).rungs == 7
    kept = np.asarray(memory.own.arrays.W)[:, 0, 0] / 16
    np.testing.assert_allclose(kept, [0.0] * (6 - len(taken)) + taken, atol=1e-6)
    rates = jax.vmap(lambda x: swap_chances(rule.ladder(FAR, memory), x))(memory.chains.values).mean(axis=0)
    np.testing.assert_allclose(rates[:-1], memory.own.rates[:-1], atol=0.2)
    assert float(rates[:-1].min()) > 0.2


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TemperedPCD(steps=0), "steps=0"),
        (lambda: TemperedPCD(chains=0), "chains=0"),
        (lambda: TemperedPCD(temperatures=1), "temperatures=1"),
        (lambda: TrajectoryPCD(chains=0), "chains=0"),
        (lambda: TrajectoryPCD(snapshots=1), "snapshots=1"),
        (lambda: TrajectoryPCD(threshold=1.0), "threshold=1"),
    ],
)
def test_rules_that_cannot_be_are_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()


@pytest.mark.slow
def test_units_that_act_on_each_other_are_tempered_too():
    """The particles of many ladders against the listed law of a machine of all to all."""
    model = randomised(BoltzmannMachine(Bernoulli(3), Bernoulli(2), key=KEY, scale=0.0), 3, 1.0)
    rule = TemperedPCD(steps=30, chains=2**12, temperatures=4)
    batch = jnp.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]])
    memory = eqx.filter_jit(rule.init)(model, KEY)
    _, (memory, metrics) = call(rule, model, batch, KEY, memory)
    assert 0.1 < float(metrics["lowest_swap_rate"]) < 1.0
    listed = list_states(model)
    target = {name: np.asarray(x) for name, x in memory.chains.target.items()}
    row = np.all([(target[n][:, None] == listed.values[n]).all(axis=2) for n in target], axis=0).argmax(axis=1)
    matches_law(np.bincount(row, minlength=len(listed.index)), listed.probability[0], "Target replicas")
