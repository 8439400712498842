"""AIS on the posterior and bidirectional Monte Carlo: moves, weights and bounds against exact likelihoods."""

from __future__ import annotations

import itertools
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp, softmax
from scipy.stats import multivariate_normal, norm

import harmonium as hm
from examples import randomised
from harmonium.errors import InputError
from harmonium.evaluation import posterior_annealing, simulated_interval
from harmonium.evaluation.bidirectional import SIMULATED, simulated
from harmonium.evaluation.posterior_annealing import METHOD, _begin, annealed
from harmonium.rng import fast_key
from harmonium.samplers.mcmc import hamiltonian, site_law, sweep_sites
from harmonium.testing import FAILURE_RATE
from harmonium.testing.statistics import matches_law

B, G, S, C = hm.units.Bernoulli, hm.units.Gaussian, hm.units.Spin, hm.units.Categorical
KEY = jax.random.key(0)
ROWS = np.array(list(itertools.product([0, 1], repeat=4)), np.float32)
MANY = 2000  # simulated rows whose weights are averaged
EXAMPLES = 60  # of all other tests: one shape is compiled once


def net(visible, hidden, seed: int, scale: float):
    return randomised(hm.SigmoidBeliefNet(visible, hidden, key=KEY, scale=0.0), seed, scale)


NETS = {
    "binary": net(B(4), [B(3), B(2)], 1, 2.0),
    "finite": net(B(3), [S(2), C(1, states=3)], 2, 1.0),
    "linear": net(G(3), [G(2)], 3, 0.4),
    "mixed": net(B(3), [G(1), B(2)], 4, 0.5),  # weights of a larger scale have no variance to speak of
}


def log_prob(name: str, rows: np.ndarray) -> np.ndarray:
    """Exact log-likelihoods: by the normal law of a linear net, else by listing states (and a grid of real ones)."""
    model = NETS[name]
    if name == "linear":
        return normal_law(model).logpdf(rows)
    names = list(model.layers)[1:]
    listed = {"binary": [(0, 1)] * 5, "finite": [(-1, 1), (-1, 1), (0, 1, 2)]}
    listed["mixed"] = [np.linspace(-8, 8, 801), (0, 1), (0, 1)]
    states = np.array(list(itertools.product(*listed[name])))
    ends = np.cumsum([model.layers[n].size for n in names])[:-1]
    latents = {
        n: jnp.asarray(part, model.layers[n].dtype) for n, part in zip(names, np.split(states, ends, 1), strict=True)
    }
    cell = math.log(16 / 800) if name == "mixed" else 0.0
    v, back = np.unique(rows, axis=0, return_inverse=True)
    joint = np.asarray(listing(model, jnp.asarray(v, model.layers["v"].dtype), latents), np.float64)
    return (logsumexp(joint, axis=1) + cell)[back.reshape(-1)]


@eqx.filter_jit
def listing(model, rows, latents):
    return jax.vmap(lambda x: jax.vmap(lambda h: model.log_joint(x, h))(latents))(rows)


def normal_law(model):
    """Of the visible units of a linear net: `N(W m + b, W diag(s^2) W^T + diag(t^2))`, read off the link's means."""

    def moments(eta):
        variance = -0.5 / np.asarray(eta.square, np.float64)
        return np.asarray(eta.x) * variance, variance

    link = model.down[0]
    offset, noise = moments(link.natural(jnp.zeros(2)))
    W = np.stack([moments(link.natural(e))[0] - offset for e in jnp.eye(2)], axis=1)
    mean, variance = moments(model.prior.conditional.natural)
    return multivariate_normal(offset + W @ mean, W @ np.diag(variance) @ W.T + np.diag(noise))


def z_limit(tests: int = 1) -> float:
    return norm.ppf(1 - FAILURE_RATE / (2 * tests))


def z(x: np.ndarray, expected: float) -> float:
    return float((x.mean() - expected) / (x.std(ddof=1) / math.sqrt(len(x))))


