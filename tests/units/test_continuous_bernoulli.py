"""Cut exponentials on [0, 1]: mass, mean and samples at any parameter, zero among them, and what is refused."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import harmonium as hm
from harmonium.errors import InputError
from harmonium.testing.statistics import FAILURE_RATE
from harmonium.units import Bernoulli, ContinuousBernoulli

KEY = jax.random.key(0)
ETA = np.array([-80, -5, -0.51, -0.49, -1e-2, -1e-7, 0, 1e-4, 0.3, 0.499, 0.501, 10, 80], np.float32)
UNIT = ContinuousBernoulli(len(ETA))
NODES, WEIGHTS = np.polynomial.legendre.leggauss(2000)


def moments():
    """`A`, the mean and the variance at each parameter, by quadrature."""
    x, eta = (NODES + 1) / 2, ETA.astype(np.float64)[:, None]
    mass = np.exp(eta * x) * WEIGHTS / 2
    law = mass / mass.sum(1, keepdims=True)
    mean = law @ x
    return np.log(mass.sum(1)), mean, (law * (x - mean[:, None]) ** 2).sum(1)


def test_mass_mean_and_variance_are_those_of_the_density():
    log_mass, mean, variance = moments()
    each = [ContinuousBernoulli(1).log_partition(jnp.asarray(ETA[i : i + 1])) for i in range(len(ETA))]
    np.testing.assert_allclose(each, log_mass, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(UNIT.mean(jnp.asarray(ETA)), mean, rtol=2e-6)
    slope = jnp.diagonal(jax.jacobian(UNIT.mean)(jnp.asarray(ETA)))
    np.testing.assert_allclose(slope, variance, rtol=2e-5)


def test_a_mean_is_turned_back():
    """At a mean that float32 holds to `eps`, the parameter is known to `eps` over the variance."""
    mean = UNIT.mean(jnp.asarray(ETA))
    found = UNIT.natural_from_mean(mean)
    np.testing.assert_allclose(UNIT.mean(found), mean, atol=1e-7)
    assert (np.abs(found - ETA) <= 1.2e-7 / moments()[2]).all()
    assert np.isfinite(UNIT.natural_from_mean(jnp.linspace(0, 1, len(ETA)))).all()


def test_samples_follow_the_law_at_any_parameter():
    drawn = np.asarray(jax.vmap(UNIT.sample, (0, None))(jax.random.split(KEY, 8192), jnp.asarray(ETA)))
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    for column, eta in zip(drawn.T, ETA, strict=True):
        law = scipy.stats.uniform if abs(eta) < 1e-5 else scipy.stats.truncexpon(abs(eta), scale=1 / abs(eta))
        below = law.cdf(column if eta <= 0 else 1 - column)
        assert scipy.stats.kstest(below, "uniform").pvalue > FAILURE_RATE / len(ETA)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        ([[0.5, 1.5]], r"from 0 to 1, but the data holds 1.5 in row 0, column 1: scale it to \[0, 1\] \(8-bit pixels"),
        ([[0.5, -0.1]], "-0.1 in row 0, column 1"),
        ([[0.5, 1.0], [np.nan, 0]], "nan in row 1, column 0, which means missing"),
    ],
)
def test_what_lies_outside_is_refused(x, words):
    with pytest.raises(InputError, match=words):
        ContinuousBernoulli(2).check(np.array(x))
    ContinuousBernoulli(2).check(np.array([[0.0, 1.0], [0.5, 0.25]]))


def test_grey_values_have_densities_and_no_score():
    """Their log-likelihood compares with that of Gaussian units, and not with that of bits."""
    x = np.random.default_rng(0).uniform(size=(50, 2))
    grey, real = (hm.log_likelihood(hm.RBM(unit, Bernoulli(2), key=KEY, scale=0.0), x)
                  for unit in (ContinuousBernoulli(2), hm.units.Gaussian(2)))  # fmt: skip
    assert grey.value == pytest.approx(0.0, abs=1e-6)  # the even density of the unit square
    assert grey.kind == "exact"
    hm.compare(grey, real)
    with pytest.raises(InputError, match="Score matching"):
        hm.objectives.ScoreMatching()(hm.RBM(ContinuousBernoulli(2), Bernoulli(2), key=KEY), jnp.asarray(x), KEY, None)
