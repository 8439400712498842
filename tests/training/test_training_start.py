"""A machine that starts far from the data's marginals is told so, once, with the cure."""

from __future__ import annotations

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import harmonium as hm
from harmonium.models import with_biases
from harmonium.training.check import warn_start
from harmonium.units import Bernoulli, Categorical, Gaussian, Spin

KEY = jax.random.key(0)
RANDOM = np.random.default_rng(0)
RARE = (RANDOM.random((200, 40)) < 0.05).astype(np.float32)  # 20 nats from even chances
FAR = {
    "bernoulli": (Bernoulli(40), RARE),
    "spin": (Spin(40), 2 * RARE - 1),
    "categorical": (Categorical(40, states=3), RARE),
    "gaussian": (Gaussian(3), RANDOM.normal(7, 1, (200, 3))),
}


def machine(unit):
    return hm.RBM(unit, Bernoulli(2), key=KEY)


def told(model, rows):
    with warnings.catch_warnings(record=True, action="always") as found:
        warn_start(model, hm.data.from_arrays(rows, name="mine"))
    return [str(warning.message) for warning in found]


@pytest.mark.parametrize("wrap", [lambda m: m, hm.Centred, lambda m: hm.Normalised(hm.Centred(m))])
@pytest.mark.parametrize("unit", FAR)
def test_a_neutral_start_far_from_the_marginals_is_named_with_the_cure(unit, wrap):
    units, rows = FAR[unit]
    (message,) = told(wrap(machine(units)), rows)
    assert "are neutral, and 'mine' is" in message
    assert "start there with model = hm.at_marginals(model, data.train), before hm.Centred" in message
    assert not told(wrap(hm.at_marginals(machine(units), rows)), rows)


def test_how_far_it_is_is_what_the_baseline_gains():
    unit, rows = FAR["bernoulli"]
    (message,) = told(machine(unit), rows)
    gain = hm.baseline(machine(unit), rows).value + 40 * np.log(2)
    assert f"{gain:.0f} nats an example" in message


def test_fit_says_it():
    unit, rows = FAR["bernoulli"]
    with pytest.warns(UserWarning, match=r"^The visible biases of this RBM are neutral"):
        hm.fit(machine(unit), rows, hm.objectives.CD(), epochs=1, key=KEY)


def test_nothing_is_said_of_other_starts_data_or_models():
    even = (RANDOM.random((200, 40)) < 0.5).astype(np.float32)
    unit, rows = FAR["bernoulli"]
    assert not told(machine(unit), even)
    assert not told(hm.NADE(unit, 3, key=KEY), rows)
    started = with_biases(machine(unit), {"v": jnp.full(40, 0.01)})
    assert not told(started, rows)
