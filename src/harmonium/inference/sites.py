"""Sums over the units of a layer, all of them or some: pseudo-likelihood, ratio matching and score matching."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

AT_ONCE = 8  # units visited side by side, at most; beyond, one after the other


def sum_over_sites(
    term: Callable[[Int[Array, ""]], Float[Array, ""]],
    size: int,
    key: Key[Array, ""] | None = None,
    sites: int | None = None,
) -> Float[Array, ""]:
    """`sum_i term(i)` over the units `i` of a layer, or over a few of them, scaled up without bias.

    Where many are visited, a gradient computes each term again instead of keeping all their intermediate values.
    Arguments: `term`, of the number of a unit; `size`, how many units there are; `sites`, how many to visit, drawn
    by `key` without replacement (default: all).

    >>> sum_over_sites(lambda i: 2.0 * i, 4), sum_over_sites(lambda i: jnp.float32(3), 10, jax.random.key(0), sites=2)
    (Array(12., dtype=float32), Array(30., dtype=float32))
    """
    every = sites is None or sites >= size
    chosen = jnp.arange(size, dtype=jnp.int32) if every else jax.random.choice(key, size, (sites,), replace=False)
    if len(chosen) <= AT_ONCE:
        terms = jax.vmap(term)(chosen)
    else:
        terms = jax.lax.map(jax.checkpoint(term, prevent_cse=False), chosen)
    return size / len(chosen) * jnp.sum(terms)
