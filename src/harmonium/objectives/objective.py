"""What a learning rule is: a loss whose gradient *is* the rule."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, Num, PyTree

from harmonium.inference import free_block, layer_stats, natural_parameters
from harmonium.models import Centred, EnergyModel, recentred
from harmonium.samplers import State
from harmonium.units import Stats

Memory = PyTree
Metrics = dict[str, Float[Array, ""]]


class StepMemory(eqx.Module):
    """What outlives a step: the chains' states, and the positive phase's means, by which a model is centred.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> rbm = hm.Centred(rbm); hm.objectives.CD().init(rbm, jax.random.key(1)).means["h"]
    Array([0.5, 0.5, 0.5], dtype=float32)
    """

    chains: State | None = None
    means: dict[str, Stats] | None = None


class Objective(eqx.Module):
    """`objective(model, batch, key, memory) -> (loss, (memory, metrics))`; the gradient of `loss` is the update.

    Constants are stopped inside. `memory` holds what outlives a step, such as persistent chains.

    >>> import jax.numpy as jnp
    >>> class Mean(Objective):
    ...     def __call__(self, model, batch, key, memory):
    ...         return jnp.sum((model - batch.mean(axis=0)) ** 2), (memory, {})
    >>> float(Mean()(jnp.zeros(2), jnp.ones((4, 2)), None, None)[0])
    2.0
    """

    @abstractmethod
    def __call__(
        self, model: Any, batch: Num[Array, "batch size"], key: Key[Array, ""], memory: Memory
    ) -> tuple[Float[Array, ""], tuple[Memory, Metrics]]:
        """The loss of a batch `[batch, size]` in nats per example, the new memory, and numbers worth plotting."""

    def init(self, model: Any, key: Key[Array, ""]) -> StepMemory:
        """The memory before the first step: no chains, and the offsets of a centred model."""
        return StepMemory(means=model.offsets.value if isinstance(model, Centred) else None)

    def after_step(self, model: Any, memory: StepMemory) -> Any:
        """The model after what follows a gradient step and is none: a centred model's offsets move."""
        return recentred(model, memory.means)


def positive_means(model: EnergyModel, batch: Num[Array, "batch size"]) -> dict[str, Stats] | None:
    """Mean statistics of all layers in the positive phase, for a model that centres by them; None for others."""
    if not isinstance(model, Centred):
        return None

    def one(v: Array) -> dict[str, Stats]:
        stats = layer_stats(model, {"v": v})
        free = free_block(model, stats)
        eta = natural_parameters(model, stats, free)
        return stats | {name: model.layers[name].mean(eta[name]) for name in free}

    means = jax.tree.map(lambda s: jnp.mean(s, axis=0), jax.vmap(one)(batch))
    return jax.lax.stop_gradient(means)
