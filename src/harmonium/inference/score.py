"""The score: how log-density changes with the data."""

from __future__ import annotations

import jax
from jaxtyping import Array, Float

from harmonium.inference.free_energy import free_energy
from harmonium.models.energy import EnergyModel


def score(model: EnergyModel, v: Float[Array, "size"]) -> Float[Array, "size"]:
    """The score of a real visible configuration, which no partition function enters (Hyvärinen 2005; section 18.4).

        psi(v) = grad_v log p(v) = -grad_v F(v)

    Arguments: `v`, a value `[size]` of layer `v`. Raises `InputError` where the hidden layers depend on each other.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Gaussian(2), hidden=hm.units.Bernoulli(3), key=jax.random.key(0), scale=0.0)
    >>> score(rbm, jnp.array([1.0, 3.0]))
    Array([-1., -3.], dtype=float32)
    """
    return -jax.grad(lambda x: free_energy(model, {"v": x}))(v)
