"""Train, measure and report a real-valued neural auto-regressive density estimator."""

from __future__ import annotations

from typing import Annotated

from harmonium.models import RNADE
from harmonium.recipes import flags
from harmonium.recipes.sequences import trained_network
from harmonium.training import Run


def rnade(
    data: flags.Data = None,
    *,
    standardize: flags.Standardize = False,
    scale: flags.Scale = None,
    labels: flags.Labels = None,
    hidden: Annotated[int, "hidden units"] = 50,
    components: Annotated[int, "components of each column's mixture"] = 10,
    kind: Annotated[str, "kind of the components: gaussian or laplace"] = "gaussian",
    activation: flags.Activation = "relu",
    order_seed: flags.Order = None,
    epochs: flags.Epochs = 100,
    batch_size: flags.BatchSize = 50,
    learning_rate: flags.AdamRate = 0.001,
    weight_decay: flags.WeightDecay = 0.03,
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
    """Train a mixture for each real column given those before it, RNADE (section 20.10.10), with a report."""
    arguments = dict(locals()) | {"binarize": None}
    options = {"components": components, "kind": kind, "activation": activation}
    return trained_network(
        "rnade", arguments, lambda unit, key, order: RNADE(unit, hidden, key=key, order=order, **options)
    )
