"""Samples from a model, and missing values filled in: chains run for whoever wants the result and not the chain."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Key

from harmonium.compiling import outermost, over_rows
from harmonium.errors import InputError, articled, whole
from harmonium.inference.holes import with_holes
from harmonium.inference.marginals import as_rows
from harmonium.models import (
    UNBOUNDED,
    BeliefNet,
    BiHM,
    Emitting,
    EnergyModel,
    LatentModel,
    Ordered,
    Orderless,
    TractableModel,
    check_known_first,
    require_model,
)
from harmonium.models.autoregressive import ancestral
from harmonium.models.directed import downwards, upwards
from harmonium.rng import cheap
from harmonium.samplers.ancestral import top_layer, top_sample
from harmonium.samplers.gibbs import Clamp, Gibbs, initial_state, posterior_sample, run_chain
from harmonium.samplers.guessing import filled_in


def sample(
    model: Any,
    key: Key[Array, ""],
    n: int = 1,
    *,
    steps: int = 1000,
    start: Any = None,
) -> Array:
    """Values of the visible layer from `n` independent chains of block Gibbs sampling, or straight from the model.

    The chains of a belief net (a DBN) run in its top machine, and a pass down its links follows. An auto-regressive
    network, and a directed net from its prior downwards, draw without chains: exactly, whatever `steps` is.
    Arguments: `n`, how many; `steps`, sweeps of each chain; `start`, rows `[n, size]` from which the chains start
    (default: random states). Returns `[n, size]`. Raises `InputError` for fewer than one chain or step, a start where
    there are no chains, or a model that is no distribution of its visible layer.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> hm.sample(rbm, jax.random.key(1), 4, steps=10).shape
    (4, 6)
    """
    require_model("hm.sample", model, EnergyModel, BeliefNet, TractableModel, LatentModel, BiHM)
    if not whole(n, steps):
        raise InputError(f"Sampling needs at least one chain and one step, not n={n} and steps={steps}.")
    if isinstance(model, TractableModel | LatentModel | BiHM):
        if start is not None:
            raise InputError(f"A {type(model).__name__} draws without chains: leave start out.")
        return _draw(model, cheap(key), n)
    if start is not None:
        start = _checked_rows(model, start, n)
    draw = _sample_net if isinstance(model, BeliefNet) else _sample
    rows = draw(model, cheap(key), start, n, steps)
    if model.layers["v"].states is None and not isinstance(rows, jax.core.Tracer) and not jnp.isfinite(rows).all():
        raise InputError(f"The chains ran away, for their values are no longer finite: {UNBOUNDED}.")
    return rows


def impute(model: Any, key: Key[Array, ""], x: Any, *, steps: int = 500) -> Array:
    """Rows with their missing values (NaN) drawn from the model given the others, by clamped Gibbs sampling or exactly.

        x_missing ~ p(x_missing | x_observed)

    An auto-regressive network draws without chains, exactly, whatever `steps` is: one of every order (an
    `hm.OrderlessNADE`) the missing values in a random order after the observed ones, one of a single order where all
    missing values of a row come after its observed ones. A directed net (a VAE) guesses latent variables for the row as
    it is filled, accepts them by Metropolis, and draws the missing values given them (`refilled`).
    Arguments: `x` `[n, size]` or `[size]`, NaN where missing; `steps`, sweeps of each chain. Returns an array of the
    same shape; observed values are returned as given. Raises `InputError` for another kind of model, no rows,
    observed values outside the range, or missing values that come too early in a network's order.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(3), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> bool(jnp.isnan(hm.impute(rbm, jax.random.key(1), jnp.array([1.0, jnp.nan, 0.0]), steps=10)).any())
    False
    """
    require_model("hm.impute", model, EnergyModel, TractableModel, Emitting)
    if not whole(steps):
        raise InputError(f"Imputation needs at least one step, not steps={steps}.")
    unit = model.layers["v"]
    filled, missing = with_holes(unit, x)
    known, mask = jnp.asarray(filled, unit.dtype), jnp.asarray(~missing)
    if isinstance(model, TractableModel):
        _refuse_early(model, missing)
        return _complete(model, cheap(key), known, mask).reshape(np.shape(x))
    if isinstance(model, LatentModel):
        if len(model.layers) < 2:
            raise InputError("A belief net without hidden layers does not fill in: train an hm.OrderlessNADE.")
        return _guess(model, cheap(key), known, mask, steps).reshape(np.shape(x))
    return _impute(model, cheap(key), known, mask, steps).reshape(np.shape(x))


def _refuse_early(model: TractableModel, missing: np.ndarray) -> None:
    """Refuse rows that an auto-regressive network of one order cannot fill in order."""
    if isinstance(model, Ordered):
        check_known_first(model, 2 * missing.astype(np.int8))
    elif not isinstance(model, Orderless):
        raise InputError(
            f"hm.impute takes an auto-regressive network that draws its variables one by one, which "
            f"{articled(type(model).__name__)} does not: train an hm.OrderlessNADE."
        )


@outermost
def _draw(model: TractableModel | LatentModel | BiHM, key: Key[Array, ""], n: int) -> Array:
    keys = jax.random.split(key, n)
    return over_rows(model.sample, keys) if isinstance(model, TractableModel) else jax.vmap(model.sample)(keys)


@outermost
def _complete(model: Ordered | Orderless, key: Key[Array, ""], known: Array, mask: Bool[Array, "n size"]) -> Array:
    def one(key: Key[Array, ""], x: Array, fixed: Array) -> Array:
        lot, draw = jax.random.split(key)
        if isinstance(model, Ordered):
            order = jnp.asarray(model.order)
        else:
            order = jnp.argsort(jnp.where(fixed, -1.0, jax.random.uniform(lot, fixed.shape, jnp.float32)))
        return ancestral(model, draw, order, x, fixed)

    return over_rows(one, jax.random.split(key, len(known)), known, mask)


@outermost
def _sample(model: EnergyModel, key: Key[Array, ""], start: Array | None, n: int, steps: int) -> Array:
    def chain(key: Key[Array, ""], v: Array | None) -> Array:
        first, walk = jax.random.split(key)
        state = initial_state(model, first) if v is None else posterior_sample(model, first, {"v": v})
        return run_chain(Gibbs(model), walk, state, steps)["v"]

    return jax.vmap(chain)(jax.random.split(key, n), start)


@outermost
def _sample_net(net: BeliefNet, key: Key[Array, ""], start: Array | None, n: int, steps: int) -> Array:
    def chain(key: Key[Array, ""], v: Array | None) -> Array:
        first, walk, last = jax.random.split(key, 3)
        top = None if v is None else {"v": upwards(net, first, v)[top_layer(net)]}
        return downwards(net, last, top_sample(net, walk, steps=steps, start=top)["v"])["v"]

    return jax.vmap(chain)(jax.random.split(key, n), start)


@outermost
def _guess(model: Emitting, key: Key[Array, ""], known: Array, mask: Bool[Array, "n size"], steps: int) -> Array:
    keys = jax.random.split(key, len(known))
    return jax.vmap(lambda k, x, fixed: filled_in(model, k, x, fixed, steps))(keys, known, mask)


@outermost
def _impute(model: EnergyModel, key: Key[Array, ""], known: Array, mask: Bool[Array, "n size"], steps: int) -> Array:
    def chain(key: Key[Array, ""], value: Array, fixed: Array) -> Array:
        first, second, walk = jax.random.split(key, 3)
        guess = jnp.where(fixed, value, initial_state(model, first)["v"])
        state = posterior_sample(model, second, {"v": guess})
        return run_chain(Gibbs(model, {"v": Clamp(fixed, value)}), walk, state, steps)["v"]

    return jax.vmap(chain)(jax.random.split(key, len(known)), known, mask)


def _checked_rows(model: EnergyModel | BeliefNet, rows: Any, n: int) -> Array:
    rows = as_rows(model.layers["v"], rows, "Start rows")
    if len(rows) != n:
        raise InputError(f"Each of the {n} chains starts from a row, but there are {len(rows)}: give one for each.")
    model.layers["v"].check(rows)
    return jnp.asarray(rows, model.layers["v"].dtype)
