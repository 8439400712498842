"""`hm.log_likelihood`: how likely data is under a model, as a number that says what it is."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from harmonium.compiling import jit_entry
from harmonium.data import Dataset
from harmonium.errors import InputError
from harmonium.evaluation.annealed import visible_block
from harmonium.evaluation.estimate import Estimate, standard_error
from harmonium.evaluation.importance import HIDDEN_LIMIT
from harmonium.evaluation.partition import log_partition
from harmonium.evaluation.reverse_annealing import reverse_annealing
from harmonium.evaluation.rows import as_given, rows_of, space_under
from harmonium.evaluation.sampling_bound import sampling_bound
from harmonium.evaluation.unlimited import warn_of_rows
from harmonium.inference import (
    configurations,
    exact_free_energy,
    fixed_point,
    has_closed_form,
    require_linear,
    variational_free_energy,
)
from harmonium.inference.mean_field import MAX_STEPS, TOLERANCE, warn_unsettled
from harmonium.inference.placing import near
from harmonium.models import EnergyModel, coloured
from harmonium.models.kinds import CONDITIONAL_ENERGY, ENERGY, is_kind
from harmonium.models.verb import verb

ROWS = 1000  # rows whose free energy is computed at a time
LOOSE = "the bound holds but is loose; train with smaller weights"
BOUND = "variational bound with mean field"
ASKED_OF = "for auto-regressive networks, such as an hm.OrderlessNADE, which answers for any columns given any others"


@verb("hm.log_likelihood", by_method=True, elsewhere={"given": ASKED_OF, "orders": ASKED_OF})
def log_likelihood(
    row: Any, model: Any, data: Dataset | Array, *, key: Key[Array, ""] | None = None, method: str = "auto",
    **options: Any,
) -> Estimate:  # fmt: skip
    """Mean log-likelihood of data per example, in nats, as an `Estimate`.

        log p(v) = -F(v) - log Z                                                             # (20.4), section 18.2

    An error of `log Z` moves every example alike: a lower bound of `log Z` (AIS) gives an *upper* bound here. Where
    hidden layers depend on each other and are too many to enumerate (a deep machine), `F` is replaced by its
    mean-field bound, and the answer is a lower bound (20.35): `value` then takes the upper end of `log Z`. A belief
    net (a DBN) is bounded from below by importance weighting, and so is a directed net with latent variables (a VAE),
    whose guesses are doubled until the bound settles, unless its latent states are few enough to be summed. An
    auto-regressive network says it exactly, and that of some columns given others too:

        log p(x_A | x_G) = sum_{i in A} log p(x_i | x_G, those of A before it)

    in its order, or the mean over the orders of a network of every order (20.85), the known cells moved to their front:
    that is another model than the mixture which `log_prob` measures, as `settings["exact_for"]` says. A machine of
    values given a context (an RNN-RBM) is summed exactly in each context, or annealed in both directions in each; where
    part of a row is given, the answer is a conditional log-likelihood. Two methods do
    without `log Z`: `raise` bounds from below, by annealing from each example back to the base (Burda, Grosse &
    Salakhutdinov 2015; strictly a bound for the annealing model, which nears this one as temperatures grow). `csl`
    bounds from below, by the hidden states that long chains visit (Bengio, Yao & Cho 2013).

    Arguments: `data`, rows `[n, size]` (a `Dataset` stands for its test rows); `key`, `method` and the other options
    as in `log_partition`, where some chains of reverse AIS start at these rows. Options of `raise`: `chains` for each
    example (10), `temperatures` (10,000), and `rows` (100), how many examples to draw. Options of `csl`: `samples`
    (100,000), `chains` (100), `burn_in` (1000), `thinning` (1). Option of a belief net, beside those of
    `log_partition`: `samples` for each row (10). Of a directed net, whose methods are `importance`, `exact`, `ais` (on
    the posterior of each row) and `mean_field` (of sigmoid belief nets): `samples` for each row (default: doubled until
    the bound settles), or `chains` (16), `temperatures` (500), `leapfrog` (10) and `start` ("guess") of `ais`. Of
    auto-regressive networks: `given`, known values `[size]` or `[n, size]`, NaN where not known, or a mask (the others
    are asked for, but those that are NaN, which are marginalised), for a network of one order only cells that come
    before all that are asked for; `orders`, how many orders to draw by `key` for a network of every order (default: its
    own), or "own" for the conditional of the distribution of `log_prob` itself, a ratio of sums over at most 1,024
    states of the cells that are not given. Raises `InputError` for rows of another width or outside the units' range,
    an unknown method or option, a missing key, or numbers below one; for cells given to a model that has no answer, or
    given and NaN, or none asked for; for `exact` where the answer is a bound.

    >>> import harmonium as hm, jax, numpy as np
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0), scale=0.0)
    >>> round(hm.log_likelihood(rbm, np.ones((4, 6))).value, 4)         # -6 log 2
    -4.1589
    """
    require_linear(model)
    warn_of_rows(model, data)
    if is_kind(model, ENERGY):
        model, _ = near(model)
    return of_data(row(model, data, key, **options), model, data)


def of_data(estimate: Estimate, model: Any, data: Dataset | Array) -> Estimate:
    """The log-likelihood of data whose density was found of the values that a model holds: `- sum_i log scale_i`."""
    unit = model.layers["v"]
    if not unit.scaled or estimate.quantity != "log_likelihood" or is_kind(model, CONDITIONAL_ENERGY):
        return estimate  # which is of the data already
    less = unit.log_scale(np.asarray(as_given(model, data)))
    mean, each = float(np.mean(less)), estimate.per_example
    if np.ndim(less) and each is not None:  # sequences of unlike length
        estimate = dataclasses.replace(estimate, stderr=standard_error(each - less))
    return dataclasses.replace(
        estimate, value=estimate.value - mean, lower=estimate.lower - mean, upper=estimate.upper - mean,
        per_example=None if each is None else each - less,
    )  # fmt: skip


def free_energy_is_exact(model: EnergyModel) -> bool:
    """Whether `free_energies` are exact: in closed form, or by enumeration of few enough hidden states."""
    return configurations(model, ("v",)) <= HIDDEN_LIMIT


def as_bound(estimate: Estimate) -> Estimate:
    """The estimate that stands when its free energies were upper bounds: a lower bound, if `log Z` is not too low.

    >>> as_bound(Estimate(-80.5, 0.1, "interval", lower=-81.0, upper=-80.0, method="AIS and reverse AIS")).value
    -81.0
    """
    kind = "lower" if math.isfinite(estimate.lower) else "unordered"
    value = estimate.lower if kind == "lower" else estimate.value
    shift = value - estimate.value
    return dataclasses.replace(
        estimate,
        value=value,
        kind=kind,
        lower=value if kind == "lower" else -math.inf,
        upper=math.inf,
        sure=estimate.kind == "exact",
        method=f"{BOUND}; log Z by {estimate.method}",
        per_example=None if estimate.per_example is None else estimate.per_example + shift,
    )


def likelihood_from(log_z: Estimate, f: np.ndarray, space: Any) -> Estimate:
    """The log-likelihood of examples with free energies `f` `[n]`, given an estimate of `log Z`."""
    mean = float(np.mean(f))
    kind = {"lower": "upper", "upper": "lower"}.get(log_z.kind, log_z.kind)
    value = -mean - log_z.value
    return dataclasses.replace(
        log_z,
        value=value,
        stderr=math.hypot(standard_error(f), log_z.stderr),
        kind=kind,
        quantity="log_likelihood",
        lower=-mean - log_z.upper,
        upper=-mean - log_z.lower,
        settings=log_z.settings | {"log_partition_stderr": log_z.stderr},
        space=space,
        n=len(f),
        per_example=-f - log_z.value,
    )


def free_energies(model: EnergyModel, rows: Array) -> np.ndarray:
    """Free energies `[n]` of rows `[n, size]` in float64, computed a thousand rows at a time.

    They are upper bounds by mean field where `free_energy_is_exact` does not hold, with a warning where it does not
    settle.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> free_energies(rbm, np.zeros((2, 6))).round(4)       # -3 log 2
    array([-2.0794, -2.0794])
    """
    unit = model.layers["v"]
    parts = [_free_energies(model, unit.from_data(rows[i : i + ROWS])) for i in range(0, len(rows), ROWS)]
    warn_unsettled(max(float(change) for _, change in parts), TOLERANCE, MAX_STEPS, LOOSE)
    return np.concatenate([np.asarray(f, np.float64) for f, _ in parts])


@jit_entry
def _free_energies(model: EnergyModel, v: Float[Array, "n size"]) -> tuple[Float[Array, "n"], Float[Array, ""]]:
    """Free energies, and the largest change of the last sweep of mean field: 0 where it has no part in them."""

    def one(x: Array) -> tuple[Float[Array, ""], Float[Array, ""]]:
        if free_energy_is_exact(model):
            return exact_free_energy(model, {"v": x}), jnp.zeros(())
        q = fixed_point(model, {"v": x})
        return variational_free_energy(model, {"v": x}, q), q.change

    f, changes = jax.vmap(one)(v)
    return f, jnp.max(changes)


# ---- energy models -------------------------------------------------------------------------------------------


def _through_log_z(method: str) -> Callable[..., Estimate]:
    """The row of a method of `hm.log_partition`."""

    def row(
        model: EnergyModel, data: Dataset | Array, key: Key[Array, ""] | None, *, chains: int = 100,
        temperatures: int = 10_000, burn_in: int = 1000, snapshots: Sequence[EnergyModel] | None = None,
    ) -> Estimate:  # fmt: skip
        options = {"chains": chains, "temperatures": temperatures, "burn_in": burn_in, "snapshots": snapshots}
        return _less_log_z(model, data, key, method, options)

    return row


def _less_log_z(
    model: EnergyModel, data: Dataset | Array, key: Key[Array, ""] | None, method: str, options: dict[str, Any]
) -> Estimate:
    rows = rows_of(model, data)
    f = free_energies(model, rows)
    log_z = log_partition(model, key=key, method=method, data=rows, **options)
    estimate = likelihood_from(log_z, f, space_under(model.layers["v"], rows))
    return estimate if free_energy_is_exact(model) else as_bound(estimate)


for _method in ("auto", "ais", "reverse_ais", "two_sided", "trajectory"):
    log_likelihood.register(ENERGY, method=_method)(_through_log_z(_method))


@log_likelihood.register(ENERGY, method="exact")
def _enumerated(model: EnergyModel, data: Dataset | Array, key: Key[Array, ""] | None) -> Estimate:
    if not free_energy_is_exact(model):
        raise InputError(
            f"The method 'exact' would sum {configurations(model, ('v',)):,.0f} hidden states for each row, more than "
            f"{HIDDEN_LIMIT:,}: leave it out for a lower bound."
        )
    return _less_log_z(model, data, key, "exact", {})


@log_likelihood.register(ENERGY, method="raise")
def _by_reverse_annealing(
    model: EnergyModel, data: Dataset | Array, key: Key[Array, ""] | None, *, chains: int = 10,
    temperatures: int = 10_000, rows: int = 100,
) -> Estimate:  # fmt: skip
    _check_bound("raise", model, key)
    return reverse_annealing(model, rows_of(model, data), key=key, chains=chains, temperatures=temperatures, rows=rows)


@log_likelihood.register(ENERGY, method="csl")
def _by_sampling(
    model: EnergyModel, data: Dataset | Array, key: Key[Array, ""] | None, *, samples: int = 100_000,
    chains: int = 100, burn_in: int = 1000, thinning: int = 1,
) -> Estimate:  # fmt: skip
    _check_bound("csl", model, key)
    options = {"samples": samples, "chains": chains, "burn_in": burn_in, "thinning": thinning}
    return sampling_bound(model, rows_of(model, data), key=key, **options)


def _check_bound(method: str, model: EnergyModel, key: Key[Array, ""] | None) -> None:
    """Refuse a bound without `log Z` where there is no key, or units act on each other."""
    if key is None:
        raise InputError(f"The method '{method}' draws random numbers: pass key=jax.random.key(seed).")
    if any(coloured(model, layer) for layer in model.layers) or not has_closed_form(model, visible_block(model)):
        raise InputError(
            f"The method '{method}' needs layers whose units are independent given the rest, which this "
            f"{type(model).__name__} has not: use method='two_sided'."
        )
