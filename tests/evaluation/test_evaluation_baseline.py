"""The number that a model must exceed: independent units at the training marginals."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from scipy import stats

import harmonium as hm
from harmonium.units import Bernoulli, Categorical, Columns, Gaussian

KEY = jax.random.key(0)
RANDOM = np.random.default_rng(0)


def rbm(unit):
    return hm.RBM(unit, Bernoulli(2), key=KEY)


def test_binary_units_have_their_smoothed_frequencies():
    x = (RANDOM.random((50, 4)) < 0.3).astype(np.float32)
    p = (x.sum(0) + 0.5) / 51
    found = hm.baseline(rbm(Bernoulli(4)), x)
    np.testing.assert_allclose(found.value, np.mean(np.sum(np.log(np.where(x == 1, p, 1 - p)), axis=1)), rtol=1e-5)
    assert (found.kind, found.n, found.verdict) == ("exact", 50, "trust")


def test_test_rows_of_a_dataset_are_held_to_its_training_rows():
    train, test = RANDOM.normal(3, 2, (200, 2)), RANDOM.normal(3, 2, (100, 2))
    expected = stats.norm(train.mean(0), train.std(0)).logpdf(test).sum(1).mean()
    data = hm.data.from_arrays(train, None, test)
    np.testing.assert_allclose(hm.baseline(rbm(Gaussian(2)), data).value, expected, atol=1e-4)
    np.testing.assert_allclose(hm.baseline(rbm(Gaussian(2)), train, test).value, expected, atol=1e-4)


def test_mixed_columns_add_up():
    x = np.column_stack([RANDOM.normal(size=60), RANDOM.integers(0, 2, 60), RANDOM.integers(0, 3, 60)])
    parts = Gaussian(1), Bernoulli(1), Categorical(1, states=3)
    each = sum(hm.baseline(rbm(part), x[:, i : i + 1]).value for i, part in enumerate(parts))
    np.testing.assert_allclose(hm.baseline(rbm(Columns(parts)), x).value, each, rtol=1e-5)


def test_it_lives_on_the_same_space_as_the_model_s_own_number():
    data = hm.data.load("digits", binarize="fixed")
    model = hm.at_marginals(hm.RBM(Bernoulli(64), Bernoulli(2), key=KEY, scale=0.0), data.train)
    found = hm.compare(hm.log_likelihood(model, data.test), hm.baseline(model, data))
    assert abs(found.difference) < 1e-4  # a machine without weights at the marginals is this baseline


@pytest.mark.parametrize("net", [hm.FVBN(Bernoulli(4)), hm.NADE(Bernoulli(4), 3, key=KEY)], ids=["fvbn", "nade"])
def test_every_kind_of_model_has_the_same_baseline(net):
    rows = (RANDOM.random((30, 4)) < 0.6).astype(np.float32)
    assert hm.baseline(net, rows).value == hm.baseline(rbm(Bernoulli(4)), rows).value


def test_what_is_no_model_and_rows_that_do_not_fit_are_refused():
    with pytest.raises(hm.InputError, match=r"^hm\.baseline takes an energy model"):
        hm.baseline("rbm", np.eye(4))
    with pytest.raises(hm.InputError, match="4 columns"):
        hm.baseline(rbm(Bernoulli(4)), np.eye(3))
