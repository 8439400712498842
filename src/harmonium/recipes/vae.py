"""Train, measure and report a variational auto-encoder."""

from __future__ import annotations

from typing import Annotated

from harmonium.errors import InputError
from harmonium.models import VAE
from harmonium.objectives import ELBO, IWAE
from harmonium.recipes import flags
from harmonium.recipes.directed import sizes, trained_directed
from harmonium.training import Run
from harmonium.units import Gaussian


def vae(
    data: flags.Data = None,
    *,
    binarize: flags.Binarize = None,
    standardize: flags.Standardize = False,
    scale: flags.Scale = None,
    labels: flags.Labels = None,
    latent: Annotated[str, "latent variables; sizes of several layers, from the data upwards, with commas"] = "2",
    hidden: Annotated[str, "sizes of the hidden layers of encoders (of decoders the other way round)"] = "200,200",
    activation: flags.Activation = "tanh",
    visible: flags.ByColumn = "auto",
    rule: Annotated[str, "elbo, or iwae, the importance-weighted bound"] = "elbo",
    samples: Annotated[int, "guesses of the latent variables for each row at each step"] = 1,
    epochs: flags.Epochs = 100,
    batch_size: flags.BatchSize = 50,
    learning_rate: flags.AdamRate = 0.001,
    weight_decay: flags.WeightDecay = 0.0,
    average: flags.Average = None,
    products: flags.Products = "float32",
    seed: flags.Seed = 0,
    out: flags.Out = None,
    resume: flags.Resume = False,
    force: flags.Force = False,
    progress: flags.ShowProgress = False,
) -> Run:
    """A variational auto-encoder: learn by the ELBO or the importance-weighted bound, measure a bound of its held-out
    log-likelihood, write a report."""
    arguments = dict(locals())
    if rule not in ("elbo", "iwae"):
        raise InputError(f"There is no rule '{rule}' for a VAE: choose elbo or iwae.")
    objective = (ELBO if rule == "elbo" else IWAE)(samples)
    layers, nets = [Gaussian(n) for n in sizes(latent)], sizes(hidden)
    return trained_directed(
        "vae", arguments, lambda unit, key: VAE(unit, layers, nets, key=key, activation=activation), objective
    )
