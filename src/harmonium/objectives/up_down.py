"""The up-down rule: a whole deep belief network at once, after greedy training."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from harmonium.errors import InputError, plain, whole
from harmonium.inference import as_values
from harmonium.models.directed import downwards, log_prob_downwards, log_prob_upwards, upwards
from harmonium.models.kinds import BELIEF_NET, Kind
from harmonium.objectives.contrastive import contrast
from harmonium.objectives.objective import Batch, Memory, Metrics, Objective, StepMemory, require
from harmonium.samplers import Gibbs, State, posterior_sample, run_chain
from harmonium.samplers.ancestral import top_layer


class UpDown(Objective):
    """Contrastive wake-sleep (Hinton, Osindero & Teh 2006; book, section 20.3).

    Wake: layers are drawn upwards from the data, and each generative link learns to give them back. The top machine
    learns by CD-k from there. Sleep: the ends of its chains are followed downwards, and each recognition link learns to
    infer what they came from:

        loss = -log p(v, h | h_top)_wake + (F(wake) - F(sleep))_top - log q(h | v)_sleep

    Arguments: `steps`, the number k of Gibbs sweeps of the top machine. Labels in a batch are held to layer `y` of the
    top machine.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> dbn = hm.DBN(hm.units.Bernoulli(6), [hm.units.Bernoulli(4), hm.units.Bernoulli(3)], key=jax.random.key(0))
    >>> loss, (memory, metrics) = UpDown(steps=3)(dbn, jnp.ones((4, 6)), jax.random.key(1), None)
    """

    accepts: ClassVar[tuple[Kind, ...]] = (BELIEF_NET,)

    steps: int = eqx.field(static=True, converter=plain, default=1)

    def __check_init__(self) -> None:
        if not whole(self.steps):
            raise InputError(f"The up-down rule needs at least one Gibbs step, not steps={self.steps}.")

    def __call__(
        self, model: Any, batch: Batch, key: Key[Array, ""], memory: Memory
    ) -> tuple[Float[Array, ""], tuple[StepMemory, Metrics]]:
        """The sum of the three parts, the mean over the batch, in nats."""
        require(self, model)
        still = jax.lax.stop_gradient(model)
        values = as_values(batch)

        def phases(key: Key[Array, ""], given: State) -> tuple[State, State, State, State]:
            up, first, walk, down = jax.random.split(key, 4)
            wake = upwards(still, up, given["v"])
            top = given | {"v": wake[top_layer(still)]}
            end = run_chain(Gibbs(still.top), walk, posterior_sample(still.top, first, top), self.steps)
            return wake, top, end, downwards(still, down, end["v"])

        wake, top, end, sleep = jax.vmap(phases)(jax.random.split(key, len(values["v"])), values)
        down = jnp.mean(jax.vmap(lambda x: log_prob_downwards(model, x))(wake))
        up = jnp.mean(jax.vmap(lambda x: log_prob_upwards(model, x))(sleep))
        difference, metrics = contrast(model.top, top, end)
        return difference - down - up, (StepMemory(), metrics | {"log_prob_down": down, "log_prob_up": up})
