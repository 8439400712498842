"""Gated recurrent units: a state that each input of a sequence changes in part."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from harmonium.decay import no_decay
from harmonium.errors import InputError, whole
from harmonium.memory import check_weights


class GRU(eqx.Module):
    """A gated recurrent unit (Cho et al. 2014; book, section 10.10.2), with the reset after the product with the state.

        r, u = sigmoid(W x + U h + b),    c = tanh(W x + b + r (U h + c_0)),    h' = u h + (1 - u) c

    so that one product with `h` serves both gates and the candidate `c`. What an input contributes, `drive(x)`, does
    not depend on the state, and can be found for a whole sequence at once.

    Arguments: `inputs`, `size`, of the input and of the state; `key`, for the weights' start, of variance 1 / fan-in.
    Fields: `W` `[inputs, 3 size]`, `U` `[size, 3 size]`, `b` `[3 size]`, `c` `[size]`. Raises `InputError` for sizes
    that are none.

    >>> gru = GRU(2, 3, key=jax.random.key(0)); gru(jnp.zeros(3), gru.drive(jnp.ones(2))).shape
    (3,)
    """

    W: Float[Array, "inputs gates"]
    U: Float[Array, "size gates"]
    b: Float[Array, "gates"] = no_decay()
    c: Float[Array, "size"] = no_decay()

    def __init__(self, inputs: int, size: int, *, key: Key[Array, ""]) -> None:
        if not whole(inputs, size):
            raise InputError(f"A GRU takes at least one input and has at least one unit, not {inputs!r} and {size!r}.")
        check_weights("A GRU", (inputs, 3 * size), (size, 3 * size))
        first, second = jax.random.split(key)
        self.W = jax.random.normal(first, (inputs, 3 * size), jnp.float32) / inputs**0.5
        self.U = jax.random.normal(second, (size, 3 * size), jnp.float32) / size**0.5
        self.b = jnp.zeros(3 * size, jnp.float32)
        self.c = jnp.zeros(size, jnp.float32)

    @property
    def size(self) -> int:
        """Of the state."""
        return len(self.c)

    def drive(self, x: Float[Array, "... inputs"]) -> Float[Array, "... gates"]:
        """`W x + b`: what an input, or each of several, contributes to both gates and the candidate."""
        return x @ self.W + self.b

    def __call__(self, h: Float[Array, "size"], drive: Float[Array, "gates"]) -> Float[Array, "size"]:
        """The state after `h`."""
        back = h @ self.U
        gates = jax.nn.sigmoid(drive[: 2 * self.size] + back[: 2 * self.size])
        reset, keep = gates[: self.size], gates[self.size :]
        candidate = jnp.tanh(drive[2 * self.size :] + reset * (back[2 * self.size :] + self.c))
        return keep * h + (1 - keep) * candidate
