"""Models of two kinds, or whose layers do not stand in their blocks, are refused before anything rests on them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import harmonium as hm
from examples import OTHERS, Deep

KEY = jax.random.key(0)


class Twice(Deep):
    """A user's machine that names a layer in both blocks."""

    @property
    def blocks(self) -> tuple[tuple[str, ...], ...]:
        return (("v", "h2"), ("h1", "v"))


class Short(Deep):
    """A user's machine that leaves a layer out."""

    @property
    def blocks(self) -> tuple[tuple[str, ...], ...]:
        return (("v",), ("h1",))


class Names(Twice):
    """Its blocks are names, of which Python would take the letters."""

    @property
    def blocks(self) -> tuple[str, ...]:
        return ("v", "h1", "h2")


ROWS = np.zeros((4, 3), np.float32)
ASKED = {
    "log_partition": lambda model: hm.log_partition(model),
    "sample": lambda model: hm.sample(model, KEY, 2, steps=2),
    "fit": lambda model: hm.fit(model, ROWS, hm.objectives.PCD(chains=2), epochs=1, batch_size=2, key=KEY),
}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize(("kind", "held"), [(Twice, "v, h2, h1, v"), (Short, "v, h1")], ids=["twice", "left out"])
def test_each_layer_is_in_one_block_once(asked, kind, held):
    whole = OTHERS["own-deep"]
    with pytest.raises(hm.InputError, match=f"hold {held}, and its layers are v, h1, h2: put each layer in one block"):
        ASKED[asked](kind(whole.W1, whole.W2, whole.b))


class Bounded(hm.VAE):
    """A user's VAE that calls its bound, from one guess, its log-probability."""

    def log_prob(self, x: jax.Array) -> jax.Array:
        """A lower bound."""
        return self.weigh(KEY, x, self.look(x)).log_weight


class Summed(hm.RBM):
    """A user's machine with the methods of a network that says its likelihood."""

    def log_prob(self, x: jax.Array) -> jax.Array:
        """Not normalised."""
        return -hm.free_energy(self, {"v": x})

    def sample(self, key: jax.Array) -> jax.Array:
        """No sample."""
        return jnp.zeros(3)


TWO_KINDS = {
    "latent": Bounded(hm.units.Bernoulli(3), hm.units.Gaussian(2), [4], key=KEY),
    "energy": Summed(hm.units.Bernoulli(3), hm.units.Bernoulli(2), key=KEY),
}
USES = {
    "log_likelihood": lambda model: hm.log_likelihood(model, ROWS, key=KEY),
    "exact": lambda model: hm.log_likelihood(model, ROWS, key=KEY, method="exact"),
    "given": lambda model: hm.log_likelihood(model, ROWS, given=np.array([True, False, False])),
    "sample": lambda model: hm.sample(model, KEY, 2, steps=2),
    "impute": lambda model: hm.impute(model, KEY, ROWS, steps=2),
    "encode": lambda model: hm.encode(model, ROWS),
    "diagnose": lambda model: hm.diagnose(model, ROWS, key=KEY),
    "fit by its bound": lambda model: hm.fit(model, ROWS, hm.objectives.ELBO(), epochs=1, batch_size=2, key=KEY),
    "fit by its likelihood": lambda model: hm.fit(model, ROWS, hm.objectives.MaximumLikelihood(), epochs=1, key=KEY),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(("kind", "other"), [("latent", "a directed net with latent"), ("energy", "an energy model")])
def test_a_model_of_two_kinds_is_refused_and_so_never_called_exact(use, kind, other):
    with pytest.raises(hm.InputError, match=rf"^A (Bounded|Summed) has .* {other}.*: rename its log_prob\.$"):
        USES[use](TWO_KINDS[kind])


@pytest.mark.parametrize("asked", ASKED)
def test_a_block_is_a_tuple_of_names(asked):
    whole = OTHERS["own-deep"]
    with pytest.raises(hm.InputError, match=r"write blocks = \(\('v',\), \('h1',\), \('h2',\)\)\."):
        ASKED[asked](Names(whole.W1, whole.W2, whole.b))
