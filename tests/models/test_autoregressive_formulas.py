"""Auto-regressive networks beside their formulas, variable by variable in NumPy."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from examples import ORDER, SEQUENCES, randomised
from harmonium.evaluation import log_likelihood
from harmonium.models import NADE, NADEk
from harmonium.units import Bernoulli, Gaussian

STATES = np.array(list(itertools.product([0.0, 1.0], repeat=4)))
DEEP, ITERATED = SEQUENCES["orderless-two-layers"], SEQUENCES["nade-k-bernoulli"]


def relu(a: np.ndarray) -> np.ndarray:
    return np.maximum(a, 0)


def fvbn(model: Any, x: np.ndarray, d: int, before: list[int]) -> float:
    return model.b[d] + sum(model.W[d, j] * x[j] for j in before)


def nade(model: Any, x: np.ndarray, d: int, before: list[int]) -> float:
    h = scipy.special.expit(model.c + sum(x[j] * np.asarray(model.W[j]) for j in before))
    return model.b[d] + model.V[d] @ h


def neural(model: Any, x: np.ndarray, d: int, before: list[int]) -> float:
    """Group `g` belongs to the variable in place `g`, and sees it and those before it."""
    eta, (W, V), (c,), group = model.b[d], model.W, model.c, 2
    for place, j in enumerate(before):
        own = slice(group * place, group * (place + 1))
        h = np.tanh(c[own] + sum(x[i] * W[i, own] for i in before[: place + 1]))
        eta = eta + h @ V[own, d] + model.D[d, j] * x[j]
    return eta


def orderless(model: Any, x: np.ndarray, d: int, before: list[int]) -> float:
    mask = np.isin(np.arange(4), before)
    h = relu((mask * x) @ model.W[0] + mask @ np.asarray(model.U) + model.c[0])
    return model.b[d] + model.V[d] @ relu(h @ model.W[1] + model.c[1])


def nade_k(model: Any, x: np.ndarray, d: int, before: list[int]) -> float:
    mask, out = np.isin(np.arange(4), before), np.zeros(4)
    for _ in range(model.steps):
        h = np.where(mask, x, scipy.special.expit(model.b + out))
        for W, c in zip(model.W, model.c, strict=True):
            h = np.tanh(h @ W + c)
        out = model.V @ h
    return model.b[d] + out[d]


@pytest.mark.parametrize(
    ("model", "formula", "orders"),
    [
        (SEQUENCES["fvbn-bernoulli"], fvbn, [ORDER]),
        (randomised(NADE(Bernoulli(4), 3, key=jax.random.key(0), order=ORDER), 1), nade, [ORDER]),
        (SEQUENCES["neural"], neural, [ORDER]),
        (DEEP, orderless, [ORDER]),
        (ITERATED, nade_k, [ORDER, (0, 1, 2, 3)]),
    ],
)
def test_a_network_is_its_formula(model, formula, orders):
    found = log_likelihood(model, STATES.astype(np.float32)).per_example
    for x, value in zip(STATES, found, strict=True):
        each = []
        for order in orders:
            etas = [float(formula(model, x, d, list(order[:place]))) for place, d in enumerate(order)]
            each.append(sum(x[d] * eta - np.logaddexp(0, eta) for d, eta in zip(order, etas, strict=True)))
        assert value == pytest.approx(scipy.special.logsumexp(each) - np.log(len(each)), rel=1e-4, abs=1e-5)


def test_the_means_that_nade_k_refines_are_in_the_place_of_values():
    """Of a real variable that is not known the net takes in the mean, on the scale of the values that it takes in."""
    model = randomised(NADEk(Gaussian(2), [3], 1, key=jax.random.key(0)), 1)
    mean, known = np.asarray(model.b.mean), jnp.array([True, False])
    assert abs(model.b.log_precision[1]) > 0.1
    found = model.outs(jnp.array([0.4, 9.0]), known)[-1]
    expected = model.V @ np.tanh(np.array([0.4, mean[1]]) @ model.W[0] + model.c[0])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["fvbn-table", "nade-table", "made-table", "fvbn-gaussian", "rnade-laplace"])
def test_all_columns_given_none_are_the_whole(name):
    model = SEQUENCES[name]
    rows = np.asarray(jax.vmap(model.sample)(jax.random.split(jax.random.key(3), 8)))
    nothing = np.zeros(rows.shape[1], bool)
    whole, given = log_likelihood(model, rows), log_likelihood(model, rows, given=nothing)
    np.testing.assert_allclose(given.per_example, whole.per_example, rtol=1e-4, atol=1e-5)
