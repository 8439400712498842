"""Pairs of units that act on each other: the symmetric matrix that their weights make, and colours of the units."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

SPARSE = 32  # an entry of a list of neighbours costs as much as about this many of a matrix, in a product


class Pairs(eqx.Module):
    """Which weight couples which two of `n` coordinates: the symmetric matrix `U` with zeros wherever there is no pair.

    Only the weights of pairs exist as parameters. Products with `U` take its rows from them, whole rows where most
    places are filled and lists of neighbours where few are.
    Arguments: `ends` `[weights, 2]`, two different coordinates for each weight, no pair twice; `size`, the number `n`;
    `sparse`, whether to hold lists of neighbours (default: where that is faster).

    >>> pairs = Pairs(np.array([[0, 1], [1, 2]]), 3)
    >>> pairs.product(jnp.array([5.0, 7.0]), jnp.array([1.0, 2.0, 3.0]))
    Array([10., 26., 14.], dtype=float32)
    """

    ends: Int[Array, "weights 2"]
    which: Int[Array, "n degree"]  # the number of a weight, or that of no weight
    others: Int[Array, "n degree"] | None  # the coordinate at the other end; None: all coordinates in order

    def __init__(self, ends: Int[np.ndarray, "weights 2"], size: int, sparse: bool | None = None) -> None:
        count, (a, b) = len(ends), ends.T
        here, there, number = np.concatenate([a, b]), np.concatenate([b, a]), np.tile(np.arange(count), 2)
        degrees = np.bincount(here, minlength=size)
        self.ends = jnp.asarray(ends, jnp.int32)
        if not (SPARSE * degrees.max() < size if sparse is None else sparse):
            which = np.full((size, size), count)
            which[here, there] = number
            self.which, self.others = jnp.asarray(which, jnp.int32), None
            return
        order = np.lexsort((there, here))
        place = np.arange(2 * count) - np.repeat(np.cumsum(degrees) - degrees, degrees)
        which, others = np.full((size, degrees.max()), count), np.zeros((size, degrees.max()))
        which[here[order], place], others[here[order], place] = number[order], there[order]
        self.which, self.others = jnp.asarray(which, jnp.int32), jnp.asarray(others, jnp.int32)

    def product(
        self, weights: Float[Array, "weights"], x: Float[Array, "n"], chosen: Int[Array, "chosen"] | None = None
    ) -> Float[Array, "_"]:
        """`U x` `[n]`, or its entries at the coordinates `chosen`."""
        which = self.which if chosen is None else self.which[chosen]
        rows = weights.at[which].get(mode="fill", fill_value=0)
        if self.others is None:
            return rows @ x
        return jnp.sum(rows * x[self.others if chosen is None else self.others[chosen]], axis=1)

    def matrix(self, weights: Float[Array, "weights"]) -> Float[Array, "n n"]:
        """`U` itself."""
        size = len(self.which)
        half = jnp.zeros((size, size), jnp.float32).at[self.ends[:, 0], self.ends[:, 1]].set(weights)
        return half + half.T


def lattice_edges(shape: tuple[int, ...], periodic: bool) -> Int[np.ndarray, "edges 2"]:
    """Pairs of neighbours on a grid of any dimension, units numbered row by row.

    A side of two units joins them once, periodic or not.

    >>> lattice_edges((3,), periodic=True).tolist()
    [[0, 1], [1, 2], [2, 0]]
    """
    number = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    pairs = [np.zeros((0, 2), int)]
    for axis, side in enumerate(shape):
        last = side if periodic and side > 2 else side - 1
        here, there = number.take(range(last), axis), np.roll(number, -1, axis).take(range(last), axis)
        pairs.append(np.stack([here.ravel(), there.ravel()], axis=1))
    return np.concatenate(pairs)


def colouring(size: int, edges: Int[np.ndarray, "edges 2"]) -> tuple[int, ...]:
    """A colour for each unit, such that no edge joins two of one colour: two where that can be, else greedily few.

    Colours are numbered in the order in which units first have them.

    >>> colouring(4, lattice_edges((2, 2), periodic=False))
    (0, 1, 1, 0)
    """
    if len(edges) == 0:
        return (0,) * size
    if 2 * len(edges) == size * (size - 1):
        return tuple(range(size))
    import networkx as nx  # here, for it takes a while to import

    graph = nx.Graph()
    graph.add_nodes_from(range(size))
    graph.add_edges_from(edges.tolist())
    found = nx.bipartite.color(graph) if nx.is_bipartite(graph) else nx.greedy_color(graph, "largest_first")
    number: dict[int, int] = {}
    return tuple(number.setdefault(found[unit], len(number)) for unit in range(size))
