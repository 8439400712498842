"""Annealed importance sampling, forwards and in reverse: the partition function from below and from above.

Along a path of distributions `p_0, ..., p_K` with energies `(1 - beta) E_base + beta E_target`, a chain that moves
by kernels leaving each `p_k` invariant collects

    log w = sum_k F_{k-1}(x_k) - F_k(x_k),          E[w] = Z_K / Z_0

(Neal 2001; Salakhutdinov & Murray 2008). Started at exact samples of the base, `log mean w` underestimates
`log Z_K / Z_0` in expectation; run backwards from exact samples of the target, `-log mean w` overestimates it
(Burda, Grosse & Salakhutdinov 2015; Grosse, Ancha & Roy 2016). The chains hold the layers of the visible block; all
others are summed out of every `F`, where they can be: else the chains hold all layers, and `F` is the energy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree

from harmonium.compiling import jit_entry
from harmonium.inference import free_energy, has_closed_form, independent_at_marginals
from harmonium.models import EnergyModel, Independent, Interpolated
from harmonium.samplers import Gibbs, State, posterior_sample, run_chain, sample_block


class Weights(NamedTuple):
    """Log-weights `[chains]` of one direction, and the held layers' final values by name `[chains, size]`."""

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
    """Independent units: visible biases that fit the marginals of rows `v`, neutral hidden units.

    Hidden biases fitted to the posterior's marginals were tried and gave weights of larger variance.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> round(float(base_for(rbm, jnp.ones((9, 6))).biases["v"][0]), 4)        # log(0.95 / 0.05)
    2.9444
    """
    return independent_at_marginals(model.layers, v)


def neutral_base(model: EnergyModel) -> Independent:
    """Independent units, every one neutral: from here on, modes are reached by how wide they are and not by what is
    known of them.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> round(float(neutral_base(rbm).log_partition()), 4)                                   # 9 log 2
    6.2383
    """
    return Independent(
        dict(model.layers), {name: unit.bias(unit.neutral_natural()) for name, unit in model.layers.items()}
    )


def visible_block(model: EnergyModel) -> tuple[str, ...]:
    """The layers that the chains hold: the block with the data in it, or all where the others cannot be summed out."""
    block = next(block for block in model.blocks if "v" in block)
    return block if has_closed_form(model, block) else tuple(model.layers)


def forward(model: EnergyModel, base: Independent, key: Key[Array, ""], chains: int, steps: int) -> Weights:
    """Chains from the base to the model: `log mean w` lies below `log Z / Z_base` in expectation.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0), scale=0.0)
    >>> weights = forward(rbm, base_for(rbm, jnp.full((9, 6), 0.5)), jax.random.key(1), chains=4, steps=5)
    >>> bool(jnp.allclose(weights.log_w, 0.0, atol=1e-5))       # the base is the model
    True
    """
    first, along = jax.random.split(key)
    start = base_samples(model, base, first, chains)
    return anneal(model, base, along, start, jnp.asarray(ladder(steps), jnp.float32))


def reverse(model: EnergyModel, base: Independent, key: Key[Array, ""], start: State, steps: int) -> Weights:
    """Chains from the model's samples `start` to the base: `-log mean w` lies above, as far as `start` is exact.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0), scale=0.0)
    >>> base, start = base_for(rbm, jnp.full((9, 6), 0.5)), {"v": jnp.zeros((4, 6))}
    >>> bool(jnp.allclose(reverse(rbm, base, jax.random.key(1), start, steps=5).log_w, 0.0, atol=1e-5))
    True
    """
    held = {name: start[name] for name in visible_block(model)}
    return anneal(model, base, key, held, jnp.asarray(ladder(steps)[::-1].copy(), jnp.float32))


def resampled(weights: Weights, key: Key[Array, ""], number: int) -> State:
    """So many of the ends of forward chains, drawn again in proportion to their weights: nearly samples of the
    model."""
    rows = jax.random.categorical(key, jnp.asarray(weights.log_w - weights.log_w.max()), shape=(number,))
    return {name: x[rows] for name, x in weights.end.items()}


