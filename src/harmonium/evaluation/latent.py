"""Likelihood of directed nets: samples of latent variables weighted by importance, doubled until nothing changes."""

from __future__ import annotations

import math
import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree

from harmonium.compiling import jit_entry
from harmonium.data import space_of
from harmonium.errors import InputError, shown, whole
from harmonium.evaluation.estimate import Estimate, at_least_one, mean_estimate
from harmonium.evaluation.watch import Stage, tell
from harmonium.inference.latent import exact_log_prob, latent_count
from harmonium.models import BiHM, LatentModel
from harmonium.models.directed import half_of, net_of
from harmonium.models.kinds import BIDIRECTIONAL, is_kind
from harmonium.rng import fast_key, key_data

ROWS = 50  # rows weighed at a time
GUESSES = 50  # samples for each of them at a time, at most: together they are what the caches hold
NUMBERS = 2**21  # of visible units of all of these, at most
FIRST, MOST = 50, 6400  # samples for each row at the start of the doubling, and at its end at the latest
SETTLED = 0.05  # nats: a doubling that raises the bound by less was the last
RISING = 0.5  # nats: a bound that the last doubling raised by more says little of the likelihood
FEW_STATES = 2**10  # of latent variables, which are then summed


class Sums(NamedTuple):
    """Sums over the samples for each row, as logarithms `[n]`: of the weights, and of their squares."""

    weights: Float[Array, "n"]
    squares: Float[Array, "n"]


def summed_or_bounded(
    model: LatentModel, rows: np.ndarray, *, key: Key[Array, ""] | None, samples: int | None = None
) -> Estimate:
    """The exact likelihood where latent states are few and `samples` are not asked for, else `importance_bound`.

    >>> import harmonium as hm, jax
    >>> net = hm.SigmoidBeliefNet(hm.units.Bernoulli(6), [hm.units.Bernoulli(2)], key=jax.random.key(0), scale=0.0)
    >>> round(summed_or_bounded(net, np.ones((3, 6)), key=None).value, 4)                    # -6 log 2
    -4.1589
    """
    if samples is None and latent_count(model) <= FEW_STATES:
        return _summed(model, rows)
    return importance_bound(model, rows, key=key, samples=samples)


def summed_likelihood(model: LatentModel, rows: np.ndarray, *, key: Key[Array, ""] | None = None) -> Estimate:
    """The exact likelihood of rows `[n, size]` as a sum over latent states. Raises `InputError` for too many of them.

    >>> import harmonium as hm, jax
    >>> net = hm.SigmoidBeliefNet(hm.units.Bernoulli(6), [hm.units.Bernoulli(2)], key=jax.random.key(0), scale=0.0)
    >>> round(summed_likelihood(net, np.ones((3, 6))).value, 4)                              # -6 log 2
    -4.1589
    """
    if latent_count(model) > FEW_STATES:
        raise InputError(
            f"The method 'exact' sums at most {FEW_STATES:,} latent states, which {shown(model)} has more of (or real "
            "ones): leave it out for a lower bound."
        )
    return _summed(model, rows)


def importance_bound(
    model: LatentModel | BiHM, rows: np.ndarray, *, key: Key[Array, ""] | None, samples: int | None = None
) -> Estimate:
    """A lower bound of `log p(v)` for each row `[n, size]`, and its mean, in nats.

        log p(v) >= E log (1/k) sum_i p(v, h_i) / q(h_i | v),       h_i ~ q(h | v)                           # (20.80)

    (Burda, Grosse & Salakhutdinov 2016.) The encoder sees each row once. Arguments: `samples`, the number `k`
    (default: doubled from 50 until the mean bound rises by less than 0.05 nats, up to 6400). Of a bidirectional
    machine the bound is `2 log (1/k) sum_i sqrt(w_i)`, without its `log Z`, which is negative. Raises `InputError`
    without a key, or for fewer than one sample.

    >>> import harmonium as hm, jax
    >>> net = hm.SigmoidBeliefNet(hm.units.Bernoulli(6), [hm.units.Bernoulli(2)], key=jax.random.key(0), scale=0.0)
    >>> round(importance_bound(net, np.ones((3, 6)), key=jax.random.key(0), samples=5).value, 4)     # -6 log 2
    -4.1589
    """
    if key is None:
        raise InputError("The bound of a directed net draws samples: pass key=jax.random.key(seed).")
    if samples is not None and not whole(samples):
        at_least_one("The bound", samples=samples)
    return _by_importance(model, rows, key, samples)


