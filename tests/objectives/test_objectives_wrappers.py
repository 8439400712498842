"""Rules around rules: the sparsity penalty and the limit on norms, alone, together, and with centring."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from examples import CENTRED, DBMS, RBMS, randomised
from harmonium.errors import InputError
from harmonium.inference import fixed_point
from harmonium.models import DBN, MPDBM, RBM, Centred, recentred
from harmonium.objectives import CD, PCD, MaxNorm, Sparse, UpDown
from harmonium.objectives.sparse import activations
from harmonium.testing.enumeration import energies, some_states
from harmonium.training import fit
from harmonium.units import Bernoulli

KEY = jax.random.key(0)
BINARY = RBMS["rbm-bernoulli-bernoulli"]
BATCH = jnp.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
RULE = PCD(steps=1, chains=6)


@eqx.filter_jit
def call(rule, model, batch, key, memory):
    return eqx.filter_value_and_grad(lambda m: rule(m, batch, key, memory), has_aux=True)(model)


def bits(tree) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_array))]


# ---- sparsity ------------------------------------------------------------------------------------------------


def test_the_penalty_and_its_slope_are_those_of_the_formula():
    """`s sum_j (t - q_j)^2`, and by the chain rule `-2 s (t - q_j) mean_n h_nj (1 - h_nj) (v_n, 1)`."""
    rule = Sparse(RULE, target=0.2, strength=3.0)
    memory = rule.init(BINARY, KEY)
    (loss, (_, metrics)), slope = call(rule, BINARY, BATCH, KEY, memory)
    (plain, _), plain_slope = call(RULE, BINARY, BATCH, KEY, memory)
    v, W, c = (np.asarray(x, np.float64) for x in (BATCH, BINARY.W, BINARY.c))
    h = 1 / (1 + np.exp(-(c + v @ W)))
    q = h.mean(axis=0)
    pull = -2 * 3.0 * (0.2 - q) * h * (1 - h) / len(v)
    penalty = 3.0 * ((0.2 - q) ** 2).sum()
    assert float(loss - plain) == pytest.approx(penalty, abs=1e-5)
    assert float(metrics["sparsity_penalty"]) == pytest.approx(penalty, rel=1e-5)
    assert float(metrics["mean_activation"]) == pytest.approx(q.mean(), rel=1e-5)
    np.testing.assert_allclose(slope.W - plain_slope.W, v.T @ pull, atol=1e-5)
    np.testing.assert_allclose(slope.c - plain_slope.c, pull.sum(axis=0), atol=1e-5)
    np.testing.assert_allclose(slope.b, plain_slope.b, atol=1e-6)


def test_activations_of_a_centred_machine_are_those_of_the_plain_one():
    model = CENTRED["centred-bernoulli-bernoulli"]
    expected = np.mean([fixed_point(model, {"v": v}).mean["h"] for v in BATCH], axis=0)
    np.testing.assert_allclose(activations(model, BATCH), expected, rtol=1e-5)


def test_activations_of_a_deep_machine_are_its_mean_field_and_have_slopes_in_every_layer():
    model = DBMS["dbm-three-layers"]  # spin, Bernoulli, categorical, Bernoulli: two layers count
    batch = jnp.array([[1.0, -1.0], [-1.0, -1.0]])
    q = [fixed_point(model, {"v": v}, tolerance=1e-6).mean for v in batch]
    expected = np.concatenate([np.mean([here[name] for here in q], axis=0) for name in ("h1", "h3")])
    found = eqx.filter_jit(activations)
    np.testing.assert_allclose(found(model, batch, 100), expected, atol=1e-4)
    slope = eqx.filter_grad(lambda m: jnp.sum(found(m, batch)))(model)
    assert all(float(jnp.abs(W).max()) > 1e-3 for W in slope.W)
    assert [float(jnp.abs(b).max()) > 1e-3 for b in slope.b] == [False, True, False, True]


def test_hidden_units_become_sparse():
    x = (np.random.default_rng(0).random((200, 6)) < 0.5).astype(np.float32)
    rbm = RBM(Bernoulli(6), Bernoulli(4), key=KEY)
    options = {"optimizer": optax.adam(0.05), "epochs": 40, "batch_size": 50, "key": KEY, "monitor": False}
    for target in (0.1, 0.8):
        run = fit(rbm, x, Sparse(CD(), target=target, strength=10.0), **options)
        assert float(activations(run.model, jnp.asarray(x)).mean()) == pytest.approx(target, abs=0.05)


# ---- norms ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [BINARY, DBMS["dbm-two-layers"], RBMS["rbm-gaussian-categorical"]],
                         ids=["rbm", "dbm", "gaussian"])  # fmt: skip
def test_weights_into_a_unit_are_limited_and_nothing_else_changes(model):
    columns = [np.linalg.norm(np.asarray(W, np.float64), axis=0) for W in jax.tree.leaves(model.W)]
    limit = float(np.mean(np.concatenate(columns)))  # above some and below others
    rule = MaxNorm(CD(), limit)
    after = rule.after_step(model, rule.init(model, KEY))
    for old, new, norm in zip(jax.tree.leaves(model.W), jax.tree.leaves(after.W), columns, strict=True):
        np.testing.assert_allclose(new, old * np.minimum(1, limit / norm), rtol=1e-5)
        np.testing.assert_array_equal(np.asarray(new)[:, norm < limit], np.asarray(old)[:, norm < limit])
    assert eqx.tree_equal(eqx.tree_at(lambda m: m.W, after, model.W), model)


def test_offsets_move_after_the_projection_and_leave_the_limited_machine():
    model = Centred(CENTRED["centred-bernoulli-bernoulli"].model, rate=0.5)
    rule = MaxNorm(RULE, limit=0.3)
    _, (memory, _) = call(rule, model, BATCH, KEY, rule.init(model, KEY))[0]
    after = rule.after_step(model, memory)
    norm = jnp.linalg.norm(model.model.W, axis=0)
    limited = eqx.tree_at(lambda m: m.model.W, model, model.model.W * jnp.minimum(1, 0.3 / norm))
    states = some_states(model, np.random.default_rng(0))
    difference = energies(after, states) - energies(limited, states)
    np.testing.assert_allclose(difference, difference[0], atol=2e-5)
    assert np.abs(after.offsets.value["v"] - model.offsets.value["v"]).max() > 0.1
    assert np.ptp(energies(recentred(limited, memory.means), states) - energies(model, states)) > 0.1


def test_weights_stay_limited_through_training():
    x = np.array([[1, 1, 0], [0, 0, 1]], np.float32).repeat(20, axis=0)
    options = {"optimizer": optax.adam(0.1), "epochs": 30, "batch_size": 20, "key": KEY, "monitor": False}
    deep = MPDBM(Bernoulli(3), [Bernoulli(3), Bernoulli(2)], key=KEY)
    norms = lambda run: [np.linalg.norm(W, axis=0).max() for W in run.model.model.W]  # noqa: E731
    assert max(norms(fit(deep, x, PCD(1, 10), **options))) > 1.5
    limited = fit(deep, x, MaxNorm(PCD(1, 10), 1.2), average=0.9, **options)
    assert max(norms(limited)) <= 1.2 + 1e-5


# ---- together ------------------------------------------------------------------------------------------------


def test_wrappers_that_do_nothing_change_nothing():
    model = CENTRED["centred-bernoulli-bernoulli"]
    idle = MaxNorm(Sparse(RULE, strength=0.0), limit=1e6)
    memory = idle.init(model, KEY)
    assert bits(memory) == bits(RULE.init(model, KEY))
    (loss, (after, _)), slope = call(idle, model, BATCH, KEY, memory)
    (expected, (expected_after, _)), expected_slope = call(RULE, model, BATCH, KEY, memory)
    assert float(loss) == float(expected)
    assert bits(after) == bits(expected_after)
    for a, b in zip(jax.tree.leaves(slope), jax.tree.leaves(expected_slope), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert bits(idle.after_step(model, after)) == bits(RULE.after_step(model, after))


def test_the_order_of_wrappers_does_not_matter():
    model = randomised(Centred(RBM(Bernoulli(3), Bernoulli(2), key=KEY)), 1)
    one = MaxNorm(Sparse(RULE, strength=2.0), limit=0.4)
    other = Sparse(MaxNorm(RULE, limit=0.4), strength=2.0)
    memory = one.init(model, KEY)
    (loss, (after, _)), slope = call(one, model, BATCH, KEY, memory)
    (expected, (expected_after, _)), expected_slope = call(other, model, BATCH, KEY, memory)
    assert bits((loss, after, slope)) == bits((expected, expected_after, expected_slope))
    assert bits(one.after_step(model, after)) == bits(other.after_step(model, after))


NET = DBN(Bernoulli(3), [Bernoulli(2)], key=KEY)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Sparse(RULE, target=0.0, strength=1.0), "target=0"),
        (lambda: Sparse(RULE, target=1.0, strength=1.0), "target=1"),
        (lambda: Sparse(RULE, strength=-1.0), "strength=-1"),
        (lambda: Sparse(RULE, strength=1.0).init(RBMS["rbm-bernoulli-spin"], KEY), "has none"),
        (
            lambda: Sparse(UpDown(), strength=1.0).init(DBN(Bernoulli(3), [Bernoulli(2)], key=KEY), KEY),
            "trains an energy model",
        ),
        (lambda: MaxNorm(RULE, limit=0.0), "limit=0"),
        (lambda: MaxNorm(RULE, limit=float("nan")), "limit=nan"),
        (
            lambda: MaxNorm(UpDown(), limit=1.0).init(DBN(Bernoulli(3), [Bernoulli(2)], key=KEY), KEY),
            "trains an energy model",
        ),
    ],
)
def test_wrappers_that_cannot_be_are_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()
