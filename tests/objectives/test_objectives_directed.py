"""Rules of directed nets: in the mean the exact gradient of their bound, or the forms that are derived by hand."""

from __future__ import annotations

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from slopes import KEY, assert_equal_trees, assert_unbiased, flat, loss_and_slope
from sklearn.decomposition import PCA

import harmonium as hm
from examples import LATENT, randomised
from harmonium.errors import InputError
from harmonium.inference.latent import exact_log_prob, latent_states
from harmonium.models import HelmholtzMachine, SigmoidBeliefNet
from harmonium.objectives import (
    ELBO,
    IWAE,
    NVIL,
    REINFORCE,
    VIMCO,
    Bidirectional,
    MaximumLikelihood,
    ReweightedWakeSleep,
    StepMemory,
    WakeSleep,
)
from harmonium.rng import cheap
from harmonium.testing.statistics import matches_means
from harmonium.units import Bernoulli, Gaussian

NET = LATENT["helmholtz-one-layer"]  # 4 visible units, 3 hidden ones
DEEP = randomised(HelmholtzMachine(Bernoulli(4), [Bernoulli(3), Bernoulli(2)], key=KEY), 800)
LINEAR = randomised(SigmoidBeliefNet(Gaussian(3), [Gaussian(2)], key=KEY), 801, 0.3)
ROWS = jnp.array([[1.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.0]])
REAL_ROWS = jnp.array([[0.5, -1.0, 0.3], [1.5, 0.2, -0.7]])


def exact_bound(net, rows, k=1):
    """`E log (1/k) sum_i p(v, h_i) / q(h_i | v)`, summed over every `k` latent states there are."""
    states = latent_states(net)
    count = len(next(iter(states.values())))
    tuples = jnp.asarray(list(itertools.product(range(count), repeat=k)))

    def one(x):
        seen = net.look(x)
        log_p = jax.vmap(lambda h: net.log_joint(x, h))(states)
        log_q = jax.vmap(lambda h: net.log_guess(h, seen))(states)
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

    return jax.vmap(one)(jax.random.split(cheap(KEY), len(n)))


MOVED = StepMemory(own=(jnp.array(-1.2), jnp.array(3.0)))  # a running mean after three steps


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
    mean, seen = after.own
    np.testing.assert_allclose(mean, 0.9 * -1.2 - 0.1 * losses, rtol=1e-5)  # the bound is minus the loss
    assert (seen == 4).all()


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


def test_the_baseline_of_nvil_learns_the_bound_of_each_row():
    """On two rows of different likelihood its error falls to what the guesses alone make of it."""
    rule = NVIL(samples=20, hidden=8, rate=0.02)
    step = eqx.filter_jit(lambda key, memory: rule(DEEP, ROWS, key, memory)[1])
    memory = rule.init(DEEP, KEY)
    for key in jax.random.split(KEY, 150):
        memory, _ = step(key, memory)
    net, _, mean, _ = memory.own
    found = np.asarray(mean + jax.vmap(net)(ROWS)[:, 0])
    exact = [float(exact_bound(DEEP, row[None])) for row in ROWS]
    assert abs(exact[0] - exact[1]) > 0.5
    np.testing.assert_allclose(found, exact, atol=0.25)


@pytest.mark.parametrize(("net", "k"), [(DEEP, 2), (NET, 3)], ids=["two", "three"])
def test_vimco_is_the_gradient_of_its_bound_in_the_mean(net, k):
    assert_unbiased(VIMCO(samples=k), net, ROWS, exact_loss_and_slope(net, k))


@eqx.filter_jit
def guesses_of(net, key, k):
    """The guesses `[rows, k]` that rules of constant guesses draw by a key, and their log-weights."""

    def one(keys, x):
        seen = net.look(x)
        latents = jax.vmap(lambda key: net.guess(key, seen))(keys)
        log_w = jax.vmap(lambda h: net.log_joint(x, h) - net.log_guess(h, seen))(latents)
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


