"""The truth about a small model, from its energy alone: every state listed, real units by quadrature.

Nothing here uses what `harmonium.inference` derives. Energies are evaluated in float32, as models compute them, and
summed in float64. How real units are integrated over, `quadrature` says.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, PyTree

from harmonium.compiling import jit_entry
from harmonium.errors import InputError
from harmonium.models import EnergyModel
from harmonium.testing.quadrature import Region, listed, peak, regions
from harmonium.units import Unit

STATES = 2**12  # joint states of the discrete layers that a check lists, at most
REAL_UNITS = 3  # Gaussian units that a check integrates over, at most
CURVED_UNITS = 2  # units of real layers of which some are not Gaussian
CUT = 1e-7  # probability of the last count listed, at most
CHUNK = 2048  # rows per evaluation, so that one compiled energy serves every check of a model

Values = dict[str, np.ndarray]


class Listing(NamedTuple):
    """For each of `m` configurations of some layers, `n` weighted states of all the others.

    `values` `[m, n, size]` by layer (the given ones repeated); `energy` `[m, n]`; `log_mass` `[m, n]`, minus the
    energy plus the logarithm of the quadrature weight; `index` `[n]`, the number of the discrete state;
    `centre` `[m, s, d]` and `root` `[m, s, d, d]`: mean and square root of the covariance of the coordinates of the `d`
    listed real units in each of the `s` discrete states of each region, in the order of the `regions`.

    >>> import harmonium as hm, jax
    >>> tiny = hm.RBM(visible=hm.units.Bernoulli(3), hidden=hm.units.Bernoulli(2), key=jax.random.key(0))
    >>> listing = list_states(tiny); listing.probability.shape, round(float(listing.probability.sum()), 6)
    ((1, 32), 1.0)
    """

    values: Values
    energy: np.ndarray
    log_mass: np.ndarray
    index: np.ndarray
    centre: np.ndarray
    root: np.ndarray
    regions: Sequence[Region] = ()

    @property
    def states(self) -> Values:
        """The listed states `[n, size]` by layer, beside the first configuration."""
        return {name: x[0] for name, x in self.values.items()}

    @property
    def log_partition(self) -> np.ndarray:
        """The log of the sum (or integral) of `exp(-E)` over the listed layers `[m]`."""
        return log_sum(self.log_mass)

    @property
    def probability(self) -> np.ndarray:
        """Probability of each listed state given the configuration `[m, n]`."""
        return np.exp(self.log_mass - self.log_partition[:, None])


def list_states(model: EnergyModel, given: Mapping[str, np.ndarray] | None = None) -> Listing:
    """Every state of the layers that are not given, for each row of those that are (`[m, size]` by name).

    Raises `InputError` where there are too many states or real units.

    >>> import harmonium as hm, jax
    >>> tiny = hm.RBM(visible=hm.units.Bernoulli(3), hidden=hm.units.Bernoulli(2), key=jax.random.key(0), scale=0.0)
    >>> list_states(tiny).log_partition.round(4)            # 5 log 2
    array([3.4657])
    """
    given = {name: np.asarray(x) for name, x in (given or {}).items()}
    m = len(next(iter(given.values()))) if given else 1
    discrete, real = _split(model, given)
    states = joint_states(model, discrete)
    s = len(next(iter(states.values()))) if states else 1
    base = {name: np.repeat(x[:, None], s, axis=1) for name, x in given.items()}
    base |= {name: np.repeat(x[None], m, axis=0) for name, x in states.items()}
    if real:
        found = _integrate(model, base, real, (m, s))
    else:
        energy = energies(model, base)
        found = Listing(base, energy, -energy, np.arange(s), np.zeros((m, s, 0)), np.zeros((m, s, 0, 0)))
    _refuse_cut(model, found, discrete)
    return found


def _refuse_cut(model: EnergyModel, found: Listing, listed_layers: list[str]) -> None:
    """Refuse a listing of counts where the last one that is listed has mass, for then more lies beyond."""
    for name in listed_layers:
        unit = model.layers[name]
        last = (found.values[name] == listed(unit) - 1).any(axis=2) if unit.states is None else np.zeros(1)
        if last.any() and np.sum(found.probability * last, axis=1).max() > CUT:
            raise AssertionError(
                f"Checks sum the counts of layer '{name}' up to {listed(unit) - 1}, and these are often as large: give "
                "them an instance with smaller rates, below 4, and which has a partition function."
            )


def joint_states(model: EnergyModel, layers: list[str]) -> Values:
    """All joint states of finite layers, `[s, size]` by name; the first unit of the first layer changes slowest."""
    sizes = [model.layers[name].size for name in layers]
    ranges = [range(listed(model.layers[name])) for name in layers for _ in range(model.layers[name].size)]
    index = np.array(list(itertools.product(*ranges)), np.int32)
    parts = np.split(index, np.cumsum(sizes)[:-1], axis=1) if layers else []
    return {name: evaluate(_values, model.layers[name], part) for name, part in zip(layers, parts, strict=True)}


def refuse_large(model: EnergyModel) -> None:
    """Raise `InputError` where the model's states are too many to be listed."""
    _split(model, {})


