"""How checks integrate over real units: each family says of which pieces its values are, and a grid covers each piece.

A piece is a set of values that real coordinates `t` run through: all of them for Gaussian units, one for each pattern
of spikes, the positive ones through `x = exp(t)`. The trapezoid rule on a grid around the highest point of the density
in `t`, along its principal axes, is exact for Gaussian integrands to far below float32. A family that is not listed in
`FAMILIES` cannot be checked, and checks of its models fail until it says its pieces (`integrates`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from harmonium.units import (
    Columns,
    ContinuousBernoulli,
    DoubleRectified,
    Factored,
    Gamma,
    Gaussian,
    Poisson,
    Rectified,
    SpikeSlab,
    Unit,
    Words,
    parts_of,
)
from harmonium.units.spike_slab import SMALLEST

GRID = np.linspace(
    -6.0, 6.0, 21
)  # nodes of one coordinate, in standard deviations, where the density is Gaussian in it
FINE = np.linspace(-6.0, 6.0, 61)  # where what is integrated beside it bends faster than the density
LONG = np.arange(-20.0, 7.01, 0.25)  # and where it is not: in a logarithm, the tail towards zero is long
COUNTS = 31  # of Poisson units, 0 to 30: what a rate of 4 exceeds once in 10^17 draws
LOG_2PI = float(np.log(2 * np.pi))
STEPS = 60  # of Newton's method towards the highest point


class Piece(NamedTuple):
    """Values of a layer that coordinates `t` `[size]` run through.

    `real` `[size]`, True where there is a coordinate (elsewhere the value does not depend on it); `value`, of `t`
    `[..., size]`; `log_slope`, `log |dx / dt|` of each coordinate; `curved`, whether densities are other than Gaussian
    in `t`; `fine`, whether more nodes are needed, for squares of sums of values act on other layers.

    >>> whole_line(2).real
    array([ True,  True])
    """

    real: np.ndarray
    value: Callable[[Array], Array]
    log_slope: Callable[[Array], Array]
    curved: bool = False
    fine: bool = False


FAMILIES: dict[type[Unit], Callable[[Unit], list[Piece]]] = {}


def integrates(family: type[Unit]) -> Callable[[Callable[[Unit], list[Piece]]], Callable[[Unit], list[Piece]]]:
    """Say of a family of real units of which pieces its values are, so that checks can integrate over them.

    >>> class Mine(Gaussian): pass
    >>> @integrates(Mine)
    ... def _(unit): return [whole_line(unit.size)]
    >>> len(pieces_of(Mine(2))); del FAMILIES[Mine]
    1
    """

    def add(pieces: Callable[[Unit], list[Piece]]) -> Callable[[Unit], list[Piece]]:
        FAMILIES[family] = pieces
        return pieces

    return add


def pieces_of(unit: Unit) -> list[Piece]:
    """The pieces of a layer of real units. Raises `AssertionError` for a family that does not say them.

    >>> len(pieces_of(SpikeSlab(2)))                             # off and off, off and on, on and off, on and on
    4
    """
    found = next((FAMILIES[family] for family in type(unit).__mro__ if family in FAMILIES), None)
    if found is None:
        raise AssertionError(
            f"Checks cannot integrate over {type(unit).__name__} units, so that nothing is known of their models: say "
            "their pieces, @harmonium.testing.integrates(Family)."
        )
    return found(unit)


def whole_line(size: int) -> Piece:
    """All real numbers, as they are.

    >>> whole_line(1).value(3.0)
    3.0
    """
    return Piece(np.ones(size, bool), lambda t: t, jnp.zeros_like)


def positive(size: int) -> Piece:
    """All positive numbers, `x = exp(t)`.

    >>> float(positive(1).value(0.0))
    1.0
    """
    return Piece(np.ones(size, bool), jnp.exp, lambda t: t, curved=True)


@integrates(Gaussian)
def _(unit: Gaussian) -> list[Piece]:
    return [whole_line(unit.size)]


@integrates(Factored)
def _(unit: Factored) -> list[Piece]:
    return [whole_line(unit.size)._replace(fine=True)]


def from_zero(size: int) -> Piece:
    """The same with a density that need not vanish at zero, `x = log(1 + exp(t))`, whose scale is that of `x`.

    >>> round(float(from_zero(1).value(0.0)), 4)
    0.6931
    """
    return Piece(np.ones(size, bool), jax.nn.softplus, lambda t: -jax.nn.softplus(-t), curved=True)


def between(size: int) -> Piece:
    """All numbers from 0 to 1, `x = Phi(t)`.

    >>> float(between(1).value(0.0))
    0.5
    """
    return Piece(np.ones(size, bool), jax.scipy.special.ndtr, lambda t: -0.5 * (t * t + LOG_2PI), curved=True)


@integrates(ContinuousBernoulli)
def _(unit: ContinuousBernoulli) -> list[Piece]:
    return [between(unit.size)]


@integrates(Gamma)
def _(unit: Gamma) -> list[Piece]:
    return [positive(unit.size)]


@integrates(Rectified)
def _(unit: Rectified) -> list[Piece]:
    return [from_zero(unit.size)]


@integrates(DoubleRectified)
def _(unit: DoubleRectified) -> list[Piece]:
    def piece(pattern: tuple[int, ...]) -> Piece:
        signs = np.array(pattern, np.float32)
        return from_zero(unit.size)._replace(value=lambda t: signs * jax.nn.softplus(t))

    return [piece(pattern) for pattern in itertools.product([-1, 1], repeat=unit.size)]


@integrates(SpikeSlab)
def _(unit: SpikeSlab) -> list[Piece]:
    def piece(pattern: tuple[bool, ...]) -> Piece:
        on = np.repeat(pattern, unit.slabs)
        return Piece(on, lambda t: jnp.where(on, jnp.where(t == 0, SMALLEST, t), 0.0), jnp.zeros_like)

    return [piece(pattern) for pattern in itertools.product([False, True], repeat=unit.spikes)]


@integrates(Words)
def _(unit: Words) -> list[Piece]:
    orders = itertools.product(range(unit.size), repeat=int(unit.total))  # documents of other orders have one value
    idle = np.zeros(unit.size, bool)
    counts = [np.bincount(order, minlength=unit.size).astype(np.float32) for order in orders]
    return [Piece(idle, lambda t, x=x: 0 * t + x, jnp.zeros_like) for x in counts]


def listed(unit: Unit) -> int | None:
    """How many values of each unit checks sum over: its states, or the counts that have mass; None for real ones.

    >>> listed(Poisson(2)), listed(Gaussian(2))
    (31, None)
    """
    return COUNTS if isinstance(unit, Poisson) else unit.states


@integrates(Columns)
def _(unit: Columns) -> list[Piece]:
    parts = [pieces_of(part) if part.has_density else _states_of(part) for part, _ in parts_of(unit)]
    return [_side_by_side(list(chosen)) for chosen in itertools.product(*parts)]


def _states_of(unit: Unit) -> list[Piece]:
    """A piece for each joint state of finite units, which no coordinate moves."""
    index = np.array(list(itertools.product(range(listed(unit)), repeat=unit.size)), np.int32)
    idle = np.zeros(unit.size, bool)
    return [
        Piece(idle, lambda t, x=x: 0 * t + x, jnp.zeros_like)
        for x in np.asarray(unit.values(jnp.asarray(index)), np.float32)
    ]


def _side_by_side(pieces: list[Piece]) -> Piece:
    """One piece of the columns of several."""
    ends = np.cumsum([len(piece.real) for piece in pieces])[:-1].tolist()

    def joined(name: str) -> Callable[[Array], Array]:
        def each(t: Array) -> Array:
            parts = jnp.split(jnp.asarray(t), ends, axis=-1)
            return jnp.concatenate([getattr(p, name)(x) for p, x in zip(pieces, parts, strict=True)], axis=-1)

        return each

    real = np.concatenate([piece.real for piece in pieces])
    curved, fine = any(piece.curved for piece in pieces), any(piece.fine for piece in pieces)
    return Piece(real, joined("value"), joined("log_slope"), curved, fine)


class Region(NamedTuple):
    """A piece of each real layer, by name: what one grid covers.

    >>> [region.real.tolist() for region in regions({"v": Gaussian(1), "h": SpikeSlab(1)})]
    [[True, False], [True, True]]
    """

    pieces: dict[str, Piece]

    @property
    def sizes(self) -> list[int]:
        """The number of coordinates of each layer."""
        return [len(piece.real) for piece in self.pieces.values()]

    @property
    def real(self) -> np.ndarray:
        """True at the coordinates `[d]` that values depend on."""
        return np.concatenate([piece.real for piece in self.pieces.values()])

    @property
    def curved(self) -> bool:
        """Whether the density may be other than Gaussian in the coordinates."""
        return any(piece.curved for piece in self.pieces.values())

    @property
    def grid(self) -> np.ndarray:
        """The nodes of one coordinate, in standard deviations."""
        return LONG if self.curved else FINE if any(piece.fine for piece in self.pieces.values()) else GRID

    def values(self, t: Array) -> dict[str, Array]:
        """Values by layer at coordinates `[..., d]`."""
        parts = jnp.split(t, np.cumsum(self.sizes)[:-1].tolist(), axis=-1)
        return {name: piece.value(part) for (name, piece), part in zip(self.pieces.items(), parts, strict=True)}

    def log_weight(self, t: Array) -> Array:
        """The logarithm of `dx / dt` at coordinates `[..., d]`; of coordinates that nothing depends on, that of a
        standard normal density, whose integral is one."""
        parts = jnp.split(t, np.cumsum(self.sizes)[:-1].tolist(), axis=-1)
        slopes = [piece.log_slope(part) for piece, part in zip(self.pieces.values(), parts, strict=True)]
        idle = -0.5 * (t * t + LOG_2PI)
        return jnp.sum(jnp.where(self.real, jnp.concatenate(slopes, axis=-1), idle), axis=-1)


def regions(layers: dict[str, Unit]) -> list[Region]:
    """Every combination of pieces of real layers, one of each."""
    found = [[(name, piece) for piece in pieces_of(unit)] for name, unit in layers.items()]
    return [Region(dict(chosen)) for chosen in itertools.product(*found)]


def peak(
    height: Callable[[Array, dict[str, Array]], Array], region: Region, base: dict[str, Array]
) -> tuple[np.ndarray, np.ndarray]:
    """Where a log-density of coordinates is highest, `[n, d]`, and the square root of its inverse negative Hessian
    there, for each row of the other layers' values `base`.

    Arguments: `height(t, values)`, the log-density at one point.
    """
    d = sum(region.sizes)
    slope, bend = jax.grad(height), jax.hessian(height)

    def step(t: Array, values: dict[str, Array]) -> Array:
        width, axes = jnp.linalg.eigh(-bend(t, values))
        move = axes @ ((axes.T @ slope(t, values)) / jnp.maximum(width, 0.05))
        return t + move / jnp.maximum(1.0, jnp.linalg.norm(move))

    def one(values: dict[str, Array]) -> tuple[Array, Array]:
        t = jax.lax.fori_loop(0, STEPS, lambda _, t: step(t, values), jnp.zeros(d, jnp.float32))
        return t, -bend(t, values)

    t, precision = (np.asarray(found, np.float64) for found in jax.jit(jax.vmap(one))(base))
    if not (np.linalg.eigvalsh(precision) > 0).all():
        raise AssertionError("The density has no highest point in the real units: the model is not normalisable.")
    return t, np.linalg.cholesky(np.linalg.inv(precision))
