"""Rules of directed nets: in the mean the exact gradient of their bound, or the forms that are derived by hand."""

from __future__ import annotations

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from slopes import KEY, assert_equal_trees, assert_unbiased, flat, loss_and_slope

import harmonium as hm
from examples import LATENT, randomised
from harmonium.gradients import MovingAverage
from harmonium.inference.latent import exact_log_prob, latent_states
from harmonium.models import HelmholtzMachine
from harmonium.objectives import (
    NVIL,
    REINFORCE,
    VIMCO,
    Bidirectional,
    MaximumLikelihood,
    ReweightedWakeSleep,
    StepMemory,
    WakeSleep,
)
from harmonium.rng import fast_key
from harmonium.testing.statistics import matches_means
from harmonium.units import Bernoulli

NET = LATENT["helmholtz-one-layer"]  # 4 visible units, 3 hidden ones
DEEP = randomised(HelmholtzMachine(Bernoulli(4), [Bernoulli(3), Bernoulli(2)], key=KEY), 800)
ROWS = jnp.array([[1.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.0]])


def exact_bound(net, rows, k=1):
    """`E log (1/k) sum_i p(v, h_i) / q(h_i | v)`, summed over every `k` latent states there are."""
    states = latent_states(net)
    count = len(next(iter(states.values())))
    tuples = jnp.asarray(list(itertools.product(range(count), repeat=k)))

    def one(x):
        encoded = net.encode_features(x)
        log_p = jax.vmap(lambda h: net.log_joint(x, h))(states)
        log_q = jax.vmap(lambda h: net.log_q(h, encoded))(states)
        chance = jnp.exp(jnp.sum(log_q[tuples], axis=1))
        return chance @ (jax.nn.logsumexp((log_p - log_q)[tuples], axis=1) - jnp.log(k))

    return jnp.mean(jax.vmap(one)(rows))


@eqx.filter_jit
def exact_loss_and_slope(net, k):
    """Minus the bound, and its gradient."""
    return eqx.filter_value_and_grad(lambda m: -exact_bound(m, ROWS, k))(net)


@eqx.filter_jit
def drawn(rule, model, batch, memory, n):
    """Losses `[n]`, gradients and new memories of one batch under `n` keys."""

    def one(key):
        return eqx.filter_value_and_grad(lambda m: rule(m, batch, key, memory), has_aux=True)(model)

    return jax.vmap(one)(jax.random.split(fast_key(KEY), len(n)))


SEEN = -4.4  # a value that a running mean has met three times
MOVED = StepMemory(own=MovingAverage(0.9).updated(jnp.array(SEEN)).updated(jnp.array(SEEN)).updated(jnp.array(SEEN)))


@pytest.mark.parametrize(
    ("rule", "memory"),
    [
        (REINFORCE(baseline="none"), MOVED),
        (REINFORCE(baseline="moving"), MOVED),
        (REINFORCE(samples=2, baseline=-2.0), MOVED),
        (REINFORCE(samples=3, baseline="leave_one_out"), MOVED),
    ],
    ids=["none", "moving", "number", "leave-one-out"],
)
def test_reinforce_is_the_gradient_of_the_bound_in_the_mean(rule, memory):
    loss, slope = exact_loss_and_slope(DEEP, 1)
    n = 2**11
    (losses, (after, _)), slopes = drawn(rule, DEEP, ROWS, memory, jnp.zeros(n))
    matches_means(flat((losses, slopes), n), flat((loss, slope))[0], "Loss and gradient")
    share = 0.1 / (1 - 0.9**4)
    np.testing.assert_allclose(after.own.value, (1 - share) * SEEN - share * losses, rtol=1e-5)  # the bound is -loss


def test_a_baseline_lowers_the_variance():
    slopes = [
        flat(drawn(rule, DEEP, ROWS, MOVED, jnp.zeros(2**11))[1].up, 2**11)
        for rule in (REINFORCE(baseline="none"), REINFORCE(baseline="moving"))
    ]
    plain, moving = (slope.var(axis=0).sum() for slope in slopes)
    assert moving < 0.8 * plain


