"""Log-likelihood per frame: a ratio of sums, with the error of a ratio."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from harmonium.errors import IncomparableError, InputError
from harmonium.evaluation import Estimate, compare, per_frame
from harmonium.testing.statistics import FAILURE_RATE

RNG = np.random.default_rng(0)


def bound(values, **fields):
    value = float(np.mean(values))
    return Estimate(value, 1.0, "lower", lower=value, n=len(values), per_example=np.asarray(values), **fields)


def test_it_is_the_sum_over_all_frames():
    found = per_frame(bound([-40.0, -10.0, -3.0]), np.array([10, 2, 1]))
    assert found.value == found.lower == pytest.approx(-53 / 13)
    assert (found.kind, found.upper, found.settings["frames"]) == ("lower", np.inf, 13)
    assert found.value == pytest.approx(found.per_example.mean())
    assert str(found).startswith("log-likelihood per frame -4.08")
    assert Estimate.from_dict(found.to_dict()) == found
    with pytest.raises(IncomparableError):
        compare(found, bound([-40.0]))


def test_its_error_is_that_of_a_ratio():
    """The deviation of the ratio over many draws of sequences, whose lengths vary too, within a chi-square's bounds."""
    draws, n = 1000, 200
    frames = RNG.integers(1, 50, (draws, n))
    values = -5.0 * frames + RNG.normal(size=(draws, n)) * np.sqrt(frames)
    found = [per_frame(bound(v), f) for v, f in zip(values, frames, strict=True)]
    ratio = np.var([e.value for e in found], ddof=1) / np.mean([e.stderr**2 for e in found])
    low, high = scipy.stats.chi2(draws - 1).ppf([FAILURE_RATE / 2, 1 - FAILURE_RATE / 2]) / (draws - 1)
    assert 0.99 * low < ratio < 1.01 * high


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: per_frame(-3.0, [1]), "not of -3.0"),
        (lambda: per_frame(Estimate(-3.0, 0.1, "exact"), [1]), "the value of each sequence"),
        (lambda: per_frame(per_frame(bound([-3.0]), [1]), [1]), "estimate of another kind"),
        (lambda: per_frame(bound([-3.0, -4.0]), [1]), r"The 2 sequences have .* of shape \(1,\)"),
        (lambda: per_frame(bound([-3.0, -4.0]), [1, 0]), "at least 1"),
    ],
)
def test_what_cannot_be_is_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()
