"""Missing values of directed nets: latent variables proposed and accepted by Metropolis, and values given them."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Key

from harmonium.models.directed import FactorizedDecoder, Latents
from harmonium.samplers.gibbs import Info


class Filled(NamedTuple):
    """A value `x` `[size]`, filled where it was missing, and latent variables that go with it."""

    x: Array
    latents: Latents


def begun(model: FactorizedDecoder, key: Key[Array, ""], x: Array, known: Bool[Array, "size"]) -> Filled:
    """A start: missing values drawn from the model without regard to the others, latent variables inferred.

    >>> import harmonium as hm
    >>> vae = hm.VAE(hm.units.Bernoulli(4), hm.units.Gaussian(2), hidden=[3], key=jax.random.key(0))
    >>> begun(vae, jax.random.key(1), jnp.ones(4), jnp.array([True, True, False, False])).x.shape
    (4,)
    """
    first, second = jax.random.split(key)
    x = jnp.where(known, x, model.sample(first).astype(x.dtype))
    return Filled(x, model.sample_posterior(second, model.encode_features(x)))


def refilled(
    model: FactorizedDecoder, key: Key[Array, ""], state: Filled, known: Bool[Array, "size"]
) -> tuple[Filled, Info]:
    """One step of Metropolis within Gibbs, which leaves `p(x_missing, h | x_known)` invariant.

        h' ~ q(h | x), taken with probability min(1, w(h') / w(h)),  w = p(x, h) / q(h | x);      x_missing ~ p(x | h)

    (Mattei & Frellsen, *Leveraging the exact likelihood of deep latent variable models*, NeurIPS 2018.)
    Arguments: `known` `[size]`, where `x` stays as it is. The info has the probability of `acceptance`.

    >>> import harmonium as hm
    >>> vae = hm.VAE(hm.units.Bernoulli(4), hm.units.Gaussian(2), hidden=[3], key=jax.random.key(0))
    >>> known = jnp.array([True, True, False, False])
    >>> state, info = refilled(vae, jax.random.key(2), begun(vae, jax.random.key(1), jnp.ones(4), known), known)
    >>> state.x[:2], bool(0 <= info["acceptance"] <= 1)
    (Array([1., 1.], dtype=float32), True)
    """
    guess, lot, draw = jax.random.split(key, 3)
    x, old = state
    encoded = model.encode_features(x)
    new = model.importance_sample(guess, x, encoded)
    current = model.log_joint(x, old) - model.log_q(old, encoded)
    accepted = jnp.log(jax.random.uniform(lot, minval=1e-38, dtype=jnp.float32)) < new.log_weight - current
    latents = jax.tree.map(lambda a, b: jnp.where(accepted, a, b), new.latents, old)
    value = jax.lax.optimization_barrier(model.conditional(latents).sample(draw)).astype(x.dtype)
    acceptance = jnp.exp(jnp.minimum(new.log_weight - current, 0.0))
    return Filled(jnp.where(known, x, value), latents), {"acceptance": acceptance}


def filled_in(model: FactorizedDecoder, key: Key[Array, ""], x: Array, known: Bool[Array, "size"], steps: int) -> Array:
    """A value `[size]` whose missing entries were drawn by a chain of so many steps.

    >>> import harmonium as hm
    >>> vae = hm.VAE(hm.units.Bernoulli(4), hm.units.Gaussian(2), hidden=[3], key=jax.random.key(0))
    >>> filled_in(vae, jax.random.key(1), jnp.ones(4), jnp.array([True, True, False, False]), 5)[:2]
    Array([1., 1.], dtype=float32)
    """
    first, walk = jax.random.split(key)
    start = begun(model, first, x, known)
    keys = jax.random.split(walk, steps)
    return jax.lax.scan(lambda s, k: (refilled(model, k, s, known)[0], None), start, keys)[0].x
