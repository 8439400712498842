"""Which arrays of a module weight decay leaves alone: those in fields that say so, such as biases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
from jaxtyping import PyTree

KEPT = "kept from weight decay"


def no_decay(**settings: Any) -> Any:
    """A field of a module whose arrays are no weights: a bias, a scale, a state to start from.

    >>> class Layer(eqx.Module):
    ...     W: jax.Array
    ...     b: jax.Array = no_decay()
    >>> decaying(Layer(jax.numpy.ones(2), jax.numpy.ones(1)))
    Layer(W=True, b=False)
    """
    return eqx.field(metadata={KEPT: True}, **settings)


def decaying(module: PyTree) -> PyTree:
    """A tree like `module`, True at all leaves except those in a `no_decay` field, or inside of one."""
    return jax.tree.unflatten(jax.tree.structure(module), list(_marks(module, True)))


def _marks(node: Any, free: bool) -> Iterator[bool]:
    """Whether each leaf of a node decays, in their order, where the node itself stands in a field that does."""
    children, _ = jax.tree_util.tree_flatten_with_path(node, is_leaf=lambda child: child is not node)
    for path, child in children:
        if not path:  # the node is a leaf
            yield free
            continue
        field = getattr(type(node), "__dataclass_fields__", {}).get(getattr(path[0], "name", None))
        yield from _marks(child, free and not (field is not None and field.metadata.get(KEPT)))
