"""scikit-learn's BernoulliRBM: persistent contrastive divergence with one sweep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.neural_network import BernoulliRBM

from benchmarks import inputs


def training(settings: dict[str, Any]) -> Callable[[], object]:
    """One epoch of its `fit`, on float32 rows."""
    x = inputs.rows(settings).astype(np.float32)
    options = {"n_components": settings["hidden"], "batch_size": settings["batch"], "learning_rate": 0.05}
    return lambda: BernoulliRBM(n_iter=1, random_state=0, **options).fit(x)


def free_energy(settings: dict[str, Any]) -> Callable[[], dict[str, float]]:
    """Its private method, for the public one measures a pseudo-likelihood instead."""
    x, arrays = inputs.held_out_rows(settings).astype(np.float32), inputs.weights(settings)
    rbm = BernoulliRBM(n_components=settings["hidden"])
    rbm.components_, rbm.intercept_visible_, rbm.intercept_hidden_ = arrays["W"].T.copy(), arrays["b"], arrays["c"]
    return lambda: {"value": float(rbm._free_energy(x).mean())}
