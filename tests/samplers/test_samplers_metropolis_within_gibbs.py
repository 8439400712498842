"""Missing values of directed nets: the kernel leaves the exact law invariant, and chains end in it."""

from __future__ import annotations

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

import harmonium as hm
from examples import randomised
from harmonium.errors import InputError
from harmonium.samplers.metropolis_within_gibbs import Filled, refilled
from harmonium.testing import FAILURE_RATE
from harmonium.testing.statistics import matches_law

B, G, KEY = hm.units.Bernoulli, hm.units.Gaussian, jax.random.key(0)
NET = randomised(hm.HelmholtzMachine(B(4), [B(2), B(2)], key=KEY), 3, 1.0)
KNOWN = jnp.array([True, False, True, False])
X = jnp.array([1.0, 0.0, 0.0, 0.0])
BITS = np.array(list(itertools.product([0.0, 1.0], repeat=6)), np.float32)  # two missing values, four latent ones


def states() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Every value of what is not known: rows, and latent variables by layer."""
    x = np.tile(np.asarray(X), (len(BITS), 1))
    x[:, [1, 3]] = BITS[:, :2]
    return x, {"h1": BITS[:, 2:4], "h2": BITS[:, 4:]}


def exact() -> np.ndarray:
    x, h = states()
    log_p = np.asarray(jax.vmap(NET.log_joint)(jnp.asarray(x), jax.tree.map(jnp.asarray, h)), np.float64)
    return np.exp(log_p - np.logaddexp.reduce(log_p))


def counted(x: np.ndarray, h: dict[str, np.ndarray]) -> np.ndarray:
    bits = np.hstack([np.asarray(x)[:, [1, 3]], np.asarray(h["h1"]), np.asarray(h["h2"])])
    return np.bincount((bits @ 2 ** np.arange(5, -1, -1)).astype(int), minlength=64)


def test_a_step_leaves_the_exact_law_invariant():
    law, (x, h) = exact(), states()
    chosen = np.random.default_rng(1).choice(64, 40_000, p=law)
    start = Filled(jnp.asarray(x[chosen]), {name: jnp.asarray(part[chosen]) for name, part in h.items()})
    keys = jax.random.split(jax.random.key(2), len(chosen))
    end = jax.jit(jax.vmap(lambda k, s: refilled(NET, k, s, KNOWN)[0]))(keys, start)
    matches_law(counted(end.x, end.latents), law, "One step from the exact law")
    assert (np.asarray(end.x) != x[chosen]).any(axis=1).mean() > 0.2  # it moves


def test_rows_are_filled_in_by_the_law_of_what_is_missing():
    holes = jnp.where(KNOWN, X, jnp.nan)
    filled = np.asarray(hm.impute(NET, jax.random.key(3), jnp.tile(holes, (8000, 1)), steps=50))
    assert (filled[:, [0, 2]] == np.asarray(X)[[0, 2]]).all()
    law = exact().reshape(4, -1).sum(axis=1)
    matches_law(np.bincount((2 * filled[:, 1] + filled[:, 3]).astype(int), minlength=4), law, "Filled rows")


def test_a_linear_net_fills_in_by_the_normal_law():
    net = randomised(hm.SigmoidBeliefNet(G(2), [G(1)], key=KEY), 5, 0.4)
    up = net.up[0]
    blind = hm.models.Link(up.unit, up.given, jnp.zeros_like(up.W), net.prior.b, up.given_bias)
    net = eqx.tree_at(lambda m: m.up, net, (blind,))  # guesses by the prior, whose weights are bounded
    filled = np.asarray(hm.impute(net, KEY, jnp.tile(jnp.array([0.5, jnp.nan]), (4000, 1)), steps=60))[:, 1]
    grid, latent = jnp.linspace(-25, 25, 1001), jnp.linspace(-10, 10, 401)

    def joint(x: jax.Array, h: jax.Array) -> jax.Array:
        return net.log_joint(jnp.stack([jnp.array(0.5), x]), {"h": h[None]})

    table = np.asarray(jax.vmap(lambda x: jax.vmap(lambda h: joint(x, h))(latent))(grid), np.float64)
    law = np.exp(table - table.max()).sum(axis=1)
    mean, square = (float(law @ np.asarray(grid, np.float64) ** k / law.sum()) for k in (1, 2))
    for found, exact in ((filled, mean), (filled.astype(np.float64) ** 2, square)):
        error = (found.mean() - exact) / (found.std(ddof=1) / np.sqrt(len(found)))
        assert abs(error) < norm.isf(FAILURE_RATE / 4)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (hm.SigmoidBeliefNet(B(4), [], prior="fvbn", key=KEY), "OrderlessNADE"),
        (hm.BiHM(B(4), [B(2)], key=KEY), "hm.impute takes"),
    ],
)
def test_nets_that_do_not_fill_in_say_so(model, words):
    with pytest.raises(InputError, match=words):
        hm.impute(model, KEY, jnp.array([1.0, jnp.nan, 0.0, 1.0]))
