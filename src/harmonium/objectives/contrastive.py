"""Contrastive divergence and its persistent form: data against the states of short Markov chains.

The gradient of the log-likelihood of an energy model is a difference of two expectations (18.4; section 20.2.2),

    grad log p(v) = <-dE/dtheta>_{h | v} - <-dE/dtheta>_{v, h},

which is the gradient of `F(v_model) - F(v_data)` with both `v` held constant: the hidden units are summed out of
both phases, so no noise of theirs enters.
"""

# No `from __future__ import annotations`: Equinox cannot read AbstractVar from a string.
import equinox as eqx
import jax
import jax.numpy as jnp
from equinox import AbstractVar
from jaxtyping import Array, Float, Key, Num

from harmonium.errors import InputError
from harmonium.inference import free_energy
from harmonium.models.energy import EnergyModel
from harmonium.objectives.objective import Memory, Metrics, Objective, StepMemory, positive_means
from harmonium.samplers import Gibbs, initial_state, posterior_sample, run_chain


class Contrastive(Objective):
    """What CD and PCD share: a number of Gibbs sweeps."""

    steps: AbstractVar[int]

    def __check_init__(self) -> None:
        if self.steps < 1:
            raise InputError(f"A contrastive rule needs at least one Gibbs step, not steps={self.steps}.")


class CD(Contrastive):
    """Contrastive divergence, CD-k: chains start at the batch and take `steps` sweeps (Hinton 2002; section 18.2).

    Arguments: `steps`, the number k of Gibbs sweeps.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> loss, (memory, metrics) = CD(steps=1)(rbm, jnp.ones((4, 6)), jax.random.key(1), None)
    """

    steps: int = eqx.field(static=True, default=1)

    def __call__(
        self, model: EnergyModel, batch: Num[Array, "batch size"], key: Key[Array, ""], memory: Memory
    ) -> tuple[Float[Array, ""], tuple[StepMemory, Metrics]]:
        """Free energy of the batch less that of the chains' ends."""
        still = jax.lax.stop_gradient(model)

        def chain(key: Key[Array, ""], v: Array) -> Array:
            start, walk = jax.random.split(key)
            state = posterior_sample(still, start, {"v": v})
            return run_chain(Gibbs(still), walk, state, self.steps)["v"]

        negative = jax.vmap(chain)(jax.random.split(key, len(batch)), batch)
        loss, metrics = contrast(model, batch, negative)
        return loss, (StepMemory(means=positive_means(still, batch)), metrics)


class PCD(Contrastive):
    """Persistent contrastive divergence (stochastic maximum likelihood): the chains go on from step to step.

    (Younes 1998; Tieleman 2008; section 18.2.) Arguments: `steps`, Gibbs sweeps per update; `chains`, how many.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> rule = PCD(steps=1, chains=8); rule.init(rbm, jax.random.key(1)).chains["v"].shape
    (8, 6)
    """

    steps: int = eqx.field(static=True, default=1)
    chains: int = eqx.field(static=True, default=100)

    def __check_init__(self) -> None:
        if self.chains < 1:
            raise InputError(f"PCD needs at least one chain, not chains={self.chains}.")

    def init(self, model: EnergyModel, key: Key[Array, ""]) -> StepMemory:
        """Chains in random states."""
        keys = jax.random.split(key, self.chains)
        chains = jax.vmap(lambda k: initial_state(model, k))(keys)
        return StepMemory(chains, super().init(model, key).means)

    def __call__(
        self, model: EnergyModel, batch: Num[Array, "batch size"], key: Key[Array, ""], memory: StepMemory
    ) -> tuple[Float[Array, ""], tuple[StepMemory, Metrics]]:
        """Free energy of the batch less that of the persistent chains."""
        still = jax.lax.stop_gradient(model)
        keys = jax.random.split(key, self.chains)
        chains = jax.vmap(lambda k, s: run_chain(Gibbs(still), k, s, self.steps))(keys, memory.chains)
        loss, metrics = contrast(model, batch, chains["v"])
        return loss, (StepMemory(chains, positive_means(still, batch)), metrics)


def contrast(
    model: EnergyModel, positive: Num[Array, "batch size"], negative: Num[Array, "chains size"]
) -> tuple[Float[Array, ""], Metrics]:
    """`mean F(positive) - mean F(negative)`, both sets of visible values held constant, in nats.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> loss, metrics = contrast(rbm, jnp.ones((4, 6)), jnp.zeros((2, 6)))
    >>> bool(jnp.isclose(loss, metrics["free_energy_data"] - metrics["free_energy_chains"]))
    True
    """

    def mean_free_energy(v: Array) -> Float[Array, ""]:
        return jnp.mean(jax.vmap(lambda x: free_energy(model, {"v": x}))(v))

    data, chains = mean_free_energy(positive), mean_free_energy(negative)
    return data - chains, {"free_energy_data": data, "free_energy_chains": chains}