# ---- moves ---------------------------------------------------------------------------------------------------


def tempered(name: str, beta: float):
    model = NETS[name]
    x = jnp.ones(model.layers["v"].size)
    return lambda h: (1 - beta) * model.log_q(h, model.encode_features(x)) + beta * model.log_joint(x, h)


@pytest.mark.parametrize("name", ["binary", "finite"])
def test_the_sweep_is_a_product_of_matrices_that_keep_the_law(name):
    model, log_f = NETS[name], tempered(name, 0.7)
    units = {n: unit for n, unit in model.layers.items() if n != "v"}
    sites = [(n, unit, i) for n, unit in units.items() for i in range(unit.size)]
    states = np.array(list(itertools.product(*(np.asarray(unit.values(jnp.arange(unit.states)[:, None]))[:, 0]
                                               for _, unit, _ in sites))))  # fmt: skip
    split = np.cumsum([unit.size for unit in units.values()])[:-1]
    values = {n: jnp.asarray(x, units[n].dtype) for n, x in zip(units, np.split(states, split, axis=1), strict=True)}
    log_p = np.asarray(jax.jit(jax.vmap(log_f))(values), np.float64)
    number = {tuple(state): k for k, state in enumerate(states)}
    K = np.eye(len(states))
    for place, (n, unit, i) in enumerate(sites):
        law = jax.jit(jax.vmap(lambda h, now, n=n, unit=unit, i=i: site_law(log_f, unit, n, h, jnp.array(i), now)))
        site = law(values, jnp.asarray(log_p, jnp.float32))
        step = np.zeros_like(K)
        for k, (options, weights) in enumerate(zip(*map(np.asarray, site), strict=True)):
            for option, chance in zip(options, softmax(weights.astype(np.float64)), strict=True):
                step[k, number[(*states[k, :place], option, *states[k, place + 1 :])]] += chance
        K = K @ step
    p = softmax(log_p)
    np.testing.assert_allclose(p @ K, p, atol=1e-6)
    assert (np.abs(K - np.eye(len(states))).max(axis=1) > 0.05).all()  # it moves
    keys = jax.random.split(KEY, 4000)
    begin = jax.tree.map(lambda x: x[0], values)
    moved = jax.jit(jax.vmap(lambda k: sweep_sites(log_f, units, k, begin)))(keys)
    ends = np.hstack([np.asarray(moved[n]) for n in units])
    counts = np.bincount([number[tuple(end)] for end in ends], minlength=len(states))
    matches_law(counts, K[0], "A sweep from the first state")


@pytest.mark.parametrize(("step", "often"), [(0.05, (0.99, 1.0)), (0.9, (0.3, 0.9))])
def test_hamiltonian_moves_keep_moments_also_where_many_are_refused(step, often):
    """Of `f(a, b) = exp(-a^4 / 4) N(b; a, 1/4)`, started at exact samples."""
    rng, n = np.random.default_rng(0), 20000
    grid = np.linspace(-4, 4, 8001)
    law = np.exp(-(grid**4) / 4)
    a = np.interp(rng.uniform(size=n), np.cumsum(law) / law.sum(), grid)
    start = {"a": jnp.asarray(a[:, None], jnp.float32)}
    start["b"] = start["a"] + jnp.asarray(0.5 * rng.normal(size=(n, 1)), jnp.float32)
    scale = {"a": jnp.ones(1), "b": jnp.full(1, 0.5)}

    def log_f(h):
        return jnp.sum(-(h["a"] ** 4) / 4 - 2 * (h["b"] - h["a"]) ** 2)

    move = jax.jit(jax.vmap(lambda k, h: hamiltonian(log_f, k, h, jnp.array(step), scale, 3)))
    end, chance = move(jax.random.split(KEY, n), start)
    assert often[0] <= float(chance.mean()) <= often[1]
    square, fourth = (float(law @ grid**k / law.sum()) for k in (2, 4))
    a, b = (np.asarray(end[name], np.float64)[:, 0] for name in ("a", "b"))
    moments = [(a, 0), (a**2, square), (a**4, fourth), (b, 0), (b**2, square + 0.25), (a * b, square)]
    assert max(abs(z(*moment)) for moment in moments) < z_limit(len(moments))
    assert float(jnp.mean(jnp.abs(end["a"] - start["a"]))) > 0.02


