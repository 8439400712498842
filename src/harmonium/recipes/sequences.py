"""Train, measure and report networks of sequences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import equinox as eqx
import jax
import numpy as np
import optax
from jaxtyping import PyTree

from harmonium.data import Dataset
from harmonium.errors import InputError
from harmonium.inference.marginals import marginal_bias
from harmonium.inference.placing import placed_unit
from harmonium.models import RNNRBM, RTRBM, ConditionalEnergyModel, ConditionalRBM, VariationalRNN, weights
from harmonium.objectives import CD, ELBO
from harmonium.recipes import flags
from harmonium.recipes.common import opened, trained
from harmonium.recipes.layers import sizes
from harmonium.recipes.settings import Annealing, Bounded, command
from harmonium.training import Run, check_data
from harmonium.units import Bernoulli, Frames, Gaussian
from harmonium.units.frames import NO_MEASUREMENT

CLIP = 1.0  # norm of the gradient


@dataclass(frozen=True, kw_only=True)
class Decoupled(Annealing):
    """The flags of Adam with decoupled weight decay, whose gradients are clipped, and of annealing at the end."""

    learning_rate: flags.AdamRate = 0.002
    weight_decay: Annotated[float, "decoupled decay of the weights, times the learning rate (AdamW)"] = 0.1

    def optimizer(self, data: Dataset) -> optax.GradientTransformation:
        """The optimizer of a run on these data."""
        return decoupled(self.learning_rate, self.steps(data), self.weight_decay)


def decoupled(learning_rate: float, steps: int, weight_decay: float) -> optax.GradientTransformation:
    """Adam along a cosine to zero, with weight decay that is no part of its gradient (Loshchilov & Hutter 2019)."""
    if not (0 < learning_rate < np.inf and 0 <= weight_decay < np.inf):
        raise InputError(
            f"Gradient steps take a positive learning rate and a weight decay from 0, not {learning_rate:g} and "
            f"{weight_decay:g}."
        )
    rates = optax.cosine_decay_schedule(learning_rate, steps)
    adam = optax.adamw(rates, weight_decay=weight_decay, mask=weights)
    return optax.chain(optax.clip_by_global_norm(CLIP), adam)


@command(Bounded, without=("visible",), data="jsb", epochs=30, batch_size=8, learning_rate=0.004, estimate_samples=100)
def vrnn(
    settings: Bounded,
    *,
    latent: Annotated[int, "latent variables of each frame"] = 16,
    hidden: Annotated[int, "units of the recurrent state"] = 200,
    networks: Annotated[str, "sizes of the hidden layers of prior, encoder and decoder"] = "100",
    samples: Annotated[int, "samples of the latent variables per sequence and step"] = 1,
) -> Run:
    """Train a variational recurrent network (section 20.10.3 of the book) on sequences, such as piano rolls (`jsb`), a
    .mat file of cells [length, width], a .npz file of frames with the lengths of the sequences, or a .npy file [n,
    frames, width] whose absent frames are -1 in every entry (-2^100 among real values), by the evidence lower bound,
    measure a bound of the held-out sequences, write a report."""
    settings, data = opened_sequences(settings)
    model = started(data, latent, hidden, sizes(networks), jax.random.fold_in(jax.random.key(settings.seed), 1))
    check_data(model, data)
    optimizer = optax.chain(optax.clip_by_global_norm(CLIP), settings.optimizer(data))
    return trained(settings, model, data, ELBO(samples), optimizer)


def opened_sequences(settings: Any) -> tuple[Any, Dataset]:
    """The sequences that settings name. Raises `InputError` where they are to be standardized."""
    if settings.standardize:
        raise InputError(
            "Sequences are not standardized here, where absent frames would count as measurements: bring the present "
            "frames to mean 0 and variance 1 before they are saved, and leave --standardize out."
        )
    return opened(settings)


def started(data: Dataset, latent: int, hidden: int, networks: list[int], key: jax.Array) -> VariationalRNN:
    """The network of the sequences of a data set, its decoder at the marginals of the frames that are there.

    >>> from harmonium.data import from_arrays
    >>> rolls = from_arrays(np.ones((20, 4, 3)))
    >>> started(rolls, 2, 8, [6], jax.random.key(0)).visible
    Frames(unit=Bernoulli(size=3), frames=4)
    """
    unit, bias = frames_of(data)
    make = partial(VariationalRNN, unit, Gaussian(latent), hidden, sizes=networks, key=key)
    return make(b=bias) if unit.unit.states is None else eqx.tree_at(lambda m: m.decoder.b[-1], make(), bias)


def frames_of(data: Dataset) -> tuple[Frames, PyTree]:
    """The units of the sequences of a data set, and the bias of a frame at the marginals of those that are there.

    Raises `InputError` for data that are no sequences, or whose absent frames have another mark.

    >>> from harmonium.data import from_arrays
    >>> frames_of(from_arrays(np.ones((20, 4, 3))))[0]
    Frames(unit=Bernoulli(size=3), frames=4)
    """
    shape = data.image_shape
    if shape is None or len(shape) != 2:
        raise InputError(
            f"'{data.name}' holds no sequences: give a .mat file of cells [length, width], a .npz file of frames with "
            "the lengths of the sequences, a .npy file [n, frames, width] whose absent frames are -1 in every entry "
            "(-2^100 among real values), or the name of piano rolls, jsb."
        )
    family = Gaussian if data.space.support == "real" else Bernoulli
    unit = placed_unit(Frames(family(shape[1]), shape[0]), data)
    rows = np.asarray(data.train)
    unit.check(rows)
    refuse_other_marks(data, unit)
    frames = rows.reshape(-1, shape[1])
    return unit, marginal_bias(unit.unit, frames[(frames != unit.absent).any(axis=1)])


def machine(settings: Decoupled, asked: tuple[Callable[..., ConditionalEnergyModel], CD]) -> Run:
    """The run of a machine that is made of the units of sequences, its visible biases at the marginals of frames."""
    make, rule = asked
    settings, data = opened_sequences(settings)
    unit, bias = frames_of(data)
    model = make(unit, key=jax.random.fold_in(jax.random.key(settings.seed), 1))
    model = eqx.tree_at(lambda m: m.rbm.b, model, bias)
    check_data(model, data)
    return trained(settings, model, data, rule, settings.optimizer(data))


of_sequences = command(
    Decoupled, machine, without=("visible",), data="jsb", epochs=60, batch_size=8, ais_chains=20, temperatures=200
)


@of_sequences
def rnnrbm(
    *,
    hidden: Annotated[int, "hidden units of each frame"] = 150,
    recurrent: Annotated[int, "recurrent units"] = 100,
    cell: Annotated[str, "recurrent units: tanh, gru or lstm"] = "tanh",
    rank: Annotated[int, "rank of a change of the weights with the context (0: none)"] = 0,
    steps: flags.Steps = 10,
) -> tuple[Callable[..., ConditionalEnergyModel], CD]:
    """Train an RNN-RBM (section 20.7 of the book) on sequences, such as piano rolls (`jsb`), by contrastive divergence
    in each frame, measure the held-out sequences from both sides, write a report."""
    return lambda unit, key: RNNRBM(unit, Bernoulli(hidden), recurrent, cell=cell, rank=rank, key=key), CD(steps)


@of_sequences
def rtrbm(
    *, hidden: Annotated[int, "hidden units of each frame"] = 150, steps: flags.Steps = 10
) -> tuple[Callable[..., ConditionalEnergyModel], CD]:
    """Train a recurrent temporal RBM (section 20.7 of the book) on sequences, by contrastive divergence in each frame,
    measure the held-out sequences from both sides, write a report."""
    return lambda unit, key: RTRBM(unit, Bernoulli(hidden), key=key), CD(steps)


@of_sequences
def crbm(
    *,
    hidden: Annotated[int, "hidden units of each frame"] = 100,
    order: Annotated[int, "how many frames a frame depends on"] = 3,
    steps: flags.Steps = 1,
) -> tuple[Callable[..., ConditionalEnergyModel], CD]:
    """Train a conditional RBM (section 20.7 of the book) on sequences, whose biases depend on the last frames, by
    contrastive divergence, measure the held-out sequences from both sides, write a report."""
    return lambda unit, key: ConditionalRBM(unit, Bernoulli(hidden), order=order, key=key), CD(steps)


def refuse_other_marks(data: Dataset, unit: Frames) -> None:
    """Refuse sequences of real values that end in frames with a mark of absence that is not theirs: these would count
    as measurements, and nothing would tell.

    >>> from harmonium.data import from_arrays
    >>> padded = from_arrays(np.array([[[0.5, 2.5], [-1, -1]]]), name="x.npy")
    >>> refuse_other_marks(padded, Frames(Gaussian(2), 2))
    Traceback (most recent call last):
    harmonium.errors.InputError: Row 0 of the train rows of 'x.npy' ends in a frame of -1 in every entry, which would...
    """
    divisor = 1.0 if data.affine is None or np.ndim(data.affine[1]) else float(data.affine[1])
    marks = [mark for mark in (-1.0, NO_MEASUREMENT) if mark / divisor != unit.absent]
    cure = "absent frames of real values are -2.0**100 in every entry"
    if divisor != 1:
        cure = "divide the present frames alone before they are saved, and leave --scale out"
    elif unit.unit.size == 1:
        marks = []  # a single -1 may well be a measurement
    for split in ("train", "valid", "test") if isinstance(unit.unit, Gaussian) else ():
        rows = getattr(data, split)
        last = np.zeros((0, 1)) if rows is None else np.asarray(rows)[:, -unit.unit.size :]
        for mark in marks:
            found = np.isclose(last, mark / divisor, rtol=1e-5, atol=0).all(axis=1)
            if found.any():
                raise InputError(
                    f"Row {int(np.argmax(found))} of the {split} rows of '{data.name}' ends in a frame of "
                    f"{mark / divisor:g} in every entry, which would count as a measurement: {cure}."
                )
