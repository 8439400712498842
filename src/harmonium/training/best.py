"""Early stopping: the model of the epoch that held-out rows speak for, and not that of the last."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jaxtyping import Array

from harmonium.errors import InputError
from harmonium.evaluation import log_probs
from harmonium.models import TractableModel, require_model
from harmonium.training.callbacks import Progress


class Best:
    """A callback of `hm.fit` that keeps the model under which held-out rows are likeliest (book, section 7.8).

    Arguments: `rows` `[n, size]`, of the validation split; `every`, epochs between two looks at them. Attributes:
    `model`, the best one so far (None before the first look); `value`, its mean log-likelihood of the rows in nats;
    `epoch`, when that was. Raises `InputError` for no rows, `every` below 1, or, at the first look, a model that does
    not say its likelihood exactly.

    >>> import harmonium as hm, jax
    >>> best = Best(np.eye(4)); run = hm.fit(
    ...     hm.FVBN(hm.units.Bernoulli(4)), np.eye(4), hm.objectives.MaximumLikelihood(), epochs=3, batch_size=4,
    ...     key=jax.random.key(0), callbacks=[best])
    >>> best.epoch
    3.0
    """

    def __init__(self, rows: Array | np.ndarray, *, every: int = 1) -> None:
        if np.ndim(rows) != 2 or len(rows) == 0:
            raise InputError("The best model is chosen by held-out rows [n, size]: give at least one.")
        if every < 1:
            raise InputError(f"Held-out rows are looked at every so many epochs, at least one, not every={every}.")
        self._rows, self._every, self._looks = rows, every, 0
        self.model: Any = None
        self.value, self.epoch = -math.inf, 0.0

    def __call__(self, progress: Progress) -> None:
        """Look at the rows, and keep the model if it is the best so far."""
        self._looks += 1
        if self._looks % self._every and progress.step < progress.steps:
            return
        require_model("Best", progress.model, TractableModel)
        value = float(log_probs(progress.model, self._rows).mean())
        if value > self.value:
            self.model, self.value, self.epoch = progress.model, value, progress.epoch
