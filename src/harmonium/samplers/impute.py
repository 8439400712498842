"""Missing values drawn given those that are known: by chains that are held at them, or exactly."""

from __future__ import annotations

import inspect
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Key

from harmonium.compiling import jit_entry, map_rows
from harmonium.errors import InputError, articled, whole
from harmonium.inference.finite import require_finite, require_numbers
from harmonium.inference.missing import with_holes
from harmonium.models import BeliefNet, EnergyModel, FactorizedDecoder, check_known_first
from harmonium.models.autoregressive import ancestral
from harmonium.models.autoregressive.order import OrderedModel, OrderlessModel
from harmonium.models.directed import downwards
from harmonium.models.kinds import BELIEF_NET, ENERGY, LATENT, ORDERED, ORDERLESS
from harmonium.models.verb import verb
from harmonium.rng import check_key, fast_key, row_keys
from harmonium.samplers.ancestral import top_sample
from harmonium.samplers.gibbs import Clamp, Gibbs, initial_state, posterior_sample, run_chain
from harmonium.samplers.known import Known, check_first, known_layers
from harmonium.samplers.metropolis_within_gibbs import filled_in

DECODED = "a directed net whose visible units are independent given the latent ones (a VAE, ...)"


@verb("hm.impute")
def impute(
    row: Any, model: Any, key: Key[Array, ""], x: Any, *, given: Any = None, first: int = 0, **options: Any
) -> Array | np.ndarray:
    """Rows with their missing values (NaN) drawn from the model given the others, by clamped Gibbs sampling or exactly.

        x_missing ~ p(x_missing | x_observed)

    An auto-regressive network draws without chains, exactly, whatever `steps` is: one of a single order where all
    missing values of a row come after its observed ones, one of every order (an `hm.OrderlessNADE`) the missing values
    in a random order after the observed ones (exactly as the network is then asked, which is not the conditional of the
    mixture that its `log_prob` measures). A directed net (a VAE) proposes latent variables for the row as
    it is filled, accepts them by Metropolis, and draws the missing values given them (`refilled`).
    As in `hm.sample`, what is drawn for a row depends on `key` and on its number alone.
    A machine of values given a context draws frames after known ones, or the value `v` of a row `[x, v]`.
    A belief net (a DBN) fills in nothing but whole rows, given its labels.
    Arguments: `x` `[n, size]` or `[size]`, NaN where missing; `steps`, sweeps of each chain; `given`, known values of
    other layers by name, such as the class `{"y": 3}`; `first`, the number of the first row. Returns an array of the
    same shape; observed values are returned as given. Raises `InputError` for another kind of model, no rows, values
    outside the range, or missing values that come too early in a network's order, and `NotFiniteError`, with the cell,
    where a value drawn is not finite.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(3), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> bool(jnp.isnan(hm.impute(rbm, jax.random.key(1), jnp.array([1.0, jnp.nan, 0.0]), steps=10)).any())
    False
    """
    check_key(key, "hm.impute(model, key, x)")
    steps = options.get("steps", 500)
    if not whole(steps):
        raise InputError(f"Imputation needs at least one step, not steps={steps}.")
    require_numbers(model)
    unit = model.layers["v"]
    filled, missing = with_holes(unit, x)
    check_first(first)
    keys = row_keys(fast_key(key), first, len(filled))
    if others := known_layers(model, given, len(filled)):
        options |= {"others": others}
        if "others" not in inspect.signature(row).parameters:
            of = articled(type(model).__name__)
            raise InputError(
                f"hm.impute of {of} takes no values of layer {next(iter(others))!r}: give visible ones only."
            )
    drawn = row(model, keys, unit.from_data(filled), missing, **options)
    drawn = require_finite(drawn, "The values drawn", columns=True)
    whole_rows = np.where(missing, unit.to_data(drawn), filled) if unit.scaled else drawn
    return whole_rows.reshape(np.shape(x))


Missing = Bool[np.ndarray, "n size"]


@impute.register(ENERGY)
def _by_clamping(
    model: EnergyModel, keys: Key[Array, "n"], v: Array, missing: Missing, others: Known | None = None, *,
    steps: int = 500,
) -> Array:  # fmt: skip
    return _impute(model, keys, {"v": Clamp(jnp.asarray(~missing), v)} | _clamps(others), steps)


