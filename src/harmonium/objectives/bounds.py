"""Bounds of the likelihood of directed nets, raised along the path to their real latent variables."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from harmonium.errors import plain
from harmonium.models.kinds import LATENT, Kind
from harmonium.objectives.guesses import check_samples, log_mean_exp, path_weights
from harmonium.objectives.objective import Batch, Memory, Metrics, Objective, StepMemory


class ELBO(Objective):
    """Minus the evidence lower bound, by samples that are differentiable functions of the encoder's output.

        L = -E_q[log p(x, z) - log q(z | x)] >= -log p(x),      z = mu + sigma eps,  eps ~ N(0, I)  # (20.56), (20.77)

    (Kingma & Welling 2014; book, sections 20.9 and 20.10.3.) Arguments: `samples` of `z` for each row, over which the
    bound is averaged. The metric is `bound`, in nats per example. Raises `InputError` for models of another kind, and
    for discrete latent units, with the rules that take them.

    >>> import harmonium as hm, jax
    >>> vae = hm.VAE(hm.units.Bernoulli(6), hm.units.Gaussian(2), hidden=[8], key=jax.random.key(0))
    >>> loss, (_, metrics) = ELBO()(vae, jnp.ones((4, 6)), jax.random.key(1), None)
    """

    accepts: ClassVar[tuple[Kind, ...]] = (LATENT,)

    samples: int = eqx.field(static=True, converter=plain, default=1)

    def __check_init__(self) -> None:
        check_samples(self, self.samples)

    def __call__(
        self, model: Any, batch: Batch, key: Key[Array, ""], memory: Memory
    ) -> tuple[Float[Array, ""], tuple[StepMemory, Metrics]]:
        """The mean over the batch, in nats per example."""
        bound = jnp.mean(path_weights(self, model, batch, key, self.samples))
        return -bound, (StepMemory(), {"bound": bound})


class IWAE(Objective):
    """Minus the importance-weighted bound, which nears the log-likelihood as the samples grow in number.

        L_k = -E_q[log (1/k) sum_i p(x, z_i) / q(z_i | x)],      L_1 = -ELBO,  L_k >= L_{k+1} >= -log p(x)  # (20.80)

    (Burda, Grosse & Salakhutdinov, *Importance weighted autoencoders*, ICLR 2016; book, section 20.10.3.)
    Arguments: `samples`, the number `k`. The metric is `bound`, in nats per example. Raises `InputError` as `ELBO`
    does.

    >>> import harmonium as hm, jax
    >>> vae = hm.VAE(hm.units.Bernoulli(6), hm.units.Gaussian(2), hidden=[8], key=jax.random.key(0))
    >>> loss, (_, metrics) = IWAE(samples=5)(vae, jnp.ones((4, 6)), jax.random.key(1), None)
    """

    accepts: ClassVar[tuple[Kind, ...]] = (LATENT,)

    samples: int = eqx.field(static=True, converter=plain, default=50)

    def __check_init__(self) -> None:
        check_samples(self, self.samples)

    def __call__(
        self, model: Any, batch: Batch, key: Key[Array, ""], memory: Memory
    ) -> tuple[Float[Array, ""], tuple[StepMemory, Metrics]]:
        """The mean over the batch, in nats per example."""
        bound = jnp.mean(log_mean_exp(path_weights(self, model, batch, key, self.samples)))
        return -bound, (StepMemory(), {"bound": bound})
