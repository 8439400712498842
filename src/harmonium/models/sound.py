"""What an energy model must be beside its methods: each layer in one block, and for each layer its bias."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from harmonium.errors import InputError, shown

UNBOUNDED = (
    "the precision of its Gaussian layers together is not positive definite, so make the weights between them smaller"
)


def require_blocks(model: Any) -> None:
    """Refuse an energy model without each of its layers in one block: sums over its states would be wrong.

    >>> import harmonium as hm, jax
    >>> require_blocks(hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0)))
    """
    blocks = tuple((block,) if isinstance(block, str) else tuple(block) for block in model.blocks)
    listed = [str(name) for block in blocks for name in block]
    if sorted(listed) != sorted(model.layers):
        raise InputError(
            f"The blocks of this {type(model).__name__} hold {', '.join(listed)}, and its layers are "
            f"{', '.join(model.layers)}: put each layer in one block, once."
        )
    if any(isinstance(block, str) and len(block) > 1 for block in model.blocks):  # whose letters would be layers
        raise InputError(
            f"The blocks of this {type(model).__name__} are names, and a block is a tuple of names: write "
            f"blocks = {blocks!r}."
        )


def require_biases(model: Any) -> None:
    """Refuse a model whose `biases` are not one for each layer, in the form that its units have.

    >>> import harmonium as hm, jax
    >>> require_biases(hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0)))
    """
    name, biases, layers = type(model).__name__, model.biases, model.layers
    if not isinstance(biases, Mapping) or set(biases) != set(layers):
        held = ", ".join(biases) if isinstance(biases, Mapping) else shown(biases)
        raise InputError(
            f"The biases of this {name} are of {held or 'no layer'}, and its layers are {', '.join(layers)}: give each "
            "layer its bias, such as {'v': self.b, 'h': self.c}."
        )
    for layer, unit in layers.items():
        expected, found = (
            _form(jax.eval_shape(lambda unit=unit: unit.bias(unit.neutral_natural()))),
            _form(biases[layer]),
        )
        if found != expected:
            raise InputError(
                f"The bias of layer '{layer}' of this {name} has the form {found[1]}, and {type(unit).__name__} units "
                f"want {expected[1]}: give it as unit.bias(natural parameters) does."
            )


def _form(tree: Any) -> tuple[Any, str]:
    """The structure of a bias with the shapes of its arrays, and both in words."""
    shapes = jax.tree.map(jnp.shape, tree)
    return jax.tree.structure(tree), str(shapes)
