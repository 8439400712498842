"""`hm.log_prob` and `hm.log_ratio`: exact log-probabilities of rows, and their ratios where `log Z` cancels."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from harmonium.errors import InputError, articled
from harmonium.evaluation.likelihood import free_energies, free_energy_is_exact, log_likelihood
from harmonium.evaluation.partition import AUTO_LIMIT
from harmonium.evaluation.rows import rows_of
from harmonium.evaluation.tractable import log_probs
from harmonium.inference import configurations, require_linear
from harmonium.inference.finite import require_finite, require_numbers
from harmonium.inference.latent import latent_count
from harmonium.inference.normalisable import why_unbounded
from harmonium.inference.placing import near
from harmonium.models import EnergyModel, LatentModel, TractableModel
from harmonium.models.kinds import ENERGY, LATENT, TRACTABLE
from harmonium.models.verb import verb


@verb("hm.log_prob")
def log_prob(row: Any, model: Any, rows: Any) -> Float[np.ndarray, "n"]:
    """Log-probability (log-density of real columns) of each row, in nats: exact, or refused.

    A tractable model gives it by the chain rule or a change of variables, an energy model that is small enough by
    enumeration, a directed net with few latent states by summing these; a machine of values given a context says
    `log p(v | x)`. Where the value would be a bound or an
    estimate, `hm.log_likelihood` has it, and says which. Arguments: `rows` `[n, size]`, or a `Dataset`, which stands
    for its test rows. Returns float64 `[n]`. Raises `InputError` for rows that do not fit the model, or a model whose
    probabilities are not known exactly.

    >>> import harmonium as hm
    >>> hm.log_prob(hm.FVBN(hm.units.Bernoulli(2)), np.ones((3, 2))).round(4)                # -2 log 2
    array([-1.3863, -1.3863, -1.3863])
    """
    require_linear(model)
    require_numbers(model)
    return np.asarray(require_finite(row(model, rows_of(model, rows)), "The log-probabilities"))


@log_prob.register(TRACTABLE)
def _of_tractable(model: TractableModel, rows: Any) -> Float[np.ndarray, "n"]:
    return log_probs(model, rows) - model.layers["v"].log_scale(np.asarray(rows))


@log_prob.register(ENERGY)
def _of_energy(model: EnergyModel, rows: Any) -> Float[np.ndarray, "n"]:
    if why := why_unbounded(model):
        raise InputError(f"This {type(model).__name__} has no probabilities: {why}.")
    if configurations(model) > AUTO_LIMIT or not free_energy_is_exact(model):
        raise _not_exact(model, "log Z", "estimates it")
    return log_likelihood(model, rows, method="exact").per_example


@log_prob.register(LATENT)
def _of_latent(model: LatentModel, rows: Any) -> Float[np.ndarray, "n"]:
    if not np.isfinite(latent_count(model)) or latent_count(model) > 2**10:
        raise _not_exact(model, "a sum over its latent variables", "bounds it from below")
    return log_likelihood(model, rows, method="exact").per_example


def log_ratio(model: Any, a: Any, b: Any) -> Float[np.ndarray, "n"]:
    """`log p(a) - log p(b)` of pairs of rows, in nats: of an energy model exact without `log Z`.

        log p(a) - log p(b) = F(b) - F(a)

    Arguments: `a` and `b`, rows `[n, size]` each. Raises `InputError` for rows of other numbers, and where it would be
    no exact number (`hm.log_prob`).

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(60), hidden=hm.units.Bernoulli(40), key=jax.random.key(0), scale=0.0)
    >>> hm.log_ratio(rbm, np.ones((2, 60)), np.zeros((2, 60))).round(4)
    array([0., 0.])
    """
    answer = _ratios.dispatch(model)
    require_linear(model)
    require_numbers(model)
    first, second = rows_of(model, a), rows_of(model, b)
    if len(first) != len(second):
        raise InputError(f"Rows are compared in pairs, and there are {len(first)} and {len(second)}: give as many.")
    return np.asarray(require_finite(answer(model, first, second), "The log-ratios"))


@verb("hm.log_ratio")
def _ratios(row: Any, model: Any, a: np.ndarray, b: np.ndarray) -> Float[np.ndarray, "n"]:
    return row(model, a, b)


@_ratios.register(ENERGY)
def _without_log_z(model: EnergyModel, a: np.ndarray, b: np.ndarray) -> Float[np.ndarray, "n"]:
    if not free_energy_is_exact(model):
        raise _not_exact(model, "its free energies", "bounds it from below")
    if why := why_unbounded(model):
        raise InputError(f"This {type(model).__name__} has no probabilities to compare: {why}.")
    placed, _ = near(model)
    unit = model.layers["v"]
    return free_energies(placed, b) - free_energies(placed, a) + unit.log_scale(b) - unit.log_scale(a)


@_ratios.register(TRACTABLE, LATENT)
def _of_exact(model: Any, a: np.ndarray, b: np.ndarray) -> Float[np.ndarray, "n"]:
    return log_prob(model, a) - log_prob(model, b)


def _not_exact(model: Any, lacking: str, instead: str) -> InputError:
    name = articled(type(model).__name__)
    return InputError(
        f"The log-probability of {name} needs {lacking}, which is too large to sum: hm.log_likelihood {instead}."
    )
