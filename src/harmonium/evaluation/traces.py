"""Chains watched by a few numbers: the free energy and random projections of what is visible."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, Num

from harmonium.compiling import jit_entry
from harmonium.evaluation.annealed import visible_block
from harmonium.inference import free_energy
from harmonium.models import EnergyModel
from harmonium.rng import fast_key
from harmonium.samplers import Clamp, Gibbs, State, initial_state

PROJECTIONS = 4
SNAPSHOTS = 20  # of what is visible of each chain, over the second half of its sweeps


class Traces(NamedTuple):
    """What chains showed over the second half of their sweeps.

    Attributes: `random_starts` and `data_starts`, statistics `[chains, draws, 1 + projections]` of chains from random
    states and of as many from rows; `drawn`, visible values `[chains, snapshots, size]` of those from random states.
    """

    random_starts: np.ndarray
    data_starts: np.ndarray
    drawn: np.ndarray


def traces(model: EnergyModel, key: Key[Array, ""], rows: np.ndarray, chains: int, sweeps: int) -> Traces:
    """What chains show, of which as many start from random states as from some of the rows `[n, size]`.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(4), hidden=hm.units.Bernoulli(2), key=jax.random.key(0))
    >>> [seen.shape for seen in traces(rbm, jax.random.key(1), np.eye(4), chains=3, sweeps=10)]
    [(3, 5, 5), (3, 5, 5), (3, 5, 4)]
    """
    unit = model.layers["v"]
    first, pick, walk = jax.random.split(fast_key(key), 3)
    noise = jax.vmap(lambda k: unit.sample(k, unit.neutral_natural()))(jax.random.split(first, chains))
    chosen = np.asarray(jax.random.choice(pick, len(rows), (chains,), replace=chains > len(rows)))
    v = jnp.concatenate([noise, unit.from_data(np.asarray(rows)[chosen])])
    statistics, drawn = _watch(model, walk, v, sweeps)
    seen = np.asarray(statistics, np.float64)[:, sweeps // 2 :]
    return Traces(seen[:chains], seen[chains:], np.asarray(unit.to_data(drawn))[:chains])


@jit_entry
def _watch(
    model: EnergyModel, key: Key[Array, ""], v: Num[Array, "n size"], sweeps: int
) -> tuple[Float[Array, "n sweeps statistics"], Num[Array, "n snapshots size"]]:
    """What each chain shows after each of its sweeps, and what is visible at some of the later ones."""
    late = sweeps - sweeps // 2
    between = max(1, late // SNAPSHOTS)
    snapshots = late // between
    aim, walk = jax.random.split(key)
    unit = model.layers["v"]
    held = visible_block(model)  # of all layers, F is the energy
    directions = jax.random.normal(aim, (PROJECTIONS, _flat(unit.zeros()).size))

    def statistics(state: State) -> Float[Array, "statistics"]:
        f = free_energy(model, {name: state[name] for name in held})
        return jnp.append(directions @ _flat(unit.stats(state["v"])), f)

    def step(state: State, key: Key[Array, ""]) -> tuple[State, Array]:
        state, _ = Gibbs(model)(key, state)
        return state, statistics(state)

    def until_shown(state: State, keys: Key[Array, "between"]) -> tuple[State, tuple[Array, Array]]:
        state, shown = jax.lax.scan(step, state, keys)
        return state, (shown, state["v"])

    def chain(key: Key[Array, ""], v: Array) -> tuple[Array, Array]:
        first, second, rest = jax.random.split(key, 3)
        hold = Gibbs(model, {"v": Clamp(jnp.ones(unit.size, bool), v)})
        state, _ = hold(second, initial_state(model, first) | {"v": v})
        keys = jax.random.split(rest, sweeps)
        state, first = jax.lax.scan(step, state, keys[: sweeps - snapshots * between])
        later = keys[sweeps - snapshots * between :].reshape(snapshots, between)
        _, (shown, values) = jax.lax.scan(until_shown, state, later)
        return jnp.concatenate([first, shown.reshape(-1, *shown.shape[2:])]), values

    return jax.vmap(chain)(jax.random.split(walk, len(v)), v)


def _flat(stats: object) -> Float[Array, "statistics"]:
    return jax.flatten_util.ravel_pytree(stats)[0]