# ---- weights -------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "start"), [*((name, "guess") for name in NETS), ("binary", "prior"), ("linear", "prior")]
)
def test_mean_weights_are_the_probability_and_its_inverse(name, start):
    x, h = simulated(NETS[name], fast_key(KEY), MANY)
    rows = np.asarray(x)
    exact = log_prob(name, rows)
    ends = annealed(NETS[name], KEY, rows, h, 1, 6, 4, start)
    forward, backward = ends.forward[:, 0] - exact, ends.backward[:, 0] + exact
    for error in (forward, backward):
        assert error.std() > 0.03  # else the test would see nothing
        assert abs(z(np.exp(error), 1.0)) < z_limit(12)
        assert z(error, 0.0) < -z_limit()  # each chain alone is a bound


@eqx.filter_jit
def log_weights(model, rows, latents):
    def weight(x, h):
        return model.log_joint(x, h) - model.log_q(h, model.encode_features(x))

    return jax.vmap(lambda x, h: jax.vmap(lambda h: weight(x, h))(h))(rows, latents)


@pytest.mark.parametrize("name", ["binary", "linear"])
def test_one_temperature_is_importance_sampling(name):
    rows = simulated(NETS[name], KEY, EXAMPLES)[0]
    draw = jax.random.split(jax.random.fold_in(fast_key(KEY), 0), 4)[0]
    guesses, _ = _begin(NETS[name], False, draw, rows, 16)
    log_w = np.asarray(log_weights(NETS[name], rows, guesses))
    found = posterior_annealing(NETS[name], np.asarray(rows), key=KEY, temperatures=1)
    np.testing.assert_allclose(found.per_example, logsumexp(log_w, axis=1) - math.log(16), atol=1e-4)
    assert log_w.std() > 0.1


def test_step_sizes_are_found_by_chains_that_start_elsewhere(monkeypatch):
    """Sizes that depend on where a chain starts would leave no law invariant, and no mean weight without bias."""
    starts, walk = [], annealed.__globals__["_walk"]
    monkeypatch.setitem(annealed.__globals__, "_walk", lambda *args: starts.append(args[4]["h"]) or walk(*args))
    rows = np.asarray(simulated(NETS["linear"], KEY, EXAMPLES)[0])
    posterior_annealing(NETS["linear"], rows, key=KEY, temperatures=1)
    pilot, forward = (np.asarray(start).ravel() for start in starts)
    assert not np.isin(pilot, forward).any()


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_with_many_temperatures_it_is_close_and_below(name):
    rows = np.asarray(simulated(NETS[name], jax.random.key(5), EXAMPLES)[0])
    exact = log_prob(name, rows)
    found = posterior_annealing(NETS[name], rows, key=KEY, temperatures=200)
    error = found.per_example - exact
    assert abs(error.mean()) < 0.03
    assert z(error, 0.0) < z_limit()
    assert found.value == pytest.approx(exact.mean(), abs=0.03)


def test_rows_are_all_weighed_where_chains_run_in_several_parts(monkeypatch):
    monkeypatch.setitem(annealed.__globals__, "AT_ONCE", 16 * EXAMPLES)
    rows = np.tile(ROWS, (5, 1))
    found = posterior_annealing(NETS["binary"], rows, key=KEY, temperatures=200)
    assert found.per_example.shape == (80,)
    np.testing.assert_allclose(found.per_example, log_prob("binary", rows), atol=0.5)