def energies(model: EnergyModel, values: Mapping[str, np.ndarray]) -> np.ndarray:
    """Energies of values `[..., size]` by layer."""
    first = next(iter(values.values()))
    lead = first.shape[:-1]
    rows = {name: x.reshape(-1, x.shape[-1]) for name, x in values.items()}
    return energies_of_stats(model, stats_of(model, rows)).reshape(lead)


def energies_of_stats(model: EnergyModel, stats: PyTree) -> np.ndarray:
    """Energies of sufficient statistics `[n, ...]` by layer."""
    return evaluate(_energies, model, stats).astype(np.float64)


def evaluate(function: Callable[[PyTree, PyTree], PyTree], model: PyTree, rows: PyTree) -> PyTree:
    """`function(model, rows)` on rows `[n, ...]`, in padded chunks of one shape."""
    n = len(jax.tree.leaves(rows)[0])

    def chunk(start: int) -> PyTree:
        take = np.minimum(np.arange(start, start + CHUNK), n - 1)
        return jax.tree.map(np.asarray, function(model, jax.tree.map(lambda x: x[take], rows)))

    parts = [chunk(start) for start in range(0, n, CHUNK)]
    return jax.tree.map(lambda *x: np.concatenate(x)[:n], *parts)


def stats_of(model: EnergyModel, values: Mapping[str, np.ndarray]) -> dict[str, PyTree]:
    """Sufficient statistics of values `[n, size]` by layer."""
    return {name: evaluate(_stats, model.layers[name], x) for name, x in values.items()}


def log_sum(x: np.ndarray) -> np.ndarray:
    """`log sum exp` over the last axis."""
    top = x.max(axis=-1, keepdims=True)
    return (top + np.log(np.exp(x - top).sum(axis=-1, keepdims=True)))[..., 0]


def some_states(model: EnergyModel, rng: np.random.Generator, n: int = 64) -> Values:
    """Up to `n` different joint states of all layers that are not too improbable, `[n, size]` by name."""
    truth = list_states(model)
    likely = np.flatnonzero(truth.log_mass[0] > truth.log_mass.max() - 12)
    chosen = rng.permutation(likely)[:n]
    return {name: x[0, chosen] for name, x in truth.values.items()}


@jit_entry
def _energies(model: EnergyModel, stats: PyTree) -> Array:
    return jax.vmap(model.energy)(stats)


@jit_entry
def _stats(unit: Unit, rows: Array) -> PyTree:
    return jax.vmap(unit.stats)(rows)


@jit_entry
def _values(unit: Unit, index: Array) -> Array:
    return jax.vmap(unit.values)(index)


def _split(model: EnergyModel, given: Mapping[str, np.ndarray]) -> tuple[list[str], list[str]]:
    """The layers to list and the layers to integrate, or the reason why they are too many."""
    free = {name: unit for name, unit in model.layers.items() if name not in given}
    real = [name for name, unit in free.items() if listed(unit) is None]
    discrete = [name for name in free if name not in real]
    count = sum(free[name].size * np.log(listed(free[name])) for name in discrete)
    found = regions({name: free[name] for name in real}) if real else []
    most = REAL_UNITS if not any(region.curved for region in found) else CURVED_UNITS
    if count + np.log(max(1, len(found))) > np.log(STATES) + 1e-9 or sum(free[name].size for name in real) > most:
        raise InputError(
            f"These checks list at most {STATES} joint states and integrate over at most {REAL_UNITS} Gaussian units, "
            f"or {CURVED_UNITS} of other real ones: give them a tiny instance of the same class."
        )
    return discrete, real