def test_nvil_is_the_gradient_of_the_bound_in_the_mean_but_for_its_scale():
    """That of the recognition net is divided by the signal's deviation, which each draw says in its memory."""
    rule, n = NVIL(hidden=3), 2**11
    net, steps, _, _ = rule.init(DEEP, KEY).own
    memory = StepMemory(own=(randomised(net, 0), steps, jnp.array(-1.0), jnp.array(9.0)))
    (losses, (after, metrics)), slopes = drawn(rule, DEEP, ROWS, memory, jnp.zeros(n))
    scale = np.maximum(1, np.sqrt(after.own[3]))
    assert scale.min() > 2
    slopes = eqx.tree_at(
        lambda m: m.up, slopes, jax.tree.map(lambda s: s * scale.reshape(n, *(1,) * (s.ndim - 1)), slopes.up)
    )
    matches_means(flat((losses, slopes), n), flat(exact_loss_and_slope(DEEP, 1))[0], "Loss and gradient")
    np.testing.assert_allclose(after.own[3], 0.8 * 9 + 0.2 * metrics["signal_deviation"] ** 2, rtol=1e-5)


def test_the_baseline_of_nvil_takes_sequences_with_absent_frames():
    frames = hm.units.Frames(Bernoulli(1), 2)
    model = hm.VariationalRNN(frames, Bernoulli(1), 2, sizes=[2], key=KEY)
    rows, rule = jnp.asarray(frames.rows([[[1]], [[0], [1]]])), NVIL(hidden=2)
    found = drawn(rule, model, rows, rule.init(model, KEY), np.ones(1))
    for leaf in jax.tree.leaves(eqx.filter(found, eqx.is_array)):
        assert np.isfinite(leaf).all()


def test_the_baseline_of_nvil_learns_the_bound_of_each_row():
    """On two rows of different likelihood its error falls to what the guesses alone make of it."""
    rule = NVIL(samples=20, hidden=8, rate=0.02)
    step = eqx.filter_jit(lambda key, memory: rule(DEEP, ROWS, key, memory)[1])
    memory = rule.init(DEEP, KEY)
    for key in jax.random.split(KEY, 150):
        memory, _ = step(key, memory)
    net, _, mean, _ = memory.own
    found = np.asarray(mean + jax.vmap(net)(ROWS)[:, 0])
    bound = eqx.filter_jit(exact_bound)
    exact = [float(bound(DEEP, row[None])) for row in ROWS]
    assert abs(exact[0] - exact[1]) > 0.5
    np.testing.assert_allclose(found, exact, atol=0.25)


@pytest.mark.parametrize(("net", "k"), [(DEEP, 2), (NET, 3)], ids=["two", "three"])
def test_vimco_is_the_gradient_of_its_bound_in_the_mean(net, k):
    assert_unbiased(VIMCO(samples=k), net, ROWS, exact_loss_and_slope(net, k))


@eqx.filter_jit
def guesses_of(net, key, k):
    """The guesses `[rows, k]` that rules of constant guesses draw by a key, and their log-weights."""

    def one(keys, x):
        encoded = net.encode_features(x)
        latents = jax.vmap(lambda key: net.sample_posterior(key, encoded))(keys)
        log_w = jax.vmap(lambda h: net.log_joint(x, h) - net.log_q(h, encoded))(latents)
        return latents["h"], log_w

    return jax.vmap(one)(jax.random.split(key, (len(ROWS), k)), ROWS)


def sigmoid(a):
    return 1 / (1 + np.exp(-np.asarray(a, np.float64)))


def delta_rules(net, x, h, weight, dreamt_x, dreamt_h, awake, asleep):
    """Raising `log p` by pairs `x` `[n, k, 4]`, `h` `[n, k, 3]`, weighted over `k`; `log q` by these and by dreams."""
    x, h = np.broadcast_to(np.asarray(x, np.float64)[:, None], (*h.shape[:2], 4)), np.asarray(h, np.float64)
    weight = np.asarray(weight, np.float64) / len(x)
    (down,), (up,) = net.down, net.up
    below = weight[..., None] * (x - sigmoid(h @ down.W.T + down.b))
    above = awake * weight[..., None] * (h - sigmoid(x @ up.W.T + up.b))
    asleep = asleep / len(dreamt_x) * (dreamt_h - sigmoid(dreamt_x @ up.W.T + up.b))
    return {
        "down.W": np.einsum("nki,nkj->ij", below, h),
        "down.b": below.sum(axis=(0, 1)),
        "up.W": np.einsum("nkj,nki->ji", above, x) + asleep.T @ dreamt_x,
        "up.b": above.sum(axis=(0, 1)) + asleep.sum(axis=0),
        "prior": np.einsum("nk,nkj->j", weight, h - sigmoid(net.prior.b)),
    }


