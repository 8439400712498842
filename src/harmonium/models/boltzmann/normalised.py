"""A number of the model's own in the place of its log partition function (section 18.6)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from harmonium.decay import no_decay
from harmonium.errors import InputError, real, shown
from harmonium.models.boltzmann.wrapped import Wrapped
from harmonium.models.energy import BiasedModel, LayerStats, require_biased


class Normalised(Wrapped):
    """Any energy model with one more parameter, `log_partition`, that is learned to be its `log Z`.

        E'(x) = E(x) + log_partition,      p(x) = exp(-E'(x)) where it has been learned         # (18.28)

    (Gutmann & Hyvärinen 2010; book, section 18.6, where the number is called `c = -log_partition`.) It is what
    noise-contrastive estimation trains; to every other rule and to every sampler it is the model inside. The
    `hm.log_partition` of this model is what the learned number lacks.

    A centred machine goes inside, `Normalised(Centred(model))`: when its offsets move, the number moves with them, so
    that `E'` stays as it is. `Centred(Normalised(model))` would lose the number, and is refused. Replace biases
    (`hm.at_marginals`) before wrapping, for they change `log Z`.

    Arguments: `model`, a model with biases; `log_partition`, the number to start from, in nats (default: the log
    partition function of its biases alone, `sum_l A(-dE/dT_l) - E`, both at zero statistics).

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> round(float(Normalised(rbm).log_partition), 4)                  # 9 log 2
    6.2383
    """

    model: BiasedModel
    log_partition: Float[Array, ""] = no_decay()

    def __init__(self, model: Any, log_partition: Any = None) -> None:
        require_biased("hm.Normalised", model)
        if log_partition is not None and not (isinstance(log_partition, jax.core.Tracer) or real(log_partition)):
            raise InputError(f"log_partition is one number in nats, not {shown(log_partition)}: leave it out at first.")
        self.model = model
        value = _of_biases(model) if log_partition is None else log_partition
        self.log_partition = jnp.asarray(value, jnp.float32)

    def energy(self, stats: LayerStats) -> Float[Array, ""]:
        """`E(x) + log_partition`, in nats."""
        return self.model.energy(stats) + self.log_partition  # (18.28)


def _of_biases(model: BiasedModel) -> Float[Array, ""]:
    """`log Z` of the energy's part that is linear in the statistics: where layers do not act on each other, `log Z`."""
    zeros = {name: unit.zeros() for name, unit in model.layers.items()}
    base, slope = jax.value_and_grad(model.energy)(zeros)
    eta = jax.tree.map(lambda g: -g, slope)
    return sum(unit.log_partition(eta[name]) for name, unit in model.layers.items()) - base
