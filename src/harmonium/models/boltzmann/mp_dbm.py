"""The multi-prediction deep Boltzmann machine: a DBM that is used as it is trained (section 20.4.5)."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
from jaxtyping import Array, Float, Key

from harmonium.errors import InputError, whole
from harmonium.models.boltzmann.dbm import DBM
from harmonium.models.boltzmann.wrapped import Wrapped
from harmonium.models.energy import ENERGY, EnergyModel, LayerStats
from harmonium.models.kind import Kind

MULTI_PREDICTION = Kind("a multi-prediction deep Boltzmann machine", ENERGY.instead, EnergyModel, parent=ENERGY)


class MPDBM(Wrapped):
    """A deep Boltzmann machine with a fixed number of mean-field sweeps, through which it learns to answer questions.

    Given some of `v` and `y`, what are the others? (Goodfellow, Mirza, Courville & Bengio 2013; section 20.4.5.)

    Its energy is that of its `model`, a `DBM`; `hm.classify` and the objective `MultiPrediction` infer with its sweeps.
    Arguments: `visible`, `hidden`, `labels`, `key`, `scale`, as in `DBM`; `steps`, sweeps of mean field;
    `multi_inference`, whether `hm.classify` uses the multi-inference trick, made for a machine trained with half of its
    units hidden (it harms one trained with any share hidden, as `MultiPrediction` does unless told otherwise). Raises
    `InputError` for less than one sweep.

    >>> import harmonium as hm, jax
    >>> units = [hm.units.Bernoulli(3), hm.units.Bernoulli(2)]
    >>> model = hm.MPDBM(hm.units.Bernoulli(4), units, hm.units.Categorical(1, states=10), key=jax.random.key(0))
    >>> hm.classify(model, jax.numpy.zeros((5, 4))).shape
    (5, 10)
    """

    model_kind: ClassVar[Kind] = MULTI_PREDICTION

    model: DBM
    steps: int = eqx.field(static=True)
    multi_inference: bool = eqx.field(static=True)

    def __init__(
        self, visible: Any, hidden: Any, labels: Any = None, *, key: Key[Array, ""],
        steps: int = 10, multi_inference: bool = False, scale: Any = 0.01,
    ) -> None:  # fmt: skip
        if not whole(steps):
            raise InputError(f"A multi-prediction machine infers with at least one sweep, not steps={steps}.")
        self.model = DBM(visible, hidden, labels, key=key, scale=scale)
        self.steps, self.multi_inference = steps, multi_inference

    def energy(self, stats: LayerStats) -> Float[Array, ""]:
        """That of the DBM, in nats."""
        return self.model.energy(stats)
