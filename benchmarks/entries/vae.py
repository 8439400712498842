"""Importance-weighted auto-encoders as users call them, and the machine's limit for them: their products alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

import harmonium as hm
from benchmarks import inputs
from benchmarks.entries.products import orthonormal, some_rows
from harmonium.compiling import jit_entry

Numbers = dict[str, float]
LATENT, HIDDEN = 50, (200, 200)
AT_ONCE = 2500  # guesses that the products of an evaluation take at a time, as ours do


def network(settings: dict[str, Any]) -> hm.VAE:
    """An untrained auto-encoder of the case's size."""
    visible, latent = hm.units.Bernoulli(settings["visible"]), hm.units.Gaussian(LATENT)
    return hm.VAE(visible, latent, HIDDEN, key=jax.random.key(0))


def training(settings: dict[str, Any]) -> Callable[[], Numbers]:
    """The second of two epochs of `hm.fit`: with its shuffling and checks, and without its compilation."""
    data = hm.data.from_arrays(inputs.rows(settings), name="rows")
    rule, optimizer, model = hm.objectives.IWAE(settings["samples"]), optax.adam(1e-3), network(settings)

    def work() -> Numbers:
        ends: list[float] = []
        options = {"epochs": 2, "batch_size": settings["batch"], "key": jax.random.key(1), "monitor": False}
        listen = [lambda progress: ends.append(progress.seconds)]
        hm.fit(model, data, rule, optimizer=optimizer, callbacks=listen, **options)
        return {"seconds": ends[1] - ends[0]}

    return work


def bound(settings: dict[str, Any]) -> Callable[[], Numbers]:
    """`hm.log_likelihood`, whole."""
    model, x = network(settings), inputs.held_out_rows(settings)
    options = {"key": jax.random.key(2), "samples": settings["samples"]}
    return lambda: {"value": hm.log_likelihood(model, x, **options).value}


def training_products(settings: dict[str, Any]) -> Callable[[], object]:
    """Each weight matrix three times for each row (encoder) or guess (decoder): forwards and for both gradients."""
    batch = settings["batch"]
    sizes = [settings["visible"], *HIDDEN, LATENT]
    encoder = [orthonormal(m, n) for m, n in zip(sizes, (*HIDDEN, 2 * LATENT), strict=False)]
    decoder = _decoder(settings)
    rows, guesses = some_rows(batch, sizes[0]), some_rows(batch * settings["samples"], LATENT)

    def pair(x: Array, W: Array) -> tuple[Array, Array]:
        """The output, and weights moved by a gradient; the slope of the input is the third product."""
        y = x @ W
        return y, W + 1e-9 * (x.T @ y) + 1e-9 * jnp.sum(y @ W.T)

    def step(weights: list[Array], _: None) -> tuple[list[Array], None]:
        new = []
        for start, part in ((rows, weights[: len(encoder)]), (guesses, weights[len(encoder) :])):
            x = start
            for W in part:
                x, moved = pair(x, W)
                new.append(moved)
        return new, None

    steps = settings["rows"] // batch
    compiled = jit_entry(lambda weights: jax.lax.scan(step, weights, length=steps)[0])
    return lambda: jax.block_until_ready(compiled([*encoder, *decoder]))


def bound_products(settings: dict[str, Any]) -> Callable[[], object]:
    """The decoder's products for every guess."""
    decoder, guesses = _decoder(settings), some_rows(AT_ONCE, LATENT)
    parts = settings["images"] * settings["samples"] // AT_ONCE

    @jit_entry
    def steps(weights: list[Array], z: Array) -> Array:
        def part(z: Array, _: None) -> tuple[Array, None]:
            x = z
            for W in weights:
                x = x @ W
            return z + 1e-9 * jnp.sum(x), None

        return jax.lax.scan(part, z, length=parts)[0]

    return lambda: jax.block_until_ready(steps(decoder, guesses))


def _decoder(settings: dict[str, Any]) -> list[Array]:
    sizes = [LATENT, *HIDDEN[::-1], settings["visible"]]
    return [orthonormal(m, n) for m, n in itertools.pairwise(sizes)]
