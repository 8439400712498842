"""Classes of a deep machine beside the exact ones."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from examples import randomised
from harmonium.inference import classify, exact_free_energy, mean_field, variational_free_energy
from harmonium.inference.classify import FEW_CLASSES
from harmonium.models import DBM, MPDBM, Centred
from harmonium.units import Bernoulli, Categorical

KEY = jax.random.key(0)
LABELS = Categorical(1, states=3)
BITS = np.array(list(np.ndindex(2, 2, 2, 2)), np.float32)
CODES = jnp.arange(3)[:, None]
SMALL = DBM(Bernoulli(4), [Bernoulli(4), Bernoulli(4)], LABELS, key=KEY, scale=0.0)
MACHINES = [randomised(SMALL, seed, 1.0) for seed in range(6)]


@jax.jit
def over_classes(model: DBM, rows: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The exact probabilities, and those of the means of `y`."""

    def row(v: jax.Array) -> tuple[jax.Array, jax.Array]:
        exact = jax.vmap(lambda y: -exact_free_energy(model, {"v": v, "y": y}))(CODES)
        return jax.nn.softmax(exact), mean_field(model, {"v": v})["y"][0]

    return jax.vmap(row)(rows)


def test_the_bound_of_each_class_is_nearer_to_exact_than_the_mean_of_the_label():
    errors = []
    for model in MACHINES:
        exact, means = over_classes(model, jnp.asarray(BITS))
        found = classify(model, BITS)
        np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-5)
        errors.append([float(jnp.abs(answer - exact).mean()) for answer in (found, means)])
    ours, theirs = np.mean(errors, axis=0)
    assert ours < 0.02
    assert 3 * ours < theirs


@pytest.mark.parametrize("wrap", [lambda m: m, Centred], ids=["plain", "centred"])
def test_the_classes_are_those_of_their_bounds(wrap):
    model = wrap(MACHINES[0])
    for v, found in zip(jnp.asarray(BITS[:3]), classify(model, BITS)[:3], strict=True):
        bounds = jnp.array([-variational_free_energy(model, {"v": v, "y": y}) for y in CODES])
        np.testing.assert_allclose(found, jax.nn.softmax(bounds), atol=1e-4)


def test_a_whole_row_is_answered_alike_beside_rows_with_missing_values():
    rows = BITS.copy()
    rows[::2, 0] = np.nan
    mixed = np.asarray(classify(MACHINES[1], rows))
    np.testing.assert_allclose(mixed[1::2], classify(MACHINES[1], BITS)[1::2], atol=1e-6)
    np.testing.assert_allclose(mixed[::2], classify(MACHINES[1], rows[::2]), atol=1e-6)
    assert np.abs(mixed[::2] - np.asarray(classify(MACHINES[1], BITS)[::2])).max() > 0.01


@pytest.mark.slow
def test_many_classes_and_multi_prediction_machines_take_the_mean_of_the_label():
    many = Categorical(1, states=FEW_CLASSES + 1)
    machine = randomised(DBM(Bernoulli(4), [Bernoulli(2), Bernoulli(2)], many, key=KEY, scale=0.0), 9, 0.5)
    expected = mean_field(machine, {"v": jnp.asarray(BITS[5])})["y"][0]
    np.testing.assert_allclose(classify(machine, BITS[5]), expected, atol=1e-3)
    wrapped = MPDBM(Bernoulli(4), SMALL.hidden, LABELS, key=KEY, steps=60)
    wrapped = jax.tree.unflatten(jax.tree.structure(wrapped), jax.tree.leaves(MACHINES[2]))
    expected = mean_field(MACHINES[2], {"v": jnp.asarray(BITS[5])})["y"][0]
    np.testing.assert_allclose(classify(wrapped, BITS[5]), expected, atol=1e-3)
