"""Layers of independent units: the machine with no connections, whose partition function is known."""

from __future__ import annotations

import equinox as eqx
from jaxtyping import Array, Float, PyTree

from harmonium.decay import no_decay
from harmonium.models.energy import LayerStats
from harmonium.units import Stats, Unit, inner


class Independent(eqx.Module):
    """`E(x) = -sum_l <eta_l, T(x_l)>`: every unit on its own, `log Z = sum_l A(eta_l)`.

    The base from which annealed importance sampling starts (Salakhutdinov & Murray 2008).
    Arguments: `layers`, the units by name; `biases`, their biases by the same names.

    >>> import harmonium as hm, jax.numpy as jnp
    >>> Independent({"v": hm.units.Bernoulli(2)}, {"v": jnp.zeros(2)}).log_partition()
    Array(1.3862944, dtype=float32)
    """

    layers: dict[str, Unit]
    biases: dict[str, PyTree] = no_decay()

    @property
    def blocks(self) -> tuple[tuple[str, ...], ...]:
        """One block: nothing depends on anything."""
        return (tuple(self.layers),)

    def natural(self) -> dict[str, Stats]:
        """The natural parameters of each layer."""
        return {name: unit.natural(self.biases[name]) for name, unit in self.layers.items()}

    def energy(self, stats: LayerStats) -> Float[Array, ""]:
        """`-sum_l <eta_l, T(x_l)>`, in nats."""
        return -sum(inner(eta, stats[name]) for name, eta in self.natural().items())

    def log_partition(self) -> Float[Array, ""]:
        """`log Z = sum_l A(eta_l)`, in nats."""
        return sum(self.layers[name].log_partition(eta) for name, eta in self.natural().items())
