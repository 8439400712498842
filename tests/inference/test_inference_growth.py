"""Units without a limit that drive each other without end are named, against the form itself in every direction."""

from __future__ import annotations

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import harmonium as hm
from harmonium.inference.normalisable import why_unbounded
from harmonium.units import Bernoulli, Columns, DoubleRectified, Gaussian, Poisson, Rectified

KEY = jax.random.key(0)


def with_weights(visible, hidden, weights):
    rbm = hm.RBM(visible, hidden, key=KEY)
    return eqx.tree_at(lambda m: m.W, rbm, jnp.asarray(weights, jnp.float32))


def lowest(model):
    """The lowest value of the quadratic form, in many directions that the values have, Gaussian ones both ways."""
    random, n = np.random.default_rng(0), 200_000
    values = {}
    for name, unit in model.layers.items():
        x = random.normal(size=(n, unit.size)) * random.integers(2, size=(n, unit.size))
        values[name] = np.abs(x) if isinstance(unit, Rectified) else x
    norm = np.sqrt(sum((x**2).sum(1) for x in values.values()))
    keep = norm > 0

    def form(x):
        stats = {name: model.layers[name].stats(value) for name, value in x.items()}
        return model.energy(stats)

    rows = {name: jnp.asarray(x[keep] / norm[keep, None], jnp.float32) for name, x in values.items()}
    return float(jax.vmap(form)(rows).min())  # biases are zero, so that the energy is the form


@pytest.mark.parametrize(
    ("visible", "hidden"),
    [
        (Rectified(2), Rectified(2)), (Rectified(2), Gaussian(2)), (DoubleRectified(2), Rectified(2)),
        (DoubleRectified(2), Gaussian(2)), (DoubleRectified(2), DoubleRectified(2)),
    ],
)  # fmt: skip
def test_a_form_that_is_somewhere_negative_is_found_and_no_other(visible, hidden):
    told, random = [], np.random.default_rng(1)
    for scale in np.repeat([0.3, 0.6, 0.9, 1.2], 5):
        model = with_weights(visible, hidden, scale * random.normal(size=(2, 2)))
        low = lowest(model)
        if abs(low) > 0.02:  # nearer, the directions that are tried do not tell
            told.append(low > 0)
            assert (why_unbounded(model) is None) == (low > 0)
    assert {True, False} <= set(told)


def test_units_that_hold_each_other_back_need_no_small_weights():
    assert why_unbounded(with_weights(Rectified(2), Rectified(3), np.full((2, 3), -50.0))) is None
    assert why_unbounded(with_weights(Poisson(2), Poisson(3), np.full((2, 3), -50.0))) is None
    assert why_unbounded(with_weights(Poisson(2), Rectified(3), np.full((2, 3), -50.0))) is None
    assert why_unbounded(with_weights(Poisson(2), Bernoulli(3), np.full((2, 3), 50.0))) is None
    assert why_unbounded(with_weights(Rectified(2), Bernoulli(3), np.full((2, 3), 50.0))) is None


def test_three_units_that_no_pair_betrays():
    """One unit and three, each pair held, all together not: `3 x 0.6^2 > 1`."""
    why = why_unbounded(with_weights(Rectified(1), Rectified(3), [[0.6] * 3]))
    assert "4 units that excite each other are not held by their precisions, first unit 0 of layer 'v' and" in why
    assert why_unbounded(with_weights(Rectified(1), Rectified(3), [[0.55] * 3])) is None  # 3 x 0.55^2 < 1
    assert why_unbounded(with_weights(Rectified(1), Rectified(3), [[0.6, 0.6, -0.6]])) is None


COUNTS = {
    "two": (with_weights(Poisson(2), Poisson(2), [[-1, -1], [-1, 0.125]]),
            "unit 1 of layer 'v' and unit 1 of layer 'h' excite each other by 0.125 without end, for counts have no"),
    "rectified": (with_weights(Poisson(2), Rectified(2), [[-1, 0.01], [-1, -1]]),
                  "unit 0 of layer 'v' and unit 1 of layer 'h' excite each other by 0.01 without end"),
    "gaussian": (with_weights(Gaussian(1), Poisson(2), [[0.0, 0.5]]),
                 "unit 1 of layer 'h' excites itself through Gaussian units by 0.25 more than holds it"),
    "columns": (with_weights(Columns([Bernoulli(1), Poisson(1)]), Poisson(1), [[9.0], [0.5]]),
                "unit 1 of layer 'v' and unit 0 of layer 'h' excite each other by 0.5"),
    "centred": (hm.Centred(with_weights(Poisson(1), Poisson(1), [[0.5]])), "excite each other by 0.5"),
    "halves": (with_weights(Rectified(1), DoubleRectified(2), [[0.2, -1.5]]),
               "unit 0 of layer 'v' and unit 1 of layer 'h' excite each other by 1.5 and their precisions hold 1:"),
}  # fmt: skip


@pytest.mark.parametrize("name", COUNTS)
def test_the_units_are_named_with_what_drives_them(name):
    model, words = COUNTS[name]
    assert words in why_unbounded(model)
    found = hm.log_partition(model, method="two_sided", key=KEY, temperatures=20, chains=4, burn_in=5)
    assert found.verdict.startswith("do not report: the model cannot be normalised; ")
    assert words in found.verdict


def test_sums_of_two_counts_grow_where_they_are_said_to():
    """The terms of `Z` along `x = y`: with 0.125 they fall at first, and grow without end from about 80 on."""
    n = np.array([1, 20, 400])
    log_term = 0.125 * n**2 - 2 * np.array([sum(np.log(np.arange(1, k + 1))) for k in n])
    assert log_term[1] < log_term[0] < log_term[2]


def test_no_probabilities_are_given():
    with pytest.raises(
        hm.InputError, match=r"has no probabilities: the model cannot be normalised; unit 1 of layer 'v'"
    ):
        hm.log_prob(COUNTS["two"][0], np.ones((3, 2)))


@pytest.mark.parametrize(("seed", "double"), itertools.product(range(2), [False, True]))
def test_normalisable_machines_of_two_real_layers_have_the_integral_that_estimates_find(seed, double):
    unit = DoubleRectified(1) if double else Rectified(1)
    model = with_weights(unit, Rectified(1), [[0.4 * (-1) ** seed]])
    assert why_unbounded(model) is None
    low = -12 if double else 0
    x, y = np.meshgrid(np.linspace(low, 12, 2401), np.linspace(0, 12, 1201), indexing="ij")
    log_term = -(x**2 + y**2) / 2 + float(model.W[0, 0]) * x * y
    mass = np.trapezoid(np.trapezoid(np.exp(log_term), y[0], axis=1), x[:, 0])
    found = hm.log_partition(model, method="two_sided", temperatures=500, key=jax.random.key(seed))
    assert abs(found.value - np.log(mass)) < 4 * found.stderr + 0.01
