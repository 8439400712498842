"""`hm.log_partition`: exact when it can be, from both sides otherwise, and saying which."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

from jaxtyping import Array, Key

from harmonium.errors import InputError, whole
from harmonium.evaluation.annealed import MeanWeight, forward, reverse
from harmonium.evaluation.bihm_partition import DRAWS, GUESSES, agreement
from harmonium.evaluation.both_ways import BOTH, OWN, Route, Runs, both_ways
from harmonium.evaluation.estimate import GAP_LIMIT, ONE_SIDED, Estimate, interval_verdict
from harmonium.evaluation.trajectory import forward_along, reverse_along, training_path
from harmonium.inference import configurations, exact_log_partition, require_linear
from harmonium.inference.normalisable import why_unbounded
from harmonium.inference.placing import near
from harmonium.models import UNBOUNDED, BiHM, EnergyModel, KnownPartition
from harmonium.models.kinds import BIDIRECTIONAL, ENERGY
from harmonium.models.verb import verb
from harmonium.rng import fast_key, key_data

Method = Literal["auto", "exact", "ais", "reverse_ais", "two_sided", "trajectory"]
METHODS = ("auto", "exact", "ais", "reverse_ais", "two_sided", "trajectory")

AUTO_LIMIT = 2**21  # configurations up to which `auto` enumerates: seconds on two cores
ERRORS = 3.0  # standard errors by which the two ends of an interval are moved outwards


@verb("hm.log_partition")
def log_partition(row: Any, model: Any, *, key: Key[Array, ""] | None = None, **options: Any) -> Estimate:
    """`log Z` of an energy model, in nats, as an `Estimate`.

    `exact` sums the largest block of layers out in closed form and enumerates the rest. `ais` is a lower bound in
    expectation, from independent units at the marginals of the model's own samples and once more from neutral ones.
    `reverse_ais` is an upper bound as far as its starting samples are exact: they come from `burn_in` Gibbs sweeps,
    from the ends of AIS drawn again by weight, from random states, and from `data`; the highest answer counts (a mode
    that one of them misses then shows as a gap). `two_sided` runs both and returns the interval, its ends moved
    outwards by three standard errors; starts that contradict each other are not to be reported. `auto` is exact up to
    2^21 configurations and two-sided beyond. `trajectory` is AIS along `snapshots` of the training (Béreux et al.
    2024); with them, the other methods take the same path.

    Of a bidirectional Helmholtz machine it is at most 0, and estimated by `draws` of its generative net and `guesses`
    of its recognition net for each.

    Arguments: `key`, needed by all but `exact`; `data` `[n, size]`, rows that reverse chains are to start from too;
    `chains`, those that walk along the path one way, shared evenly by the runs (reverse AIS takes twice as many);
    `temperatures`, steps of the path; `snapshots`, models of the same structure from early to late, whose segments
    share the temperatures evenly.
    Raises `InputError` for an unknown method, a missing key, snapshots of another structure, an enumeration too large,
    or an energy of your own that is not linear in each layer.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0), scale=0.0)
    >>> print(hm.log_partition(rbm))
    log Z 6.24 ± 0.00 nats (exact, by enumeration)
    """
    require_linear(model)
    return row(model, key=key, **options)


@log_partition.register(ENERGY)
def _of_energy(
    model: EnergyModel, *, key: Key[Array, ""] | None = None, method: Method = "auto", data: Array | None = None,
    chains: int = 100, temperatures: int = 10_000, burn_in: int = 1000, snapshots: Sequence[EnergyModel] | None = None,
) -> Estimate:  # fmt: skip
    if method not in METHODS:
        raise InputError(f"There is no method '{method}' for log Z: choose one of {', '.join(METHODS)}.")
    if why := why_unbounded(model):  # no number, but a finished run still gets its report
        return _unbounded(why)
    if isinstance(model, KnownPartition) and method in ("auto", "exact"):
        value = float(model.known_log_partition())
        settings = {"log_partition": {"exact": round(value, 4)}}
        return Estimate(value, 0.0, "exact", "log_partition", value, value, True, "its formula", settings)
    model, less = near(model) if snapshots is None else (model, 0.0)
    if less:
        own = log_partition(model, key=key, method=method, data=data, chains=chains, temperatures=temperatures,
                            burn_in=burn_in, snapshots=snapshots)  # fmt: skip
        return dataclasses.replace(own, value=own.value + less, lower=own.lower + less, upper=own.upper + less)
    if method == "exact" or (method == "auto" and configurations(model) <= AUTO_LIMIT):
        return _exact(model)
    if key is None:
        raise InputError("Estimating log Z draws random numbers: pass key=jax.random.key(seed).")
    check_annealing(chains, temperatures, burn_in)
    clock = time.perf_counter()
    if method == "trajectory" and snapshots is None:
        snapshots = ()  # refused with the cure
    route = _route(model, snapshots, temperatures)
    back = method not in ("ais", "trajectory")
    runs = both_ways(model, route, fast_key(key), data, chains=chains, burn_in=burn_in, back=back)
    if method == "reverse_ais":
        runs = runs._replace(below={})
    settings = {"chains": chains, "temperatures": temperatures, "burn_in": burn_in, **route.settings}
    settings |= {"seed": key_data(key), "seconds": round(time.perf_counter() - clock, 2)}
    return _estimate(runs, settings, route.name)


@log_partition.register(BIDIRECTIONAL)
def _of_both_nets(
    model: BiHM, *, key: Key[Array, ""] | None = None, draws: int = DRAWS, guesses: int = GUESSES
) -> Estimate:
    return agreement(model, key, draws=draws, guesses=guesses)


def check_annealing(chains: int, temperatures: int, burn_in: int = 1) -> None:
    """Refuse numbers with which no annealing can be done.

    >>> check_annealing(chains=1, temperatures=100)
    Traceback (most recent call last):
    harmonium.errors.InputError: Annealing needs at least 2 chains, ...
    """
    if not whole(chains, least=2) or not whole(temperatures, burn_in):
        raise InputError(
            "Annealing needs at least 2 chains, 1 temperature and 1 step of burn-in, not "
            f"chains={chains}, temperatures={temperatures}, burn_in={burn_in}."
        )


def _exact(model: EnergyModel) -> Estimate:
    clock = time.perf_counter()
    value = float(exact_log_partition(model))
    settings = {"configurations": int(configurations(model)), "log_partition": {"exact": round(value, 4)}}
    settings["seconds"] = round(time.perf_counter() - clock, 2)
    if not math.isfinite(value):
        return _unbounded(why_unbounded(model) or f"the model cannot be normalised; {UNBOUNDED}")
    return Estimate(value, 0.0, "exact", "log_partition", value, value, True, "enumeration", settings)


def _unbounded(why: str) -> Estimate:
    """What is said of a model without a partition function."""
    settings = {"log_partition": {"exact": math.nan}, "seconds": 0.0}
    told = f"do not report: {why}"
    return Estimate(math.nan, 0.0, "unordered", "log_partition", method="enumeration", settings=settings, verdict=told)


# ---- annealing -----------------------------------------------------------------------------------------------


def _route(model: EnergyModel, snapshots: Sequence[EnergyModel] | None, temperatures: int) -> Route:
    if snapshots is None:
        up, down = partial(forward, model, steps=temperatures), partial(reverse, model, steps=temperatures)
        return Route(up, down, model, temperatures, "", {})
    path = training_path(model, snapshots, temperatures)
    up, down = partial(forward_along, path, steps=temperatures), partial(reverse_along, path, steps=temperatures)
    return Route(up, down, path[0], temperatures, " along snapshots of training", {"snapshots": len(path)})


def _estimate(runs: Runs, settings: dict[str, Any], along: str) -> Estimate:
    """The best of the bounds from below, and the most pessimistic of those from above."""
    ends = {}
    if runs.below:
        ends["lower"] = max((runs.below[name] for name in (OWN, BOTH)), key=lambda run: _end(run, -ERRORS))
    if runs.above:
        ends["upper"] = max(runs.above.values(), key=lambda run: _end(run, ERRORS))
    settings["effective_chains"] = {name: round(end.effective, 1) for name, end in ends.items()}
    settings["log_partition"] = {name: round(end.value, 4) for name, end in ends.items()}
    settings["runs"] = {
        side: {name: round(run.value, 4) for name, run in found.items()} for side, found in runs._asdict().items()
    }
    if len(ends) == 1:
        ((kind, end),) = ends.items()
        method = {"lower": f"AIS{along}", "upper": f"reverse AIS{along} from Gibbs chains"}[kind]
        bound = {kind: end.value}
        return Estimate(
            end.value, end.stderr, kind, "log_partition", method=method, settings=settings, verdict=ONE_SIDED, **bound
        )
    lower = min(ends["lower"].value - ERRORS * ends["lower"].stderr, ends["upper"].value)
    upper = max(ends["upper"].value + ERRORS * ends["upper"].stderr, ends["lower"].value)
    middle, error = (lower + upper) / 2, max(end.stderr for end in ends.values())
    return Estimate(
        middle, error, "interval", "log_partition", lower, upper, False, f"AIS and reverse AIS{along}", settings,
        verdict=_verdict(runs, upper - lower, min(end.effective for end in ends.values())),
    )  # fmt: skip


def _end(run: MeanWeight, errors: float) -> float:
    """Where a run ends, by which one is chosen: one whose weights are not finite is not passed over."""
    return run.value + errors * run.stderr if math.isfinite(run.value) else math.inf


def _verdict(runs: Runs, gap: float, effective: float) -> str:
    """That of an interval, unless its runs contradict each other."""
    if math.isfinite(gap):
        apart, high, low = runs.contradiction(ERRORS)
        if apart > GAP_LIMIT:
            return (
                f"do not report: the starts disagree by {apart:.3g} nats ({high} is the higher, {low} the lower), for "
                "chains do not pass between modes; use more temperatures"
            )
    return interval_verdict(gap, effective)
