"""Where arrays live when there is more than one device: batches and chains split, everything else copied."""

from __future__ import annotations

import equinox as eqx
import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree


class Placement:
    """Data parallelism over all devices of all processes, where the batch size divides by their number.

    Random numbers belong to examples and chains and not to devices, so that a seed gives the same run on any number
    of devices, up to the order of summation. Arguments: `batch_size`.
    """

    def __init__(self, batch_size: int) -> None:
        count = jax.device_count()
        self.split = count > 1 and batch_size % count == 0
        self._mesh = Mesh(jax.devices(), ("batch",)) if self.split else None

    def _at(self, *axes: str | None) -> NamedSharding:
        return NamedSharding(self._mesh, PartitionSpec(*axes))

    @property
    def batches(self) -> NamedSharding | None:
        """For chunks `[steps, batch, ...]`; None on a single device."""
        return self._at(None, "batch") if self.split else None

    def place(self, state: PyTree, memory: PyTree) -> tuple[PyTree, PyTree]:
        """A state copied to all devices, and a memory with its chains split among them."""
        if not self.split:
            return state, memory
        count = self._mesh.size

        def put(leaf: jax.Array, axis: str | None) -> jax.Array:
            return jax.device_put(leaf, self._at(axis)) if eqx.is_array(leaf) else leaf

        def put_chain(leaf: jax.Array) -> jax.Array:
            chained = eqx.is_array(leaf) and leaf.ndim >= 2 and leaf.shape[0] % count == 0
            return put(leaf, "batch" if chained else None)

        return jax.tree.map(lambda leaf: put(leaf, None), state), jax.tree.map(put_chain, memory)
