"""log Z by annealing both ways, from several bases and several starts, so that modes which some miss are told of.

Reverse AIS from starts with shares `q_m` of the modes, to a base from which forward chains reach them with shares
`pi_m` where the model has `p_m`, finds

    log Z - log sum_m q_m pi_m / p_m

in expectation: right where the starts are fair (`q = p`) or forward chains are (`pi = p`), an upper bound where those
two miss different modes, and too low by `-log p_m` where both know one mode alone. So no base is fitted to rows of
data that chains start from as well: all of them may lie in one mode.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from harmonium.data.check import as_numbers
from harmonium.evaluation.annealed import (
    MeanWeight,
    Weights,
    base_for,
    mean_weight,
    model_samples,
    neutral_base,
    own_samples,
    resampled,
)
from harmonium.evaluation.watch import Stage, tell
from harmonium.inference.marginals import as_rows
from harmonium.models import EnergyModel, Independent
from harmonium.samplers import State

OWN, NEUTRAL, BOTH = "own marginals", "neutral units", "both"  # where AIS starts
ENDS, CHAINS, DATA = "AIS", "chains", "rows"  # where reverse AIS starts
ROWS = 1000  # rows of data, at most, that reverse chains are drawn from


class Route(NamedTuple):
    """The way between base and model: `up(base, key, chains)`, `down(base, key, start)`, the `first` model after the
    base, its number of `steps`, and what an estimate says of it."""

    up: Callable[..., Weights]
    down: Callable[..., Weights]
    first: EnergyModel
    steps: int
    name: str
    settings: dict[str, Any]


class Runs(NamedTuple):
    """What was found of `log Z`: from `below` by AIS from each base and from both together, from `above` by reverse AIS
    from each set of starts (none, where only one side was asked for).

    >>> Runs({"both": mean_weight(np.zeros(4))}, {}).below["both"].value
    0.0
    """

    below: dict[str, MeanWeight]
    above: dict[str, MeanWeight]

    def contradiction(self, errors: float) -> tuple[float, str, str]:
        """How many nats some lower or upper end lies above an upper one, each moved by `errors` standard errors in
        favour of the two, and which runs these are.

        >>> at = lambda value: MeanWeight(value, 0.1, 50.0)
        >>> found, high, low = Runs({"both": at(7.0)}, {"AIS": at(7.1), "rows": at(4.0)}).contradiction(2.0)
        >>> round(found, 2), high, low
        (2.7, 'reverse AIS from AIS', 'reverse AIS from rows')
        """
        upper = {f"reverse AIS from {name}": run for name, run in self.above.items()}
        every = {f"AIS from {name}": run for name, run in self.below.items()} | upper
        high = max(every, key=lambda name: every[name].value - errors * every[name].stderr)
        low = min(upper, key=lambda name: upper[name].value + errors * upper[name].stderr)
        distance = every[high].value - upper[low].value - errors * (every[high].stderr + upper[low].stderr)
        return distance, high, low


def both_ways(
    model: EnergyModel, route: Route, key: Key[Array, ""], data: Array | None, *, chains: int, burn_in: int,
    back: bool = True,
) -> Runs:  # fmt: skip
    """`log Z` by AIS from two bases, and with `back` by reverse AIS from two sets of starts, or three with `data`.

    All runs have the same number of chains, so that they are one compiled program: forth `chains` and back twice as
    many would be, shared evenly.

    >>> import harmonium as hm
    >>> from functools import partial
    >>> from harmonium.evaluation.annealed import forward, reverse
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0), scale=0.0)
    >>> route = Route(partial(forward, rbm, steps=5), partial(reverse, rbm, steps=5), rbm, 5, "", {})
    >>> runs = both_ways(rbm, route, jax.random.key(1), None, chains=4, burn_in=2)
    >>> list(runs.below), list(runs.above)
    (['own marginals', 'neutral units', 'both'], ['AIS', 'chains'])
    >>> round(runs.below["neutral units"].value, 2)                     # the base is the model: 9 log 2
    6.24
    """
    draw, up, begin, down = jax.random.split(key, 4)
    number = 0 if not back else 2 if data is None else 3
    each = max(2, math.ceil((3 if back else 1) * chains / (2 + number)))
    did = _progress(back, burn_in + 2 * route.steps + number * (burn_in + route.steps))
    own = own_samples(route.first, draw, each, burn_in)["v"]
    did(burn_in, own)
    bases = {OWN: base_for(model, own), NEUTRAL: neutral_base(model)}
    forth = {}
    for i, (name, base) in enumerate(bases.items()):
        forth[name] = _absolute(route.up(base, jax.random.fold_in(up, i), each), base)
        did(route.steps)
    forth[BOTH] = _together(*forth.values())
    below = {name: mean_weight(weights.log_w) for name, weights in forth.items()}
    if not back:
        return Runs(below, {})
    above = {}
    for i, (name, start) in enumerate(_starts(model, begin, forth[BOTH], own, data, each).items()):
        walk, again = jax.random.split(jax.random.fold_in(down, i))
        weights = route.down(bases[OWN], walk, model_samples(model, again, start, burn_in))
        known = float(bases[OWN].log_partition())
        mean = mean_weight(np.asarray(weights.log_w, np.float64) - known)
        above[name] = mean._replace(value=-mean.value)
        did(burn_in + route.steps)
    return Runs(below, above)


def _absolute(weights: Weights, base: Independent) -> Weights:
    """Weights whose mean is `Z` and not `Z / Z_base`, in float64."""
    return weights._replace(log_w=np.asarray(weights.log_w, np.float64) + float(base.log_partition()))


def _together(*parts: Weights) -> Weights:
    ends = jax.tree.map(lambda *ends: jnp.concatenate(ends), *(part.end for part in parts))
    return Weights(np.concatenate([part.log_w for part in parts]), ends)


def _starts(
    model: EnergyModel, key: Key[Array, ""], forth: Weights, own: Array, data: Array | None, each: int
) -> dict[str, State]:
    """Where reverse chains start: the ends of AIS by their weight, chains from random states, and rows of data."""
    draw, pick = jax.random.split(key)
    starts = {ENDS: resampled(forth, draw, each), CHAINS: {"v": own}}
    if data is not None:
        rows = as_rows(model.layers["v"], as_numbers(data, "The rows to start from"))[:ROWS]
        model.layers["v"].check(rows)
        rows = model.layers["v"].from_data(rows)
        starts[DATA] = {"v": jax.random.choice(pick, rows, (each,), replace=each > len(rows))}
    return starts


def _progress(back: bool, total: float) -> Callable[..., None]:
    """What tells of so many more steps of all chains, out of `total`, once arrays are computed."""
    what, done = "AIS and reverse AIS" if back else "AIS", 0.0

    def did(more: float, after: Any = None) -> None:
        nonlocal done
        done += more
        tell(Stage(what, done, total), after)

    return did
