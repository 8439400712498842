"""Rows that decide a mean are named; those of ordinary data are not."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest

import harmonium as hm
from harmonium.data import Space
from harmonium.evaluation import Estimate, compare
from harmonium.evaluation.estimate import NOT_FINITE, mean_estimate
from harmonium.evaluation.far_rows import deciding_rows, remark_on
from harmonium.report.head import fine_print
from harmonium.report.record import estimate_row

RNG = np.random.default_rng(0)
FAMILIES = {
    "normal": lambda n: -100 + 10 * RNG.normal(size=n),
    "exponential": lambda n: -10 * RNG.exponential(size=n),
    "student": lambda n: 10 * RNG.standard_t(5, size=n),
    "two values": lambda n: np.where(RNG.random(n) < 0.1, -9.0, -1.0),
    "one value": lambda n: np.full(n, -3.0),
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("n", [20, 100, 1000])
def test_ordinary_rows_are_not_named(family, n):
    """A thousand data sets: at most 4 named, where the declared rate of 1e-3 expects one (probability 0.004)."""
    assert sum(len(deciding_rows(FAMILIES[family](n))) > 0 for _ in range(1000)) <= 4


@pytest.mark.parametrize("n", [20, 300, 5000])
@pytest.mark.parametrize("far", [-1e14, -1e5, 1e5])
def test_a_row_that_decides_the_mean_is_named_with_the_mean_of_the_others(n, far):
    values = RNG.normal(-2, 1, n)
    values[17] = far
    assert deciding_rows(values).tolist() == [17]
    said = remark_on(values)
    assert said.startswith(f"row 17 alone moves the mean by {values.mean() - np.delete(values, 17).mean():.4g} nats; ")
    assert said.endswith(f"without it the mean is {np.delete(values, 17).mean():.2f}")


def test_several_rows_are_named_together():
    values = RNG.normal(-2, 1, 1000)
    values[[3, 500, 999]] = [-1e6, -2e6, -1e6]
    assert remark_on(values).startswith("rows 3, 500 and 999 alone move the mean by -4000 nats; without them the mean")
    values[:7] = np.nan
    assert remark_on(values).startswith("rows 0, 1, 2, 3, 4 and 2 more have no finite value; without them the mean is")


@pytest.mark.parametrize("values", [[-1e9], [-1.0, -1e9], [np.nan, np.nan], [-np.inf]])
def test_nothing_is_said_where_there_are_no_others_to_compare_with(values):
    assert remark_on(np.array(values)) == ""


def test_an_estimate_carries_it_prints_it_and_keeps_it():
    found = mean_estimate(np.append(np.full(30, -2.0), -1e9), "exact", "the chain rule", {}, None)
    assert (found.verdict, found.kind) == ("trust", "exact")
    assert "; row 30 alone moves the mean by -3.226e+07 nats; without it the mean is -2.00)" in str(found)
    back = Estimate.from_dict(found.to_dict())
    assert (back.per_example, back.remark) == (None, found.remark)
    assert Estimate.from_dict({k: v for k, v in found.to_dict().items() if k != "remark"}).remark == ""  # an old file
    assert found.remark in fine_print(found)
    assert any(found.remark in cell for cell in estimate_row("test", found))
    assert dataclasses.replace(found, per_example=np.full(31, -2.0)).remark == ""


def test_rows_without_a_finite_value_are_named_and_never_trusted():
    values = np.append(np.full(30, -2.0), np.nan)
    found = Estimate(-2.0, 0.0, "exact", method="enumeration", n=31, per_example=values)
    assert (found.verdict, found.remark) == (NOT_FINITE, "row 30 has no finite value; without it the mean is -2.00")
    other = dataclasses.replace(found, verdict="do not report: for another reason")
    assert other.verdict == "do not report: for another reason"
    assert mean_estimate(values, "lower", "bound", {}, None).verdict == "do not report: the weights are not finite"


@pytest.mark.slow
def test_every_way_to_a_likelihood_names_the_far_row():
    rows = np.append(RNG.normal(size=(40, 2)), [[0.0, 1e4]], axis=0)
    real, key = hm.units.Gaussian(2), jax.random.key(0)
    machine, network = hm.RBM(real, hm.units.Bernoulli(2), key=key), hm.FVBN(real)
    vae = hm.VAE(real, hm.units.Gaussian(1), [4], key=key)
    for found in (
        hm.log_likelihood(machine, rows), hm.log_likelihood(network, rows),
        hm.log_likelihood(vae, rows, key=key, samples=2),
    ):  # fmt: skip
        assert found.remark.startswith("row 40 alone moves the mean"), found


def test_a_comparison_names_the_row_that_decides_it():
    space = Space("real", (2, 2), "x", split="test", hash="0" * 16, n=50)
    base = RNG.normal(-2, 1, 50)
    far = np.where(np.arange(50) == 7, -1e6, base - 0.1)
    a, b = (mean_estimate(x, "exact", "the chain rule", {}, space) for x in (base, far))
    said = "; of the difference, row 7 alone moves the mean by 2e+04 nats; without it the mean is 0.10"
    assert said in compare(a, b).reason
    assert "row" not in compare(a, a).reason