def _summed(model: LatentModel, rows: np.ndarray) -> Estimate:
    """The exact likelihood."""
    clock, unit = time.perf_counter(), model.layers["v"]
    blocks = (unit.from_data(rows[i : i + ROWS]) for i in range(0, len(rows), ROWS))
    each = np.concatenate([np.asarray(_exact(model, block), np.float64) for block in blocks])
    method = "the sum over latent states" if len(model.layers) > 1 else "the chain rule"
    settings = {"seconds": round(time.perf_counter() - clock, 2)}
    return mean_estimate(each, "exact", method, settings, space_of(rows))


def _by_importance(model: LatentModel | BiHM, rows: np.ndarray, key: Key[Array, ""], samples: int | None) -> Estimate:
    clock, unit = time.perf_counter(), model.layers["v"]
    blocks = [unit.from_data(rows[i : i + ROWS]) for i in range(0, len(rows), ROWS)]
    encoded = [_look(model, block) for block in blocks]
    keys = jax.random.split(fast_key(key), len(blocks))
    sums = [Sums(jnp.full(len(block), -jnp.inf), jnp.full(len(block), -jnp.inf)) for block in blocks]
    done, rise, each = 0, math.inf, np.zeros(0)
    stages = _stages(samples)
    for target in stages:
        for i, (k, block, s) in enumerate(zip(keys, blocks, encoded, strict=True)):
            sums[i] = _more(model, jax.random.fold_in(k, done), block, s, sums[i], target - done)
            guessed = done * len(blocks) + (target - done) * (i + 1)
            tell(Stage("importance weighting", guessed, stages[-1] * len(blocks), samples is None), after=sums[i])
        total = np.concatenate([np.asarray(s.weights, np.float64) for s in sums])
        new = 1 / half_of(model) * (total - math.log(target))
        rise, each, done = (float(new.mean() - each.mean()) if done else math.inf), new, target
        if samples is None and rise < SETTLED:
            break
    effective = np.exp(np.concatenate([2 * s.weights - s.squares for s in sums]).astype(np.float64))
    settings = {"samples": done, "seed": key_data(key)}
    settings |= {"rise_of_last_doubling": round(rise, 4)} if math.isfinite(rise) else {}
    settings |= {"effective_samples": round(float(np.median(effective)), 1)}
    settings["seconds"] = round(time.perf_counter() - clock, 2)
    kind = "importance-weighted" if done > 1 else "variational"
    of = ", of both nets, log Z <= 0 left out" if is_kind(model, BIDIRECTIONAL) else ""
    method = f"{kind} bound, {done:,} sample{'s' if done > 1 else ''}{of}"
    return mean_estimate(each, "lower", method, settings, space_of(rows), verdict=_verdict(float(each.mean()), rise))


def _stages(samples: int | None) -> list[int]:
    """The numbers of samples after each of which the bound is looked at."""
    if samples is None:
        return [FIRST * 2**i for i in range(int(math.log2(MOST / FIRST)) + 1)]
    return [samples // 2, samples] if samples > 1 else [samples]


def _verdict(value: float, rise: float) -> str:
    if not math.isfinite(value):
        return "do not report: the weights are not finite"
    if math.isfinite(rise) and rise > RISING:
        return f"do not report: the last doubling of the samples raised the bound by {rise:.2f} nats; take more"
    return "trust"


@jit_entry
def _exact(model: LatentModel, rows: Array) -> Float[Array, "n"]:
    return jax.vmap(lambda x: exact_log_prob(model, x))(rows)


@jit_entry
def _look(model: LatentModel | BiHM, rows: Array) -> PyTree:
    return jax.vmap(model.encode_features)(rows)


@jit_entry
def _more(
    model: LatentModel | BiHM, key: Key[Array, ""], rows: Array, encoded: PyTree, sums: Sums, count: int
) -> Sums:  # fmt: skip
    """The sums after `count` more samples for each row, a few at a time."""
    net, half = net_of(model), half_of(model)

    def weights(k: Key[Array, ""], n: int) -> Float[Array, "rows n"]:
        keys = jax.random.split(k, (len(rows), n))
        one = jax.vmap(lambda k, x, s: net.importance_sample(k, x, s).log_weight, in_axes=(0, None, None))
        return half * jax.vmap(one)(keys, rows, encoded)

    def add(sums: Sums, k: Key[Array, ""], n: int) -> Sums:
        log_w = weights(k, n)
        more = (jax.nn.logsumexp(log_w, axis=1), jax.nn.logsumexp(2 * log_w, axis=1))
        return Sums(*(jnp.logaddexp(old, new) for old, new in zip(sums, more, strict=True)))

    at_once = max(1, min(GUESSES, NUMBERS // rows.size))
    whole_parts, rest = divmod(count, at_once)
    first, last = jax.random.split(key)
    if whole_parts:
        keys = jax.random.split(first, whole_parts)
        sums = jax.lax.scan(lambda s, k: (add(s, k, at_once), None), sums, keys)[0]
    return add(sums, last, rest) if rest else sums
