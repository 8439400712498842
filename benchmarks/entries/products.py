"""The machine's limit: the matrix products of a case and nothing else, compiled by XLA as the library's are.

Weights have orthonormal columns, so that states neither grow nor vanish however often they are multiplied.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from harmonium.compiling import jit_entry
from harmonium.matmul import with_matmul_precision


def training(settings: dict[str, Any]) -> Callable[[], object]:
    """CD-k or PCD-k: `2 k + 3` products a step, two of them for the gradient, whose difference changes the weights."""
    batch, sweeps = settings["batch"], settings["sweeps"]
    weights = orthonormal(settings["visible"], settings["hidden"])
    rows = some_rows(batch, settings["visible"])

    def step(W: Array, _: None) -> tuple[Array, None]:
        positive = rows @ W
        v, h = jax.lax.fori_loop(0, sweeps - 1, lambda _, state: sweep(W, state), sweep(W, (rows, positive)))
        return W + 1e-9 * (rows.T @ positive - v.T @ h), None

    def steps(W: Array) -> Array:
        return jax.lax.scan(step, W, length=settings["rows"] // batch)[0]

    compiled = jit_entry(with_matmul_precision(steps, settings.get("matmul_precision", "float32")))
    return lambda: jax.block_until_ready(compiled(weights))


def annealing(settings: dict[str, Any]) -> Callable[[], object]:
    """AIS: two products a temperature."""
    weights = orthonormal(settings["visible"], settings["hidden"])
    rows = some_rows(settings["chains"], settings["visible"])

    @jit_entry
    def steps(W: Array, v: Array) -> Array:
        return jax.lax.scan(lambda v, _: ((v @ W) @ W.T, None), v, length=settings["temperatures"])[0]

    return lambda: jax.block_until_ready(steps(weights, rows))


def enumeration(settings: dict[str, Any]) -> Callable[[], object]:
    """Exact log Z: all states of the hidden units, 4,096 at a time, times the weights, and the rows summed."""
    weights = orthonormal(settings["visible"], settings["hidden"])
    states = some_rows(4096, settings["hidden"])

    @jit_entry
    def steps(W: Array, h: Array) -> Array:
        body = lambda total, _: (total + (h + 1e-9 * total) @ W.T @ jnp.ones((len(W), 1)), None)  # noqa: E731
        return jax.lax.scan(body, jnp.zeros((len(h), 1)), length=2 ** settings["hidden"] // len(h))[0]

    return lambda: jax.block_until_ready(steps(weights, states))


def free_energy(settings: dict[str, Any]) -> Callable[[], object]:
    """One product of all rows with the weights."""
    weights = orthonormal(settings["visible"], settings["hidden"])
    rows = some_rows(settings["images"], settings["visible"])
    product = jit_entry(jnp.matmul)
    return lambda: jax.block_until_ready(product(rows, weights))


def sweep(W: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
    """One Gibbs sweep's two products."""
    v = state[1] @ W.T
    return v, v @ W


def orthonormal(rows: int, columns: int) -> Array:
    """Weights `[rows, columns]` whose columns (or rows, if they are fewer) are orthonormal."""
    random = np.random.default_rng(0).normal(size=(max(rows, columns), min(rows, columns)))
    q, _ = np.linalg.qr(random)
    return jnp.asarray(q if rows >= columns else q.T, jnp.float32)


def some_rows(count: int, size: int) -> Array:
    """Binary rows `[count, size]`, one in eight of them set."""
    return jnp.asarray(np.random.default_rng(1).random((count, size)) < 1 / 8, jnp.float32)
