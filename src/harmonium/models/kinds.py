"""What kinds of models there are, and what is said where one is asked for what another can do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from harmonium.errors import InputError, shown
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


def require_model(asked: str, model: Any, *kinds: type) -> None:
    """Refuse a model of another kind than a function is for, in a sentence that says what it can do instead.

    An energy model also has each of its layers in one block, and where it is asked for these a bias for each.
    Arguments: `asked`, the function's name; `kinds` that it takes, of `NAMES`.

    >>> require_model("hm.free_energy", "an RBM", EnergyModel)
    Traceback (most recent call last):
    harmonium.errors.InputError: hm.free_energy takes an energy model (an RBM, a DBM, ...), not 'an RBM': pass the ...
    """
    if isinstance(model, kinds) and not isinstance(model, type):  # a class has the methods too
        require_blocks(model)
        if BiasedModel in kinds:
            require_biases(model)
        return
    *others, last = [NAMES[kind] for kind in kinds]
    named = f"{', '.join(others)} or {last}" if others else last
    raise InputError(f"{asked} takes {named}, not {shown(model)}: {_instead(model)}.")


def require_blocks(model: Any) -> None:
    """Refuse an energy model that does not have each of its layers in one block: sums over its states would be wrong.

    >>> import harmonium as hm, jax
    >>> require_blocks(hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0)))
    """
    if not isinstance(model, EnergyModel):
        return
    listed = [str(name) for block in model.blocks for name in block]
    if sorted(listed) != sorted(model.layers):
        raise InputError(
            f"The blocks of this {type(model).__name__} hold {', '.join(listed)}, and its layers are "
            f"{', '.join(model.layers)}: put each layer in one block, once."
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
