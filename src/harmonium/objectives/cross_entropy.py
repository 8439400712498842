"""Discriminative training: the log-probability of the labels."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from harmonium.errors import InputError
from harmonium.models.kinds import CLASSIFIER, Kind
from harmonium.objectives.objective import Batch, Memory, Metrics, Objective, StepMemory, require


class CrossEntropy(Objective):
    """Minus the log-probability of the labels, with dropout (Srivastava et al. 2014; book, sections 6.2.2.3, 7.12).

        loss = -log p(y | x)

    Arguments: `drop_inputs` and `drop_hidden`, the probabilities of an input and of a hidden unit to be left out.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> model = hm.Classifier(hm.nets.MLP([4, 8, 3], key=jax.random.key(0)))
    >>> batch = {"v": jnp.ones((5, 4)), "y": jnp.zeros((5, 1), int)}
    >>> loss, (memory, metrics) = CrossEntropy(drop_hidden=0.5)(model, batch, jax.random.key(1), None)
    """

    accepts: ClassVar[tuple[Kind, ...]] = (CLASSIFIER,)

    drop_inputs: float = eqx.field(static=True, default=0.0)
    drop_hidden: float = eqx.field(static=True, default=0.0)

    def __check_init__(self) -> None:
        if not (0 <= self.drop_inputs < 1 and 0 <= self.drop_hidden < 1):
            raise InputError(
                "Dropout leaves out units with probabilities from 0 to below 1, not "
                f"drop_inputs={self.drop_inputs:g}, drop_hidden={self.drop_hidden:g}."
            )

    def __call__(
        self, model: Any, batch: Batch, key: Key[Array, ""], memory: Memory
    ) -> tuple[Float[Array, ""], tuple[StepMemory, Metrics]]:
        """The mean over the batch, in nats per example."""
        require(self, model)
        x, y = batch["v"], batch["y"][:, 0]
        drop = (self.drop_inputs, self.drop_hidden)
        keys = jax.random.split(key, len(x))
        log_prob = jax.vmap(lambda k, v: model.log_prob(v, k, drop))(keys, x)
        loss = -jnp.mean(jnp.take_along_axis(log_prob, y[:, None], axis=1))
        return loss, (StepMemory(), {"error": jnp.mean(jnp.argmax(log_prob, axis=1) != y)})
