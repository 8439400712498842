"""The energies of the book, written out by hand; what is learned and what is not."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from examples import CONTEXTS, EXAMPLES, GENERATORS, LATENT, NETS, OTHERS, RBMS, SEQUENCES
from harmonium.decay import decaying, no_decay
from harmonium.errors import InputError
from harmonium.inference import energy, exact_log_partition
from harmonium.models import (
    DBM,
    DBN,
    RBM,
    BiHM,
    BoltzmannMachine,
    Centred,
    Independent,
    Interpolated,
    kinds,
    trainable,
    weights,
    with_biases,
)
from harmonium.models.kinds import kind_of
from harmonium.testing.enumeration import energies, some_states
from harmonium.units import Bernoulli


def draw(model, seed=0):
    return {name: jnp.asarray(x[0]) for name, x in some_states(model, np.random.default_rng(seed), 1).items()}


@pytest.mark.parametrize("name", ["rbm-bernoulli-bernoulli", "rbm-spin-bernoulli", "rbm-bernoulli-spin"])
def test_energy_of_two_state_units(name):
    rbm = RBMS[name]
    for seed in range(5):
        state = draw(rbm, seed)
        v, h = state["v"], state["h"]
        by_hand = -sum(rbm.b[i] * v[i] for i in range(len(v))) - sum(rbm.c[j] * h[j] for j in range(len(h)))
        by_hand -= sum(v[i] * rbm.W[i, j] * h[j] for i in range(len(v)) for j in range(len(h)))  # (20.5)
        np.testing.assert_allclose(energy(rbm, state), by_hand, rtol=1e-5)


def test_energy_of_gaussian_visible_units():
    rbm = RBMS["rbm-gaussian-bernoulli"]
    states = some_states(rbm, np.random.default_rng(0), 20)
    b, beta = np.asarray(rbm.b.mean), np.exp(np.asarray(rbm.b.log_precision))

    def by_hand(v, h):
        e = sum(beta[i] * (v[i] - b[i]) ** 2 / 2 for i in range(len(v)))
        e -= sum(beta[i] * v[i] * rbm.W[i, j] * h[j] for i in range(len(v)) for j in range(len(h)))
        return e - sum(rbm.c[j] * h[j] for j in range(len(h)))  # (20.42)

    difference = energies(rbm, states) - [by_hand(v, h) for v, h in zip(states["v"], states["h"], strict=True)]
    np.testing.assert_allclose(difference, difference[0], atol=1e-5)  # equal up to a constant


def test_energy_of_categorical_visible_units():
    rbm = RBMS["rbm-categorical-bernoulli"]
    state = draw(rbm)
    v, h = state["v"], state["h"]
    W = np.asarray(rbm.W).reshape(2, 3, 2)
    by_hand = -sum(rbm.b[i, v[i]] for i in range(2)) - sum(rbm.c[j] * h[j] for j in range(2))
    by_hand -= sum(W[i, v[i], j] * h[j] for i in range(2) for j in range(2))
    np.testing.assert_allclose(energy(rbm, state), by_hand, rtol=1e-5)


UNIT = Bernoulli(2)
NAMED = dict.fromkeys(NETS, kinds.BELIEF_NET) | dict.fromkeys(SEQUENCES | GENERATORS, kinds.TRACTABLE)
NAMED |= {name: kinds.BIDIRECTIONAL if isinstance(model, BiHM) else kinds.LATENT for name, model in LATENT.items()}


NAMED |= {
    "vrnn": kinds.LATENT,
    "conditional-generator": kinds.CONDITIONAL,
    "classifier": kinds.CLASSIFIER,
} | dict.fromkeys(CONTEXTS, kinds.CONDITIONAL_ENERGY)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_of_its_kind(name):
    *_, kind = kind_of(EXAMPLES[name]).lineage()
    assert kind is NAMED.get(name, kinds.ENERGY)


class Convolved(eqx.Module):
    """A user's machine whose weights have other names than ours."""

    K: jax.Array
    filters: jax.Array
    Wx: jax.Array
    b: jax.Array
    scale: jax.Array = no_decay()

    @property
    def layers(self):
        return {"v": UNIT}

    @property
    def biases(self):
        return {"v": self.b}


def test_weights_are_all_that_is_trained_and_neither_a_bias_nor_marked():
    marked = weights(Convolved(*(jnp.ones(2) for _ in range(5))))
    assert (marked.K, marked.filters, marked.Wx, marked.b, marked.scale) == (True, True, True, False, False)
    assert not any(jax.tree.leaves(weights(Centred(RBMS["rbm-bernoulli-bernoulli"]).offsets)))


@jax.tree_util.register_pytree_node_class
class Pair:
    """A node without names for what it holds."""

    def __init__(self, first, second):
        self.first, self.second = first, second

    def tree_flatten(self):
        return (self.first, self.second), None

    @classmethod
    def tree_unflatten(cls, _, children):
        return cls(*children)


