"""Train, measure and report a deep belief network."""

from __future__ import annotations

from typing import Annotated

import jax
import optax

from harmonium.errors import InputError
from harmonium.models import DBN
from harmonium.objectives import PCD, UpDown
from harmonium.recipes import flags
from harmonium.recipes.columns import table_unit
from harmonium.recipes.common import class_unit, layer_units, opened, sgd, staged, trained
from harmonium.training import Run, check_data, stack


def dbn(
    data: flags.Data = None,
    *,
    binarize: flags.Binarize = None,
    standardize: flags.Standardize = False,
    scale: flags.Scale = None,
    labels: flags.Labels = None,
    hidden: flags.Layers = "64,64",
    visible: flags.ByColumn = "auto",
    classes: Annotated[bool, "add the labels to the top RBM, as layer y"] = False,
    steps: Annotated[int, "Gibbs sweeps of the top machine at each step of fine-tuning"] = 5,
    chains: flags.Chains = 100,
    greedy_epochs: Annotated[int, "epochs of layer-by-layer pretraining, before all layers are trained together"] = 100,
    epochs: Annotated[int, "passes of fine-tuning by the up-down rule"] = 50,
    batch_size: flags.BatchSize = 50,
    learning_rate: flags.LearningRate = 0.1,
    fine_rate: Annotated[float, "learning rate of fine-tuning at its start"] = 0.01,
    average: flags.Average = None,
    matmul_precision: flags.MatmulPrecision = "float32",
    samples: Annotated[int, "samples for each row of the final estimate, an importance-weighted bound"] = 50,
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
    """Train a deep belief network, greedily and then by the up-down rule (section 20.3 of the book), measure a bound of
    its held-out log-likelihood, write a report."""
    arguments = dict(locals())
    if samples < 1 or greedy_epochs < 0:
        raise InputError(
            f"The bound takes at least one sample for each row, and greedy training no negative number of epochs, not "
            f"samples={samples} and greedy_epochs={greedy_epochs}."
        )
    dataset = opened(arguments)
    key = jax.random.key(seed)
    unit, layers = table_unit(dataset, visible), layer_units(hidden)
    top = class_unit(dataset) if classes else None
    model = DBN(unit, layers, top, key=jax.random.fold_in(key, 1))
    check_data(model, dataset)

    def optimizer(rate: float, passes: int) -> optax.GradientTransformation:
        total = passes * dataset.steps_per_epoch(arguments["batch_size"])
        return sgd(rate, total, momentum=0.0, weight_decay=0.0, schedule="linear")

    fine = optimizer(fine_rate, epochs)
    stages, begun = staged("dbn", arguments, dataset) if greedy_epochs and from_ is None else ({}, False)
    if greedy_epochs and not begun and from_ is None:  # a run that has begun reads its net from the checkpoint
        size = arguments["batch_size"]
        first = {"visible": unit, "key": key, "labels": top, "epochs": greedy_epochs, "batch_size": size}
        first |= {"optimizer": lambda: optimizer(learning_rate, greedy_epochs), "matmul_precision": matmul_precision}
        first |= {"progress": progress, **stages}
        model = DBN.stacked(stack(dataset, layers, PCD(1, chains), centred=True, **first))
    return trained("dbn", arguments, model, dataset, UpDown(steps), fine, samples=samples)
