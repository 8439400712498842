"""Which class an example belongs to: the distribution of layer `y` given the data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from harmonium.compiling import outermost
from harmonium.data.check import as_numbers
from harmonium.errors import InputError
from harmonium.inference.conditional import has_closed_form
from harmonium.inference.encode import recognised_stats
from harmonium.inference.free_energy import free_energy, free_energy_of_stats
from harmonium.inference.marginals import as_rows
from harmonium.inference.mean_field import warn_unsettled
from harmonium.inference.partial import change_of_a_sweep, infer
from harmonium.models import MPDBM, BeliefNet, Classifier, EnergyModel, require_model
from harmonium.units import Unit

ROWS = 2000  # rows classified at a time
SWEEPS = 50  # of mean field, where a model does not say how many
SETTLED = 1e-3  # the largest change of a mean in a sweep that leaves the classes as they are
UNSURE = "the probabilities are those of means that still move; train with smaller weights, or train an hm.MPDBM"


def classify(model: Any, x: Any) -> Float[Array, "n classes"]:
    """Probabilities of the classes for rows of data, `p(y | v)`; missing values (NaN) are inferred along with them.

    Exact where the hidden units can be summed out given `v` and `y` and nothing is missing; else by mean field (of a
    multi-prediction machine with its own number of sweeps), with a warning where it does not settle; of a belief net by
    its recognition links, then exact in the top machine.
    Arguments: `x` `[n, size]` or `[size]`. Returns `[n, classes]` or `[classes]`.
    Raises `InputError` for a model without labels, no rows, another width, or values outside the units' range.

    >>> import harmonium as hm, jax
    >>> labels = hm.units.Categorical(1, states=10)
    >>> dbm = hm.DBM(hm.units.Bernoulli(4), [hm.units.Bernoulli(3)], labels, key=jax.random.key(0))
    >>> hm.classify(dbm, np.zeros((5, 4))).shape
    (5, 10)
    """
    require_model("hm.classify", model, EnergyModel, BeliefNet, Classifier)
    rows = as_numbers(x, "The rows").astype(np.float32)
    known = _checked(model, np.atleast_2d(rows))
    missing = bool((~known[1]).any())
    if missing and not isinstance(model, EnergyModel):
        raise InputError(f"A {type(model).__name__} classifies whole rows only: fill missing values in first.")
    parts = [
        _probabilities(model, jnp.asarray(known[0][i : i + ROWS]), jnp.asarray(known[1][i : i + ROWS]), missing)
        for i in range(0, len(known[0]), ROWS)
    ]
    found = jnp.concatenate([part for part, _ in parts])
    warn_unsettled(max(float(change) for _, change in parts), SETTLED, SWEEPS, UNSURE)
    return found[0] if rows.ndim == 1 else found


def _checked(model: EnergyModel | BeliefNet | Classifier, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows with something admissible in place of what is missing, and where they are given."""
    if "y" not in model.layers:
        raise InputError("The model has no layer of labels: make it with labels=hm.units.Categorical(1, states=K).")
    unit: Unit = model.layers["v"]
    given = ~np.isnan(as_rows(unit, rows))
    neutral = unit.values(jnp.zeros(unit.size, jnp.int32)) if unit.states else jnp.zeros(unit.size)
    filled = np.where(given, rows, np.asarray(neutral))
    unit.check(filled, expectation=True)
    return filled, given


@outermost
def _probabilities(
    model: EnergyModel | BeliefNet | Classifier,
    rows: Float[Array, "n size"],
    given: Bool[Array, "n size"],
    missing: bool,
) -> tuple[Float[Array, "n classes"], Float[Array, ""]]:
    """The probabilities, and by how much a further sweep of mean field would change means: 0 where it has no part."""
    labels, exact = model.layers["y"], jnp.zeros(())
    codes = labels.values(jnp.arange(labels.states)[:, None])

    def over_classes(free_energy_with: Callable[[Array], Array]) -> tuple[Float[Array, "classes"], Float[Array, ""]]:
        return jax.nn.softmax(jax.vmap(lambda y: -free_energy_with(y))(codes)), exact

    def one(v: Array, known: Array) -> tuple[Float[Array, "classes"], Float[Array, ""]]:
        if isinstance(model, Classifier):
            return jnp.exp(model.log_prob(v)), exact
        if isinstance(model, BeliefNet):
            stats, top = recognised_stats(model, v), model.top
            return over_classes(lambda y: free_energy_of_stats(top, {"v": stats, "y": labels.stats(y)}))
        v = v.astype(model.layers["v"].dtype)
        if has_closed_form(model, ("v", "y")) and not missing:
            return over_classes(lambda y: free_energy(model, {"v": v, "y": y}))
        given = {"v": v}, {"v": known}
        if isinstance(model, MPDBM):  # made for this number of sweeps, whether means settle or not
            q = infer(model.model, *given, steps=model.steps, averaged=model.averaged)
            return labels.mean(q.natural["y"])[0], exact
        q = infer(model, *given, steps=SWEEPS)
        return labels.mean(q.natural["y"])[0], change_of_a_sweep(model, *given, q)

    found, changes = jax.vmap(one)(rows, given)
    return found, jnp.max(changes)
