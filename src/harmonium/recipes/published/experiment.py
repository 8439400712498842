"""What protocols share: a model trained to its end, or the best one on the way, unmonitored, by batches of 100."""

from __future__ import annotations

from typing import Any

import optax

from harmonium.data import Dataset
from harmonium.objectives import Objective
from harmonium.training import Best, finished, fit

BATCH = 100
PRODUCTS = "bfloat16"  # of the deep protocols, for processors with units for it; elsewhere float32 is faster


def fitted(model: Any, data: Any, rule: Objective, *, batch_size: int = BATCH, **options: Any) -> Any:
    """The trained model; `options` are those of `hm.fit`."""
    return finished(fit(model, data, rule, batch_size=batch_size, monitor=False, **options)).model


def best_of(model: Any, data: Any, rule: Objective, rows: Any, *, every: int = 1, **options: Any) -> Best:
    """The model of the epoch under which validation rows are likeliest, looked at so often."""
    best = Best(rows, every=every)
    fitted(model, data, rule, callbacks=[best], **options)
    return best


def falling(data: Dataset, rate: float, epochs: int) -> optax.GradientTransformation:
    """SGD with a rate that falls linearly to zero."""
    return optax.sgd(optax.linear_schedule(rate, 0.0, epochs * data.steps_per_epoch(BATCH)))
