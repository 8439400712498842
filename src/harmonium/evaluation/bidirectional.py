"""Bidirectional Monte Carlo: between which ends the likelihood lies, on examples that the model drew itself.

A directed model that draws `x` draws the latent variables `h` with it, and these are an exact sample of the posterior
of `x`. Chains towards the posterior bound `log p(x)` from below, and chains away from that sample bound it from above
(Grosse, Ghahramani & Adams, *Sandwiching the marginal likelihood using bidirectional Monte Carlo*, 2015). What the gap
says of the chains holds for data as far as the model's own examples resemble data (Wu, Burda, Salakhutdinov & Grosse,
ICLR 2017).
"""

from __future__ import annotations

import time
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Key, PyTree

from harmonium.compiling import jit_entry
from harmonium.data import space_of
from harmonium.evaluation.annealed import mean_weight
from harmonium.evaluation.estimate import Estimate, interval_verdict, standard_error
from harmonium.evaluation.posterior_annealing import METHOD, annealed, check_annealed, settings_of
from harmonium.models import LatentModel
from harmonium.rng import fast_key

SIMULATED = f"{METHOD} and away from it, on simulated examples"


def simulated_interval(
    model: Any, key: Any, n: int = 100, *, chains: int = 16, temperatures: int = 500, leapfrog: int = 10,
    start: str = "guess",
) -> Estimate:  # fmt: skip
    """The interval, in expectation, in which the mean of `log p(x)` over `n` simulated examples lies, in nats.

        E log (1/c) sum_i w_i  <=  log p(x)  <=  -E log (1/c) sum_i w'_i,      x, h ~ p(x, h)

    with the weights `w` of chains from `q0` to the posterior, and `w'` of chains from `h` back to `q0` (Grosse,
    Ghahramani & Adams 2015; book, section 18.7). Arguments: `model`, a directed model of latent variables; `n`, how
    many examples; the others as of `hm.evaluation.posterior_annealing`. `per_example` holds the middles. Raises
    `InputError` as that does, and for fewer than one example.

    >>> import harmonium as hm, jax
    >>> net = hm.SigmoidBeliefNet(hm.units.Bernoulli(6), [hm.units.Bernoulli(2)], key=jax.random.key(0), scale=0.0)
    >>> found = simulated_interval(net, jax.random.key(1), 4, chains=10, temperatures=5)
    >>> found.kind, round(found.lower, 4), round(found.upper, 4)                             # -6 log 2
    ('interval', -4.1589, -4.1589)
    """
    check_annealed(model, key, start, n=n, chains=chains, temperatures=temperatures, leapfrog=leapfrog)
    clock = time.perf_counter()
    draw, walk = jax.random.split(fast_key(key))
    x, h = simulated(model, draw, n)
    rows = np.asarray(model.layers["v"].to_data(x))
    ends = annealed(model, walk, rows, h, chains, temperatures, leapfrog, start)
    lower = np.array([mean_weight(log_w).value for log_w in ends.forward])
    upper = np.array([-mean_weight(log_w).value for log_w in ends.backward])
    less = model.layers["v"].log_scale(rows)
    lower, upper = lower - less, upper - less
    middle, low, high = (lower + upper) / 2, float(lower.mean()), float(upper.mean())
    settings = settings_of(model, key, ends, chains, temperatures, leapfrog, start)
    settings["seconds"] = round(time.perf_counter() - clock, 2)
    return Estimate(
        float(middle.mean()), standard_error(middle), "interval", lower=low, upper=high, method=SIMULATED,
        settings=settings, space=space_of(rows), n=n, per_example=middle,
        verdict=interval_verdict(high - low, settings["effective_chains"]),
    )  # fmt: skip


@jit_entry
def simulated(model: LatentModel, key: Key[Array, ""], n: int) -> tuple[Array, PyTree]:
    """`n` examples `[n, size]` with their latent variables `[n, ...]` by layer, drawn from `p(x, h)`.

    >>> import harmonium as hm, jax
    >>> net = hm.SigmoidBeliefNet(hm.units.Bernoulli(6), [hm.units.Bernoulli(2)], key=jax.random.key(0))
    >>> x, h = simulated(net, jax.random.key(1), 4); x.shape, h["h"].shape
    ((4, 6), (4, 2))
    """
    return jax.vmap(model.simulate)(jax.random.split(key, n))
