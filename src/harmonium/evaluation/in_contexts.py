"""How likely rows are under machines that are given a context: a `log Z` for each value (section 20.7).

    log p(row) = sum_t -F_t(v_t) - log Z_t

Where part of a row is given and not modelled, such as the first frames of a sequence, the answer is a conditional
log-likelihood, which compares with none of the whole row.
"""

from __future__ import annotations

import dataclasses
import math
import time

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from harmonium.compiling import jit_entry
from harmonium.data import Dataset, Space, space_of
from harmonium.errors import InputError
from harmonium.evaluation.annealed_contexts import Weighed, annealed_ends, weighed
from harmonium.evaluation.estimate import Estimate, Quantity, interval_verdict, mean_estimate, standard_error
from harmonium.evaluation.likelihood import as_bound, free_energy_is_exact, log_likelihood
from harmonium.evaluation.log_prob import log_prob
from harmonium.evaluation.partition import ERRORS, check_annealing
from harmonium.evaluation.rows import rows_of, space_under
from harmonium.inference import configurations, exact_free_energy, exact_log_partition
from harmonium.inference.normalisable import why_unbounded
from harmonium.inference.placing import log_scale_of
from harmonium.models import ConditionalEnergyModel, EnergyModel, value_places
from harmonium.models.kinds import CONDITIONAL_ENERGY
from harmonium.rng import fast_key, key_data
from harmonium.units import Frames

LISTED = 2**15  # configurations of a machine, at most, of which `auto` takes the sum for each value
CONFIGURATIONS = 2**17  # of all values that are summed at a time
VALUES = 128  # values that are weighed at a time


def count_values(model: ConditionalEnergyModel, rows: np.ndarray) -> Int[np.ndarray, "n"]:
    """How many values of each row a model says something of: of sequences, what `per_frame` divides by.

    >>> import harmonium as hm
    >>> frames = hm.units.Frames(hm.units.Bernoulli(1), 3)
    >>> model = hm.ConditionalRBM(frames, hm.units.Bernoulli(4), order=1, key=jax.random.key(0))
    >>> count_values(model, np.array([[1.0, 0.0, -1.0]])).tolist()
    [1]
    """
    return _counted(model, rows).sum(axis=1)


def _counted(model: ConditionalEnergyModel, rows: np.ndarray) -> Bool[np.ndarray, "n values"]:
    return np.asarray(jax.vmap(lambda row: model.split(row).counted)(model.layers["v"].from_data(rows)))


def _found(model: ConditionalEnergyModel, rows: np.ndarray) -> tuple[Weighed, EnergyModel]:
    """The values of rows, and the machine of the first: all have one form. Refuses rows without any value."""
    empty = np.flatnonzero(count_values(model, rows) == 0)
    if len(empty):
        raise InputError(
            f"Row {empty[0]} has no value that this {type(model).__name__} says something of: give longer sequences, "
            "of more frames than those that it is given."
        )
    found = weighed(model, rows)
    return found, model.given(jax.tree.map(lambda leaf: leaf[0], found.context))


def _about(model: ConditionalEnergyModel, rows: np.ndarray) -> tuple[Quantity, Space]:
    """What is measured of rows, and their space, which tells apart what is given and what is asked."""
    unit, places, counted = model.layers["v"], value_places(model), _counted(model, rows)
    space = space_under(unit, rows)
    asked = (places >= 0) & counted[:, np.maximum(places, 0)]
    there = rows != unit.absent if isinstance(unit, Frames) else np.ones(rows.shape, bool)
    if not (there & ~asked).any():
        return "log_likelihood", space
    both = np.hstack([np.asarray(rows, np.float64), asked])
    return "conditional_log_likelihood", dataclasses.replace(space, hash=space_of(both).hash)


# ---- exactly -------------------------------------------------------------------------------------------------


@log_likelihood.register(CONDITIONAL_ENERGY, method="exact")
def _exact(model: ConditionalEnergyModel, data: Dataset | Array, key: Key[Array, ""] | None) -> Estimate:
    rows = rows_of(model, data)
    return _listed_estimate(model, rows, *_found(model, rows))


def _listed_estimate(
    model: ConditionalEnergyModel, rows: np.ndarray, found: Weighed, machine: EnergyModel
) -> Estimate:  # fmt: skip
    clock = time.perf_counter()
    quantity, space = _about(model, rows)
    if why := why_unbounded(machine):
        return _unbounded(why, quantity, space, len(rows))
    each = _log_probs(model, rows, found, machine)
    settings = {"values": len(found.row), "seconds": round(time.perf_counter() - clock, 2)}
    return mean_estimate(each, "exact", "enumeration for each context", settings, space, quantity=quantity)


