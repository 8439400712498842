"""Pseudo-likelihood as a learning rule: no chains, no partition function."""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from harmonium.errors import InputError, plain, whole
from harmonium.inference import log_pseudo_likelihood
from harmonium.models import ConditionalEnergyModel, EnergyModel
from harmonium.models.kinds import CONDITIONAL_ENERGY, ENERGY, Kind, is_kind
from harmonium.objectives.in_contexts import in_contexts
from harmonium.objectives.objective import (
    Batch,
    Memory,
    Metrics,
    Objective,
    StepMemory,
    positive_means,
    rows_only,
    summed_out,
)


class PseudoLikelihood(Objective):
    """Minus the log pseudo-likelihood, `-sum_i log p(v_i | v_-i)` (Besag 1975; book, section 18.3).

    Arguments: `sites`, how many units of each example to visit at a step, drawn anew and scaled up without bias
    (None: all of them).

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> loss, _ = PseudoLikelihood(sites=2)(rbm, jnp.ones((4, 6)), jax.random.key(1), None)
    """

    accepts: ClassVar[tuple[Kind, ...]] = (ENERGY, CONDITIONAL_ENERGY)

    sites: int | None = eqx.field(static=True, converter=plain, default=1)

    def __check_init__(self) -> None:
        if self.sites is not None and not whole(self.sites):
            raise InputError(f"PseudoLikelihood visits at least one site, not sites={self.sites}.")

    def __call__(
        self, model: EnergyModel | ConditionalEnergyModel, batch: Batch, key: Key[Array, ""], memory: Memory
    ) -> tuple[Float[Array, ""], tuple[Memory, Metrics]]:
        """The mean over the batch, in nats per example."""
        if is_kind(model, CONDITIONAL_ENERGY):
            return in_contexts(self, model, batch, key)
        batch = rows_only(self, batch)
        summed_out(self, model)
        keys = jax.random.split(key, len(batch))
        log_pl = jax.vmap(lambda k, v: log_pseudo_likelihood(model, k, v, sites=self.sites))(keys, batch)
        loss = -jnp.mean(log_pl)
        means = positive_means(jax.lax.stop_gradient(model), batch)
        return loss, (StepMemory(means=means), {"log_pseudo_likelihood": -loss})
