"""The top of a belief net, sampled by Gibbs sampling: the layers below follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import jax
from jaxtyping import Array, Key

from harmonium.models.directed import BeliefNet, linked
from harmonium.models.energy import EnergyModel
from harmonium.samplers.gibbs import Clamp, Gibbs, State, initial_state, posterior_sample, run_chain


def top_sample(
    net: BeliefNet, key: Key[Array, ""], *, steps: int, start: State | None = None,
    clamped: Mapping[str, Clamp] = MappingProxyType({}),
) -> State:  # fmt: skip
    """A state of the top machine, after `steps` sweeps from given values of its layer `v` or from a random state, with
    units `clamped`.

    >>> import harmonium as hm, jax
    >>> dbn = hm.DBN(hm.units.Bernoulli(6), [hm.units.Bernoulli(4), hm.units.Bernoulli(3)], key=jax.random.key(0))
    >>> {name: x.shape for name, x in top_sample(dbn, jax.random.key(1), steps=5).items()}
    {'h': (3,), 'v': (4,)}
    """
    first, walk = jax.random.split(key)
    top: EnergyModel = net.top
    state = initial_state(top, first) if start is None else posterior_sample(top, first, start)
    return run_chain(Gibbs(top, dict(clamped)), walk, state, steps)


def top_layer(net: BeliefNet) -> str:
    """The name of the layer that the top machine calls `v`."""
    return linked(net)[-1]
