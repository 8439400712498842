"""What kinds of models there are, and what is said where one is asked for what another can do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from harmonium.errors import InputError, articled, shown
from harmonium.models.directed.bihm import BiHM
from harmonium.models.directed.classifier import Classifier
from harmonium.models.directed.conditional_output import ConditionalGenerator
from harmonium.models.directed.generators import Invertible
from harmonium.models.directed.latent import Emitting, LatentModel
from harmonium.models.directed.link import BeliefNet
from harmonium.models.energy import Biased, BiasedModel, EnergyModel
from harmonium.models.tractable import TractableModel

UNBOUNDED = (
    "the precision of its Gaussian layers together is not positive definite, so make the weights between them smaller"
)

NAMES = {
    EnergyModel: "an energy model (an RBM, a DBM, ...)",
    BiasedModel: "an energy model with biases (an RBM, a DBM, ...)",
    Biased: "an auto-regressive network with biases (a NADE, ...)",
    BeliefNet: "a belief net",
    Classifier: "a classifier",
    TractableModel: "an auto-regressive network",
    LatentModel: "a directed net with latent variables (a VAE, ...)",
    Emitting: "a directed net whose visible units are independent given the latent ones (a VAE, ...)",
    BiHM: "a bidirectional Helmholtz machine",
}


EXCLUSIVE = (EnergyModel, BeliefNet, TractableModel, LatentModel, BiHM, Classifier)  # a model is of one of them


def require_model(asked: str, model: Any, *kinds: type) -> None:
    """Refuse a model of another kind than a function is for, in a sentence that says what it can do instead.

    A model is also of one kind alone, an energy model has each of its layers in one block, and where it is asked for
    these a bias for each. Arguments: `asked`, the function's name; `kinds` that it takes, of `NAMES`.

    >>> require_model("hm.free_energy", "an RBM", EnergyModel)
    Traceback (most recent call last):
    harmonium.errors.InputError: hm.free_energy takes an energy model (an RBM, a DBM, ...), not 'an RBM': pass the ...
    """
    if isinstance(model, kinds) and not isinstance(model, type):  # a class has the methods too
        require_sound(model)
        if BiasedModel in kinds:
            require_biases(model)
        return
    *others, last = [NAMES[kind] for kind in kinds]
    named = f"{', '.join(others)} or {last}" if others else last
    raise InputError(f"{asked} takes {named}, not {shown(model)}: {_instead(model)}.")


def require_sound(model: Any) -> None:
    """Refuse a model that is of two kinds, or whose layers do not stand in their blocks: its numbers would be wrong.

    What a model is follows from the methods that it has. With those of two kinds nothing says which is meant: a VAE
    with a `log_prob` of its own, a bound, would be weighed as a network that says its likelihood exactly.

    >>> import harmonium as hm, jax
    >>> require_sound(hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0)))
    """
    kinds = [kind for kind in EXCLUSIVE if isinstance(model, kind)]
    if len(kinds) > 1:
        cure = "rename its log_prob" if TractableModel in kinds else "leave out the methods of one of them"
        name, of = articled(type(model).__name__), " and of ".join(NAMES[kind] for kind in kinds)
        raise InputError(
            f"{name[0].upper()}{name[1:]} has the methods of {of}, so that nothing says what its likelihood is: {cure}."
        )
    _require_blocks(model)


def _require_blocks(model: Any) -> None:
    """Refuse an energy model without each of its layers in one block: sums over its states would be wrong."""
    if not isinstance(model, EnergyModel):
        return
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
    """Refuse an energy model whose `biases` are not one for each layer, in the form that its units have.

    >>> import harmonium as hm, jax
    >>> require_biases(hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0)))
    """
    if not isinstance(model, BiasedModel):
        return
    name, biases, layers = type(model).__name__, model.biases, model.layers
    if not isinstance(biases, Mapping) or set(biases) != set(layers):
        held = ", ".join(biases) if isinstance(biases, Mapping) else shown(biases)
        raise InputError(
            f"The biases of this {name} are of {held or 'no layer'}, and its layers are {', '.join(layers)}: give each "
            "layer its bias, such as {'v': self.b, 'h': self.c}."
        )
    for layer, unit in layers.items():
        expected, found = _form(jax.eval_shape(lambda unit=unit: unit.bias(unit.reference()))), _form(biases[layer])
        if found != expected:
            raise InputError(
                f"The bias of layer '{layer}' of this {name} has the form {found[1]}, and {type(unit).__name__} units "
                f"want {expected[1]}: give it as unit.bias(natural parameters) does."
            )


def _form(tree: Any) -> tuple[Any, str]:
    """The structure of a bias with the shapes of its arrays, and both in words."""
    shapes = jax.tree.map(jnp.shape, tree)
    return jax.tree.structure(tree), str(shapes)


def _instead(model: Any) -> str:
    if isinstance(model, type):
        return "make one and pass it"
    if isinstance(model, Classifier):
        return "this model answers hm.classify and hm.error_rate"
    if isinstance(model, BeliefNet):
        return (
            "a belief net is sampled by hm.sample, inferred by hm.encode and bounded by hm.log_likelihood, and its top "
            "machine, model.top, is an energy model"
        )
    if isinstance(model, LatentModel | BiHM):
        return (
            "a directed net is sampled by hm.sample, inferred by hm.encode and bounded from below by hm.log_likelihood"
        )
    if isinstance(model, ConditionalGenerator):
        return "this model is of values given a code: model.law(c) draws and weighs them"
    if isinstance(model, Invertible):
        return "a generator net that can be inverted is sampled by hm.sample and weighed, exactly, by hm.log_likelihood"
    if isinstance(model, TractableModel):
        return "an auto-regressive network is sampled by hm.sample and weighed, exactly, by hm.log_likelihood"
    return "pass the model itself, such as run.model of a training run or what hm.load gives"
