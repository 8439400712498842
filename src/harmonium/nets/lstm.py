"""Recurrent networks with memory cells, and the affine maps around them."""

from __future__ import annotations

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from harmonium.decay import no_decay
from harmonium.errors import InputError, whole
from harmonium.memory import check_weights
from harmonium.nets.mlp import sigmoid

OPEN = 1.0  # the start of a forget gate's bias, so that a new network remembers (Jozefowicz et al. 2015)


class Memory(NamedTuple):
    """The state of an LSTM: what it puts out, `h` `[hidden]`, and its cells, `c` `[hidden]`.

    >>> LSTM(2, 3, key=jax.random.key(0)).start.h.shape
    (3,)
    """

    h: Float[Array, "hidden"]
    c: Float[Array, "hidden"]


class Affine(eqx.Module):
    """An affine map `x W + b`; its weights start with the variance `2 / (inputs + out)` (Glorot & Bengio 2010).

    Arguments: `inputs`, `out`, sizes; `key`, for the weights' start. Fields: `W` `[inputs, out]`; `b` `[out]`, zero.
    Raises `InputError` for sizes that are none.

    >>> Affine(4, 3, key=jax.random.key(0))(jnp.ones(4)).shape
    (3,)
    """

    W: Float[Array, "inputs out"]
    b: Float[Array, "out"] = no_decay()

    def __init__(self, inputs: int, out: int, *, key: Key[Array, ""]) -> None:
        _check_sizes("An affine map", inputs, out)
        check_weights("An affine map", (inputs, out))
        self.W = math.sqrt(2 / (inputs + out)) * jax.random.normal(key, (inputs, out), jnp.float32)
        self.b = jnp.zeros(out, jnp.float32)

    def __call__(self, x: Float[Array, "inputs"]) -> Float[Array, "out"]:
        """The output for one input."""
        return x @ self.W + self.b


class LSTM(eqx.Module):
    """A layer of memory cells with an input, a forget and an output gate (book, section 10.10.1).

        (i, f, o, g) = [x, h] W + b,      c' = sigmoid(f) c + sigmoid(i) tanh(g),      h' = sigmoid(o) tanh(c')

    (Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000.) Arguments: `inputs`, `hidden`, sizes; `key`, for
    the weights' start (as in `Affine`, of each gate). Fields: `W` `[inputs + hidden, 4 hidden]`; `b` `[4 hidden]`, one
    at the forget gates and otherwise zero; `start`, the state before the first input, which is learned.
    Raises `InputError` for sizes that are none.

    >>> lstm = LSTM(2, 3, key=jax.random.key(0)); lstm(lstm.start, jnp.ones(2)).h.shape
    (3,)
    """

    W: Float[Array, "rows gates"]
    b: Float[Array, "gates"] = no_decay()
    start: Memory = no_decay()

    def __init__(self, inputs: int, hidden: int, *, key: Key[Array, ""]) -> None:
        _check_sizes("An LSTM", inputs, hidden)
        rows = inputs + hidden
        check_weights("An LSTM", (rows, 4 * hidden))
        self.W = math.sqrt(2 / (rows + hidden)) * jax.random.normal(key, (rows, 4 * hidden), jnp.float32)
        self.b = jnp.zeros(4 * hidden, jnp.float32).at[hidden : 2 * hidden].set(OPEN)
        self.start = Memory(jnp.zeros(hidden, jnp.float32), jnp.zeros(hidden, jnp.float32))

    def __call__(self, state: Memory, x: Float[Array, "inputs"]) -> Memory:
        """The state after one more input."""
        return self.moved(state, jnp.concatenate([x, state.h]) @ self.W + self.b)

    def moved(self, state: Memory, gates: Float[Array, "gates"]) -> Memory:
        """The state after one more input, given what acts on the gates: `[x, h] W + b`."""
        i, f, o, g = jnp.split(gates, 4)
        c = sigmoid(f) * state.c + sigmoid(i) * jnp.tanh(g)
        return Memory(sigmoid(o) * jnp.tanh(c), c)


def _check_sizes(what: str, *sizes: int) -> None:
    if not whole(*sizes):
        raise InputError(f"{what} has sizes of one or more, not {list(sizes)}: give whole numbers from 1 upwards.")