@log_prob.register(CONDITIONAL_ENERGY)
def _log_prob(model: ConditionalEnergyModel, rows: np.ndarray) -> Float[np.ndarray, "n"]:
    found, machine = _found(model, rows)
    if why := why_unbounded(machine):
        raise InputError(f"This {type(model).__name__} has no probabilities: {why}.")
    return _log_probs(model, rows, found, machine)


def _log_probs(
    model: ConditionalEnergyModel, rows: np.ndarray, found: Weighed, machine: EnergyModel
) -> Float[np.ndarray, "n"]:
    count = _configurations(machine)
    if count > LISTED:
        raise InputError(
            f"An exact likelihood would sum {count:.3g} states of this {type(model).__name__} for each value, more "
            f"than {LISTED:,}: use hm.log_likelihood with method='two_sided' and a key."
        )
    size = int(max(1, min(VALUES, CONFIGURATIONS // count)))
    values = found.joined([_listed(model, *block) for block in found.blocks(size)])
    return found.by_row(values, len(rows)) - log_scale_of(model, rows)


def _configurations(machine: EnergyModel) -> float:
    return max(configurations(machine), configurations(machine, ("v",)))


@jit_entry
def _listed(model: ConditionalEnergyModel, context: PyTree, values: Array) -> Float[Array, "m"]:
    def one(x: PyTree, v: Array) -> Float[Array, ""]:
        machine = model.given(x)
        return -exact_free_energy(machine, {"v": v}) - exact_log_partition(machine)

    return jax.vmap(one)(context, values)


def _unbounded(why: str, quantity: Quantity, space: Space, n: int) -> Estimate:
    """What is said of a model without partition functions."""
    return Estimate(
        math.nan, math.inf, "unordered", quantity, method="enumeration", space=space, n=n,
        verdict=f"do not report: {why}",
    )  # fmt: skip


# ---- from both sides -----------------------------------------------------------------------------------------


@log_likelihood.register(CONDITIONAL_ENERGY, method="auto")
def _auto(
    model: ConditionalEnergyModel, data: Dataset | Array, key: Key[Array, ""] | None, *, chains: int = 20,
    temperatures: int = 200, burn_in: int = 20,
) -> Estimate:  # fmt: skip
    rows = rows_of(model, data)
    found, machine = _found(model, rows)
    if _configurations(machine) <= LISTED:
        return _listed_estimate(model, rows, found, machine)
    return _annealed(model, rows, found, machine, key, chains, temperatures, burn_in)


@log_likelihood.register(CONDITIONAL_ENERGY, method="two_sided")
def _two_sided(
    model: ConditionalEnergyModel, data: Dataset | Array, key: Key[Array, ""] | None, *, chains: int = 20,
    temperatures: int = 200, burn_in: int = 20,
) -> Estimate:  # fmt: skip
    rows = rows_of(model, data)
    return _annealed(model, rows, *_found(model, rows), key, chains, temperatures, burn_in)


def _annealed(
    model: ConditionalEnergyModel, rows: np.ndarray, found: Weighed, machine: EnergyModel, key: Key[Array, ""] | None,
    chains: int, temperatures: int, burn_in: int,
) -> Estimate:  # fmt: skip
    quantity, space = _about(model, rows)
    if why := why_unbounded(machine):
        return _unbounded(why, quantity, space, len(rows))
    if key is None:
        raise InputError("Estimating the log Z of each context draws random numbers: pass key=jax.random.key(seed).")
    check_annealing(chains, temperatures, burn_in)
    clock, less = time.perf_counter(), log_scale_of(model, rows)
    ends = annealed_ends(model, found, fast_key(key), chains, temperatures, burn_in)
    lower, upper = (found.by_row(end, len(rows)) - less for end in (ends.lower, ends.upper))
    settings = {"chains": chains, "temperatures": temperatures, "burn_in": burn_in, "values": len(found.row)}
    settings |= {"effective_chains": round(float(ends.effective.mean()), 1), "seed": key_data(key)}
    settings |= {"bias_of_the_sum": round(float(ends.variance.sum()) / 2 / len(rows), 4)}
    settings |= {"seconds": round(time.perf_counter() - clock, 2)}
    error, each = math.sqrt(ends.variance.sum()) / len(rows), (lower + upper) / 2
    low, high = float(lower.mean()) - ERRORS * error, float(upper.mean()) + ERRORS * error
    low, high = min(low, high), max(low, high)
    estimate = Estimate(
        (low + high) / 2, math.hypot(standard_error(each), error), "interval", quantity, low, high, False,
        "AIS and reverse AIS for each context", settings, space, len(rows),
        interval_verdict(high - low, float(ends.effective.mean())), per_example=each,
    )  # fmt: skip
    return estimate if free_energy_is_exact(machine) else as_bound(estimate)
