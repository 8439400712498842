"""Annealed importance sampling, forwards and in reverse: the partition function from below and from above.

Along a path of distributions `p_0, ..., p_K` with energies `(1 - beta) E_base + beta E_target`, a chain that moves
by kernels leaving each `p_k` invariant collects

    log w = sum_k F_{k-1}(x_k) - F_k(x_k),          E[w] = Z_K / Z_0

(Neal 2001; Salakhutdinov & Murray 2008). Started at exact samples of the base, `log mean w` underestimates
`log Z_K / Z_0` in expectation; run backwards from exact samples of the target, `-log mean w` overestimates it
(Burda, Grosse & Salakhutdinov 2015; Grosse, Ancha & Roy 2016). The largest block of layers is summed out of every `F`.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from harmonium.inference import free_energy, kept_layers, layer_stats, marginal_natural, mean_field
from harmonium.models import EnergyModel, Independent, Interpolated
from harmonium.samplers import Gibbs, State, initial_state, run_chain, sample_block


class Weights(NamedTuple):
    """Log-weights `[chains]` of one direction, and the kept layers' final values by name `[chains, size]`."""

    log_w: Float[Array, "chains"]
    end: State


def ladder(count: int) -> np.ndarray:
    """`count` + 1 temperatures from 0 to 1, dense near 1: 500 : 4,000 : 10,000 of them up to 0.5, 0.9 and 1.

    The proportions of Salakhutdinov & Murray (2008), which put steps where deep models change fastest.

    >>> ladder(29)[[0, 1, -1]]
    array([0. , 0.5, 1. ])
    """
    cumulative = np.array([0, 500, 4500, 14500]) / 14500
    return np.interp(np.linspace(0, 1, count + 1), cumulative, [0.0, 0.5, 0.9, 1.0])


def base_for(model: EnergyModel, v: Float[Array, "n size"]) -> Independent:
    """Independent units whose biases fit the marginals of rows `v`, and of the hidden units given them."""

    def one(x: Array) -> dict:
        return layer_stats(model, {"v": x}) | mean_field(model, {"v": x})

    means = jax.tree.map(lambda s: jnp.mean(s, axis=0), jax.vmap(one)(v))
    eta = {name: marginal_natural(unit, means[name], len(v)) for name, unit in model.layers.items()}
    return Independent(dict(model.layers), {name: unit.bias(eta[name]) for name, unit in model.layers.items()})


def forward(model: EnergyModel, base: Independent, key: Key[Array, ""], chains: int, steps: int) -> Weights:
    """Chains from the base to the model: `log mean w` lies below `log Z / Z_base` in expectation."""
    first, walk = jax.random.split(key)
    start = jax.vmap(lambda k: _base_sample(model, base, k))(jax.random.split(first, chains))
    return _anneal(model, base, walk, start, jnp.asarray(ladder(steps), jnp.float32))


def reverse(model: EnergyModel, base: Independent, key: Key[Array, ""], start: State, steps: int) -> Weights:
    """Chains from the model's samples `start` to the base: `-log mean w` lies above, as far as `start` is exact."""
    kept = {name: start[name] for name in kept_layers(model)}
    return _anneal(model, base, key, kept, jnp.asarray(ladder(steps)[::-1].copy(), jnp.float32))


@eqx.filter_jit
def model_samples(
    model: EnergyModel, key: Key[Array, ""], start: Float[Array, "n size"] | None, chains: int, steps: int
) -> State:
    """Full states after `steps` Gibbs sweeps, from rows drawn out of `start` or from random states."""
    pick, first, walk = jax.random.split(key, 3)
    states = jax.vmap(lambda k: initial_state(model, k))(jax.random.split(first, chains))
    if start is not None:
        rows = jax.random.choice(pick, len(start), (chains,), replace=chains > len(start))
        states = states | {"v": start[rows].astype(states["v"].dtype)}
        hidden = [block for block in model.blocks if "v" not in block]
        for block in hidden:  # so that the first sweep starts from the data and not from the random hidden state
            states = jax.vmap(lambda k, s, b=block: s | sample_block(model, k, s, b))(
                jax.random.split(jax.random.fold_in(first, 1), chains), states
            )
    keys = jax.random.split(walk, chains)
    return jax.vmap(lambda k, s: run_chain(Gibbs(model), k, s, steps))(keys, states)


@eqx.filter_jit
def _anneal(
    model: EnergyModel, base: Independent, key: Key[Array, ""], start: State, betas: Float[Array, "steps"]
) -> Weights:
    """Log-weights of chains that walk through `betas` in the order given, their sums compensated (Kahan 1965)."""
    chains = jax.tree.leaves(start)[0].shape[0]
    summed = tuple(name for name in model.layers if name not in start)
    kept = tuple(start)

    def move(key: Key[Array, ""], x: State, old: Interpolated, new: Interpolated) -> tuple[Array, State]:
        log_w = free_energy(old, x) - free_energy(new, x)
        down, up = jax.random.split(key)
        state = x | sample_block(new, down, x, summed)
        return log_w, sample_block(new, up, state, kept)

    def step(carry, xs):
        x, total, lost = carry
        number, old, new = xs
        keys = jax.random.split(jax.random.fold_in(key, number), chains)
        paths = (Interpolated(base, model, old), Interpolated(base, model, new))
        log_w, x = jax.vmap(lambda k, s: move(k, s, *paths))(keys, x)
        corrected = log_w - lost
        new_total = total + corrected
        return (x, new_total, (new_total - total) - corrected), None

    zero = jnp.zeros(chains)
    numbers = jnp.arange(len(betas) - 1)
    (end, total, _), _ = jax.lax.scan(step, (start, zero, zero), (numbers, betas[:-1], betas[1:]))
    return Weights(total, end)


def _base_sample(model: EnergyModel, base: Independent, key: Key[Array, ""]) -> State:
    natural = base.natural()
    kept = kept_layers(model)
    keys = jax.random.split(key, len(kept))
    return {name: model.layers[name].sample(k, natural[name]) for k, name in zip(keys, kept, strict=True)}


class MeanWeight(NamedTuple):
    """`log mean w` with its standard error and the effective number of chains `(sum w)^2 / sum w^2`."""

    value: float
    stderr: float
    effective: float


def mean_weight(log_w: Float[Array, "chains"]) -> MeanWeight:
    """Summary of log-weights in float64.

    >>> mean_weight(np.zeros(4)).effective
    4.0
    """
    log_w = np.asarray(log_w, np.float64)
    if not np.isfinite(log_w).all():
        return MeanWeight(float("nan"), float("inf"), 0.0)
    top = log_w.max()
    w = np.exp(log_w - top)
    mean = w.mean()
    spread = w.std(ddof=1) / mean / np.sqrt(len(w)) if len(w) > 1 else float("inf")
    return MeanWeight(float(top + np.log(mean)), float(spread), float(w.sum() ** 2 / (w**2).sum()))