@impute.register(BELIEF_NET)
def _from_the_top(
    net: BeliefNet, keys: Key[Array, "n"], v: Array, missing: Missing, others: Known | None = None, *, steps: int = 500
) -> Array:
    if not missing.all() or set(others or ()) - {"y"}:
        raise InputError(
            f"hm.impute of {articled(type(net).__name__)} draws rows given their labels, and not given other values: "
            "train a DBM, which is drawn given any."
        )
    return _descend(net, keys, _clamps(others), steps)


def _clamps(known: Known | None) -> dict[str, Clamp]:
    return {name: Clamp(jnp.asarray(mask), jnp.asarray(values)) for name, (values, mask) in (known or {}).items()}


@impute.register(ORDERED)
def _in_order(model: OrderedModel, keys: Key[Array, "n"], known: Array, missing: Missing, *, steps: int = 500) -> Array:
    check_known_first(model, 2 * missing.astype(np.int8))
    return _complete_in_order(model, keys, known, jnp.asarray(~missing))


@impute.register(ORDERLESS)
def _in_any_order(
    model: OrderlessModel, keys: Key[Array, "n"], known: Array, missing: Missing, *, steps: int = 500
) -> Array:
    return _complete(model, keys, known, jnp.asarray(~missing))


@impute.register(LATENT, needs=FactorizedDecoder, noun=DECODED)
def _by_proposals(
    model: FactorizedDecoder, keys: Key[Array, "n"], known: Array, missing: Missing, *, steps: int = 500
) -> Array:
    if len(model.layers) < 2:
        raise InputError("A belief net without hidden layers does not fill in: train an hm.OrderlessNADE.")
    return _fill_in(model, keys, known, jnp.asarray(~missing), steps)


@jit_entry
def _complete_in_order(model: OrderedModel, keys: Key[Array, "n"], known: Array, mask: Bool[Array, "n size"]) -> Array:
    def one(key: Key[Array, ""], x: Array, fixed: Array) -> Array:
        _, draw = jax.random.split(key)
        return ancestral(model, draw, jnp.asarray(model.order), x, fixed)

    return map_rows(one, keys, known, mask)


@jit_entry
def _complete(model: OrderlessModel, keys: Key[Array, "n"], known: Array, mask: Bool[Array, "n size"]) -> Array:
    def one(key: Key[Array, ""], x: Array, fixed: Array) -> Array:
        lot, draw = jax.random.split(key)
        order = jnp.argsort(jnp.where(fixed, -1.0, jax.random.uniform(lot, fixed.shape, jnp.float32)))
        return ancestral(model, draw, order, x, fixed)

    return map_rows(one, keys, known, mask)


@jit_entry
def _fill_in(
    model: FactorizedDecoder, keys: Key[Array, "n"], known: Array, mask: Bool[Array, "n size"], steps: int
) -> Array:
    return jax.vmap(lambda k, x, fixed: filled_in(model, k, x, fixed, steps))(keys, known, mask)


@jit_entry
def _impute(model: EnergyModel, keys: Key[Array, "n"], clamps: dict[str, Clamp], steps: int) -> Array:
    def chain(key: Key[Array, ""], clamped: dict[str, Clamp]) -> Array:
        first, second, walk = jax.random.split(key, 3)
        guess = jnp.where(clamped["v"].mask, clamped["v"].value, initial_state(model, first)["v"])
        state = posterior_sample(model, second, {"v": guess})
        return run_chain(Gibbs(model, clamped), walk, state, steps)["v"]

    return jax.vmap(chain)(keys, clamps)


@jit_entry
def _descend(net: BeliefNet, keys: Key[Array, "n"], clamps: dict[str, Clamp], steps: int) -> Array:
    def chain(key: Key[Array, ""], clamped: dict[str, Clamp]) -> Array:
        walk, last = jax.random.split(key)
        return downwards(net, last, top_sample(net, walk, steps=steps, clamped=clamped)["v"])["v"]

    return jax.vmap(chain)(keys, clamps)