def test_importance_weighting_of_one_guess_is_the_evidence_lower_bound():
    for net, rows in ((LINEAR, REAL_ROWS), (LATENT["vae-bernoulli"], ROWS[:, :3])):
        one, other = (loss_and_slope(rule, net, rows) for rule in (IWAE(samples=1), ELBO()))
        assert float(one[0]) == pytest.approx(float(other[0]), rel=1e-6)
        assert_equal_trees(one[1], other[1])


def linear_bound(net, rows):
    """The evidence lower bound of a net of two layers of Gaussian units with diagonal precisions, in closed form."""
    (down,), (up,), prior = net.down, net.up, net.prior.b
    beta, gamma, tau = (jnp.exp(b.log_precision) for b in (down.b, up.b, prior))
    m = rows @ up.W.T + up.b.mean
    misfit = (rows - down.b.mean - m @ down.W.T) ** 2 + (down.W**2) @ (1 / gamma)
    bound = 0.5 * jnp.sum(jnp.log(beta / (2 * jnp.pi)) - beta * misfit, axis=1)
    bound += 0.5 * jnp.sum(jnp.log(tau / (2 * jnp.pi)) - tau * ((m - prior.mean) ** 2 + 1 / gamma), axis=1)
    return jnp.mean(bound) + 0.5 * jnp.sum(1 + jnp.log(2 * jnp.pi / gamma))


def linear_log_prob(net, rows):
    """`log N(v; mean + W mean_z, W V_z W^T + V_v)` of each row."""
    (down,), prior = net.down, net.prior.b
    W = np.asarray(down.W, np.float64)
    covariance = W @ np.diag(np.exp(-prior.log_precision)) @ W.T + np.diag(np.exp(-down.b.log_precision))
    left = np.asarray(rows, np.float64) - down.b.mean - W @ prior.mean
    power = np.einsum("ni,ij,nj->n", left, np.linalg.inv(covariance), left)
    return -0.5 * (power + np.linalg.slogdet(2 * np.pi * covariance)[1])


def test_the_path_to_real_latent_variables_gives_the_gradient_of_the_bound():
    """ELBO against its closed form, in loss and gradient, for a linear Gaussian net."""
    expected = eqx.filter_value_and_grad(lambda m: -linear_bound(m, REAL_ROWS))(LINEAR)
    assert float(-expected[0]) < linear_log_prob(LINEAR, REAL_ROWS).mean() - 0.05
    assert_unbiased(ELBO(), LINEAR, REAL_ROWS, expected)


def test_importance_weighting_rises_with_the_guesses_and_meets_the_likelihood():
    exact, n = linear_log_prob(LINEAR, REAL_ROWS).mean(), 2**9
    keys = jax.random.split(cheap(KEY), n)
    bounds = {}
    for k in (1, 3, 20, 500):
        losses = jax.jit(jax.vmap(lambda key, k=k: IWAE(samples=k)(LINEAR, REAL_ROWS, key, None)[0]))(keys)
        bounds[k] = (-np.mean(losses, dtype=np.float64), np.std(losses) / np.sqrt(n))
    values = [value for value, _ in bounds.values()]
    errors = [error for _, error in bounds.values()]
    for i in range(3):
        assert values[i + 1] - values[i] > 4 * np.hypot(errors[i], errors[i + 1]), bounds
    assert values[3] < exact + 4 * errors[3]
    assert values[3] == pytest.approx(exact, abs=0.01 + 4 * errors[3])
    assert values[0] == pytest.approx(float(linear_bound(LINEAR, REAL_ROWS)), abs=4 * errors[0])


