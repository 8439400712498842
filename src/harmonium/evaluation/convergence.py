"""Have chains forgotten where they started, and how many independent draws are theirs worth?

Vehtari, Gelman, Simpson, Carpenter & Bürkner, *Rank-normalization, folding, and localization: an improved R-hat for
assessing convergence of MCMC*, Bayesian Analysis 16 (2021). Arrays are `[chains, draws]`, of one number per draw.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from harmonium.errors import InputError

DRAWS = 4  # of each chain, at least: two in each half


def r_hat(draws: np.ndarray) -> float:
    """Rank-normalised split R-hat: 1 where the halves of all chains have the same distribution, larger where not.

        R-hat^2 = (n - 1) / n + B / (n W)

    with `W` the mean variance within the half-chains of `n` draws and `B / n` the variance of their means, of ranks
    mapped to normal scores; the larger of the values for the draws and for their distances from the median, so that
    chains of unequal spread are seen as well (section 4 of the paper).
    Arguments: `draws` `[chains, draws]`. Raises `InputError` for fewer than four draws of each chain.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(4, 1000)); round(r_hat(x), 2), r_hat(x + np.arange(4)[:, None]) > 1.3
    (1.0, True)
    """
    halves = split(draws)
    return max(_r_hat(normal_scores(halves)), _r_hat(normal_scores(np.abs(halves - np.median(halves)))))


def effective_samples(draws: np.ndarray) -> float:
    """Bulk effective sample size: as many independent draws give the mean as precisely.

        S = m n / tau,      tau = -1 + 2 sum_k P_k,      P_k = rho_{2k} + rho_{2k+1}

    of the `m` half-chains' normal scores, with autocorrelations `rho_t` that count what lies between the chains
    (section 3.2 of the paper), and pairs `P_k` taken while they are positive and no larger than the one before
    (Geyer 1992). Arguments: `draws` `[chains, draws]`. Raises `InputError` for fewer than four draws of each chain.

    >>> rng = np.random.default_rng(0)
    >>> 3500 < effective_samples(rng.normal(size=(4, 1000))) < 4500
    True
    """
    x = normal_scores(split(draws))
    m, n = x.shape
    if not np.ptp(x):
        return float(m * n)  # a number that never changes is known as well as it can be
    covariance = autocovariance(x).mean(axis=0)
    within = covariance[0] * n / (n - 1)
    total = within * (n - 1) / n + x.mean(axis=1).var(ddof=1)
    rho = 1 - (within - covariance) / total
    rho[0] = 1.0
    pairs = rho[: n // 2 * 2].reshape(-1, 2).sum(axis=1)
    positive = np.append(pairs <= 0, True).argmax()
    tau = -1 + 2 * np.minimum.accumulate(pairs[:positive]).sum()
    return float(m * n / max(tau, 1 / math.log10(m * n)))


def split(draws: np.ndarray) -> np.ndarray:
    """The halves of each chain as chains of their own `[2 chains, draws / 2]`; a middle draw is left out.

    >>> split(np.arange(5.0)[None]).tolist()
    [[0.0, 1.0], [3.0, 4.0]]
    """
    draws = np.asarray(draws, np.float64)
    if draws.ndim != 2 or draws.shape[1] < DRAWS:
        raise InputError(f"Chains are judged from at least {DRAWS} draws each, [chains, draws], not {draws.shape}.")
    half = draws.shape[1] // 2
    return np.concatenate([draws[:, :half], draws[:, -half:]])


def normal_scores(x: np.ndarray) -> np.ndarray:
    """Normal quantiles of the ranks of all numbers together, `(r - 3/8) / (S + 1/4)`; ties share their mean rank.

    >>> normal_scores(np.array([[5.0, 1.0, 3.0]])).round(3).tolist()
    [[0.869, -0.869, 0.0]]
    """
    ranks = rankdata(x, method="average").reshape(x.shape)
    return ndtri((ranks - 0.375) / (x.size + 0.25))


def autocovariance(x: np.ndarray) -> np.ndarray:
    """Autocovariance of each row `[chains, lags]`, `sum_i x_i x_{i+t} / n` of centred numbers, by Fourier transforms.

    >>> autocovariance(np.array([[1.0, 2.0, 3.0]])).round(4).tolist()
    [[0.6667, 0.0, -0.3333]]
    """
    n = x.shape[1]
    centred = x - x.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(centred, 2 * n, axis=1)
    return np.fft.irfft(np.abs(spectrum) ** 2, 2 * n, axis=1)[:, :n] / n


def _r_hat(x: np.ndarray) -> float:
    n = x.shape[1]
    if not np.ptp(x, axis=1).any():  # no chain moves
        return math.inf if np.ptp(x) else 1.0
    within, between = x.var(axis=1, ddof=1).mean(), x.mean(axis=1).var(ddof=1)
    return math.sqrt((n - 1) / n + between / within)
