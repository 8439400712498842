"""Persistent contrastive divergence tempered along the trajectory of training: replicas are the model's own past."""

from __future__ import annotations

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree

from harmonium.errors import InputError, plain, whole
from harmonium.models import EnergyModel
from harmonium.objectives.contrastive import Contrastive, contrast, phase_means
from harmonium.objectives.objective import Batch, Metrics, StepMemory, posterior
from harmonium.objectives.tempered import first_ladders, swap_metrics, tempered
from harmonium.samplers import Replicas, Snapshots
from harmonium.samplers.tempering import NOWHERE

SMOOTHING = 0.1  # the share of a step's swap rates in their running means


class Trail(eqx.Module):
    """Snapshots of a run: the arrays of models from early to late `[snapshots, ...]`; running means of the swap rate of
    each with the next, the last with the current model; and how many were taken.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> trail = Trail.begun(rbm, 4); trail.arrays.W.shape, trail.rates.shape
    ((4, 6, 3), (4,))
    """

    arrays: PyTree
    rates: Float[Array, "pairs"]
    taken: Int[Array, ""]

    @classmethod
    def begun(cls, model: EnergyModel, size: int) -> Trail:
        """Copies of one model: neighbours that are the same are the first to give way to later snapshots."""
        arrays = jax.tree.map(lambda leaf: jnp.stack([leaf] * size), eqx.filter(model, eqx.is_array))
        return cls(arrays, jnp.ones(size, jnp.float32), jnp.zeros((), jnp.int32))

    def ladder(self, model: EnergyModel) -> Snapshots:
        """The snapshots, and the model as it is now on the highest rung."""
        arrays, rest = eqx.partition(model, eqx.is_array)
        stack = jax.tree.map(lambda old, new: jnp.concatenate([old, new[None]]), self.arrays, arrays)
        return Snapshots(eqx.combine(stack, rest))


class TrajectoryPCD(Contrastive):
    """PCD whose negative particles are the target replicas of tempering along the run's own snapshots.

    (Béreux, Decelle, Furtlehner & Seoane 2024, arXiv 2405.15376: trajectory parallel tempering.) A machine learns its
    modes one after the other; a ladder of temperatures may have a gap where many of them come in at once, while the
    model of a moment ago overlaps with the present one. The lowest rung is the model at the start, which should be easy
    to sample: begin from small weights and biases at the marginals (`hm.at_marginals`), not from a trained model.

    A snapshot is taken at a step in which the swap probability of the current model with the latest one, the mean over
    ladders, is below `threshold`. Their number is fixed; for each new one another is given up: not the first, but the
    one whose neighbours will overlap best without it, by the product of its two swap rates.

    Arguments: `steps`, sweeps per update; `chains`, how many ladders; `snapshots`, rungs of each, besides the current
    model; `threshold`, 0.25 in the paper, and better higher where the learning rate is large; `mean_field_steps`,
    sweeps of mean field, at most, in the positive phase of a deep machine. Metrics: those of `TemperedPCD`, and
    `snapshots`, how many were taken so far. Where `lowest_swap_rate` stays near 0, the ladder is cut: raise the
    threshold, and give it more snapshots. Raises `InputError` for no chain, fewer than two snapshots or a threshold
    outside (0, 1).

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> rule = TrajectoryPCD(chains=8, snapshots=4); memory = rule.init(rbm, jax.random.key(1))
    >>> memory.chains.values["v"].shape, rule.ladder(rbm, memory).rungs
    ((8, 5, 6), 5)
    """

    steps: int = eqx.field(static=True, converter=plain, default=1)
    chains: int = eqx.field(static=True, converter=plain, default=100)
    snapshots: int = eqx.field(static=True, converter=plain, default=10)
    threshold: float = eqx.field(static=True, default=0.25)
    mean_field_steps: int = eqx.field(static=True, converter=plain, default=25, kw_only=True)

    def __check_init__(self) -> None:
        if not whole(self.chains) or not whole(self.snapshots, least=2) or not 0 < self.threshold < 1:
            raise InputError(
                "TrajectoryPCD needs at least one chain, two snapshots and a threshold between 0 and 1, not "
                f"chains={self.chains}, snapshots={self.snapshots} and threshold={self.threshold:g}."
            )

    def init(self, model: EnergyModel, key: Key[Array, ""]) -> StepMemory:
        """Ladders in random states, on copies of the model as it is."""
        trail = Trail.begun(model, self.snapshots)
        return StepMemory(first_ladders(trail.ladder(model), key, self.chains), super().init(model, key).means, trail)

    def ladder(self, model: EnergyModel, memory: StepMemory) -> Snapshots:
        """The snapshots and the model, also for sampling with `hm.samplers.sample_replicas`."""
        return memory.own.ladder(model)

    def __call__(
        self, model: EnergyModel, batch: Batch, key: Key[Array, ""], memory: StepMemory
    ) -> tuple[Float[Array, ""], tuple[StepMemory, Metrics]]:
        """Free energy of the batch less that of the target replicas."""
        still, trail = jax.lax.stop_gradient(model), memory.own
        ladder = trail.ladder(still)
        replicas = tempered(ladder, key, memory.chains, self.steps)
        now = replicas.tally.swap_rates
        rates = trail.rates + SMOOTHING * (now - trail.rates)
        inferred = posterior(still, batch, self.mean_field_steps)
        loss, metrics = contrast(model, batch, replicas.target, inferred)
        means = phase_means(still, batch, replicas.target, inferred)
        metrics |= swap_metrics(replicas) | {"snapshots": trail.taken.astype(jnp.float32)}
        state = (replace(trail, rates=rates), replicas)
        far = now[-1] < self.threshold  # the running mean would tell when the model is too far away already
        trail, replicas = jax.lax.cond(far, lambda s: extended(ladder, *s), lambda s: s, state)
        return loss, (StepMemory(replicas, means, trail), metrics)


def extended(ladder: Snapshots, trail: Trail, replicas: Replicas) -> tuple[Trail, Replicas]:
    """The trail with the current model, the ladder's last, as its latest snapshot, and the ladders' states to match.

    One snapshot is given up. Its replica is lost; the new rung starts at the current model's state, as another walker.
    """
    size = len(trail.rates)
    overlap = trail.rates[:-1] * trail.rates[1:]  # of the neighbours of snapshots 1, 2, ...
    lost = 1 + jnp.argmax(overlap)
    source = jnp.arange(size + 1)  # the old rung of each new one: the last two are both the current model
    source = jnp.minimum(source + (source >= lost), size)
    arrays = jax.tree.map(lambda leaf: leaf[source[:-1]], eqx.filter(ladder.models, eqx.is_array))
    bridged = jnp.append(trail.rates.at[lost - 1].set(overlap[lost - 1]), 1.0)

    def moved(replicas: Replicas) -> Replicas:
        values = {name: x[source] for name, x in replicas.values.items()}
        walker = replicas.walker[source].at[-2].set(replicas.walker[lost])
        return replace(replicas, values=values, walker=walker, seen=replicas.seen[source].at[-2].set(NOWHERE))

    return Trail(arrays, bridged[source[:-1]], trail.taken + 1), jax.vmap(moved)(replicas)
