"""Train, measure and report a fully visible belief network."""

from __future__ import annotations

from harmonium.models import FVBN
from harmonium.recipes import flags
from harmonium.recipes.sequences import trained_network
from harmonium.training import Run


def fvbn(
    data: flags.Data = None,
    *,
    binarize: flags.Binarize = None,
    standardize: flags.Standardize = False,
    scale: flags.Scale = None,
    labels: flags.Labels = None,
    visible: flags.ByColumn = "auto",
    order_seed: flags.Order = None,
    epochs: flags.Epochs = 100,
    batch_size: flags.BatchSize = 50,
    learning_rate: flags.AdamRate = 0.01,
    weight_decay: flags.WeightDecay = 0.003,
    average: flags.Average = None,
    matmul_precision: flags.MatmulPrecision = "float32",
    seed: flags.Seed = 0,
    from_: flags.From = None,
    out: flags.Out = None,
    resume: flags.Resume = False,
    force: flags.Force = False,
    progress: flags.ShowProgress = False,
    estimate: flags.Measure = True,
    report: flags.Report = True,
) -> Run:
    """Train a fully visible belief network (section 20.10.8 of the book), measure it exactly, write a report."""
    arguments = dict(locals())
    return trained_network("fvbn", arguments, lambda unit, _, order: FVBN(unit, order=order))
