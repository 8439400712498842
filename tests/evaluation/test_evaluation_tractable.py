"""What a network says of each variable, beside what it says of the whole."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import harmonium as hm
from examples import SEQUENCES
from harmonium.compiling import CACHED_ROWS
from harmonium.errors import IncomparableError, InputError
from harmonium.evaluation import log_likelihood, per_variable
from harmonium.evaluation.rows import space_under
from harmonium.evaluation.tractable import log_probs
from harmonium.models import Constant
from harmonium.rng import fast_key, row_keys
from harmonium.samplers import sample
from harmonium.units import Bernoulli, Conditional, Gaussian, GaussianStats


@pytest.mark.parametrize("name", ["fvbn-gaussian", "nade-table", "made-one-layer"])
def test_variables_add_up_to_the_whole(name):
    model = SEQUENCES[name]
    rows = np.asarray(sample(model, jax.random.key(0), 20))
    found = per_variable(model, rows)
    assert found.shape == (model.visible.size,)
    assert -found.sum() == pytest.approx(log_likelihood(model, rows).value, rel=1e-5)


def test_the_first_variable_is_told_by_its_bias_alone():
    model = SEQUENCES["fvbn-gaussian"]  # in the order 1, 0
    rows = np.array([[5.0, 0.3], [-1.0, 2.0]], np.float32)
    law = scipy.stats.norm(float(model.b.mean[1]), np.exp(-0.5 * float(model.b.log_precision[1])))
    assert per_variable(model, rows)[1] == pytest.approx(-law.logpdf(rows[:, 1]).mean(), rel=1e-5)


def test_each_unit_of_a_layer_has_its_own_log_probability():
    eta = GaussianStats(jnp.array([0.0, 2.0]), jnp.array([-0.5, -0.5]))  # means 0 and 2, precision 1
    found = Conditional(Gaussian(2), eta).log_probs(jnp.array([1.0, 1.0]))
    np.testing.assert_allclose(found, scipy.stats.norm([0, 2], 1).logpdf([1, 1]), rtol=1e-6)
    found = Conditional(Bernoulli(2), jnp.array([0.0, 40.0])).log_probs(jnp.array([1.0, 0.0]))
    np.testing.assert_allclose(found, [-np.log(2), -40.0], rtol=1e-6)


@pytest.mark.parametrize("method", ["ais", "raise"])
def test_what_an_exact_likelihood_does_without_is_refused(method):
    options = {"rows": 3} if method == "raise" else {}
    with pytest.raises(InputError, match=f"of an FVBN has no method '{method}': choose one of auto, exact"):
        log_likelihood(SEQUENCES["fvbn-bernoulli"], np.zeros((3, 4)), method=method, **options)


def test_variables_of_a_network_weighed_step_by_step_add_up_in_its_first_order():
    every = hm.OrderlessNADE(hm.units.Bernoulli(4), [3], key=jax.random.key(0), orders=[(2, 0, 3, 1), (0, 1, 2, 3)])
    first = eqx.tree_at(lambda m: m.orders, every, Constant(every.orders.value[:1]))
    x = np.array([[0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0]])
    found = hm.evaluation.per_variable(every, x)
    np.testing.assert_allclose(found.sum(), -log_probs(first, x).mean(), rtol=1e-5)
    alone = every.given(jnp.zeros(4), jnp.zeros(4, bool))[2]  # what comes first, given nothing
    np.testing.assert_allclose(found[2], -np.mean(x[:, 2] * alone - np.log1p(np.exp(alone))), rtol=1e-5)


def test_rows_that_are_no_values_of_the_units_are_refused():
    with pytest.raises(InputError, match="2 in row 1, column 3"):
        per_variable(SEQUENCES["fvbn-bernoulli"], np.array([[0, 1, 1, 0], [0, 0, 1, 2]], np.float32))


def test_a_density_is_not_compared_with_a_probability_of_the_same_rows():
    rows = np.array([[0.0, 1.0, 1.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    units = [Bernoulli(3), Gaussian(3), hm.units.Columns([Bernoulli(2), Gaussian(1)])]
    by_bits, by_density, mixed = (log_likelihood(hm.FVBN(unit), rows) for unit in units)
    assert hm.compare(by_bits, by_bits) == "inconclusive"
    for a, b in [(by_bits, by_density), (by_bits, mixed), (by_density, mixed)]:
        with pytest.raises(IncomparableError, match="The measures differ"):
            hm.compare(a, b)
    assert "densities in columns 2" in str(mixed)
    assert space_under(hm.units.Columns([Gaussian(2), Bernoulli(1)]), rows).measure == "densities in columns 0-1"
    rbm = hm.RBM(Gaussian(3), Bernoulli(2), key=jax.random.key(0))
    with pytest.raises(IncomparableError, match="none and 'densities'"):
        hm.compare(by_bits, log_likelihood(rbm, rows))
    reals = rows + 0.5 * np.eye(3)
    assert log_likelihood(hm.FVBN(Gaussian(3)), reals).space.measure is None  # the support says so


@pytest.mark.parametrize("name", ["nade-spin", "rnade-gaussian"])
def test_rows_in_blocks_are_rows_at_once(name):
    model, key = SEQUENCES[name], jax.random.key(4)
    rows = np.asarray(sample(model, key, CACHED_ROWS + 7))  # a block and a part of one
    drawn = jax.jit(jax.vmap(model.sample))(row_keys(fast_key(key), 0, len(rows)))
    np.testing.assert_allclose(rows, drawn, rtol=1e-5, atol=1e-6)
    weighed = jax.jit(jax.vmap(model.log_prob))(jnp.asarray(rows))
    np.testing.assert_allclose(log_probs(model, rows), weighed, rtol=1e-5)
    first = np.arange(model.visible.size) == model.order[0]
    some = [log_likelihood(model, part, given=first).per_example for part in (rows, rows[-7:])]
    np.testing.assert_allclose(some[0][-7:], some[1], rtol=1e-5)
