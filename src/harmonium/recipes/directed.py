"""Train, measure and report directed nets with latent variables: each recipe says its own flags, the net that they
make, and the objective."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated

import equinox as eqx
import jax
from jaxtyping import Array, Key

from harmonium.data import Dataset
from harmonium.errors import InputError
from harmonium.models import DRAW, VAE, BiHM, HelmholtzMachine
from harmonium.nets import ConvDecoder, ConvEncoder
from harmonium.objectives import (
    ELBO,
    IWAE,
    NVIL,
    REINFORCE,
    VIMCO,
    Bidirectional,
    Objective,
    ReweightedWakeSleep,
    WakeSleep,
)
from harmonium.recipes import flags
from harmonium.recipes.layers import layer_units, sizes
from harmonium.recipes.networks import Network, network
from harmonium.recipes.settings import Bounded, command
from harmonium.units import Gaussian, Unit

RULES: dict[str, Callable[[int], Objective]] = {
    "rws": ReweightedWakeSleep,
    "wake-sleep": WakeSleep,
    "nvil": NVIL,
    "vimco": VIMCO,
    "reinforce": REINFORCE,
}


@command(Bounded, network)
def sbn(
    *,
    hidden: flags.Layers = "64",
    recognition: Annotated[str, "sizes of hidden layers of the recognition network (default: none, a linear one)"] = "",
    prior: Annotated[
        str, "distribution of the top layer: factorial, or fvbn (each unit given those before it)"
    ] = "factorial",
    objective: Annotated[str, "rws (reweighted wake-sleep), wake-sleep, nvil, vimco or reinforce"] = "rws",
    samples: Annotated[int, "samples of the hidden units per row and step"] = 10,
) -> Network:
    """Train a sigmoid belief network and its recognition network (section 20.10.1 of the book) by one of the rules for
    discrete latent variables, measure a bound of its held-out log-likelihood, write a report."""
    rule, layers, nets = rule_named(objective, samples), layer_units(hidden), sizes(recognition)
    return Network(lambda unit, key, _: HelmholtzMachine(unit, layers, key=key, prior=prior, recognition=nets), rule)


@command(Bounded, network)
def bihm(
    *,
    hidden: flags.Layers = "64,32",
    samples: Annotated[int, "samples of the hidden units per row and step"] = 10,
) -> Network:
    """Train a bidirectional Helmholtz machine (section 20.10.1 of the book), two nets that must agree, measure a
    bound of its held-out log-likelihood, write a report."""
    layers = layer_units(hidden)
    return Network(lambda unit, key, _: BiHM(unit, layers, key=key), Bidirectional(samples))


@command(Bounded, network, learning_rate=0.001)
def vae(
    *,
    latent: Annotated[str, "latent variables; sizes of several layers, from the data upwards, with commas"] = "2",
    hidden: Annotated[str, "sizes of the hidden layers of encoders (of decoders the other way round)"] = "200,200",
    convolution: Annotated[
        str,
        "channels of convolutions between pictures and the lowest latent layer, such as 16,32, not --hidden",
    ] = "",
    activation: flags.Activation = "tanh",
    objective: Annotated[str, "elbo, or iwae, the importance-weighted bound"] = "elbo",
    samples: Annotated[
        int | None, "samples of the latent variables per row and step (default: 1 of elbo, 50 of iwae)"
    ] = None,
) -> Network:
    """Train a variational auto-encoder (section 20.10.3 of the book) by the ELBO or the importance-weighted bound,
    measure a bound of its held-out log-likelihood, write a report."""
    if objective not in ("elbo", "iwae"):
        raise InputError(f"There is no objective '{objective}' for a VAE: choose elbo or iwae.")
    kind = ELBO if objective == "elbo" else IWAE  # of one sample the two are the same
    layers, nets, channels = [Gaussian(n) for n in sizes(latent)], sizes(hidden), sizes(convolution)

    def make(unit: Unit, key: Key[Array, ""], data: Dataset) -> VAE:
        own = _convolutions(unit, layers[0], data.image_shape, channels, key, activation) if channels else {}
        return VAE(unit, layers, nets, key=key, activation=activation, **own)

    return Network(make, kind() if samples is None else kind(samples))


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


@command(Bounded, network)
def draw(
    *,
    latent: Annotated[int, "latent variables of each step"] = 5,
    hidden: Annotated[int, "units of the encoder's and of the decoder's memory"] = 64,
    steps: Annotated[int, "steps of painting"] = 6,
    attention: Annotated[str, "sides of the grids that read and write, such as 2,5 (default: no attention)"] = "",
    samples: Annotated[int, "samples of the latent variables per row and step"] = 1,
) -> Network:
    """Train DRAW (section 20.10.3 of the book), an auto-encoder whose decoder paints on a canvas in steps, with or
    without attention, measure a bound of its held-out log-likelihood, write a report."""
    grids = tuple(sizes(attention)) or None

    def make(unit: Unit, key: Key[Array, ""], data: Dataset) -> DRAW:
        if grids and data.image_shape is None:
            raise InputError("Attention moves over a picture, and these rows are none: leave --attention out.")
        options = {"attention": grids, "image_shape": data.image_shape} if grids else {}
        return DRAW(unit, Gaussian(latent), hidden=hidden, steps=steps, key=key, **options)

    return Network(make, ELBO(samples))


def rule_named(name: str, samples: int) -> Objective:
    """The rule of a belief net by its name. Raises `InputError` for another.

    >>> rule_named("nvil", 2).samples
    2
    """
    if name not in RULES:
        raise InputError(f"There is no rule '{name}' for belief nets: choose one of {', '.join(RULES)}.")
    return RULES[name](samples)
