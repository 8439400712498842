"""What machines are made of, checked before they are: units, a list of hidden layers, labels."""

from __future__ import annotations

import math
from typing import Any

import jax
import numpy as np

from harmonium.errors import InputError, shown, whole
from harmonium.memory import check_weights
from harmonium.units import Categorical, Frames, Unit, Words


def check_units(model: str, *layers: Any) -> None:
    """Refuse layers of a model (its name with an article) that are no units, or have none.

    >>> check_units("An RBM", 6, 3)
    Traceback (most recent call last):
    harmonium.errors.InputError: An RBM is made of units, not of 6: give them as, say, hm.units.Bernoulli(6).
    """
    for layer in layers:
        if not isinstance(layer, Unit):
            size = layer if isinstance(layer, int) else 500
            raise InputError(
                f"{model} is made of units, not of {shown(layer)}: give them as, say, hm.units.Bernoulli({size})."
            )
        if isinstance(layer, Frames):
            raise InputError(
                f"{model} takes rows of one length, not sequences of frames: use hm.VariationalRNN or hm.RNNRBM, or "
                "one layer of the units of all frames where none is absent."
            )
        if isinstance(layer, Words):
            raise InputError(
                f"{model} has one log Z, and documents have one for each length: use hm.ReplicatedSoftmax."
            )
        if isinstance(layer, Categorical) and not whole(layer.states):
            raise InputError(f"Categorical units have one state or more, not states={shown(layer.states)}.")
    sizes = [layer.size for layer in layers]
    if not whole(*sizes):
        raise InputError(
            f"Every layer of {model[0].lower()}{model[1:]} needs units, not {sizes}: give at least one each."
        )
    check_weights(model, *((layer.width,) for layer in layers))


def check_family(model: str, layer: str, unit: Any, family: type[Unit]) -> None:
    """Refuse a layer of a model that takes units of one family alone.

    >>> import harmonium as hm
    >>> check_family("S3C", "visible", hm.units.Spin(2), hm.units.Gaussian)
    Traceback (most recent call last):
    harmonium.errors.InputError: The visible layer of S3C is of Gaussian units, not a Spin: use hm.units.Gaussian(2).
    """
    if not isinstance(unit, family):
        owner = model if model.isupper() or model[1].isdigit() else f"{model[0].lower()}{model[1:]}"
        size = unit.size if isinstance(unit, Unit) else 36
        raise InputError(
            f"The {layer} layer of {owner} is of {family.__name__} units, not {shown(unit)}: use "
            f"hm.units.{family.__name__}({size})."
        )
    check_units(model, unit)


def check_hidden(model: str, hidden: Any) -> None:
    """Refuse hidden layers that are no list, from the data upwards (what is in it is for `check_units`).

    >>> import harmonium as hm
    >>> check_hidden("A DBM", hm.units.Bernoulli(500))
    Traceback (most recent call last):
    harmonium.errors.InputError: A DBM needs at least one hidden layer: give a list of units, from the data upwards, ...
    """
    if not isinstance(hidden, list | tuple) or not hidden:
        raise InputError(
            f"{model} needs at least one hidden layer: give a list of units, from the data upwards, such as "
            "[hm.units.Bernoulli(500), hm.units.Bernoulli(1000)]."
        )


def check_sizes(hidden: Any) -> list[int]:
    """The sizes of a net's hidden layers as a list; a single number is one layer. Raises `InputError` for none.

    >>> check_sizes([])
    Traceback (most recent call last):
    harmonium.errors.InputError: The hidden layers of a net are a list of sizes, such as [500, 500], not [].
    """
    sizes = list(hidden) if isinstance(hidden, list | tuple) else [hidden]
    if not sizes or not whole(*sizes):
        raise InputError(f"The hidden layers of a net are a list of sizes, such as [500, 500], not {hidden}.")
    return sizes


def check_scale(scale: Any) -> None:
    """Refuse a standard deviation of weights that is not a number from 0.

    >>> check_scale(-1)
    Traceback (most recent call last):
    harmonium.errors.InputError: The weights' start has a standard deviation from 0, such as 0.01, not scale=-1.
    """
    number = isinstance(scale, int | float | np.number | np.ndarray | jax.Array) and np.ndim(scale) == 0
    if not number or not 0 <= scale < math.inf:
        raise InputError(f"The weights' start has a standard deviation from 0, such as 0.01, not scale={scale}.")


def check_labels(labels: Any) -> None:
    """Refuse units of a layer of labels that are not one categorical unit.

    >>> import harmonium as hm
    >>> check_labels(hm.units.Bernoulli(3))
    Traceback (most recent call last):
    harmonium.errors.InputError: Labels are one categorical unit, hm.units.Categorical(1, states=K), not ...
    """
    if labels is not None and not (isinstance(labels, Categorical) and labels.size == 1):
        raise InputError(f"Labels are one categorical unit, hm.units.Categorical(1, states=K), not {labels}.")
