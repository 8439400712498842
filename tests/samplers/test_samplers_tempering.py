"""Parallel tempering: the product of all laws stays, swaps have their exact probability, and states travel."""

from __future__ import annotations

import math
import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from examples import CENTRED, DBMS, OTHERS, RBMS, randomised
from harmonium.errors import InputError
from harmonium.models import DBM, RBM, BoltzmannMachine, Centred, Coloured, Independent
from harmonium.rng import fast_key
from harmonium.samplers import (
    Kernel,
    Snapshots,
    Temperatures,
    Tempering,
    initial_replicas,
    run_chain,
    sample_replicas,
    swap_chances,
)
from harmonium.testing.enumeration import list_states
from harmonium.testing.invariance import agree_in_moments
from harmonium.testing.statistics import matches_law
from harmonium.units import Bernoulli, Categorical, Spin

KEY = jax.random.key(0)
N = 2**14


def neutral(model) -> Independent:
    biases = {name: unit.bias(unit.neutral_natural()) for name, unit in model.layers.items()}
    return Independent(dict(model.layers), biases)


UNITS = (Bernoulli(2), Bernoulli(1))


def machine(seed: int, units=UNITS) -> RBM:
    return randomised(RBM(*units, key=KEY, scale=0.0), seed, 2.0)


def ising(*units, seed: int) -> Temperatures:
    """From independent units to three that are all coupled."""
    model = randomised(BoltzmannMachine(*units, key=KEY, scale=0.0), seed, 2.0)
    return Temperatures(neutral(model), model, jnp.array([0.0, 0.4, 1.0]))


SMALL = DBM(Bernoulli(1), [Bernoulli(1), Spin(1)], key=KEY, scale=0.0)
LADDERS = {
    "temperatures": Temperatures(neutral(machine(0)), machine(0), jnp.array([0.0, 0.3, 1.0])),
    "snapshots": Snapshots.of([randomised(Centred(machine(seed)), seed, 0.5) for seed in (1, 2, 3)]),
    "deep": Temperatures(randomised(neutral(SMALL), 4), randomised(SMALL, 5, 2.0), jnp.array([0.0, 0.6, 1.0])),
    "coloured": ising(Bernoulli(3), seed=8),
    "coloured above": ising(Bernoulli(1), Bernoulli(2), seed=9),
    "coloured below": ising(Bernoulli(2), Bernoulli(1), seed=10),
    "codes": Snapshots.of([machine(seed, (Categorical(1, states=3), Spin(1))) for seed in (6, 7)]),
}


def rungs(ladder) -> list:
    return [ladder.at(jnp.int32(k)) for k in range(ladder.rungs)]


def row_of(truth, values) -> np.ndarray:
    """The numbers of the listed states that samples `[n, size]` are."""
    return np.all([(values[n][:, None] == truth.values[n]).all(axis=2) for n in values], axis=0).argmax(axis=1)


@eqx.filter_jit
def swept(ladder, key, replicas, steps):
    def chain(key, replicas):
        walk = lambda i, r: Tempering(ladder)(jax.random.fold_in(key, i), r)[0]  # noqa: E731
        return jax.lax.fori_loop(0, steps, walk, replicas)

    return jax.vmap(chain)(jax.random.split(fast_key(key), len(replicas.turn)), replicas)


def started(ladder, values):
    """Ladders whose states are `values` `[n, rungs, size]` by layer."""
    first = initial_replicas(ladder, KEY)
    n = len(next(iter(values.values())))
    many = jax.tree.map(lambda x: jnp.broadcast_to(x, (n, *x.shape)), first)
    return eqx.tree_at(lambda r: r.values, many, {name: jnp.asarray(x) for name, x in values.items()})


@pytest.mark.parametrize("name", LADDERS)
def test_the_product_of_all_laws_stays(name):
    """Exact samples on every rung, independent of each other, are that after one, two and five sweeps."""
    ladder, rng = LADDERS[name], np.random.default_rng(0)
    truths = [list_states(model) for model in rungs(ladder)]
    chosen = [rng.choice(len(t.index), N, p=t.probability[0]) for t in truths]
    values = {
        n: np.stack([t.values[n][0][rows] for t, rows in zip(truths, chosen, strict=True)], axis=1)
        for n in truths[0].values
    }
    law = truths[0].probability[0]
    for truth in truths[1:]:
        law = np.outer(law, truth.probability[0]).ravel()
    for steps in (1, 2, 5):
        after = jax.tree.map(np.asarray, swept(ladder, KEY, started(ladder, values), jnp.int32(steps)))
        code = np.zeros(N, int)
        for k, truth in enumerate(truths):
            code = code * len(truth.index) + row_of(truth, {n: x[:, k] for n, x in after.values.items()})
        assert 0.001 < (after.tally.accepted / after.tally.sweeps[:, None]).mean() < 0.999
        matches_law(np.bincount(code, minlength=len(law)), law, f"All rungs after {steps} sweeps", share=1 / 12)


