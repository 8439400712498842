"""What training refuses before any work is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, PyTree

from harmonium.data import Dataset
from harmonium.data.storage import blocks
from harmonium.errors import InputError, shown, warn
from harmonium.inference import marginal_natural, mean_stats, require_linear
from harmonium.matmul import check_matmul_precision
from harmonium.models import BiasedModel
from harmonium.models.kinds import require_sound
from harmonium.objectives import Objective
from harmonium.objectives.objective import require
from harmonium.rng import check_key
from harmonium.training.folder import RunFolder
from harmonium.units import Columns, Frames, Unit, inner

MARGINAL_ROWS = 1000  # training rows, at most, whose marginals are looked at
FAR = 10.0  # nats an example between the neutral member and the marginals, from which the start matters


@runtime_checkable
class Optimizer(Protocol):
    """What Optax's gradient transformations are."""

    def init(self, params: PyTree) -> PyTree:
        """The state before the first step."""

    def update(self, updates: PyTree, state: PyTree, params: PyTree) -> tuple[PyTree, PyTree]:
        """Steps for a gradient, and the next state."""


def check_parts(model: Any, objective: Any, optimizer: Any, key: Any) -> None:
    """Refuse what is no model, objective, optimizer or key, an energy that is none, an objective for other kinds."""
    if not isinstance(model, eqx.Module):
        raise InputError(f"Training takes a model, such as an hm.RBM, not {shown(model)}: make one and pass it.")
    require_sound(model)
    require_linear(model)
    if not isinstance(objective, Objective):
        raise InputError(
            f"An objective is an object, such as hm.objectives.CD(), not {shown(objective)}: make one and pass it."
        )
    require(objective, model)
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        raise InputError(
            f"An optimizer is one of Optax's, such as optax.adam(1e-3), not {shown(optimizer)}: make one and pass it."
        )
    check_key(key)


def check_settings(
    epochs: int, average: float | None, matmul_precision: str, *, out: str | Path | None = None, resume: bool = False,
    force: bool = False,
) -> None:  # fmt: skip
    """Refuse settings of a run, or a folder in use, before any work is done.

    >>> check_settings(0, None, "float32")
    Traceback (most recent call last):
    harmonium.errors.InputError: Training takes at least one epoch, in whole numbers, not epochs=0.
    """
    if not isinstance(epochs, int | np.integer) or epochs < 1:
        raise InputError(f"Training takes at least one epoch, in whole numbers, not epochs={epochs}.")
    if average is not None and not (isinstance(average, float | int) and 0 <= average < 1):
        raise InputError(f"The decay of an average lies from 0 to below 1, such as 0.999, not average={average}.")
    check_matmul_precision(matmul_precision)
    if out is not None and not resume:
        RunFolder(out).refuse_occupied(force)


def check_data(model: Any, data: Dataset) -> None:
    """Refuse data that does not fit the visible units, or labels outside the classes, before any work is done.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(4), hidden=hm.units.Bernoulli(2), key=jax.random.key(0))
    >>> check_data(rbm, hm.data.from_arrays(np.eye(3)))
    Traceback (most recent call last):
    harmonium.errors.InputError: The model has 4 visible units, but ... has 3 columns: ...
    """
    unit = model.layers["v"]
    if data.train.shape[1] != unit.size:
        raise InputError(
            f"The model has {unit.size} visible units, but '{data.name}' has {data.train.shape[1]} columns: "
            f"make the model with {data.train.shape[1]} visible units or choose the columns."
        )
    expectation = data.binarization in ("dynamic", "probabilities")
    for rows, as_shown in ((data.train, data.shown), (data.valid, np.asarray)):
        for _, block in () if rows is None else blocks(rows):
            unit.check(as_shown(block), expectation=expectation)
    if isinstance(unit, Columns | Frames) and data.test is not None:
        check_unseen(unit, data)
    if "y" in model.layers:
        check_classes(model.layers["y"], data)


def check_unseen(unit: Unit, data: Dataset) -> None:
    """Refuse test rows that a table's units do not take, such as a category that no training row has, before training.

    >>> import harmonium as hm
    >>> check_unseen(hm.units.Categorical(1, states=2), hm.data.from_arrays([[0], [1]], test=[[2]], name="t.csv"))
    Traceback (most recent call last):
    harmonium.errors.InputError: The test rows of 't.csv' do not fit the training rows: Categorical units with 2 ...
    """
    try:
        for _, block in blocks(data.test):
            unit.check(block)
    except InputError as error:
        raise InputError(f"The test rows of '{data.name}' do not fit the training rows: {error}") from error


def check_classes(unit: Unit, data: Dataset) -> None:
    """Refuse labels, of any split, that are no state of the units that a model has for them.

    >>> import harmonium as hm
    >>> check_classes(hm.units.Categorical(1, states=2), hm.data.from_arrays(np.eye(2), labels=[1, 2]))
    Traceback (most recent call last):
    harmonium.errors.InputError: The train labels of 'array' do not fit the model's layer y: Categorical units with ...
    """
    for split in ("train", "valid", "test"):
        labels = getattr(data, f"{split}_labels")
        try:
            unit.check(np.zeros((0, 1), int) if labels is None else np.asarray(labels)[:, None])
        except InputError as error:
            raise InputError(f"The {split} labels of {data.name!r} do not fit the model's layer y: {error}") from error


def warn_start(model: Any, data: Dataset) -> None:
    """Warn of a machine whose visible biases are neutral where the data's marginals are far from that.

    Its weights then learn what biases say better: with 20 hidden units on MNIST, ten epochs by Adam end at -205.9 nats,
    where independent units are, and at -156.0 started at the marginals.

    >>> import harmonium as hm, jax, warnings
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(64), hidden=hm.units.Bernoulli(2), key=jax.random.key(0))
    >>> with warnings.catch_warnings(record=True, action="always") as told:
    ...     warn_start(rbm, hm.data.from_arrays(np.eye(64)))
    >>> str(told[0].message)
    "The visible biases of this RBM are neutral, and 'array' is 39 nats an example likelier at its own marginals: ..."
    """
    if not isinstance(model, BiasedModel):
        return
    unit = model.layers["v"]
    pairs = zip(jax.tree.leaves(unit.bias(unit.neutral_natural())), jax.tree.leaves(model.biases["v"]), strict=True)
    if any(not np.array_equal(a, b) for a, b in pairs):
        return
    gain = float(_gain_at_marginals(unit, unit.from_data(data.shown(data.train[:MARGINAL_ROWS]))))
    if gain > FAR:
        warn(
            f"The visible biases of this {type(model).__name__} are neutral, and '{data.name}' is {gain:.0f} nats an "
            "example likelier at its own marginals: start there with model = hm.at_marginals(model, data.train), "
            "before hm.Centred where that is used, or training ends far below what it could reach.",
        )


@eqx.filter_jit
def _gain_at_marginals(unit: Unit, rows: Array) -> Float[Array, ""]:
    """How much likelier a row is under independent units at the marginals than under neutral ones, in nats."""
    mean, neutral = mean_stats(unit, rows), unit.neutral_natural()
    eta = marginal_natural(unit, mean, len(rows))
    return inner(eta, mean) - unit.log_partition(eta) - inner(neutral, mean) + unit.log_partition(neutral)
