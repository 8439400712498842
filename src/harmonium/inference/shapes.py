"""The methods of a person's own model, tried once: an answer of another shape would be summed wrongly, and believed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from harmonium.errors import InputError
from harmonium.inference.missing import neutral
from harmonium.models.kinds import CLASSIFIER, LATENT, TRACTABLE, is_kind

TOLERANCE = 1e-3  # of the sum of the probabilities of all classes


class Answer(NamedTuple):
    """What a `method` gives for one example, the `shape` that it should have, and the cure where it has another."""

    method: str
    value: Callable[[], Any]
    shape: tuple[int, ...]
    cure: str


def require_shapes(model: Any) -> None:
    """Refuse a model of a person's own whose methods give arrays of other shapes than its kind says, or a classifier
    whose probabilities do not sum to one.

    Models made of this library's own classes pass, and so do energy models, which `require_linear` tries. Raises
    `InputError`, which names the method.

    >>> import harmonium as hm
    >>> require_shapes(hm.FVBN(hm.units.Bernoulli(3)))
    """
    if own(model):
        return
    for answer in _answers(model):
        found = jax.tree.map(jnp.shape, eqx.filter_eval_shape(answer.value))
        if found != answer.shape:
            raise InputError(
                f"The {answer.method} of this {type(model).__name__} has the shape {found} for one example, and should "
                f"have {answer.shape}: {answer.cure}."
            )
    if is_kind(model, CLASSIFIER):
        total = float(jnp.exp(model.log_prob(_value(model))).sum())
        if abs(total - 1) > TOLERANCE:
            raise InputError(
                f"The log_prob of this {type(model).__name__} gives probabilities whose sum is {total:.4g}, and those "
                "of all classes sum to 1: end it with jax.nn.log_softmax."
            )


def own(model: Any) -> bool:
    """Whether a model is made of this library's own classes alone, which its conformance suite tries.

    >>> import harmonium as hm
    >>> own(hm.FVBN(hm.units.Bernoulli(3)))
    True
    """
    return all(cls.__module__.split(".")[0] in ("harmonium", "builtins") for cls in _classes(jax.tree.structure(model)))


def _classes(form: Any) -> Iterator[type]:
    """The classes of a tree's nodes."""
    if node := form.node_data():
        yield node[0]
    for child in form.children():
        yield from _classes(child)


def _answers(model: Any) -> Iterator[Answer]:
    key, row, x = jax.random.key(0), (model.layers["v"].size,), _value(model)
    one, all_units = "a log-probability is one number, so sum over the units", "give one value for each visible unit"
    if is_kind(model, TRACTABLE, LATENT):
        yield Answer("sample", lambda: model.sample(key), row, all_units)
    if is_kind(model, TRACTABLE):
        yield Answer("log_prob", lambda: model.log_prob(x), (), one)
    if is_kind(model, LATENT):
        yield Answer("simulate", lambda: model.simulate(key)[0], row, all_units)
        yield Answer("log_joint", lambda: model.log_joint(*model.simulate(key)), (), one)
    if is_kind(model, CLASSIFIER):
        classes = (model.layers["y"].states,)
        yield Answer("log_prob", lambda: model.log_prob(x), classes, "give one number for each class")


def _value(model: Any) -> jax.Array:
    """A value of the visible layer."""
    unit = model.layers["v"]
    return jnp.asarray(np.asarray(unit.from_data(np.asarray(unit.to_data(neutral(unit)))[None]))[0])
