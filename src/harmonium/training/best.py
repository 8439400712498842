"""Early stopping: the model of the epoch that held-out rows speak for, and not that of the last."""

from __future__ import annotations

import math
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Key

from harmonium.compiling import jit_entry
from harmonium.errors import InputError, whole
from harmonium.evaluation import log_probs, rows_of
from harmonium.evaluation.annealed_contexts import short_estimate
from harmonium.inference.placing import log_scale_of
from harmonium.models import BiHM, ConditionalEnergyModel, LatentModel, TractableModel
from harmonium.models.kinds import BIDIRECTIONAL, CONDITIONAL_ENERGY, LATENT, TRACTABLE
from harmonium.models.verb import verb
from harmonium.rng import fast_key
from harmonium.training.callbacks import Progress
from harmonium.training.monitor import mean_bound

ROWS = 100  # rows of a directed net that are bounded at a time
GUESSES = 50  # for each of them, at most
NUMBERS = 2**22  # of visible units of all of these, at most


class Best:
    """A callback of `hm.fit` that keeps the model under which held-out rows are likeliest (book, section 7.8); of a
    directed net the one whose bound of them is highest, by the same samples at every look (50 for each row, fewer of
    large ones); of a machine given a context the one whose likelihood is highest as a short annealing estimates it, by
    the same random numbers at every look.

    Arguments: `rows` `[n, size]`, of the validation split; `every`, epochs between two looks at them. Attributes:
    `model`, the best one so far (None before the first look); `value`, its mean log-likelihood of the rows in nats;
    `epoch`, when that was; `values`, of all looks. Raises `InputError` for no rows, `every` below 1, or, at the first
    look, a model that neither says its likelihood exactly nor bounds it by samples, or rows that are no values of its
    units.

    >>> import harmonium as hm, jax
    >>> best = Best(np.eye(4)); run = hm.fit(
    ...     hm.FVBN(hm.units.Bernoulli(4)), np.eye(4), hm.objectives.MaximumLikelihood(), epochs=3, batch_size=4,
    ...     key=jax.random.key(0), callbacks=[best])
    >>> best.epoch
    3.0
    """

    def __init__(self, rows: Array | np.ndarray, *, every: int = 1) -> None:
        if np.ndim(rows) != 2 or len(rows) == 0:
            raise InputError(
                f"Held-out rows [n, size] choose the model, not an array {list(np.shape(rows))}: give at least one."
            )
        if not whole(every):
            raise InputError(f"Held-out rows are looked at every so many epochs, one or more, not every={every}.")
        self._rows, self._every, self._looks = rows, every, 0
        self.model: Any = None
        self.value, self.epoch = -math.inf, 0.0
        self.values: list[float] = []

    def __call__(self, progress: Progress) -> None:
        """Look at the rows, and keep the model if it is the best so far."""
        self._looks += 1
        if self._looks % self._every and progress.step < progress.steps:
            return
        held_out_value.dispatch(progress.model)
        if self.model is None:
            self._rows = rows_of(progress.model, self._rows)
        value = held_out_value(progress.model, self._rows)
        self.values.append(value)
        if value > self.value:
            self.model, self.value, self.epoch = progress.model, value, progress.epoch


@verb("Best")
def held_out_value(row: Any, model: Any, rows: Array | np.ndarray) -> float:
    """The mean log-likelihood of rows `[n, size]`, or of a directed net its bound, in nats.

    >>> import harmonium as hm
    >>> round(held_out_value(hm.FVBN(hm.units.Bernoulli(2)), np.ones((3, 2))), 4)            # -2 log 2
    -1.3863
    """
    return row(model, rows) - float(np.mean(log_scale_of(model, np.asarray(rows))))


@held_out_value.register(TRACTABLE)
def _exact(model: TractableModel, rows: Array | np.ndarray) -> float:
    return float(log_probs(model, rows).mean())


@held_out_value.register(LATENT, BIDIRECTIONAL)
def _bounded(model: LatentModel | BiHM, rows: Array | np.ndarray) -> float:
    blocks = [model.layers["v"].from_data(rows[i : i + ROWS]) for i in range(0, len(rows), ROWS)]
    key = fast_key(jax.random.key(0))  # the same samples at every look
    return sum(float(_bound(model, key, block)) * len(block) for block in blocks) / len(rows)


@jit_entry
def _bound(model: LatentModel | BiHM, key: Key[Array, ""], rows: Array) -> Array:
    return mean_bound(model, key, rows, max(1, min(GUESSES, NUMBERS // rows.size)))


@held_out_value.register(CONDITIONAL_ENERGY)
def _annealed(model: ConditionalEnergyModel, rows: Array | np.ndarray) -> float:
    return short_estimate(model, np.asarray(rows), fast_key(jax.random.key(0)))
