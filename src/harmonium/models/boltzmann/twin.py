"""An RBM with two copies of one of its layers: what a deep Boltzmann machine is pretrained with (section 20.4.4)."""

from __future__ import annotations

from typing import Literal

import equinox as eqx
import jax
from jaxtyping import Array, Float, PyTree

from harmonium.models.boltzmann.rbm import RBM
from harmonium.models.energy import LayerStats
from harmonium.units import Unit


class Twin(eqx.Module):
    """An RBM in which a second layer `u` has the units, weights and bias of layer `v` or `h`.

        E(v, u, h) = E_RBM((v + u), h) with the bias of v for each copy            (of = "v")

    so that what the copied layer says counts twice: of two copies of `v`, `p(h = 1 | v, u = v) = sigmoid(2 W^T v + c)`,
    while `p(v = 1 | h) = sigmoid(W h + b)`. In a deep Boltzmann machine the missing half comes from the other side: the
    lowest machine is trained with two copies of `v`, the highest with two of `h` (Salakhutdinov & Hinton 2009).
    Arguments: `model`, the RBM; `of`, the layer that has a copy.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> {name: unit.size for name, unit in Twin(rbm, "v").layers.items()}
    {'v': 6, 'h': 3, 'u': 6}
    """

    model: RBM
    of: Literal["v", "h"] = eqx.field(static=True)

    @property
    def layers(self) -> dict[str, Unit]:
        """`v`, `h` and the copy `u`."""
        return self.model.layers | {"u": self.model.layers[self.of]}

    @property
    def blocks(self) -> tuple[tuple[str, ...], ...]:
        """The copied layer with its copy, and the other."""
        return (("v", "u"), ("h",)) if self.of == "v" else (("v",), ("h", "u"))

    @property
    def biases(self) -> dict[str, PyTree]:
        """Those of the RBM, which `u` shares."""
        return self.model.biases | {"u": self.model.biases[self.of]}

    def energy(self, stats: LayerStats) -> Float[Array, ""]:
        """The RBM's energy of the sum of the two copies' statistics, in nats: it is linear in them."""
        both = jax.tree.map(lambda a, b: a + b, stats[self.of], stats["u"])
        return self.model.energy({**{name: stats[name] for name in ("v", "h")}, self.of: both})
