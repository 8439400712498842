"""Block Gibbs sampling, free or clamped: each block of layers from its conditional, one block after the other.

A kernel is `kernel(key, state) -> state`; a state is a dict of every layer's value, for one chain.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Key

from harmonium.inference import LayerValues, free_block, layer_stats, natural_parameters
from harmonium.models.energy import EnergyModel

State = dict[str, Array]


@runtime_checkable
class Kernel(Protocol):
    """One step of a Markov chain: it leaves the model's distribution invariant."""

    def __call__(self, key: Key[Array, ""], state: State) -> State:
        """The next state of one chain."""


class Clamp(NamedTuple):
    """Units held fixed: `mask` `[size]` is True where a unit of the layer keeps its `value` `[size]`.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> kernel = Gibbs(rbm, {"v": Clamp(jnp.ones(6, bool), jnp.ones(6))})
    >>> kernel(jax.random.key(1), initial_state(rbm, jax.random.key(2)))["v"]
    Array([1., 1., 1., 1., 1., 1.], dtype=float32)
    """

    mask: Bool[Array, "size"]
    value: Array


class Gibbs(eqx.Module):
    """One sweep of block Gibbs sampling: every block in turn from `p(block | rest)` (book, section 20.2.1, 17.4).

    With `clamped`, units under a mask keep their value, and the chain samples the others given them.
    Arguments: `model`, an energy model; `clamped`, a `Clamp` by layer name.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> kernel = Gibbs(rbm); kernel(jax.random.key(1), initial_state(rbm, jax.random.key(2)))["v"].shape
    (6,)
    """

    model: EnergyModel
    clamped: Mapping[str, Clamp] = eqx.field(default_factory=dict)

    def __call__(self, key: Key[Array, ""], state: State) -> State:
        """A sweep over all blocks."""
        keys = jax.random.split(key, len(self.model.blocks))
        for key, block in zip(keys, self.model.blocks, strict=True):
            state = self._hold(state | sample_block(self.model, key, state, block))
        return state

    def _hold(self, state: State) -> State:
        held = {
            name: jnp.where(clamp.mask, clamp.value.astype(state[name].dtype), state[name])
            for name, clamp in self.clamped.items()
        }
        return state | held


def sample_block(model: EnergyModel, key: Key[Array, ""], state: Mapping[str, Array], block: tuple[str, ...]) -> State:
    """Values of the layers of one block, given the values of all layers outside it.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> sample_block(rbm, jax.random.key(1), {"v": jnp.ones(6)}, ("h",))["h"].shape
    (3,)
    """
    stats = layer_stats(model, {name: x for name, x in state.items() if name not in block})
    eta = natural_parameters(model, stats, block)
    keys = [key] if len(block) == 1 else jax.random.split(key, len(block))
    drawn = {name: model.layers[name].sample(k, eta[name]) for k, name in zip(keys, block, strict=True)}
    return jax.lax.optimization_barrier(drawn)  # drawn once: XLA would draw again for each use of the values


def initial_state(model: EnergyModel, key: Key[Array, ""]) -> State:
    """A random state: each layer from its conditional with all other layers' statistics at zero.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> {name: x.shape for name, x in initial_state(rbm, jax.random.key(1)).items()}
    {'v': (6,), 'h': (3,)}
    """
    zeros = {name: unit.zeros() for name, unit in model.layers.items()}
    keys = dict(zip(model.layers, jax.random.split(key, len(model.layers)), strict=True))
    state = {}
    for name, unit in model.layers.items():
        eta = natural_parameters(model, {k: s for k, s in zeros.items() if k != name}, (name,))
        state[name] = unit.sample(keys[name], eta[name])
    return state


def posterior_sample(model: EnergyModel, key: Key[Array, ""], values: LayerValues) -> State:
    """A full state with the given layers as they are and the others from their exact conditional.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> state = posterior_sample(rbm, jax.random.key(1), {"v": jnp.ones(6)}); state["v"].sum(), state["h"].shape
    (Array(6., dtype=float32), (3,))
    """
    free = free_block(model, values)
    return dict(values) | sample_block(model, key, values, free)


def run_chain(kernel: Kernel, key: Key[Array, ""], state: State, steps: int) -> State:
    """The state after `steps` steps of one chain.

    The last step stands outside the loop, so that whoever goes on from the state (a free energy, a gradient)
    shares its matrix products instead of computing them again.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> run_chain(Gibbs(rbm), jax.random.key(1), initial_state(rbm, jax.random.key(2)), steps=5)["h"].shape
    (3,)
    """
    keys = jax.random.split(key, steps)
    if steps > 1:
        state, _ = jax.lax.scan(lambda s, k: (kernel(k, s), None), state, keys[:-1])
    return kernel(keys[-1], state)
