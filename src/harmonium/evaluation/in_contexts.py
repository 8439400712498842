"""How likely rows are under machines that are given a context: a `log Z` for each value (section 20.7).

    log p(row) = sum_t -F_t(v_t) - log Z_t

A row of many values adds up as many errors of `log Z`. Those of annealed importance sampling lie to one side, for the
logarithm of a mean of weights is too low on average, by half the variance of that mean; in reverse it is too high. So
both directions are run for each value, and their sums are the two ends.
"""

from __future__ import annotations

import math
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from harmonium.compiling import jit_entry
from harmonium.data import Dataset
from harmonium.errors import InputError
from harmonium.evaluation.annealed import forward, neutral_base, reverse
from harmonium.evaluation.estimate import Estimate, interval_verdict, mean_estimate, standard_error
from harmonium.evaluation.likelihood import as_bound, free_energy_is_exact, log_likelihood
from harmonium.evaluation.log_prob import log_prob
from harmonium.evaluation.partition import ERRORS, check_annealing
from harmonium.evaluation.rows import rows_of, space_under
from harmonium.inference import (
    configurations,
    exact_free_energy,
    exact_log_partition,
    fixed_point,
    variational_free_energy,
)
from harmonium.inference.placing import log_scale_of
from harmonium.models import Biased, ConditionalEnergyModel, EnergyModel, Independent, unfold
from harmonium.models.kinds import CONDITIONAL_ENERGY
from harmonium.rng import fast_key, key_data
from harmonium.samplers import posterior_sample, run_chain
from harmonium.samplers.gibbs import Gibbs

LISTED = 2**15  # configurations of a machine, at most, of which `auto` takes the sum for each value
ROWS = 100  # rows whose contexts are found at a time
VALUES = 128  # values that are weighed at a time
SHORT = 10, 50  # chains and temperatures of an estimate that is looked at while a model is trained
CONFIGURATIONS = 2**17  # of all values that are summed at a time


class Weighed(NamedTuple):
    """Values `[m, size]` with their contexts, and the number of the row that each is of.

    >>> Weighed(None, jnp.ones((2, 3)), np.array([0, 0])).row.tolist()
    [0, 0]
    """

    context: PyTree
    values: Array
    row: Int[np.ndarray, "m"]


def weighed(model: ConditionalEnergyModel, rows: np.ndarray) -> Weighed:
    """The values of rows that are counted, with their contexts.

    >>> import harmonium as hm
    >>> model = hm.RTRBM(hm.units.Frames(hm.units.Bernoulli(1), 3), hm.units.Bernoulli(4), key=jax.random.key(0))
    >>> weighed(model, np.array([[1.0, 0.0, -1.0]])).row.tolist()
    [0, 0]
    """
    parts = []
    for i in range(0, len(rows), ROWS):
        found = _unfolded(model, model.layers["v"].from_data(rows[i : i + ROWS]))
        at = np.nonzero(np.asarray(found.counted))
        kept = jax.tree.map(lambda leaf, at=at: leaf[at], (found.context, found.values))
        parts.append(Weighed(*kept, at[0] + i))
    context, values = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *[part[:2] for part in parts])
    return Weighed(context, values, np.concatenate([part.row for part in parts]))


def count_values(model: ConditionalEnergyModel, rows: np.ndarray) -> Int[np.ndarray, "n"]:
    """How many values of each row a model says something of: of sequences, what `per_frame` divides by.

    >>> import harmonium as hm
    >>> frames = hm.units.Frames(hm.units.Bernoulli(1), 3)
    >>> model = hm.ConditionalRBM(frames, hm.units.Bernoulli(4), order=1, key=jax.random.key(0))
    >>> count_values(model, np.array([[1.0, 0.0, -1.0]])).tolist()
    [1]
    """
    held = model.layers["v"].from_data(rows)
    return np.asarray(jax.vmap(lambda row: model.split(row).counted.sum())(held)).astype(int)


@jit_entry
def _unfolded(model: ConditionalEnergyModel, rows: Array) -> Any:
    return jax.vmap(lambda row: unfold(model, row))(rows)


# ---- exactly -------------------------------------------------------------------------------------------------


@log_likelihood.register(CONDITIONAL_ENERGY, method="exact")
def _exact(model: ConditionalEnergyModel, data: Dataset | Array, key: Key[Array, ""] | None) -> Estimate:
    rows, clock = rows_of(model, data), time.perf_counter()
    each, found = _log_probs(model, rows)
    settings = {"values": len(found.row), "seconds": round(time.perf_counter() - clock, 2)}
    return mean_estimate(each, "exact", "enumeration for each context", settings, space_under(model.layers["v"], rows))


@log_prob.register(CONDITIONAL_ENERGY)
def _log_prob(model: ConditionalEnergyModel, rows: np.ndarray) -> Float[np.ndarray, "n"]:
    return _log_probs(model, rows)[0] - log_scale_of(model, rows)


