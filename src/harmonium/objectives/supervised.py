"""Supervised training of a generator net: the log-probability of a value whose code is known."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from harmonium.models.kinds import CONDITIONAL, Kind
from harmonium.objectives.objective import Batch, Memory, Metrics, Objective, StepMemory, require, rows_only


class Supervised(Objective):
    """Minus the log-probability of values given their codes, with its exact gradient.

        loss = -mean log p(x | c)

    For Gaussian outputs of one fixed variance this is the squared error of Dosovitskiy, Springenberg & Brox (2015)
    (book, section 20.10.2). A row of the batch is `[c, x]`. The metric is `log_likelihood`, the batch's mean, in nats
    per example. Raises `InputError` for another model than a `ConditionalGenerator`.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> net = hm.nets.MLP([2, 3], key=jax.random.key(0))
    >>> model = hm.ConditionalGenerator(hm.units.Bernoulli(3), hm.units.Gaussian(2), net)
    >>> Supervised()(model, jnp.zeros((4, 5)), jax.random.key(1), None)[0].round(4)            # 3 log 2
    Array(2.0794, dtype=float32)
    """

    accepts: ClassVar[tuple[Kind, ...]] = (CONDITIONAL,)

    def __call__(
        self, model: Any, batch: Batch, key: Key[Array, ""], memory: Memory
    ) -> tuple[Float[Array, ""], tuple[StepMemory, Metrics]]:
        """The mean over the batch, in nats per example."""
        require(self, model)
        log_likelihood = jnp.mean(jax.vmap(model.log_prob_given)(rows_only(self, batch)))
        return -log_likelihood, (StepMemory(), {"log_likelihood": log_likelihood})
