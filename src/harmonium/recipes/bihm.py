"""Train, measure and report a bidirectional Helmholtz machine."""

from __future__ import annotations

from typing import Annotated

from harmonium.models import BiHM
from harmonium.objectives import Bidirectional
from harmonium.recipes import flags
from harmonium.recipes.common import layer_units
from harmonium.recipes.directed import trained_directed
from harmonium.training import Run


def bihm(
    data: flags.Data = None,
    *,
    binarize: flags.Binarize = None,
    standardize: flags.Standardize = False,
    scale: flags.Scale = None,
    labels: flags.Labels = None,
    hidden: flags.Layers = "64,32",
    visible: flags.ByColumn = "auto",
    samples: Annotated[int, "samples of the hidden units per row and step"] = 10,
    epochs: flags.Epochs = 100,
    batch_size: flags.BatchSize = 50,
    learning_rate: flags.AdamRate = 0.003,
    weight_decay: flags.WeightDecay = 0.0,
    average: flags.Average = None,
    matmul_precision: flags.MatmulPrecision = "float32",
    seed: flags.Seed = 0,
    estimate_samples: flags.EstimateSamples = None,
    from_: flags.From = None,
    out: flags.Out = None,
    resume: flags.Resume = False,
    force: flags.Force = False,
    progress: flags.ShowProgress = False,
    estimate: flags.Measure = True,
    report: flags.Report = True,
) -> Run:
    """Train a bidirectional Helmholtz machine (section 20.10.1 of the book), two nets that must agree, measure a
    bound of its held-out log-likelihood, write a report."""
    arguments, layers = dict(locals()), layer_units(hidden)
    return trained_directed("bihm", arguments, lambda unit, key, _: BiHM(unit, layers, key=key), Bidirectional(samples))
