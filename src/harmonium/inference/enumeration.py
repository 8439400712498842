"""Exact partition functions: sum the largest block out in closed form, and stream over the states of the rest.

Of a layer whose units act on each other, the units of its largest colour can be summed out: half of a lattice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from harmonium.compiling import in_float32
from harmonium.errors import InputError
from harmonium.inference.conditional import LayerValues, layer_stats
from harmonium.inference.free_energy import free_energy
from harmonium.inference.gaussian_codes import Codes, free_energy_of_code
from harmonium.models.energy import Coloured, EnergyModel, local_field
from harmonium.units import Gaussian

LIMIT = 2**25  # configurations; about a minute on two cores with 784 units in the summed block
CHUNK = 2**12  # configurations evaluated at a time
SMALLER = 32  # times fewer where each takes a matrix of second derivatives


class Plan(NamedTuple):
    """What enumeration visits: the states of the layers `kept`, without the units `summed` of the layer `inside`, which
    are of one colour and summed out in closed form. All other free layers are summed out whole."""

    kept: tuple[str, ...]
    inside: str | None = None
    summed: tuple[int, ...] = ()

    def listed(self, model: EnergyModel, name: str) -> np.ndarray:
        """True at the units of a kept layer whose states are listed."""
        return ~np.isin(np.arange(model.layers[name].size), self.summed if name == self.inside else ())

    def log_count(self, model: EnergyModel) -> float:
        """The logarithm of the number of configurations."""
        return float(sum(self.listed(model, name).sum() * _log_states(model, name) for name in self.kept))


def plan_for(model: EnergyModel, given: Iterable[str] = ()) -> Plan:
    """The plan with the fewest configurations: it sums out one block, or the largest colour of one layer."""
    given = set(given)
    free = tuple(name for name in model.layers if name not in given)
    plans = [Plan(free)]
    for block in model.blocks:
        if not isinstance(block[0], Coloured):
            plans.append(Plan(tuple(name for name in free if name not in block)))
        elif block[0] in free:
            colours = np.asarray(block[0].colours)
            largest = np.flatnonzero(colours == np.bincount(colours).argmax())
            plans.append(Plan(free, str(block[0]), tuple(largest.tolist())))
    return min(plans, key=lambda plan: plan.log_count(model))


def configurations(model: EnergyModel, given: Iterable[str] = ()) -> float:
    """How many configurations exact enumeration has to visit (infinite where it cannot be done).

    Arguments: `given`, the names of layers whose values are given.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> round(configurations(rbm))                          # the states of the 3 hidden units
    8
    """
    given = tuple(given)
    if _all_gaussian(model) and not given:
        return 1.0
    log_count = min(plan_for(model, given).log_count(model), Codes.of(model, given).log_count)
    return math.exp(log_count) if log_count < 700 else math.inf


@in_float32
@eqx.filter_jit
def exact_log_partition(model: EnergyModel) -> Float[Array, ""]:
    """`log Z = log sum_x exp(-E(x))`, exactly and differentiably, in nats.

        Z = sum_h exp(-F(h)),      F(h) = E(0, h) - A(-dE/dT_v)

    with the largest block `v` summed (or integrated) out. A machine whose real layers are Gaussian once it is known
    which units and spikes are on is integrated in closed form for each such code. Raises `InputError` beyond 2^25
    configurations, or where two blocks hold real units of other families.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0), scale=0.0)
    >>> round(float(exact_log_partition(rbm)), 4)       # 9 log 2
    6.2383
    """
    return _gaussian_log_partition(model) if _all_gaussian(model) else -exact_free_energy(model, {})


def exact_free_energy(model: EnergyModel, values: LayerValues) -> Float[Array, ""]:
    """Free energy of the given layers, also where the others depend on each other, by enumeration; in nats.

        F(v) = -log sum_h exp(-E(v, h))

    with the largest free block, or the largest colour of a layer, summed out in closed form.
    Arguments: `values`, the given layers' values `[size]` by name. Raises `InputError` beyond 2^25 configurations, or
    where two free blocks hold real units.

    >>> import harmonium as hm, jax
    >>> units = [hm.units.Bernoulli(2), hm.units.Bernoulli(2)]
    >>> dbm = hm.DBM(hm.units.Bernoulli(3), units, key=jax.random.key(0), scale=0.0)
    >>> round(float(exact_free_energy(dbm, {"v": jnp.zeros(3)})), 2)               # -4 log 2
    -2.77
    """
    plan, codes = plan_for(model, values), Codes.of(model, values)
    if not plan.kept:
        return free_energy(model, values)
    by_codes = plan.log_count(model) == math.inf and codes.quadratic
    total = _checked_total(model, codes.log_count if by_codes else plan.log_count(model))
    chunk = min(CHUNK // SMALLER if by_codes else CHUNK, total)

    def free_energy_at(i):
        return free_energy_of_code(model, values, codes, i) if by_codes else _free_energy_at(model, values, plan, i)

    def body(_, first):
        index = first + jnp.arange(chunk, dtype=jnp.int32)
        minus_f = jax.vmap(lambda i: -free_energy_at(i))(index)
        return None, jax.nn.logsumexp(jnp.where(index < total, minus_f, -jnp.inf))

    body = jax.checkpoint(body, prevent_cse=False)  # or a gradient would keep all configurations in memory
    _, parts = jax.lax.scan(body, None, jnp.arange(0, total, chunk, dtype=jnp.int32))
    return -jax.nn.logsumexp(parts)


def _free_energy_at(model: EnergyModel, values: LayerValues, plan: Plan, index: Int[Array, ""]) -> Float[Array, ""]:
    """`F` of configuration number `index`; of units of one colour summed out, `E` at zero statistics less `A`."""
    values = {**values, **_planned_states(model, plan, index)}
    if plan.inside is None:
        return free_energy(model, values)
    units, stats = jnp.asarray(plan.summed), layer_stats(model, values)
    stats[plan.inside] = jax.tree.map(lambda leaf: leaf.at[units].set(0), stats[plan.inside])
    some = model.layers[plan.inside].sized(len(plan.summed))
    return model.energy(stats) - some.log_partition(local_field(model, stats, plan.inside, units))


def states_at(model: EnergyModel, layers: tuple[str, ...], index: Int[Array, ""]) -> dict[str, Array]:
    """The values of `layers` in configuration number `index` (mixed radix, first unit fastest).

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> states_at(rbm, ("h",), jnp.int32(6))
    {'h': Array([0., 1., 1.], dtype=float32)}
    """
    return _planned_states(model, Plan(layers), index)


def _planned_states(model: EnergyModel, plan: Plan, index: Int[Array, ""]) -> dict[str, Array]:
    """The values of the kept layers; units that are summed out stand in their first state."""
    values = {}
    for name in plan.kept:
        unit, listed = model.layers[name], plan.listed(model, name)
        before = np.cumsum(listed) - listed
        place = jnp.asarray([unit.states ** int(i) for i in before], jnp.int32)
        values[name] = unit.values((index // place) % unit.states * listed)
        index = index // unit.states ** int(listed.sum())
    return values


def _checked_total(model: EnergyModel, log_count: float) -> int:
    count = math.exp(log_count) if log_count < 700 else math.inf
    if log_count == math.inf:
        raise InputError(
            "Real units in two blocks, or counts without a limit, cannot be enumerated: use method='two_sided'."
        )
    if count > LIMIT:
        raise InputError(
            f"Exact enumeration would visit {count:.3g} configurations, more than {LIMIT}: "
            "use method='two_sided' (or 'auto'), which estimates log Z from both sides."
        )
    return round(count)


def _log_states(model: EnergyModel, name: str) -> float:
    """The logarithm of the number of one unit's states."""
    states = model.layers[name].states
    return math.inf if states is None else math.log(states)


def _all_gaussian(model: EnergyModel) -> bool:
    return all(isinstance(unit, Gaussian) for unit in model.layers.values())


def _gaussian_log_partition(model: EnergyModel) -> Float[Array, ""]:
    """`log Z = -E(m) + (n log 2 pi - log det P) / 2` for the quadratic energy with Hessian `P` and minimum `m`."""
    zeros = {name: jnp.zeros(unit.size, jnp.float32) for name, unit in model.layers.items()}
    flat, unravel = jax.flatten_util.ravel_pytree(zeros)

    def energy(x: Float[Array, "n"]) -> Float[Array, ""]:
        return model.energy({name: model.layers[name].stats(v) for name, v in unravel(x).items()})

    precision = jax.hessian(energy)(flat)
    mode = -jnp.linalg.solve(precision, jax.grad(energy)(flat))
    log_det = 2 * jnp.sum(jnp.log(jnp.diagonal(jnp.linalg.cholesky(precision))))  # nan: not positive definite
    return -energy(mode) + 0.5 * (flat.size * jnp.log(2 * jnp.pi) - log_det)
