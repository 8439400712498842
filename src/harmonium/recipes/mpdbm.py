"""Train, measure and report a multi-prediction deep Boltzmann machine."""

from __future__ import annotations

from typing import Annotated

import jax

from harmonium.inference import at_marginals
from harmonium.models import MPDBM
from harmonium.objectives import MultiPrediction
from harmonium.recipes import flags
from harmonium.recipes.columns import table_unit
from harmonium.recipes.common import MARGINAL_ROWS, annealed, class_unit, layer_units, opened, trained
from harmonium.training import Run, check_data

SCALE = 0.05  # standard deviation of the weights at the start: the mean field of smaller ones passes little on


def mpdbm(
    data: flags.Data = None,
    *,
    binarize: flags.Binarize = None,
    standardize: flags.Standardize = False,
    scale: flags.Scale = None,
    labels: flags.Labels = None,
    hidden: flags.Layers = "100,100",
    visible: flags.ByColumn = "auto",
    classes: flags.Classes = False,
    sweeps: Annotated[int, "mean-field sweeps in training and in answering"] = 10,
    min_masked: Annotated[float, "smallest probability of hiding a pixel in training"] = 0.0,
    max_masked: Annotated[float, "largest probability of hiding a pixel in training"] = 1.0,
    label_hidden: Annotated[float, "probability of hiding the label in training"] = 1.0,
    label_weight: Annotated[float, "weight of a hidden label, where a hidden pixel has 1"] = 100.0,
    multi_inference: Annotated[bool, "classify with the multi-inference trick"] = False,
    epochs: flags.Epochs = 200,
    batch_size: flags.BatchSize = 50,
    learning_rate: Annotated[float, "learning rate of Adam at its start, falling along a cosine to zero"] = 0.005,
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
    """Train a multi-prediction deep Boltzmann machine (section 20.4.5 of the book), measure its test error (without
    classes, a bound of its log-likelihood), write a report."""
    arguments = dict(locals())
    dataset = opened(arguments)
    key = jax.random.key(seed)
    unit, layers = table_unit(dataset, visible), layer_units(hidden)
    top = class_unit(dataset) if classes else None
    options = {"steps": sweeps, "multi_inference": multi_inference, "scale": SCALE}
    model = MPDBM(unit, layers, top, key=jax.random.fold_in(key, 1), **options)
    check_data(model, dataset)
    model = at_marginals(model, dataset.shown(dataset.train[:MARGINAL_ROWS]))
    rule = MultiPrediction(min_masked, max_masked, label_hidden, label_weight)
    optimizer = annealed(learning_rate, epochs * dataset.steps_per_epoch(arguments["batch_size"]))
    return trained("mpdbm", arguments, model, dataset, rule, optimizer)
