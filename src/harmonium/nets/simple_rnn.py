"""Recurrent units without gates."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from harmonium.decay import no_decay
from harmonium.errors import InputError, whole
from harmonium.memory import check_weights


class SimpleRNN(eqx.Module):
    """Recurrent units without gates (Elman 1990; book, section 10.2): `u' = tanh(x W + u U + b)`.

    Arguments: `inputs`, `size`, of the input and of the state; `key`, for the weights' start, of variance 1 / fan-in.
    Fields: `W` `[inputs, size]`, `U` `[size, size]`, `b` `[size]`. Raises `InputError` for sizes that are none.

    >>> cell = SimpleRNN(2, 3, key=jax.random.key(0)); cell(jnp.zeros(3), cell.drive(jnp.ones(2))).shape
    (3,)
    """

    W: Float[Array, "inputs size"]
    U: Float[Array, "size size"]
    b: Float[Array, "size"] = no_decay()

    def __init__(self, inputs: int, size: int, *, key: Key[Array, ""]) -> None:
        if not whole(inputs, size):
            raise InputError(
                f"A recurrent network takes at least one input and has at least one unit, not {inputs!r} and {size!r}."
            )
        check_weights("A recurrent network", (inputs, size), (size, size))
        first, second = jax.random.split(key)
        self.W = jax.random.normal(first, (inputs, size), jnp.float32) / inputs**0.5
        self.U = jax.random.normal(second, (size, size), jnp.float32) / size**0.5
        self.b = jnp.zeros(size, jnp.float32)

    def drive(self, x: Float[Array, "inputs"]) -> Float[Array, "size"]:
        """`x W + b`."""
        return x @ self.W + self.b

    def __call__(self, u: Float[Array, "size"], drive: Float[Array, "size"]) -> Float[Array, "size"]:
        """The state after `u`."""
        return jnp.tanh(drive + u @ self.U)
