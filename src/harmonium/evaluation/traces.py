"""Chains watched by a few numbers: the free energy and random projections of what is visible."""

from __future__ import annotations

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, Num

from harmonium.compiling import outermost
from harmonium.evaluation.annealed import visible_block
from harmonium.inference import free_energy
from harmonium.models import EnergyModel
from harmonium.rng import cheap
from harmonium.samplers import Clamp, Gibbs, State, initial_state

PROJECTIONS = 4


def traces(
    model: EnergyModel, key: Key[Array, ""], rows: np.ndarray, chains: int, sweeps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Statistics `[chains, draws, 1 + projections]` over the second half of the sweeps: of chains from random states,
    and of as many chains from some of the rows `[n, size]`.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(4), hidden=hm.units.Bernoulli(2), key=jax.random.key(0))
    >>> random, from_data = traces(rbm, jax.random.key(1), np.eye(4), chains=3, sweeps=10)
    >>> random.shape, from_data.shape
    ((3, 5, 5), (3, 5, 5))
    """
    unit = model.layers["v"]
    first, pick, walk = jax.random.split(cheap(key), 3)
    noise = jax.vmap(lambda k: unit.sample(k, unit.reference()))(jax.random.split(first, chains))
    chosen = np.asarray(jax.random.choice(pick, len(rows), (chains,), replace=chains > len(rows)))
    v = jnp.concatenate([noise, unit.from_data(np.asarray(rows)[chosen])])
    seen = np.asarray(_watch(model, walk, v, sweeps), np.float64)[:, sweeps // 2 :]
    return seen[:chains], seen[chains:]


@outermost
def _watch(
    model: EnergyModel, key: Key[Array, ""], v: Num[Array, "n size"], sweeps: int
) -> Float[Array, "n sweeps statistics"]:
    """What each chain shows after each of its sweeps."""
    aim, walk = jax.random.split(key)
    unit = model.layers["v"]
    held = visible_block(model)  # of all layers, F is the energy
    directions = jax.random.normal(aim, (PROJECTIONS, _flat(unit.zeros()).size))

    def statistics(state: State) -> Float[Array, "statistics"]:
        f = free_energy(model, {name: state[name] for name in held})
        return jnp.append(directions @ _flat(unit.stats(state["v"])), f)

    def step(state: State, key: Key[Array, ""]) -> tuple[State, Array]:
        state = Gibbs(model)(key, state)
        return state, statistics(state)

    def chain(key: Key[Array, ""], v: Array) -> Array:
        first, second, rest = jax.random.split(key, 3)
        hold = Gibbs(model, {"v": Clamp(jnp.ones(unit.size, bool), v)})
        state = hold(second, initial_state(model, first) | {"v": v})
        return jax.lax.scan(step, state, jax.random.split(rest, sweeps))[1]

    return jax.vmap(chain)(jax.random.split(walk, len(v)), v)


def _flat(stats: object) -> Float[Array, "statistics"]:
    return jax.flatten_util.ravel_pytree(stats)[0]
