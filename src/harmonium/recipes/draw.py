"""Train, measure and report DRAW, an auto-encoder that paints in steps."""

from __future__ import annotations

from typing import Annotated

from jaxtyping import Array, Key

from harmonium.errors import InputError
from harmonium.models import DRAW
from harmonium.objectives import ELBO
from harmonium.recipes import flags
from harmonium.recipes.directed import sizes, trained_directed
from harmonium.training import Run
from harmonium.units import Gaussian, Unit


def draw(
    data: flags.Data = None,
    *,
    binarize: flags.Binarize = None,
    standardize: flags.Standardize = False,
    scale: flags.Scale = None,
    labels: flags.Labels = None,
    latent: Annotated[int, "latent variables of each step"] = 5,
    hidden: Annotated[int, "units of the encoder's and of the decoder's memory"] = 64,
    steps: Annotated[int, "steps of painting"] = 6,
    attention: Annotated[str, "sides of the grids that read and write, such as 2,5 (default: no attention)"] = "",
    visible: flags.ByColumn = "auto",
    samples: Annotated[int, "samples of the latent variables per row and step"] = 1,
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
    """Train DRAW (section 20.10.3 of the book), an auto-encoder whose decoder paints on a canvas in steps, with or
    without attention, measure a bound of its held-out log-likelihood, write a report."""
    arguments, grids = dict(locals()), tuple(sizes(attention)) or None

    def make(unit: Unit, key: Key[Array, ""], shape: tuple[int, ...] | None) -> DRAW:
        if grids and shape is None:
            raise InputError("Attention moves over a picture, and these rows are none: leave --attention out.")
        options = {"attention": grids, "image_shape": shape} if grids else {}
        return DRAW(unit, Gaussian(latent), hidden=hidden, steps=steps, key=key, **options)

    return trained_directed("draw", arguments, make, ELBO(samples))
