"""A rule for energy models, applied to the machine of each context (section 20.7)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from harmonium.models import ConditionalEnergyModel, unfold
from harmonium.objectives.objective import Batch, Metrics, Objective, StepMemory, rows_only


def in_contexts(
    rule: Objective, model: ConditionalEnergyModel, batch: Batch, key: Key[Array, ""]
) -> tuple[Float[Array, ""], tuple[StepMemory, Metrics]]:
    """The loss of a rule that remembers nothing, summed over the values of each row: `sum_t L(machine_t, v_t)`.

    The rule holds constant what it holds of any machine: its samples, which it draws with the context held, too. The
    context itself is not held in the loss, so that the gradient runs back through all values before it. Contexts are
    those of the data in both phases. Metrics are means over the values that are counted.

    >>> import harmonium as hm
    >>> model = hm.RTRBM(hm.units.Frames(hm.units.Bernoulli(2), 3), hm.units.Bernoulli(4), key=jax.random.key(0))
    >>> loss, _ = in_contexts(hm.objectives.CD(), model, jnp.ones((5, 6)), jax.random.key(1))
    """
    rows = rows_only(rule, batch)
    found = jax.vmap(lambda row: unfold(model, row))(rows)
    flat = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), found)
    keys = jax.random.split(key, len(flat.counted))

    def one(key, context, value):
        loss, (_, metrics) = rule(model.given(context), value[None], key, StepMemory())
        return loss, metrics

    losses, metrics = jax.vmap(one)(keys, flat.context, flat.values)
    counted = jnp.maximum(jnp.sum(flat.counted), 1)
    metrics = jax.tree.map(lambda leaf: jnp.sum(jnp.where(flat.counted, leaf, 0.0)) / counted, metrics)
    return jnp.sum(jnp.where(flat.counted, losses, 0.0)) / len(rows), (StepMemory(), metrics)
