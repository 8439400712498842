"""`hm.baseline`: what rows are worth to independent units, which a model that has learned anything must exceed."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from harmonium.data import Dataset
from harmonium.errors import IncomparableError
from harmonium.evaluation.compare import compare
from harmonium.evaluation.estimate import Estimate, mean_estimate
from harmonium.evaluation.rows import rows_of, space_under
from harmonium.inference import marginal_natural, mean_stats
from harmonium.inference.marginals import marginal_bias
from harmonium.inference.placing import placed_unit
from harmonium.models.kinds import BELIEF_NET, BIDIRECTIONAL, ENERGY, LATENT, TRACTABLE, require_kind
from harmonium.units import Columns, Gaussian, Stats, Unit

BLOCK = 5000  # rows looked at together
FITTED = 100_000  # training rows, at most, that the marginals are taken from
FEW = 30  # rows below which a mean and its error say little of other rows


class Standing(NamedTuple):
    """Where a number stands beside that of independent units: whether it is `better`, and a sentence.

    >>> standing(Estimate(-20.0, 0.2, "exact"), Estimate(-27.35, 0.2, "exact")).better
    True
    """

    better: bool
    words: str


def baseline(model: Any, data: Any, rows: Any = None) -> Estimate:
    """Mean log-likelihood of rows under independent units at the training marginals, in nats: exact.

        log p(v) = sum_i log p_i(v_i) = <eta, T(v)> - A(eta),      eta from the mean statistics of the training rows

    A model that has learned how units hang together lies above it: `hm.compare` of its log-likelihood and this says by
    how much. Arguments: `model`, for its visible units alone; `data`, a `Dataset`, or training rows `[n, size]`;
    `rows`, those to measure (default: the test rows of a `Dataset`, else the training rows). Raises `InputError` as
    `hm.log_likelihood` does.

    >>> import harmonium as hm
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(4), hidden=hm.units.Bernoulli(2), key=jax.random.key(0))
    >>> print(hm.baseline(rbm, np.eye(4)))
    log-likelihood -2.27 ± 0.00 nats per example (exact, by independent units at the training marginals; n = 4; ...)
    """
    require_kind("hm.baseline", model, ENERGY, BELIEF_NET, TRACTABLE, LATENT, BIDIRECTIONAL)
    named = "test" if isinstance(data, Dataset) and rows is None else "given"
    measured = rows_of(model, data if rows is None else rows)
    train = data.shown(data.train[:FITTED]) if isinstance(data, Dataset) else rows_of(model, data)
    return independent(model.layers["v"], train, measured, named)


def standing(found: Estimate, base: Estimate) -> Standing | None:
    """Whether a model's number is better than that of independent units; None where the two cannot be compared.

    >>> print(standing(Estimate(-27.35, 0.2, "exact"), Estimate(-27.35, 0.2, "exact")).words)
    No better than independent units, which reach -27.35: +0.00 ± 0.28 nats per example.
    """
    try:
        answer = compare(found, base)
    except IncomparableError:
        return None
    least = {"lower": "at least ", "upper": "at most "}.get(found.kind, "")
    gain = f"which reach {base.value:.2f}: {least}{answer.difference:+.2f} ± {answer.stderr:.2f} nats per example"
    if answer == "better":
        return Standing(True, f"Better than independent units, {gain}.")
    verdict = "Worse" if answer == "worse" else "Not shown to be better" if least else "No better"
    return Standing(False, f"{verdict} than independent units, {gain}.")


def few_rows(found: Any) -> str:
    """A sentence where a number, an `Estimate` or an `ErrorRate`, is a mean over few rows, else nothing.

    >>> few_rows(Estimate(-27.35, 0.2, "exact", n=5))
    'Measured on 5 rows only, which say little of others: gather or hold back more.'
    """
    if found.n is None or found.n >= FEW:
        return ""
    rows = "1 row" if found.n == 1 else f"{found.n} rows"
    return f"Measured on {rows} only, which say little of others: gather or hold back more."


def independent(unit: Unit, train: np.ndarray, rows: np.ndarray, split: str) -> Estimate:
    """Log-likelihood of `rows` under independent units with the marginals of `train`: exact.

    >>> import harmonium as hm
    >>> round(independent(hm.units.Bernoulli(1), np.array([[0], [1]]), np.ones((3, 1)), "test").value, 4)    # -log 2
    -0.6931
    """
    unit.check(np.asarray(rows))
    unit = placed_unit(unit, np.asarray(train))
    eta = training_marginals(unit, train)
    log_prob = jax.jit(jax.vmap(lambda v: unit.log_prob(eta, v)))
    parts = [log_prob(unit.from_data(block)) for block in _blocks(rows)]
    values = np.concatenate([np.asarray(part, np.float64) for part in parts]) - unit.log_scale(rows)
    settings = {"training rows": len(train), "rows": split}
    method = "independent units at the training marginals"
    return mean_estimate(values, "exact", method, settings, space_under(unit, rows))


def training_marginals(unit: Unit, train: np.ndarray) -> Stats:
    """Natural parameters of independent units with the mean statistics of `train` `[n, size]`."""
    if isinstance(unit, Columns | Gaussian):
        return unit.natural(marginal_bias(unit, train))
    total = None
    for block in _blocks(train):
        mean = mean_stats(unit, unit.from_data(block))
        leaves, form = jax.tree.flatten(mean)
        part = [len(block) / len(train) * np.asarray(leaf, np.float64) for leaf in leaves]
        total = part if total is None else [a + b for a, b in zip(total, part, strict=True)]
    mean = form.unflatten([jnp.asarray(leaf, jnp.float32) for leaf in total])
    return marginal_natural(unit, mean, len(train))


def _blocks(rows: np.ndarray) -> list[np.ndarray]:
    return [np.asarray(rows[i : i + BLOCK]) for i in range(0, len(rows), BLOCK)]
