"""The straight path of energies between two machines with the same layers."""

from __future__ import annotations

import equinox as eqx
import jax
from jaxtyping import Array, Float, Int

from harmonium.models.energy import EnergyModel, LayerStats, local_field
from harmonium.units import Stats, Unit


class Interpolated(eqx.Module):
    """`E(x) = (1 - beta) E_base(x) + beta E_target(x)`: the base at `beta = 0`, the target at 1.

    The geometric path of annealed importance sampling (Neal 2001; Salakhutdinov & Murray 2008).
    Arguments: `base` and `target`, models with the same layers; `beta`, a number from 0 to 1.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> Interpolated(rbm, rbm, 0.5).blocks
    (('v',), ('h',))
    """

    base: EnergyModel
    target: EnergyModel
    beta: Float[Array, ""] | float

    @property
    def layers(self) -> dict[str, Unit]:
        """Those of the target."""
        return self.target.layers

    @property
    def blocks(self) -> tuple[tuple[str, ...], ...]:
        """Those of the target."""
        return self.target.blocks

    def energy(self, stats: LayerStats) -> Float[Array, ""]:
        """`(1 - beta) E_base + beta E_target`, in nats."""
        return (1 - self.beta) * self.base.energy(stats) + self.beta * self.target.energy(stats)

    def local_field(self, stats: LayerStats, layer: str, units: Int[Array, "chosen"]) -> Stats:
        """The same mixture of what acts on some units of either."""
        ends = (local_field(model, stats, layer, units) for model in (self.base, self.target))
        return jax.tree.map(lambda a, b: (1 - self.beta) * a + self.beta * b, *ends)
