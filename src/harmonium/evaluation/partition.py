"""`hm.log_partition`: exact when it can be, from both sides otherwise, and saying which."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from harmonium.errors import InputError, whole
from harmonium.evaluation.agreement import agreement
from harmonium.evaluation.annealed import (
    MeanWeight,
    Weights,
    base_for,
    forward,
    mean_weight,
    model_samples,
    own_samples,
    resampled,
    reverse,
)
from harmonium.evaluation.estimate import ONE_SIDED, Estimate, interval_verdict
from harmonium.evaluation.trajectory import forward_along, reverse_along, training_path
from harmonium.inference import configurations, exact_log_partition, require_linear
from harmonium.models import UNBOUNDED, BiHM, EnergyModel, require_model
from harmonium.rng import cheap, words
from harmonium.samplers import State

Method = Literal["auto", "exact", "ais", "reverse_ais", "two_sided", "trajectory"]
METHODS = ("auto", "exact", "ais", "reverse_ais", "two_sided", "trajectory")

AUTO_LIMIT = 2**21  # configurations up to which `auto` enumerates: seconds on two cores
ERRORS = 2.0  # standard errors by which the two ends of an interval are moved outwards
ROWS = 1000  # rows of data, at most, that the base's marginals are fitted to


def log_partition(
    model: EnergyModel | BiHM,
    *,
    key: Key[Array, ""] | None = None,
    method: Method = "auto",
    data: Array | None = None,
    chains: int = 100,
    temperatures: int = 10_000,
    burn_in: int = 1000,
    snapshots: Sequence[EnergyModel] | None = None,
) -> Estimate:
    """`log Z` of an energy model, in nats, as an `Estimate`.

    `exact` sums the largest block of layers out in closed form and enumerates the rest. `ais` is a lower bound in
    expectation, `reverse_ais` an upper one as far as its starting samples are exact: they come from `burn_in` Gibbs
    sweeps, once from the ends of AIS drawn again by weight and once from `data`, and the higher answer counts (a mode
    that one of the two misses then shows as a gap). `two_sided` runs both and returns the interval, its ends moved
    outwards by two standard errors. `auto` is exact up to 2^21 configurations and two-sided beyond. `trajectory` is
    AIS along `snapshots` of the training (Béreux et al. 2024); with them, the other methods take the same path.

    Of a bidirectional Helmholtz machine it is at most 0, and estimated by draws of its generative net, whatever the
    method.

    Arguments: `key`, needed by all but `exact`; `data` `[n, size]`, rows to fit the base's marginals to and to start
    from (default: samples of chains from random states); `chains`, parallel chains; `temperatures`, steps of the path;
    `snapshots`, models of the same structure from early to late, whose segments share the temperatures evenly.
    Raises `InputError` for an unknown method, a missing key, snapshots of another structure, an enumeration too large,
    or an energy of your own that is not linear in each layer.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0), scale=0.0)
    >>> print(hm.log_partition(rbm))
    log Z 6.24 ± 0.00 nats (exact, by enumeration)
    """
    require_model("hm.log_partition", model, EnergyModel, BiHM)
    require_linear(model)
    if method not in METHODS:
        raise InputError(f"There is no method '{method}' for log Z: choose one of {', '.join(METHODS)}.")
    if isinstance(model, BiHM):
        return agreement(model, key)
    if method == "exact" or (method == "auto" and configurations(model) <= AUTO_LIMIT):
        return _exact(model)
    if key is None:
        raise InputError("Estimating log Z draws random numbers: pass key=jax.random.key(seed).")
    check_annealing(chains, temperatures, burn_in)
    clock = time.perf_counter()
    if method == "trajectory" and snapshots is None:
        snapshots = ()  # refused with the cure
    route = _route(model, snapshots, temperatures)
    ends = _annealed(model, route, cheap(key), method, data, chains=chains, burn_in=burn_in)
    settings = {"chains": chains, "temperatures": temperatures, "burn_in": burn_in, **route.settings}
    settings |= {"seed": words(key), "seconds": round(time.perf_counter() - clock, 2)}
    return _estimate(ends, settings, route.name)


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
    if not math.isfinite(value):  # no number, but a finished run still gets its report
        verdict = f"do not report: the model cannot be normalised; {UNBOUNDED}"
        return Estimate(
            value, 0.0, "unordered", "log_partition", method="enumeration", settings=settings, verdict=verdict
        )
    return Estimate(value, 0.0, "exact", "log_partition", value, value, True, "enumeration", settings)


# ---- annealing -----------------------------------------------------------------------------------------------


class Route(NamedTuple):
    """The way between base and model: `up(base, key, chains)`, `down(base, key, start)`, the `first` model after the
    base, and what the estimate says of it."""

    up: Callable[..., Weights]
    down: Callable[..., Weights]
    first: EnergyModel
    name: str
    settings: dict[str, Any]


def _route(model: EnergyModel, snapshots: Sequence[EnergyModel] | None, temperatures: int) -> Route:
    if snapshots is None:
        up, down = partial(forward, model, steps=temperatures), partial(reverse, model, steps=temperatures)
        return Route(up, down, model, "", {})
    path = training_path(model, snapshots, temperatures)
    up, down = partial(forward_along, path, steps=temperatures), partial(reverse_along, path, steps=temperatures)
    return Route(up, down, path[0], " along snapshots of training", {"snapshots": len(path)})


def _annealed(
    model: EnergyModel, route: Route, key: Key[Array, ""], method: str, data: Array | None, *, chains: int,
    burn_in: int,
) -> dict[str, MeanWeight]:  # fmt: skip
    """`log Z` by each direction that the method asks for: `lower` from AIS, `upper` from reverse AIS."""
    draw, up, again, down, pick = jax.random.split(key, 5)
    dtype = model.layers["v"].dtype
    rows = own_samples(route.first, draw, chains, burn_in)["v"] if data is None else jnp.asarray(data[:ROWS], dtype)
    base = base_for(model, rows)
    known = float(base.log_partition())
    weights = route.up(base, up, chains)
    mean = mean_weight(weights.log_w)
    ends = {"lower": mean._replace(value=known + mean.value)}
    if method in ("ais", "trajectory"):
        return ends
    from_data = {"v": jax.random.choice(pick, rows, (chains,), replace=chains > len(rows))}
    starts = [resampled(weights, again), from_data]
    uppers = [_upper(model, partial(route.down, base), jax.random.fold_in(down, i), start, burn_in)
              for i, start in enumerate(starts)]  # fmt: skip
    highest = max(uppers, key=lambda end: end.value if math.isfinite(end.value) else math.inf)
    ends["upper"] = highest._replace(value=known + highest.value)
    return ends if method != "reverse_ais" else {"upper": ends["upper"]}


def _upper(
    model: EnergyModel, down: Callable[..., Weights], key: Key[Array, ""], start: State, burn_in: int
) -> MeanWeight:
    """`log Z / Z_base` by reverse AIS from Gibbs chains that start at `start`."""
    first, second = jax.random.split(key)
    samples = model_samples(model, first, start, burn_in)
    mean = mean_weight(down(second, samples).log_w)
    return mean._replace(value=-mean.value)


def _estimate(ends: dict[str, MeanWeight], settings: dict[str, Any], along: str) -> Estimate:
    settings["effective_chains"] = {name: round(end.effective, 1) for name, end in ends.items()}
    settings["log_partition"] = {name: round(end.value, 4) for name, end in ends.items()}
    effective = min(end.effective for end in ends.values())
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
    verdict = interval_verdict(upper - lower, effective)
    return Estimate(
        middle, error, "interval", "log_partition", lower, upper, False, f"AIS and reverse AIS{along}", settings,
        verdict=verdict,
    )  # fmt: skip
