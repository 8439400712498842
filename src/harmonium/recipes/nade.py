"""Train, measure and report a neural auto-regressive density estimator."""

from __future__ import annotations

from typing import Annotated

from harmonium.models import NADE
from harmonium.recipes import flags
from harmonium.recipes.sequences import trained_network
from harmonium.training import Run


def nade(
    data: flags.Data = None,
    *,
    binarize: flags.Binarize = None,
    standardize: flags.Standardize = False,
    scale: flags.Scale = None,
    labels: flags.Labels = None,
    hidden: Annotated[int, "hidden units"] = 100,
    activation: flags.Activation = "sigmoid",
    visible: flags.ByColumn = "auto",
    order_seed: flags.Order = None,
    epochs: flags.Epochs = 60,
    batch_size: flags.BatchSize = 50,
    learning_rate: flags.AdamRate = 0.01,
    weight_decay: flags.WeightDecay = 0.001,
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
    """Train a neural auto-regressive density estimator, NADE (section 20.10.10), measure it exactly, write a report."""
    arguments = dict(locals())
    options = {"activation": activation}
    return trained_network(
        "nade", arguments, lambda unit, key, order: NADE(unit, hidden, key=key, order=order, **options)
    )
