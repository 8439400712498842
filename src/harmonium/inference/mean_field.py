"""Mean field: the same conditionals, fed with mean statistics instead of sampled ones."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from harmonium.inference.conditional import LayerValues, layer_stats, natural_parameters
from harmonium.models.energy import EnergyModel, LayerStats
from harmonium.units import Stats


def mean_field(
    model: EnergyModel, values: LayerValues, *, tolerance: float = 1e-5, max_steps: int = 100
) -> dict[str, Stats]:
    """Mean statistics `q_l` of the layers that are not given, by coordinate ascent on the variational bound.

        q_l <- grad A(-dE/dT_l(q))                                       # (20.33), (20.34) for two hidden layers

    Where the free layers are independent of each other (an RBM), one step gives the exact posterior.
    Arguments: `values`, the given layers' values `[size]` by name; `tolerance`, the largest change at which to stop;
    `max_steps`, sweeps at most.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> hm.mean_field(rbm, {"v": jnp.zeros(6)})["h"]
    Array([0.5, 0.5, 0.5], dtype=float32)
    """
    given = layer_stats(model, values)
    blocks = [tuple(name for name in block if name not in given) for block in model.blocks]
    blocks = [block for block in blocks if block]

    def sweep(q: LayerStats) -> dict[str, Stats]:
        q = dict(q)
        for block in blocks:
            eta = natural_parameters(model, {**given, **q}, block)
            q |= {name: model.layers[name].mean(eta[name]) for name in block}
        return q

    start = {name: model.layers[name].mean(model.layers[name].reference()) for block in blocks for name in block}
    if len(blocks) <= 1:
        return sweep(start)

    def body(carry):
        q, _, step = carry
        new = sweep(q)
        change = jax.tree.reduce(jnp.maximum, jax.tree.map(lambda a, b: jnp.max(jnp.abs(a - b)), new, q))
        return new, change, step + 1

    def unsettled(carry):
        return (carry[1] > tolerance) & (carry[2] < max_steps)

    q, _, _ = jax.lax.while_loop(unsettled, body, (start, jnp.inf, 0))
    return q