# ---- intervals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["binary", "linear"])
def test_the_interval_holds_the_mean_of_its_examples(name):
    model = NETS[name]
    rows = np.asarray(simulated(model, jax.random.split(fast_key(KEY))[0], EXAMPLES)[0])
    exact = log_prob(name, rows).mean()
    loose = simulated_interval(model, KEY, EXAMPLES, temperatures=2)
    close = simulated_interval(model, KEY, EXAMPLES, temperatures=200)
    assert loose.lower < exact < loose.upper
    assert close.gap < 0.5 * loose.gap
    assert close.gap < 0.1
    assert close.lower - 0.02 < exact < close.upper + 0.02


def test_what_the_estimates_say():
    model = NETS["linear"]
    rows = np.asarray(simulated(model, KEY, EXAMPLES)[0])
    found = posterior_annealing(model, rows, key=KEY, temperatures=200)
    assert (found.kind, found.upper, found.sure, found.method) == ("lower", np.inf, False, METHOD)
    assert found.value == found.lower == pytest.approx(found.per_example.mean())
    assert (found.n, found.space.n, found.verdict) == (60, 60, "trust")
    told = {"chains": 16, "temperatures": 200, "leapfrog": 10, "start": "guess", "seed": [0, 0]}
    assert told.items() <= found.settings.items()
    assert 0.55 < found.settings["accepted"] < 0.75  # the first run found the step sizes
    again = posterior_annealing(model, rows, key=KEY, temperatures=200)
    np.testing.assert_array_equal(again.per_example, found.per_example)
    interval = simulated_interval(model, KEY, n=EXAMPLES, temperatures=200)
    assert (interval.kind, interval.method, interval.n, interval.sure) == ("interval", SIMULATED, 60, False)
    assert interval.value == pytest.approx((interval.lower + interval.upper) / 2)
    assert interval.verdict == "trust"


def test_a_model_that_ran_away_is_told():
    broken = jax.tree.map(lambda leaf: leaf * np.nan, NETS["binary"])
    found = posterior_annealing(broken, np.tile(ROWS, (4, 1))[:EXAMPLES], key=KEY, temperatures=200)
    assert found.verdict == "do not report: the weights are not finite"


@pytest.mark.parametrize(
    ("options", "said"),
    [({"key": None}, "draws random numbers: pass key="), ({"key": 3}, "a key, not from 3"),
     ({"chains": 2.5}, "at least 1, not chains=2.5"), ({"temperatures": 0}, "temperatures=0"),
     ({"leapfrog": True - 1}, "leapfrog=0"), ({"start": "data"}, "'guess' or from the 'prior', not 'data'")],
)  # fmt: skip
def test_bad_options_are_refused(options, said):
    with pytest.raises(InputError, match=said):
        posterior_annealing(NETS["binary"], ROWS, **{"key": KEY} | options)


def test_other_models_are_refused():
    columns, frames = hm.units.Columns([B(1), G(1)]), hm.units.Frames(B(2), 2)
    for model, said in [
        (hm.VariationalRNN(frames, G(1), 2, sizes=[2], key=KEY), "not real ones of frames: take the bound"),
        (hm.RBM(B(4), B(3), key=KEY), "takes a directed model of latent variables .*, not an RBM"),
        (hm.SigmoidBeliefNet, "not the class SigmoidBeliefNet"),
        (hm.SigmoidBeliefNet(B(4), key=KEY), "has no latent variables to anneal"),
        (hm.SigmoidBeliefNet(B(4), [columns], key=KEY), "not the Columns units of layer 'h': give them layers"),
    ]:
        with pytest.raises(InputError, match=said):
            posterior_annealing(model, ROWS, key=KEY)
        with pytest.raises(InputError, match=said):
            simulated_interval(model, KEY)
    with pytest.raises(InputError, match="at least 1, not n=0"):
        simulated_interval(NETS["binary"], KEY, n=0)
