"""Train, measure and report an iterative network of every order."""

from __future__ import annotations

from typing import Annotated

from harmonium.models import NADEk
from harmonium.objectives import OrderAgnostic
from harmonium.recipes import flags
from harmonium.recipes.common import layer_units
from harmonium.recipes.sequences import ensemble, trained_network
from harmonium.training import Run


def nadek(
    data: flags.Data = None,
    *,
    binarize: flags.Binarize = None,
    standardize: flags.Standardize = False,
    scale: flags.Scale = None,
    labels: flags.Labels = None,
    hidden: flags.Layers = "100",
    steps: Annotated[int, "refinement steps for the unknown variables"] = 5,
    activation: flags.Activation = "tanh",
    orders: flags.Orders = 8,
    visible: flags.ByColumn = "auto",
    epochs: flags.Epochs = 50,
    batch_size: flags.BatchSize = 50,
    learning_rate: flags.AdamRate = 0.005,
    weight_decay: flags.WeightDecay = 0.0003,
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
    """Train an iterative net of every order, NADE-k (section 20.10.10), measure it exactly, write a report."""
    arguments = dict(locals())
    sizes = [layer.size for layer in layer_units(hidden)]
    make = ensemble(lambda unit, key: NADEk(unit, sizes, steps, key=key, activation=activation), orders)
    return trained_network("nadek", arguments, make, OrderAgnostic())
