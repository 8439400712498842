"""log Z of a bidirectional Helmholtz machine: how far its two nets agree."""

from __future__ import annotations

import math
import time

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from harmonium.compiling import jit_entry
from harmonium.errors import InputError
from harmonium.evaluation.estimate import SAMPLE_LIMIT, Estimate, at_least_one
from harmonium.models import BiHM
from harmonium.rng import fast_key, key_data

DRAWS, GUESSES = 10_000, 10  # from the generative net, and from the recognition net for each of them
AT_ONCE = 500  # draws at a time
ERRORS = 2.0  # standard errors by which the lower end is moved outwards


def agreement(model: BiHM, key: Key[Array, ""] | None, *, draws: int = DRAWS, guesses: int = GUESSES) -> Estimate:
    """`log Z` of a bidirectional Helmholtz machine, from draws of its generative net, as an `Estimate`.

        Z^2 = sum_x (sum_h sqrt(p(x, h) q(h | x)))^2 = E_{x, h ~ p} [ sqrt(q(h | x) / p(x, h)) E_{h' ~ q} sqrt(p(x, h')
              / q(h' | x)) ] <= 1

    (Bornschein, Shabanian, Fischer & Bengio, ICML 2016.) The logarithm of a mean is too small in expectation, and
    `log Z` is surely no more than 0: an interval, its lower end moved outwards by two standard errors.
    Arguments: `draws` of `x` and `h`; `guesses` `h'` for each. Raises `InputError` without a key, or for
    numbers below 1.

    >>> import harmonium as hm, jax
    >>> model = hm.BiHM(hm.units.Bernoulli(6), [hm.units.Bernoulli(4)], key=jax.random.key(0))
    >>> agreement(model, jax.random.key(1), draws=500).upper
    0.0
    """
    if key is None:
        raise InputError("Estimating log Z draws random numbers: pass key=jax.random.key(seed).")
    at_least_one("The log Z of a bidirectional machine", draws=draws, guesses=guesses)
    clock = time.perf_counter()
    keys = jax.random.split(fast_key(key), math.ceil(draws / AT_ONCE))
    log_w = np.concatenate([np.asarray(_weights(model, k, guesses), np.float64) for k in keys])[:draws]
    top = log_w.max()
    w = np.exp(log_w - top)
    estimate = 0.5 * (top + math.log(w.mean()))
    stderr = float(0.5 * w.std(ddof=1) / (w.mean() * math.sqrt(len(w)))) if len(w) > 1 else math.inf
    lower = min(estimate - ERRORS * stderr, 0.0)
    effective = float(w.sum() ** 2 / (w**2).sum())
    settings = {"draws": draws, "guesses": guesses, "log_partition": {"sampled": round(estimate, 4)}}
    settings |= {"effective_samples": round(effective, 1), "seed": key_data(key)}
    settings["seconds"] = round(time.perf_counter() - clock, 2)
    few = f"do not report: only {effective:.1f} effective draws; the nets disagree, so train them longer"
    return Estimate(
        lower / 2, stderr, "interval", quantity="log_partition", lower=lower, upper=0.0,
        method="draws of the generative net", settings=settings,
        verdict="trust" if effective >= SAMPLE_LIMIT else few,
    )  # fmt: skip


@jit_entry
def _weights(model: BiHM, key: Key[Array, ""], guesses: int) -> Float[Array, "draws"]:
    """`log` of what is averaged, of `AT_ONCE` draws."""

    def one(k: Key[Array, ""]) -> Float[Array, ""]:
        draw, guess = jax.random.split(k)
        x, latents = model.net.simulate(draw)
        encoded = model.encode_features(x)
        own = 0.5 * (model.net.log_q(latents, encoded) - model.net.log_joint(x, latents))
        others = jax.vmap(lambda k: model.log_half_weight(k, x, encoded))(jax.random.split(guess, guesses))
        return own + jax.nn.logsumexp(others) - jnp.log(guesses)

    return jax.vmap(one)(jax.random.split(key, AT_ONCE))
