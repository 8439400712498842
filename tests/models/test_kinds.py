"""Models of two kinds, or whose layers do not stand in their blocks, are refused before anything rests on them."""

from __future__ import annotations

from typing import Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import harmonium as hm
from examples import EXAMPLES, OTHERS, Deep
from harmonium.training.monitor import Monitor

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
        return self.importance_sample(KEY, x, self.encode_features(x)).log_weight


class Summed(hm.RBM):
    """A user's machine with the methods of a network that says its likelihood."""

    def log_prob(self, x: jax.Array) -> jax.Array:
        """Not normalised."""
        return -hm.free_energy(self, {"v": x})

    def sample(self, key: jax.Array) -> jax.Array:
        """No sample."""
        return jnp.zeros(3)


BOUNDED = Bounded(hm.units.Bernoulli(3), hm.units.Gaussian(2), [4], key=KEY)
SUMMED = Summed(hm.units.Bernoulli(3), hm.units.Bernoulli(2), key=KEY)
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
def test_an_energy_model_with_the_methods_of_another_kind_is_refused(use):
    with pytest.raises(hm.InputError, match=r"^A Summed has .* an energy model .*: name its kind, .*, or rename its l"):
        USES[use](SUMMED)


class Named(Summed):
    """The same, which says what it is."""

    model_kind = hm.kinds.ENERGY


def test_unless_it_names_its_kind():
    model = Named(hm.units.Bernoulli(3), hm.units.Bernoulli(2), key=KEY)
    plain = hm.RBM(hm.units.Bernoulli(3), hm.units.Bernoulli(2), key=KEY)
    assert hm.log_likelihood(model, ROWS).value == hm.log_likelihood(plain, ROWS).value


def test_a_vae_with_a_log_prob_of_its_own_is_a_latent_model_and_never_called_exact():
    plain = hm.VAE(hm.units.Bernoulli(3), hm.units.Gaussian(2), [4], key=KEY)
    found, expected = (hm.log_likelihood(model, ROWS, key=KEY, samples=20) for model in (BOUNDED, plain))
    assert (found.kind, found.value) == ("lower", expected.value)
    assert "log_likelihood_train" not in Monitor.of(BOUNDED, hm.data.from_arrays(ROWS), KEY)(BOUNDED)
    assert hm.sample(BOUNDED, KEY, 2).shape == (2, 3)
    for refused in ("exact", "fit by its likelihood"):
        with pytest.raises(hm.InputError):
            USES[refused](BOUNDED)


class Uniform(eqx.Module):
    """A user's model that says its likelihood, and not what it is."""

    b: jax.Array

    @property
    def layers(self) -> dict[str, hm.units.Unit]:
        return {"v": hm.units.Bernoulli(3)}

    def log_prob(self, x: jax.Array) -> jax.Array:
        return jnp.log(0.5) * 3 + 0 * self.b.sum()

    def sample(self, key: jax.Array) -> jax.Array:
        return jax.random.bernoulli(key, 0.5, (3,)).astype(jnp.float32)


class NamedUniform(Uniform):
    model_kind = hm.kinds.TRACTABLE


class Lacking(eqx.Module):
    """A user's model that names a kind and lacks its methods."""

    model_kind = hm.kinds.TRACTABLE
    b: jax.Array

    @property
    def layers(self) -> dict[str, hm.units.Unit]:
        return {"v": hm.units.Bernoulli(3)}


def test_what_a_model_is_cannot_be_guessed_from_its_methods():
    with pytest.raises(
        hm.InputError, match=r"has the methods of an auto-regressive network and names no kind; .*model_k"
    ):
        hm.log_likelihood(Uniform(jnp.zeros(1)), ROWS)
    assert hm.log_likelihood(NamedUniform(jnp.zeros(1)), ROWS).value == pytest.approx(3 * np.log(0.5))


def test_a_kind_without_its_methods_is_refused_by_their_names():
    with pytest.raises(
        hm.InputError, match=r"^A Lacking says that it is .*, but has no log_prob and sample: write them"
    ):
        hm.sample(Lacking(jnp.zeros(1)), KEY)


@pytest.mark.parametrize("named", ["latent", 3, hm.models.LatentModel])
def test_a_kind_is_one_of_those_that_there_are(named):
    model = type("Odd", (Uniform,), {"model_kind": named})(jnp.zeros(1))
    with pytest.raises(hm.InputError, match=r"one of hm\.kinds, and that of Odd is"):
        hm.sample(model, KEY)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_sound(name):
    hm.kinds.require_sound(EXAMPLES[name])
    assert hm.kinds.kind_of(EXAMPLES[name]) in hm.kinds.KINDS


