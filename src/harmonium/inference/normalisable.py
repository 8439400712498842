"""Whether an energy has a partition function at all: parameters that are numbers, and real units that are held."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

from harmonium.inference.finite import OF_MODEL
from harmonium.inference.growth import why_endless
from harmonium.models import Normalisable
from harmonium.models.energy import EnergyModel


def why_unbounded(model: EnergyModel) -> str | None:
    """Why an energy model has no `log Z`, with the cure; None where nothing speaks against one.

    The precision of all Gaussian units together, `P = d^2 E / dx dx'` with the other units at zero statistics, must be
    positive definite, as in the closed form of `exact_log_partition`, and rectified units and counts must not excite
    each other without end (`why_endless`); a model whose precision hangs on other units says itself where it is not
    (`Normalisable`). Parameters must be numbers.

    >>> import harmonium as hm, jax
    >>> why_unbounded(hm.RBM(hm.units.Gaussian(6), hm.units.Gaussian(3), key=jax.random.key(0), scale=9.0))
    'the model cannot be normalised; the precision of its Gaussian layers together is not positive definite, so ...'
    """
    leaves = [leaf for leaf in jax.tree.leaves(model) if eqx.is_inexact_array(leaf)]
    if any(bool(jnp.isnan(leaf).any()) for leaf in leaves):
        return f"its parameters are not finite, for {OF_MODEL}"
    if isinstance(model, Normalisable) and (why := model.unbounded()):
        return f"the model cannot be normalised; {why}"
    why = why_endless(model)
    if why is None:
        return None
    if not all(bool(jnp.isfinite(leaf).all()) for leaf in leaves):
        return f"its parameters are not finite, for {OF_MODEL}"
    return f"the model cannot be normalised; {why}"
