"""Multi-prediction training: back-propagation through mean field that fills in what was hidden."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from harmonium.errors import InputError
from harmonium.inference import LayerValues, as_values, infer, log_prob_missing
from harmonium.models.kinds import MULTI_PREDICTION, Kind
from harmonium.objectives.objective import Batch, Memory, Metrics, Objective, StepMemory, require


class MultiPrediction(Objective):
    """Minus the log-probability of hidden units given the others, by the model's own sweeps of mean field.

        loss = -sum_{i in S} w_i log Q(x_i | x_-S),      S a random subset of (v, y)

    (Goodfellow, Mirza, Courville & Bengio 2013; book, section 20.4.5, Fig. 20.5.) Each example hides each of its units
    with a probability drawn anew for it; the gradient flows through all sweeps. Arguments: `min_masked` and
    `max_masked`, between which the probability to be hidden is drawn, uniformly; `labels`, the probability that the
    label is hidden (it is asked for more often than a pixel is, for classification); `weight`, what a label counts for
    beside a pixel, `w_y` (`w_v` is 1; the paper's is 1 for both).

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> model = hm.MPDBM(hm.units.Bernoulli(6), [hm.units.Bernoulli(3), hm.units.Bernoulli(2)], key=jax.random.key(0))
    >>> loss, _ = MultiPrediction()(model, jnp.ones((4, 6)), jax.random.key(1), None)
    """

    accepts: ClassVar[tuple[Kind, ...]] = (MULTI_PREDICTION,)

    min_masked: float = eqx.field(static=True, default=0.0)
    max_masked: float = eqx.field(static=True, default=1.0)
    labels: float = eqx.field(static=True, default=0.5)
    weight: float = eqx.field(static=True, default=1.0)

    def __check_init__(self) -> None:
        if not (0 <= self.min_masked <= self.max_masked <= 1 and self.max_masked > 0 and 0 <= self.labels <= 1):
            raise InputError(
                "Multi-prediction hides units with probabilities from 0 to 1, least <= most and most > 0, not "
                f"min_masked={self.min_masked:g}, max_masked={self.max_masked:g}, labels={self.labels:g}."
            )
        if not 0 < self.weight < math.inf:
            raise InputError(f"A label counts for a positive number of pixels, not weight={self.weight:g}.")

    def __call__(
        self, model: Any, batch: Batch, key: Key[Array, ""], memory: Memory
    ) -> tuple[Float[Array, ""], tuple[StepMemory, Metrics]]:
        """The mean over the batch, in nats per example, labels by their weight."""
        require(self, model)
        values = as_values(batch)

        def one(key: Key[Array, ""], x: LayerValues) -> dict[str, Float[Array, ""]]:
            rate, draw, label = jax.random.split(key, 3)
            hide = {
                "v": jax.random.uniform(rate, minval=self.min_masked, maxval=self.max_masked, dtype=jnp.float32),
                "y": self.labels,
            }
            keys = {"v": draw, "y": label}
            observed = {
                name: jax.random.uniform(keys[name], (model.layers[name].size,), jnp.float32) >= hide[name]
                for name in x
            }
            natural = infer(model.model, x, observed, steps=model.steps).natural
            return {name: log_prob_missing(model.layers[name], natural[name], x[name], observed[name]) for name in x}

        keys = jax.random.split(key, len(values["v"]))
        log_prob = jax.tree.map(jnp.mean, jax.vmap(one)(keys, values))
        metrics = {f"log_prob_{name}": value for name, value in log_prob.items()}
        weights = {"v": 1.0, "y": self.weight}
        return -sum(weights[name] * value for name, value in log_prob.items()), (StepMemory(), metrics)
