"""Mean field that stops before it settles says so, wherever its result goes."""

from __future__ import annotations

import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from harmonium.evaluation import free_energies
from harmonium.inference import classify, encode, exact_free_energy, fixed_point
from harmonium.models import DBM, MPDBM, RBM
from harmonium.objectives import CD
from harmonium.units import Categorical, Spin

KEY = jax.random.key(0)
SLOW, FAST = 1.0, 0.5  # between h1 and h2: at 1, spins creep away from zero, a cubic law against a small push
LABELS = Categorical(1, states=2)


def machine(pull: float, labels: Categorical | None = None, pairs: int = 1) -> DBM:
    """Pairs of spins in h1 and h2 that hold each other, each pair pushed a little by one visible spin."""
    model = DBM(Spin(1), [Spin(pairs), Spin(pairs)], labels, key=KEY, scale=0.0)
    return eqx.tree_at(lambda m: m.W[:2], model, (jnp.full((1, pairs), 3e-3), pull * jnp.eye(pairs)))


ROWS = np.ones((2, 1), np.float32)


@pytest.mark.parametrize("pull", [SLOW, FAST])
def test_free_energies_by_mean_field(pull):
    """Thirteen pairs are too many to enumerate for each row, and independent: each has the free energy of one."""
    one = float(exact_free_energy(machine(pull), {"v": jnp.ones(1)}))
    if pull == FAST:
        assert (free_energies(machine(pull, pairs=13), ROWS) >= 13 * one - 1e-3).all()
        return
    with pytest.warns(
        UserWarning, match=r"changed by 0\.\d+ in the last of 100 sweeps.*the bound holds but is loose"
    ) as said:
        bound = free_energies(machine(pull, pairs=13), np.ones((2001, 1)))  # three parts, one warning
    assert len(said) == 1
    assert (bound >= 13 * one - 1e-3).all()


def test_classes_by_mean_field():
    with pytest.warns(UserWarning, match=r"changed by 0\.\d+ in the last of 50 sweeps.*probabilities") as said:
        classify(machine(SLOW, LABELS), ROWS)
    assert len(said) == 1
    with pytest.warns(UserWarning, match="in the last of 50 sweeps"):
        classify(machine(SLOW, LABELS), np.array([[1.0], [np.nan]]))
    classify(machine(FAST, LABELS), ROWS)  # settles, and is silent: a warning is an error here


def test_a_machine_that_is_made_for_a_number_of_sweeps_is_silent():
    wrapped = eqx.tree_at(lambda m: m.model, MPDBM(Spin(1), [Spin(1), Spin(1)], LABELS, key=KEY), machine(SLOW, LABELS))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classify(wrapped, ROWS)


def test_features_by_mean_field():
    with pytest.warns(UserWarning, match="in the last of 100 sweeps"):
        encode(machine(SLOW), ROWS)


@pytest.mark.slow
def test_the_positive_phase_says_how_far_it_came():
    model, batch = machine(SLOW), jnp.array([[1.0], [-1.0]])
    _, (_, metrics) = CD(mean_field_steps=7)(model, batch, KEY, None)
    expected = max(float(fixed_point(model, {"v": v}, max_steps=7).change) for v in batch)
    assert expected > 1e-3
    assert float(metrics["mean_field_change"]) == pytest.approx(expected, rel=1e-5)
    _, (_, metrics) = CD()(RBM(Spin(1), Spin(2), key=KEY), batch, KEY, None)
    assert "mean_field_change" not in metrics
