"""`log Z` of the machine of each context, by annealing in both directions (section 20.7).

The logarithm of a mean of weights is too low on average, by half the variance of that mean, and in reverse it is too
high; a row of many values adds these up. So both directions are run for each value. Reverse chains start from two
sides, as those of a single machine do (`both_ways`): from the ends of forward chains, drawn again by their weight, and
from the value itself, which may lie in a mode that forward chains never find. The higher answer counts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from harmonium.compiling import jit_entry
from harmonium.evaluation.annealed import forward, neutral_base, reverse
from harmonium.evaluation.likelihood import free_energy_is_exact
from harmonium.inference import exact_free_energy, fixed_point, variational_free_energy
from harmonium.models import Biased, ConditionalEnergyModel, EnergyModel, Independent, unfold
from harmonium.samplers import Gibbs, State, posterior_sample, run_chain

ROWS = 100  # rows whose contexts are found at a time
VALUES = 128  # values that are weighed at a time
SHORT = 10, 50  # chains and temperatures of an estimate that is looked at while a model is trained


class Weighed(NamedTuple):
    """Values `[m, size]` with their contexts, and the number of the row that each is of.

    >>> Weighed(None, jnp.ones((2, 3)), np.array([0, 0])).row.tolist()
    [0, 0]
    """

    context: PyTree
    values: Array
    row: Int[np.ndarray, "m"]

    def blocks(self, size: int) -> list[tuple[PyTree, Array]]:
        """Contexts and values, so many at a time; the last is filled up, so that all compile to one program."""
        starts = range(0, len(self.row), size)
        taken = [np.minimum(np.arange(start, start + size), len(self.row) - 1) for start in starts]
        return [jax.tree.map(lambda leaf, at=at: leaf[at], (self.context, self.values)) for at in taken]

    def joined(self, parts: list[Array]) -> np.ndarray:
        """What was found of each block as one array `[m, ...]`, without what filled the last one up."""
        return np.concatenate([np.asarray(part, np.float64) for part in parts])[: len(self.row)]

    def by_row(self, values: Float[np.ndarray, "m"], n: int) -> Float[np.ndarray, "n"]:
        """The sum over the values of each row."""
        return np.bincount(self.row, values, minlength=n)


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
        parts.append((jax.tree.map(lambda leaf, at=at: leaf[at], (found.context, found.values)), at[0] + i))
    context, values = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *[part for part, _ in parts])
    return Weighed(context, values, np.concatenate([row for _, row in parts]))


@jit_entry
def _unfolded(model: ConditionalEnergyModel, rows: Array) -> Any:
    return jax.vmap(lambda row: unfold(model, row))(rows)


class Ends(NamedTuple):
    """Of each value `[m]` what its log-probability lies between, the larger variance of both, and the smaller number of
    effective chains."""

    lower: np.ndarray
    upper: np.ndarray
    variance: np.ndarray
    effective: np.ndarray


def annealed_ends(
    model: ConditionalEnergyModel, found: Weighed, key: Key[Array, ""], chains: int, temperatures: int, burn_in: int
) -> Ends:
    """What the log-probability of each value lies between.

    >>> import harmonium as hm
    >>> model = hm.RTRBM(hm.units.Frames(hm.units.Bernoulli(1), 2), hm.units.Bernoulli(4), key=jax.random.key(0))
    >>> found = weighed(model, np.array([[1.0, 0.0]]))
    >>> ends = annealed_ends(model, found, jax.random.key(1), 10, 20, 5); (-ends.lower).round(1).tolist()
    [0.7, 0.7]
    """
    parts = []
    for i, (context, values) in enumerate(found.blocks(VALUES)):
        parts.append(_both_ways(model, jax.random.fold_in(key, i), context, values, chains, temperatures, burn_in))
    minus_f, forth, back = (found.joined(list(part)) for part in zip(*parts, strict=True))
    low, low_variance, effective = log_mean(forth)
    sides = [log_mean(side) for side in np.split(back, 2, axis=1)]  # minus log Z: the lower one is the higher log Z
    which = np.argmin([side[0] for side in sides], axis=0)
    minus_high, high_variance, others = (np.choose(which, parts) for parts in zip(*sides, strict=True))
    variance, effective = np.maximum(low_variance, high_variance), np.minimum(effective, others)
    return Ends(minus_f + minus_high, minus_f - low, variance, effective)


def short_estimate(model: ConditionalEnergyModel, rows: np.ndarray, key: Key[Array, ""]) -> float:
    """The mean log-likelihood of rows, as values held, by a short annealing of each context, forwards alone: enough to
    tell one epoch of training from another, and no number to report, for it is too high on average.

    >>> import harmonium as hm
    >>> model = hm.RTRBM(hm.units.Frames(hm.units.Bernoulli(1), 2), hm.units.Bernoulli(4), key=jax.random.key(0))
    >>> round(short_estimate(model, np.array([[1.0, 0.0]]), jax.random.key(1)), 1)           # -2 log 2
    -1.4
    """
    found = weighed(model, rows)
    blocks = found.blocks(VALUES)
    parts = [_forth(model, jax.random.fold_in(key, i), *block, *SHORT) for i, block in enumerate(blocks)]
    minus_f, forth = (found.joined(list(part)) for part in zip(*parts, strict=True))
    return float(found.by_row(minus_f - log_mean(forth)[0], len(rows)).mean())


def log_mean(log_w: Float[np.ndarray, "m chains"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`log mean w` of each value, its variance, and the effective number of chains.

    >>> [float(part[0]) for part in log_mean(np.zeros((1, 4)))]
    [0.0, 0.0, 4.0]
    """
    top = log_w.max(axis=1, keepdims=True)
    w = np.exp(log_w - top)
    mean = w.mean(axis=1)
    variance = w.var(axis=1, ddof=1) / mean**2 / w.shape[1]
    return top[:, 0] + np.log(mean), variance, w.sum(axis=1) ** 2 / (w**2).sum(axis=1)