@pytest.mark.parametrize("name", LADDERS)
def test_swaps_have_the_probability_of_the_formula(name):
    """Against free energies by enumeration, for states drawn at random."""
    ladder, rng = LADDERS[name], np.random.default_rng(1)
    models = rungs(ladder)
    last = () if isinstance(models[0].blocks[-1][0], Coloured) else models[0].blocks[-1]  # not drawn after a swap
    kept = [n for n in models[0].layers if n not in last]
    listed = list_states(models[0])
    for _ in range(8):
        rows = rng.integers(len(listed.index), size=len(models))
        values = {n: listed.values[n][0][rows] for n in listed.values}
        given = {n: values[n] for n in kept}
        f = np.stack([-list_states(model, given).log_partition for model in models])  # [model, state]
        log_chance = [f[k, k] + f[k + 1, k + 1] - f[k, k + 1] - f[k + 1, k] for k in range(len(models) - 1)]
        found = eqx.filter_jit(swap_chances)(ladder, {n: jnp.asarray(x) for n, x in values.items()})
        np.testing.assert_allclose(found, np.exp(np.minimum(log_chance, 0)), rtol=1e-4)


def test_independent_layers_are_swapped_by_their_energies():
    models = [randomised(OTHERS["independent-finite"], seed) for seed in (0, 1)]
    ladder = Snapshots.of(models)
    values = initial_replicas(ladder, KEY).values
    e = np.array([[float(m.energy({n: m.layers[n].stats(x[k]) for n, x in values.items()})) for k in (0, 1)]
                  for m in models])  # fmt: skip
    expected = math.exp(min(0.0, e[0, 0] + e[1, 1] - e[0, 1] - e[1, 0]))
    assert float(swap_chances(ladder, values)[0]) == pytest.approx(expected, rel=1e-4)
    after, _ = Tempering(ladder)(KEY, initial_replicas(ladder, KEY))
    assert {name: x.shape for name, x in after.values.items()} == {"v": (2, 2), "h": (2, 2)}


@pytest.mark.parametrize("name", ["rbm-gaussian-bernoulli", "rbm-categorical-spin", "centred-dbm"])
def test_samples_of_the_target_follow_its_law(name):
    model = (RBMS | CENTRED | DBMS)[name]
    ladder = Temperatures(neutral(model), model, jnp.linspace(0.0, 1.0, 3))
    found = sample_replicas(ladder, KEY, 2**12, steps=20)
    agree_in_moments(model, jax.tree.map(np.asarray, found.target), list_states(model), "Target replicas")


def test_replicas_travel_where_nothing_holds_them():
    """On copies of one model every swap succeeds, so that the way of each walker can be followed by hand."""
    count, steps = 5, 37
    ladder = Snapshots.of([machine(0)] * count)
    assert isinstance(Tempering(ladder), Kernel)
    after = eqx.filter_jit(run_chain)(Tempering(ladder), KEY, initial_replicas(ladder, KEY), steps)
    walkers, been, trips = list(range(count)), ["nowhere"] * count, 0
    for step in range(steps):
        for k in range(step % 2, count - 1, 2):
            walkers[k], walkers[k + 1] = walkers[k + 1], walkers[k]
        if been[walkers[0]] == "top":
            been[walkers[0]] = "bottom"
        trips += been[walkers[-1]] == "bottom"
        been[walkers[-1]] = "top"
    assert trips > 3
    assert after.walker.tolist() == walkers
    assert int(after.tally.round_trips) == trips
    assert int(after.tally.sweeps) == steps
    np.testing.assert_allclose(after.tally.swap_rates, 1.0, rtol=1e-5)
    assert float(after.tally.round_trips_per_1000) == pytest.approx(1000 * trips / steps)


def test_rates_and_round_trips_are_means_over_ladders():
    found = sample_replicas(LADDERS["temperatures"], KEY, 8, steps=50)
    np.testing.assert_allclose(found.tally.swap_rates, (found.tally.accepted / 50).mean(axis=0), rtol=1e-5)
    trips = np.asarray(found.tally.round_trips)
    assert float(found.tally.round_trips_per_1000) == pytest.approx(1000 * trips.mean() / 50)
    assert trips.sum() > 0
    assert np.sort(found.walker, axis=1).tolist() == [[0, 1, 2]] * 8


def test_exchanges_on_a_ladder_of_temperatures_cost_no_matrix_product():
    rbm = RBM(Bernoulli(784), Bernoulli(500), key=KEY)
    ladder = Temperatures(neutral(rbm), rbm, jnp.linspace(0.0, 1.0, 4))
    replicas = jax.vmap(lambda k: initial_replicas(ladder, k))(jax.random.split(KEY, 25))

    def sweep(ladder, key, replicas):
        return jax.vmap(lambda k, r: Tempering(ladder)(k, r)[0])(jax.random.split(key, 25), replicas)

    text = jax.jit(sweep).lower(ladder, fast_key(KEY), replicas).compile().as_text()
    shapes = re.findall(r"f32\[([\d,]+)\][^=\n]* (?:dot|custom-call)\(", text)
    products = [shape for shape in shapes if math.prod(int(n) for n in shape.split(",")) >= 50_000]
    assert sorted(products) == ["100,500", "100,784"], products  # v given h, and h given v: as in a Gibbs sweep


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Temperatures(neutral(machine(0)), machine(0), jnp.array([1.0])), "not 1"),
        (lambda: Snapshots.of([machine(0)]), "not 1"),
        (lambda: Snapshots.of([machine(0), machine(0, (Bernoulli(3), Bernoulli(1)))]), "Model 1 of a ladder"),
        (lambda: sample_replicas(LADDERS["snapshots"], KEY, 0), "n=0"),
        (lambda: sample_replicas(LADDERS["snapshots"], KEY, 1, steps=0), "steps=0"),
    ],
)
def test_ladders_that_cannot_be_are_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()
