"""Weights that change with a state, at a given rank."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key


class LowRank(eqx.Module):
    """A change of weights of low rank that a state sets: `A diag(u R) B`.

    Arguments: `inputs`, the size of the state; `rank`; `shape`, of the weights; `key` and `scale`, of the start.

    >>> LowRank(4, 2, (3, 5), key=jax.random.key(0), scale=0.1)(jnp.ones(4)).shape
    (3, 5)
    """

    A: Float[Array, "visible rank"]
    R: Float[Array, "inputs rank"]
    B: Float[Array, "rank hidden"]

    def __init__(self, inputs: int, rank: int, shape: tuple[int, int], *, key: Key[Array, ""], scale: float) -> None:
        keys = jax.random.split(key, 3)
        self.A = scale * jax.random.normal(keys[0], (shape[0], rank), jnp.float32)
        self.R = jax.random.normal(keys[1], (inputs, rank), jnp.float32) / inputs**0.5
        self.B = jax.random.normal(keys[2], (rank, shape[1]), jnp.float32) / rank**0.5

    def __call__(self, u: Float[Array, "inputs"]) -> Float[Array, "visible hidden"]:
        """The change of the weights."""
        return (self.A * (u @ self.R)) @ self.B
