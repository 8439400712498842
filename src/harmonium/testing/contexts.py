"""What a machine given a context should obey: a law for each context, samples that follow it, gradients through all."""

from __future__ import annotations

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key, PyTree

from harmonium.compiling import jit_entry
from harmonium.errors import InputError
from harmonium.evaluation import log_prob
from harmonium.inference import exact_free_energy
from harmonium.models import ConditionalEnergyModel, EnergyModel, trainable, unfold
from harmonium.objectives import MaximumLikelihood, StepMemory
from harmonium.samplers import sample
from harmonium.testing import derived
from harmonium.testing.chains import count_states
from harmonium.testing.learning import refuse_idle
from harmonium.testing.statistics import agree, matches_law, same_expectations
from harmonium.testing.tractable import grid_of, moments
from harmonium.units import Unit, Words, real_columns

TOLERANCE = 1e-4
SAMPLES, SWEEPS = 2**12, 60
CONTEXTS = 2
MOST = 2**14  # rows, with those on a grid


def check_split_and_join(model: ConditionalEnergyModel, key: Key[Array, ""] | None = None) -> None:
    """A row is what its values are joined to, and other values come back out of it.

    >>> import harmonium as hm
    >>> check_split_and_join(hm.RTRBM(hm.units.Frames(hm.units.Bernoulli(1), 2), hm.units.Bernoulli(2),
    ...     key=jax.random.key(0)))
    """
    rows, _ = rows_in_context(model, _generator(key))
    held = model.layers["v"].from_data(rows[: 2**8])
    values = jax.vmap(lambda row: model.split(row).values)(held)
    agree(jax.vmap(model.join)(held, values), held, 0.0, "Rows joined of their own values")
    others = jax.vmap(model.join)(held, values[::-1])
    agree(jax.vmap(lambda row: model.split(row).values)(others), values[::-1], 0.0, "Values of the row joined of them")


def check_machines(model: ConditionalEnergyModel, key: Key[Array, ""] | None = None) -> None:
    """The machine of a context passes the checks of energy models: conditionals, free energy and `log Z` by listing.

    >>> import harmonium as hm
    >>> check_machines(hm.RTRBM(hm.units.Frames(hm.units.Bernoulli(1), 2), hm.units.Bernoulli(2),
    ...     key=jax.random.key(0)))
    """
    machine = _machine(model, _generator(key))
    derived.check_conditionals(machine, key=key)
    derived.check_free_energy(machine, key=key)
    derived.check_log_partition(machine, key=key)


def check_sums_to_one(model: ConditionalEnergyModel, key: Key[Array, ""] | None = None) -> None:
    """`sum_v p(v | x) = 1` over all values that a row may have, for each of a few `x`.

    >>> import harmonium as hm
    >>> check_sums_to_one(hm.RTRBM(hm.units.Frames(hm.units.Bernoulli(1), 2), hm.units.Bernoulli(2),
    ...     key=jax.random.key(0)))
    """
    rng = _generator(key)
    for _ in range(CONTEXTS):
        rows, log_weight = rows_in_context(model, rng)
        total = np.exp(log_prob(model, rows) + log_weight).sum()
        agree(total, 1.0, TOLERANCE, "The sum of the probabilities given a context")


def check_samples_follow(model: ConditionalEnergyModel, key: Key[Array, ""] | None = None) -> None:
    """What is drawn given a context follows its law: all values by chi-square, or two moments of real ones.

    >>> import harmonium as hm
    >>> check_samples_follow(hm.RTRBM(hm.units.Frames(hm.units.Bernoulli(1), 2), hm.units.Bernoulli(2),
    ...     key=jax.random.key(0)))
    """
    rows, log_weight = rows_in_context(model, _generator(key))
    law = np.exp(log_prob(model, rows) + log_weight)
    key = jax.random.key(7) if key is None else key
    documents = isinstance(model.layers["v"], Words)
    given = np.where((rows == rows[0]).all(axis=0), rows[0], np.nan)
    known = {"length": model.layers["v"].most} if documents else {"given": given}
    drawn = np.asarray(sample(model, key, SAMPLES, steps=SWEEPS, **known))
    if not documents and real_columns(_machine(model, _generator(key)).layers["v"]):
        same_expectations(
            moments(drawn[:, np.isnan(given)]), moments(rows[:, np.isnan(given)]), law / law.sum(), "Draws"
        )
    else:
        matches_law(count_states({"v": rows}, {"v": drawn}), law / law.sum(), "Draws")


