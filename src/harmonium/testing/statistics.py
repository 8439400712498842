"""Comparing numbers with numbers, and samples with laws: the rate of false alarms is declared here, once."""

from __future__ import annotations

import jax.scipy.special as special
import numpy as np

FAILURE_RATE = 1e-3  # how often a statistical check of a correct model fails, over seeds
EXPECTED = 5.0  # cells of a chi-square test with a smaller expected count are pooled


def agree(actual: object, expected: object, tolerance: float, what: str) -> None:
    """Refuse arrays of different shape, or further apart than `tolerance * max(1, |expected|)` anywhere."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    if actual.shape != expected.shape:
        raise AssertionError(f"{what}: shape {actual.shape} instead of {expected.shape}.")
    if not np.isfinite(actual).all():
        raise AssertionError(f"{what}: {np.sum(~np.isfinite(actual))} of {actual.size} numbers are not finite.")
    error = np.abs(actual - expected) / np.maximum(1.0, np.abs(expected))
    if error.size and error.max() > tolerance:
        worst = np.unravel_index(error.argmax(), error.shape)
        raise AssertionError(
            f"{what}: {actual[worst]:.8g} instead of {expected[worst]:.8g} at {tuple(int(i) for i in worst)} "
            f"(relative error {error.max():.2g}, tolerance {tolerance:g})."
        )


def matches_law(counts: np.ndarray, probability: np.ndarray, what: str, share: float = 1.0) -> None:
    """Refuse counts that would be this far from the law with less than `share * FAILURE_RATE`."""
    chance = chi_square(counts, probability)
    if chance < share * FAILURE_RATE:
        raise AssertionError(
            f"{what}: {int(counts.sum())} samples do not follow the exact law (chi-square p = {chance:.2g}, refused "
            f"below {share * FAILURE_RATE:.2g})."
        )


def chi_square(counts: np.ndarray, probability: np.ndarray) -> float:
    """The chance of counts at least as far from `sum(counts) * probability`: Pearson's test, rare cells pooled."""
    if counts[probability == 0].any():
        return 0.0
    expected = counts.sum() * probability
    rare = expected < EXPECTED
    counts = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    if expected[-1] < EXPECTED and len(expected) > 1:  # the pool itself is rare: it joins another cell
        counts, expected = (np.append(x[1:-1], x[0] + x[-1]) for x in (counts, expected))
    statistic = np.sum((counts - expected) ** 2 / expected)
    freedom = len(expected) - 1
    return float(special.gammaincc(freedom / 2, statistic / 2)) if freedom else 1.0


def same_expectations(samples: np.ndarray, support: np.ndarray, probability: np.ndarray, what: str) -> None:
    """Refuse samples `[n, m]` whose means differ from those of a law on rows `support` `[k, m]`, by z-tests."""
    mean = probability @ support
    deviation = np.sqrt(probability @ (support - mean) ** 2)
    limit = -float(special.ndtri(FAILURE_RATE / (2 * len(mean))))  # Bonferroni over the means
    z = (samples.mean(axis=0) - mean) / (deviation / np.sqrt(len(samples)) + 1e-5)
    worst = np.abs(z).argmax()
    if not np.abs(z[worst]) <= limit:
        raise AssertionError(
            f"{what}: moment {worst} is {samples.mean(axis=0)[worst]:.5g} over {len(samples)} samples instead of "
            f"{mean[worst]:.5g} ({z[worst]:+.1f} standard errors, refused beyond {limit:.1f})."
        )


def matches_means(samples: np.ndarray, expected: np.ndarray, what: str, share: float = 1.0) -> None:
    """Refuse samples `[n, m]` whose means differ from those expected `[m]`, by z-tests that fail with less than
    `share * FAILURE_RATE` together."""
    spread = samples.std(axis=0) / np.sqrt(len(samples))
    z = (samples.mean(axis=0) - expected) / (spread + 1e-6 * np.maximum(1, np.abs(expected)))
    limit = -float(special.ndtri(share * FAILURE_RATE / (2 * len(z))))  # Bonferroni over the means
    worst = np.abs(z).argmax()
    if not np.abs(z[worst]) <= limit:
        raise AssertionError(
            f"{what}: mean {worst} is {samples.mean(axis=0)[worst]:.5g} over {len(samples)} samples instead of "
            f"{expected[worst]:.5g} ({z[worst]:+.1f} standard errors, refused beyond {limit:.1f})."
        )
