"""Which class an example belongs to: the distribution of layer `y` given the data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from harmonium.compiling import jit_entry
from harmonium.data.check import as_numbers
from harmonium.errors import InputError
from harmonium.inference.conditional import has_closed_form
from harmonium.inference.encode import recognised_stats
from harmonium.inference.finite import require_finite
from harmonium.inference.free_energy import free_energy, free_energy_of_stats
from harmonium.inference.marginals import as_rows
from harmonium.inference.mean_field import fixed_point, variational_free_energy, warn_unsettled
from harmonium.inference.partial import infer, infer_with_change
from harmonium.models import MPDBM, BeliefNet, Classifier, EnergyModel
from harmonium.models.kinds import BELIEF_NET, CLASSIFIER, ENERGY, is_kind, require_kind
from harmonium.units import Unit

ROWS = 2000  # rows classified at a time, or pairs of a row and a class where each of these has a mean field of its own
FEW_CLASSES = 100  # classes, at most, for each of which mean field is run
SWEEPS = 50  # of mean field, where a model does not say how many
SETTLED = 1e-3  # the largest change of a mean in a sweep that leaves the classes as they are
UNSURE = "the probabilities are those of means that still move; train with smaller weights, or train an hm.MPDBM"


def classify(model: Any, x: Any) -> Float[Array, "*n classes"]:
    """Probabilities of the classes for rows of data, `p(y | v)`; missing values (NaN) are inferred along with them.

    Exact where the hidden units can be summed out given `v` and `y` and nothing is missing. Else, of rows that are
    whole and up to a hundred classes, with the variational free energy of each class in place of its free energy,

        p(y | v) ~ softmax_y(-min_q [E(v, y, q) - H(q)]),                                                # (20.35)

    which is nearer to the exact probabilities than the mean field `q(y)`, for `q(h | v, y)` may differ from class to
    class. Rows with missing values are answered by `q(y)` of mean field over all that is not given, and by a
    multi-prediction machine all rows, with its own number of sweeps, for so it is trained. Mean field that does not
    settle warns. A belief net answers by its recognition links, then exactly in the top machine.
    Arguments: `x` `[n, size]` or `[size]`. Returns `[n, classes]` or `[classes]`.
    Raises `InputError` for a model without labels, no rows, another width, or values outside the units' range, and
    `NotFiniteError` for probabilities that are no numbers.

    >>> import harmonium as hm, jax
    >>> labels = hm.units.Categorical(1, states=10)
    >>> dbm = hm.DBM(hm.units.Bernoulli(4), [hm.units.Bernoulli(3)], labels, key=jax.random.key(0))
    >>> hm.classify(dbm, np.zeros((5, 4))).shape
    (5, 10)
    """
    require_kind("hm.classify", model, ENERGY, BELIEF_NET, CLASSIFIER)
    rows = as_numbers(x, "The rows")
    rows = rows.astype(np.float64 if model.layers["v"].scaled else np.float32)
    known = _checked(model, np.atleast_2d(rows))
    whole = known[1].all(axis=1)
    if not whole.all() and not is_kind(model, ENERGY):
        raise InputError(f"A {type(model).__name__} classifies whole rows only: fill missing values in first.")
    found = np.zeros((len(whole), model.layers["y"].states), np.float32)
    changes, unit = [], model.layers["v"]
    for missing, which in ((False, np.flatnonzero(whole)), (True, np.flatnonzero(~whole))):
        size = ROWS if missing or not _class_by_class(model) else max(1, ROWS // found.shape[1])
        for some in (which[i : i + size] for i in range(0, len(which), size)):
            part, moved = _probabilities(
                model, unit.from_data(known[0][some]).astype(jnp.float32), jnp.asarray(known[1][some]), missing
            )
            found[some] = np.asarray(part)
            changes.append(float(moved))
    warn_unsettled(float(np.max(changes)), SETTLED, SWEEPS, UNSURE)
    require_finite(jnp.asarray(found), "The probabilities of the classes")
    return jnp.asarray(found[0] if rows.ndim == 1 else found)


def _class_by_class(model: EnergyModel | BeliefNet | Classifier) -> bool:
    """Whether the classes of a whole row are told apart by one mean field for each."""
    plain = is_kind(model, ENERGY) and not isinstance(model, MPDBM)
    return plain and not has_closed_form(model, ("v", "y")) and model.layers["y"].states <= FEW_CLASSES


def _checked(model: EnergyModel | BeliefNet | Classifier, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows with something admissible in place of what is missing, and where they are given."""
    if "y" not in model.layers:
        raise InputError("The model has no layer of labels: make it with labels=hm.units.Categorical(1, states=K).")
    unit: Unit = model.layers["v"]
    given = ~np.isnan(as_rows(unit, rows))
    neutral = unit.values(jnp.zeros(unit.size, jnp.int32)) if unit.states else jnp.zeros(unit.size, jnp.float32)
    filled = np.where(given, rows, np.asarray(unit.to_data(neutral)))
    unit.check(filled, expectation=True)
    return filled, given


@jit_entry
def _probabilities(
    model: EnergyModel | BeliefNet | Classifier,
    rows: Float[Array, "n size"],
    given: Bool[Array, "n size"],
    missing: bool,
) -> tuple[Float[Array, "n classes"], Float[Array, ""]]:
    """The probabilities, and by how much the last sweep of mean field changed means: 0 where it has no part."""
    labels, exact = model.layers["y"], jnp.zeros((), jnp.float32)
    codes = labels.values(jnp.arange(labels.states)[:, None])

    def over_classes(free_energy_with: Callable[[Array], Array]) -> tuple[Float[Array, "classes"], Float[Array, ""]]:
        return jax.nn.softmax(jax.vmap(lambda y: -free_energy_with(y))(codes)), exact

    def bounded(v: Array) -> tuple[Float[Array, "classes"], Float[Array, ""]]:
        def of_class(y: Array) -> tuple[Float[Array, ""], Float[Array, ""]]:
            q = fixed_point(model, {"v": v, "y": y}, tolerance=SETTLED, max_steps=SWEEPS)
            return variational_free_energy(model, {"v": v, "y": y}, q), q.change

        f, changes = jax.vmap(of_class)(codes)
        return jax.nn.softmax(-f), jnp.max(changes)

    def one(v: Array, known: Array) -> tuple[Float[Array, "classes"], Float[Array, ""]]:
        if is_kind(model, CLASSIFIER):
            return jnp.exp(model.log_prob(v)), exact
        if is_kind(model, BELIEF_NET):
            stats, top = recognised_stats(model, v), model.top
            return over_classes(lambda y: free_energy_of_stats(top, {"v": stats, "y": labels.stats(y)}))
        v = v.astype(model.layers["v"].dtype)
        if has_closed_form(model, ("v", "y")) and not missing:
            return over_classes(lambda y: free_energy(model, {"v": v, "y": y}))
        if _class_by_class(model) and not missing:
            return bounded(v)
        given = {"v": v}, {"v": known}
        if isinstance(model, MPDBM):  # made for this number of sweeps, whether means settle or not
            q = infer(model.model, *given, steps=model.steps, multi_inference=model.multi_inference)
            return labels.mean(q.natural["y"])[0], exact
        q, change = infer_with_change(model, *given, steps=SWEEPS)
        return labels.mean(q.natural["y"])[0], change

    found, changes = jax.vmap(one)(rows, given)
    return found, jnp.max(changes)
