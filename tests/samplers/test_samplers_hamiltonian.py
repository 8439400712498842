"""Hamiltonian moves leave a machine of real data as it is, train it, and are refused where they cannot be made."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import harmonium as hm
from examples import REAL, randomised
from harmonium.errors import InputError
from harmonium.samplers import Hamiltonian
from harmonium.testing.enumeration import list_states
from harmonium.testing.invariance import agree_in_moments, exact_samples
from harmonium.units import Bernoulli, Gaussian

KEY = jax.random.key(0)
CHAINS = 2**12
MOVED = ["mc-rbm", "mc-rbm-without-means", "spike-slab-rbm", "spike-slab-pooled", "mean-product-of-student-t"]


def gentle(model):
    return Hamiltonian(model, step=0.4, leapfrog=5)


def rough(model):
    """Of steps so long that moves are often refused: the law must hold all the same."""
    return Hamiltonian(model, step=1.5, leapfrog=3)


@pytest.mark.parametrize("make", [gentle, rough])
@pytest.mark.parametrize("name", MOVED)
def test_exact_samples_keep_their_moments(name, make):
    model = REAL[name]
    truth = list_states(model)
    start = {k: jnp.asarray(x) for k, x in exact_samples(model, truth, np.random.default_rng(0), CHAINS).items()}
    end, info = jax.vmap(make(model))(jax.random.split(KEY, CHAINS), start)
    assert 0.1 < float(info["acceptance"].mean()) <= 1
    assert float(jnp.abs(end["v"] - start["v"]).max()) > 0.5
    agree_in_moments(model, {k: np.asarray(x) for k, x in end.items()}, truth, "One Hamiltonian move of exact samples")


def test_chains_come_to_where_gibbs_chains_come():
    model = randomised(hm.MeanCovarianceRBM(Gaussian(5), 2, 4, key=KEY), 1, 0.3)
    a = np.asarray(hm.sample(model, KEY, 4000, steps=100))
    b = np.asarray(hm.sample(model, jax.random.key(1), 4000, steps=100, kernel=gentle))
    np.testing.assert_allclose(a.mean(axis=0), b.mean(axis=0), atol=5 * a.std() * np.sqrt(2 / 4000))
    np.testing.assert_allclose(np.cov(a.T), np.cov(b.T), atol=6 * a.var() * np.sqrt(2 * 2 / 4000))


@pytest.mark.parametrize("rule", [hm.objectives.PCD(1, 16, kernel=gentle), hm.objectives.CD(1, kernel=gentle)])
def test_machines_are_trained_by_them(rule):
    rng = np.random.default_rng(0)
    rows = (
        rng.normal(size=(400, 3)) @ np.array([[1, 0.9, 0], [0, 0.4, 0], [0, 0, 1]]) * np.sqrt(rng.gamma(1, 1, (400, 1)))
    )
    start = hm.MeanCovarianceRBM(Gaussian(3), 1, 3, key=KEY)
    options = {"batch_size": 50, "key": KEY, "optimizer": optax.adam(0.02)}
    first = hm.fit(start, rows, rule, epochs=1, **options).model
    last = hm.fit(start, rows, rule, epochs=40, **options).model
    assert hm.log_likelihood(last, rows).value > hm.log_likelihood(first, rows).value + 0.1


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Hamiltonian(hm.RBM(Bernoulli(3), Bernoulli(2), key=KEY)), "real visible units"),
        (lambda: Hamiltonian(REAL["s3c"]), "cannot be summed out"),
        (lambda: Hamiltonian(REAL["mc-rbm"], step=0.0), "positive step"),
        (lambda: Hamiltonian(REAL["mc-rbm"], step="a"), "positive step"),
        (lambda: Hamiltonian(REAL["mc-rbm"], leapfrog=0), "leapfrog=0"),
        (lambda: hm.sample(REAL["mc-rbm"], KEY, 2, kernel=3), "made by a function of the model"),
    ],
)
def test_what_cannot_move_is_refused(make, said):
    with pytest.raises(InputError, match=said):
        make()
