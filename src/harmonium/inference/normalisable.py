"""Whether an energy has a partition function at all: parameters that are numbers, and real units that are held."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from harmonium.compiling import in_float32
from harmonium.inference.finite import OF_MODEL
from harmonium.models import UNBOUNDED, Normalisable
from harmonium.models.energy import EnergyModel
from harmonium.units import GaussianStats


def why_unbounded(model: EnergyModel) -> str | None:
    """Why an energy model has no `log Z`, with the cure; None where nothing speaks against one.

    The precision of all Gaussian units together, `P = d^2 E / dx dx'` with the other units at zero statistics, must be
    positive definite, as in the closed form of `exact_log_partition`; a model whose precision hangs on other units says
    itself where it is not (`Normalisable`). Parameters must be numbers.

    >>> import harmonium as hm, jax
    >>> why_unbounded(hm.RBM(hm.units.Gaussian(6), hm.units.Gaussian(3), key=jax.random.key(0), scale=9.0))
    'the model cannot be normalised; the precision of its Gaussian layers together is not positive definite, so ...'
    """
    leaves = [leaf for leaf in jax.tree.leaves(model) if eqx.is_inexact_array(leaf)]
    if any(bool(jnp.isnan(leaf).any()) for leaf in leaves):
        return f"its parameters are not finite, for {OF_MODEL}"
    if isinstance(model, Normalisable) and (why := model.unbounded()):
        return f"the model cannot be normalised; {why}"
    held = [name for name, unit in model.layers.items() if any(map(_is_gaussian, _nodes(unit.zeros())))]
    if not held or bool(_is_held(model, sum(not set(block).isdisjoint(held) for block in model.blocks) > 1)):
        return None
    if not all(bool(jnp.isfinite(leaf).all()) for leaf in leaves):
        return f"its parameters are not finite, for {OF_MODEL}"
    return f"the model cannot be normalised; {UNBOUNDED}"


def _nodes(stats: Any) -> list[Any]:
    return jax.tree.leaves(stats, is_leaf=_is_gaussian)


def _is_gaussian(node: Any) -> bool:
    return isinstance(node, GaussianStats)


@in_float32
@eqx.filter_jit
def _is_held(model: EnergyModel, coupled: bool) -> Bool[Array, ""]:
    """Whether the precision of the Gaussian units is positive definite; where none are `coupled` it is diagonal."""
    zeros = {name: unit.zeros() for name, unit in model.layers.items()}
    nodes, form = jax.tree.flatten(zeros, is_leaf=_is_gaussian)
    start, parts = jax.flatten_util.ravel_pytree([node.x for node in nodes if _is_gaussian(node)])

    def energy(x: Float[Array, "n"], square: Float[Array, "n"]) -> Float[Array, ""]:
        own = iter(zip(parts(x), parts(square), strict=True))
        return model.energy(form.unflatten([GaussianStats(*next(own)) if _is_gaussian(n) else n for n in nodes]))

    diagonal = 2 * jax.grad(energy, 1)(start, start)
    if not coupled:
        return jnp.all((diagonal > 0) & jnp.isfinite(diagonal))
    precision = jax.hessian(energy)(start, start) + jnp.diag(diagonal)
    return jnp.isfinite(jnp.linalg.cholesky(precision)).all()
