"""Contrastive divergence and its persistent form: data against the states of short Markov chains.

The gradient of the log-likelihood of an energy model is a difference of two expectations (18.4; section 20.2.2),

    grad log p(v) = <-dE/dtheta>_{h | v} - <-dE/dtheta>_{v, h},

which is the gradient of `F(v_model) - F(v_data)` with both `v` held constant: the hidden units are summed out of
both phases, so no noise of theirs enters. Where hidden layers depend on each other (a deep machine), the positive
phase takes their mean field instead, which ascends the variational bound (20.35), and the negative phase sums the last
block of layers out, or none where its units act on each other: the variational stochastic maximum likelihood of
Algorithm 20.1.
"""

# No `from __future__ import annotations`: Equinox cannot read AbstractVar from a string.
from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from equinox import AbstractVar
from jaxtyping import Array, Float, Key

from harmonium.errors import InputError, plain, whole
from harmonium.inference import (
    LayerValues,
    MeanField,
    as_values,
    free_energy,
    has_closed_form,
    variational_free_energy,
)
from harmonium.models import EnergyModel, centred_part
from harmonium.models.kinds import CONDITIONAL_ENERGY, ENERGY, Kind, is_kind
from harmonium.objectives.in_contexts import in_contexts
from harmonium.objectives.objective import (
    Batch,
    Memory,
    Metrics,
    Objective,
    States,
    StepMemory,
    positive_means,
    posterior,
    require,
)
from harmonium.samplers import Gibbs, Kernel, State, initial_state, posterior_sample, run_chain
from harmonium.units import Stats


class Contrastive(Objective):
    """What CD and PCD share: a number of Gibbs sweeps, and of mean-field sweeps where the posterior needs them."""

    accepts: ClassVar[tuple[Kind, ...]] = (ENERGY,)

    steps: AbstractVar[int]
    mean_field_steps: AbstractVar[int]

    def __check_init__(self) -> None:
        if not whole(self.steps, self.mean_field_steps):
            raise InputError(
                "A contrastive rule needs at least one Gibbs step and one sweep of mean field, not "
                f"steps={self.steps} and mean_field_steps={self.mean_field_steps}."
            )


class CD(Contrastive):
    """Contrastive divergence, CD-k: chains start at the batch and take `steps` sweeps (Hinton 2002; section 18.2).

    Arguments: `steps`, the number k of Gibbs sweeps; `mean_field_steps`, sweeps of mean field, at most, in the positive
    phase of a deep machine; `kernel`, of the model, what moves the chains instead of `hm.samplers.Gibbs`. A model of
    values given a context is trained as the machine of each context in turn.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> loss, (memory, metrics) = CD(steps=1)(rbm, jnp.ones((4, 6)), jax.random.key(1), None)
    """

    accepts: ClassVar[tuple[Kind, ...]] = (ENERGY, CONDITIONAL_ENERGY)

    steps: int = eqx.field(static=True, converter=plain, default=1)
    mean_field_steps: int = eqx.field(static=True, converter=plain, default=25, kw_only=True)
    kernel: Callable[[Any], Kernel] = eqx.field(static=True, repr=False, default=Gibbs, kw_only=True)

    def __call__(
        self, model: Any, batch: Batch, key: Key[Array, ""], memory: Memory
    ) -> tuple[Float[Array, ""], tuple[StepMemory, Metrics]]:
        """Free energy of the batch less that of the chains' ends."""
        require(self, model)
        if is_kind(model, CONDITIONAL_ENERGY):
            return in_contexts(self, model, batch, key)
        still = jax.lax.stop_gradient(model)
        values = as_values(batch)

        def chain(key: Key[Array, ""], v: LayerValues) -> State:
            start, walk = jax.random.split(key)
            return run_chain(self.kernel(still), walk, posterior_sample(still, start, v), self.steps)

        ends = jax.vmap(chain)(jax.random.split(key, len(values["v"])), values)
        inferred = posterior(still, values, self.mean_field_steps)
        loss, metrics = contrast(model, values, ends, inferred)
        return loss, (StepMemory(means=phase_means(still, values, ends, inferred)), metrics)


