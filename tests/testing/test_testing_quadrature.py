"""Checks integrate over real units of every family: a wrong unit of any of them fails, and one that says nothing."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from harmonium.errors import InputError
from harmonium.models import RBM, Independent
from harmonium.testing import checks_for
from harmonium.testing.enumeration import list_states
from harmonium.testing.quadrature import FAMILIES, integrates, whole_line
from harmonium.units import (
    Bernoulli,
    ContinuousBernoulli,
    DoubleRectified,
    Factored,
    Gamma,
    Gaussian,
    GaussianStats,
    Poisson,
    Rectified,
    SpikeSlab,
    Unit,
    inner,
)

KEY = jax.random.key(0)
C = jnp.array([[1.0, 0.5], [0.3, -1.0]])
FAMILY = {
    "gaussian": Gaussian(2), "gamma": Gamma(2), "rectified": Rectified(2), "double-rectified": DoubleRectified(2),
    "continuous-bernoulli": ContinuousBernoulli(2),
    "spike-slab": SpikeSlab(2), "pool": SpikeSlab(2, slabs=2), "factored": Factored(Gaussian(2), C),
}  # fmt: skip


class Alone(eqx.Module):
    """A layer on which nothing acts."""

    unit: Unit
    eta: object

    @property
    def layers(self) -> dict[str, Unit]:
        return {"v": self.unit}

    @property
    def blocks(self) -> tuple[tuple[str, ...], ...]:
        return (("v",),)

    def energy(self, stats: dict) -> jax.Array:
        return -inner(self.eta, stats["v"])


def natural(unit):
    """Natural parameters away from the neutral ones."""
    bias = unit.bias(unit.neutral_natural())
    keys = iter(jax.random.split(KEY, 10))
    eta = unit.natural(jax.tree.map(lambda x: x + 0.4 * jax.random.normal(next(keys), x.shape), bias))
    return eta._replace(filtered=jnp.array([-0.5, -0.2])) if isinstance(unit, Factored) else eta


@pytest.mark.parametrize("name", FAMILY)
def test_a_family_is_what_quadrature_says_of_it(name):
    unit = FAMILY[name]
    eta = natural(unit)
    truth = list_states(Alone(unit, eta))
    np.testing.assert_allclose(unit.log_partition(eta), truth.log_partition[0], rtol=2e-6, atol=2e-6)
    stats = jax.vmap(unit.stats)(jnp.asarray(truth.values["v"][0]))
    weighed = jax.tree.map(lambda s: truth.probability[0] @ np.asarray(s, np.float64), stats)
    for own, expected in zip(jax.tree.leaves(unit.mean(eta)), jax.tree.leaves(weighed), strict=True):
        np.testing.assert_allclose(own, expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("name", [name for name in FAMILY if name != "factored"])
def test_means_and_biases_are_turned_back(name):
    unit = FAMILY[name]
    eta = natural(unit)
    mean, back = unit.mean(eta), unit.mean(unit.natural_from_mean(unit.mean(eta)))
    for own, expected in zip(jax.tree.leaves(back), jax.tree.leaves(mean), strict=True):
        np.testing.assert_allclose(own, expected, rtol=2e-5, atol=1e-6)
    for own, expected in zip(jax.tree.leaves(unit.natural(unit.bias(eta))), jax.tree.leaves(eta), strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", FAMILY)
def test_samples_have_the_means(name):
    unit, n = FAMILY[name], 40_000
    eta = natural(unit)
    drawn = jax.vmap(unit.stats)(jax.vmap(lambda k: unit.sample(k, eta))(jax.random.split(KEY, n)))
    for found, expected in zip(jax.tree.leaves(drawn), jax.tree.leaves(unit.mean(eta)), strict=True):
        z = (np.mean(found, axis=0) - expected) / (np.std(found, axis=0) / np.sqrt(n) + 1e-9)
        assert np.abs(z).max() < 4.5  # fails 1e-4 of the time with ten numbers


@pytest.mark.parametrize("name", FAMILY)
def test_means_at_the_neutral_member_are_those_of_samples(name):
    unit, n = FAMILY[name], 40_000
    eta = unit.neutral_natural()
    drawn = jax.vmap(unit.stats)(jax.vmap(lambda k: unit.sample(k, eta))(jax.random.split(KEY, n)))
    for found, expected in zip(jax.tree.leaves(drawn), jax.tree.leaves(unit.mean(eta)), strict=True):
        z = (np.mean(found, axis=0) - expected) / (np.std(found, axis=0) / np.sqrt(n) + 1e-9)
        assert np.abs(z).max() < 4.5  # fails 1e-4 of the time with ten numbers


@pytest.mark.parametrize("z", [-300.0, -30.0, -8.0, -3.0, 0.0, 3.0, 30.0])
def test_a_cut_gaussian_is_right_in_either_tail(z):
    """Against scipy's, at a mean of `z` deviations: mass, mean and samples."""
    unit, eta = Rectified(2000), GaussianStats(jnp.full(2000, z), jnp.full(2000, -0.5))
    exact = scipy.stats.truncnorm(-z, np.inf, loc=z)
    mass = 0.5 * z * z + scipy.stats.norm.logcdf(z) + 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(unit.log_partition(eta) / 2000, mass, rtol=3e-6, atol=3e-6)
    mean = exact.mean() if z > -20 else 1 / -z * (1 - 2 / z**2)  # where scipy's own mean is lost
    np.testing.assert_allclose(unit.mean(eta).x[0], mean, rtol=1e-4)
    drawn = np.asarray(unit.sample(KEY, eta))
    assert (drawn > 0).all()
    assert abs(drawn.mean() - mean) < 4.5 * drawn.std() / np.sqrt(2000)


class Wrong(Gamma):
    """Gamma units that forget a term of their log-partition function."""

    def log_partition(self, eta):
        return super().log_partition(eta) + 0.1 * jnp.sum(eta.log)


class Silent(Gaussian):
    """A family that does not say how to integrate over it."""


def failures(model):
    found = []
    for name, check in checks_for(model, KEY).items():
        try:
            check()
        except AssertionError:
            found.append(name)
    return found


def coupled(unit):
    """A layer beside bits that do not act on it."""
    bits = Bernoulli(1)
    biases = {"v": unit.bias(unit.neutral_natural()), "h": bits.bias(bits.neutral_natural())}
    moved = {"v": jax.tree.map(lambda x: x + 0.3, biases["v"]), "h": biases["h"] + 0.2}
    return Independent({"v": unit, "h": bits}, moved)


def test_a_unit_that_is_wrong_fails():
    assert not failures(coupled(Gamma(1)))
    assert "conditionals" in failures(coupled(Wrong(1)))


def test_a_family_that_says_nothing_fails_and_passes_when_it_does():
    FAMILIES.pop(Gaussian)
    try:
        with pytest.raises(AssertionError, match=r"integrate over Silent units, .* @harmonium\.testing\.integ"):
            checks_for(coupled(Silent(1)))
    finally:
        integrates(Gaussian)(lambda unit: [whole_line(unit.size)])
    assert not failures(coupled(Silent(1)))


def test_counts_beyond_those_that_are_summed_are_refused():
    rates = RBM(Poisson(1), Bernoulli(1), key=KEY)
    with pytest.raises(AssertionError, match="counts of layer 'v' up to 30, and these are often as large"):
        list_states(eqx.tree_at(lambda m: m.b, rates, jnp.full(1, 3.0)))


def test_too_many_real_units_are_refused():
    with pytest.raises(InputError, match="2 of other real ones"):
        checks_for(RBM(Gaussian(1), Gamma(2), key=KEY))
