"""Persistent contrastive divergence with parallel tempering: negative particles that cross between modes."""

from __future__ import annotations

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, Num

from harmonium.errors import InputError, plain, whole
from harmonium.inference import as_values, marginal_natural, mean_stats
from harmonium.models import EnergyModel, Independent
from harmonium.objectives.contrastive import Contrastive, contrast, phase_means
from harmonium.objectives.objective import Batch, Metrics, StepMemory, posterior
from harmonium.samplers import Ladder, Replicas, Temperatures, Tempering, initial_replicas, run_chain
from harmonium.samplers.tempering import zero_tally
from harmonium.units import Stats, Unit

WINDOW = 10_000  # examples over which the marginals of the base are averaged


class Marginals(eqx.Module):
    """A running mean of the visible statistics, and the number of examples behind it.

    >>> import harmonium as hm
    >>> unit = hm.units.Bernoulli(2); unseen = Marginals.unseen(unit)
    >>> unseen.updated(unit, jnp.array([[0.0, 1.0], [1.0, 1.0]])).mean
    Array([0.5, 1. ], dtype=float32)
    """

    mean: Stats
    count: Float[Array, ""]

    @classmethod
    def unseen(cls, unit: Unit) -> Marginals:
        """Nothing seen."""
        return cls(unit.zeros(), jnp.zeros((), jnp.float32))

    def updated(self, unit: Unit, v: Num[Array, "batch size"]) -> Marginals:
        """With a batch more: the mean over all examples, or over about the last `WINDOW`."""
        n = len(v)
        count = jnp.maximum(jnp.minimum(self.count + n, WINDOW), n)
        mean = jax.tree.map(lambda old, new: old + n / count * (new - old), self.mean, mean_stats(unit, v))
        return Marginals(mean, count)

    def base(self, model: EnergyModel) -> Independent:
        """Independent units: visible ones at the marginals, all others neutral."""
        eta = {name: unit.neutral_natural() for name, unit in model.layers.items()}
        eta["v"] = marginal_natural(model.layers["v"], self.mean, self.count)
        return Independent(dict(model.layers), {name: unit.bias(eta[name]) for name, unit in model.layers.items()})


class TemperedPCD(Contrastive):
    """PCD whose negative particles are the target replicas of parallel tempering, one ladder for each particle.

        E_k = (1 - beta_k) E_base + beta_k E,      beta_k = 0, 1/(K - 1), ..., 1

    (Desjardins, Courville, Bengio, Vincent & Delalleau 2010; Cho, Raiko & Ilin 2010; book, section 18.2.) The ladders
    go on from step to step, each sweep with one exchange of neighbours (`harmonium.samplers.Tempering`).

    The base has independent units: visible ones at the marginals of the data that training has shown so far, all others
    neutral, as for annealed importance sampling. Marginals are closer to any model of the data than uniform units are,
    which saves rungs; they are known after a batch, whatever the model started from; and unlike the model's biases,
    which trained weights come to balance, they stay meaningful throughout.

    Arguments: `steps`, sweeps per update; `chains`, how many ladders; `temperatures`, rungs of each, evenly spaced;
    `mean_field_steps`, sweeps of mean field, at most, in the positive phase of a deep machine. Metrics: `swap_rate`,
    the mean swap probability over pairs; `lowest_swap_rate`, that of the worst pair; `round_trips`, per ladder in 1,000
    sweeps. A worst pair below about 0.2 asks for more temperatures. Raises `InputError` for no chain or fewer than two
    temperatures.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> rule = TemperedPCD(chains=8, temperatures=4); memory = rule.init(rbm, jax.random.key(1))
    >>> memory.chains.values["v"].shape, memory.chains.target["v"].shape
    ((8, 4, 6), (8, 6))
    """

    steps: int = eqx.field(static=True, converter=plain, default=1)
    chains: int = eqx.field(static=True, converter=plain, default=100)
    temperatures: int = eqx.field(static=True, converter=plain, default=10)
    mean_field_steps: int = eqx.field(static=True, converter=plain, default=25, kw_only=True)

    def __check_init__(self) -> None:
        if not whole(self.chains) or not whole(self.temperatures, least=2):
            raise InputError(
                "TemperedPCD needs at least one chain and two temperatures, not "
                f"chains={self.chains} and temperatures={self.temperatures}."
            )

    def init(self, model: EnergyModel, key: Key[Array, ""]) -> StepMemory:
        """Ladders in random states, and no marginals yet."""
        start = StepMemory(means=super().init(model, key).means, own=Marginals.unseen(model.layers["v"]))
        return replace(start, chains=first_ladders(self.ladder(model, start), key, self.chains))

    def ladder(self, model: EnergyModel, memory: StepMemory) -> Temperatures:
        """The rungs between the base and the model, also for sampling with `hm.samplers.sample_replicas`."""
        return Temperatures(memory.own.base(model), model, jnp.linspace(0.0, 1.0, self.temperatures, dtype=jnp.float32))

    def __call__(
        self, model: EnergyModel, batch: Batch, key: Key[Array, ""], memory: StepMemory
    ) -> tuple[Float[Array, ""], tuple[StepMemory, Metrics]]:
        """Free energy of the batch less that of the target replicas."""
        still = jax.lax.stop_gradient(model)
        memory = replace(memory, own=memory.own.updated(still.layers["v"], as_values(batch)["v"]))
        replicas = tempered(self.ladder(still, memory), key, memory.chains, self.steps)
        inferred = posterior(still, batch, self.mean_field_steps)
        loss, metrics = contrast(model, batch, replicas.target, inferred)
        means = phase_means(still, batch, replicas.target, inferred)
        return loss, (StepMemory(replicas, means, memory.own), metrics | swap_metrics(replicas))


def first_ladders(ladder: Ladder, key: Key[Array, ""], chains: int) -> Replicas:
    """Ladders in random states, with a leading axis `[chains]`."""
    return jax.vmap(lambda k: initial_replicas(ladder, k))(jax.random.split(key, chains))


def tempered(ladder: Ladder, key: Key[Array, ""], replicas: Replicas, steps: int) -> Replicas:
    """All ladders after `steps` sweeps, their tallies of these sweeps alone."""

    def chain(key: Key[Array, ""], replicas: Replicas) -> Replicas:
        return run_chain(Tempering(ladder), key, replace(replicas, tally=zero_tally(ladder.rungs)), steps)

    return jax.vmap(chain)(jax.random.split(key, len(replicas.turn)), replicas)


def swap_metrics(replicas: Replicas) -> Metrics:
    """How well states travel along the ladders."""
    rates = replicas.tally.swap_rates
    trips = replicas.tally.round_trips_per_1000
    return {"swap_rate": jnp.mean(rates), "lowest_swap_rate": jnp.min(rates), "round_trips": trips}