def _log_probs(model: ConditionalEnergyModel, rows: np.ndarray) -> tuple[Float[np.ndarray, "n"], Weighed]:
    found = weighed(model, rows)
    count = _configurations(model, found)
    if count > LISTED:
        raise InputError(
            f"An exact likelihood would sum {count:.3g} states of this {type(model).__name__} for each value, more "
            f"than {LISTED:,}: use hm.log_likelihood with method='two_sided' and a key."
        )
    size = int(max(1, min(VALUES, CONFIGURATIONS // count)))
    parts = [np.asarray(_listed(model, *block), np.float64) for block in _blocks(found, size)]
    return _by_row(np.concatenate(parts), found, len(rows)), found


def _configurations(model: ConditionalEnergyModel, found: Weighed) -> float:
    if not len(found.row):
        raise InputError("None of the rows has a value that this model says something of: give longer sequences.")
    machine = _machine(model, found)
    return max(configurations(machine), configurations(machine, ("v",)))


def _machine(model: ConditionalEnergyModel, found: Weighed) -> EnergyModel:
    """The machine of the first value: all have one form."""
    return model.given(jax.tree.map(lambda leaf: leaf[0], found.context))


@jit_entry
def _listed(model: ConditionalEnergyModel, context: PyTree, values: Array) -> Float[Array, "m"]:
    def one(x: PyTree, v: Array) -> Float[Array, ""]:
        machine = model.given(x)
        return -exact_free_energy(machine, {"v": v}) - exact_log_partition(machine)

    return jax.vmap(one)(context, values)


# ---- from both sides -----------------------------------------------------------------------------------------


class Ends(NamedTuple):
    """Of each value `[m]` what its log-probability lies between, the variance of both, and effective chains."""

    lower: np.ndarray
    upper: np.ndarray
    variance: np.ndarray
    effective: np.ndarray


@log_likelihood.register(CONDITIONAL_ENERGY, method="two_sided")
def _two_sided(
    model: ConditionalEnergyModel, data: Dataset | Array, key: Key[Array, ""] | None, *, chains: int = 20,
    temperatures: int = 200, burn_in: int = 20,
) -> Estimate:  # fmt: skip
    if key is None:
        raise InputError("Estimating the log Z of each context draws random numbers: pass key=jax.random.key(seed).")
    check_annealing(chains, temperatures, burn_in)
    rows, clock = rows_of(model, data), time.perf_counter()
    found = weighed(model, rows)
    _configurations(model, found)
    ends = annealed_ends(model, found, fast_key(key), chains, temperatures, burn_in)
    lower, upper = (_by_row(end, found, len(rows)) for end in (ends.lower, ends.upper))
    error = math.sqrt(ends.variance.sum()) / len(rows)
    low, high = float(lower.mean()) - ERRORS * error, float(upper.mean()) + ERRORS * error
    each = (lower + upper) / 2
    settings = {"chains": chains, "temperatures": temperatures, "burn_in": burn_in, "values": len(found.row)}
    settings |= {"effective_chains": round(float(ends.effective.mean()), 1), "seed": key_data(key)}
    settings |= {"bias_of_the_sum": round(float(ends.variance.sum()) / 2 / len(rows), 4)}
    estimate = Estimate(
        (low + high) / 2, math.hypot(standard_error(each), error), "interval", "log_likelihood", low, high, False,
        "AIS and reverse AIS for each context", settings | {"seconds": round(time.perf_counter() - clock, 2)},
        space_under(model.layers["v"], rows), len(rows), interval_verdict(high - low, float(ends.effective.mean())),
        per_example=each,
    )  # fmt: skip
    return estimate if free_energy_is_exact(_machine(model, found)) else as_bound(estimate)


@log_likelihood.register(CONDITIONAL_ENERGY, method="auto")
def _auto(
    model: ConditionalEnergyModel, data: Dataset | Array, key: Key[Array, ""] | None, *, chains: int = 20,
    temperatures: int = 200, burn_in: int = 20,
) -> Estimate:  # fmt: skip
    if _configurations(model, weighed(model, rows_of(model, data)[:1])) <= LISTED:
        return _exact(model, data, key)
    return _two_sided(model, data, key, chains=chains, temperatures=temperatures, burn_in=burn_in)


def annealed_ends(
    model: ConditionalEnergyModel, found: Weighed, key: Key[Array, ""], chains: int, temperatures: int, burn_in: int
) -> Ends:
    """What the log-probability of each value lies between, by annealing in both directions; with a `burn_in` of 0 by
    annealing forwards alone, an estimate that is too high on average.

    >>> import harmonium as hm
    >>> model = hm.RTRBM(hm.units.Frames(hm.units.Bernoulli(1), 2), hm.units.Bernoulli(4), key=jax.random.key(0))
    >>> found = weighed(model, np.array([[1.0, 0.0]]))
    >>> ends = annealed_ends(model, found, jax.random.key(1), 10, 20, 5); (-ends.lower).round(1).tolist()
    [0.7, 0.7]
    """
    parts = []
    for i, block in enumerate(_blocks(found, VALUES)):
        parts.append(_annealed(model, jax.random.fold_in(key, i), *block, chains, temperatures, burn_in))
    whole = (np.concatenate([np.asarray(p, np.float64) for p in part]) for part in zip(*parts, strict=True))
    minus_f, forth, back = (part[: len(found.row)] for part in whole)  # without what fills the last block up
    low, low_variance, effective = _log_mean(forth)
    high, high_variance, other = _log_mean(back)
    variance = np.maximum(low_variance, high_variance)
    return Ends(minus_f + high, minus_f - low, variance, np.minimum(effective, other))


def short_estimate(model: ConditionalEnergyModel, rows: np.ndarray, key: Key[Array, ""]) -> float:
    """The mean log-likelihood of rows by a short annealing of each context, forwards alone: enough to tell one epoch of
    training from another, and no number to report.

    >>> import harmonium as hm
    >>> model = hm.RTRBM(hm.units.Frames(hm.units.Bernoulli(1), 2), hm.units.Bernoulli(4), key=jax.random.key(0))
    >>> round(short_estimate(model, np.array([[1.0, 0.0]]), jax.random.key(1)), 1)           # -2 log 2
    -1.4
    """
    found = weighed(model, rows)
    ends = annealed_ends(model, found, key, *SHORT, burn_in=0)
    return float(_by_row(ends.upper, found, len(rows)).mean())


def _log_mean(log_w: Float[np.ndarray, "m chains"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`log mean w` of each value, its variance, and the effective number of chains."""
    top = log_w.max(axis=1, keepdims=True)
    w = np.exp(log_w - top)
    mean = w.mean(axis=1)
    variance = w.var(axis=1, ddof=1) / mean**2 / w.shape[1]
    return top[:, 0] + np.log(mean), variance, w.sum(axis=1) ** 2 / (w**2).sum(axis=1)


@jit_entry
def _annealed(
    model: ConditionalEnergyModel, key: Key[Array, ""], context: PyTree, values: Array, chains: int, steps: int,
    burn_in: int,
) -> tuple[Array, Array, Array]:  # fmt: skip
    def one(key: Key[Array, ""], x: PyTree, v: Array) -> tuple[Array, Array, Array]:
        machine = model.given(x)
        base, keys = _alone(machine), jax.random.split(key, 4)
        forth = forward(machine, base, keys[0], chains, steps)
        known, minus_f = base.log_partition(), -_free_energy(machine, v)
        if not burn_in:
            return minus_f, forth.log_w + known, -forth.log_w - known
        drawn = jax.random.categorical(keys[1], forth.log_w, shape=(chains,))

        def settle(key: Key[Array, ""], held: PyTree) -> PyTree:
            first, walk = jax.random.split(key)
            return run_chain(Gibbs(machine), walk, posterior_sample(machine, first, held), burn_in)

        start = jax.vmap(settle)(jax.random.split(keys[2], chains), {n: end[drawn] for n, end in forth.end.items()})
        back = reverse(machine, base, keys[3], start, steps)
        return minus_f, forth.log_w + known, back.log_w - known

    return jax.vmap(one)(jax.random.split(key, len(values)), context, values)


def _free_energy(machine: EnergyModel, v: Array) -> Float[Array, ""]:
    """`F`, or where hidden layers depend on each other and are too many to sum its mean-field bound."""
    if free_energy_is_exact(machine):
        return exact_free_energy(machine, {"v": v})
    return variational_free_energy(machine, {"v": v}, fixed_point(machine, {"v": v}))


def _alone(machine: EnergyModel) -> Independent:
    """The units of a machine with its own biases and no weights between them, where it has such biases."""
    if isinstance(machine, Biased):
        return Independent(dict(machine.layers), machine.biases)
    return neutral_base(machine)


def _blocks(found: Weighed, size: int) -> list[tuple[PyTree, Array]]:
    """Contexts and values, so many at a time; the last ones are repeated, so that all blocks compile to one program."""
    blocks = []
    for i in range(0, len(found.row), size):
        at = np.minimum(np.arange(i, i + size), len(found.row) - 1)
        blocks.append(jax.tree.map(lambda leaf, at=at: leaf[at], (found.context, found.values)))
    return blocks


def _by_row(values: Float[np.ndarray, "padded"], found: Weighed, n: int) -> Float[np.ndarray, "n"]:
    """The sum over the values of each row."""
    return np.bincount(found.row, values[: len(found.row)], minlength=n)
