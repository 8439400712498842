"""Samples of belief nets: the top layer by Gibbs sampling, the others one after the other, downwards or upwards."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from harmonium.models.directed import BeliefNet, Link
from harmonium.models.energy import EnergyModel
from harmonium.samplers.gibbs import Gibbs, State, initial_state, posterior_sample, run_chain
from harmonium.units import Conditional


def top_sample(net: BeliefNet, key: Key[Array, ""], *, steps: int, start: State | None = None) -> State:
    """A state of the top machine, after `steps` sweeps from given values of its layer `v` or from a random state.

    >>> import harmonium as hm, jax
    >>> dbn = hm.DBN(hm.units.Bernoulli(6), [hm.units.Bernoulli(4), hm.units.Bernoulli(3)], key=jax.random.key(0))
    >>> {name: x.shape for name, x in top_sample(dbn, jax.random.key(1), steps=5).items()}
    {'h': (3,), 'v': (4,)}
    """
    first, walk = jax.random.split(key)
    top: EnergyModel = net.top
    state = initial_state(top, first) if start is None else posterior_sample(top, first, start)
    return run_chain(Gibbs(top), walk, state, steps)


def downwards(net: BeliefNet, key: Key[Array, ""], top: Array) -> dict[str, Array]:
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
        values[name] = _drawn(link, k, values[above])
    return values


def upwards(net: BeliefNet, key: Key[Array, ""], v: Array) -> dict[str, Array]:
    """Values of `v`, `h1`, ... up to the top machine's lower layer, drawn by the recognition links.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> dbn = hm.DBN(hm.units.Bernoulli(6), [hm.units.Bernoulli(4), hm.units.Bernoulli(3)], key=jax.random.key(0))
    >>> upwards(dbn, jax.random.key(1), jnp.ones(6))["h1"].shape
    (4,)
    """
    names = linked(net)
    values = {"v": v}
    keys = jax.random.split(key, max(len(net.up), 1))
    for name, above, link, k in zip(names, names[1:], net.up, keys, strict=False):
        values[above] = _drawn(link, k, values[name])
    return values


def log_prob_downwards(net: BeliefNet, values: State) -> Float[Array, ""]:
    """`sum_l log p(x_l | x_{l+1})` of the layers that links give, in nats."""
    names = linked(net)
    pairs = zip(names, names[1:], net.down, strict=False)
    return sum((_log_prob(link, values[name], values[above]) for name, above, link in pairs), start=jnp.zeros(()))


def log_prob_upwards(net: BeliefNet, values: State) -> Float[Array, ""]:
    """`sum_l log q(x_{l+1} | x_l)` of the layers that the recognition links guess, in nats."""
    names = linked(net)
    pairs = zip(names, names[1:], net.up, strict=False)
    return sum((_log_prob(link, values[above], values[name]) for name, above, link in pairs), start=jnp.zeros(()))


def linked(net: BeliefNet) -> list[str]:
    """The names of `v` and the layers above it that links give or guess."""
    return list(net.layers)[: len(net.down) + 1]


def top_layer(net: BeliefNet) -> str:
    """The name of the layer that the top machine calls `v`."""
    return linked(net)[-1]


def _drawn(link: Link, key: Key[Array, ""], given: Array) -> Array:
    return jax.lax.optimization_barrier(link.unit.sample(key, link.natural(given)))


def _log_prob(link: Link, x: Array, given: Array) -> Float[Array, ""]:
    return Conditional(link.unit, link.natural(given)).log_prob(x)