def assert_raises_by(slope, rules):
    """The gradient of the loss is minus each of these."""
    found = {
        "down.W": slope.down[0].W, "down.b": slope.down[0].b, "up.W": slope.up[0].W, "up.b": slope.up[0].b,
        "prior": slope.prior.b,
    }  # fmt: skip
    for name, rule in rules.items():
        np.testing.assert_allclose(-np.asarray(found[name]), rule, rtol=1e-4, atol=1e-6, err_msg=name)


def dreams_of(net, key):
    x, latents = jax.vmap(net.simulate)(jax.random.split(key, len(ROWS)))
    return np.asarray(x, np.float64), np.asarray(latents["h"], np.float64)


def test_wake_sleep_is_two_delta_rules():
    wake, sleep = jax.random.split(KEY)
    h, log_w = guesses_of(NET, wake, 2)
    loss, slope = loss_and_slope(WakeSleep(samples=2), NET, ROWS)
    assert_raises_by(slope, delta_rules(NET, ROWS, h, np.full((2, 2), 0.5), *dreams_of(NET, sleep), 0, 1))
    assert float(loss) == pytest.approx(-float(log_w.mean()), rel=1e-5)


@pytest.mark.parametrize(("awake", "asleep"), [(True, True), (True, False), (False, True)])
def test_reweighted_wake_sleep_weighs_the_delta_rules(awake, asleep):
    wake, sleep = jax.random.split(KEY)
    h, log_w = guesses_of(NET, wake, 3)
    w = np.exp(np.asarray(log_w, np.float64))
    assert np.ptp(w / w.sum(axis=1, keepdims=True)) > 0.1
    loss, slope = loss_and_slope(ReweightedWakeSleep(samples=3, wake=awake, sleep=asleep), NET, ROWS)
    shares = (awake / (awake + asleep), asleep / (awake + asleep))
    rules = delta_rules(NET, ROWS, h, w / w.sum(axis=1, keepdims=True), *dreams_of(NET, sleep), *shares)
    assert_raises_by(slope, rules)
    assert float(loss) == pytest.approx(-np.log(w.mean(axis=1)).mean(), rel=1e-5)


def test_the_rule_of_a_bidirectional_machine_weighs_by_square_roots():
    model = eqx.tree_at(lambda m: m.net, LATENT["bihm-one-layer"], NET)
    h, log_w = guesses_of(NET, KEY, 3)
    root = np.exp(0.5 * np.asarray(log_w, np.float64))
    loss, slope = loss_and_slope(Bidirectional(samples=3), model, ROWS)
    none = np.zeros((1, 4)), np.zeros((1, 3))
    assert_raises_by(slope.net, delta_rules(NET, ROWS, h, root / root.sum(axis=1, keepdims=True), *none, 1, 0))
    assert float(loss) == pytest.approx(-2 * np.log(root.mean(axis=1)).mean(), rel=1e-5)


def test_a_belief_net_without_latent_variables_is_a_fully_visible_one():
    net = LATENT["sbn-alone-fvbn"]
    x = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 1]], np.float32)
    ours, fvbn = (hm.log_likelihood(model, x) for model in (net, net.prior))
    assert isinstance(net.prior, hm.FVBN)
    assert ours.kind == fvbn.kind == "exact"
    np.testing.assert_allclose(ours.per_example, fvbn.per_example, rtol=1e-6)
    expected = loss_and_slope(MaximumLikelihood(), net.prior, jnp.asarray(x))
    loss, slope = loss_and_slope(ReweightedWakeSleep(), net, jnp.asarray(x))
    assert float(loss) == pytest.approx(float(expected[0]), rel=1e-6)
    assert_equal_trees(slope.prior, expected[1])


def test_every_bound_is_below_the_exact_value():
    exact = float(eqx.filter_jit(lambda net: jnp.mean(jax.vmap(lambda x: exact_log_prob(net, x))(ROWS)))(DEEP))
    values = [-float(exact_loss_and_slope(DEEP, k)[0]) for k in (1, 2)]
    assert values[0] + 1e-3 < values[1] < exact - 1e-3
