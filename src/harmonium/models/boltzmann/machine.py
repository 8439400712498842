"""The general Boltzmann machine: any unit may be coupled to any other (section 20.1)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from harmonium.decay import no_decay
from harmonium.errors import InputError
from harmonium.memory import check_weights
from harmonium.models.boltzmann.pairs import Pairs, colouring, lattice_edges
from harmonium.models.energy import Coloured, LayerStats
from harmonium.models.validation import check_scale, check_units
from harmonium.rng import check_key
from harmonium.units import Stats, Unit, inner


class BoltzmannMachine(eqx.Module):
    """Units of which any two may act on each other, visible ones and hidden ones alike.

        E(x) = -b^T x - sum_{i<j} x_i U_ij x_j,      x = (v, h)                                      # (20.2), (20.3)

    each pair counted once, for Bernoulli, spin and categorical units (Ackley, Hinton & Sejnowski 1985; book, section
    20.1). Units of one layer are then no longer independent given the others: the layer is drawn and inferred colour by
    colour, units of one colour at once. A dense layer has as many colours as units, a lattice two.

    Arguments: `visible` and `hidden`, the units (`hidden` None: all units are visible); `mask` `[n, n]`, symmetric,
    True where two units are coupled; or `edges`, pairs `(i, j)` of coupled units; units are numbered from 0,
    first `v` and then `h`; with neither, all are coupled to all. `key`, for the weights' start; `scale`, their standard
    deviation.
    Fields: `weights`, one for each edge in order (for categorical units, of each pair of their states); `b` and `c`,
    the biases of `v` and `h`. `U` is the symmetric matrix of the weights. Layers: `v`, and `h` where there is one.
    Raises `InputError` for layers that are no units, have none or real ones, both `mask` and `edges`, a mask that is
    not symmetric or couples a unit to itself, an edge that does so, is given twice or names a unit that is not there.

    >>> import harmonium as hm, jax
    >>> machine = hm.BoltzmannMachine(hm.units.Bernoulli(4), edges=[(0, 1), (1, 2)], key=jax.random.key(0))
    >>> machine.weights.shape, machine.blocks[0][0].colours
    ((2,), (0, 1, 0, 1))
    """

    visible: Unit
    hidden: Unit | None
    weights: Float[Array, "weights"]
    b: PyTree = no_decay()
    c: PyTree = no_decay()
    pairs: Pairs
    colours: tuple[tuple[int, ...], ...] = eqx.field(static=True)  # of the units of each layer

    def __init__(
        self, visible: Any, hidden: Any = None, *, mask: Any = None, edges: Any = None, key: Key[Array, ""],
        scale: Any = 0.01,
    ) -> None:  # fmt: skip
        units = [visible] if hidden is None else [visible, hidden]
        n = _checked_size(units)
        check_key(key)
        check_scale(scale)
        if mask is not None and edges is not None:
            raise InputError("A Boltzmann machine takes `mask` or `edges`, not both: leave one of them out.")
        if mask is None and edges is None:
            check_weights("A Boltzmann machine", (n, n))
        found = _edges_of_mask(mask, n) if edges is None else _checked_edges(edges, n)
        self.visible, self.hidden = visible, hidden
        self.b = visible.bias(visible.neutral_natural())
        self.c = None if hidden is None else hidden.bias(hidden.neutral_natural())
        self.pairs = Pairs(_coordinates(found, units), sum(unit.width for unit in units))
        self.weights = scale * jax.random.normal(key, (len(self.pairs.ends),), jnp.float32)
        starts = [0, visible.size]
        self.colours = tuple(
            colouring(unit.size, found[_inside(found, start, unit.size)] - start)
            for unit, start in zip(units, starts, strict=False)
        )

    @classmethod
    def lattice(
        cls, unit: Any, shape: Any, periodic: bool = True, *, key: Key[Array, ""], scale: Any = 0.01
    ) -> BoltzmannMachine:
        """Units on a grid of any dimension, each coupled to its nearest neighbours: an Ising machine of `Spin` units.

        Arguments: `unit`, as many units as the grid has places, numbered row by row; `shape`, the grid's sides;
        `periodic`, whether opposite edges are joined (a side of two joins its units once); `key` and `scale` as before.
        Raises `InputError` where the grid does not have as many places as there are units.

        >>> import harmonium as hm, jax
        >>> ising = hm.BoltzmannMachine.lattice(hm.units.Spin(16), (4, 4), key=jax.random.key(0))
        >>> ising.weights.shape, set(ising.blocks[0][0].colours)
        ((32,), {0, 1})
        """
        check_units("A lattice", unit)
        if not isinstance(shape, Sequence | np.ndarray) or not all(isinstance(n, int | np.integer) for n in shape):
            raise InputError(f"The sides of a lattice are whole numbers, such as (4, 4), not {shape!r}.")
        shape = tuple(int(side) for side in shape)
        if not shape or min(shape) < 1 or math.prod(shape) != unit.size:
            raise InputError(
                f"A lattice of shape {shape} has not the {unit.size} places of its units: give as many units as the "
                "product of its sides."
            )
        return cls(unit, edges=lattice_edges(shape, periodic), key=key, scale=scale)

    @property
    def layers(self) -> dict[str, Unit]:
        """`v`, and `h` where there are hidden units."""
        return {"v": self.visible} | ({} if self.hidden is None else {"h": self.hidden})

    @property
    def blocks(self) -> tuple[tuple[str, ...], ...]:
        """Each layer is a block, with the colours of its units where these act on each other."""
        named = zip(self.layers, self.colours, strict=True)
        return tuple((name if max(colours) == 0 else Coloured(name, colours),) for name, colours in named)

    @property
    def biases(self) -> dict[str, PyTree]:
        """`b` and `c`."""
        return {"v": self.b} | ({} if self.hidden is None else {"h": self.c})

    @property
    def U(self) -> Float[Array, "n n"]:
        """The symmetric matrix of the weights, zero on the diagonal and wherever there is no edge."""
        return self.pairs.matrix(self.weights)

    def energy(self, stats: LayerStats) -> Float[Array, ""]:
        """`E` of the layers' statistics, in nats."""
        x = self._joined(stats)
        alone = sum(inner(unit.natural(self.biases[name]), stats[name]) for name, unit in self.layers.items())
        return -alone - self.pairs.product(self.weights, x) @ x / 2  # (20.2), (20.3)

    def local_field(self, stats: LayerStats, layer: str, units: Int[Array, "chosen"]) -> Stats:
        """`b_i + sum_j U_ij x_j` of chosen units of a layer: a row of `U` for each."""
        unit = self.layers[layer]
        first, states = (0 if layer == "v" else self.visible.width), unit.width // unit.size
        places = first + (units[:, None] * states + jnp.arange(states, dtype=jnp.int32)).reshape(-1)
        push = self.pairs.product(self.weights, self._joined(stats), places)
        own = jax.tree.map(lambda leaf: leaf[units], self.biases[layer])
        return unit.sized(len(units)).natural_from_field(own, push)

    def _joined(self, stats: LayerStats) -> Float[Array, "n"]:
        """All units' coordinates in one vector."""
        parts = [unit.interaction(stats[name], self.biases[name]) for name, unit in self.layers.items()]
        return jnp.concatenate(parts) if len(parts) > 1 else parts[0]

    def filters(self) -> np.ndarray | None:
        """Weights between visible and hidden units; None where there are no hidden ones."""
        return None if self.hidden is None else np.asarray(self.U[: self.visible.width, self.visible.width :], float)


