"""Which class an example belongs to: the distribution of layer `y` given the data."""

from __future__ import annotations

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
from harmonium.inference.partial import infer
from harmonium.models import MPDBM, BeliefNet, Classifier, EnergyModel, require_model
from harmonium.units import Unit

ROWS = 2000  # rows classified at a time
SWEEPS = 50  # of mean field, where a model does not say how many


def classify(model: Any, x: Any) -> Float[Array, "n classes"]:
    """Probabilities of the classes for rows of data, `p(y | v)`; missing values (NaN) are inferred along with them.

    Exact where the hidden units can be summed out given `v` and `y` and nothing is missing; else by mean field (of a
    multi-prediction machine with its own number of sweeps); of a belief net by its recognition links, then exact in the
    top machine. Arguments: `x` `[n, size]` or `[size]`. Returns `[n, classes]` or `[classes]`.
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
    found = jnp.concatenate(parts)
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
) -> Float[Array, "n classes"]:
    labels = model.layers["y"]
    codes = labels.values(jnp.arange(labels.states)[:, None])

    def of_free_energies(minus_f: Float[Array, "classes"]) -> Float[Array, "classes"]:
        return jax.nn.softmax(minus_f)

    def one(v: Array, known: Array) -> Float[Array, "classes"]:
        if isinstance(model, Classifier):
            return jnp.exp(model.log_prob(v))
        if isinstance(model, BeliefNet):
            stats = recognised_stats(model, v)
            top = model.top
            return of_free_energies(
                jax.vmap(lambda y: -free_energy_of_stats(top, {"v": stats, "y": labels.stats(y)}))(codes)
            )
        v = v.astype(model.layers["v"].dtype)
        if has_closed_form(model, ("v", "y")) and not missing:
            return of_free_energies(jax.vmap(lambda y: -free_energy(model, {"v": v, "y": y}))(codes))
        machine, steps, averaged = (
            (model.model, model.steps, model.averaged) if isinstance(model, MPDBM) else (model, SWEEPS, False)
        )
        q = infer(machine, {"v": v}, {"v": known}, steps=steps, averaged=averaged)
        return labels.mean(q.natural["y"])[0]

    return jax.vmap(one)(rows, given)
