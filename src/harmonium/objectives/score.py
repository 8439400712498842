"""Score matching: the slope of the log-density, which does not know the partition function, is fitted to the data's."""

from __future__ import annotations

import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from harmonium.errors import InputError, plain, whole
from harmonium.inference import score, sum_over_sites
from harmonium.models.energy import EnergyModel
from harmonium.models.kinds import ENERGY, Kind
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


class ScoreMatching(Objective):
    """The expected squared distance between the scores of the model and of the data, up to a constant of the data.

        L(v) = sum_i psi_i(v)^2 / 2 + d psi_i / d v_i,      psi(v) = grad_v log p(v) = -grad_v F(v)     # (18.25)

    (Hyvärinen 2005; book, section 18.4.) The divergence takes one product with the Hessian of `F` for each unit, or,
    with `probes`, one for each of a few random vectors `u` of signs, `E[u^T (d psi / d v) u]`, without bias
    (Hutchinson 1989; sliced score matching with reduced variance: Song et al. 2019). The metrics are the means of
    `|psi|^2` and of the divergence, whose sum is zero where the model is the data's distribution.
    Arguments: `probes`, random vectors for each example at a step (None: the exact divergence).
    Raises `InputError` for less than one probe, or visible units that are not real.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Gaussian(2), hidden=hm.units.Bernoulli(3), key=jax.random.key(0), scale=0.0)
    >>> float(ScoreMatching()(rbm, jnp.array([[1.0, 3.0]]), jax.random.key(1), None)[0])         # (1 + 9) / 2 - 2
    3.0
    """

    accepts: ClassVar[tuple[Kind, ...]] = (ENERGY,)

    probes: int | None = eqx.field(static=True, converter=plain, default=None)

    def __check_init__(self) -> None:
        if self.probes is not None and not whole(self.probes):
            raise InputError(f"ScoreMatching takes at least one probe, or None for all units, not {self.probes}.")

    def __call__(
        self, model: EnergyModel, batch: Batch, key: Key[Array, ""], memory: Memory
    ) -> tuple[Float[Array, ""], tuple[Memory, Metrics]]:
        """The mean over the batch."""
        batch = rows_only(self, batch)
        _require_real(model)
        summed_out(self, model)
        keys = jax.random.split(key, len(batch))
        square, divergence = jax.vmap(lambda k, v: self._one(model, k, v))(keys, batch)
        metrics = {"squared_score": jnp.mean(square), "score_divergence": jnp.mean(divergence)}
        loss = 0.5 * metrics["squared_score"] + metrics["score_divergence"]  # (18.25)
        means = positive_means(jax.lax.stop_gradient(model), batch)
        return loss, (StepMemory(means=means), metrics)

    def _one(
        self, model: EnergyModel, key: Key[Array, ""], v: Float[Array, "size"]
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """`|psi|^2` and `sum_i d psi_i / d v_i`, or an estimate of it."""
        psi, push = jax.linearize(lambda x: score(model, x), v)
        if self.probes is None:
            divergence = sum_over_sites(lambda i: push(jax.nn.one_hot(i, v.size, dtype=jnp.float32))[i], v.size)
        else:
            probes = jax.random.rademacher(key, (self.probes, v.size), jnp.float32)
            divergence = jnp.mean(jax.vmap(lambda u: u @ push(u))(probes))
        return psi @ psi, divergence


class DenoisingScoreMatching(Objective):
    """The squared distance between the score at a noisy point and the direction back to where it came from.

        L(v) = | psi(v~) - (v - v~) / sigma^2 |^2 / 2,      v~ = v + sigma z,      z standard normal

    (Vincent 2011; book, section 18.5.) It is score matching on data blurred by noise, `p_data * N(0, sigma^2)`
    (18.27), without second derivatives; the smaller the noise, the smaller the blur and the larger the variance
    (`size / (2 sigma^2)` of the loss is the noise's own). Arguments: `noise`, its standard deviation `sigma`, in the
    units of the data. Raises `InputError` for noise that is not positive, or visible units that are not real.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Gaussian(2), hidden=hm.units.Bernoulli(3), key=jax.random.key(0), scale=0.0)
    >>> loss, _ = DenoisingScoreMatching(noise=0.3)(rbm, jnp.array([[1.0, 3.0]]), jax.random.key(1), None)
    """

    accepts: ClassVar[tuple[Kind, ...]] = (ENERGY,)

    noise: float = eqx.field(static=True)

    def __check_init__(self) -> None:
        if not (self.noise > 0 and math.isfinite(self.noise)):
            raise InputError(f"Noise has a positive standard deviation, such as 0.3 of the data's, not {self.noise}.")

    def __call__(
        self, model: EnergyModel, batch: Batch, key: Key[Array, ""], memory: Memory
    ) -> tuple[Float[Array, ""], tuple[Memory, Metrics]]:
        """The mean over the batch."""
        batch = rows_only(self, batch)
        _require_real(model)
        summed_out(self, model)
        z = jax.random.normal(key, batch.shape, jnp.float32)
        psi = jax.vmap(lambda v: score(model, v))(batch + self.noise * z)
        loss = 0.5 * jnp.mean(jnp.sum((psi + z / self.noise) ** 2, axis=1))
        means = positive_means(jax.lax.stop_gradient(model), batch)
        return loss, (StepMemory(means=means), {})


def _require_real(model: EnergyModel) -> None:
    unit = model.layers["v"]
    if not unit.has_score:
        raise InputError(
            f"Score matching differentiates by the data, which {type(unit).__name__} visible units do not allow: "
            "use RatioMatching for binary units, PseudoLikelihood for others with a list of states, or PCD."
        )