def check_learning_rule(model: ConditionalEnergyModel, key: Key[Array, ""] | None = None) -> None:
    """The difference of free energies, whose contexts are not held constant, has the gradient of `-log p`.

        sum_t F_t(v_t) - sum_v p_t(v) F_t(v),      p_t held constant and F_t not

    >>> import harmonium as hm
    >>> tiny = hm.RTRBM(hm.units.Frames(hm.units.Bernoulli(1), 2), hm.units.Bernoulli(2), key=jax.random.key(0))
    >>> check_learning_rule(jax.tree.map(lambda leaf: leaf + 0.5, tiny))
    """
    rows, _ = rows_in_context(model, _generator(key))
    row = model.layers["v"].from_data(rows[len(rows) // 3])
    exact = _exact_slope(model, row)
    refuse_idle(exact)
    machine = _machine(model, _generator(key))
    unit = machine.layers["v"]
    values, log_weight = _values(unit)
    form = _contrast_slope(model, row, unit.from_data(values), jnp.asarray(log_weight, jnp.float32))
    for found, expected in zip(jax.tree.leaves(form), jax.tree.leaves(exact), strict=True):
        agree(found, expected, TOLERANCE, "The gradient of the difference of free energies")


def rows_in_context(model: ConditionalEnergyModel, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows `[n, size]` of one context with every value that is counted, real ones on a grid, and the log of each
    cell's volume, or of the number of documents that have these counts. Raises `InputError` where there are too many.

    >>> import harmonium as hm
    >>> model = hm.RTRBM(hm.units.Frames(hm.units.Bernoulli(2), 2), hm.units.Bernoulli(2), key=jax.random.key(0))
    >>> rows_in_context(model, np.random.default_rng(0))[0].shape
    (16, 4)
    """
    start = _start(model, rng)
    values, counted = (np.asarray(part) for part in model.split(jnp.asarray(start)))
    each, log_weight = _values(model.given(model.start(jnp.asarray(start))).layers["v"])
    if len(each) ** counted.sum() > MOST:
        raise InputError(f"These checks list at most {MOST} rows: make fewer frames, or frames of fewer units.")
    index = np.array(list(itertools.product(range(len(each)), repeat=int(counted.sum()))), int)
    chosen = np.repeat(values[None], len(index), axis=0)
    chosen[:, counted] = each[index]
    joined = jax.vmap(lambda v: model.join(jnp.asarray(start), v))(jnp.asarray(chosen))
    return np.asarray(joined), log_weight[index].sum(axis=1)


def _values(unit: Unit) -> tuple[np.ndarray, np.ndarray]:
    """All values `[n, size]` of a layer, real ones on a grid, and the log of what each stands for: of documents, in how
    many orders their words come."""
    if not isinstance(unit, Words):
        return grid_of([unit])
    orders = itertools.product(range(unit.size), repeat=int(unit.total))
    counts, number = np.unique(
        [np.bincount(order, minlength=unit.size) for order in orders], axis=0, return_counts=True
    )
    return counts.astype(np.float32), np.log(number)


def _start(model: ConditionalEnergyModel, rng: np.random.Generator) -> np.ndarray:
    """A random row, of all frames."""
    unit = model.layers["v"]
    key = jax.random.key(int(rng.integers(2**31)))
    values = np.asarray(unit.sample(key, unit.neutral_natural()))
    return values.astype(np.dtype(unit.dtype))


def _machine(model: ConditionalEnergyModel, rng: np.random.Generator) -> EnergyModel:
    """The machine of the last value of a random row."""
    found = unfold(model, jnp.asarray(_start(model, rng)))
    return model.given(jax.tree.map(lambda leaf: leaf[-1], found.context))


def _generator(key: Key[Array, ""] | None) -> np.random.Generator:
    return np.random.default_rng(0 if key is None else np.asarray(jax.random.key_data(key)))


@jit_entry
def _exact_slope(model: ConditionalEnergyModel, row: Array) -> PyTree:
    learned, rest = eqx.partition(model, trainable(model))

    def loss(part: PyTree) -> Array:
        return MaximumLikelihood()(eqx.combine(part, rest), row[None], jax.random.key(0), StepMemory())[0]

    return jax.grad(loss)(learned)


@jit_entry
def _contrast_slope(model: ConditionalEnergyModel, row: Array, values: Array, log_weight: Array) -> PyTree:
    learned, rest = eqx.partition(model, trainable(model))

    def loss(part: PyTree) -> Array:
        whole = eqx.combine(part, rest)
        found = unfold(whole, row)

        def one(context: PyTree, value: Array) -> Array:
            machine = whole.given(context)
            f = jax.vmap(lambda v: exact_free_energy(machine, {"v": v}))(values)
            p = jax.lax.stop_gradient(jax.nn.softmax(log_weight - f))
            return exact_free_energy(machine, {"v": value}) - p @ f

        return jnp.sum(jnp.where(found.counted, jax.vmap(one)(found.context, found.values), 0.0))

    return jax.grad(loss)(learned)
