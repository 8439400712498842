"""Learning rules by name, for recipes of machines with one hidden layer or none; what does not apply is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from harmonium import objectives
from harmonium.errors import InputError
from harmonium.inference import configurations, has_closed_form
from harmonium.models import EnergyModel, Normalised
from harmonium.objectives import Objective
from harmonium.units import Columns

EXACT_LIMIT = 2**20  # configurations, at most, that a step of exact maximum likelihood sums over

# Name -> the rule, from a recipe's arguments, the model and rows of its data.
RULES: dict[str, Callable[[dict[str, Any], EnergyModel, np.ndarray], Objective]] = {
    "pcd": lambda a, model, rows: objectives.PCD(a["steps"], a["chains"]),
    "cd": lambda a, model, rows: objectives.CD(a["steps"]),
    "fpcd": lambda a, model, rows: objectives.FPCD(a["steps"], a["chains"], a["fast_rate"]),
    "tempered": lambda a, model, rows: objectives.TemperedPCD(a["steps"], a["chains"], a["rungs"]),
    "trajectory": lambda a, model, rows: objectives.TrajectoryPCD(a["steps"], a["chains"], a["rungs"]),
    "exact": lambda a, model, rows: objectives.MaximumLikelihood(),
    "pseudo": lambda a, model, rows: objectives.PseudoLikelihood(a["sites"]),
    "ratio": lambda a, model, rows: objectives.RatioMatching(a["sites"]),
    "nce": lambda a, model, rows: objectives.NCE(objectives.marginal_noise(model, rows), a["ratio"]),
    "score": lambda a, model, rows: objectives.ScoreMatching(),
    "denoising": lambda a, model, rows: objectives.DenoisingScoreMatching(a["noise"]),
}
RBM_RULES = tuple(RULES)
MACHINE_RULES = ("pcd", "cd", "exact", "pseudo", "ratio")  # for machines whose units act on each other
SITEWISE = ("pseudo", "ratio")
SLOPES = ("score", "denoising")


def learning_rule(
    arguments: dict[str, Any], model: EnergyModel, rows: np.ndarray, names: tuple[str, ...] = RBM_RULES
) -> tuple[EnergyModel, Objective]:
    """The rule that a recipe's `objective` names, and the model as it trains it (for `nce`, with a number for log Z).

    Arguments: `arguments` of the recipe; `model`, centred or not; `rows` of its data, for the noise of `nce`; `names`
    to choose from. Raises `InputError`, with the cure, for another name and for a model that the rule does not suit.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Gaussian(2), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> learning_rule({"objective": "ratio"}, rbm, np.zeros((4, 2)))
    Traceback (most recent call last):
    harmonium.errors.InputError: Ratio matching flips binary visible units, and Gaussian ones are not: choose ...
    """
    name = arguments["objective"]
    if name not in names:
        raise InputError(f"There is no learning rule '{name}': choose one of {', '.join(names)}.")
    _refuse(name, model)
    rule = RULES[name](arguments, model, rows)
    return (Normalised(model) if name == "nce" else model), rule


def constrained(arguments: dict[str, Any], rule: Objective) -> Objective:
    """The rule with the sparsity and the limit on norms that a recipe's arguments ask for, where they do."""
    if arguments["sparsity"] is not None:
        rule = objectives.Sparse(rule, arguments["sparsity"], strength=arguments["sparsity_strength"])
    return rule if arguments["max_norm"] is None else objectives.MaxNorm(rule, arguments["max_norm"])


def _refuse(name: str, model: EnergyModel) -> None:
    unit = model.layers["v"]
    kind = type(unit).__name__
    if isinstance(unit, Columns) and name in (*SITEWISE, *SLOPES):
        raise InputError(
            f"'{name}' is for visible units of one kind, and columns are of several: choose --objective pcd."
        )
    if name == "ratio" and unit.states != 2:
        other = f"--objective {'score' if unit.has_score else 'pseudo' if unit.states else 'pcd'}"
        raise InputError(f"Ratio matching flips binary visible units, and {kind} ones are not: choose {other}.")
    if name == "pseudo" and unit.states is None:
        raise InputError(f"Pseudo-likelihood sums over the states of visible units, and {kind} ones have no list of "
                         "them: choose --objective pcd or score.")  # fmt: skip
    if name in SLOPES and not unit.has_score:
        raise InputError(f"Score matching differentiates by the data, which {kind} visible units do not allow: "
                         "choose --objective pseudo, or ratio where they are binary.")  # fmt: skip
    if name in SITEWISE and not has_closed_form(model):
        raise InputError(f"'{name}' sums the hidden units out, which here act on each other: choose --objective pcd.")
    if name == "exact" and (count := max(configurations(model), configurations(model, ("v",)))) > EXACT_LIMIT:
        raise InputError(
            f"Exact maximum likelihood would sum over {count:.3g} configurations at each step, more than "
            f"{EXACT_LIMIT:,}: choose --objective pcd, or fewer units."
        )
