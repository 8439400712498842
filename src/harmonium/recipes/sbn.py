"""Train, measure and report a sigmoid belief network with a recognition network: a Helmholtz machine."""

from __future__ import annotations

from typing import Annotated

from harmonium.models import HelmholtzMachine
from harmonium.recipes import flags
from harmonium.recipes.common import layer_units
from harmonium.recipes.directed import rule_named, sizes, trained_directed
from harmonium.training import Run


def sbn(
    data: flags.Data = None,
    *,
    binarize: flags.Binarize = None,
    standardize: flags.Standardize = False,
    scale: flags.Scale = None,
    labels: flags.Labels = None,
    hidden: flags.Layers = "64",
    recognition: Annotated[str, "sizes of hidden layers of the recognition network (default: none, a linear one)"] = "",
    prior: Annotated[
        str, "distribution of the top layer: factorial, or fvbn (each unit given those before it)"
    ] = "factorial",
    visible: flags.ByColumn = "auto",
    objective: Annotated[str, "rws (reweighted wake-sleep), wake-sleep, nvil, vimco or reinforce"] = "rws",
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
    """Train a sigmoid belief network and its recognition network (section 20.10.1 of the book) by one of the rules for
    discrete latent variables, measure a bound of its held-out log-likelihood, write a report."""
    arguments, objective = dict(locals()), rule_named(objective, samples)
    layers, nets = layer_units(hidden), sizes(recognition)
    return trained_directed(
        "sbn", arguments,
        lambda unit, key, _: HelmholtzMachine(unit, layers, key=key, prior=prior, recognition=nets), objective,
    )  # fmt: skip
