"""Ladders of models: from one that is easy to sample, on the lowest rung, to the one that is wanted, on the highest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from harmonium.errors import InputError
from harmonium.models import EnergyModel, Interpolated


@runtime_checkable
class Ladder(Protocol):
    """A number of models with the same layers, of which neighbours are alike."""

    @property
    def rungs(self) -> int:
        """How many models there are."""

    def at(self, rung: Int[Array, ""]) -> EnergyModel:
        """The model on a rung, counted from 0; the last is the target."""


class Temperatures(eqx.Module):
    """The straight path of energies from a base to a model, cut at given inverse temperatures.

        E_k = (1 - beta_k) E_base + beta_k E_model,      0 = beta_0 < ... < beta_K = 1

    With a base of independent units, every rung of an RBM is an RBM (Cho, Raiko & Ilin 2010).
    Arguments: `base`, from which sampling is easy; `model`, the target; `inverse`, the inverse temperatures `[rungs]`,
    growing. Raises `InputError` for fewer than two.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> base = hm.models.Independent(rbm.layers, rbm.biases)
    >>> float(Temperatures(base, rbm, jnp.linspace(0, 1, 5)).at(jnp.int32(1)).beta)
    0.25
    """

    base: EnergyModel
    model: EnergyModel
    inverse: Float[Array, "rungs"]

    def __check_init__(self) -> None:
        _refuse_short(self.rungs)

    @property
    def rungs(self) -> int:
        """The number of temperatures."""
        return len(self.inverse)

    def at(self, rung: Int[Array, ""]) -> Interpolated:
        """The energies mixed at one temperature."""
        return Interpolated(self.base, self.model, self.inverse[rung])


class Snapshots(eqx.Module):
    """Models of one shape from early to late, such as those that a training run passed through.

    A machine acquires its modes one after the other while it learns, so that its own past is a ladder on which
    neighbours overlap where those of temperature may not (Béreux, Decelle, Furtlehner & Seoane 2024, arXiv 2405.15376).
    Arguments: `models`, one model whose arrays have a leading axis `[rungs, ...]`. Raises `InputError` for fewer than
    two.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> Snapshots.of([rbm, rbm, rbm]).rungs
    3
    """

    models: PyTree

    def __check_init__(self) -> None:
        _refuse_short(self.rungs)

    @classmethod
    def of(cls, models: Sequence[EnergyModel]) -> Snapshots:
        """The models of a list, from early to late. Raises `InputError` where they are not of one structure.

        >>> Snapshots.of([])
        Traceback (most recent call last):
        harmonium.errors.InputError: A ladder has at least two rungs, not 0: ...
        """
        _refuse_short(len(models))
        for i, model in enumerate(models):
            if _form(model) != _form(models[0]):
                raise InputError(f"Model {i} of a ladder is of another structure than the first: give models alike.")
        arrays, rest = eqx.partition(list(models), eqx.is_array)
        return cls(eqx.combine(jax.tree.map(lambda *leaves: jnp.stack(leaves), *arrays), rest[0]))

    @property
    def rungs(self) -> int:
        """The length of the arrays' first axis."""
        return len(jax.tree.leaves(eqx.filter(self.models, eqx.is_array))[0])

    def at(self, rung: Int[Array, ""]) -> EnergyModel:
        """One of the models."""
        return jax.tree.map(lambda leaf: leaf[rung] if eqx.is_array(leaf) else leaf, self.models)


def _form(model: EnergyModel) -> tuple:
    """What models of one ladder share: structure, shapes and types."""
    arrays = eqx.filter(model, eqx.is_array)
    return jax.tree.structure(model), [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(arrays)]


def _refuse_short(rungs: int) -> None:
    if rungs < 2:
        raise InputError(f"A ladder has at least two rungs, not {rungs}: give an easy model and the one to sample.")
