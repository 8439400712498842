"""Active units and their divergence, held to closed forms and to sums over all latent states."""

from __future__ import annotations

from statistics import NormalDist

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from harmonium.data import from_arrays
from harmonium.errors import InputError
from harmonium.evaluation import active_units, diagnose
from harmonium.evaluation.active_units import ACTIVE, GUESSES, ActiveUnits
from harmonium.inference.latent import latent_states
from harmonium.models import RBM, VAE, BiHM, HelmholtzMachine, SigmoidBeliefNet
from harmonium.testing import FAILURE_RATE
from harmonium.units import Bernoulli, Categorical, Gaussian

KEY = jax.random.key(0)
N = 4


def rows_like(p: float, n: int = 60, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random((n, N)) < p).astype(np.float32)


ROWS = rows_like(0.5)


def limit(tests: int) -> float:
    """Standard errors within which that many estimates lie together, but for `FAILURE_RATE`."""
    return NormalDist().inv_cdf(1 - FAILURE_RATE / (2 * tests))


def test_real_units_have_the_divergence_of_gaussians():
    vae = VAE(Bernoulli(N), Gaussian(3), hidden=[5], key=KEY)
    vae = eqx.tree_at(lambda m: m.up[0].net.W[-1], vae, replace_fn=lambda w: 3 * w)  # far from the prior
    eta = jax.vmap(vae.up[0].natural)(jnp.asarray(ROWS))
    variance = np.asarray(-0.5 / eta.square, np.float64)
    mean = np.asarray(eta.x, np.float64) * variance
    found = active_units(vae, ROWS, key=KEY)
    np.testing.assert_allclose(found.spread["z"], mean.var(axis=0), rtol=1e-4)
    kl = 0.5 * (mean**2 + variance - 1 - np.log(variance))
    noise = (0.5 * (variance - 1) ** 2 + mean**2 * variance).sum(axis=0) / (GUESSES * len(ROWS) ** 2)
    assert (np.abs(found.kl["z"] - kl.mean(axis=0)) < limit(3) * np.sqrt(noise)).all()
    assert (kl.mean(axis=0) > 3 * limit(3) * np.sqrt(noise)).all()  # it could have been missed


@pytest.mark.parametrize(
    "net",
    [
        HelmholtzMachine(Bernoulli(N), [Bernoulli(3)], key=KEY),
        HelmholtzMachine(Bernoulli(N), [Bernoulli(2), Categorical(2, states=3)], key=KEY),
        SigmoidBeliefNet(Bernoulli(N), [Bernoulli(2), Bernoulli(3)], prior="fvbn", key=KEY, scale=1.0),
    ],
    ids=["one layer", "two, of two kinds", "fully visible prior"],
)
def test_the_divergence_is_that_of_all_latent_states(net):
    rows = ROWS[:20]
    states = latent_states(net)
    names = list(net.layers)

    def one(x):
        encoded = net.encode_features(x)
        log_q = jax.vmap(lambda h: net.log_q(h, encoded))(states)
        below = jax.vmap(lambda h: net.layers["v"].log_prob(net.down[0].natural(h[names[1]]), x))(states)
        log_ratio = log_q - (jax.vmap(lambda h: net.log_joint(x, h))(states) - below)
        mean = jnp.sum(jnp.exp(log_q) * log_ratio)
        features = jax.vmap(lambda h: net.layers[names[-1]].as_input(h[names[-1]]))(states)
        return mean, jnp.sum(jnp.exp(log_q) * (log_ratio - mean) ** 2), jnp.exp(log_q) @ features

    kl, variance, codes = (np.asarray(x, np.float64) for x in jax.jit(jax.vmap(one))(jnp.asarray(rows)))
    found = active_units(net, rows, key=KEY)
    assert abs(found.nats - kl.mean()) < limit(1) * np.sqrt(variance.sum() / GUESSES) / len(rows)
    unit = net.layers[names[-1]]
    exact = codes.var(axis=0).reshape(unit.size, -1).sum(axis=1)
    assert [len(found.spread[name]) for name in names[1:]] == [net.layers[name].size for name in names[1:]]
    np.testing.assert_allclose(found.spread[names[-1]], exact, atol=1e-5 if len(names) == 2 else 0.02)


