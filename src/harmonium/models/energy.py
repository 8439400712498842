"""What it takes to be an energy model, and the two distinctions that training needs to make among its arrays.

An energy model has layers of units and one function, `energy`, of the layers' **sufficient statistics**, linear in
each layer's statistics when the others are held fixed. Then `p(x) = exp(-E(T(x))) / Z`, and everything else
(`harmonium.inference`, `harmonium.samplers`) is derived from `energy` by differentiation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import equinox as eqx
import jax
from jaxtyping import Array, Float, PyTree

from harmonium.units import Stats, Unit

LayerStats = Mapping[str, Stats]


@runtime_checkable
class EnergyModel(Protocol):
    """A model whose `energy` is its specification; written for one example, without a batch axis."""

    @property
    def layers(self) -> dict[str, Unit]:
        """The layers by name: `v` for data, `h` (or `h1`, `h2`, ...) for hidden, `y` for labels."""

    @property
    def blocks(self) -> tuple[tuple[str, ...], ...]:
        """Groups of layers that are independent of each other given all others; every layer is in one."""

    def energy(self, stats: LayerStats) -> Float[Array, ""]:
        """`E` as a function of every layer's sufficient statistics, in nats."""


@runtime_checkable
class BiasedModel(EnergyModel, Protocol):
    """An energy model with one bias per layer, which can be read and replaced."""

    @property
    def biases(self) -> dict[str, PyTree]:
        """The bias of each layer, in the form its unit defines."""


class Constant(eqx.Module):
    """Arrays that belong to a model but are not learned by gradient, such as the offsets of centring.

    >>> import jax.numpy as jnp
    >>> trainable({"W": jnp.ones(2), "offset": Constant(jnp.ones(2))})
    {'W': True, 'offset': Constant(value=False)}
    """

    value: PyTree


def trainable(model: PyTree) -> PyTree:
    """A tree like `model`, True at the arrays that a gradient step may change.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> mark = trainable(hm.Centred(rbm)); mark.model.W, mark.offsets.value["h"]
    (True, False)
    """

    def mark(node: PyTree) -> PyTree:
        frozen = isinstance(node, Constant)
        return jax.tree.map(lambda leaf: eqx.is_inexact_array(leaf) and not frozen, node)

    return jax.tree.map(mark, model, is_leaf=lambda node: isinstance(node, Constant))


def with_biases(model: BiasedModel, biases: Mapping[str, PyTree]) -> BiasedModel:
    """The same model with the named layers' biases replaced.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> with_biases(rbm, {"h": jnp.ones(3)}).c
    Array([1., 1., 1.], dtype=float32)
    """
    names = list(biases)
    return eqx.tree_at(lambda m: [m.biases[name] for name in names], model, [biases[name] for name in names])