def a_plane(n=400):
    """Rows in four dimensions near a plane, with noise of one variance, and their probabilistic PCA."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(n, 2)) @ rng.normal(size=(2, 4)) + [1.0, -2.0, 0.0, 0.5] + 0.5 * rng.normal(size=(n, 4))
    return x.astype(np.float32), PCA(n_components=2).fit(x.astype(np.float64))


def linear_vae():
    return hm.VAE(Gaussian(4), Gaussian(2), hidden=[], key=KEY)


def pairs(mean, log_precision):
    """Outputs for the means and log-precisions of Gaussian units, unit by unit."""
    return jnp.asarray(np.stack([mean, log_precision], axis=-1).reshape(*np.shape(mean)[:-1], -1), jnp.float32)


def test_a_linear_auto_encoder_at_the_solution_of_probabilistic_pca_has_its_likelihood():
    """With the exact posterior for a guess every guess has the weight `p(v)`: the bound is the likelihood."""
    x, pca = a_plane()
    noise, var = pca.noise_variance_, pca.explained_variance_
    W = pca.components_.T * np.sqrt(var - noise)  # [4, 2], with W^T W + s^2 I = diag(var)
    back = W / var  # the posterior's mean is back^T (x - mean), its variance s^2 / var
    where = lambda m: [m.down[0].net.W[0], m.down[0].net.b[0], m.up[0].net.W[0], m.up[0].net.b[0]]  # noqa: E731
    values = [
        pairs(W.T, np.zeros((2, 4))),
        pairs(pca.mean_, np.full(4, -np.log(noise))),
        pairs(back, np.zeros((4, 2))),
        pairs(-pca.mean_ @ back, np.log(var / noise)),
    ]
    vae = eqx.tree_at(where, linear_vae(), values)
    each = eqx.filter_jit(jax.vmap(lambda key, v: vae.weigh(key, v, vae.look(v)).log_weight))(
        jax.random.split(KEY, len(x)), jnp.asarray(x)
    )
    np.testing.assert_allclose(each, pca.score_samples(x), atol=1e-3)
    assert float(jnp.mean(each)) == pytest.approx(pca.score(x), abs=1e-4)


def test_a_linear_auto_encoder_learns_probabilistic_pca():
    x, pca = a_plane()
    options = {"optimizer": optax.adam(optax.cosine_decay_schedule(0.03, 300)), "epochs": 150, "batch_size": 200}
    run = hm.fit(linear_vae(), x, ELBO(samples=4), **options, key=KEY, monitor=False)
    bound = float(eqx.filter_jit(ELBO(samples=100))(run.model, jnp.asarray(x), KEY, None)[1][1]["bound"])
    assert bound == pytest.approx(pca.score(x), abs=0.05)


def test_a_belief_net_without_latent_variables_is_a_fully_visible_one():
    net = LATENT["sbn-alone-fvbn"]
    x = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 1]], np.float32)
    ours, fvbn = (hm.log_likelihood(model, x) for model in (net, net.prior))
    assert isinstance(net.prior, hm.FVBN) and ours.kind == fvbn.kind == "exact"
    np.testing.assert_allclose(ours.per_example, fvbn.per_example, rtol=1e-6)
    for rule in (ReweightedWakeSleep(), REINFORCE(baseline="none")):
        loss, slope = (
            loss_and_slope(rule, net, jnp.asarray(x))
            if isinstance(rule, ReweightedWakeSleep)
            else _with_memory(rule, net, jnp.asarray(x))
        )
        expected = loss_and_slope(MaximumLikelihood(), net.prior, jnp.asarray(x))
        assert float(loss) == pytest.approx(float(expected[0]), rel=1e-6)
        assert_equal_trees(slope.prior, expected[1])


def _with_memory(rule, net, x):
    return eqx.filter_value_and_grad(lambda m: rule(m, x, KEY, rule.init(net, KEY))[0])(net)


def test_every_bound_is_below_the_exact_value():
    exact = float(jnp.mean(jax.vmap(lambda x: exact_log_prob(NET, x))(ROWS)))
    values = [-float(exact_loss_and_slope(NET, k)[0]) for k in (1, 2, 3)]
    assert values[0] + 1e-3 < values[1] < values[2] - 1e-4 < exact
