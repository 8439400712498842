"""Train, measure and report a masked auto-regressive net."""

from __future__ import annotations

from harmonium.models import MADE
from harmonium.recipes import flags
from harmonium.recipes.common import layer_units
from harmonium.recipes.sequences import trained_network
from harmonium.training import Run


def made(
    data: flags.Data = None,
    *,
    binarize: flags.Binarize = None,
    standardize: flags.Standardize = False,
    scale: flags.Scale = None,
    labels: flags.Labels = None,
    hidden: flags.Layers = "500",
    activation: flags.Activation = "relu",
    direct: flags.Direct = True,
    visible: flags.ByColumn = "auto",
    order_seed: flags.Order = None,
    epochs: flags.Epochs = 100,
    batch_size: flags.BatchSize = 50,
    learning_rate: flags.AdamRate = 0.001,
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
    """Train a masked auto-regressive net, MADE (section 20.10.9 of the book), measure it exactly, write a report."""
    arguments = dict(locals())
    sizes = [layer.size for layer in layer_units(hidden)]
    options = {"activation": activation, "direct": direct}
    return trained_network(
        "made", arguments, lambda unit, key, order: MADE(unit, sizes, key=key, order=order, **options)
    )
