"""A wrong energy gets no number: one that is not linear, or blocks and colours that hold what acts on each other."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

import harmonium as hm
from examples import EXAMPLES, randomised
from harmonium.inference import require_linear, try_linear
from harmonium.models import Coloured
from harmonium.units import Bernoulli, Columns, Gaussian

KEY = jax.random.key(0)


class Mine(eqx.Module):
    """An RBM of a person's own, with a term that may not stand in it."""

    W: Float[Array, "v h"]
    b: Float[Array, "v"]

    @property
    def layers(self):
        return {"v": Bernoulli(4), "h": Bernoulli(3)}

    @property
    def blocks(self):
        return (("v",), ("h",))

    @property
    def biases(self):
        return {"v": self.b, "h": jnp.zeros(3)}

    def energy(self, stats):
        return -stats["v"] @ self.W @ stats["h"] - self.b @ stats["v"] + self.wrong(stats)

    def wrong(self, stats):
        return 0.0


class Squared(Mine):
    def wrong(self, stats):
        return 0.01 * stats["v"].sum() ** 2


class Kinked(Mine):
    def wrong(self, stats):
        return 0.1 * jnp.abs(stats["h"]).sum()


class Product(Mine):
    def wrong(self, stats):
        return jnp.prod(stats["v"])


class TogetherAlone(Mine):
    """Two hidden layers in one block that act on each other."""

    @property
    def layers(self):
        return {"v": Bernoulli(4), "h": Bernoulli(3), "g": Bernoulli(3)}

    @property
    def blocks(self):
        return (("v",), ("h", "g"))

    def wrong(self, stats):
        return 0.05 * stats["h"] @ stats["g"]


class Uncoloured(Mine):
    """Visible units that act on each other and are said to have one colour."""

    @property
    def blocks(self):
        return ((Coloured("v", (0, 0, 1, 1)),), ("h",))

    def wrong(self, stats):
        return 0.3 * stats["v"][2] * stats["v"][3]


class Coupled(Uncoloured):
    """The same machine with the colours that it needs."""

    @property
    def blocks(self):
        return ((Coloured("v", (0, 0, 1, 2)),), ("h",))


class Curved(eqx.Module):
    """Real units whose energy holds the square of the statistic `x` beside the statistic `x^2`."""

    mean: Float[Array, "v"]
    precision: Float[Array, "v"]
    wrong: bool = eqx.field(static=True, default=True)

    @property
    def layers(self):
        return {"v": Gaussian(2), "h": Bernoulli(2)}

    @property
    def blocks(self):
        return (("v",), ("h",))

    def energy(self, stats):
        x, square = stats["v"]
        own = self.precision @ (0.5 * square - self.mean * x)
        return own - 0.1 * jnp.sqrt(self.precision) * x @ stats["h"] + self.wrong * 0.1 * self.precision @ (x * x)


def mine(kind):
    return randomised(kind(jnp.zeros((4, 3)), jnp.zeros(4)), 7)


WRONG = {
    Squared: "The energy of this Squared is not linear in the statistics of layer 'v'",
    Kinked: "The energy of this Kinked is not linear in the statistics of layer 'h'",
    Product: "The energy of this Product is not linear in the statistics of layer 'v'",
    TogetherAlone: "Layers 'h' and 'g' of this TogetherAlone stand in one block and act on each other",
    Uncoloured: "Units of colour 1 of layer 'v' of this Uncoloured act on each other",
}
ROWS = np.eye(4, dtype=np.float32)
ASKED = {
    "log_partition": lambda model: hm.log_partition(model),
    "log_likelihood": lambda model: hm.log_likelihood(model, ROWS, method="exact"),
    "fit": lambda model: hm.fit(model, ROWS, hm.objectives.CD(), epochs=1, batch_size=2, key=KEY),
}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_energy_gets_no_number(kind, asked):
    with pytest.raises(hm.InputError, match=f"^{WRONG[kind]}.* \\(harmonium.testing.checks_for\\(model\\) says more"):
        ASKED[asked](mine(kind))


@pytest.mark.parametrize("kind", [Squared, Uncoloured])
def test_it_is_found_inside_of_this_library_s_own_wrappers(kind):
    with pytest.raises(hm.InputError, match=r"checks_for"):
        require_linear(hm.Normalised(hm.Centred(mine(kind))))


@pytest.mark.parametrize("kind", [Mine, Coupled])
def test_a_right_one_of_a_person_s_own_passes(kind):
    assert hm.log_partition(mine(kind)).kind == "exact"


@pytest.mark.parametrize(("mean", "sd"), [(0, 1), (0, 1e-6), (0, 1e6), (0.05, 1e-3), (-1e4, 1000)])
def test_real_units_are_tried_at_their_own_scale(mean, sd):
    parameters = jnp.full(2, mean, jnp.float32), jnp.full(2, sd**-2, jnp.float32)
    with pytest.raises(hm.InputError, match=r"Curved is not linear in the statistics of layer 'v'"):
        require_linear(Curved(*parameters))
    require_linear(Curved(*parameters, wrong=False))


@pytest.mark.parametrize(("mean", "sd"), [(0, 1e-6), (101_325, 50), (1e5, 1e-3), (1e7, 1)])
def test_real_units_far_from_zero_are_no_alarm(mean, sd):
    require_linear(Curved(jnp.full(2, mean, jnp.float32), jnp.full(2, sd**-2, jnp.float32), wrong=False))
    rbm = hm.RBM(Columns([Gaussian(3), Bernoulli(2)]), Bernoulli(4), key=KEY, scale=0.5)
    rows = np.random.default_rng(1).normal(mean, sd, (50, 5))
    rows[:, 3:] = rows[:, 3:] > mean
    try_linear(hm.Centred(hm.at_marginals(rbm, rows)))


@pytest.mark.parametrize("name", ["rbm-gaussian-gaussian", "twin-labels", "centred-machine", "own-deep"])
def test_machines_of_every_make_pass(name):
    """Real units on both sides, copies and labels, colours in centred coordinates, a person's own of three layers."""
    try_linear(EXAMPLES[name])


def test_rounding_of_large_weights_is_no_alarm():
    try_linear(hm.Centred(hm.RBM(Bernoulli(784), Bernoulli(500), key=KEY, scale=3.0)))


class Misshapen(Mine):
    def wrong(self, stats):
        return stats["h"] @ stats["v"]


class Misnamed(Mine):
    def wrong(self, stats):
        return stats["x"].sum()


class Many(Mine):
    def wrong(self, stats):
        return stats["v"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Misshapen, r"cannot be computed \(TypeError: .*\): its layers' statistics have the shapes v \(4,\), h \(3,\)"),
        (Misnamed, r"cannot be computed \(KeyError: 'x'\)"),
        (Many, r"has the shape \(4,\), and an energy is one number: sum over the units\."),
    ],
)
def test_an_energy_that_is_no_number_is_refused_in_a_sentence(kind, words):
    with pytest.raises(hm.InputError, match=f"^The energy of this {kind.__name__} {words}"):
        hm.log_partition(mine(kind))


def test_numbers_that_are_not_finite_are_left_to_others():
    try_linear(eqx.tree_at(lambda m: m.b, mine(Mine), jnp.full(4, jnp.nan)))
