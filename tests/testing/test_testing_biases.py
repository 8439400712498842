"""Biases that are missing or wrong fail the suite, and what rests on them refuses them in a sentence."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

import harmonium as hm
from examples import randomised
from harmonium.models import Centred, recentred, with_biases
from harmonium.testing import check_biases, check_gradients_reach_every_parameter, checks_for
from harmonium.testing.enumeration import energies, list_states
from harmonium.units import Bernoulli, Columns, Gaussian, GaussianBias


class Right(eqx.Module):
    """A person's own machine of three layers, the hidden ones of one size."""

    W1: Float[Array, "v h"]
    W2: Float[Array, "h h"]
    b: Float[Array, "v"]
    c1: Float[Array, "h"]
    c2: Float[Array, "h"]

    @property
    def layers(self):
        return {"v": Bernoulli(4), "h1": Bernoulli(3), "h2": Bernoulli(3)}

    @property
    def blocks(self):
        return (("v", "h2"), ("h1",))

    @property
    def biases(self):
        return {"v": self.b, "h1": self.c1, "h2": self.c2}

    def energy(self, stats):
        v, h1, h2 = (stats[name] for name in ("v", "h1", "h2"))
        return -(v @ self.W1 @ h1 + h1 @ self.W2 @ h2 + self.b @ v + self.c1 @ h1 + self.c2 @ h2)


class Swapped(Right):
    @property
    def biases(self):
        return {"v": self.b, "h1": self.c2, "h2": self.c1}


class Halved(Right):
    """The energy takes half of what `biases` says."""

    def energy(self, stats):
        return super().energy(stats) + 0.5 * self.c1 @ stats["h1"]


class Entangled(Right):
    """A bias that also acts on another layer."""

    def energy(self, stats):
        return super().energy(stats) - 0.3 * (self.c1 * stats["h1"]) @ stats["h2"]


class Missing(Right):
    @property
    def biases(self):
        return {"v": self.b}


class Absent(Right):
    @property
    def biases(self):
        return None


class Short(Right):
    @property
    def biases(self):
        return {"v": self.b, "h1": self.c1, "h2": self.c2[:2]}


class Made(Right):
    """Biases that are no arrays of the model, so that they cannot be replaced."""

    @property
    def biases(self):
        return {"v": self.b, "h1": self.c1, "h2": 2 * (self.c2 / 2)}


def machine(kind, seed=3):
    zeros = jnp.zeros((4, 3)), jnp.zeros((3, 3)), jnp.zeros(4), jnp.zeros(3), jnp.zeros(3)
    return kind(*zeros) if seed is None else randomised(kind(*zeros), seed)


REFUSED = {
    Missing: r"The biases of this Missing are of v, and its layers are v, h1, h2: give each layer its bias",
    Absent: r"The biases of this Absent are of None, and its layers are v, h1, h2",
    Short: r"The bias of layer 'h2' of this Short has the form \(2,\), and Bernoulli units want \(3,\)",
}
WRONG = REFUSED | {
    Swapped: r"Energy of layer 'h2' alone, beside what its entry in `biases` says",
    Halved: r"Energy of layer 'h1' alone",
    Entangled: r"Change of the energy when the bias of layer 'h1' is replaced",
    Made: r"The biases of this Made cannot be replaced: let `biases` return its own arrays",
}


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_biases_fail_the_suite(kind):
    with pytest.raises(AssertionError, match=f"^{WRONG[kind]}"):
        checks_for(machine(kind))["biases"]()


def test_biases_of_other_layers_fail_even_where_all_are_zero():
    with pytest.raises(AssertionError, match=r"^Change of the energy when the bias of layer 'h1' is replaced"):
        check_biases(machine(Swapped, seed=None))


def test_right_ones_pass_plain_and_centred():
    check_biases(machine(Right))
    check_biases(hm.Normalised(Centred(machine(Right))))


@pytest.mark.parametrize("asked", [hm.Centred, hm.Normalised, lambda m: hm.at_marginals(m, np.eye(4))])
@pytest.mark.parametrize("kind", REFUSED)
def test_what_rests_on_biases_refuses_a_model_without_them(kind, asked):
    with pytest.raises(hm.InputError, match=f"^{REFUSED[kind]}"):
        asked(machine(kind))


def test_biases_that_cannot_be_replaced_are_refused_in_a_sentence():
    with pytest.raises(hm.InputError, match=r"^The biases of this Made cannot be replaced"):
        with_biases(machine(Made), {"h2": jnp.ones(3)})


def test_recentring_rests_on_what_the_check_holds():
    """With right biases moving the offsets leaves the distribution; with swapped ones, which the check refuses, not."""
    apart = {}
    for kind in (Right, Swapped):
        model = Centred(machine(kind), rate=1.0)
        means = {name: jnp.full(unit.size, 0.8) for name, unit in model.layers.items()}
        states = list_states(model).states
        difference = energies(recentred(model, means), states) - energies(model, states)
        apart[kind] = np.ptp(difference)
    assert apart[Right] < 1e-4 < 0.1 < apart[Swapped]


def test_the_precision_of_real_units_is_held_too():
    class Own(eqx.Module):
        rbm: hm.RBM

        layers = property(lambda self: self.rbm.layers)
        blocks = property(lambda self: self.rbm.blocks)

        @property
        def biases(self):
            return self.rbm.biases | {"v": GaussianBias(self.rbm.b.log_precision, self.rbm.b.mean)}

        def energy(self, stats):
            return self.rbm.energy(stats)

    rbm = randomised(hm.RBM(Gaussian(2), Bernoulli(3), key=jax.random.key(0)), 1)
    check_biases(rbm)
    with pytest.raises(AssertionError, match=r"^Energy of layer 'v' alone"):
        check_biases(Own(rbm))


def test_mixed_columns_get_every_check():
    unit = Columns([Gaussian(1), Bernoulli(1), Gaussian(1)])
    checks = checks_for(randomised(hm.RBM(unit, Bernoulli(2), key=jax.random.key(0)), 2, 0.3))
    assert {"conditionals", "log_partition", "gibbs_keeps_moments"} <= set(checks)
    for check in checks.values():
        check()


def test_a_gradient_that_vanishes_by_symmetry_is_no_fault():
    """In centred coordinates nothing moves the hidden biases where all biases are zero."""
    check_gradients_reach_every_parameter(Centred(eqx.tree_at(lambda m: m.W1, machine(Right, None), jnp.ones((4, 3)))))


class Unused(Right):
    extra: Float[Array, "v"] = eqx.field(default_factory=lambda: jnp.ones(4))


def test_a_parameter_that_is_not_used_is_named():
    message = r"^No gradient reaches \.extra, at these parameter values and at others near them\."
    with pytest.raises(AssertionError, match=message):
        check_gradients_reach_every_parameter(machine(Unused))
