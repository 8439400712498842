"""Fast weights: their formula, whom they move, and that they never become part of the model."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from examples import CENTRED, DBMS, RBMS
from harmonium.errors import InputError
from harmonium.models import Centred, trainable
from harmonium.objectives import FPCD, PCD, contrast
from harmonium.samplers import Gibbs, run_chain
from harmonium.testing.enumeration import energies, some_states

KEY = jax.random.key(0)
BINARY = RBMS["rbm-bernoulli-bernoulli"]
BATCH = jnp.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])


@eqx.filter_jit
def call(rule, model, batch, key, memory):
    """The slope, the loss, the memory and the metrics."""
    learned, rest = eqx.partition(model, trainable(model))
    objective = lambda part: rule(eqx.combine(part, rest), batch, key, memory)  # noqa: E731
    (loss, (after, metrics)), slope = jax.value_and_grad(objective, has_aux=True)(learned)
    return slope, loss, after, metrics


def bits(tree) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree)]


def overlaid(model, fast):
    learned, rest = eqx.partition(model, trainable(model))
    return eqx.combine(jax.tree.map(jnp.add, learned, fast), rest)


@pytest.mark.parametrize("model", [BINARY, CENTRED["centred-gaussian-bernoulli"], DBMS["dbm-two-layers"]],
                         ids=["rbm", "centred", "dbm"])  # fmt: skip
def test_without_a_fast_rate_it_is_pcd_bit_for_bit(model):
    batch = jnp.eye(3)[:, : model.layers["v"].size]
    fast, plain = FPCD(steps=2, chains=6, fast_rate=0.0), PCD(steps=2, chains=6)
    memory, other = fast.init(model, KEY), plain.init(model, KEY)
    assert bits(memory.chains) == bits(other.chains)
    for step in range(3):
        key = jax.random.fold_in(KEY, step)
        slope, loss, memory, metrics = call(fast, model, batch, key, memory)
        expected, expected_loss, other, _ = call(plain, model, batch, key, other)
        assert bits((slope, loss, memory.chains, memory.means)) == bits(
            (expected, expected_loss, other.chains, other.means)
        )
        assert float(metrics["fast_weights"]) == 0.0


@pytest.mark.slow
@pytest.mark.filterwarnings("error::DeprecationWarning:optax")
def test_nothing_that_optax_is_about_to_drop_is_called():
    rule = FPCD(chains=2)
    rule(BINARY, BATCH, KEY, rule.init(BINARY, KEY))


def test_fast_weights_follow_the_formula():
    """Three steps by hand: `f <- 0.95 f + 0.1 (<v h>_data - <v h>_chains)`, and the biases alike."""
    rule = FPCD(chains=5, fast_rate=0.1, decay=0.95)
    memory = rule.init(BINARY, KEY)
    W, b, c = (np.asarray(x, np.float64) for x in (BINARY.W, BINARY.b, BINARY.c))
    fast = [np.zeros_like(x) for x in (W, b, c)]

    def phase(v):
        h = 1 / (1 + np.exp(-(c + v @ W)))
        return v.T @ h / len(v), v.mean(axis=0), h.mean(axis=0)

    for step in range(3):
        _, _, memory, metrics = call(rule, BINARY, BATCH, jax.random.fold_in(KEY, step), memory)
        phases = zip(phase(np.asarray(BATCH)), phase(np.asarray(memory.chains["v"])), strict=True)
        fast = [0.95 * f + 0.1 * (data - chains) for f, (data, chains) in zip(fast, phases, strict=True)]
        for found, expected in zip((memory.own.W, memory.own.b, memory.own.c), fast, strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-6)
    norm = np.sqrt(sum((f**2).sum() for f in fast))
    assert float(metrics["fast_weights"]) == pytest.approx(norm, rel=1e-5)


def test_chains_move_by_the_sum_and_the_model_learns_without_it():
    rule = FPCD(steps=2, chains=5)
    big = jax.tree.map(lambda x: 3 * jnp.ones_like(x), eqx.filter(BINARY, trainable(BINARY)))
    memory = eqx.tree_at(lambda m: m.own, rule.init(BINARY, KEY), big)
    slope, loss, after, _ = call(rule, BINARY, BATCH, KEY, memory)
    walk = jax.jit(jax.vmap(lambda k, s: run_chain(Gibbs(overlaid(BINARY, big)), k, s, 2)))
    by_hand = walk(jax.random.split(KEY, 5), memory.chains)
    assert bits(after.chains) == bits(by_hand)
    expected, slope_by_hand = eqx.filter_value_and_grad(lambda m: contrast(m, BATCH, by_hand)[0])(BINARY)
    assert float(loss) == pytest.approx(float(expected), abs=1e-5)
    for a, b in zip(jax.tree.leaves(slope), jax.tree.leaves(slope_by_hand), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_moving_the_offsets_moves_no_chain():
    """The law of parameters and fast weights together is the same in the old coordinates and in the new ones."""
    model = CENTRED["centred-bernoulli-bernoulli"]
    model = Centred(model.model, model.offsets.value, rate=0.7)
    rule = FPCD(chains=5, fast_rate=2.0)
    memory = rule.init(model, KEY)
    for step in range(2):
        slope, _, after, _ = call(rule, model, BATCH, jax.random.fold_in(KEY, step), memory)
        fast = jax.tree.map(lambda f, g: 0.95 * f - 2.0 * g, memory.own, slope)  # in the old coordinates
        before, memory = overlaid(model, fast), after
        model = rule.after_step(model, memory)
        states = some_states(model, np.random.default_rng(0))
        difference = energies(before, states) - energies(overlaid(model, memory.own), states)
        np.testing.assert_allclose(difference, difference[0], atol=2e-5)
        unmoved = energies(before, states) - energies(overlaid(model, fast), states)
        assert np.ptp(unmoved) > 0.05


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 0}, "steps=0"),
        ({"chains": 0}, "chains=0"),
        ({"fast_rate": -0.1}, "fast_rate=-0.1"),
        ({"decay": 1.0}, "decay=1"),
        ({"decay": float("nan")}, "decay=nan"),
    ],
)
def test_rules_that_cannot_be_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        FPCD(**options)
