"""Categorical (softmax, Potts) units: `x` in {0, ..., K-1}, `T(x)` one-hot, `A(eta) = log sum_k e^eta_k`."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, Num

from harmonium.errors import InputError, plain
from harmonium.units.unit import Unit, first_outside, refuse_missing


class Categorical(Unit):
    """A layer of units with `states` states each: `p(x_i = k) = softmax(eta_i)_k` (labels, Potts models).

    Arguments: `size`, the number of units; `states`, the number `K` of states of each.

    >>> import jax.numpy as jnp
    >>> Categorical(1, states=4).mean(jnp.zeros((1, 4)))
    Array([[0.25, 0.25, 0.25, 0.25]], dtype=float32)
    """

    size: int = eqx.field(static=True, converter=plain)
    states: int = eqx.field(static=True, converter=plain, kw_only=True)

    def stats(self, x: Num[Array, "size"]) -> Float[Array, "size states"]:
        """The one-hot code of each unit's state."""
        return jax.nn.one_hot(x, self.states, dtype=jnp.float32)

    def log_partition(self, eta: Float[Array, "size states"]) -> Float[Array, ""]:
        """`sum_i log sum_k exp eta_ik`."""
        return jnp.sum(jax.nn.logsumexp(eta, axis=-1))

    def sample(self, key: Key[Array, ""], eta: Float[Array, "size states"]) -> Int[Array, "size"]:
        """A state for each unit, by the Gumbel maximum."""
        return jax.random.categorical(key, eta, axis=-1).astype(jnp.int32)

    def natural_from_mean(self, mean: Float[Array, "size states"]) -> Float[Array, "size states"]:
        """`log mean`: one of the equivalent choices, the one for which `A = 0`."""
        return jnp.log(mean)

    @property
    def width(self) -> int:
        """`size * states`: every state of every unit has its own weights."""
        return self.size * self.states

    def interaction(
        self, stats: Float[Array, "size states"], bias: Float[Array, "size states"]
    ) -> Float[Array, "width"]:
        """The one-hot codes, laid end to end."""
        return stats.reshape(-1)

    @property
    def dtype(self) -> jnp.dtype:
        """States are whole numbers."""
        return jnp.dtype(jnp.int32)

    def values(self, index: Int[Array, "*batch size"]) -> Int[Array, "*batch size"]:
        """A state is its own value."""
        return index.astype(jnp.int32)

    def check(self, x: np.ndarray, *, expectation: bool = False) -> None:
        """Refuse anything but whole numbers from 0 to `states` - 1."""
        inside = (x >= 0) & (x < self.states) & (x == np.floor(x))
        if not inside.all():
            refuse_missing(x)
            raise InputError(
                f"Categorical units with {self.states} states take whole numbers from 0 to {self.states - 1}, "
                f"but the data holds {first_outside(x, inside)}: recode the columns, raise `states`, or "
                "train with these rows among the splits of the data, all of whose codes count."
            )