def test_guesses_of_a_layer_below_do_not_make_a_unit_active():
    """The first layer is pure noise here: the mean of 20 guesses of the second varies by more than the threshold."""
    net = HelmholtzMachine(Bernoulli(N), [Gaussian(2), Gaussian(2)], key=KEY)
    net = eqx.tree_at(lambda m: [m.up[0].W, m.up[1].W], net, [jnp.zeros((2, N)), jnp.eye(2)])
    assert 1 / GUESSES > 4 * ACTIVE
    found = active_units(net, rows_like(0.5, n=1000), key=KEY)
    assert found.count == 0
    assert found.total == 4
    told = eqx.tree_at(lambda m: m.up[0].W, net, jnp.eye(2, N))
    np.testing.assert_allclose(active_units(told, rows_like(0.5, 1000), key=KEY).spread["h2"], 0.25, rtol=0.1)


def collapsed() -> VAE:
    """A VAE whose guesses are the prior, whatever the row."""
    vae = VAE(Bernoulli(N), Gaussian(3), hidden=[5], key=KEY)
    return eqx.tree_at(lambda m: m.up[0].net.W[-1], vae, jnp.zeros_like(vae.up[0].net.W[-1]))


def test_a_collapsed_net_is_told_of_and_how_to_cure_it():
    found = active_units(collapsed(), ROWS, key=KEY)
    np.testing.assert_allclose(found.kl["z"], 0, atol=1e-6)
    assert str(found) == "0 of 3 latent units active, KL 0.00 nats"
    told = diagnose(collapsed(), ROWS, key=KEY)
    assert (told.active.verdict, told.kl.verdict, told.good) == ("poor", "poor", False)
    assert "posterior collapse" in told.active.cure
    assert "IWAE" in str(told)
    alive = diagnose(VAE(Bernoulli(N), Gaussian(3), hidden=[5], key=KEY), ROWS, key=KEY)
    assert (alive.active.found, alive.active.verdict, alive.kl.verdict) == ("3 of 3", "good", "good")
    assert (alive.dead.verdict, alive.bound_gap.verdict) == ("unknown", "unknown")


def test_units_of_no_use_and_rows_learned_by_heart():
    net = BiHM(Bernoulli(N), [Bernoulli(3)], key=KEY)
    net = eqx.tree_at(
        lambda m: [m.net.up[0].b, m.net.down[0].b], net, [jnp.array([-30.0, 0.0, 30.0]), jnp.full(N, 6.0)]
    )
    data = from_arrays(rows_like(0.95), valid=rows_like(0.3, seed=1))
    found = diagnose(net, data, key=KEY)
    assert [f.numbers["count"] for f in (found.dead, found.saturated)] == [1, 1]
    assert found.active.numbers["count"] <= 1
    assert (found.bound_gap.verdict, found.bound_gap.numbers["gap"] > 5) == ("poor", True)
    fair = diagnose(net, from_arrays(rows_like(0.95), valid=rows_like(0.95, seed=1)), key=KEY)
    assert fair.bound_gap.verdict == "good"


def test_a_cost_that_is_not_known_unit_by_unit_is_left_out():
    found = ActiveUnits({"z": np.array([0.9, 0.001])}, {"z": np.full(2, np.nan)})
    assert str(found) == "1 of 2 latent units active"


def test_bad_usage_is_refused():
    vae = VAE(Bernoulli(N), Gaussian(3), hidden=[5], key=KEY)
    for model, rows, key, said in (
        (vae, ROWS, None, "pass key="), (vae, ROWS[:1], KEY, "two or more"),
        (vae, np.zeros((3, 7)), KEY, "must have 4 columns"),
        (SigmoidBeliefNet(Bernoulli(N), key=KEY), ROWS, KEY, "no latent variables"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=said):
            active_units(model, rows, key=key)
    with pytest.raises(InputError, match="takes a directed net with latent variables"):
        active_units(RBM(Bernoulli(N), Bernoulli(2), key=KEY), ROWS, key=KEY)
    alone = diagnose(SigmoidBeliefNet(Bernoulli(N), key=KEY), ROWS, key=KEY)
    assert alone.active.cure == "there are no latent variables"
