"""Likelihood of belief nets: samples of the recognition model weighted by importance, and log Z of the top machine."""

from __future__ import annotations

import dataclasses
import math
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from harmonium.compiling import jit_entry
from harmonium.errors import InputError, shown, whole
from harmonium.evaluation.estimate import Estimate, standard_error
from harmonium.evaluation.partition import log_partition
from harmonium.evaluation.watch import Stage, tell
from harmonium.inference import configurations, exact_free_energy, variational_free_energy
from harmonium.models.directed import BeliefNet, log_prob_downwards, log_prob_upwards, upwards
from harmonium.rng import fast_key, key_data
from harmonium.samplers.ancestral import top_layer

ROWS = 250  # rows that are weighed at a time
HIDDEN_LIMIT = 2**12  # states of hidden layers that are enumerated for every row or sample


def belief_net_bound(
    net: BeliefNet, rows: np.ndarray, key: Key[Array, ""] | None, method: str, *, samples: int = 10, **options: Any
) -> Estimate:
    """A lower bound of `log p(v)` for each row `[n, size]`, and its mean, in nats.

        log p(v) >= E log (1/k) sum_i p(v, h_i) / q(h_i | v),       h_i ~ q(h | v)

    with `k` = `samples`: the variational bound of Salakhutdinov & Murray (2008) for `k = 1`, and tighter the larger it
    is (Burda, Grosse & Salakhutdinov 2016). The top machine is summed over its own hidden layer, and its `log Z` is
    estimated by `method` and `options`, as in `log_partition`; an interval counts with its upper end.
    """
    if method in ("raise", "csl"):
        raise InputError(f"The method '{method}' is for energy models: leave it out for {shown(net)}.")
    if method == "exact":
        raise InputError(
            f"The method 'exact' sums the states of energy models: leave it out for the bound of {shown(net)}."
        )
    if key is None:
        raise InputError("The bound of a belief net draws samples: pass key=jax.random.key(seed).")
    if not whole(samples):
        raise InputError(f"The bound needs at least one sample for each row, not samples={samples}.")
    clock = time.perf_counter()
    draw, top_key = jax.random.split(fast_key(key))
    unit = net.layers["v"]
    keys = jax.random.split(draw, len(rows))
    parts = []
    for i in range(0, len(rows), ROWS):
        some = unit.from_data(rows[i : i + ROWS])
        parts.append(np.asarray(_bounds(net, keys[i : i + ROWS], some, samples), np.float64))
        tell(Stage("importance weighting", min(i + ROWS, len(rows)), len(rows)))
    bound = np.concatenate(parts)
    reached = _upper_layer(net, keys[: 4 * ROWS], unit.from_data(rows[: 4 * ROWS]))
    log_z = log_partition(net.top, key=top_key, method=method, data=reached, **options)
    upper = log_z.value if log_z.kind == "exact" else log_z.upper
    shift = upper if math.isfinite(upper) else log_z.value
    settings = log_z.settings | {"samples": samples, "seed": key_data(key), "log_partition_stderr": log_z.stderr}
    settings["seconds"] = round(time.perf_counter() - clock, 2)
    value = float(bound.mean() - shift)
    known = math.isfinite(upper)
    name = "variational bound" if samples == 1 else f"importance-weighted bound, {samples} samples"
    return dataclasses.replace(
        log_z,
        value=value,
        stderr=math.hypot(standard_error(bound), log_z.stderr),
        kind="lower" if known else "unordered",
        quantity="log_likelihood",
        lower=value if known else -math.inf,
        upper=math.inf,
        sure=False,
        method=f"{name}; log Z of the top by {log_z.method}",
        settings=settings,
        n=len(bound),
        per_example=bound - shift,
    )


@jit_entry
def _bounds(net: BeliefNet, keys: Key[Array, "n"], v: Array, samples: int) -> Float[Array, "n"]:
    """`log (1/k) sum_i f(v, h_i) / q(h_i | v)` of each row, with the unnormalised probability of the top machine."""
    given = ("v",)
    exact = configurations(net.top, given) <= HIDDEN_LIMIT
    free_energy = exact_free_energy if exact else variational_free_energy

    def weight(key: Key[Array, ""], x: Array) -> Float[Array, ""]:
        values = upwards(net, key, x)
        top = -free_energy(net.top, {"v": values[top_layer(net)]})
        return log_prob_downwards(net, values) + top - log_prob_upwards(net, values)

    def row(key: Key[Array, ""], x: Array) -> Float[Array, ""]:
        log_w = jax.vmap(lambda k: weight(k, x))(jax.random.split(key, samples))
        return jax.nn.logsumexp(log_w) - jnp.log(samples)

    return jax.vmap(row)(keys, v)


@jit_entry
def _upper_layer(net: BeliefNet, keys: Key[Array, "n"], v: Array) -> Array:
    return jax.vmap(lambda k, x: upwards(net, k, x)[top_layer(net)])(keys, v)
