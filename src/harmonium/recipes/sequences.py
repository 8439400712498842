"""What the recipes of auto-regressive networks share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Key

from harmonium.errors import InputError
from harmonium.inference import at_marginals
from harmonium.models import Biased, Orderless, TractableModel
from harmonium.objectives import MaximumLikelihood, Objective
from harmonium.recipes.columns import real_unit, table_unit
from harmonium.recipes.common import MARGINAL_ROWS, annealed, opened, trained
from harmonium.training import Run, check_data
from harmonium.units import Unit

Make = Callable[[Unit, Key[Array, ""], np.ndarray | None], TractableModel]


def trained_network(recipe: str, arguments: dict[str, Any], make: Make, rule: Objective | None = None) -> Run:
    """The run of an auto-regressive network, from the marginals on by Adam; its likelihood at the end is exact.

    Arguments: `arguments` of the recipe; `make`, which makes the network of its visible units, a key and an order;
    `rule`, the objective (default: maximum likelihood).
    """
    dataset = opened(arguments)
    unit = table_unit(dataset, arguments["visible"]) if "visible" in arguments else real_unit(dataset)
    key = jax.random.fold_in(jax.random.key(arguments["seed"]), 1)
    model = make(unit, key, random_order(arguments.get("order_seed"), unit.size))
    check_data(model, dataset)
    rows = dataset.shown(dataset.train[:MARGINAL_ROWS])
    model = at_marginals(model, rows) if isinstance(model, Biased) else model
    total = arguments["epochs"] * dataset.steps_per_epoch(arguments["batch_size"])
    optimizer = annealed(arguments["learning_rate"], total, weight_decay=arguments["weight_decay"])
    return trained(recipe, arguments, model, dataset, rule or MaximumLikelihood(), optimizer)


def ensemble(make: Callable[[Unit, Key[Array, ""]], Orderless], orders: int) -> Make:
    """What makes the network of every order that another makes, with so many random orders."""

    def made(unit: Unit, key: Key[Array, ""], _: np.ndarray | None) -> Orderless:
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
