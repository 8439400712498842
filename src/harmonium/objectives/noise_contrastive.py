"""Noise-contrastive estimation: learn to tell data from noise, and with it the partition function."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, Num

from harmonium.errors import InputError, plain, shown, whole
from harmonium.inference import conditional, free_energy, independent_at_marginals
from harmonium.inference.placing import moved_bias, with_unit
from harmonium.models import Independent, Normalised, with_biases
from harmonium.models.energy import EnergyModel
from harmonium.models.kinds import ENERGY, Kind, is_kind
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
from harmonium.samplers import sample_block
from harmonium.units import Unit


class NCE(Objective):
    """Logistic regression of data against samples of a noise whose density is known.

        L = -mean_data log sigmoid(G(v)) - ratio * mean_noise log sigmoid(-G(v)),
        G(v) = log p_model(v) - log p_noise(v) - log ratio                                  # (18.37) at ratio 1

    with `log p_model(v) = -F(v)` of a `Normalised` model, whose `log_partition` is learned along with the rest
    (Gutmann & Hyvärinen 2010; book, section 18.6). The closer the noise is to the data, the more is learned from it.
    The metrics are `accuracy`, the share of rows told apart rightly, and the model's `log_partition`.

    Arguments: `noise`, an `Independent` machine of layer `v` alone (`marginal_noise` makes one from data); `ratio`,
    how many noise samples to draw for each example of a batch. Raises `InputError` for a ratio below 1, noise with
    other layers or units than the model's, or a model without a learned normaliser.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0), scale=0.0)
    >>> rule = NCE(marginal_noise(rbm, jnp.full((4, 6), 0.5)), ratio=1)
    >>> loss, _ = rule(hm.Normalised(rbm), jnp.ones((4, 6)), jax.random.key(1), None); loss      # 2 log 2
    Array(1.3862944, dtype=float32)
    """

    accepts: ClassVar[tuple[Kind, ...]] = (ENERGY,)

    noise: Any
    ratio: int = eqx.field(static=True, converter=plain, default=1)

    def __check_init__(self) -> None:
        if not whole(self.ratio):
            raise InputError(f"NCE draws at least one noise sample for each example, not ratio={self.ratio}.")
        if not is_kind(self.noise, ENERGY):
            raise InputError(
                f"The noise of NCE is a machine, not {shown(self.noise)}: make it with "
                "hm.objectives.marginal_noise(model, rows)."
            )
        if set(self.noise.layers) != {"v"}:
            raise InputError(
                f"The noise of NCE has layer 'v' alone, not {', '.join(sorted(self.noise.layers))}: "
                "make it with hm.objectives.marginal_noise(model, rows)."
            )

    def placed(self, unit: Unit) -> NCE:
        """The same noise, of values that the units hold."""
        if not unit.scaled or self.noise.layers["v"].scaled:
            return self
        noise = with_biases(with_unit(self.noise, unit), {"v": moved_bias(unit, self.noise.biases["v"])})
        return NCE(noise, self.ratio)

    def __call__(
        self, model: EnergyModel, batch: Batch, key: Key[Array, ""], memory: Memory
    ) -> tuple[Float[Array, ""], tuple[Memory, Metrics]]:
        """The mean over the batch, in nats per example."""
        batch = rows_only(self, batch)
        self._check(model)
        summed_out(self, model)
        keys = jax.random.split(key, self.ratio * len(batch))
        drawn = jax.vmap(lambda k: sample_block(self.noise, k, {}, ("v",))["v"])(keys)
        loss, metrics = noise_contrast(model, self.noise, batch, drawn)
        means = positive_means(jax.lax.stop_gradient(model), batch)
        return loss, (StepMemory(means=means), metrics | {"log_partition": model.log_partition})

    def _check(self, model: EnergyModel) -> None:
        if not isinstance(model, Normalised):
            raise InputError(
                f"NCE learns log Z as a number of the model, which {shown(model)} does not have: "
                "wrap it, hm.Normalised(model) (outside of hm.Centred)."
            )
        ours, theirs = model.layers["v"], self.noise.layers["v"]
        if ours != theirs:
            raise InputError(
                f"The model's visible layer is {ours} and the noise's {theirs}: "
                "make the noise with hm.objectives.marginal_noise(model, rows)."
            )


def noise_contrast(
    model: EnergyModel, noise: Independent, data: Num[Array, "n size"], drawn: Num[Array, "m size"]
) -> tuple[Float[Array, ""], Metrics]:
    """The loss of NCE for rows of data and rows drawn from the noise, both held constant, in nats per row of data.

    Arguments: `data` and `drawn`, values of layer `v`; the ratio is `m / n`.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0), scale=0.0)
    >>> noise = marginal_noise(rbm, jnp.full((4, 6), 0.5))
    >>> noise_contrast(hm.Normalised(rbm), noise, jnp.ones((1, 6)), jnp.ones((3, 6)))[0]    # 4 log 4 - 3 log 3
    Array(2.2493405, dtype=float32)
    """
    law, ratio = conditional(noise, "v", {}), len(drawn) / len(data)

    def log_odds(v: Array) -> Float[Array, ""]:
        return -free_energy(model, {"v": v}) - law.log_prob(v) - math.log(ratio)  # (18.37)

    real, fake = jax.vmap(log_odds)(data), jax.vmap(log_odds)(drawn)
    loss = jnp.mean(jax.nn.softplus(-real)) + ratio * jnp.mean(jax.nn.softplus(fake))
    right = jnp.sum(real > 0) + jnp.sum(fake < 0)
    return loss, {"accuracy": right / (len(data) + len(drawn))}


def marginal_noise(model: EnergyModel, rows: Num[Array | np.ndarray, "n size"]) -> Independent:
    """Noise for `NCE`: visible units that are independent, each with the marginal statistics of the rows.

    Arguments: `model`, whose visible units they are; `rows`, data `[n, size]`.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> round(float(marginal_noise(rbm, jnp.ones((9, 6))).biases["v"][0]), 4)       # log(0.95 / 0.05)
    2.9444
    """
    unit = model.layers["v"]
    return independent_at_marginals({"v": unit}, unit.from_data(rows))
