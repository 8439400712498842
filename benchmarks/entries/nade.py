"""NADE as its users call it, and the machine's limits for it: its activations alone, and its memory traffic alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

import harmonium as hm
from benchmarks import inputs

Numbers = dict[str, float]
FORWARD, BACKWARD = 1, 2  # passes over the hidden units of all variables: to weigh and to draw; more for the gradient


def training(settings: dict[str, Any]) -> Callable[[], Numbers]:
    """The second of two epochs of `hm.fit`: with its shuffling, checks and monitor, and without its compilation."""
    x = inputs.rows(settings)
    data = hm.data.from_arrays(x, valid=x[:500], test=x[:500])
    rule, optimizer, model = hm.objectives.MaximumLikelihood(), optax.adam(1e-3), network(settings)

    def work() -> Numbers:
        ends: list[float] = []
        options = {"epochs": 2, "batch_size": settings["batch"], "key": jax.random.key(1)}
        listen = [lambda progress: ends.append(progress.seconds)]
        hm.fit(model, data, rule, optimizer=optimizer, callbacks=listen, **options)
        return {"seconds": ends[1] - ends[0]}

    return work


def sampling(settings: dict[str, Any]) -> Callable[[], Numbers]:
    """`hm.sample`; another key at each turn."""
    model, keys = network(settings), iter(jax.random.split(jax.random.key(2), 1000))
    return lambda: {"value": float(jnp.mean(hm.sample(model, next(keys), settings["batch"])))}


def density(settings: dict[str, Any]) -> Callable[[], Numbers]:
    """`hm.log_likelihood`, whole."""
    model, x = network(settings), inputs.held_out_rows(settings)
    return lambda: {"value": hm.log_likelihood(model, x).value}


def activations(settings: dict[str, Any]) -> Callable[[], object]:
    """`hidden` sigmoids for each variable and row, once forwards and, in training, once more for the gradient."""
    return _repeated(settings, lambda a: a + 1e-6 * jax.nn.sigmoid(a), 1 + settings.get("gradient", False))


def traffic(settings: dict[str, Any]) -> Callable[[], object]:
    """Hidden activations read and written for each variable: once forwards, twice (they and their slope) backwards."""
    return _repeated(settings, lambda a: a + 1e-6, FORWARD + BACKWARD * settings.get("gradient", False))


def _repeated(settings: dict[str, Any], once: Callable[[Array], Array], passes: int) -> Callable[[], object]:
    """`passes` times as many passes over the hidden units of a batch as there are variables, batch after batch."""
    batch = settings["batch"]
    n = settings.get("images", settings.get("rows", batch)) // batch * settings["visible"] * passes
    start = jnp.zeros((batch, settings["hidden"]))
    compiled = jax.jit(lambda a: jax.lax.fori_loop(0, n, lambda _, a: jax.lax.optimization_barrier(once(a)), a))
    return lambda: jax.block_until_ready(compiled(start))


def network(settings: dict[str, Any]) -> hm.NADE:
    """A NADE of the case's size, the same for all contestants."""
    visible, hidden = settings["visible"], settings["hidden"]
    return hm.NADE(hm.units.Bernoulli(visible), hidden, key=jax.random.key(0), scale=0.05)


def arrays(settings: dict[str, Any]) -> dict[str, np.ndarray]:
    """Its parameters."""
    model = network(settings)
    return {name: np.array(getattr(model, name)) for name in ("W", "V", "b", "c")}
