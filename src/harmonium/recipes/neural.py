"""Train, measure and report a neural auto-regressive network."""

from __future__ import annotations

from typing import Annotated

from harmonium.models import NeuralAutoregressive
from harmonium.recipes import flags
from harmonium.recipes.sequences import trained_network
from harmonium.training import Run


def neural(
    data: flags.Data = None,
    *,
    binarize: flags.Binarize = None,
    standardize: flags.Standardize = False,
    scale: flags.Scale = None,
    labels: flags.Labels = None,
    group: Annotated[int, "hidden units of each variable, which see it and those before it"] = 3,
    activation: flags.Activation = "tanh",
    direct: flags.Direct = True,
    visible: flags.ByColumn = "auto",
    order_seed: flags.Order = None,
    epochs: flags.Epochs = 100,
    batch_size: flags.BatchSize = 50,
    learning_rate: flags.AdamRate = 0.003,
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
    """Train a neural auto-regressive network (section 20.10.9 of the book), measure it exactly, write a report."""
    arguments = dict(locals())
    options = {"activation": activation, "direct": direct}
    return trained_network(
        "neural",
        arguments,
        lambda unit, key, order: NeuralAutoregressive(unit, group, key=key, order=order, **options),
    )
