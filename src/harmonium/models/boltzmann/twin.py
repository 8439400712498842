"""A machine with two copies of one of its layers: what a deep Boltzmann machine is pretrained with (section 20.4.4)."""

from __future__ import annotations

from typing import Literal

import equinox as eqx
import jax
from jaxtyping import Array, Float, PyTree

from harmonium.errors import InputError
from harmonium.models.boltzmann.dbm import DBM
from harmonium.models.boltzmann.rbm import RBM
from harmonium.models.energy import LayerStats
from harmonium.units import Stats, Unit, inner


class DoubledRBM(eqx.Module):
    """An RBM in which a second layer `u` has the units, weights and bias of layer `v` or `h`.

        E(v, u, h) = E_RBM((v + u), h) with the bias of v for each copy            (of = "v")

    so that what the copied layer says counts twice: of two copies of `v`, `p(h = 1 | v, u = v) = sigmoid(2 W^T v + c)`,
    while `p(v = 1 | h) = sigmoid(W h + b)`. In a deep Boltzmann machine the missing half comes from the other side: the
    lowest machine is trained with two copies of `v`, the highest with two of `h` (Salakhutdinov & Hinton 2009). Labels
    above `h` are copied with it, as layer `z`: each copy of `h` sees `v` and labels of its own, and only `v` sees both,

        p(h = 1 | v, y) = sigmoid(W^T v + U y + c),   p(y | h) = softmax(U^T h + d),
        p(v = 1 | h, u = h) = sigmoid(2 W h + b).

    Arguments: `model`, the RBM, or a `DBM` of one hidden layer with labels; `of`, the layer that has a copy (`h` where
    there are labels).

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> {name: unit.size for name, unit in DoubledRBM(rbm, "v").layers.items()}
    {'v': 6, 'h': 3, 'u': 6}
    """

    model: RBM | DBM
    of: Literal["v", "h"] = eqx.field(static=True)

    def __check_init__(self) -> None:
        if ("y" in self.model.layers and self.of == "v") or set(self.model.layers) - {"v", "h", "y"}:
            raise InputError(
                f"A twin is made of one hidden layer, and with labels of of='h', not of layers "
                f"{', '.join(self.model.layers)} with of='{self.of}'."
            )

    @property
    def copies(self) -> dict[str, str]:
        """What each copied layer's copy is called."""
        return {self.of: "u"} | ({"y": "z"} if "y" in self.model.layers else {})

    @property
    def layers(self) -> dict[str, Unit]:
        """`v`, `h`, the copy `u`; with labels `y` and their copy `z`."""
        return self.model.layers | {copy: self.model.layers[name] for name, copy in self.copies.items()}

    @property
    def blocks(self) -> tuple[tuple[str, ...], ...]:
        """The layer `h`, with its copy where it has one, and all others."""
        hidden = ("h", "u") if self.of == "h" else ("h",)
        return tuple(name for name in self.layers if name not in hidden), hidden

    @property
    def biases(self) -> dict[str, PyTree]:
        """Those of the machine, which copies share."""
        return self.model.biases | {copy: self.model.biases[name] for name, copy in self.copies.items()}

    def energy(self, stats: LayerStats) -> Float[Array, ""]:
        """The machine's energy of the sum of the two copies' statistics, in which it is linear, in nats; with labels,
        less what each copy of them says of itself and of its own copy of `h`."""
        both = jax.tree.map(lambda a, b: a + b, stats[self.of], stats["u"])
        own = {name: stats[name] for name in ("v", "h")} | {self.of: both}
        if "y" not in self.model.layers:
            return self.model.energy(own)
        hidden, labels, biases = self.model.layers["h"], self.model.layers["y"], self.model.biases
        alone = self.model.energy(own | {"y": labels.zeros()})

        def said(above: Stats, below: Stats) -> Float[Array, ""]:
            tie = hidden.interaction(below, biases["h"]) @ self.model.W[1] @ labels.interaction(above, biases["y"])
            return inner(labels.natural(biases["y"]), above) + tie

        return alone - said(stats["y"], stats["h"]) - said(stats["z"], stats["u"])
