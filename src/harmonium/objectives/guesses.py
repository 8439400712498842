"""Samples of the recognition network for the rows of a batch: what rules for directed nets start from."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, Num

from harmonium.errors import InputError, shown, whole
from harmonium.models import LatentModel, WeightedSample
from harmonium.objectives.objective import Batch, Objective, require, rows_only
from harmonium.units import parts_of

SCORE_RULES = "NVIL, VIMCO, REINFORCE, WakeSleep or ReweightedWakeSleep"


def latent_rows(rule: Objective, model: Any, batch: Batch) -> Num[Array, "batch size"]:
    """The rows of a batch for a rule of directed nets. Raises `InputError` for another kind of model, or labels.

    >>> import harmonium as hm
    >>> latent_rows(hm.objectives.ELBO(), "a text", jax.numpy.ones((2, 3)))
    Traceback (most recent call last):
    harmonium.errors.InputError: ELBO trains a directed net with latent variables (a VAE, ...), not 'a text': choose ...
    """
    require(rule, model)
    return rows_only(rule, batch)


def check_samples(rule: Objective, samples: Any, least: int = 1) -> None:
    """Refuse a number of samples for each row with which a rule has nothing to do.

    >>> import harmonium as hm
    >>> hm.objectives.VIMCO(samples=1)
    Traceback (most recent call last):
    harmonium.errors.InputError: VIMCO needs at least 2 samples for each row, not samples=1: each is held against ...
    """
    if whole(samples, least=least):
        return
    if least > 1:
        raise InputError(
            f"{type(rule).__name__} needs at least {least} samples for each row, not samples={shown(samples)}: each is "
            f"held against the others, so give samples={least} or more."
        )
    raise InputError(
        f"{type(rule).__name__} needs at least one sample for each row, not samples={shown(samples)}: give samples=1 "
        "or more."
    )


def refuse_discrete(rule: Objective, model: LatentModel) -> None:
    """Refuse latent units that have no path of differentiation, and say which rules take them.

    >>> import harmonium as hm, jax
    >>> net = hm.HelmholtzMachine(hm.units.Bernoulli(3), [hm.units.Bernoulli(2)], key=jax.random.key(0))
    >>> refuse_discrete(hm.objectives.ELBO(), net)
    Traceback (most recent call last):
    harmonium.errors.InputError: ELBO differentiates along the path to real latent variables, and layer h of ...
    """
    layers = list(model.layers.items())[1:]
    finite = [(name, part) for name, unit in layers for part, _ in parts_of(unit) if not part.has_density]
    if finite:
        name, unit = finite[0]
        raise InputError(
            f"{type(rule).__name__} differentiates along the path to real latent variables, and layer {name} of this "
            f"{type(model).__name__} has {type(unit).__name__} units: train it by {SCORE_RULES}."
        )


def path_weights(
    rule: Objective, model: Any, batch: Batch, key: Key[Array, ""], samples: int
) -> Float[Array, "batch samples"]:
    """`log w` of `samples` `h ~ q(h | x)` for each row, differentiable along their path; the encoder sees a row once.

    Raises `InputError` for a model of another kind, labels, or discrete latent units.
    """
    rows = latent_rows(rule, model, batch)
    refuse_discrete(rule, model)

    def one(keys: Key[Array, "k"], x: Array) -> Float[Array, "k"]:
        encoded = model.encode_features(x)
        return jax.vmap(lambda k: model.importance_sample(k, x, encoded).log_weight)(keys)

    return jax.vmap(one)(jax.random.split(key, (len(rows), samples)), rows)


def constant(model: LatentModel, rows: Num[Array, "n size"], key: Key[Array, ""], samples: int) -> WeightedSample:
    """`samples` `h ~ q(h | x)` of each row, `[n, samples]`, held constant: their log-probabilities alone are functions
    of the parameters."""
    stop = jax.lax.stop_gradient

    def one(keys: Key[Array, "k"], x: Array) -> WeightedSample:
        encoded = model.encode_features(x)

        def guessed(k: Key[Array, ""]) -> WeightedSample:
            latents = stop(model.sample_posterior(k, stop(encoded)))
            return WeightedSample(latents, model.log_joint(x, latents), model.log_q(latents, encoded))

        return jax.vmap(guessed)(keys)

    return jax.vmap(one)(jax.random.split(key, (len(rows), samples)), rows)


def dreams(model: LatentModel, key: Key[Array, ""], n: int) -> Float[Array, "n"]:
    """`log q(h | x)` of each of `n` pairs drawn from `p(x, h)`, these held constant."""

    def one(k: Key[Array, ""]) -> Float[Array, ""]:
        x, latents = jax.lax.stop_gradient(model.simulate(k))
        return model.log_q(latents, model.encode_features(x))

    return jax.vmap(one)(jax.random.split(key, n))


def log_mean_exp(log_weights: Float[Array, "n k"]) -> Float[Array, "n"]:
    """`log (1/k) sum_i w_i` of each row.

    >>> log_mean_exp(jax.numpy.zeros((1, 3)))
    Array([0.], dtype=float32)
    """
    return jax.nn.logsumexp(log_weights, axis=1) - jnp.log(log_weights.shape[1])
