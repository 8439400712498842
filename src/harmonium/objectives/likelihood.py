"""Maximum likelihood itself: of models that say how likely a row is, and of those whose log Z can be summed."""

from __future__ import annotations

from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from harmonium.inference import as_values, exact_free_energy, exact_log_partition
from harmonium.models import ConditionalEnergyModel, EnergyModel, TractableModel
from harmonium.models.kinds import CONDITIONAL_ENERGY, ENERGY, TRACTABLE, Kind, is_kind
from harmonium.objectives.in_contexts import in_contexts
from harmonium.objectives.objective import Batch, Memory, Metrics, Objective, StepMemory, positive_means


class MaximumLikelihood(Objective):
    """Minus the log-likelihood, with its exact gradient: what the other rules approximate.

        L = -mean log p(v)           of a tractable model (auto-regressive networks)
        L = mean F(v) + log Z,      grad L = <dF/dtheta>_data - <dF/dtheta>_model              # (18.4)

    (Book, section 18.1.) In the second form `log Z` is summed anew at each step, and `F` where hidden layers depend on
    each other, so that it is for small machines. The metric is `log_likelihood`, the batch's mean, in nats per example.
    Raises `InputError` where a sum is too large.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(4), hidden=hm.units.Bernoulli(3), key=jax.random.key(0), scale=0.0)
    >>> MaximumLikelihood()(rbm, jnp.ones((2, 4)), jax.random.key(1), None)[0]                # 4 log 2
    Array(2.7725887, dtype=float32)
    """

    accepts: ClassVar[tuple[Kind, ...]] = (ENERGY, TRACTABLE, CONDITIONAL_ENERGY)

    def __call__(
        self,
        model: EnergyModel | TractableModel | ConditionalEnergyModel,
        batch: Batch,
        key: Key[Array, ""],
        memory: Memory,
    ) -> tuple[Float[Array, ""], tuple[Memory, Metrics]]:
        """The mean over the batch, in nats per example."""
        if is_kind(model, CONDITIONAL_ENERGY):
            return in_contexts(self, model, batch, key)
        if is_kind(model, TRACTABLE):
            log_likelihood, means = jnp.mean(jax.vmap(model.log_prob)(as_values(batch)["v"])), None
        else:
            log_likelihood = jnp.mean(_log_prob(model, batch))
            means = positive_means(jax.lax.stop_gradient(model), batch)
        return -log_likelihood, (StepMemory(means=means), {"log_likelihood": log_likelihood})


def _log_prob(model: EnergyModel, batch: Batch) -> Float[Array, "batch"]:
    """`log p(v) = -F(v) - log Z` of each row."""
    minus_f = jax.vmap(lambda values: -exact_free_energy(model, values))(as_values(batch))
    return minus_f - exact_log_partition(model)
