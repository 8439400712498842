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
from harmonium.inference.shapes import require_shapes
from harmonium.models import MPDBM, BeliefNet, EnergyModel
from harmonium.models.directed.classifier import ClassifierModel
from harmonium.models.kinds import BELIEF_NET, CLASSIFIER, ENERGY, MULTI_PREDICTION
from harmonium.models.verb import verb
from harmonium.units import Unit

ROWS = 2000  # rows classified at a time, or pairs of a row and a class where each of these has a mean field of its own
FEW_CLASSES = 100  # classes, at most, for each of which mean field is run
SWEEPS = 50  # of mean field, where a model does not say how many
SETTLED = 1e-3  # the largest change of a mean in a sweep that leaves the classes as they are
UNSURE = "the probabilities are those of means that still move; train with smaller weights, or train an hm.MPDBM"


@verb("hm.classify")
def classify(row: Any, model: Any, x: Any) -> Float[Array, "*n classes"]:
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
    require_shapes(model)
    rows = as_numbers(x, "The rows")
    rows = rows.astype(np.float64 if model.layers["v"].scaled else np.float32)
    known = _checked(model, np.atleast_2d(rows))
    whole = known[1].all(axis=1)
    if not whole.all() and row in WHOLE:
        raise InputError(f"A {type(model).__name__} classifies whole rows only: fill missing values in first.")
    found = np.zeros((len(whole), model.layers["y"].states), np.float32)
    changes, unit = [], model.layers["v"]
    for missing, which in ((False, np.flatnonzero(whole)), (True, np.flatnonzero(~whole))):
        size = (
            ROWS if missing or row is not _by_energy or not _class_by_class(model) else max(1, ROWS // found.shape[1])
        )
        for some in (which[i : i + size] for i in range(0, len(which), size)):
            part, moved = _probabilities(
                row, model, unit.from_data(known[0][some]).astype(jnp.float32), jnp.asarray(known[1][some]), missing
            )
            found[some] = np.asarray(part)
            changes.append(float(moved))
    warn_unsettled(float(np.max(changes)), SETTLED, SWEEPS, UNSURE)
    require_finite(jnp.asarray(found), "The probabilities of the classes")
    return jnp.asarray(found[0] if rows.ndim == 1 else found)


def _checked(model: EnergyModel | BeliefNet | ClassifierModel, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows with something admissible in place of what is missing, and where they are given."""
    if "y" not in model.layers:
        raise InputError("The model has no layer of labels: make it with labels=hm.units.Categorical(1, states=K).")
    unit: Unit = model.layers["v"]
    given = ~np.isnan(as_rows(unit, rows))
    neutral = unit.values(jnp.zeros(unit.size, jnp.int32)) if unit.states else jnp.zeros(unit.size, jnp.float32)
    filled = np.where(given, rows, np.asarray(unit.to_data(neutral)))
    unit.check(filled, expectation=True)
    return filled, given


Answer = tuple[Float[Array, "classes"], Float[Array, ""]]  # and by how much the last sweep of mean field changed means
SETTLED_ALREADY = np.float32(0)  # where mean field has no part


@jit_entry
def _probabilities(
    row: Callable[..., Answer], model: Any, rows: Float[Array, "n size"], given: Bool[Array, "n size"], missing: bool
) -> tuple[Float[Array, "n classes"], Float[Array, ""]]:
    """The probabilities, and by how much the last sweep of mean field changed means."""
    found, changes = jax.vmap(lambda v, known: row(model, v, known, missing))(rows, given)
    return found, jnp.max(changes)


@classify.register(ENERGY)
def _by_energy(model: EnergyModel, v: Array, known: Array, missing: bool) -> Answer:
    v = v.astype(model.layers["v"].dtype)
    if has_closed_form(model, ("v", "y")) and not missing:
        return _over_classes(model, lambda y: free_energy(model, {"v": v, "y": y}))
    if _class_by_class(model) and not missing:
        return _bounded(model, v)
    q, change = infer_with_change(model, {"v": v}, {"v": known}, steps=SWEEPS)
    return model.layers["y"].mean(q.natural["y"])[0], change


@classify.register(MULTI_PREDICTION)
def _by_its_sweeps(model: MPDBM, v: Array, known: Array, missing: bool) -> Answer:
    """With the number of sweeps that it was trained for, whether means settle or not."""
    v = v.astype(model.layers["v"].dtype)
    if has_closed_form(model, ("v", "y")) and not missing:
        return _over_classes(model, lambda y: free_energy(model, {"v": v, "y": y}))
    q = infer(model.model, {"v": v}, {"v": known}, steps=model.steps, multi_inference=model.multi_inference)
    return model.layers["y"].mean(q.natural["y"])[0], jnp.asarray(SETTLED_ALREADY)


@classify.register(BELIEF_NET)
def _by_links(net: BeliefNet, v: Array, known: Array, missing: bool) -> Answer:
    stats, labels = recognised_stats(net, v), net.layers["y"]
    return _over_classes(net, lambda y: free_energy_of_stats(net.top, {"v": stats, "y": labels.stats(y)}))


@classify.register(CLASSIFIER)
def _by_its_net(model: ClassifierModel, v: Array, known: Array, missing: bool) -> Answer:
    return jnp.exp(model.log_prob(v)), jnp.asarray(SETTLED_ALREADY)


WHOLE = (_by_links, _by_its_net)  # rows that take no missing values


def _over_classes(model: Any, free_energy_with: Callable[[Array], Array]) -> Answer:
    return jax.nn.softmax(jax.vmap(lambda y: -free_energy_with(y))(_codes(model))), jnp.asarray(SETTLED_ALREADY)


def _codes(model: Any) -> Array:
    """Every class as a value of layer `y`."""
    labels = model.layers["y"]
    return labels.values(jnp.arange(labels.states)[:, None])


def _class_by_class(model: EnergyModel) -> bool:
    """Whether the classes of a whole row are told apart by one mean field for each."""
    return not has_closed_form(model, ("v", "y")) and model.layers["y"].states <= FEW_CLASSES


def _bounded(model: EnergyModel, v: Array) -> Answer:
    def of_class(y: Array) -> tuple[Float[Array, ""], Float[Array, ""]]:
        q = fixed_point(model, {"v": v, "y": y}, tolerance=SETTLED, max_steps=SWEEPS)
        return variational_free_energy(model, {"v": v, "y": y}, q), q.change

    f, changes = jax.vmap(of_class)(_codes(model))
    return jax.nn.softmax(-f), jnp.max(changes)
