"""Wake-sleep and its reweighted form: each net learns from what the other gives."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from harmonium.errors import InputError, plain
from harmonium.gradients import with_gradient_of
from harmonium.models.kinds import BIDIRECTIONAL, LATENT, Kind
from harmonium.objectives.guesses import check_samples, constant, dreams, latent_rows, log_mean_exp
from harmonium.objectives.objective import Batch, Memory, Metrics, Objective, StepMemory, require, rows_only


class WakeSleep(Objective):
    """Two phases: the generative net learns from posterior samples for data, the recognition net from dreams.

        wake:  x data, h ~ q(h | x),  raise log p(x, h);      sleep:  (x, h) ~ p(x, h),  raise log q(h | x)

    (Hinton, Dayan, Frey & Neal, *The wake-sleep algorithm for unsupervised neural networks*, Science 268, 1995; book,
    section 20.10.1.) The sleep phase minimises `KL(p || q)` in place of `KL(q || p)`, so that no one objective falls:
    the loss is minus the bound of the wake phase. Arguments: `samples` of the wake phase for each row. The metrics are
    `bound` and `log_q`, that of the dreams, in nats per example. Raises `InputError` for models of another kind.

    >>> import harmonium as hm, jax
    >>> net = hm.HelmholtzMachine(hm.units.Bernoulli(6), [hm.units.Bernoulli(3)], key=jax.random.key(0))
    >>> loss, (_, metrics) = WakeSleep()(net, jnp.ones((4, 6)), jax.random.key(2), None)
    """

    accepts: ClassVar[tuple[Kind, ...]] = (LATENT,)

    samples: int = eqx.field(static=True, converter=plain, default=1)

    def __check_init__(self) -> None:
        check_samples(self, self.samples)

    def __call__(
        self, model: Any, batch: Batch, key: Key[Array, ""], memory: Memory
    ) -> tuple[Float[Array, ""], tuple[StepMemory, Metrics]]:
        """The mean over the batch, in nats per example."""
        rows = latent_rows(self, model, batch)
        wake, sleep = jax.random.split(key)
        guessed = constant(model, rows, wake, self.samples)
        dreamt = jnp.mean(dreams(model, sleep, len(rows)))
        bound = jnp.mean(guessed.log_weight)
        learned = jnp.mean(guessed.log_joint) + dreamt
        return -with_gradient_of(bound, learned), (StepMemory(), {"bound": bound, "log_q": dreamt})


class ReweightedWakeSleep(Objective):
    """Wake-sleep whose samples count by their importance.

        wake:   sum_i w~_i grad log p(x, h_i),      w~_i = w_i / sum_j w_j,   w_i = p(x, h_i) / q(h_i | x)
        q, wake:   sum_i w~_i grad log q(h_i | x);      q, sleep:   grad log q(h | x) of a dream (x, h) ~ p

    The first is the gradient of the importance-weighted bound in `p`, the second that of `KL(p(h | x) || q(h | x))`
    (Bornschein & Bengio, *Reweighted wake-sleep*, ICLR 2015; book, section 20.10.1). Arguments: `samples` for each
    row; `wake`, `sleep`, in which phases `q` learns (their mean where in both). The metrics are `bound` and, where
    there are dreams, `log_q`, in nats per example. Raises `InputError` for models of another kind, or where `q`
    would not learn.

    >>> import harmonium as hm, jax
    >>> net = hm.HelmholtzMachine(hm.units.Bernoulli(6), [hm.units.Bernoulli(3)], key=jax.random.key(0))
    >>> loss, (_, metrics) = ReweightedWakeSleep(samples=5)(net, jnp.ones((4, 6)), jax.random.key(2), None)
    """

    accepts: ClassVar[tuple[Kind, ...]] = (LATENT,)

    samples: int = eqx.field(static=True, converter=plain, default=10)
    wake: bool = eqx.field(static=True, default=True)
    sleep: bool = eqx.field(static=True, default=True)

    def __check_init__(self) -> None:
        check_samples(self, self.samples)
        if not self.wake and not self.sleep:
            raise InputError(
                "The recognition net learns in the wake phase, in sleep, or in both: leave one of them on."
            )

    def __call__(
        self, model: Any, batch: Batch, key: Key[Array, ""], memory: Memory
    ) -> tuple[Float[Array, ""], tuple[StepMemory, Metrics]]:
        """The mean over the batch, in nats per example."""
        rows = latent_rows(self, model, batch)
        wake, sleep = jax.random.split(key)
        guessed = constant(model, rows, wake, self.samples)
        weight = jax.nn.softmax(jax.lax.stop_gradient(guessed.log_weight), axis=1)
        bound = jnp.mean(log_mean_exp(guessed.log_weight))
        metrics, share = {"bound": bound}, 1 / (self.wake + self.sleep)
        learned = jnp.mean(jnp.sum(weight * guessed.log_joint, axis=1))
        if self.wake:
            learned += share * jnp.mean(jnp.sum(weight * guessed.log_q, axis=1))
        if self.sleep:
            metrics["log_q"] = jnp.mean(dreams(model, sleep, len(rows)))
            learned += share * metrics["log_q"]
        return -with_gradient_of(bound, learned), (StepMemory(), metrics)


class Bidirectional(Objective):
    """The rule of a bidirectional Helmholtz machine: both of its nets learn by one set of weights.

        grad L = -sum_i w~_i (grad log p(x, h_i) + grad log q(h_i | x)),      w_i = sqrt(p(x, h_i) / q(h_i | x))

    the gradient of `-2 log (1/k) sum_i w_i`, a bound of `-log p*(x)` (Bornschein, Shabanian, Fischer & Bengio, ICML
    2016; book, section 20.10.1), `Z` taken for its upper limit 1. Arguments: `samples`, the number `k` for each row.
    The metric is `bound`, in nats per example. Raises `InputError` for models of another kind.

    >>> import harmonium as hm, jax
    >>> model = hm.BiHM(hm.units.Bernoulli(6), [hm.units.Bernoulli(3)], key=jax.random.key(0))
    >>> loss, (_, metrics) = Bidirectional(samples=5)(model, jnp.ones((4, 6)), jax.random.key(2), None)
    """

    accepts: ClassVar[tuple[Kind, ...]] = (BIDIRECTIONAL,)

    samples: int = eqx.field(static=True, converter=plain, default=10)

    def __check_init__(self) -> None:
        check_samples(self, self.samples)

    def __call__(
        self, model: Any, batch: Batch, key: Key[Array, ""], memory: Memory
    ) -> tuple[Float[Array, ""], tuple[StepMemory, Metrics]]:
        """The mean over the batch, in nats per example."""
        require(self, model)
        guessed = constant(model.net, rows_only(self, batch), key, self.samples)
        log_w = 0.5 * guessed.log_weight
        weight = jax.nn.softmax(jax.lax.stop_gradient(log_w), axis=1)
        bound = 2 * jnp.mean(log_mean_exp(log_w))
        learned = jnp.mean(jnp.sum(weight * (guessed.log_joint + guessed.log_q), axis=1))
        return -with_gradient_of(bound, learned), (StepMemory(), {"bound": bound})
