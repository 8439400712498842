"""What models that hold another one share: its layers, blocks and biases are theirs."""

# No `from __future__ import annotations`: Equinox cannot read AbstractVar from a string.
import equinox as eqx
import numpy as np
from equinox import AbstractVar
from jaxtyping import PyTree

from harmonium.models.capabilities import Filtered
from harmonium.models.energy import BiasedModel
from harmonium.units import Unit


class Wrapped(eqx.Module):
    """A model around another, over the same units; what it adds is its energy, or how it is used.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> list(hm.Centred(rbm).layers)
    ['v', 'h']
    """

    model: AbstractVar[BiasedModel]

    @property
    def layers(self) -> dict[str, Unit]:
        """Those of the model."""
        return self.model.layers

    @property
    def blocks(self) -> tuple[tuple[str, ...], ...]:
        """Those of the model."""
        return self.model.blocks

    @property
    def biases(self) -> dict[str, PyTree]:
        """Those of the model, in its own coordinates."""
        return self.model.biases

    def filters(self) -> np.ndarray | None:
        """Those of the model, where it has any."""
        return self.model.filters() if isinstance(self.model, Filtered) else None
