"""Variational learning of machines whose log partition function is known: no samples, and an exact bound."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from harmonium.errors import InputError, articled, plain, whole
from harmonium.inference import as_values, variational_free_energy
from harmonium.models import KnownPartition
from harmonium.models.kinds import ENERGY, Kind
from harmonium.objectives.objective import Batch, Memory, Metrics, Objective, StepMemory, posterior, require


class Variational(Objective):
    """Minus the evidence lower bound, by mean field, of a machine whose `log Z` is known, such as `hm.S3C`.

        L = -mean [-F(v, q)] + log Z >= -mean log p(v),     F(v, q) = E_q[E(v, h)] - H(q)                      # (20.35)

    (Variational expectation maximisation; Goodfellow, Courville & Bengio 2012, arXiv:1206.6407.) `q` is found by
    `mean_field_steps` sweeps and held constant, so that the gradient is exact for the bound at this `q`. The metric is
    `bound`, in nats per example. Raises `InputError` for a machine whose log partition function is not known.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> model = hm.S3C(hm.units.Gaussian(4), hm.units.SpikeSlab(3), key=jax.random.key(0))
    >>> loss, (memory, metrics) = Variational()(model, jnp.ones((2, 4)), jax.random.key(1), None)
    >>> bool(loss == -metrics["bound"])
    True
    """

    accepts: ClassVar[tuple[Kind, ...]] = (ENERGY,)

    mean_field_steps: int = eqx.field(static=True, converter=plain, default=10)

    def __check_init__(self) -> None:
        if not whole(self.mean_field_steps):
            raise InputError(f"Mean field takes at least one sweep, not mean_field_steps={self.mean_field_steps}.")

    def init(self, model: Any, key: Key[Array, ""]) -> StepMemory:
        """Nothing outlives a step."""
        require(self, model)
        if not isinstance(model, KnownPartition):
            raise InputError(
                f"Variational learning needs a log partition function that is known, and that of "
                f"{articled(type(model).__name__)} is not: use hm.objectives.PCD, whose chains estimate its gradient."
            )
        return super().init(model, key)

    def __call__(
        self, model: Any, batch: Batch, key: Key[Array, ""], memory: Memory
    ) -> tuple[Float[Array, ""], tuple[Memory, Metrics]]:
        """The mean over the batch, in nats per example."""
        values = as_values(batch)
        inferred = posterior(jax.lax.stop_gradient(model), batch, self.mean_field_steps)
        free = jax.vmap(lambda v, q: variational_free_energy(model, v, q))(values, inferred)
        bound = -jnp.mean(free) - model.known_log_partition()
        metrics = {"bound": bound}
        if inferred is not None:
            metrics["mean_field_change"] = jnp.max(inferred.change)
        return -bound, (memory, metrics)
