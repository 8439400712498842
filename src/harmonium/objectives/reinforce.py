"""Score-function rules for directed nets with latent variables of any kind: REINFORCE, NVIL and VIMCO."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from harmonium.errors import InputError, plain, shown, whole
from harmonium.gradients import MovingAverage, leave_one_out, vimco_signals, with_gradient_of
from harmonium.models import WeightedSample
from harmonium.models.kinds import LATENT, Kind
from harmonium.nets import MLP
from harmonium.objectives.guesses import check_samples, constant, latent_rows, log_mean_exp
from harmonium.objectives.objective import Batch, Memory, Metrics, Objective, StepMemory

BASELINES = ("none", "moving", "leave_one_out")


class REINFORCE(Objective):
    """The evidence lower bound by the score function of the samples, less a baseline.

        grad_q L = -E_q[(log w - b) grad log q(h | x)],      grad_p L = -E_q[grad log p(x, h)]        # (20.63), (20.67)

    with `log w = log p(x, h) - log q(h | x)` (Williams 1992; book, section 20.9.1). Arguments: `samples` for each row;
    `baseline`, "none", "moving" (a running mean of `log w`), "leave_one_out" (the mean of a row's other samples, of
    which there must be two or more), or a number; `decay` of the running mean. The metric is `bound`, in nats per
    example. Raises `InputError` for models of another kind, another baseline, or numbers outside their range.

    >>> import harmonium as hm, jax
    >>> net = hm.HelmholtzMachine(hm.units.Bernoulli(6), [hm.units.Bernoulli(3)], key=jax.random.key(0))
    >>> rule = REINFORCE(); memory = rule.init(net, jax.random.key(1))
    >>> loss, (memory, metrics) = rule(net, jnp.ones((4, 6)), jax.random.key(2), memory)
    """

    accepts: ClassVar[tuple[Kind, ...]] = (LATENT,)

    samples: int = eqx.field(static=True, converter=plain, default=1)
    baseline: str | float = eqx.field(static=True, default="moving")
    decay: float = eqx.field(static=True, default=0.9)

    def __check_init__(self) -> None:
        check_samples(self, self.samples, least=2 if self.baseline == "leave_one_out" else 1)
        if not _number(self.baseline) and self.baseline not in BASELINES:
            raise InputError(
                f"There is no baseline {shown(self.baseline)}: choose one of {', '.join(BASELINES)}, or a number."
            )
        check_decay(self, self.decay)

    def init(self, model: Any, key: Key[Array, ""]) -> StepMemory:
        """The running mean, before it has seen anything."""
        return StepMemory(own=MovingAverage(self.decay))

    def __call__(
        self, model: Any, batch: Batch, key: Key[Array, ""], memory: StepMemory
    ) -> tuple[Float[Array, ""], tuple[StepMemory, Metrics]]:
        """The mean over the batch, in nats per example."""
        guessed = constant(model, latent_rows(self, model, batch), key, self.samples)
        log_w = jax.lax.stop_gradient(guessed.log_weight)
        if self.baseline == "leave_one_out":
            b = jax.vmap(leave_one_out)(log_w)
        elif self.baseline == "moving":
            b = memory.own.value
        else:
            b = 0.0 if self.baseline == "none" else self.baseline
        own = memory.own.updated(log_w)
        bound = jnp.mean(log_w)
        return -with_gradient_of(bound, by_score(guessed, log_w - b)), (StepMemory(own=own), {"bound": bound})


class NVIL(Objective):
    """REINFORCE with a baseline that a network learns of the row, and a signal of unit variance.

        grad_q L = -E_q[(log w - C(x) - c) / max(1, sigma) grad log q(h | x)],      C minimises E (log w - C(x) - c)^2

    with `c` and `sigma^2` running means of the signal and its square (Mnih & Gregor, *Neural variational inference and
    learning in belief networks*, ICML 2014; book, section 20.10.1). `C` is a multilayer perceptron that Adam trains
    inside of this rule. Arguments: `samples` for each row; `hidden` units of `C`; `rate` of its steps; `decay` of the
    running means. The metric is `bound`, in nats per example. Raises `InputError` for models of another kind, or
    numbers outside their range.

    >>> import harmonium as hm, jax
    >>> net = hm.HelmholtzMachine(hm.units.Bernoulli(6), [hm.units.Bernoulli(3)], key=jax.random.key(0))
    >>> rule = NVIL(); memory = rule.init(net, jax.random.key(1))
    >>> loss, (memory, metrics) = rule(net, jnp.ones((4, 6)), jax.random.key(2), memory)
    """

    accepts: ClassVar[tuple[Kind, ...]] = (LATENT,)

    samples: int = eqx.field(static=True, converter=plain, default=1)
    hidden: int = eqx.field(static=True, converter=plain, default=100)
    rate: float = eqx.field(static=True, default=1e-3)
    decay: float = eqx.field(static=True, default=0.8)

    def __check_init__(self) -> None:
        check_samples(self, self.samples)
        if not whole(self.hidden) or not (_number(self.rate) and self.rate > 0):
            raise InputError(
                f"The baseline of NVIL needs hidden units and a positive rate, not hidden={shown(self.hidden)} and "
                f"rate={shown(self.rate)}."
            )
        check_decay(self, self.decay)

    def init(self, model: Any, key: Key[Array, ""]) -> StepMemory:
        """The baseline's network, its optimizer, and the running means."""
        latent_rows(self, model, jnp.zeros((0, 0), jnp.float32))
        net = MLP([model.layers["v"].width, self.hidden, 1], key=key, activation="tanh")
        return StepMemory(
            own=(net, optax.adam(self.rate).init(net), jnp.zeros((), jnp.float32), jnp.ones((), jnp.float32))
        )

    def __call__(
        self, model: Any, batch: Batch, key: Key[Array, ""], memory: StepMemory
    ) -> tuple[Float[Array, ""], tuple[StepMemory, Metrics]]:
        """The mean over the batch, in nats per example."""
        rows = latent_rows(self, model, batch)
        guessed = constant(model, rows, key, self.samples)
        log_w = jax.lax.stop_gradient(guessed.log_weight)
        net, steps, mean, square = jax.lax.stop_gradient(memory.own)
        features = jax.vmap(model.layers["v"].as_input)(rows)
        features = jnp.where(jnp.isnan(features), 0.0, features)  # of absent frames, which have no statistics

        def misfit(net: MLP) -> tuple[Float[Array, ""], Float[Array, "n k"]]:
            left = log_w - mean - jax.vmap(net)(features)
            return jnp.mean(left**2), left

        (error, left), slope = jax.value_and_grad(misfit, has_aux=True)(net)
        change, steps = optax.adam(self.rate).update(slope, steps, net)
        own = (optax.apply_updates(net, change), steps, self._moved(mean, jnp.mean(left) + mean))
        own = (*own, self._moved(square, error))
        signal = left / jnp.maximum(1.0, jnp.sqrt(own[3]))
        bound = jnp.mean(log_w)
        return -with_gradient_of(bound, by_score(guessed, signal)), (
            StepMemory(own=own),
            {"bound": bound, "signal_deviation": jnp.sqrt(error)},
        )

    def _moved(self, mean: Float[Array, ""], value: Float[Array, ""]) -> Float[Array, ""]:
        return self.decay * mean + (1 - self.decay) * value


