"""What draws, fills in, encodes or classifies returns finite numbers, or names the rows where it cannot."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import harmonium as hm
from harmonium.errors import InputError, NotFiniteError
from harmonium.models import DBN, RBM, VAE, Classifier, OrderlessNADE
from harmonium.nets import MLP
from harmonium.units import Bernoulli, Categorical, Columns, Gaussian

KEY = jax.random.key(0)
LABELS = Categorical(1, states=2)
FAR = np.array([[0.5, -1.0, 0.5], [3e38, -3e38, 0.5]])  # the second row overflows float32 in any product


def without_one(rows: np.ndarray) -> np.ndarray:
    return np.where(np.arange(3) == 2, np.nan, rows)


def large(model, factor: float = 10.0):
    """The same model with weights that carry a row of 1e38 beyond the numbers that there are."""
    return jax.tree.map(lambda x: factor * x if eqx.is_inexact_array(x) and x.ndim > 1 else x, model)


NETWORK = large(OrderlessNADE(Gaussian(3), [4], key=KEY))
ENCODER = large(VAE(Gaussian(3), Gaussian(2), [4], key=KEY, activation="relu"))
CLASSIFIER = large(Classifier(MLP([3, 4, 2], key=KEY, activation="relu")), 1e3)
ASKED = {
    "impute": lambda rows: hm.impute(NETWORK, KEY, without_one(rows)),
    "encode": lambda rows: hm.encode(ENCODER, rows),
    "classify": lambda rows: hm.classify(CLASSIFIER, rows),
}


@pytest.mark.parametrize("asked", ASKED)
def test_the_row_without_a_finite_answer_is_named_and_others_are_answered(asked):
    assert np.isfinite(ASKED[asked](FAR[:1])).all()
    with pytest.raises(
        NotFiniteError, match=r"are not finite in row 1(, column 2)?: what is given of that row may lie"
    ):
        ASKED[asked](FAR)
    with pytest.raises(NotFiniteError, match=r"in row 0(, column 2)? and in 1 more row: "):
        ASKED[asked](FAR[[1, 1]])
    with pytest.raises(NotFiniteError, match="in row 0"):
        ASKED[asked](FAR[1])


def test_far_rows_that_networks_can_answer_are_filled_in():
    """Case of a column in grams where kilograms were meant: 1e6 deviations off, and finite."""
    found = hm.impute(OrderlessNADE(Gaussian(2), [4], key=KEY), KEY, np.array([[1e6, np.nan], [np.nan, -1e6]]))
    assert np.isfinite(found).all()


DIVERGED = {
    "machine": RBM(Bernoulli(3), Bernoulli(2), key=KEY),
    "belief net": DBN(Bernoulli(3), [Bernoulli(2), Bernoulli(2)], key=KEY),
    "network": OrderlessNADE(Columns([Bernoulli(2), Gaussian(1)]), [4], key=KEY),
    "latent": VAE(Bernoulli(3), Gaussian(2), [4], key=KEY),
}


@pytest.mark.parametrize("name", DIVERGED)
def test_a_model_of_nan_draws_nothing(name):
    """Its binary units would be zeros: a uniform number lies never below NaN."""
    model = jax.tree.map(lambda x: x * jnp.nan if eqx.is_inexact_array(x) else x, DIVERGED[name])
    with pytest.raises(InputError, match=r"are not numbers \(NaN\), for its training diverged"):
        hm.sample(model, KEY, 2, steps=2)
    if name != "belief net":
        with pytest.raises(InputError, match=r"are not numbers \(NaN\)"):
            hm.impute(model, KEY, np.array([1.0, 0.0, np.nan]), steps=2)


def test_draws_that_run_away_are_refused_from_every_kind_of_model():
    unlimited = eqx.tree_at(lambda m: m.b, NETWORK, jax.tree.map(lambda x: x - 300, NETWORK.b))
    with pytest.raises(
        NotFiniteError, match=r"values drawn are not finite in row 0, column \d.*: its training diverged"
    ):
        hm.sample(unlimited, KEY, 2)


def test_inside_compiled_code_nothing_is_asked():
    found = jax.jit(lambda x: hm.encode(ENCODER, x))(jnp.asarray(FAR))
    assert np.isfinite(found[0]).all()
    assert hm.sample(DIVERGED["machine"], KEY, 2, steps=2).shape == (2, 3)
    assert jax.jit(lambda m: hm.sample(m, KEY, 2, steps=2))(DIVERGED["machine"]).shape == (2, 3)


def test_labels_of_a_diverged_machine_are_no_classes():
    machine = hm.DBM(Bernoulli(3), [Bernoulli(2)], LABELS, key=KEY)
    machine = jax.tree.map(lambda x: x * jnp.nan, machine)
    with pytest.raises(NotFiniteError, match="The probabilities of the classes are not finite in row 0"):
        hm.classify(machine, np.zeros((2, 3)))
