"""Estimates say what they are, survive JSON, and are compared only where that means something."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math

import numpy as np
import pytest

from harmonium.data import Space
from harmonium.errors import IncomparableError, InputError
from harmonium.evaluation import Comparison, Estimate, compare, interval_verdict

SPACE = Space("binary", (2, 2), "coins", "fixed(seed=0)", split="test", hash="0" * 16, n=10)
EXACT = Estimate(-3.5, 0.1, "exact", lower=-3.5, upper=-3.5, sure=True, method="enumeration", space=SPACE, n=10)
INTERVAL = Estimate(
    -3.5, 0.1, "interval", lower=-3.6, upper=-3.4, method="AIS and reverse AIS", space=SPACE, n=10,
    settings={"chains": 10, "seed": [0, 1], "log_partition": {"lower": 1.0, "upper": 1.1}},
)  # fmt: skip
LOWER = Estimate(-3.6, 0.1, "lower", lower=-3.6, method="reverse AIS", space=SPACE, n=10)
UPPER = Estimate(-3.4, 0.1, "upper", upper=-3.4, method="AIS", space=SPACE, n=10)
BROKEN = Estimate(
    math.nan, math.inf, "interval", "log_partition", math.nan, math.nan, method="AIS", verdict="do not report: why",
    settings={"log_partition": {"lower": math.nan}, "log_partition_stderr": math.inf},
)  # fmt: skip
ALL = {"exact": EXACT, "interval": INTERVAL, "lower": LOWER, "upper": UPPER}


@pytest.mark.parametrize("kind", ALL)
def test_json_and_back(kind):
    text = json.dumps(ALL[kind].to_dict(), allow_nan=False)
    assert Estimate.from_dict(json.loads(text)) == ALL[kind]


def test_what_is_not_finite_is_null_in_json():
    record = json.loads(json.dumps(BROKEN.to_dict(), allow_nan=False))
    assert record["value"] is None
    back = Estimate.from_dict(record)
    assert math.isnan(back.value)
    assert (back.stderr, back.ends) == (math.inf, (-math.inf, math.inf))
    assert compare(back, dataclasses.replace(back, value=0.0)) == "inconclusive"


def test_text_names_kind_method_space_and_verdict():
    assert str(EXACT).startswith("log-likelihood -3.50 ± 0.10 nats per example (exact, by enumeration; n = 10; coins")
    assert "between -3.60 and -3.40 nats per example (interval in expectation, gap 0.20, by AIS" in str(INTERVAL)
    assert "(lower bound, by reverse AIS" in str(LOWER)
    assert "(upper bound, by AIS" in str(UPPER)
    assert str(BROKEN).endswith("do not report: why)")
    assert "per example" not in str(BROKEN)


def test_ends_and_gaps():
    assert (EXACT.gap, EXACT.ends) == (0.0, (-3.5, -3.5))
    assert INTERVAL.gap == pytest.approx(0.2)
    assert LOWER.gap == UPPER.gap == math.inf


@pytest.mark.parametrize(
    ("gap", "effective", "said"),
    [(0.1, 50, "trust"), (2.0, 50, "nats apart"), (0.1, 3, "effective chains"), (math.nan, 50, "not finite"),
     (math.inf, 50, "not finite")],
)  # fmt: skip
def test_verdicts(gap, effective, said):
    assert said in interval_verdict(gap, effective)


# ---- comparing -----------------------------------------------------------------------------------------------


def moved(estimate: Estimate, by: float) -> Estimate:
    return dataclasses.replace(
        estimate, value=estimate.value + by, lower=estimate.lower + by, upper=estimate.upper + by
    )


@pytest.mark.parametrize(("a", "b"), [(EXACT, EXACT), (INTERVAL, INTERVAL), (EXACT, INTERVAL), (LOWER, UPPER)])
def test_better_worse_or_inconclusive(a, b):
    up = moved(a, 5.0)
    assert compare(up, b) == "better"
    assert "by " in compare(up, b).reason
    assert compare(b, up) == "worse"
    assert compare(b, up).difference == -compare(up, b).difference
    assert compare(a, b) == "inconclusive"
    assert ("within 2 standard errors" if a is b is EXACT else "overlaps") in compare(a, b).reason


@pytest.mark.parametrize(("a", "b"), [(LOWER, LOWER), (UPPER, UPPER), (LOWER, EXACT), (INTERVAL, UPPER)])
@pytest.mark.parametrize("by", [-50.0, 0.0, 50.0])
def test_bounds_of_one_side_answer_only_what_they_can(a, b, by):
    answer = compare(moved(a, by), b)
    shown = {-50.0: a is UPPER and b is not UPPER, 0.0: False, 50.0: (a, b) in ((LOWER, EXACT), (INTERVAL, UPPER))}
    assert (answer != "inconclusive") == shown[by]
    if a is b is LOWER:
        assert "both are lower bounds" in answer.reason
    if a is b is UPPER:
        assert "neither is bounded from below" in answer.reason


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (INTERVAL, dataclasses.replace(INTERVAL, lower=-3.9, upper=-3.5), r"-3.60 to -3.40, and -3.90 to -3.50"),
        (INTERVAL, dataclasses.replace(INTERVAL, lower=-99.0, upper=-1.0), r"-3.60 to -3.40, and -99.00 to -1.00"),
        (EXACT, LOWER, r"-3.50, and at least -3.60"),
        (UPPER, EXACT, r"at most -3.40, and -3.50"),
    ],
)
def test_what_overlaps_is_not_said_to_be_near(a, b, said):
    answer = compare(a, b)
    assert answer == "inconclusive"
    assert answer.reason == f"what is known of them overlaps ({said}), so either may be the larger"


def test_the_stronger_estimate_is_exact_then_two_sided_then_a_bound():
    ranked = [dataclasses.replace(LOWER, kind="unordered"), LOWER, INTERVAL, EXACT]
    assert all(weak.strength < strong.strength for weak, strong in itertools.pairwise(ranked))
    assert LOWER.strength == UPPER.strength
    assert dataclasses.replace(INTERVAL, verdict="do not report: wide").strength < INTERVAL.strength
    assert dataclasses.replace(EXACT, n=5).strength < EXACT.strength


def test_a_comparison_is_its_answer():
    assert isinstance(compare(EXACT, EXACT), Comparison)
    assert f"{compare(moved(EXACT, 9), EXACT)}" == "better"


OTHER_SPACES = {
    "binarizations": {"binarization": "fixed(seed=1)"},
    "splits": {"split": "valid"},
    "data sets": {"dataset": "dice"},
    "supports": {"support": "real"},
    "numbers of dimensions": {"shape": (5,)},
    "scalings": {"scaling": "divided by 16"},
    "examples themselves": {"hash": "1" * 16},
}


@pytest.mark.parametrize("what", OTHER_SPACES)
def test_other_spaces_are_refused_with_the_reason(what):
    other = dataclasses.replace(EXACT, space=dataclasses.replace(SPACE, **OTHER_SPACES[what]))
    with pytest.raises(IncomparableError, match=f"The {what} differ .*section 20.14"):
        compare(EXACT, other)
    assert issubclass(IncomparableError, InputError)


def test_other_quantities_are_refused():
    with pytest.raises(IncomparableError, match="log_likelihood and a log_partition"):
        compare(EXACT, dataclasses.replace(EXACT, quantity="log_partition"))


@pytest.mark.parametrize("thing", [1.0, None, "runs/mnist"])
def test_what_is_no_estimate_is_refused(thing):
    for pair in ((EXACT, thing), (thing, EXACT)):
        with pytest.raises(InputError, match=r"two estimates, .* not of"):
            compare(*pair)


def test_pairs_tell_more_than_single_values():
    """Two models whose difference per example is small against the spread of examples."""
    rng = np.random.default_rng(0)
    a = rng.normal(-80, 10, 100)
    b = a - 1 + rng.normal(0, 0.1, 100)

    def of(values, **more):
        kind = {"kind": "exact", "space": SPACE} | more
        return Estimate(values.mean(), values.std(ddof=1) / 10, n=100, per_example=values, **kind)

    assert compare(of(a), of(b)) == "better"
    assert compare(of(a), of(b)).stderr == pytest.approx(np.std(a - b, ddof=1) / 10)
    unpaired = compare(dataclasses.replace(of(a), per_example=None), of(b))
    assert unpaired == "inconclusive"
    assert unpaired.stderr > 50 * compare(of(a), of(b)).stderr
    elsewhere = dataclasses.replace(of(a), space=None)
    assert compare(elsewhere, of(b)).stderr == unpaired.stderr  # rows that are not known to be the same are no pairs
    chains = {"log_partition_stderr": 3.0}  # an error of log Z moves every example: pairing does not remove it
    bound = of(a, kind="lower", lower=a.mean())
    assert compare(bound, of(b)) == "better"
    assert compare(dataclasses.replace(bound, settings=chains), of(b)) == "inconclusive"


def test_one_example_has_no_known_spread():
    one = Estimate(-3.0, math.inf, "exact", n=1, per_example=np.array([-3.0]))
    assert compare(one, dataclasses.replace(one, value=-9.0, per_example=np.array([-9.0]))) == "inconclusive"
