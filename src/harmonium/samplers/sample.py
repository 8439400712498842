"""Samples from a model: straight from it where it can, else from chains that run for whoever wants the result alone."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Key

from harmonium.compiling import jit_entry, map_rows
from harmonium.errors import InputError, shown, whole
from harmonium.inference.finite import OF_MODEL, require_finite, require_numbers
from harmonium.inference.marginals import as_rows
from harmonium.inference.shapes import require_shapes
from harmonium.memory import check_fits
from harmonium.models import UNBOUNDED, BeliefNet, BiHM, EnergyModel, LatentModel, TractableModel
from harmonium.models.directed import downwards, upwards
from harmonium.models.kinds import BELIEF_NET, BIDIRECTIONAL, ENERGY, LATENT, TRACTABLE
from harmonium.models.verb import verb
from harmonium.rng import check_key, fast_key, row_keys
from harmonium.samplers.ancestral import top_layer, top_sample
from harmonium.samplers.gibbs import Gibbs, initial_state, posterior_sample, run_chain
from harmonium.samplers.impute import impute
from harmonium.samplers.known import check_first, known_rows

AWAY = f"the chains ran away, for {UNBOUNDED}"


@verb("hm.sample")
def sample(
    row: Any, model: Any, key: Key[Array, ""], n: int = 1, *, given: Any = None, first: int = 0, **options: Any
) -> Array | np.ndarray:
    """Values of the visible layer from `n` independent chains of block Gibbs sampling, or straight from the model.

    The chains of a belief net (a DBN) run in its top machine, and a pass down its links follows. An auto-regressive
    network, and a directed net from its prior downwards, draw without chains: exactly, whatever `steps` is. A machine
    of values given a context (an RNN-RBM) draws one value after the other, each by a chain of its own (100 steps), in
    sequences of `length` frames, or documents of so many words; what it is given, `given` says.
    Row `i` depends on `key` and `i` alone, so that blocks drawn one after the other, each with the number of its
    `first` row, are the rows drawn at once (to float summation order; bit for bit where blocks have the same size).
    Arguments: `n`, how many; `steps`, sweeps of each chain; `start`, rows `[n, size]` from which the chains start
    (default: random states); `kernel`, of the model, what moves the chains (default: `hm.samplers.Gibbs`); `given`,
    known values, which samples keep: of the visible layer `[size]` or `[n, size]`, NaN where not known, or of layers
    by name, such as the class `{"y": 3}` (the others are then drawn as `hm.impute` does); `first`, the number of the
    first row. Returns `[n, size]`, in float64 where the model holds real columns shifted and scaled. Raises
    `InputError` for fewer than one chain or step, more rows than the memory holds, a start where there are no chains, a
    model that is no distribution of its visible layer, or known values that it cannot hold.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> hm.sample(rbm, jax.random.key(1), 4, steps=10).shape
    (4, 6)
    """
    check_key(key, "hm.sample(model, key, n)")
    steps = options.get("steps", 1000)
    if not whole(n, steps):
        raise InputError(f"Sampling needs at least one chain and one step, not n={n} and steps={steps}.")
    require_numbers(model)
    require_shapes(model)
    _check_rows(model, n, first)
    if given is not None:
        rows, others = known_rows(model, given, n)
        return impute(model, key, rows, given=others, first=first, **{"steps": steps} | options)
    return model.layers["v"].to_data(row(model, row_keys(fast_key(key), first, n), **options))


@sample.register(ENERGY)
def _by_chains(
    model: EnergyModel, keys: Key[Array, "n"], *, steps: int = 1000, start: Any = None, kernel: Any = Gibbs
) -> Array:
    if not isinstance(kernel, Hashable) or not callable(kernel):
        raise InputError(
            f"A kernel is made by a function of the model, such as lambda model: hm.samplers.Hamiltonian(model), not "
            f"{shown(kernel)}."
        )
    start = None if start is None else _checked_start(model, start, len(keys))
    return require_finite(_run(model, keys, start, steps, kernel), "The values drawn", AWAY, columns=True)


@sample.register(BELIEF_NET)
def _from_the_top(net: BeliefNet, keys: Key[Array, "n"], *, steps: int = 1000, start: Any = None) -> Array:
    start = None if start is None else _checked_start(net, start, len(keys))
    return require_finite(_run_top(net, keys, start, steps), "The values drawn", AWAY, columns=True)


@sample.register(TRACTABLE)
def _one_by_one(model: TractableModel, keys: Key[Array, "n"], *, steps: int = 1000) -> Array:
    return require_finite(_draw_mapped(model, keys), "The values drawn", OF_MODEL, columns=True)


@sample.register(LATENT, BIDIRECTIONAL)
def _downwards(model: LatentModel | BiHM, keys: Key[Array, "n"], *, steps: int = 1000) -> Array:
    return require_finite(_draw(model, keys), "The values drawn", OF_MODEL, columns=True)


def _check_rows(model: Any, n: int, first: int) -> None:
    """Refuse more rows than the memory holds beside the other layers of their chains."""
    check_first(first)
    check_fits(
        f"Sampling {n} rows of {model.layers['v'].size} at once",
        4 * n * sum(layer.width for layer in model.layers.values()),
        "draw them in blocks, hm.sample(model, key, 10000, first=0), first=10000 and so on, or let `harmonium sample` "
        "write them to a file",
    )


def _checked_start(model: EnergyModel | BeliefNet, rows: Any, n: int) -> Array:
    rows = as_rows(model.layers["v"], rows, "Start rows")
    if len(rows) != n:
        raise InputError(f"Each of the {n} chains starts from a row, but there are {len(rows)}: give one for each.")
    model.layers["v"].check(rows)
    return model.layers["v"].from_data(rows)


@jit_entry
def _draw_mapped(model: TractableModel, keys: Key[Array, "n"]) -> Array:
    return map_rows(model.sample, keys)


@jit_entry
def _draw(model: LatentModel | BiHM, keys: Key[Array, "n"]) -> Array:
    return jax.vmap(model.sample)(keys)


@jit_entry
def _run(model: EnergyModel, keys: Key[Array, "n"], start: Array | None, steps: int, kernel: Any) -> Array:
    def chain(key: Key[Array, ""], v: Array | None) -> Array:
        first, walk = jax.random.split(key)
        state = initial_state(model, first) if v is None else posterior_sample(model, first, {"v": v})
        return run_chain(kernel(model), walk, state, steps)["v"]

    return jax.vmap(chain)(keys, start)


@jit_entry
def _run_top(net: BeliefNet, keys: Key[Array, "n"], start: Array | None, steps: int) -> Array:
    def chain(key: Key[Array, ""], v: Array | None) -> Array:
        first, walk, last = jax.random.split(key, 3)
        top = None if v is None else {"v": upwards(net, first, v)[top_layer(net)]}
        return downwards(net, last, top_sample(net, walk, steps=steps, start=top)["v"])["v"]

    return jax.vmap(chain)(keys, start)
