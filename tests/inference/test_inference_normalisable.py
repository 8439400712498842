"""A machine without a partition function has no probabilities and no ratios of them, and its numbers say why."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import harmonium as hm
from examples import EXAMPLES
from harmonium.inference import exact_log_partition
from harmonium.inference.normalisable import why_unbounded
from harmonium.units import Bernoulli, Columns, Gaussian

KEY = jax.random.key(0)
ROWS = np.eye(3, dtype=np.float32)
WIDE = {
    "two layers": hm.RBM(Gaussian(3), Gaussian(2), key=KEY, scale=9.0),
    "beside binary ones": hm.DBM(Gaussian(3), [Gaussian(2), Bernoulli(2)], key=KEY, scale=9.0),
    "columns": hm.RBM(Columns([Gaussian(2), Bernoulli(1)]), Gaussian(2), key=KEY, scale=9.0),
    "centred": hm.Centred(hm.RBM(Gaussian(3), Gaussian(2), key=KEY, scale=9.0)),
    "scaled": hm.RBM(Gaussian(3, [5.0] * 3, [2.0] * 3), Gaussian(2), key=KEY, scale=9.0),
}
FLAT = hm.RBM(Gaussian(3), Bernoulli(2), key=KEY)
FLAT = eqx.tree_at(lambda m: m.b.log_precision, FLAT, jnp.full(3, -200.0))  # a precision of zero in float32


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_energy_of_the_library_that_can_be_normalised_is_said_to_be(name):
    if hm.kinds.is_kind(EXAMPLES[name], hm.kinds.ENERGY):
        assert why_unbounded(EXAMPLES[name]) is None


@pytest.mark.parametrize("scale", np.linspace(0.2, 1.4, 7))
def test_it_agrees_with_the_closed_form(scale):
    for seed in range(3):
        model = hm.RBM(Gaussian(3), Gaussian(2), key=jax.random.key(seed), scale=float(scale))
        assert (why_unbounded(model) is None) == bool(jnp.isfinite(exact_log_partition(model)))


@pytest.mark.parametrize("name", WIDE)
def test_gaussian_layers_that_are_not_held_have_no_ratios(name):
    for use in (lambda: hm.log_ratio(WIDE[name], ROWS, ROWS[::-1]), lambda: hm.log_prob(WIDE[name], ROWS)):
        with pytest.raises(hm.InputError, match=r"has no probabilities.*cannot be normalised; the precision"):
            use()


def test_a_precision_of_zero_holds_nothing():
    with pytest.raises(hm.InputError, match="cannot be normalised"):
        hm.log_ratio(FLAT, ROWS, ROWS)


@pytest.mark.parametrize("name", ["two layers", "beside binary ones"])
def test_its_estimates_say_so(name):
    found = hm.log_likelihood(WIDE[name], ROWS, key=KEY, temperatures=20, chains=4, burn_in=5)
    assert found.verdict.startswith("do not report: the model cannot be normalised; the precision of its Gaussian")


@pytest.mark.parametrize("method", ["exact", "ais", "two_sided"])
@pytest.mark.parametrize(
    "units", [(Bernoulli(3), Bernoulli(2)), (Gaussian(3), Bernoulli(2)), (Gaussian(3), Gaussian(2))]
)
def test_parameters_that_are_not_numbers_are_not_blamed_on_a_precision(units, method):
    model = eqx.tree_at(lambda m: m.W, hm.RBM(*units, key=KEY), jnp.full((3, 2), jnp.nan))
    options = {} if method == "exact" else {"temperatures": 20, "chains": 4}
    for found in (
        hm.log_partition(model, key=KEY, method=method, **options),
        hm.log_likelihood(model, ROWS, key=KEY, method=method, **options),
    ):
        assert found.verdict.startswith("do not report: its parameters are not finite, for its training diverged")
