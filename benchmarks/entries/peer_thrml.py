"""thrml (Extropic): block Gibbs sampling on graphs, two blocks for the square lattice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from thrml.block_management import Block
from thrml.block_sampling import SamplingSchedule, sample_states
from thrml.models.ising import IsingEBM, IsingSamplingProgram, hinton_init
from thrml.pgm import SpinNode


def lattice(settings: dict[str, Any]) -> Callable[[], dict[str, float]]:
    """Sweeps of the square Ising lattice with periodic edges."""
    side, chains = settings["side"], settings["chains"]
    nodes = [[SpinNode() for _ in range(side)] for _ in range(side)]
    sites = [(i, j) for i in range(side) for j in range(side)]
    edges = [(nodes[i][j], nodes[k][m]) for i, j in sites for k, m in (((i + 1) % side, j), (i, (j + 1) % side))]
    flat = [nodes[i][j] for i, j in sites]
    coupling = jnp.full(len(edges), settings["coupling"])
    model = IsingEBM(flat, edges, jnp.zeros(len(flat)), coupling, jnp.array(1.0))
    blocks = [Block([nodes[i][j] for i, j in sites if (i + j) % 2 == colour]) for colour in (0, 1)]
    program = IsingSamplingProgram(model, blocks, [])
    schedule = SamplingSchedule(n_warmup=settings["sweeps"], n_samples=1, steps_per_sample=1)
    states = hinton_init(jax.random.key(1), model, blocks, (chains,))
    keys = jax.random.split(jax.random.key(2), chains)
    place = {node: i for i, node in enumerate(blocks[0].nodes + blocks[1].nodes)}
    ends = jnp.array([(place[a], place[b]) for a, b in edges])

    @jax.jit
    def walk(keys: jax.Array, states: list[jax.Array]) -> jax.Array:
        sample = lambda key, state: sample_states(key, program, schedule, state, [], blocks)  # noqa: E731
        final = jnp.concatenate(jax.vmap(sample)(keys, states), axis=-1)[:, -1]
        spins = 2.0 * final - 1
        return jnp.mean(spins[:, ends[:, 0]] * spins[:, ends[:, 1]])

    return lambda: {"value": float(walk(keys, states))}
