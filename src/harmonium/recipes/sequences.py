"""Train, measure and report networks of sequences."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import equinox as eqx
import jax
import numpy as np
import optax

from harmonium.data import Dataset
from harmonium.errors import InputError
from harmonium.inference.marginals import marginal_bias
from harmonium.inference.placing import placed_unit
from harmonium.models import VariationalRNN
from harmonium.objectives import ELBO
from harmonium.recipes.common import opened, trained
from harmonium.recipes.layers import sizes
from harmonium.recipes.settings import Bounded, command
from harmonium.training import Run, check_data
from harmonium.units import Bernoulli, Frames, Gaussian
from harmonium.units.frames import NO_MEASUREMENT


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
    if settings.standardize:
        raise InputError(
            "Sequences are not standardized here, where absent frames would count as measurements: bring the present "
            "frames to mean 0 and variance 1 before they are saved, and leave --standardize out."
        )
    settings, data = opened(settings)
    model = started(data, latent, hidden, sizes(networks), jax.random.fold_in(jax.random.key(settings.seed), 1))
    check_data(model, data)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), settings.optimizer(data))
    return trained(settings, model, data, ELBO(samples), optimizer)


def started(data: Dataset, latent: int, hidden: int, networks: list[int], key: jax.Array) -> VariationalRNN:
    """The network of the sequences of a data set, its decoder at the marginals of the frames that are there.

    Raises `InputError` for data that are no sequences, or whose absent frames have another mark.

    >>> from harmonium.data import from_arrays
    >>> rolls = from_arrays(np.ones((20, 4, 3)))
    >>> started(rolls, 2, 8, [6], jax.random.key(0)).visible
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
    bias = marginal_bias(unit.unit, frames[(frames != unit.absent).any(axis=1)])
    make = partial(VariationalRNN, unit, Gaussian(latent), hidden, sizes=networks, key=key)
    return make(b=bias) if family is Gaussian else eqx.tree_at(lambda m: m.decoder.b[-1], make(), bias)


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
