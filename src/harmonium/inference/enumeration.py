"""Exact partition functions: sum the largest block out in closed form, and stream over the states of the rest."""

from __future__ import annotations

import math
from collections.abc import Iterable

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from harmonium.compiling import in_float32
from harmonium.errors import InputError
from harmonium.inference.conditional import LayerValues
from harmonium.inference.free_energy import free_energy
from harmonium.models.energy import EnergyModel
from harmonium.units import Gaussian

LIMIT = 2**25  # configurations; about a minute on two cores with 784 units in the summed block
CHUNK = 2**12  # configurations evaluated at a time


def kept_layers(model: EnergyModel, given: Iterable[str] = ()) -> tuple[str, ...]:
    """The free layers that remain when the block with the most states is summed out in closed form."""
    given = set(given)

    def log_states(block: tuple[str, ...]) -> float:
        return sum((_log_states(model, name) for name in block if name not in given), start=0.0)

    summed = max(model.blocks, key=log_states)
    return tuple(name for name in model.layers if name not in summed and name not in given)


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
    log_count = sum(_log_states(model, name) for name in kept_layers(model, given))
    return math.exp(log_count) if log_count < 700 else math.inf


@eqx.filter_jit
@in_float32
def exact_log_partition(model: EnergyModel) -> Float[Array, ""]:
    """`log Z = log sum_x exp(-E(x))`, exactly and differentiably, in nats.

        Z = sum_h exp(-F(h)),      F(h) = E(0, h) - A(-dE/dT_v)

    with the largest block `v` summed (or integrated) out. A machine of Gaussian layers only is integrated in closed
    form. Raises `InputError` beyond 2^25 configurations, or where two blocks hold real units beside other units.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0), scale=0.0)
    >>> round(float(exact_log_partition(rbm)), 4)       # 9 log 2
    6.2383
    """
    return _gaussian_log_partition(model) if _all_gaussian(model) else -exact_free_energy(model, {})


def exact_free_energy(model: EnergyModel, values: LayerValues) -> Float[Array, ""]:
    """Free energy of the given layers, also where the others depend on each other, by enumeration; in nats.

        F(v) = -log sum_h exp(-E(v, h))

    with the largest free block summed out in closed form. Arguments: `values`, the given layers' values `[size]` by
    name. Raises `InputError` beyond 2^25 configurations, or where two free blocks hold real units.

    >>> import harmonium as hm, jax
    >>> units = [hm.units.Bernoulli(2), hm.units.Bernoulli(2)]
    >>> dbm = hm.DBM(hm.units.Bernoulli(3), units, key=jax.random.key(0), scale=0.0)
    >>> round(float(exact_free_energy(dbm, {"v": jnp.zeros(3)})), 2)               # -4 log 2
    -2.77
    """
    layers = kept_layers(model, values)
    if not layers:
        return free_energy(model, values)
    total = _checked_total(model, values)
    chunk = min(CHUNK, total)

    def body(_, first):
        index = first + jnp.arange(chunk, dtype=jnp.int32)
        minus_f = jax.vmap(lambda i: -free_energy(model, {**values, **states_at(model, layers, i)}))(index)
        return None, jax.nn.logsumexp(jnp.where(index < total, minus_f, -jnp.inf))

    body = jax.checkpoint(body, prevent_cse=False)  # or a gradient would keep all configurations in memory
    _, parts = jax.lax.scan(body, None, jnp.arange(0, total, chunk, dtype=jnp.int32))
    return -jax.nn.logsumexp(parts)


def states_at(model: EnergyModel, layers: tuple[str, ...], index: Int[Array, ""]) -> dict[str, Array]:
    """The values of `layers` in configuration number `index` (mixed radix, first unit fastest).

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> states_at(rbm, ("h",), jnp.int32(6))
    {'h': Array([0., 1., 1.], dtype=float32)}
    """
    values = {}
    for name in layers:
        unit = model.layers[name]
        place = jnp.asarray([unit.states**i for i in range(unit.size)], jnp.int32)
        values[name] = unit.values((index // place) % unit.states)
        index = index // unit.states**unit.size
    return values


def _checked_total(model: EnergyModel, given: Iterable[str] = ()) -> int:
    count = configurations(model, given)
    if count == math.inf and any(_log_states(model, n) == math.inf for n in kept_layers(model, given)):
        raise InputError("Real units in two blocks cannot be enumerated: use method='ais'.")
    if count > LIMIT:
        raise InputError(
            f"Exact enumeration would visit {count:.3g} configurations, more than {LIMIT}: "
            "use method='ais' (or 'auto'), which estimates log Z from both sides."
        )
    return round(count)


def _log_states(model: EnergyModel, name: str) -> float:
    unit = model.layers[name]
    return math.inf if unit.states is None else unit.size * math.log(unit.states)


def _all_gaussian(model: EnergyModel) -> bool:
    return all(isinstance(unit, Gaussian) for unit in model.layers.values())


def _gaussian_log_partition(model: EnergyModel) -> Float[Array, ""]:
    """`log Z = -E(m) + (n log 2 pi - log det P) / 2` for the quadratic energy with Hessian `P` and minimum `m`."""
    zeros = {name: jnp.zeros(unit.size) for name, unit in model.layers.items()}
    flat, unravel = jax.flatten_util.ravel_pytree(zeros)

    def energy(x: Float[Array, "n"]) -> Float[Array, ""]:
        return model.energy({name: model.layers[name].stats(v) for name, v in unravel(x).items()})

    precision = jax.hessian(energy)(flat)
    mode = -jnp.linalg.solve(precision, jax.grad(energy)(flat))
    log_det = 2 * jnp.sum(jnp.log(jnp.diagonal(jnp.linalg.cholesky(precision))))  # nan: not positive definite
    return -energy(mode) + 0.5 * (flat.size * jnp.log(2 * jnp.pi) - log_det)
