"""R-hat and effective sample sizes against what is known of the processes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.special import ndtri

from harmonium.errors import InputError
from harmonium.evaluation import effective_samples, r_hat
from harmonium.evaluation.convergence import _r_hat, autocovariance, normal_scores, split

CHAINS, DRAWS = 8, 4000


def autoregressive(rho: float, seed: int = 0, chains: int = CHAINS, draws: int = DRAWS) -> np.ndarray:
    """`x_t = rho x_{t-1} + e_t` from its stationary law, of variance 1."""
    noise = np.random.default_rng(seed).normal(size=(chains, draws)) * np.sqrt(1 - rho**2)
    noise[:, 0] /= np.sqrt(1 - rho**2)
    return lfilter([1.0], [1.0, -rho], noise, axis=1)


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.5, 0.9])
def test_effective_samples_of_autoregressive_chains(rho):
    """The variance of their mean is `(1 + rho) / (1 - rho)` times that of independent draws."""
    found = [effective_samples(autoregressive(rho, seed)) for seed in range(5)]
    assert np.mean(found) / (CHAINS * DRAWS) == pytest.approx((1 - rho) / (1 + rho), rel=0.06)
    assert r_hat(autoregressive(rho)) < 1.01


def test_effective_samples_foretell_the_error_of_means():
    means = [autoregressive(0.8, seed, 4, 500).mean() for seed in range(300)]
    size = np.mean([effective_samples(autoregressive(0.8, seed, 4, 500)) for seed in range(20)])
    assert 1 / np.var(means) == pytest.approx(size, rel=0.3)  # 300 means know it to 8 %; 20 sizes to 3 %


def test_r_hat_by_hand():
    x = np.array([[1.0, 2.0, 3.0, 4.0], [3.0, 4.0, 5.0, 6.0]])  # W = 5/3, B/n = 2
    assert _r_hat(x) == pytest.approx(np.sqrt(3 / 4 + 2 / (5 / 3)))
    scores = ndtri((np.arange(1, 9) - 0.375) / 8.25).reshape(2, 4)
    assert _r_hat(normal_scores(np.arange(8.0).reshape(2, 4))) == pytest.approx(_r_hat(scores))


@pytest.mark.parametrize("what", ["places", "spreads", "a trend"])
def test_chains_that_differ_are_seen(what):
    x = np.random.default_rng(0).normal(size=(4, 500))
    x = {"places": x + np.array([[0], [0], [0], [1]]), "spreads": x * np.array([[1], [1], [1], [4]]),
         "a trend": x + np.linspace(0, 2, 500)}[what]  # fmt: skip
    assert r_hat(x) > 1.05
    if what == "spreads":
        assert _r_hat(normal_scores(split(x))) < 1.01  # only the distances from the median tell


def test_ranks_make_both_robust():
    x = autoregressive(0.5)
    assert effective_samples(np.exp(3 * x)) == pytest.approx(effective_samples(x))
    assert r_hat(np.random.default_rng(0).standard_cauchy(size=(4, 500))) < 1.02


def test_chains_that_never_move():
    assert (r_hat(np.zeros((4, 100))), effective_samples(np.zeros((4, 100)))) == (1.0, 400.0)
    stuck = np.repeat(np.arange(4.0)[:, None], 100, axis=1)
    assert r_hat(stuck) == np.inf
    assert effective_samples(stuck) < 10


def test_autocovariance_is_the_plain_sum():
    x = np.random.default_rng(0).normal(size=(2, 7))
    y = x - x.mean(axis=1, keepdims=True)
    plain = [[row[: 7 - t] @ row[t:] / 7 for t in range(7)] for row in y]
    np.testing.assert_allclose(autocovariance(x), plain, atol=1e-12)


@pytest.mark.parametrize("shape", [(4,), (4, 3), (1, 2, 3)])
@pytest.mark.parametrize("measure", [r_hat, effective_samples])
def test_too_few_draws_are_refused(measure, shape):
    with pytest.raises(InputError, match="at least 4 draws each"):
        measure(np.zeros(shape))
