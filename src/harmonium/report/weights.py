"""The weights of a model that are looked at as filters: those next to the data."""

from __future__ import annotations

from typing import Any

import numpy as np

from harmonium.models import (
    DBM,
    DBN,
    FVBN,
    MADE,
    NADE,
    RBM,
    RNADE,
    BoltzmannMachine,
    HierarchicalLatentModel,
    Link,
    NetLink,
)
from harmonium.models.autoregressive.order import earlier
from harmonium.models.kinds import BIDIRECTIONAL, CLASSIFIER, ORDERLESS, is_kind
from harmonium.nets import MLP
from harmonium.units import Gaussian


def lowest_weights(model: Any) -> np.ndarray | None:
    """Weights `[visible.width, hidden.width]` between the data and the hidden layer next to it; of an FVBN those
    that act on each variable, a column for each; of a decoder those of its last layer. None where there are none.

    >>> import harmonium as hm, jax
    >>> lowest_weights(hm.RBM(hm.units.Bernoulli(4), hm.units.Bernoulli(2), key=jax.random.key(0))).shape
    (4, 2)
    """
    if is_kind(model, BIDIRECTIONAL):
        model = model.net
    if isinstance(model, HierarchicalLatentModel):
        model = model.down[0] if model.down else model.prior
    if isinstance(model, NetLink):
        return _of_decoder(model)
    if isinstance(model, DBN):
        model = model.down[0] if model.down else model.top
    if isinstance(model, DBM):
        return np.asarray(model.W[0], float)
    if is_kind(model, CLASSIFIER):
        return np.asarray(model.net.W[0], float)
    if isinstance(model, BoltzmannMachine) and model.hidden is not None:
        return np.asarray(model.U[: model.visible.width, model.visible.width :], float)
    if isinstance(model, MADE):
        return np.where(model.masks[0], np.asarray(model.W[0], float), 0)
    if is_kind(model, ORDERLESS):
        return np.asarray(model.W[0], float)
    if isinstance(model, FVBN):
        return np.where(earlier(model.visible, model.order), np.asarray(model.W, float), 0).T
    return np.asarray(model.W, float) if isinstance(model, RBM | Link | NADE | RNADE) else None


def _of_decoder(link: NetLink) -> np.ndarray | None:
    """The last weights of a multilayer perceptron; of real units those of the means."""
    if not isinstance(link.net, MLP):
        return None
    weights, unit = np.asarray(link.net.W[-1], float).T, link.unit
    if isinstance(unit, Gaussian):
        return weights.reshape(unit.size, 2, -1)[:, 0]
    return weights if unit.num_outputs == unit.width else None
