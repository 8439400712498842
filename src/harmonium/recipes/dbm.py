"""Train, measure and report a deep Boltzmann machine."""

from __future__ import annotations

from typing import Annotated

import jax

from harmonium.errors import InputError
from harmonium.inference import at_marginals
from harmonium.models import DBM, Centred
from harmonium.objectives import PCD
from harmonium.recipes import flags
from harmonium.recipes.columns import table_unit
from harmonium.recipes.common import (
    MARGINAL_ROWS,
    class_unit,
    layer_units,
    opened,
    sgd,
    staged,
    trained,
)
from harmonium.training import Run, check_data, pretrained_dbm


def dbm(
    data: flags.Data = None,
    *,
    binarize: flags.Binarize = None,
    standardize: flags.Standardize = False,
    scale: flags.Scale = None,
    labels: flags.Labels = None,
    hidden: flags.Layers = "64,32",
    visible: flags.ByColumn = "auto",
    classes: flags.Classes = False,
    steps: flags.Steps = 1,
    chains: flags.Chains = 100,
    mean_field_steps: Annotated[int, "maximum mean-field sweeps per row and update"] = 10,
    centred: flags.Centring = True,
    pretraining: Annotated[int, "epochs of layer-by-layer pretraining (turns centring off)"] = 0,
    epochs: flags.Epochs = 200,
    batch_size: flags.BatchSize = 50,
    learning_rate: flags.LearningRate = 0.05,
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
    """Train a deep Boltzmann machine (section 20.4 of the book), measure its held-out log-likelihood, write a
    report."""
    arguments = dict(locals())
    if pretraining < 0:
        raise InputError(f"Pretraining takes no negative number of epochs, not pretraining={pretraining}.")
    dataset = opened(arguments)
    key = jax.random.key(seed)
    unit, layers = table_unit(dataset, visible), layer_units(hidden)
    if pretraining and len(layers) < 2:
        raise InputError("Pretraining takes at least two hidden layers: leave --pretraining out.")
    top = class_unit(dataset) if classes else None
    model = DBM(unit, layers, top, key=jax.random.fold_in(key, 1))
    check_data(model, dataset)
    model = at_marginals(model, dataset.shown(dataset.train[:MARGINAL_ROWS]))
    total = epochs * dataset.steps_per_epoch(arguments["batch_size"])
    optimizer = sgd(learning_rate, total, momentum=momentum, weight_decay=weight_decay, schedule=schedule)
    stages, begun = staged("dbm", arguments, dataset) if pretraining and from_ is None else ({}, False)
    if pretraining and not begun and from_ is None:  # a run that has begun reads its machine from the checkpoint
        size = arguments["batch_size"]
        first = {"visible": unit, "labels": top, "key": key, "epochs": pretraining, "batch_size": size}
        model = pretrained_dbm(
            dataset, layers, PCD(1, chains), matmul_precision=matmul_precision, progress=progress, **first, **stages
        )
    model = Centred(model) if centred and not pretraining else model
    rule = PCD(steps, chains, mean_field_steps=mean_field_steps)
    return trained("dbm", arguments, model, dataset, rule, optimizer)
