"""What the recipes of directed nets with latent variables share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jaxtyping import Array, Key

from harmonium.errors import InputError
from harmonium.inference import at_marginals
from harmonium.models import BiHM, LatentModel
from harmonium.objectives import NVIL, REINFORCE, VIMCO, Objective, ReweightedWakeSleep, WakeSleep
from harmonium.recipes.columns import table_unit
from harmonium.recipes.common import MARGINAL_ROWS, annealed, opened, trained
from harmonium.training import Run, check_data
from harmonium.units import Unit

Make = Callable[[Unit, Key[Array, ""], tuple[int, ...] | None], LatentModel | BiHM]

RULES: dict[str, Callable[[int], Objective]] = {
    "rws": lambda samples: ReweightedWakeSleep(samples),
    "wake-sleep": lambda samples: WakeSleep(samples),
    "nvil": lambda samples: NVIL(samples),
    "vimco": lambda samples: VIMCO(samples),
    "reinforce": lambda samples: REINFORCE(samples),
}


def trained_directed(recipe: str, arguments: dict[str, Any], make: Make, rule: Objective) -> Run:
    """The run of a directed net, from the marginals on by Adam; a bound of its likelihood is measured at the end.

    Arguments: `arguments` of the recipe; `make`, which makes the net of its visible units, a key and the shape of a
    picture, if there is one; `rule`, the objective.
    """
    dataset = opened(arguments)
    unit = table_unit(dataset, arguments["visible"])
    model = make(unit, jax.random.fold_in(jax.random.key(arguments["seed"]), 1), dataset.image_shape)
    check_data(model, dataset)
    rows = dataset.shown(dataset.train[:MARGINAL_ROWS])
    model = at_marginals(model, rows)
    total = arguments["epochs"] * dataset.steps_per_epoch(arguments["batch_size"])
    optimizer = annealed(arguments["learning_rate"], total, weight_decay=arguments["weight_decay"])
    return trained(recipe, arguments, model, dataset, rule, optimizer)


def sizes(text: str) -> list[int]:
    """Sizes of layers of a network in a text such as `200,200`; none in an empty one.

    >>> sizes("200, 100"), sizes("")
    ([200, 100], [])
    """
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise InputError(f"Sizes of layers are whole numbers with commas between, such as 200,200, not '{text}'.")
    return [int(part) for part in parts]


def rule_named(name: str, samples: int) -> Objective:
    """The rule of a belief net by its name. Raises `InputError` for another.

    >>> rule_named("nvil", 2).samples
    2
    """
    if name not in RULES:
        raise InputError(f"There is no rule '{name}' for belief nets: choose one of {', '.join(RULES)}.")
    return RULES[name](samples)
