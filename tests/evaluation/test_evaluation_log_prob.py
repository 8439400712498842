"""Exact log-probabilities of rows, their ratios, and what can be asked of a model."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import harmonium as hm
from examples import EXAMPLES

KEY = jax.random.key(0)
ROWS = np.array([[0, 0, 1], [1, 0, 1], [1, 1, 1]], float)
LARGE = hm.RBM(hm.units.Bernoulli(60), hm.units.Bernoulli(40), key=KEY, scale=0.5)
VAE = hm.VAE(hm.units.Bernoulli(3), hm.units.Gaussian(2), [4], key=KEY)


@pytest.mark.parametrize("name", ["rbm-bernoulli-bernoulli", "fvbn-bernoulli", "sbn-alone", "own-deep"])
def test_it_is_the_exact_likelihood_of_each_row(name):
    model = EXAMPLES[name]
    rows = np.asarray(hm.sample(model, KEY, 4, steps=3))
    each = hm.log_prob(model, rows)
    assert each.shape == (4,)
    np.testing.assert_allclose(each, hm.log_likelihood(model, rows, method="exact", key=KEY).per_example, rtol=1e-6)
    np.testing.assert_allclose(hm.log_ratio(model, rows, rows[::-1]), each - each[::-1], atol=1e-5)


def test_densities_are_of_the_data_s_own_values():
    rows = np.random.default_rng(0).normal(5000.0, 20.0, size=(200, 1))
    model = hm.at_marginals(hm.FVBN(hm.units.Gaussian(1)), hm.data.from_arrays(rows).train)
    expected = -0.5 * ((rows - rows.mean()) / rows.std()) ** 2 - np.log(rows.std() * np.sqrt(2 * np.pi))
    assert abs(hm.log_prob(model, rows).mean() - expected.mean()) < 0.05
    rbm = hm.at_marginals(hm.RBM(hm.units.Gaussian(1), hm.units.Bernoulli(2), key=KEY, scale=0.0), rows)
    np.testing.assert_allclose(
        hm.log_ratio(rbm, rows, rows[::-1]), hm.log_prob(rbm, rows) - hm.log_prob(rbm, rows[::-1]), atol=1e-3
    )


def test_a_ratio_needs_no_log_z():
    a, b = np.ones((2, 60)), np.zeros((2, 60))
    found = hm.log_ratio(LARGE, a, b)
    expected = hm.free_energy(LARGE, {"v": jnp.asarray(b[0])}) - hm.free_energy(LARGE, {"v": jnp.asarray(a[0])})
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: hm.log_prob(LARGE, np.ones((2, 60))), "needs log Z, .*: hm.log_likelihood estimates it"),
        (lambda: hm.log_prob(VAE, ROWS), "latent variables, .*: hm.log_likelihood bounds it from below"),
        (lambda: hm.log_ratio(VAE, ROWS, ROWS), "hm.log_likelihood bounds it from below"),
        (lambda: hm.log_ratio(LARGE, np.ones((2, 60)), np.ones((3, 60))), "there are 2 and 3"),
        (lambda: hm.log_prob(EXAMPLES["dbn"], ROWS), "hm.log_prob takes .*, not a DBN"),
        (lambda: hm.log_ratio(EXAMPLES["bihm-one-layer"], ROWS, ROWS), "hm.log_ratio takes .*, not a BiHM"),
        (lambda: hm.log_prob(LARGE, ROWS), "60 columns"),
        (lambda: hm.methods("rbm"), "hm.methods takes a model, not 'rbm': pass the model itself"),
        (lambda: hm.methods(hm.RBM), "not the class RBM: make one"),
        (lambda: hm.log_likelihood(VAE, ROWS, method=["exact"]), r"has no method \['exact'\]: choose one of auto"),
    ],
)
def test_what_is_no_exact_number_is_refused(make, words):
    with pytest.raises(hm.InputError, match=words):
        make()


def test_methods_lists_what_a_model_answers():
    told = str(hm.methods(LARGE))
    assert told.splitlines()[0] == "an energy model (an RBM, a DBM, ...)"
    assert "hm.log_likelihood       method='raise': chains=10, temperatures=10000, rows=100" in told
    assert "hm.classify" in told
    assert "hm.classify" not in str(hm.methods(VAE))
    assert repr(hm.methods(VAE)) == str(hm.methods(VAE))


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_answers_something(name):
    assert len(hm.methods(EXAMPLES[name])) > (name != "conditional-generator")  # which answers by methods of its own


def test_arguments_that_are_missing_or_too_many_are_told_as_python_does():
    with pytest.raises(TypeError, match="missing a required argument: 'key'"):
        hm.sample(LARGE)
    with pytest.raises(TypeError, match="too many positional arguments"):
        hm.sample(LARGE, KEY, 2, 5)


class Unsummed(hm.FVBN):
    """A user's network that forgot to sum over its variables."""

    def log_prob(self, x):
        return super().log_prob(x) * jnp.ones(3)


class UnsummedJoint(hm.HelmholtzMachine):
    def log_joint(self, x, latents):
        return super().log_joint(x, latents) * jnp.ones(2)


@pytest.mark.parametrize("use", [hm.log_prob, lambda m, x: hm.log_likelihood(m, x, key=KEY)])
def test_a_log_probability_that_is_no_number_is_refused_and_not_called_exact(use):
    for model in (
        Unsummed(hm.units.Bernoulli(3)),
        UnsummedJoint(hm.units.Bernoulli(3), [hm.units.Bernoulli(2)], key=KEY),
    ):
        with pytest.raises(hm.InputError, match=r"has the shape \(\d,\) .*, so sum over the units"):
            use(model, ROWS)


def test_what_is_not_finite_is_refused():
    broken = eqx.tree_at(lambda m: m.b, hm.FVBN(hm.units.Bernoulli(3)), jnp.full(3, jnp.nan))
    wide = hm.RBM(hm.units.Gaussian(3), hm.units.Gaussian(2), key=KEY, scale=5.0)  # which has no Z
    for make in (
        lambda: hm.log_prob(broken, ROWS), lambda: hm.log_ratio(broken, ROWS, ROWS), lambda: hm.log_prob(wide, ROWS),
    ):  # fmt: skip
        with pytest.raises(hm.InputError, match=r"finite|not numbers"):
            make()
