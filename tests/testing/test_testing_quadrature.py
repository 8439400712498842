"""Checks integrate over real units of every family: a wrong unit of any of them fails, and one that says nothing."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from harmonium.errors import InputError
from harmonium.models import RBM, Independent
from harmonium.testing import checks_for
from harmonium.testing.enumeration import list_states
from harmonium.testing.quadrature import FAMILIES, integrates, whole_line
from harmonium.units import Bernoulli, Factored, Gamma, Gaussian, SpikeSlab, Unit, inner

KEY = jax.random.key(0)
C = jnp.array([[1.0, 0.5], [0.3, -1.0]])
FAMILY = {
    "gaussian": Gaussian(2), "gamma": Gamma(2), "spike-slab": SpikeSlab(2), "pool": SpikeSlab(2, slabs=2),
    "factored": Factored(Gaussian(2), C),
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
    for back in (unit.natural_from_mean(unit.mean(eta)), unit.natural(unit.bias(eta))):
        for own, expected in zip(jax.tree.leaves(back), jax.tree.leaves(eta), strict=True):
            np.testing.assert_allclose(own, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", FAMILY)
def test_samples_have_the_means(name):
    unit, n = FAMILY[name], 40_000
    eta = natural(unit)
    drawn = jax.vmap(unit.stats)(jax.vmap(lambda k: unit.sample(k, eta))(jax.random.split(KEY, n)))
    for found, expected in zip(jax.tree.leaves(drawn), jax.tree.leaves(unit.mean(eta)), strict=True):
        z = (np.mean(found, axis=0) - expected) / (np.std(found, axis=0) / np.sqrt(n) + 1e-9)
        assert np.abs(z).max() < 4.5  # fails 1e-4 of the time with ten numbers


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


def test_too_many_real_units_are_refused():
    with pytest.raises(InputError, match="2 of other real ones"):
        checks_for(RBM(Gaussian(1), Gamma(2), key=KEY))
