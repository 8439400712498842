"""Block Gibbs sampling, free or clamped: each block of layers from its conditional, one block after the other.

A layer whose units act on each other is drawn colour by colour instead, each colour given the units just drawn.
A kernel is `kernel(key, state) -> (state, info)`; a state is a dict of every layer's value, for one chain, and `info`
holds what a step tells of itself, such as how probable its acceptance was.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Key

from harmonium.inference import LayerValues, fixed_point, has_closed_form, layer_stats, natural_parameters
from harmonium.models.energy import Coloured, EnergyModel, coloured, local_field
from harmonium.units import Stats

State = dict[str, Array]
Chain = TypeVar("Chain")  # what a kernel moves: the state of one chain, or of several side by side
Info = dict[str, Array]  # of a step: `acceptance`, its probability, and the like; empty where nothing can be refused

MEAN_FIELD_STEPS = 10  # sweeps before a deep machine's posterior is sampled


@runtime_checkable
class Kernel(Protocol):
    """One step of a Markov chain: it leaves the model's distribution invariant."""

    def __call__(self, key: Key[Array, ""], state: Chain) -> tuple[Chain, Info]:
        """The next state of one chain, and what the step tells of itself."""


class Clamp(NamedTuple):
    """Units held fixed: `mask` `[size]` is True where a unit of the layer keeps its `value` `[size]`.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> kernel = Gibbs(rbm, {"v": Clamp(jnp.ones(6, bool), jnp.ones(6))})
    >>> state, info = kernel(jax.random.key(1), initial_state(rbm, jax.random.key(2))); state["v"]
    Array([1., 1., 1., 1., 1., 1.], dtype=float32)
    """

    mask: Bool[Array, "size"]
    value: Array


class Gibbs(eqx.Module):
    """One sweep of block Gibbs sampling: every block in turn from `p(block | rest)` (book, section 20.2.1, 17.4).

    With `clamped`, units under a mask keep their value, and the chain samples the others given them; layers that are
    `held` keep theirs whole. Arguments: `model`, an energy model; `clamped`, a `Clamp` by layer name; `held`, names of
    layers.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> state, info = Gibbs(rbm)(jax.random.key(1), initial_state(rbm, jax.random.key(2)))
    >>> state["v"].shape, info
    ((6,), {})
    """

    model: EnergyModel
    clamped: Mapping[str, Clamp] = eqx.field(default_factory=dict)
    held: tuple[str, ...] = eqx.field(static=True, default=())

    def __call__(self, key: Key[Array, ""], state: State) -> tuple[State, Info]:
        """A sweep over all blocks, of which none can be refused."""
        keys = jax.random.split(key, len(self.model.blocks))
        masks = {name: clamp.mask for name, clamp in self.clamped.items()}
        state = self._hold(state)
        for key, block in zip(keys, self.model.blocks, strict=True):
            free = tuple(name for name in block if name not in self.held)
            if free:
                state = self._hold(state | sample_block(self.model, key, state, free, masks))
        return state, {}

    def _hold(self, state: State) -> State:
        held = {
            name: jnp.where(clamp.mask, clamp.value.astype(state[name].dtype), state[name])
            for name, clamp in self.clamped.items()
        }
        return state | held


def sample_block(
    model: EnergyModel,
    key: Key[Array, ""],
    state: Mapping[str, Array],
    block: tuple[str, ...],
    kept: Mapping[str, Bool[Array, "size"]] | None = None,
) -> State:
    """Values of the layers of one block, given the values of all layers outside it.

    A layer whose units act on each other takes one step of each colour in turn from the value that it has in `state`.
    There, and in layers whose units are drawn together, units under the masks `kept` keep their values and the others
    are drawn given them (in other layers masks have no effect: what is drawn of one unit does not depend on the
    others).

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> sample_block(rbm, jax.random.key(1), {"v": jnp.ones(6)}, ("h",))["h"].shape
    (3,)
    """
    layer = coloured(model, block[0]) if len(block) == 1 else None
    if layer is not None:
        mask = None if kept is None else kept.get(layer)
        return {block[0]: jax.lax.optimization_barrier(_sample_colours(model, key, state, layer, mask))}
    stats = layer_stats(model, {name: x for name, x in state.items() if name not in block})
    held = {name: (mask, state[name]) for name, mask in (kept or {}).items() if model.layers[name].joint}
    return sample_layers(model, key, natural_parameters(model, stats, block), block, held)


