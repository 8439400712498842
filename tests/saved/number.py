"""A number of a model by which a change of what its file means is noticed."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from harmonium.models import unfold
from harmonium.models.kinds import (
    BELIEF_NET,
    BIDIRECTIONAL,
    CLASSIFIER,
    CONDITIONAL,
    CONDITIONAL_ENERGY,
    ENERGY,
    TRACTABLE,
    is_kind,
)


def number(model: Any) -> float:
    """An energy, or a log-probability, of a configuration that needs no random numbers."""
    zeros = {name: jnp.zeros(unit.size, unit.dtype) for name, unit in model.layers.items()}
    if is_kind(model, ENERGY):
        ones = {name: jax.tree.map(lambda leaf: leaf + 0.5, unit.zeros()) for name, unit in model.layers.items()}
        return float(model.energy(ones))
    if is_kind(model, CLASSIFIER):
        return float(model.log_prob(zeros["v"] + 1)[0])
    if is_kind(model, TRACTABLE):
        return float(model.log_prob(zeros["v"]))
    if is_kind(model, CONDITIONAL):
        return float(model.log_prob_given(zeros["v"]))
    if is_kind(model, CONDITIONAL_ENERGY):
        found = unfold(model, zeros["v"] + jnp.ones((), zeros["v"].dtype))
        machines = [model.given(jax.tree.map(lambda x, i=i: x[i], found.context)) for i in range(len(found.counted))]
        return sum(number(machine) for machine in machines)
    if is_kind(model, BELIEF_NET):
        pushed = [link.natural(jnp.zeros(link.given.size, link.given.dtype)) for link in (*model.down, *model.up)]
        return float(sum(jnp.sum(leaf) for leaf in jax.tree.leaves(pushed))) + number(model.top)
    net = model.net if is_kind(model, BIDIRECTIONAL) else model
    latents = {name: value for name, value in zeros.items() if name != "v"}
    x = zeros["v"]
    return float(net.log_joint(x, latents) + net.log_q(latents, net.encode_features(x)))