def _integrate(model: EnergyModel, base: Values, real: list[str], shape: tuple[int, int]) -> Listing:
    """The listing with real layers: a grid for each of their pieces in each discrete state `[m, s]`."""
    found = regions({name: model.layers[name] for name in real})
    parts = [_on_grid(model, base, region, shape) for region in found]
    joined = {name: np.concatenate([part.values[name] for part in parts], axis=1) for name in parts[0].values}
    index = np.concatenate([part.index + i * shape[1] for i, part in enumerate(parts)])
    energy, log_mass = (np.concatenate([getattr(part, f) for part in parts], axis=1) for f in ("energy", "log_mass"))
    centre, root = (np.concatenate([getattr(part, f) for part in parts], axis=1) for f in ("centre", "root"))
    return Listing(joined, energy, log_mass, index, centre, root, found)


def _on_grid(model: EnergyModel, base: Values, region: Region, shape: tuple[int, int]) -> Listing:
    """The listing of one region: in each discrete state a grid around the highest point of the density."""
    d = sum(region.sizes)

    def at(points: np.ndarray) -> Values:  # [m, s, n, d]
        repeated = {name: np.repeat(x[:, :, None], points.shape[2], axis=2) for name, x in base.items()}
        return repeated | {name: np.asarray(x, np.float32) for name, x in region.values(points).items()}

    def log_mass(points: np.ndarray) -> np.ndarray:
        return np.asarray(region.log_weight(points), np.float64) - energies(model, at(points))

    if region.curved:
        flat = {name: x.reshape(-1, x.shape[-1]) for name, x in base.items()} or {
            "": np.zeros((shape[0] * shape[1], 0))
        }
        highest = peak(lambda t, values: _height(model, region, t, values), region, flat)
        centre, root = highest[0].reshape(*shape, d), highest[1].reshape(*shape, d, d)
    else:
        centre, root = _quadratic(lambda points: -log_mass(points), shape, d)
    grid = np.array(list(itertools.product(region.grid, repeat=d)))
    points = centre[:, :, None] + np.einsum("msij,nj->msni", root, grid)
    values = at(points)
    energy = energies(model, values)
    cell = np.log(region.grid[1] - region.grid[0]) * d + np.linalg.slogdet(root)[1]
    mass = cell[:, :, None] + np.asarray(region.log_weight(points), np.float64) - energy
    flat = {name: x.reshape(shape[0], -1, x.shape[-1]) for name, x in values.items()}
    index = np.repeat(np.arange(shape[1]), len(grid))
    return Listing(flat, energy.reshape(shape[0], -1), mass.reshape(shape[0], -1), index, centre, root)


def _height(model: EnergyModel, region: Region, t: Array, values: dict[str, Array]) -> Array:
    """The log-density of coordinates, up to a constant, beside values of all other layers."""
    held = {name: x for name, x in values.items() if name} | region.values(t)
    stats = {name: model.layers[name].stats(x) for name, x in held.items()}
    return region.log_weight(t) - model.energy(stats)


def _quadratic(
    energy: Callable[[np.ndarray], np.ndarray], shape: tuple[int, int], d: int
) -> tuple[np.ndarray, np.ndarray]:
    """Minimum and square root of the inverse Hessian of a quadratic, from its values at 0, e_i, -e_i, e_i + e_j."""
    unit = np.eye(d)
    pairs = [(i, j) for i in range(d) for j in range(i)]
    points = np.concatenate([np.zeros((1, d)), unit, -unit, [unit[i] + unit[j] for i, j in pairs] or unit[:0]])
    e = energy(np.broadcast_to(points, (*shape, *points.shape)))
    zero, plus, minus = e[..., :1], e[..., 1 : d + 1], e[..., d + 1 : 2 * d + 1]
    slope = (plus - minus) / 2
    hessian = np.einsum("msi,ij->msij", plus + minus - 2 * zero, unit)
    for (i, j), both in zip(pairs, np.moveaxis(e[..., 2 * d + 1 :], -1, 0), strict=True):
        hessian[..., i, j] = hessian[..., j, i] = both - plus[..., i] - plus[..., j] + zero[..., 0]
    covariance = np.linalg.inv(hessian)
    if (np.linalg.eigvalsh(covariance) <= 0).any():
        raise AssertionError("The energy has no minimum in its real units: the precision is not positive.")
    return -np.einsum("msij,msj->msi", covariance, slope), np.linalg.cholesky(covariance)
