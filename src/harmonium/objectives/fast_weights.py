"""Fast-weights persistent contrastive divergence: chains that are driven out of the places where they linger."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from harmonium.errors import InputError, plain, whole
from harmonium.models import EnergyModel, recentred, trainable
from harmonium.objectives.contrastive import PCD, Contrastive, contrast, phase_means
from harmonium.objectives.objective import Batch, Metrics, StepMemory, posterior
from harmonium.samplers import Gibbs, run_chain


class FPCD(Contrastive):
    """PCD whose chains move by the parameters plus fast weights, which learn quickly and decay quickly.

        chains ~ Gibbs sweeps of the model at theta + f
        f <- decay f - fast_rate dL/dtheta,      L = mean F(data) - mean F(chains) at theta

    (Tieleman & Hinton 2009; book, section 18.2.) The parameters themselves learn by the same contrast, at theta.
    Where chains linger, the fast weights raise the energy and drive them on, whatever the learning rate of the
    parameters. They never become part of the model. When the offsets of a centred model move, the fast weights change
    their coordinates along with the parameters, so that the chains notice nothing.

    Arguments: `steps`, Gibbs sweeps per update; `chains`, how many; `fast_rate`, the learning rate of the fast weights;
    `decay`, what is left of them after a step, 19/20 in the paper; `mean_field_steps`, sweeps of mean field, at most,
    in the positive phase of a deep machine. The metric `fast_weights` is the Euclidean norm of all of them. Raises
    `InputError` for no chain, a negative rate, or a decay outside [0, 1).

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> rule = FPCD(chains=8); loss, (memory, metrics) = rule(rbm, jnp.ones((4, 6)), jax.random.key(1),
    ...     rule.init(rbm, jax.random.key(2)))
    >>> memory.own.W.shape
    (6, 3)
    """

    steps: int = eqx.field(static=True, converter=plain, default=1)
    chains: int = eqx.field(static=True, converter=plain, default=100)
    fast_rate: float = eqx.field(static=True, default=0.05)
    decay: float = eqx.field(static=True, default=0.95)
    mean_field_steps: int = eqx.field(static=True, converter=plain, default=25, kw_only=True)

    def __check_init__(self) -> None:
        if not whole(self.chains) or not self.fast_rate >= 0 or not 0 <= self.decay < 1:
            raise InputError(
                "FPCD needs a chain, a fast rate of at least 0 and a decay from 0 to below 1, not "
                f"chains={self.chains}, fast_rate={self.fast_rate:g} and decay={self.decay:g}."
            )

    def init(self, model: EnergyModel, key: Key[Array, ""]) -> StepMemory:
        """Chains in random states, and fast weights of zero: a tree like the trainable part of the model."""
        start = PCD(self.steps, self.chains).init(model, key)
        fast = jax.tree.map(jnp.zeros_like, eqx.filter(model, trainable(model)))
        return StepMemory(start.chains, start.means, fast)

    def __call__(
        self, model: EnergyModel, batch: Batch, key: Key[Array, ""], memory: StepMemory
    ) -> tuple[Float[Array, ""], tuple[StepMemory, Metrics]]:
        """Free energy of the batch less that of the chains, at the parameters without the fast weights."""
        still = jax.lax.stop_gradient(model)
        learned, rest = eqx.partition(still, trainable(still))
        overlaid = eqx.combine(jax.tree.map(jnp.add, learned, memory.own), rest)
        keys = jax.random.split(key, self.chains)
        chains = jax.vmap(lambda k, s: run_chain(Gibbs(overlaid), k, s, self.steps))(keys, memory.chains)
        inferred = posterior(still, batch, self.mean_field_steps)
        means = phase_means(still, batch, chains, inferred)

        def loss(learned: PyTree) -> Float[Array, ""]:
            return contrast(eqx.combine(learned, rest), batch, chains, inferred)[0]

        fast = jax.tree.map(lambda f, g: self.decay * f - self.fast_rate * g, memory.own, jax.grad(loss)(learned))
        fast = _moved(fast, learned, rest, means)
        value, metrics = contrast(model, batch, chains, inferred)
        return value, (StepMemory(chains, means, fast), metrics | {"fast_weights": _norm(fast)})


def _norm(tree: PyTree) -> Float[Array, ""]:
    return jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(tree)))


def _moved(fast: PyTree, learned: PyTree, rest: PyTree, means: PyTree) -> PyTree:
    """Fast weights in the coordinates to which the offsets move after the step; as they are for plain models.

    The change of coordinates is linear in the parameters of finite units, and so is its own derivative.
    """

    def change(learned: PyTree) -> PyTree:
        return eqx.filter(recentred(eqx.combine(learned, rest), means), trainable(eqx.combine(learned, rest)))

    return jax.jvp(change, (learned,), (fast,))[1]
