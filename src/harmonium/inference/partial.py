"""Mean field of a machine some of whose units are observed: any unit of any layer, the rest is inferred.

Unrolled to a fixed number of sweeps it is a recurrent network that can be differentiated: the multi-prediction deep
Boltzmann machine (Goodfellow, Mirza, Courville & Bengio 2013; book, section 20.4.5, Fig. 20.5) is trained through it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from harmonium.inference.conditional import LayerValues, layer_stats
from harmonium.inference.mean_field import block_means
from harmonium.models.energy import EnergyModel, LayerStats
from harmonium.units import Stats, Unit, inner

Masks = Mapping[str, Bool[Array, "size"]]


class Inferred(NamedTuple):
    """What the last sweep said of every layer: natural parameters, from which predictions of missing units follow, and
    the statistics in use, which for observed units are their own.

    >>> Inferred({"v": jnp.zeros(2)}, {"v": jnp.ones(2)}).stats["v"]
    Array([1., 1.], dtype=float32)
    """

    natural: dict[str, Stats]
    stats: dict[str, Stats]


def infer(
    model: EnergyModel, values: LayerValues, observed: Masks, *, steps: int, multi_inference: bool = False
) -> Inferred:
    """Mean field with some units observed, `steps` sweeps from neutral means of the others.

        q <- grad A(-dE/dT(q)) for every unit that is not observed                           # (20.33), (20.34)

    Arguments: `values` `[size]` of some layers by name; `observed`, True where a unit of them is given, by the same
    names; `multi_inference`, feed the mean of an observed value and its own prediction, instead of the value, to the
    other layers: the multi-inference trick, which averages over networks that see the unit and networks that do not.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> dbm = hm.DBM(hm.units.Bernoulli(4), [hm.units.Bernoulli(3), hm.units.Bernoulli(2)], key=jax.random.key(0))
    >>> seen = infer(dbm, {"v": jnp.ones(4)}, {"v": jnp.array([True, True, True, False])}, steps=5)
    >>> [round(float(x), 1) for x in seen.stats["v"]]
    [1.0, 1.0, 1.0, 0.5]
    """
    known = layer_stats(model, values)
    sweep = _sweep_of(model, known, observed, multi_inference)
    natural = {name: unit.neutral_natural() for name, unit in model.layers.items()}
    first = {name: unit.mean(natural[name]) for name, unit in model.layers.items()}
    start = Inferred(natural, {name: mixed(observed[name], known[name], q) if name in known else q
                               for name, q in first.items()})  # fmt: skip
    return jax.lax.scan(lambda state, _: (sweep(state.stats), None), start, length=steps)[0]


def infer_with_change(
    model: EnergyModel, values: LayerValues, observed: Masks, *, steps: int
) -> tuple[Inferred, Float[Array, ""]]:
    """What `infer` finds, and by how much its last sweep changed the statistics: how far they are from settled.

    Arguments as in `infer`, with at least two sweeps, for the first does not start from an answer.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(4), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> float(infer_with_change(rbm, {"v": jnp.ones(4)}, {"v": jnp.ones(4, bool)}, steps=2)[1])     # exact after one
    0.0
    """
    before = infer(model, values, observed, steps=steps - 1).stats
    found = _sweep_of(model, layer_stats(model, values), observed, False)(before)
    change = jax.tree.map(lambda a, b: jnp.max(jnp.abs(a - b)), found.stats, before)
    return found, jax.tree.reduce(jnp.maximum, change)


def _sweep_of(
    model: EnergyModel, known: LayerStats, observed: Masks, multi_inference: bool
) -> Callable[[LayerStats], Inferred]:
    """One sweep over all blocks, from given statistics."""

    def feed(name: str, predicted: Stats, units: Int[Array, "units"] | slice) -> Stats:
        if name not in known:
            return predicted
        own = jax.tree.map(lambda leaf: leaf[units], known[name])
        given = jax.tree.map(lambda a, b: (a + b) / 2, own, predicted) if multi_inference else own
        return mixed(observed[name][units], given, predicted)

    def sweep(stats: LayerStats) -> Inferred:
        stats, natural = dict(stats), {}
        for block in reversed(model.blocks):
            found = block_means(model, stats, block, feed)
            natural |= found[0]
            stats |= found[1]
        return Inferred(natural, stats)

    return sweep


def log_prob_missing(unit: Unit, eta: Stats, x: Array, observed: Bool[Array, "size"]) -> Float[Array, ""]:
    """`sum_i log p(x_i | eta_i)` over the units of a layer that are not observed, in nats.

    >>> import harmonium as hm, jax.numpy as jnp
    >>> log_prob_missing(hm.units.Bernoulli(2), jnp.zeros(2), jnp.ones(2), jnp.array([True, False]))
    Array(-0.6931472, dtype=float32)
    """
    neutral, zero = unit.neutral_natural(), unit.zeros()
    eta = mixed(observed, neutral, eta)
    stats = mixed(observed, zero, unit.stats(x))
    of_neutral = unit.log_partition(neutral) / unit.size  # what each observed unit adds to A and should not
    return inner(eta, stats) - unit.log_partition(eta) + jnp.sum(observed) * of_neutral


def mixed(mask: Bool[Array, "size"], a: Stats, b: Stats) -> Stats:
    """Statistics `a` of the units under a mask and `b` of the others."""
    return jax.tree.map(lambda x, y: jnp.where(mask.reshape(mask.shape + (1,) * (x.ndim - 1)), x, y), a, b)
