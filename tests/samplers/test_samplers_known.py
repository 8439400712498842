"""Known values: samples keep them, and the others follow from the model given them."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import harmonium as hm
from harmonium.errors import InputError
from harmonium.testing.statistics import chi_square

KEY = jax.random.key
NAN = np.nan
LABELS = hm.units.Categorical(1, states=3)
DRAWS = 8000
FAILURE = 1e-3  # of each statistical test


def spread(model):
    """The model with weights that matter."""
    keys = iter(jax.random.split(KEY(7), 100))
    return jax.tree.map(lambda leaf: 0.8 * jax.random.normal(next(keys), leaf.shape), model)


DBM = spread(hm.DBM(hm.units.Bernoulli(3), [hm.units.Bernoulli(2)], LABELS, key=KEY(0)))
DBN = spread(hm.DBN(hm.units.Bernoulli(3), [hm.units.Bernoulli(2), hm.units.Bernoulli(2)], LABELS, key=KEY(0)))
VAE = hm.VAE(hm.units.Bernoulli(3), hm.units.Gaussian(2), [4], key=KEY(0))
STATES = np.array(list(itertools.product([0.0, 1.0], repeat=3)), np.float32)


def frequencies(rows):
    return np.bincount((np.asarray(rows) @ [4, 2, 1]).astype(int), minlength=8)


def weights_of(machine, v, label):
    """Sum over hidden states of `exp(-E)` with a label."""
    values = {"v": jnp.asarray(v), "y": jnp.array([label])}
    return np.exp(-float(hm.inference.free_energy(machine, values)))


@pytest.mark.parametrize("label", [0, 2])
def test_a_class_and_visible_values_are_kept_and_the_rest_follows_the_conditional(label):
    given = {"v": [1.0, NAN, NAN], "y": label}
    rows = hm.sample(DBM, KEY(1), DRAWS, given=given, steps=60)
    assert (np.asarray(rows)[:, 0] == 1).all()
    exact = np.array([weights_of(DBM, v, label) * (v[0] == 1) for v in STATES])
    assert chi_square(frequencies(rows)[4:], exact[4:] / exact[4:].sum()) > FAILURE


def test_a_belief_net_draws_rows_of_a_class():
    rows = hm.sample(DBN, KEY(2), DRAWS, given={"y": 1}, steps=60)
    below = np.array(list(itertools.product([0.0, 1.0], repeat=2)), np.float32)
    top = np.array([weights_of(DBN.top, h, 1) for h in below])
    link = DBN.down[0]
    on = 1 / (1 + np.exp(-(below @ np.asarray(link.W).T + np.asarray(link.b))))
    emitted = np.array([[np.prod(np.where(v == 1, p, 1 - p)) for v in STATES] for p in on])
    exact = (top / top.sum()) @ emitted
    assert chi_square(frequencies(rows), exact) > FAILURE


def test_values_may_differ_from_row_to_row():
    rows = hm.sample(DBM, KEY(1), 3, given={"v": [[0, NAN, 1], [1, 1, NAN], [NAN] * 3], "y": [0, 1, 2]}, steps=5)
    assert np.asarray(rows)[0, [0, 2]].tolist() == [0, 1]
    assert np.asarray(rows)[1, :2].tolist() == [1, 1]


@pytest.mark.parametrize("model", [hm.FVBN(hm.units.Bernoulli(3)), VAE, DBM])
def test_samples_given_a_row_are_its_imputations(model):
    given = [1.0, NAN, NAN]
    drawn = hm.sample(model, KEY(3), 4, given=given, steps=7)
    np.testing.assert_array_equal(drawn, hm.impute(model, KEY(3), np.tile(given, (4, 1)), steps=7))


def test_known_values_of_log_likelihood_are_a_mask_or_the_values():
    net, rows = hm.FVBN(hm.units.Bernoulli(3)), np.array([[1.0, 0.0, 1.0]])
    mask = hm.log_likelihood(net, rows, given=np.array([True, False, False]))
    assert mask.value == hm.log_likelihood(net, rows, given=[1.0, NAN, NAN]).value
    with pytest.raises(InputError, match="other values than those given"):
        hm.log_likelihood(net, rows, given=[0.0, NAN, NAN])


@pytest.mark.parametrize(
    ("model", "given", "said"),
    [
        (VAE, {"z": [1.0, 1.0]}, "give visible ones only"),
        (VAE, {"h": [1.0, 1.0]}, "no layer 'h' in a VAE: choose z"),
        (hm.FVBN(hm.units.Bernoulli(3)), {"y": 1}, "no layer 'y' in an FVBN: give values of the visible layer only"),
        (DBM, {"y": 3}, "from 0 to 2"),
        (DBM, {"y": [1, 2, 0]}, r"array \[1\], or \[2, 1\]"),
        (DBM, {"y": "cat"}, "not a number"),
        (DBM, 3, r"a row \[3\]"),
        (DBM, [1.0, 0.5, NAN], "0.5"),
        (DBM, {"v": np.zeros((3, 3))}, r"\[2, 3\]"),
        (DBN, [1.0, NAN, NAN], "given their labels"),
        (DBN, {"h2": [1.0, 1.0]}, "given their labels"),
        (hm.BiHM(hm.units.Bernoulli(3), [hm.units.Bernoulli(3)], key=KEY(0)), [1.0, NAN, NAN], "not a BiHM"),
    ],
)
def test_what_cannot_be_known_is_refused(model, given, said):
    with pytest.raises(InputError, match=said):
        hm.sample(model, KEY(0), 2, given=given)


def test_other_layers_are_given_by_name():
    with pytest.raises(InputError, match="by the name of their layer"):
        hm.impute(DBM, KEY(0), np.full(3, NAN), given=3)
