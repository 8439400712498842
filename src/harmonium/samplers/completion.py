"""Samples from a model, and missing values filled in: chains run for whoever wants the result and not the chain."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Key

from harmonium.compiling import jit_entry, map_rows
from harmonium.errors import InputError, articled, shown, whole
from harmonium.inference.finite import OF_MODEL, require_finite, require_numbers
from harmonium.inference.marginals import as_rows
from harmonium.inference.missing import with_holes
from harmonium.memory import check_fits
from harmonium.models import (
    UNBOUNDED,
    BeliefNet,
    BiHM,
    EnergyModel,
    FactorizedDecoder,
    LatentModel,
    Ordered,
    Orderless,
    TractableModel,
    check_known_first,
    refusal,
    require_sound,
)
from harmonium.models.autoregressive import ancestral
from harmonium.models.directed import downwards, upwards
from harmonium.models.kinds import (
    BELIEF_NET,
    BIDIRECTIONAL,
    ENERGY,
    LATENT,
    ORDERED,
    ORDERLESS,
    TRACTABLE,
    is_kind,
    require_kind,
)
from harmonium.rng import check_key, fast_key, row_keys
from harmonium.samplers.ancestral import top_layer, top_sample
from harmonium.samplers.gibbs import Clamp, Gibbs, initial_state, posterior_sample, run_chain
from harmonium.samplers.metropolis_within_gibbs import filled_in

SAMPLED = (ENERGY, BELIEF_NET, TRACTABLE, LATENT, BIDIRECTIONAL)  # models that `sample` takes
EMITTING = "a directed net whose visible units are independent given the latent ones (a VAE, ...)"


def sample(
    model: Any,
    key: Key[Array, ""],
    n: int = 1,
    *,
    steps: int = 1000,
    start: Any = None,
    first: int = 0,
) -> Array | np.ndarray:
    """Values of the visible layer from `n` independent chains of block Gibbs sampling, or straight from the model.

    The chains of a belief net (a DBN) run in its top machine, and a pass down its links follows. An auto-regressive
    network, and a directed net from its prior downwards, draw without chains: exactly, whatever `steps` is.
    Row `i` depends on `key` and `i` alone, so that blocks drawn one after the other, each with the number of its
    `first` row, are the rows drawn at once (to float summation order; bit for bit where blocks have the same size).
    Arguments: `n`, how many; `steps`, sweeps of each chain; `start`, rows `[n, size]` from which the chains start
    (default: random states); `first`, the number of the first row. Returns `[n, size]`, in float64 where the model
    holds real columns shifted and scaled. Raises `InputError` for fewer than one chain or step, more rows than the
    memory holds, a start where there are no chains, or a model that is no
    distribution of its visible layer.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> hm.sample(rbm, jax.random.key(1), 4, steps=10).shape
    (4, 6)
    """
    require_kind("hm.sample", model, *SAMPLED)
    check_key(key, "hm.sample(model, key, n)")
    if not whole(n, steps):
        raise InputError(f"Sampling needs at least one chain and one step, not n={n} and steps={steps}.")
    require_numbers(model)
    _check_rows(model, n, first)
    unit, keys = model.layers["v"], row_keys(fast_key(key), first, n)
    if is_kind(model, TRACTABLE, LATENT, BIDIRECTIONAL):
        if start is not None:
            raise InputError(f"A {type(model).__name__} draws without chains: leave start out.")
        return unit.to_data(require_finite(_draw(model, keys), "The values drawn", OF_MODEL, columns=True))
    if start is not None:
        start = _checked_rows(model, start, n)
    draw = _sample_net if is_kind(model, BELIEF_NET) else _sample
    away = f"the chains ran away, for {UNBOUNDED}"
    return unit.to_data(require_finite(draw(model, keys, start, steps), "The values drawn", away, columns=True))


def impute(model: Any, key: Key[Array, ""], x: Any, *, steps: int = 500, first: int = 0) -> Array | np.ndarray:
    """Rows with their missing values (NaN) drawn from the model given the others, by clamped Gibbs sampling or exactly.

        x_missing ~ p(x_missing | x_observed)

    An auto-regressive network draws without chains, exactly, whatever `steps` is: one of a single order where all
    missing values of a row come after its observed ones, one of every order (an `hm.OrderlessNADE`) the missing values
    in a random order after the observed ones (exactly as the network is then asked, which is not the conditional of the
    mixture that its `log_prob` measures). A directed net (a VAE) guesses latent variables for the row as
    it is filled, accepts them by Metropolis, and draws the missing values given them (`refilled`).
    As in `hm.sample`, what is drawn for a row depends on `key` and on its number alone.
    Arguments: `x` `[n, size]` or `[size]`, NaN where missing; `steps`, sweeps of each chain; `first`, the number of the
    first row. Returns an array of the same shape; observed values are returned as given. Raises `InputError` for
    another kind of model, no rows, observed values outside the range, or missing values that come too early in a
    network's order, and `NotFiniteError`, with the cell, where a value drawn is not finite.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(3), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> bool(jnp.isnan(hm.impute(rbm, jax.random.key(1), jnp.array([1.0, jnp.nan, 0.0]), steps=10)).any())
    False
    """
    require_fillable(model)
    check_key(key, "hm.impute(model, key, x)")
    if not whole(steps):
        raise InputError(f"Imputation needs at least one step, not steps={steps}.")
    require_numbers(model)
    unit = model.layers["v"]
    filled, missing = with_holes(unit, x)
    check_first(first)
    keys = row_keys(fast_key(key), first, len(filled))
    drawn = _filled(model, keys, unit.from_data(filled), missing, steps)
    drawn = require_finite(drawn, "The values drawn", columns=True)
    whole_rows = np.where(missing, unit.to_data(drawn), filled) if unit.scaled else drawn
    return whole_rows.reshape(np.shape(x))


def require_fillable(model: Any) -> None:
    """Refuse a model that `impute` does not take.

    >>> require_fillable("an RBM")
    Traceback (most recent call last):
    harmonium.errors.InputError: hm.impute takes an energy model (an RBM, a DBM, ...), an auto-regressive network or ...
    """
    require_sound(model)
    if not is_kind(model, ENERGY, TRACTABLE) and not (is_kind(model, LATENT) and isinstance(model, FactorizedDecoder)):
        raise refusal("hm.impute", model, ENERGY.noun, TRACTABLE.noun, EMITTING)


def _filled(model: Any, keys: Key[Array, "n"], known: Array, missing: Bool[np.ndarray, "n size"], steps: int) -> Array:
    """The rows with their missing values drawn, as the kind of the model does it."""
    mask = jnp.asarray(~missing)
    if is_kind(model, TRACTABLE):
        _refuse_early(model, missing)
        return _complete(model, keys, known, mask)
    if is_kind(model, LATENT):
        if len(model.layers) < 2:
            raise InputError("A belief net without hidden layers does not fill in: train an hm.OrderlessNADE.")
        return _guess(model, keys, known, mask, steps)
    return _impute(model, keys, known, mask, steps)


def check_first(first: Any) -> None:
    """Refuse what is no number of a row.

    >>> check_first(-1)
    Traceback (most recent call last):
    harmonium.errors.InputError: Rows are counted from 0, and first=-1 is none of them: give a whole number.
    """
    if not whole(first, least=0):
        raise InputError(f"Rows are counted from 0, and first={shown(first)} is none of them: give a whole number.")


def _check_rows(model: Any, n: int, first: int) -> None:
    """Refuse more rows than the memory holds beside the other layers of their chains."""
    check_first(first)
    layers = model.layers.values() if is_kind(model, ENERGY) else [model.layers["v"]]
    check_fits(
        f"Sampling {n} rows of {model.layers['v'].size} at once",
        4 * n * sum(layer.width for layer in layers),
        "draw them in blocks, hm.sample(model, key, 10000, first=0), first=10000 and so on, or let `harmonium sample` "
        "write them to a file",
    )


def _refuse_early(model: TractableModel, missing: np.ndarray) -> None:
    """Refuse rows that an auto-regressive network of one order cannot fill in order."""
    if is_kind(model, ORDERED):
        check_known_first(model, 2 * missing.astype(np.int8))
    elif not is_kind(model, ORDERLESS):
        raise InputError(
            f"hm.impute takes an auto-regressive network that draws its variables one by one, which "
            f"{articled(type(model).__name__)} does not: train an hm.OrderlessNADE."
        )


@jit_entry
def _draw(model: TractableModel | LatentModel | BiHM, keys: Key[Array, "n"]) -> Array:
    return map_rows(model.sample, keys) if is_kind(model, TRACTABLE) else jax.vmap(model.sample)(keys)


@jit_entry
def _complete(model: Ordered | Orderless, keys: Key[Array, "n"], known: Array, mask: Bool[Array, "n size"]) -> Array:
    def one(key: Key[Array, ""], x: Array, fixed: Array) -> Array:
        lot, draw = jax.random.split(key)
        if is_kind(model, ORDERED):
            order = jnp.asarray(model.order)
        else:
            order = jnp.argsort(jnp.where(fixed, -1.0, jax.random.uniform(lot, fixed.shape, jnp.float32)))
        return ancestral(model, draw, order, x, fixed)

    return map_rows(one, keys, known, mask)


@jit_entry
def _sample(model: EnergyModel, keys: Key[Array, "n"], start: Array | None, steps: int) -> Array:
    def chain(key: Key[Array, ""], v: Array | None) -> Array:
        first, walk = jax.random.split(key)
        state = initial_state(model, first) if v is None else posterior_sample(model, first, {"v": v})
        return run_chain(Gibbs(model), walk, state, steps)["v"]

    return jax.vmap(chain)(keys, start)


@jit_entry
def _sample_net(net: BeliefNet, keys: Key[Array, "n"], start: Array | None, steps: int) -> Array:
    def chain(key: Key[Array, ""], v: Array | None) -> Array:
        first, walk, last = jax.random.split(key, 3)
        top = None if v is None else {"v": upwards(net, first, v)[top_layer(net)]}
        return downwards(net, last, top_sample(net, walk, steps=steps, start=top)["v"])["v"]

    return jax.vmap(chain)(keys, start)


@jit_entry
def _guess(
    model: FactorizedDecoder, keys: Key[Array, "n"], known: Array, mask: Bool[Array, "n size"], steps: int
) -> Array:
    return jax.vmap(lambda k, x, fixed: filled_in(model, k, x, fixed, steps))(keys, known, mask)


@jit_entry
def _impute(model: EnergyModel, keys: Key[Array, "n"], known: Array, mask: Bool[Array, "n size"], steps: int) -> Array:
    def chain(key: Key[Array, ""], value: Array, fixed: Array) -> Array:
        first, second, walk = jax.random.split(key, 3)
        guess = jnp.where(fixed, value, initial_state(model, first)["v"])
        state = posterior_sample(model, second, {"v": guess})
        return run_chain(Gibbs(model, {"v": Clamp(fixed, value)}), walk, state, steps)["v"]

    return jax.vmap(chain)(keys, known, mask)


def _checked_rows(model: EnergyModel | BeliefNet, rows: Any, n: int) -> Array:
    rows = as_rows(model.layers["v"], rows, "Start rows")
    if len(rows) != n:
        raise InputError(f"Each of the {n} chains starts from a row, but there are {len(rows)}: give one for each.")
    model.layers["v"].check(rows)
    return model.layers["v"].from_data(rows)
