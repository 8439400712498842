"""Train, measure and report a restricted Boltzmann machine."""

from __future__ import annotations

from typing import Annotated

import jax

from harmonium.inference import at_marginals
from harmonium.models import RBM, Centred
from harmonium.recipes import flags
from harmonium.recipes.columns import table_unit
from harmonium.recipes.common import MARGINAL_ROWS, named_unit, opened, sgd, trained
from harmonium.recipes.rules import constrained, learning_rule
from harmonium.training import Run, check_data


def rbm(
    data: flags.Data = None,
    *,
    binarize: flags.Binarize = None,
    standardize: flags.Standardize = False,
    scale: flags.Scale = None,
    labels: flags.Labels = None,
    hidden: Annotated[int, "hidden units"] = 64,
    visible: flags.ByColumn = "auto",
    hidden_units: Annotated[str, "kind of hidden units: bernoulli, spin or gaussian"] = "bernoulli",
    objective: Annotated[
        str,
        "objective: pcd, cd, fpcd, tempered, trajectory (of pcd); exact, for few units; pseudo, or ratio for "
        "binary visible units; nce; score, denoising for gaussian ones",
    ] = "pcd",
    steps: flags.Steps = 1,
    chains: flags.Chains = 100,
    rungs: Annotated[int, "temperatures (tempered) or snapshots (trajectory) per chain"] = 10,
    fast_rate: Annotated[float, "learning rate of the fast weights of fpcd"] = 0.05,
    sites: flags.Sites = 1,
    ratio: Annotated[int, "rows of noise that nce draws for each row of data"] = 10,
    noise: Annotated[float, "standard deviation of the noise of denoising, in units of the data"] = 0.3,
    sparsity: Annotated[float | None, "target mean activation of hidden units, such as 0.1"] = None,
    sparsity_strength: Annotated[float, "weight of the penalty on other activations"] = 1.0,
    max_norm: Annotated[float | None, "largest norm of the weights into each hidden unit, such as 3"] = None,
    centred: flags.Centring = True,
    epochs: flags.Epochs = 200,
    batch_size: flags.BatchSize = 50,
    learning_rate: flags.LearningRate = 0.1,
    schedule: flags.Schedule = "linear",
    momentum: flags.Momentum = 0.0,
    weight_decay: flags.WeightDecay = 0.0,
    average: flags.Average = None,
    matmul_precision: flags.MatmulPrecision = "float32",
    seed: flags.Seed = 0,
    ais_chains: flags.AisChains = 100,
    temperatures: flags.Temperatures = 5_000,
    from_: flags.From = None,
    out: flags.Out = None,
    resume: flags.Resume = False,
    force: flags.Force = False,
    progress: flags.ShowProgress = False,
    estimate: flags.Measure = True,
    report: flags.Report = True,
) -> Run:
    """Train an RBM (sections 20.2 and 20.5.1 of the book), measure its held-out log-likelihood, write a report."""
    arguments = dict(locals())
    dataset = opened(arguments)
    key = jax.random.key(seed)
    unit = table_unit(dataset, visible)
    units = unit, named_unit(hidden_units, hidden)
    model = RBM(*units, key=jax.random.fold_in(key, 1))
    check_data(model, dataset)
    rows = dataset.shown(dataset.train[:MARGINAL_ROWS])
    model = at_marginals(model, rows)
    total = epochs * dataset.steps_per_epoch(arguments["batch_size"])
    optimizer = sgd(learning_rate, total, momentum=momentum, weight_decay=weight_decay, schedule=schedule)
    model, rule = learning_rule(arguments, Centred(model) if centred else model, rows)
    return trained("rbm", arguments, model, dataset, constrained(arguments, rule), optimizer)
