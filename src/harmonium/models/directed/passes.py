"""Passes through nets of links: layers drawn one after the other, downwards or upwards, and how likely they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from harmonium.models.directed.link import ConditionalLayer
from harmonium.units import Conditional, Unit


@runtime_checkable
class Linked(Protocol):
    """A net of layers that links give downwards and infer upwards."""

    @property
    def layers(self) -> dict[str, Unit]:
        """The layers from the data upwards: `v`, then those above it."""

    @property
    def down(self) -> tuple[ConditionalLayer, ...]:
        """Generative links: `down[l]` gives layer `l` from the layer above it."""

    @property
    def up(self) -> tuple[ConditionalLayer, ...]:
        """Recognition links: `up[l]` infers the layer above layer `l`."""


def downwards(net: Linked, key: Key[Array, ""], top: Array) -> dict[str, Array]:
    """Values of `v`, `h1`, ... drawn from the links, given the value `top` of the highest layer they rest on.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> dbn = hm.DBN(hm.units.Bernoulli(6), [hm.units.Bernoulli(4), hm.units.Bernoulli(3)], key=jax.random.key(0))
    >>> sorted(downwards(dbn, jax.random.key(1), jnp.ones(4)))
    ['h1', 'v']
    """
    names = linked(net)
    values = {names[-1]: top}
    keys = jax.random.split(key, max(len(net.down), 1))
    for name, above, link, k in reversed(list(zip(names, names[1:], net.down, keys, strict=False))):
        values[name] = drawn(link, k, values[above])
    return values


def upwards(net: Linked, key: Key[Array, ""], v: Array) -> dict[str, Array]:
    """Values of `v`, `h1`, ... up to the highest layer that links rest on, drawn by the recognition links.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> dbn = hm.DBN(hm.units.Bernoulli(6), [hm.units.Bernoulli(4), hm.units.Bernoulli(3)], key=jax.random.key(0))
    >>> upwards(dbn, jax.random.key(1), jnp.ones(6))["h1"].shape
    (4,)
    """
    names = linked(net)
    values = {"v": v}
    keys = jax.random.split(key, max(len(net.up), 1))
    for name, above, link, k in zip(names, names[1:], net.up, keys, strict=False):
        values[above] = drawn(link, k, values[name])
    return values


def log_prob_downwards(net: Linked, values: Mapping[str, Array]) -> Float[Array, ""]:
    """`sum_l log p(x_l | x_{l+1})` of the layers that links give, in nats."""
    names = linked(net)
    pairs = zip(names, names[1:], net.down, strict=False)
    return sum(
        (log_prob_of(link, values[name], values[above]) for name, above, link in pairs),
        start=jnp.zeros((), jnp.float32),
    )


def log_prob_upwards(net: Linked, values: Mapping[str, Array]) -> Float[Array, ""]:
    """`sum_l log q(x_{l+1} | x_l)` of the layers that the recognition links infer, in nats."""
    names = linked(net)
    pairs = zip(names, names[1:], net.up, strict=False)
    return sum(
        (log_prob_of(link, values[above], values[name]) for name, above, link in pairs),
        start=jnp.zeros((), jnp.float32),
    )


def linked(net: Linked) -> list[str]:
    """The names of `v` and the layers above it that links give or infer."""
    return list(net.layers)[: len(net.down) + 1]


def drawn(link: ConditionalLayer, key: Key[Array, ""], given: Array) -> Array:
    """A value of the layer that a link gives, drawn once: XLA would draw again for each use."""
    return jax.lax.optimization_barrier(link.unit.sample(key, link.natural(given)))


def log_prob_of(link: ConditionalLayer, x: Array, given: Array) -> Float[Array, ""]:
    """Log-probability of a value of the layer that a link gives, in nats."""
    return Conditional(link.unit, link.natural(given)).log_prob(x)
