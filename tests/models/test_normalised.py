"""A learned number in the place of log Z: it shifts the energy and nothing else, and follows a moving centre."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from examples import CENTRED, EXAMPLES, NORMALISED, RBMS
from harmonium.errors import InputError
from harmonium.inference import exact_log_partition
from harmonium.models import (
    RBM,
    BiasedModel,
    Centred,
    EnergyModel,
    Normalised,
    load,
    recentred,
    save,
    trainable,
    with_biases,
)
from harmonium.objectives import CD, contrast
from harmonium.testing.enumeration import energies, some_states, stats_of
from harmonium.units import Bernoulli, Categorical, Gaussian, Spin

BINARY = RBMS["rbm-bernoulli-bernoulli"]
BATCH = jnp.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])


@pytest.mark.parametrize("name", NORMALISED)
def test_the_number_is_added_to_the_energy(name):
    model = NORMALISED[name]
    assert isinstance(model, EnergyModel)
    assert isinstance(model, BiasedModel)
    states = some_states(model, np.random.default_rng(0))
    expected = energies(model.model, states) + float(model.log_partition)
    np.testing.assert_allclose(energies(model, states), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("centre", [False, True], ids=["plain", "centred"])
@pytest.mark.parametrize("visible", [Bernoulli(3), Spin(3), Categorical(2, states=3), Gaussian(2)], ids=str)
def test_the_start_is_the_log_partition_of_the_biases(visible, centre):
    """Exact where the weights are zero, also in centred coordinates."""
    filled = RBM(visible, Bernoulli(2), key=jax.random.key(0), scale=0.0)
    rng = np.random.default_rng(0)
    biases = jax.tree.map(lambda b: b + rng.normal(size=b.shape).astype(np.float32), filled.biases)
    rbm = with_biases(filled, biases)
    model = Centred(rbm) if centre else rbm
    alone = sum(unit.log_partition(unit.natural(biases[name])) for name, unit in rbm.layers.items())
    if not centre:
        assert Normalised(model).log_partition == pytest.approx(float(alone), rel=1e-5)
    assert Normalised(model).log_partition == pytest.approx(float(exact_log_partition(model)), rel=1e-4, abs=1e-5)


def test_what_is_left_of_log_partition_is_what_the_number_lacks():
    exact = float(exact_log_partition(BINARY))
    assert exact_log_partition(Normalised(BINARY, exact)) == pytest.approx(0, abs=1e-5)
    assert exact_log_partition(Normalised(BINARY, exact - 2)) == pytest.approx(2, abs=1e-5)


@pytest.mark.parametrize("inner", CENTRED.values(), ids=CENTRED)
def test_moving_the_offsets_leaves_the_energy_itself(inner):
    model = Normalised(Centred(inner.model, inner.offsets.value, rate=0.5), 1.0)
    states = some_states(model, np.random.default_rng(0))
    means = jax.tree.map(
        lambda s: jnp.asarray(s.mean(axis=0)), stats_of(model, some_states(model, np.random.default_rng(1), 5))
    )
    moved = recentred(model, means)
    np.testing.assert_allclose(energies(moved, states), energies(model, states), rtol=1e-5, atol=2e-5)
    assert abs(float(moved.log_partition) - 1) > 1e-3  # the number alone has changed
    for new, old in zip(jax.tree.leaves(moved.model.offsets), jax.tree.leaves(inner.offsets), strict=True):
        assert not np.array_equal(new, old)


def test_without_a_centre_nothing_moves():
    model = Normalised(BINARY)
    assert recentred(model, {"v": jnp.zeros(3), "h": jnp.zeros(2)}) is model
    assert CD().init(model, jax.random.key(0)).means is None


def test_a_rule_moves_the_offsets_inside():
    model = Normalised(CENTRED["centred-bernoulli-bernoulli"])
    rule = CD()
    memory = rule.init(model, jax.random.key(0))
    assert memory.means is model.model.offsets.value
    _, (memory, _) = eqx.filter_jit(rule)(model, BATCH, jax.random.key(1), memory)
    np.testing.assert_allclose(memory.means["v"], BATCH.mean(axis=0), rtol=1e-6)
    assert not np.array_equal(rule.after_step(model, memory).model.offsets.value["v"], model.model.offsets.value["v"])


def test_likelihood_rules_do_not_see_the_number():
    @eqx.filter_jit
    @eqx.filter_grad
    def slope(model):
        return contrast(model, BATCH, BATCH[:1])[0]

    inside, outside = slope(BINARY), slope(Normalised(BINARY))
    assert outside.log_partition == 0
    for a, b in zip(jax.tree.leaves(outside.model), jax.tree.leaves(inside), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_the_number_is_learned_and_saved(tmp_path):
    for name, model in NORMALISED.items():
        assert trainable(model).log_partition is True
        back = load(save(model, tmp_path / name))
        assert jax.tree.structure(back) == jax.tree.structure(model)
        assert back.log_partition == model.log_partition
        assert name in EXAMPLES


def test_centring_a_model_with_a_number_of_its_own_would_lose_it():
    with pytest.raises(InputError, match=r"wrap the other way, hm.Normalised\(hm.Centred\(m\)\)"):
        Centred(NORMALISED["normalised-bernoulli-bernoulli"])
