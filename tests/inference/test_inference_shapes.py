"""Models of a person's own whose answers have other shapes than their kind says are refused before they count."""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import harmonium as hm
from harmonium.errors import InputError
from harmonium.inference.shapes import require_shapes

KEY = jax.random.key(0)
LAYERS = {"v": hm.units.Bernoulli(4), "y": hm.units.Categorical(1, states=3)}
ROWS = np.zeros((2, 4))


class Classes(eqx.Module):
    """A classifier that gives what it holds."""

    model_kind: ClassVar = hm.kinds.CLASSIFIER
    answer: jax.Array

    @property
    def layers(self):
        return LAYERS

    def log_prob(self, x):
        return self.answer


class Rows(eqx.Module):
    """A tractable model whose samples and log-probabilities are what it holds."""

    model_kind: ClassVar = hm.kinds.TRACTABLE
    drawn: jax.Array
    answer: jax.Array

    @property
    def layers(self):
        return {"v": LAYERS["v"]}

    def log_prob(self, x):
        return self.answer

    def sample(self, key):
        return self.drawn


@pytest.mark.parametrize(
    ("answer", "said"),
    [(jnp.zeros(()), r"shape \(\) .* should have \(3,\)"), (jnp.log(jnp.full(2, 0.5)), r"shape \(2,\)"),
     (jnp.zeros(3), "whose sum is 3, .*log_softmax")],
)  # fmt: skip
def test_a_classifier_says_one_probability_for_each_class(answer, said):
    with pytest.raises(InputError, match=said):
        hm.classify(Classes(answer), ROWS)
    with pytest.raises(InputError, match=said):
        hm.error_rate(Classes(answer), ROWS, np.zeros(2, int))


def test_a_classifier_of_a_person_s_own_is_used():
    np.testing.assert_allclose(hm.classify(Classes(jnp.log(jnp.full(3, 1 / 3))), ROWS), 1 / 3, rtol=1e-6)


@pytest.mark.parametrize("ask", [lambda m: hm.sample(m, KEY, 2), lambda m: hm.log_prob(m, ROWS),
                                 lambda m: hm.log_likelihood(m, ROWS)])  # fmt: skip
@pytest.mark.parametrize(("drawn", "answer", "said"), [(3, (), "sample .* one value for each visible unit"),
                                                       (4, (4,), "log_prob .* sum over the units")])  # fmt: skip
def test_samples_are_rows_and_log_probabilities_numbers(ask, drawn, answer, said):
    with pytest.raises(InputError, match=said):
        ask(Rows(jnp.zeros(drawn), jnp.zeros(answer)))


def test_a_latent_model_joins_its_log_probabilities_over_units():
    class Unsummed(hm.VAE):
        def log_joint(self, x, latents):
            return super().log_joint(x, latents) * jnp.ones(4)

    model = Unsummed(LAYERS["v"], hm.units.Gaussian(2), [3], key=KEY)
    with pytest.raises(InputError, match="log_joint of this Unsummed"):
        require_shapes(model)
