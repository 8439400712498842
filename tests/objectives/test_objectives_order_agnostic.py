"""Training for every order at once: an unbiased estimate, from subsets that follow their law."""

from __future__ import annotations

import itertools
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from examples import SEQUENCES
from harmonium.errors import InputError
from harmonium.evaluation import log_likelihood
from harmonium.models import FVBN, OrderlessNADE
from harmonium.objectives import OrderAgnostic
from harmonium.objectives.order_agnostic import subsets
from harmonium.testing.statistics import matches_law
from harmonium.training import fit
from harmonium.units import Bernoulli, Conditional

KEY = jax.random.key(0)
SIZE = 4
MASKS = np.array(list(itertools.product([False, True], repeat=SIZE)))[:-1]  # all but the one that asks for nothing
CHANCE = np.array([1 / (SIZE * math.comb(SIZE, int(mask.sum()))) for mask in MASKS])  # p(d) p(m | d)
NAMES = ("orderless-two-layers", "nade-k-bernoulli")


def test_subsets_are_of_uniform_size_and_uniform_given_it():
    drawn = np.asarray(subsets(KEY, 2**14, SIZE))
    counts = (drawn[:, None] == MASKS[None]).all(axis=2).sum(axis=0)
    assert counts.sum() == len(drawn)
    matches_law(counts, CHANCE, "Subsets")


@eqx.filter_jit
def terms(model, x, masks):
    """Log-probabilities `[masks, refinements, size]` of a row's variables given those in each mask."""

    def one(mask):
        return jax.vmap(lambda eta: Conditional(model.visible, eta).log_probs(x))(model.refinements(x, mask))

    return jax.vmap(one)(masks)


@pytest.mark.parametrize("name", NAMES)
def test_its_mean_over_all_subsets_is_the_mean_over_all_orders(name):
    model, x = SEQUENCES[name], jnp.array([1.0, 0.0, 0.0, 1.0])
    each = np.asarray(terms(model, x, jnp.asarray(MASKS)), np.float64)
    scale = SIZE / (~MASKS).sum(axis=1)
    estimate = CHANCE @ (scale[:, None] * (each * ~MASKS[:, None]).sum(axis=2))
    of = {tuple(mask): i for i, mask in enumerate(MASKS.tolist())}
    orders = list(itertools.permutations(range(SIZE)))
    exact = np.mean([
        sum(each[of[tuple(j in order[:place] for j in range(SIZE))]][:, i] for place, i in enumerate(order))
        for order in orders
    ], axis=0)  # fmt: skip
    np.testing.assert_allclose(estimate, exact, rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_is_that_of_the_subsets_it_draws(name):
    model, x = SEQUENCES[name], jnp.array([1.0, 0.0, 0.0, 1.0])
    masks = np.asarray(subsets(KEY, 15, SIZE))
    rule = eqx.filter_jit(eqx.filter_value_and_grad(OrderAgnostic(), has_aux=True))
    (loss, (_, metrics)), slope = rule(model, jnp.tile(x, (15, 1)), KEY, None)
    each = np.asarray(terms(model, x, jnp.asarray(masks)), np.float64)
    by_step = (SIZE / (~masks).sum(axis=1)[:, None] * (each * ~masks[:, None]).sum(axis=2)).mean(axis=0)
    assert float(loss) == pytest.approx(-by_step.mean(), rel=1e-5)
    assert float(metrics["log_likelihood"]) == pytest.approx(by_step[-1], rel=1e-5)
    assert all(np.isfinite(leaf).all() and leaf.any() for leaf in jax.tree.leaves(slope))


def test_training_finds_every_conditional_of_a_pair():
    """Of two binary variables a net is every law there is, in either order: both end at the table's frequencies."""
    counts = np.array([5, 1, 2, 8])
    x = np.repeat(np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32), 16 * counts, axis=0)
    model = OrderlessNADE(Bernoulli(2), [8], key=KEY, orders=[(0, 1), (1, 0)], activation="tanh")
    options = {"optimizer": optax.adam(optax.cosine_decay_schedule(0.03, 300)), "epochs": 300, "batch_size": 256}
    run = fit(model, x, OrderAgnostic(), **options, key=KEY, monitor=False)
    best = float((counts / 16 * np.log(counts / 16)).sum())
    assert log_likelihood(run.model, x).value == pytest.approx(best, abs=5e-3)
    rows = np.array([[1, 1], [0, 1]], np.float32)
    given = log_likelihood(run.model, rows, given=np.array([False, True])).per_example
    np.testing.assert_allclose(np.exp(given), [8 / 9, 1 / 9], atol=0.03)


def test_a_model_of_one_order_is_refused():
    with pytest.raises(InputError, match=r"OrderAgnostic trains .*OrderlessNADE.*, not an FVBN"):
        OrderAgnostic()(FVBN(Bernoulli(2)), jnp.zeros((1, 2)), KEY, None)
    with pytest.raises(InputError, match="learns without labels"):
        OrderAgnostic()(SEQUENCES[NAMES[0]], {"v": jnp.zeros((1, 4)), "y": jnp.zeros((1, 1))}, KEY, None)
