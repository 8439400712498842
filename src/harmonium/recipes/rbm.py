"""Train, measure and report a restricted Boltzmann machine."""

from __future__ import annotations

from typing import Annotated

import jax

from harmonium import objectives
from harmonium.errors import InputError
from harmonium.inference import at_marginals
from harmonium.models import RBM, Centred
from harmonium.objectives import Objective
from harmonium.recipes import flags
from harmonium.recipes.common import MARGINAL_ROWS, named_unit, opened, sgd, trained, visible_unit
from harmonium.training import Run, check_data


def rbm(
    data: flags.Data = None,
    *,
    binarize: flags.Binarize = None,
    standardize: flags.Standardize = False,
    scale: flags.Scale = None,
    labels: flags.Labels = None,
    hidden: Annotated[int, "hidden units"] = 64,
    visible: flags.Visible = "auto",
    hidden_units: Annotated[str, "kind of hidden units: bernoulli, spin or gaussian"] = "bernoulli",
    objective: Annotated[str, "learning rule: pcd, cd or pseudo"] = "pcd",
    steps: flags.Steps = 1,
    chains: flags.Chains = 100,
    centred: flags.Centring = True,
    epochs: flags.Epochs = 200,
    batch_size: flags.BatchSize = 50,
    learning_rate: flags.LearningRate = 0.1,
    schedule: flags.Schedule = "linear",
    momentum: flags.Momentum = 0.0,
    weight_decay: flags.WeightDecay = 0.0,
    average: flags.Average = None,
    products: flags.Products = "float32",
    seed: flags.Seed = 0,
    ais_chains: flags.AisChains = 100,
    temperatures: flags.Temperatures = 5_000,
    out: flags.Out = None,
    resume: flags.Resume = False,
    force: flags.Force = False,
    progress: flags.ShowProgress = False,
) -> Run:
    """Train an RBM (sections 20.2 and 20.5.1 of the book), measure its held-out log-likelihood, write a report."""
    arguments = dict(locals())
    dataset = opened(arguments)
    key = jax.random.key(seed)
    units = visible_unit(dataset, visible), named_unit(hidden_units, hidden)
    model = RBM(*units, key=jax.random.fold_in(key, 1))
    check_data(model, dataset)
    model = at_marginals(model, dataset.shown(dataset.train[:MARGINAL_ROWS]))
    total = epochs * dataset.steps_per_epoch(batch_size)
    optimizer = sgd(learning_rate, total, momentum=momentum, weight_decay=weight_decay, schedule=schedule)
    return trained(
        "rbm", arguments, Centred(model) if centred else model, dataset, _rule(objective, steps, chains), optimizer
    )


def _rule(name: str, steps: int, chains: int) -> Objective:
    rules = {
        "cd": lambda: objectives.CD(steps),
        "pcd": lambda: objectives.PCD(steps, chains),
        "pseudo": lambda: objectives.PseudoLikelihood(),
    }
    if name not in rules:
        raise InputError(f"There is no learning rule '{name}': choose one of {', '.join(rules)}.")
    return rules[name]()