@jit_entry
def model_samples(model: EnergyModel, key: Key[Array, ""], start: State, steps: int) -> State:
    """Full states after `steps` Gibbs sweeps from `start`, values of some layers `[chains, size]` by name."""

    def chain(key: Key[Array, ""], held: State) -> State:
        first, walk = jax.random.split(key)
        return run_chain(Gibbs(model), walk, posterior_sample(model, first, held), steps)

    return jax.vmap(chain)(jax.random.split(key, len(jax.tree.leaves(start)[0])), start)


def own_samples(model: EnergyModel, key: Key[Array, ""], chains: int, steps: int) -> State:
    """The model's own samples, full states `[chains, size]`, from visible units that start at random: spread over more
    modes than the chains of `initial_state`, which all start near the most probable one."""
    first, walk = jax.random.split(key)
    unit = model.layers["v"]
    start = jax.vmap(lambda k: unit.sample(k, unit.neutral_natural()))(jax.random.split(first, chains))
    return model_samples(model, walk, {"v": start}, steps)


@jit_entry
def anneal(
    model: EnergyModel, base: Independent, key: Key[Array, ""], start: State, betas: Float[Array, "steps"]
) -> Weights:
    """Log-weights of chains that walk through the temperatures `betas` in the order given."""

    def pair(ends: tuple[Array, Array]) -> tuple[EnergyModel, EnergyModel]:
        old, new = ends
        return Interpolated(base, model, old), Interpolated(base, model, new)

    return walk(key, start, (betas[:-1], betas[1:]), pair)


def walk(
    key: Key[Array, ""], start: State, steps: PyTree, pair: Callable[[PyTree], tuple[EnergyModel, EnergyModel]]
) -> Weights:
    """Log-weights of chains along any path, their sums compensated (Kahan 1965).

    Arguments: `start`, values of the held layers `[chains, size]`; `steps`, one slice of arrays for each step of the
    path; `pair`, the models before and after a step, from its slice. The chains move by the second.
    """
    chains = jax.tree.leaves(start)[0].shape[0]

    def step(carry: PyTree, xs: tuple[Array, PyTree]) -> tuple[PyTree, None]:
        x, total, lost = carry
        number, here = xs
        old, new = pair(here)
        keys = jax.random.split(jax.random.fold_in(key, number), chains)
        log_w = jax.vmap(lambda s: free_energy(old, s) - free_energy(new, s))(x)
        x = jax.vmap(lambda k, s: transition(new, k, s))(keys, x)
        corrected = log_w - lost
        new_total = total + corrected
        return (x, new_total, (new_total - total) - corrected), None

    zero = jnp.zeros(chains)
    numbers = jnp.arange(len(jax.tree.leaves(steps)[0]))
    (end, total, _), _ = jax.lax.scan(step, (start, zero, zero), (numbers, steps))
    return Weights(total, end)


def transition(model: EnergyModel, key: Key[Array, ""], held: State) -> State:
    """New values of the held layers: all others from `p(others | held)`, then these from `p(held | others)`.

    It leaves the model's distribution of the held layers invariant and is its own reverse:
    `p(x) T(y | x) = sum_z p(x, z) p(y, z) / p(z)` is the same with `x` and `y` exchanged.
    """
    if not any(set(held) <= set(block) for block in model.blocks):
        return Gibbs(model)(key, held)[0]  # all layers are held: a sweep, which is not its own reverse
    down, up = jax.random.split(key)
    others = tuple(name for name in model.layers if name not in held)
    state = held | sample_block(model, down, held, others)
    return sample_block(model, up, state, tuple(held))


def base_samples(model: EnergyModel, base: Independent, key: Key[Array, ""], chains: int) -> State:
    """Exact samples of the base in the layers of the visible block `[chains, size]`."""
    natural, held = base.natural(), visible_block(model)

    def draw(key: Key[Array, ""]) -> State:
        keys = jax.random.split(key, len(held))
        return {name: model.layers[name].sample(k, natural[name]) for k, name in zip(keys, held, strict=True)}

    return jax.vmap(draw)(jax.random.split(key, chains))


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