@pytest.mark.parametrize("asked", ASKED)
def test_a_block_is_a_tuple_of_names(asked):
    whole = OTHERS["own-deep"]
    with pytest.raises(hm.InputError, match=r"write blocks = \(\('v',\), \('h1',\), \('h2',\)\)\."):
        ASKED[asked](Names(whole.W1, whole.W2, whole.b))


class Renamed(hm.VAE):
    """A user's VAE that says that it is tractable."""

    model_kind = hm.kinds.TRACTABLE

    def log_prob(self, x: jax.Array) -> jax.Array:
        return jnp.zeros(())


@pytest.mark.parametrize("use", ["log_likelihood", "exact", "sample", "fit by its likelihood"])
def test_a_class_does_not_name_another_kind_than_what_it_is_made_of(use):
    model = Renamed(hm.units.Bernoulli(3), hm.units.Gaussian(2), [4], key=KEY)
    with pytest.raises(hm.InputError, match=r"^A Renamed says .*, and VAE, from which it is derived, .* latent"):
        USES[use](model)


@pytest.mark.parametrize("wrap", [hm.Centred, hm.Normalised])
def test_what_is_of_a_finer_kind_is_not_wrapped_and_made_a_plain_machine(wrap):
    mp = hm.MPDBM(hm.units.Bernoulli(3), [hm.units.Bernoulli(2)], key=KEY)
    with pytest.raises(hm.InputError, match="would lose what an MPDBM adds"):
        wrap(mp)
    assert wrap(mp.model) is not None


class Layered(eqx.Module):
    """A user's machine of whatever layers it is given."""

    layers: object
    blocks: tuple = (("v",),)

    def energy(self, stats: object) -> jax.Array:
        return jnp.zeros(())


REAL_LABELS = {"v": hm.units.Bernoulli(2), "y": hm.units.Gaussian(1)}


@pytest.mark.parametrize(
    ("layers", "said"),
    [(3, "units by name"), ({"h": hm.units.Bernoulli(2)}, "units by name"), ({"v": 3}, "units by name"),
     ([hm.units.Bernoulli(2)], "units by name"), (REAL_LABELS, "'y' of a Layered has no list of states")],
)  # fmt: skip
def test_layers_are_units_by_name(layers, said):
    with pytest.raises(hm.InputError, match=said):
        hm.sample(Layered(layers), KEY, 2)


@pytest.mark.parametrize("parts", [(hm.models.EnergyModel, "LATENT"), (hm.RBM, None)])
def test_a_kind_is_made_of_a_protocol_and_a_kind(parts):
    with pytest.raises(hm.InputError, match="A Kind takes a Protocol"):
        hm.kinds.Kind("a model", "it does nothing", *parts)


def test_a_kind_that_refines_another_has_its_methods_too():
    class Drawn(Protocol):
        def draw(self) -> None: ...

    kind = hm.kinds.Kind("a model", "it does nothing", Drawn, parent=hm.kinds.TRACTABLE)
    hm.kinds.KINDS.remove(kind)
    assert {"draw", "log_prob", "sample", "layers"} <= set(kind.missing(object()))


@pytest.mark.parametrize(
    "make",
    [lambda rbm: hm.Centred(rbm, 3), lambda rbm: hm.Centred(rbm, {"v": jnp.zeros(3)}),
     lambda rbm: hm.Centred(rbm, {"v": jnp.zeros(2), "h": jnp.zeros(2)}), lambda rbm: hm.Centred(rbm, rate="a"),
     lambda rbm: hm.Centred(rbm, rate=2.0), lambda rbm: hm.Centred(rbm, rate=float("nan")),
     lambda rbm: hm.Normalised(rbm, "a"), lambda rbm: hm.Normalised(rbm, jnp.zeros(2)),
     lambda rbm: hm.Normalised(rbm, float("inf"))],
)  # fmt: skip
def test_wrappers_are_given_what_they_hold(make):
    with pytest.raises(hm.InputError, match=r"Offsets|log_partition is one number"):
        make(hm.RBM(hm.units.Bernoulli(3), hm.units.Bernoulli(2), key=KEY))
