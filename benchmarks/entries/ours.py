"""The library, called as its users call it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import harmonium as hm
from benchmarks import inputs

Numbers = dict[str, float]
RULES = {"CD": lambda s: hm.objectives.CD(steps=s["sweeps"]),
         "PCD": lambda s: hm.objectives.PCD(steps=s["sweeps"], chains=s["batch"])}  # fmt: skip


def machine(settings: dict[str, Any]) -> hm.RBM:
    """An untrained RBM of the case's size."""
    units = hm.units.Bernoulli(settings["visible"]), hm.units.Bernoulli(settings["hidden"])
    return hm.RBM(visible=units[0], hidden=units[1], key=jax.random.key(0))


def training(settings: dict[str, Any]) -> Callable[[], Numbers]:
    """The second of two epochs of `hm.fit`: with its shuffling, checks and monitor, and without its compilation."""
    x = inputs.rows(settings)
    data = hm.data.from_arrays(x, valid=x[:500], test=x[:500])
    rule, optimizer, model = RULES[settings["rule"]](settings), optax.sgd(0.05), machine(settings)
    precision = settings.get("matmul_precision", "float32")

    def work() -> Numbers:
        ends: list[float] = []
        options = {
            "epochs": 2,
            "batch_size": settings["batch"],
            "key": jax.random.key(1),
            "matmul_precision": precision,
        }
        listen = [lambda progress: ends.append(progress.seconds)]
        hm.fit(model, data, rule, optimizer=optimizer, callbacks=listen, **options)
        return {"seconds": ends[1] - ends[0]}

    return work


def annealing(settings: dict[str, Any]) -> Callable[[], Numbers]:
    """`hm.log_partition` by AIS, whole; another key at each turn."""
    model, keys = inputs.trained(settings), iter(jax.random.split(jax.random.key(2), 1000))
    x = inputs.rows(settings)
    numbers = {"chains": settings["chains"], "temperatures": settings["temperatures"]}
    return lambda: {"value": hm.log_partition(model, method="ais", data=x, key=next(keys), **numbers).value}


def enumeration(settings: dict[str, Any]) -> Callable[[], Numbers]:
    """`hm.log_partition`, exact."""
    model = inputs.trained(settings)
    return lambda: {"value": hm.log_partition(model, method="exact").value}


def free_energy(settings: dict[str, Any]) -> Callable[[], Numbers]:
    """`hm.free_energy`, batched by `vmap` and compiled, of rows that lie on the device."""
    x = jnp.asarray(inputs.held_out_rows(settings), jnp.float32)
    of_rows = jax.jit(jax.vmap(lambda v: hm.free_energy(model, {"v": v})))
    model = inputs.trained(settings)
    return lambda: {"value": float(jnp.mean(of_rows(x)))}


def lattice(settings: dict[str, Any]) -> Callable[[], Numbers]:
    """Sweeps of the square Ising lattice, as a machine of spins: even sites visible, odd sites hidden."""
    side, chains = settings["side"], settings["chains"]
    spins = hm.units.Spin(side * side // 2)
    empty = hm.RBM(visible=spins, hidden=spins, key=jax.random.key(0), scale=0.0)
    rbm = eqx.tree_at(lambda m: m.W, empty, jnp.asarray(checkerboard(side, settings["coupling"])))
    kernel = hm.samplers.Gibbs(rbm)

    @jax.jit
    def walk(key, states):
        keys = jax.random.split(hm.rng.fast_key(key), chains)
        return jax.vmap(lambda k, s: hm.samplers.run_chain(kernel, k, s, settings["sweeps"]))(keys, states)

    keys = jax.random.split(jax.random.key(1), chains)
    states = jax.vmap(lambda k: hm.samplers.initial_state(rbm, k))(keys)

    def work() -> Numbers:
        end = walk(jax.random.key(2), states)
        bonds = jax.vmap(lambda v, h: v @ rbm.W @ h)(end["v"], end["h"])
        return {"value": float(jnp.mean(bonds)) / settings["coupling"] / (2 * side * side)}

    return work


def checkerboard(side: int, coupling: float) -> np.ndarray:
    """Couplings `[even sites, odd sites]` of the square lattice with periodic edges."""
    site = np.arange(side * side).reshape(side, side)
    even = np.add.outer(np.arange(side), np.arange(side)) % 2 == 0
    number = np.empty(side * side, int)
    number[site[even]] = number[site[~even]] = np.arange(side * side // 2)
    weights = np.zeros((side * side // 2,) * 2, np.float32)
    for shift, axis in ((1, 0), (-1, 0), (1, 1), (-1, 1)):
        weights[number[site[even]], number[np.roll(site, shift, axis)[even]]] = coupling
    return weights
