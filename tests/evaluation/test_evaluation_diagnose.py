"""What is wrong with models that were made wrong on purpose, and nothing with one that was not."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from examples import EXAMPLES
from harmonium.data import from_arrays
from harmonium.errors import InputError
from harmonium.evaluation import diagnose
from harmonium.evaluation.traces import traces
from harmonium.models import RBM
from harmonium.units import Bernoulli, Gaussian

KEY = jax.random.key(0)
N, H = 12, 12
FAST = {"key": KEY, "chains": 10, "sweeps": 400, "rows": 100}
GOOD = RBM(Bernoulli(N), Bernoulli(H), key=KEY, scale=0.3)


def rows_like(p: float, n: int = 200, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random((n, N)) < p).astype(np.float32)


def made(W=None, b=0.0, c=0.0) -> RBM:
    """An RBM of the shared shape, so that all share one compiled program."""
    arrays = (GOOD.W if W is None else W, jnp.zeros(N) + b, jnp.zeros(H) + c)
    return eqx.tree_at(lambda m: (m.W, m.b, m.c), GOOD, tuple(jnp.asarray(a, jnp.float32) for a in arrays))


def test_a_sound_model_is_good():
    data = from_arrays(rows_like(0.5), valid=rows_like(0.5, seed=1))
    found = diagnose(GOOD, data, **FAST)
    assert found.good
    assert {f.verdict for f in found.findings} == {"good"}
    assert all(f.cure == "" for f in found.findings)
    assert found.random_starts.numbers["effective_samples"] > 400


def test_modes_that_chains_do_not_leave():
    """All ones or all zeros, and data of one kind alone: each chain by itself looks well."""
    found = diagnose(made(jnp.full((N, H), 2.0), -12.0, -12.0), np.zeros((50, N)), **FAST)
    assert found.data_starts.numbers["r_hat"] < 1.01
    assert (found.together.verdict, found.together.numbers["r_hat"] > 1.2) == ("poor", True)
    assert "different distributions" in found.together.cure
    mixed = diagnose(made(jnp.full((N, H), 2.0), -12.0, -12.0), np.repeat([[0.0], [1.0]], N, axis=1), **FAST)
    assert mixed.data_starts.verdict == "poor"
    assert "two_sided" in mixed.data_starts.cure
    assert not mixed.good


def test_hidden_units_of_no_use():
    off = np.zeros(H)
    off[:2], off[2:5] = -30, 30
    found = diagnose(made(c=off), rows_like(0.5), **FAST)
    assert [f.numbers["count"] for f in (found.dead, found.saturated, found.unchanging)] == [2, 3, 5]
    assert [f.verdict for f in (found.dead, found.saturated, found.unchanging)] == ["poor"] * 3
    assert found.dead.found == "2 of 12"
    same = np.asarray(GOOD.W).copy()
    same[:, 0] = 0  # on in half the rows, whatever they are
    one = diagnose(made(same), rows_like(0.5), **FAST)
    assert [f.numbers["count"] for f in (one.dead, one.saturated, one.unchanging)] == [0, 0, 1]
    assert one.unchanging.verdict == "good"  # one in twelve


def test_rows_learned_by_heart():
    model = made(b=4.0)  # likes ones
    heart = diagnose(model, from_arrays(rows_like(0.9), valid=rows_like(0.5, seed=1)), **FAST).free_energy_gap
    assert heart.verdict == "poor"
    assert heart.numbers["gap"] > 5
    fair = diagnose(model, from_arrays(rows_like(0.9), valid=rows_like(0.9, seed=1)), **FAST).free_energy_gap
    assert fair.verdict == "good"
    plain = diagnose(model, rows_like(0.9), **FAST).free_energy_gap
    assert (plain.verdict, plain.cure) == (
        "unknown", "plain rows have no validation split: pass a Dataset with valid rows",
    )  # fmt: skip
    unsplit = diagnose(model, from_arrays(rows_like(0.9)), **FAST).free_energy_gap
    assert "has no validation rows" in unsplit.cure


def test_weights_that_dwarf_the_rest():
    large = np.asarray(GOOD.W) * 0.1
    large[:, 3] *= 100
    found = diagnose(made(large), rows_like(0.5), **FAST).weights
    norms = np.linalg.norm(large, axis=0)
    assert found.numbers == pytest.approx(
        {"largest": norms.max(), "median": np.median(norms), "entry": np.abs(large).max()}, rel=1e-4
    )
    assert found.verdict == "poor"


def test_a_model_that_ran_away():
    data = from_arrays(rows_like(0.5), valid=rows_like(0.5, seed=1))
    found = diagnose(made(jnp.full((N, H), np.nan)), data, **FAST)
    assert {f.verdict for f in found.findings} == {"poor"}
    assert {f.cure for f in found.findings} == {"training diverged: use a smaller learning rate"}


def test_it_prints_a_line_for_each():
    found = diagnose(made(c=-30.0), rows_like(0.5), **FAST)
    lines = str(found).splitlines()
    assert len(lines) == len(found.findings) == 10
    assert lines[0].startswith("chains from random states        R-hat 1.0")
    assert "dead hidden units                12 of 12" in lines[5]
    assert "poor: never on: use fewer units" in lines[5]
    assert "unknown: plain rows" in lines[8]
    with pytest.raises(AttributeError):
        found.dead = found.saturated


def test_other_machines():
    few = FAST | {"chains": 3, "sweeps": 20}
    deep = diagnose(EXAMPLES["own-deep"], np.zeros((5, 3)), **few)
    assert deep.dead.found.endswith("of 4")  # both hidden layers
    assert deep.weights.numbers["largest"] > 0
    valid = from_arrays(np.eye(3), valid=np.eye(3))
    assert "valid less train" in diagnose(EXAMPLES["own-deep"], valid, **few).free_energy_gap.found
    real = diagnose(RBM(Gaussian(3), Gaussian(2), key=KEY), np.eye(3), **few)
    assert (real.dead.verdict, real.unchanging.found) == ("unknown", "not counted")


def test_the_rows_shown_are_samples_of_grey_ones():
    grey = from_arrays(np.full((50, N), 0.5), binarize="dynamic")
    assert diagnose(GOOD, grey, **FAST).random_starts.verdict == "good"


def test_traces_begin_where_they_should():
    """Units that are stuck keep their value: chains from data show the data, for ever."""
    stuck = RBM(Bernoulli(4), Bernoulli(2), key=KEY, scale=0.0)
    stuck = eqx.tree_at(lambda m: m.b, stuck, jnp.full(4, 50.0))
    random, data, drawn = traces(stuck, KEY, np.ones((1, 4)), chains=3, sweeps=11)
    np.testing.assert_array_equal(drawn, np.ones((3, 6, 4)))
    assert random.shape == data.shape == (3, 6, 5)
    np.testing.assert_allclose(data[:, :, -1], -200 - 2 * np.log(2), rtol=1e-5)  # the free energy of all ones
    assert np.ptp(data, axis=(0, 1)).max() < 1e-4


@pytest.mark.parametrize(
    ("options", "said"),
    [({"key": None}, "pass key="), ({"chains": 0}, "at least 1, not chains=0"), ({"chains": 1}, "from 2 of them"),
     ({"sweeps": 7}, "8 sweeps"), ({"rows": 0}, "rows=0"), ({"data": np.zeros((3, 5))}, "12 columns"),
     ({"data": rows_like(0.5) / 2}, "the data is grey"), ({"model": "an RBM"}, "hm.diagnose takes .*an energy model")],
)  # fmt: skip
def test_bad_usage_is_refused(options, said):
    with pytest.raises(InputError, match=said):
        diagnose(**{"model": GOOD, "data": rows_like(0.5)} | FAST | options)