def _checked_size(units: Sequence[Any]) -> int:
    """How many units there are, where they are units that can be coupled here."""
    check_units("A Boltzmann machine", *units)
    real = [type(unit).__name__ for unit in units if unit.states is None]
    if real:
        raise InputError(
            f"A Boltzmann machine has units with finitely many states, not {real[0]} ones: use an RBM for these."
        )
    return sum(unit.size for unit in units)


def _edges_of_mask(mask: Any, n: int) -> Int[np.ndarray, "edges 2"]:
    """The pairs i < j that a mask couples; all of them without a mask."""
    mask = ~np.eye(n, dtype=bool) if mask is None else np.asarray(mask)
    if mask.shape != (n, n) or not np.isin(mask, (0, 1)).all():
        raise InputError(
            f"The mask of {n} units is a boolean array of shape ({n}, {n}), not {mask.dtype} of shape {mask.shape}: "
            "number the units of v first, then those of h."
        )
    if mask.diagonal().any():
        unit = int(mask.diagonal().argmax())
        raise InputError(f"The mask couples unit {unit} to itself: set its diagonal to False (a bias does that work).")
    if (mask != mask.T).any():
        i, j = (int(k) for k in np.argwhere(mask != mask.T)[0])
        raise InputError(f"The mask is not symmetric: [{i}, {j}] is not [{j}, {i}]; use mask | mask.T.")
    return np.argwhere(np.triu(mask))


