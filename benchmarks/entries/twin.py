"""Formulas written out by hand, for the price of deriving them from the energy.

Each twin does what the library's compiled code does, with the same generator and the same number of draws; only the
formulas are typed in.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

import harmonium as hm
from benchmarks import inputs
from benchmarks.entries.ours import RULES, Numbers, machine
from harmonium.compiling import jit_entry
from harmonium.evaluation.annealed import base_for, forward, ladder, mean_weight
from harmonium.training.state import Rule, first_state, run_chunk

RATE = 0.05


def derived_training(settings: dict[str, Any]) -> Callable[[], Numbers]:
    """The compiled steps of `hm.fit` on one chunk of rows, without what comes before and between chunks."""
    x = inputs.rows(settings)
    data = hm.data.from_arrays(x, valid=x[:500], test=x[:500])
    objective, optimizer, key = RULES[settings["rule"]](settings), optax.sgd(RATE), jax.random.key(1)
    rule = Rule(objective, optimizer, data.present)
    batches = jnp.asarray(x).reshape(-1, settings["batch"], x.shape[1])
    model = machine(settings)

    def work() -> Numbers:
        state = jax.block_until_ready(first_state(model, objective, optimizer, key, None))
        clock = time.perf_counter()
        _, metrics = run_chunk(rule, key, state, batches)
        value = float(jnp.mean(metrics["free_energy_data"]))
        return {"value": value, "seconds": time.perf_counter() - clock}

    return work


def written_training(settings: dict[str, Any]) -> Callable[[], Numbers]:
    """CD-1 by hand."""
    x = inputs.rows(settings)
    batches = jnp.asarray(x).reshape(-1, settings["batch"], x.shape[1])
    model, key = machine(settings), hm.rng.fast_key(jax.random.key(1))

    def step(state: tuple[Array, ...], rows: Array) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        W, b, c, number = state
        v0 = rows.astype(jnp.float32)
        above, below = jax.random.split(jax.random.fold_in(key, number))
        eta0 = v0 @ W + c
        h0 = bernoulli(above, eta0)
        v1 = bernoulli(below, h0 @ W.T + b)
        eta1 = v1 @ W + c
        p0, p1 = jax.nn.sigmoid(eta0), jax.nn.sigmoid(eta1)
        scale = RATE / len(rows)
        new = (W + scale * (v0.T @ p0 - v1.T @ p1), b + scale * (v0 - v1).sum(0), c + scale * (p0 - p1).sum(0))
        free0, free1 = (-(v @ b) - softplus(eta).sum(1) for v, eta in ((v0, eta0), (v1, eta1)))
        return (*new, number + 1), (jnp.mean(free0) - jnp.mean(free1), jnp.mean(free0), jnp.mean(free1))

    steps = jit_entry(lambda state, batches: jax.lax.scan(step, state, batches))
    start = (model.W, model.b, model.c, jnp.int32(0))
    return lambda: {"value": float(jnp.mean(steps(start, batches)[1][1]))}


def derived_annealing(settings: dict[str, Any]) -> Callable[[], Numbers]:
    """The library's annealing, without fitting its base."""
    model, key = inputs.trained(settings), hm.rng.fast_key(jax.random.key(2))
    base = base_for(model, jnp.asarray(inputs.rows(settings), jnp.float32))
    numbers = settings["chains"], settings["temperatures"]
    return lambda: {"value": mean_weight(forward(model, base, key, *numbers).log_w).value}


def written_annealing(settings: dict[str, Any]) -> Callable[[], Numbers]:
    """AIS by hand."""
    model, key = inputs.trained(settings), hm.rng.fast_key(jax.random.key(2))
    base = base_for(model, jnp.asarray(inputs.rows(settings), jnp.float32)).biases["v"]
    betas = jnp.asarray(ladder(settings["temperatures"]), jnp.float32)

    def step(
        weights: tuple[Array, ...], state: tuple[Array, Array], temperature: tuple[Array, ...]
    ) -> tuple[tuple[Array, Array], None]:
        W, b, c, base = weights
        v, log_w = state
        number, old, new = temperature
        above, below = jax.random.split(jax.random.fold_in(key, number))
        eta = v @ W + c
        log_w = log_w + (new - old) * (v @ (b - base)) + (softplus(new * eta) - softplus(old * eta)).sum(1)
        h = bernoulli(above, new * eta)
        return (bernoulli(below, (1 - new) * base + new * (h @ W.T + b)), log_w), None

    @jit_entry
    def anneal(key: Array, weights: tuple[Array, ...], betas: Array) -> Array:
        base = weights[-1]
        state = (bernoulli(key, jnp.broadcast_to(base, (settings["chains"], len(base)))), jnp.zeros(settings["chains"]))
        numbered = (jnp.arange(len(betas) - 1), betas[:-1], betas[1:])
        return jax.lax.scan(partial(step, weights), state, numbered)[0][1]

    return lambda: {"value": mean_weight(anneal(key, (model.W, model.b, model.c, base), betas)).value}


def bernoulli(key: Array, eta: Array) -> Array:
    """Binary values with log-odds `eta`, drawn as the library draws them."""
    drawn = (jax.random.uniform(key, eta.shape) * (1 + jnp.exp(-eta)) < 1).astype(jnp.float32)
    return jax.lax.optimization_barrier(drawn)


def softplus(eta: Array) -> Array:
    """`log(1 + exp eta)`."""
    return jnp.maximum(eta, 0) + jnp.log1p(jnp.exp(jnp.minimum(eta, -eta)))