@jit_entry
def _forth(
    model: ConditionalEnergyModel, key: Key[Array, ""], context: PyTree, values: Array, chains: int, steps: int
) -> tuple[Array, Array]:
    def one(key: Key[Array, ""], x: PyTree, v: Array) -> tuple[Array, Array]:
        machine = model.given(x)
        base = _alone(machine)
        return -_free_energy(machine, v), forward(machine, base, key, chains, steps).log_w + base.log_partition()

    return jax.vmap(one)(jax.random.split(key, len(values)), context, values)


@jit_entry
def _both_ways(
    model: ConditionalEnergyModel, key: Key[Array, ""], context: PyTree, values: Array, chains: int, steps: int,
    burn_in: int,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Minus the free energy of each value, the log-weights forth, and those back from each of two sets of starts."""

    def one(key: Key[Array, ""], x: PyTree, v: Array) -> tuple[Array, Array, Array]:
        machine = model.given(x)
        base, keys = _alone(machine), jax.random.split(key, 4)
        forth, known = forward(machine, base, keys[0], chains, steps), base.log_partition()
        drawn = jax.random.categorical(keys[1], forth.log_w, shape=(chains,))
        own = _held(machine, jax.random.split(keys[1], chains), v)
        start = {name: jnp.concatenate([end[drawn], own[name]]) for name, end in forth.end.items()}
        back = reverse(machine, base, keys[3], _settled(machine, keys[2], start, burn_in), steps)
        return -_free_energy(machine, v), forth.log_w + known, back.log_w - known

    return jax.vmap(one)(jax.random.split(key, len(values)), context, values)


def _held(machine: EnergyModel, keys: Key[Array, "chains"], v: Array) -> State:
    """States with this value of the visible layer, the others drawn given it."""
    return jax.vmap(lambda key: posterior_sample(machine, key, {"v": v}))(keys)


def _settled(machine: EnergyModel, key: Key[Array, ""], start: State, steps: int) -> State:
    """Full states after so many sweeps from values of some layers."""

    def chain(key: Key[Array, ""], held: State) -> State:
        first, walk = jax.random.split(key)
        return run_chain(Gibbs(machine), walk, posterior_sample(machine, first, held), steps)

    return jax.vmap(chain)(jax.random.split(key, len(jax.tree.leaves(start)[0])), start)


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
