"""The mean-field bound of sigmoid belief nets, of every row of data."""

from __future__ import annotations

import time
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Key

from harmonium.compiling import jit_entry
from harmonium.data import space_of
from harmonium.evaluation.estimate import Estimate, mean_estimate
from harmonium.inference.belief_net_mean_field import belief_mean_field, check_saul
from harmonium.models import HierarchicalLatentModel

METHOD = "mean-field bound (Saul, Jaakkola & Jordan)"
ROWS = 25  # rows that settle at a time


def mean_field_bound(net: Any, rows: np.ndarray, *, key: Key[Array, ""] | None = None) -> Estimate:
    """A sure lower bound of `log p(v)` of each row `[n, size]`, and its mean, in nats, by `belief_mean_field`.

    (Saul, Jaakkola & Jordan, JAIR 4, 1996; book, section 20.10.1.) Nothing in it is random: `key` is not used.
    Raises `InputError` for anything but a belief net of Bernoulli units with a factorial prior.

    >>> import harmonium as hm
    >>> net = hm.SigmoidBeliefNet(hm.units.Bernoulli(6), [hm.units.Bernoulli(2)], key=jax.random.key(0), scale=0.0)
    >>> found = mean_field_bound(net, np.ones((3, 6))); found.kind, found.sure, round(found.value, 4)     # -6 log 2
    ('lower', True, -4.1589)
    """
    check_saul(net)
    clock, together = time.perf_counter(), min(len(rows), ROWS)
    parts = []
    for i in range(0, len(rows), together):
        padded = np.minimum(np.arange(i, i + together), len(rows) - 1)  # one shape is compiled once
        bounds = _bounds(net, net.layers["v"].from_data(np.asarray(rows)[padded]))
        parts.append(np.asarray(bounds, np.float64)[: len(rows) - i])
    values = np.concatenate(parts)
    finite = "trust" if np.isfinite(values).all() else "do not report: the bound is not finite"
    settings = {"seconds": round(time.perf_counter() - clock, 2)}
    return mean_estimate(values, "lower", METHOD, settings, space_of(rows), sure=True, verdict=finite)


@jit_entry
def _bounds(net: HierarchicalLatentModel, rows: Array) -> Float[Array, "n"]:
    return jax.vmap(lambda v: belief_mean_field(net, v)[1])(rows)