class PCD(Contrastive):
    """Persistent contrastive divergence (stochastic maximum likelihood): the chains go on from step to step.

    (Younes 1998; Tieleman 2008; section 18.2; for deep machines Salakhutdinov & Hinton 2009, Algorithm 20.1.)
    Arguments: `steps`, Gibbs sweeps per update; `chains`, how many; `mean_field_steps`, sweeps of mean field, at most,
    in the positive phase of a deep machine; `kernel`, of the model, what moves the chains instead of
    `hm.samplers.Gibbs`.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> rule = PCD(steps=1, chains=8); rule.init(rbm, jax.random.key(1)).chains["v"].shape
    (8, 6)
    """

    steps: int = eqx.field(static=True, converter=plain, default=1)
    chains: int = eqx.field(static=True, converter=plain, default=100)
    mean_field_steps: int = eqx.field(static=True, converter=plain, default=25, kw_only=True)
    kernel: Callable[[Any], Kernel] = eqx.field(static=True, repr=False, default=Gibbs, kw_only=True)

    def __check_init__(self) -> None:
        if not whole(self.chains):
            raise InputError(f"PCD needs at least one chain, not chains={self.chains}.")

    def init(self, model: Any, key: Key[Array, ""]) -> StepMemory:
        """Chains in random states."""
        require(self, model)
        keys = jax.random.split(key, self.chains)
        chains = jax.vmap(lambda k: initial_state(model, k))(keys)
        return StepMemory(chains, super().init(model, key).means)

    def __call__(
        self, model: Any, batch: Batch, key: Key[Array, ""], memory: StepMemory
    ) -> tuple[Float[Array, ""], tuple[StepMemory, Metrics]]:
        """Free energy of the batch less that of the persistent chains."""
        still = jax.lax.stop_gradient(model)
        keys = jax.random.split(key, self.chains)
        chains = jax.vmap(lambda k, s: run_chain(self.kernel(still), k, s, self.steps))(keys, memory.chains)
        inferred = posterior(still, batch, self.mean_field_steps)
        loss, metrics = contrast(model, batch, chains, inferred)
        return loss, (StepMemory(chains, phase_means(still, batch, chains, inferred)), metrics)


def contrast(
    model: EnergyModel, positive: Batch, negative: States, inferred: MeanField | None = None
) -> tuple[Float[Array, ""], Metrics]:
    """`mean F(positive) - mean F(negative)`, all values held constant, in nats.

    Arguments: `positive`, values of the given layers `[batch, size]`; `negative`, states of the chains
    `[chains, size]`, of which the layers drawn last are summed out again where the others suffice (where none can be,
    their free energy is the energy, whose gradient is the same on average); `inferred`, the `posterior` of the positive
    values, for a machine whose hidden layers depend on each other. Metrics: the two means, and with `inferred` the
    largest change of its last sweep, `mean_field_change`.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> loss, metrics = contrast(rbm, jnp.ones((4, 6)), jnp.zeros((2, 6)))
    >>> bool(jnp.isclose(loss, metrics["free_energy_data"] - metrics["free_energy_chains"]))
    True
    """
    bound = jax.vmap(lambda v, q: variational_free_energy(model, v, q))(as_values(positive), inferred)
    data = jnp.mean(bound)
    chains = jnp.mean(jax.vmap(lambda x: free_energy(model, x))(_without_last_block(model, as_values(negative))))
    metrics = {"free_energy_data": data, "free_energy_chains": chains}
    if inferred is not None:
        metrics["mean_field_change"] = jnp.max(inferred.change)
    return data - chains, metrics


def phase_means(
    model: EnergyModel, positive: Batch, negative: States, inferred: MeanField | None = None
) -> dict[str, Stats] | None:
    """Mean statistics of all layers that a centred model's offsets follow: those of the positive phase, or the average
    of both phases, as the model asks; None for models that are not centred. Arguments as in `contrast`."""
    data = positive_means(model, positive, inferred)
    centred = centred_part(model)
    if centred is None or centred.follow == "positive":
        return data
    chains = positive_means(model, _without_last_block(model, as_values(negative)))
    return jax.tree.map(lambda a, b: (a + b) / 2, data, chains)


def _without_last_block(model: EnergyModel, states: LayerValues) -> dict[str, Array]:
    """The layers that a sweep draws before its last block, which is summed out given them where it can be."""
    names = [name for name in states if name not in model.blocks[-1]]
    last = model.blocks[-1] if names and has_closed_form(model, names) else ()
    return {name: x for name, x in states.items() if name not in last}