def sample_layers(
    model: EnergyModel, key: Key[Array, ""], eta: Mapping[str, Stats], layers: tuple[str, ...],
    held: Mapping[str, tuple[Bool[Array, "size"], Array]] = MappingProxyType({}),
) -> State:  # fmt: skip
    """Values of layers with these natural parameters, each on its own; of those `held`, given a mask and values."""

    def draw(name: str, key: Key[Array, ""]) -> Array:
        unit = model.layers[name]
        return unit.sample_given(key, eta[name], *held[name]) if name in held else unit.sample(key, eta[name])

    drawn = {name: draw(name, k) for name, k in _keys(key, layers).items()}
    return jax.lax.optimization_barrier(drawn)  # drawn once: XLA would draw again for each use of the values


def _sample_colours(
    model: EnergyModel, key: Key[Array, ""], state: Mapping[str, Array], layer: Coloured, mask: Array | None
) -> Array:
    unit, members = model.layers[layer], layer.members
    some = unit.sized(members.shape[1])
    rest = layer_stats(model, {name: x for name, x in state.items() if name != layer})

    def colour(x: Array, drawn_by: tuple[Key[Array, ""], Int[Array, "units"]]) -> tuple[Array, None]:
        key, units = drawn_by
        inside = jnp.minimum(units, unit.size - 1)
        new = some.sample(key, local_field(model, {**rest, str(layer): unit.stats(x)}, layer, inside))
        new = new if mask is None else jnp.where(mask[inside], x[inside], new)
        return x.at[units].set(new, mode="drop"), None

    keys = jax.random.split(key, len(members))
    return jax.lax.scan(colour, state[layer], (keys, jnp.asarray(members)))[0]


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


def posterior_sample(model: EnergyModel, key: Key[Array, ""], values: LayerValues, *, sweeps: int = 1) -> State:
    """A full state with the given layers as they are and the others from their conditional.

    It is exact where the others are independent of each other. Where they are not (a deep machine), each block is drawn
    in turn given those drawn before and the mean field of the rest (a layer whose units act on each other from its own
    mean field), and `sweeps` of Gibbs sampling with the given layers held follow: the sample then comes closer to the
    conditional with every sweep.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> state = posterior_sample(rbm, jax.random.key(1), {"v": jnp.ones(6)}); state["v"].sum(), state["h"].shape
    (Array(6., dtype=float32), (3,))
    """
    given = tuple(values)
    if has_closed_form(model, given):
        free = tuple(name for name in model.layers if name not in values)
        return dict(values) | sample_block(model, key, values, free)
    first, walk = jax.random.split(key)
    return run_chain(Gibbs(model, held=given), walk, _from_mean_field(model, first, values), sweeps)


def _from_mean_field(model: EnergyModel, key: Key[Array, ""], values: LayerValues) -> State:
    q = fixed_point(model, values, max_steps=MEAN_FIELD_STEPS)
    stats = layer_stats(model, values) | q.mean
    state = dict(values)
    for i, block in enumerate(reversed(model.blocks)):
        free = tuple(name for name in block if name not in values)
        together = not any(isinstance(name, Coloured) for name in free)
        eta = natural_parameters(model, stats, free) if together else q.natural
        drawn = {n: model.layers[n].sample(jax.random.fold_in(k, i), eta[n]) for n, k in _keys(key, free).items()}
        state |= drawn
        stats |= layer_stats(model, drawn)
    return state


def _keys(key: Key[Array, ""], layers: tuple[str, ...]) -> dict[str, Key[Array, ""]]:
    """A key for each layer; the key itself where there is only one."""
    keys = [key] if len(layers) == 1 else jax.random.split(key, len(layers))
    return dict(zip(layers, keys, strict=True))


def run_chain(kernel: Kernel, key: Key[Array, ""], state: Chain, steps: int) -> Chain:
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
        state, _ = jax.lax.scan(lambda s, k: (kernel(k, s)[0], None), state, keys[:-1])
    return kernel(keys[-1], state)[0]


def watched_chain(kernel: Kernel, key: Key[Array, ""], state: Chain, steps: int) -> tuple[Chain, Info]:
    """The state after `steps` steps of one chain, and the info of each step, stacked `[steps, ...]`.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> ladder = hm.samplers.Snapshots.of([rbm, rbm, rbm])
    >>> start = hm.samplers.initial_replicas(ladder, jax.random.key(1))
    >>> watched_chain(hm.samplers.Tempering(ladder), jax.random.key(2), start, steps=5)[1]["acceptance"].shape
    (5, 2)
    """
    return jax.lax.scan(lambda s, k: kernel(k, s), state, jax.random.split(key, steps))
