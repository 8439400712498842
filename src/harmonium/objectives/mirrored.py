"""A rule for machines with a copy of the data, or of its labels."""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
from jaxtyping import Array, Float, Key

from harmonium.inference import as_values
from harmonium.models.energy import EnergyModel
from harmonium.models.kinds import ENERGY, Kind
from harmonium.objectives.objective import Batch, Memory, Metrics, Objective, StepMemory


class DoubledInput(Objective):
    """A rule that is shown one layer of the data twice: as layer `v` and as its copy `u`, for `DoubledRBM(rbm, "v")`.

    Arguments: `rule`, what is done with both; `of` and `copy`, the names of the layer and of its copy (`y` and `z` for
    the labels of `DoubledRBM(machine, "h")`).

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> twin, rule = hm.models.DoubledRBM(rbm, "v"), DoubledInput(hm.objectives.CD())
    >>> loss, _ = rule(twin, jnp.ones((4, 6)), jax.random.key(1), rule.init(twin, jax.random.key(2)))
    """

    accepts: ClassVar[tuple[Kind, ...]] = (ENERGY,)

    rule: Objective
    of: str = eqx.field(static=True, default="v")
    copy: str = eqx.field(static=True, default="u")

    def init(self, model: EnergyModel, key: Key[Array, ""]) -> StepMemory:
        """The rule's own memory."""
        return self.rule.init(model, key)

    def __call__(
        self, model: EnergyModel, batch: Batch, key: Key[Array, ""], memory: Memory
    ) -> tuple[Float[Array, ""], tuple[Memory, Metrics]]:
        """The rule's loss of the batch and its copy."""
        values = as_values(batch)
        return self.rule(model, values | {self.copy: values[self.of]}, key, memory)

    def after_step(self, model: EnergyModel, memory: Memory) -> EnergyModel:
        """What the rule does."""
        return self.rule.after_step(model, memory)
