"""Which arrays of a module weight decay leaves alone: those in fields that say so, such as biases."""

from __future__ import annotations

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

    def free(path: tuple) -> bool:
        node = module
        for key in path:
            if isinstance(key, jax.tree_util.GetAttrKey):
                field = getattr(type(node), "__dataclass_fields__", {}).get(key.name)
                if field is not None and field.metadata.get(KEPT):
                    return False
                node = getattr(node, key.name, None)
            elif isinstance(key, jax.tree_util.SequenceKey | jax.tree_util.DictKey):
                node = node[key.idx if isinstance(key, jax.tree_util.SequenceKey) else key.key]
            else:
                return True
        return True

    return jax.tree_util.tree_map_with_path(lambda path, _: free(path), module)
