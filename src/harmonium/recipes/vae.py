"""Train, measure and report a variational auto-encoder."""

from __future__ import annotations

import math
from typing import Annotated

import equinox as eqx
import jax
from jaxtyping import Array, Key

from harmonium.errors import InputError
from harmonium.models import VAE
from harmonium.nets import ConvDecoder, ConvEncoder
from harmonium.objectives import ELBO, IWAE
from harmonium.recipes import flags
from harmonium.recipes.directed import sizes, trained_directed
from harmonium.training import Run
from harmonium.units import Gaussian, Unit


def vae(
    data: flags.Data = None,
    *,
    binarize: flags.Binarize = None,
    standardize: flags.Standardize = False,
    scale: flags.Scale = None,
    labels: flags.Labels = None,
    latent: Annotated[str, "latent variables; sizes of several layers, from the data upwards, with commas"] = "2",
    hidden: Annotated[str, "sizes of the hidden layers of encoders (of decoders the other way round)"] = "200,200",
    convolution: Annotated[
        str,
        "channels of convolutions between pictures and the lowest latent layer, such as 16,32, not --hidden",
    ] = "",
    activation: flags.Activation = "tanh",
    visible: flags.ByColumn = "auto",
    objective: Annotated[str, "elbo, or iwae, the importance-weighted bound"] = "elbo",
    samples: Annotated[
        int | None, "samples of the latent variables per row and step (default: 1 of elbo, 50 of iwae)"
    ] = None,
    epochs: flags.Epochs = 100,
    batch_size: flags.BatchSize = 50,
    learning_rate: flags.AdamRate = 0.001,
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
    """Train a variational auto-encoder (section 20.10.3 of the book) by the ELBO or the importance-weighted bound,
    measure a bound of its held-out log-likelihood, write a report."""
    arguments = dict(locals())
    if objective not in ("elbo", "iwae"):
        raise InputError(f"There is no objective '{objective}' for a VAE: choose elbo or iwae.")
    kind = ELBO if objective == "elbo" else IWAE  # of one sample the two are the same
    objective = kind() if samples is None else kind(samples)
    layers, nets, channels = [Gaussian(n) for n in sizes(latent)], sizes(hidden), sizes(convolution)

    def make(unit: Unit, key: Key[Array, ""], shape: tuple[int, ...] | None) -> VAE:
        own = _convolutions(unit, layers[0], shape, channels, key, activation) if channels else {}
        return VAE(unit, layers, nets, key=key, activation=activation, **own)

    return trained_directed("vae", arguments, make, objective)


def _convolutions(
    unit: Unit, latent: Unit, shape: tuple[int, ...] | None, channels: list[int], key: Key[Array, ""], activation: str
) -> dict[str, eqx.Module]:
    """A convolutional encoder and decoder between the visible units and the lowest latent layer."""
    if shape is None or math.prod(shape) != unit.width:
        raise InputError("Convolutions need pictures of one number a pixel: leave --convolution out for a table.")
    first, second = jax.random.split(jax.random.fold_in(key, 1))
    each = unit.num_outputs // unit.size
    return {
        "encoder": ConvEncoder(shape, channels, latent.num_outputs, key=first, activation=activation),
        "decoder": ConvDecoder(latent.width, shape, channels[::-1], key=second, each=each, activation=activation),
    }
