"""Recipes of networks that Adam trains: how the network is made, and by what objective."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Key

from harmonium.data import Dataset
from harmonium.errors import InputError
from harmonium.models import Orderless
from harmonium.objectives import MaximumLikelihood, Objective
from harmonium.recipes.common import begun, opened, trained
from harmonium.recipes.layers import real_unit, table_unit
from harmonium.recipes.settings import Adam
from harmonium.training import Run
from harmonium.units import Unit

Make = Callable[[Unit, Key[Array, ""], Dataset], Any]


class Network(NamedTuple):
    """What makes a network of its visible units, a key and the data, and the objective that trains it."""

    make: Make
    rule: Objective = MaximumLikelihood()


def network(settings: Adam, asked: Network) -> Run:
    """The run of a network by Adam, its biases at the marginals at first; its likelihood, or a bound, at the end."""
    settings, data = opened(settings)
    unit = table_unit(data, settings.visible) if "visible" in settings.names else real_unit(data)
    model = asked.make(unit, jax.random.fold_in(jax.random.key(settings.seed), 1), data)
    return trained(settings, begun(model, data), data, asked.rule, settings.optimizer(data))


def ensemble(make: Callable[[Unit, Key[Array, ""]], Orderless], orders: int) -> Make:
    """What makes the network of every order that another makes, with so many random orders."""

    def made(unit: Unit, key: Key[Array, ""], _: Dataset | None) -> Orderless:
        weights, lots = jax.random.split(key)
        return make(unit, weights).with_orders(orders, key=lots)

    return made


def random_order(seed: int | None, size: int) -> np.ndarray | None:
    """A random order of `size` variables; None, their own, without a seed.

    >>> random_order(0, 4).tolist()
    [2, 0, 1, 3]
    """
    if seed is not None and seed < 0:
        raise InputError(f"The seed of an order is a whole number from 0, not {seed}.")
    return None if seed is None else np.random.default_rng(seed).permutation(size)