def _checked_edges(edges: Any, n: int) -> Int[np.ndarray, "edges 2"]:
    """Edges as an array, where each joins two different units that are there, and none is given twice."""
    if not isinstance(edges, np.ndarray | jax.Array):
        edges = list(edges) if isinstance(edges, Iterable) else [edges]
    try:
        found = np.asarray(edges) if len(edges) else np.zeros((0, 2), int)
    except ValueError:  # pairs of unequal length
        found = np.asarray(edges, object)
    if found.ndim != 2 or found.shape[1] != 2 or not np.issubdtype(found.dtype, np.integer):
        raise InputError(f"Edges are pairs of unit numbers, not {found.dtype} of shape {found.shape}: [(0, 1), ...].")
    outside = (found < 0) | (found >= n)
    if outside.any():
        i, j = found[outside.any(axis=1)][0].tolist()
        raise InputError(f"Edge ({i}, {j}) names a unit that is not there: the {n} units are numbered 0 to {n - 1}.")
    if (found[:, 0] == found[:, 1]).any():
        unit = int(found[found[:, 0] == found[:, 1]][0, 0])
        raise InputError(f"Edge ({unit}, {unit}) couples a unit to itself: leave it out (a bias does that work).")
    different, counts = np.unique(np.sort(found, axis=1), axis=0, return_counts=True)
    if (counts > 1).any():
        i, j = different[counts > 1][0].tolist()
        raise InputError(f"Edge ({i}, {j}) is given twice: an edge has no direction, so give each pair once.")
    return found.astype(int)


def _inside(edges: Int[np.ndarray, "edges 2"], start: int, size: int) -> np.ndarray:
    """Which edges join two units of the layer that begins at unit `start`."""
    return ((edges >= start) & (edges < start + size)).all(axis=1)


def _coordinates(edges: Int[np.ndarray, "edges 2"], units: Sequence[Unit]) -> Int[np.ndarray, "weights 2"]:
    """The pairs of coordinates that the edges couple: of each edge, every state of one end with every state of the
    other (one pair for units of two states)."""
    states = np.concatenate([np.full(unit.size, unit.width // unit.size) for unit in units])
    first = np.cumsum(states) - states
    pairs, edge = [np.zeros((0, 2), int)], [np.zeros(0, int)]
    for shape in sorted({tuple(pair) for pair in states[edges].tolist()}):
        chosen = np.flatnonzero((states[edges] == shape).all(axis=1))
        offsets = np.indices(shape).reshape(2, -1).T
        pairs.append((first[edges[chosen]][:, None] + offsets).reshape(-1, 2))
        edge.append(np.repeat(chosen, len(offsets)))
    return np.concatenate(pairs)[np.argsort(np.concatenate(edge), kind="stable")]