def test_marks_are_found_inside_of_any_node():
    inside = Convolved(*(jnp.ones(2) for _ in range(5)))
    for tree in (Pair(inside, jnp.ones(1)), [inside, jnp.ones(1)], {"a": inside, "b": jnp.ones(1)}):
        assert jax.tree.leaves(decaying(tree)) == [True, True, True, True, False, True]


def test_one_array_in_two_fields_is_a_bias_in_one_and_no_weight_in_either():
    shared = jnp.ones(2)
    marked = weights(Convolved(shared, jnp.ones(2), jnp.ones(2), shared, jnp.ones(2)))
    assert (marked.b, marked.filters) == (False, True)


class Computed(eqx.Module):
    """A user's machine whose bias is computed, so that nothing says where it comes from."""

    K: jax.Array
    a: jax.Array

    @property
    def layers(self):
        return {"v": UNIT}

    @property
    def biases(self):
        return {"v": 2 * self.a}


class Marked(Computed):
    """The same, which says it."""

    a: jax.Array = no_decay()


def test_biases_that_are_computed_do_not_decay_unseen():
    with pytest.raises(InputError, match=r"Some biases of this Computed are computed, .*no_decay"):
        weights(Computed(jnp.ones(2), jnp.ones(2)))
    assert weights(Marked(jnp.ones(2), jnp.ones(2))).a is False


@pytest.mark.parametrize("scale", ["a", -1, float("nan"), float("inf"), None, (0.1, 0.2)])
@pytest.mark.parametrize(
    "make",
    [
        lambda **more: RBM(UNIT, UNIT, **more), lambda **more: DBM(UNIT, [UNIT], **more),
        lambda **more: BoltzmannMachine(UNIT, **more), lambda **more: DBN(UNIT, [UNIT, UNIT], **more),
    ],
)  # fmt: skip
def test_weights_do_not_start_at_what_is_no_scale(make, scale):
    with pytest.raises(InputError, match="a standard deviation from 0"):
        make(key=jax.random.key(0), scale=scale)


@pytest.mark.parametrize("name", SEQUENCES)
def test_a_network_weighs_one_value_of_its_width(name):
    model = SEQUENCES[name]
    size = model.layers["v"].size
    for shape in ((size + 1,), (size - 1,), (2, size)):  # as several values, or with more than it has, it would be
        with pytest.raises(InputError, match="one configuration of shape"):  # another number
            model.log_prob(jnp.zeros(shape, model.layers["v"].dtype))


@pytest.mark.parametrize("sizes", [(0, 2), (2, 0)])
def test_a_layer_without_units_is_refused(sizes):
    with pytest.raises(InputError, match=rf"needs units, not \[{sizes[0]}, {sizes[1]}\]: give"):
        RBM(visible=Bernoulli(sizes[0]), hidden=Bernoulli(sizes[1]), key=jax.random.key(0))


def test_the_start_of_an_rbm_is_small_and_seeded():
    rbm, again, other = (
        RBM(visible=Bernoulli(50), hidden=Bernoulli(40), key=jax.random.key(seed), scale=0.02) for seed in (0, 0, 1)
    )
    assert np.std(rbm.W) == pytest.approx(0.02, rel=0.1)
    assert not np.asarray(rbm.b).any()
    assert np.array_equal(rbm.W, again.W)
    assert not np.array_equal(rbm.W, other.W)


def test_offsets_are_not_learned_and_all_else_is():
    centred = Centred(RBMS["rbm-gaussian-bernoulli"])
    learned = trainable(centred)
    assert all(jax.tree.leaves(learned.model))
    assert not any(jax.tree.leaves(learned.offsets))


def test_biases_are_replaced_and_the_rest_stays():
    rbm = RBMS["rbm-bernoulli-gaussian"]
    changed = with_biases(rbm, {"v": rbm.b + 1})
    np.testing.assert_array_equal(changed.b, rbm.b + 1)
    np.testing.assert_array_equal(changed.W, rbm.W)
    np.testing.assert_array_equal(changed.c.mean, rbm.c.mean)


@pytest.mark.parametrize("name", ["independent-finite", "independent-mixed"])
def test_the_log_partition_of_independent_units_is_known(name):
    model = OTHERS[name]
    assert isinstance(model, Independent)
    np.testing.assert_allclose(model.log_partition(), exact_log_partition(model), rtol=1e-5)


def test_a_path_begins_at_the_base_and_ends_at_the_target():
    path = OTHERS["interpolated-bernoulli"]
    states = some_states(path, np.random.default_rng(0))
    for beta, end in ((0.0, path.base), (1.0, path.target)):
        there = Interpolated(path.base, path.target, beta)
        np.testing.assert_allclose(energies(there, states), energies(end, states), atol=1e-6)


def test_an_array_may_say_where_on_the_path():
    path = OTHERS["interpolated-bernoulli"]
    state = draw(path)
    along = jax.jit(jax.vmap(lambda beta: energy(Interpolated(path.base, path.target, beta), state)))
    e = along(jnp.array([0.0, 0.5, 1.0]))
    np.testing.assert_allclose(e[1], (e[0] + e[2]) / 2, rtol=1e-5)
