"""Values of machines that are given a context: one after the other, each context that of the values before it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Key

from harmonium.compiling import jit_entry
from harmonium.errors import InputError, articled
from harmonium.models import ConditionalEnergyModel, fold, value_places
from harmonium.models.kinds import CONDITIONAL_ENERGY
from harmonium.samplers.gibbs import Clamp, Gibbs, initial_state, posterior_sample, run_chain
from harmonium.samplers.impute import impute
from harmonium.samplers.sample import sample
from harmonium.units import Frames, Words

STEPS = 100  # sweeps of the chain of each value: the machine of one frame mixes fast


@sample.register(CONDITIONAL_ENERGY)
def _in_turn(model: ConditionalEnergyModel, keys: Key[Array, "n"], *, steps: int = STEPS, length: Any = None) -> Array:
    row, missing = model.layers["v"].blank(length)
    check_given(model, jnp.asarray(row)[None], missing[None])
    shape = len(keys), len(row)
    return _drawn(model, keys, jnp.broadcast_to(row, shape), jnp.broadcast_to(~missing, shape), steps)


@impute.register(CONDITIONAL_ENERGY)
def _after_what_is_known(
    model: ConditionalEnergyModel, keys: Key[Array, "n"], v: Array, missing: Bool[np.ndarray, "n size"], *,
    steps: int = STEPS,
) -> Array:  # fmt: skip
    if isinstance(model.layers["v"], Words):
        raise InputError(
            "The counts of some words and not of others do not say how long a document is: draw whole documents, "
            "hm.sample(model, key, n, length=100)."
        )
    check_given(model, v, missing)
    return _drawn(model, keys, v, jnp.asarray(~missing), steps)


def check_given(model: ConditionalEnergyModel, rows: Array, missing: Bool[np.ndarray, "n size"]) -> None:
    """Refuse rows whose missing cells are part of a context: what is given, or frames before others that are known.

    >>> import harmonium as hm
    >>> model = hm.RTRBM(hm.units.Frames(hm.units.Bernoulli(1), 3), hm.units.Bernoulli(4), key=jax.random.key(0))
    >>> check_given(model, jnp.ones((1, 3)), np.array([[False, True, True]]))
    """
    name, unit = articled(type(model).__name__), model.layers["v"]
    places = value_places(model)
    outside = np.flatnonzero((missing & (places < 0)).any(axis=0))
    if len(outside):
        raise InputError(
            f"Column {outside[0]} is part of what {name} is given, and missing: give it, and NaN where values are "
            "to be drawn."
        )
    if not isinstance(unit, Frames):
        return
    present = np.asarray(jax.vmap(unit.present)(jnp.asarray(rows)))
    first = np.asarray(jax.vmap(lambda row: ~model.split(row).counted)(jnp.asarray(rows))) & present
    gone = missing.reshape(len(missing), unit.frames, -1)
    if (gone.any(axis=2) & first).any():
        raise InputError(
            f"{name[0].upper()}{name[1:]} is given the first {first[0].sum()} frames and says nothing of them: give "
            "them, and NaN where frames are to be drawn."
        )
    there = ~gone.all(axis=2) & present  # some of it
    later = np.flip(np.logical_or.accumulate(np.flip(there, axis=1), axis=1), axis=1)
    early = gone.any(axis=2)[:, :-1] & later[:, 1:]
    if early.any():
        row, t = (int(i) for i in np.argwhere(early)[0])
        raise InputError(
            f"Frame {t} of row {row} is missing, and later ones are known: {name} draws frames after known ones, so "
            "make everything after the first gap NaN."
        )


@jit_entry
def _drawn(
    model: ConditionalEnergyModel, keys: Key[Array, "n"], rows: Array, known: Bool[Array, "n size"], steps: int
) -> Array:
    def one(key: Key[Array, ""], row: Array, held: Array) -> Array:
        def fill(number: Array, context: Any, value: Array, fixed: Array) -> Array:
            machine = model.given(context)
            first, second, walk = jax.random.split(jax.random.fold_in(key, number), 3)
            guess = jnp.where(fixed, value, initial_state(machine, first)["v"])
            state = posterior_sample(machine, second, {"v": guess})
            return run_chain(Gibbs(machine, {"v": Clamp(fixed, value)}), walk, state, steps)["v"]

        return fold(model, row, held, fill)

    return jax.vmap(one)(keys, rows, known)
