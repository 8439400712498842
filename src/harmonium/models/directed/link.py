"""What directed models are made of: a layer given the one beside it, and nets of such layers."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import equinox as eqx
from jaxtyping import Array, Float, PyTree

from harmonium.models.energy import EnergyModel
from harmonium.units import Stats, Unit


class Link(eqx.Module):
    """The distribution of a layer `x` of units given a neighbour `y`: natural parameters that its vector shifts.

        eta(y) = eta(b) + (d coupling / dT)^T W coupling(y)   for Bernoulli units sigmoid(W y + b) in the mean

    the same that an RBM of the two layers gives, (20.18) to (20.20). Arguments: `unit`, of `x`; `given`, of `y`; `W`
    `[unit.width, given.width]`; `b`, the bias of `x`; `given_bias`, that of `y`, where real units couple by their
    precision.

    >>> import harmonium as hm, jax.numpy as jnp
    >>> link = Link(hm.units.Bernoulli(2), hm.units.Bernoulli(3), jnp.ones((2, 3)), jnp.zeros(2))
    >>> link.natural(jnp.ones(3))
    Array([3., 3.], dtype=float32)
    """

    unit: Unit
    given: Unit
    W: Float[Array, "width given"]
    b: PyTree
    given_bias: PyTree = None

    def natural(self, y: Array) -> Stats:
        """Natural parameters of `x` given a value `y` `[size]`."""
        return self.natural_of_stats(self.given.stats(y))

    def natural_of_stats(self, stats: Stats) -> Stats:
        """The same given statistics of `y`, which may be means."""
        bias = self.given.bias(self.given.reference()) if self.given_bias is None else self.given_bias
        return self.unit.pushed(self.b, self.W @ self.given.coupling(stats, bias))


@runtime_checkable
class BeliefNet(Protocol):
    """A model whose layers are drawn one after the other from the top: `p(x_top) prod_l p(x_l | x_{l+1})`."""

    @property
    def layers(self) -> dict[str, Unit]:
        """The layers from the data upwards: `v`, `h1`, `h2`, ..., and `y` where there are labels."""

    @property
    def down(self) -> tuple[Link, ...]:
        """Generative links: `down[l]` gives layer `l` from the layer above it."""

    @property
    def up(self) -> tuple[Link, ...]:
        """Recognition links: `up[l]` guesses the layer above layer `l`."""

    @property
    def top(self) -> EnergyModel:
        """The distribution of the layers that no link gives; its layer `v` is the highest that `down` rests on."""
