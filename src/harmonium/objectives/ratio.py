"""Ratio matching: each binary unit should be more probable as it is than flipped."""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, Num

from harmonium.errors import InputError, plain, whole
from harmonium.inference import free_energy, sum_over_sites
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


class RatioMatching(Objective):
    """The squared probability that each unit is flipped, given the others: score matching for binary data.

        L(v) = sum_i ( 1 / (1 + p(v) / p(v with v_i flipped)) )^2                           # (18.26)
             = sum_i sigmoid(F(v) - F(v with v_i flipped))^2

    (Hyvärinen, *Some extensions of score matching*, 2007; a few sites at a time: Dauphin & Bengio 2013; book, section
    18.4.) Arguments: `sites`, how many units of each example to flip at a step, drawn anew and scaled up without
    bias (None: all of them). Raises `InputError` for less than one site, or visible units that are not binary.

    >>> import harmonium as hm, jax, jax.numpy as jnp
    >>> rbm = hm.RBM(visible=hm.units.Spin(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0), scale=0.0)
    >>> float(RatioMatching(sites=2)(rbm, jnp.ones((4, 6)), jax.random.key(1), None)[0])          # 6 / 4
    1.5
    """

    accepts: ClassVar[tuple[Kind, ...]] = (ENERGY,)

    sites: int | None = eqx.field(static=True, converter=plain, default=1)

    def __check_init__(self) -> None:
        if self.sites is not None and not whole(self.sites):
            raise InputError(f"RatioMatching flips at least one site, not sites={self.sites}.")

    def __call__(
        self, model: EnergyModel, batch: Batch, key: Key[Array, ""], memory: Memory
    ) -> tuple[Float[Array, ""], tuple[Memory, Metrics]]:
        """The mean over the batch."""
        batch = rows_only(self, batch)
        _require_binary(model)
        summed_out(self, model)
        keys = jax.random.split(key, len(batch))
        loss = jnp.mean(jax.vmap(lambda k, v: self._one(model, k, v))(keys, batch))
        means = positive_means(jax.lax.stop_gradient(model), batch)
        return loss, (StepMemory(means=means), {})

    def _one(self, model: EnergyModel, key: Key[Array, ""], v: Num[Array, "size"]) -> Float[Array, ""]:
        unit = model.layers["v"]
        states = unit.values(jnp.broadcast_to(jnp.arange(2)[:, None], (2, unit.size)))
        flipped = states[0] + states[1] - v
        here = free_energy(model, {"v": v})

        def site(i: Array) -> Float[Array, ""]:
            return jax.nn.sigmoid(here - free_energy(model, {"v": v.at[i].set(flipped[i])})) ** 2  # (18.26)

        return sum_over_sites(site, unit.size, key, self.sites)


def _require_binary(model: EnergyModel) -> None:
    unit = model.layers["v"]
    if unit.states == 2:
        return
    cure = "ScoreMatching" if unit.has_score else "PseudoLikelihood" if unit.states else "PCD"
    raise InputError(f"Ratio matching flips binary visible units, and {type(unit).__name__} ones are not: use {cure}.")