class VIMCO(Objective):
    """The importance-weighted bound by the score function, each sample held against a row's others.

        grad_q L_k = -sum_i (L_k - L_k without i) grad log q(h_i | x) - sum_i w~_i grad log w_i,      w~_i = w_i / sum w

    (Mnih & Rezende, *Variational inference for Monte Carlo objectives*, ICML 2016; book, section 20.9.1.)
    Arguments: `samples` for each row, two or more. The metric is `bound`, in nats per example. Raises `InputError` for
    models of another kind, or fewer samples.

    >>> import harmonium as hm, jax
    >>> net = hm.HelmholtzMachine(hm.units.Bernoulli(6), [hm.units.Bernoulli(3)], key=jax.random.key(0))
    >>> loss, (_, metrics) = VIMCO(samples=5)(net, jnp.ones((4, 6)), jax.random.key(2), None)
    """

    accepts: ClassVar[tuple[Kind, ...]] = (LATENT,)

    samples: int = eqx.field(static=True, converter=plain, default=10)

    def __check_init__(self) -> None:
        check_samples(self, self.samples, least=2)

    def __call__(
        self, model: Any, batch: Batch, key: Key[Array, ""], memory: Memory
    ) -> tuple[Float[Array, ""], tuple[StepMemory, Metrics]]:
        """The mean over the batch, in nats per example."""
        guessed = constant(model, latent_rows(self, model, batch), key, self.samples)
        log_w = guessed.log_weight
        signals = jax.vmap(vimco_signals)(jax.lax.stop_gradient(log_w))
        scores = jnp.sum(signals * guessed.log_q, axis=1)
        each = log_mean_exp(log_w)
        bound = jnp.mean(each)
        return -with_gradient_of(bound, jnp.mean(each + scores)), (StepMemory(), {"bound": bound})


def by_score(guessed: WeightedSample, signal: Float[Array, "n k"]) -> Float[Array, ""]:
    """What has the gradient of the bound: `log p(x, h)`, and the signal, held constant, times `log q(h | x)`."""
    return jnp.mean(guessed.log_joint + jax.lax.stop_gradient(signal) * guessed.log_q)


def check_decay(rule: Objective, decay: Any) -> None:
    """Refuse a decay of a running mean outside of 0 to below 1."""
    if not (_number(decay) and 0 <= decay < 1):
        raise InputError(f"A running mean of {type(rule).__name__} decays by 0 to below 1, not decay={shown(decay)}.")


def _number(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x)
