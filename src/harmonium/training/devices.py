"""Where arrays live when there is more than one device: batches and chains split, everything else copied.

And how processes of one run agree: each runs the same program, so what one decides by its clock or a signal, all do.
"""

from __future__ import annotations

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree

from harmonium.errors import InputError
from harmonium.objectives import StepMemory


class Placement:
    """Data parallelism over all devices of all processes, where the batch size divides by their number.

    Random numbers belong to examples and chains and not to devices, so that a seed gives the same run on any number
    of devices, up to the order of summation. Arguments: `batch_size`. Raises `InputError` where several processes
    cannot share a batch evenly.
    """

    def __init__(self, batch_size: int) -> None:
        count = jax.device_count()
        self.split = count > 1 and batch_size % count == 0
        self._mesh = Mesh(jax.devices(), ("batch",)) if self.split else None
        if jax.process_count() > 1 and not self.split:
            raise InputError(
                f"A batch of {batch_size} cannot be shared by the {count} devices of {jax.process_count()} processes: "
                f"choose a batch size that {count} divides."
            )

    def _at(self, *axes: str | None) -> NamedSharding:
        return NamedSharding(self._mesh, PartitionSpec(*axes))

    @property
    def batches(self) -> NamedSharding | None:
        """For chunks `[steps, batch, ...]`; None on a single device."""
        return self._at(None, "batch") if self.split else None

    def place(self, state: PyTree, memory: PyTree) -> tuple[PyTree, PyTree]:
        """A state copied to all devices, and a memory with the `chains` of a `StepMemory` split among them.

        Only these: fast weights and snapshots may have an axis of the same length.
        """
        if not self.split:
            return state, memory
        count = self._mesh.size

        def put(leaf: jax.Array, *axes: str) -> jax.Array:
            return jax.device_put(leaf, self._at(*axes)) if eqx.is_array(leaf) else leaf

        def put_chain(leaf: jax.Array) -> jax.Array:
            shared = eqx.is_array(leaf) and leaf.ndim >= 1 and leaf.shape[0] % count == 0
            return put(leaf, "batch") if shared else put(leaf)

        def put_memory(node: PyTree) -> PyTree:
            if not isinstance(node, StepMemory):
                return put(node)
            chains = jax.tree.map(put_chain, node.chains)
            rest = jax.tree.map(put, dataclasses.replace(node, chains=None))
            return dataclasses.replace(rest, chains=chains)

        placed = jax.tree.map(put_memory, memory, is_leaf=lambda node: isinstance(node, StepMemory))
        return jax.tree.map(put, state), placed


def local(tree: PyTree) -> PyTree:
    """The tree with arrays that are copied on many devices brought to this process's first one."""

    def bring(leaf: jax.Array) -> jax.Array:
        spread = isinstance(leaf, jax.Array) and len(leaf.sharding.device_set) > 1
        return jnp.asarray(np.asarray(leaf)) if spread else leaf

    return jax.tree.map(bring, tree)


def is_main() -> bool:
    """Whether this process is the one that writes.

    >>> is_main()                                           # a run on one machine has no other
    True
    """
    return jax.process_index() == 0


def anywhere(flag: bool) -> bool:
    """Whether any process raised its flag; every process must ask at the same point."""
    if jax.process_count() == 1:
        return flag
    return bool(np.any(multihost_utils.process_allgather(np.array(flag))))


def together(point: str) -> None:
    """Go on when every process has come to this point."""
    multihost_utils.sync_global_devices(point)
