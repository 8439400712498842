"""What a directed net of latent variables should obey: its joint law, its guesses, their bound, and its gradients."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Key, PyTree

from harmonium.compiling import jit_entry
from harmonium.models import BiHM, LatentModel, trainable
from harmonium.objectives import Bidirectional, Objective, ReweightedWakeSleep
from harmonium.samplers import sample
from harmonium.testing.chains import count_states
from harmonium.testing.enumeration import Values, evaluate
from harmonium.testing.learning import refuse_idle
from harmonium.testing.quadrature import listed
from harmonium.testing.statistics import agree, matches_law, matches_means
from harmonium.testing.structure import generator
from harmonium.testing.tractable import grid_of

TOLERANCE = 1e-4
SAMPLES = 2**12
ROWS = 64  # examples from which gradients are taken
ABOVE = 1e-5  # nats by which rounding may put a bound above what it bounds
LIKELY = 1e-6  # of the largest: cells of real values with less mass are left out, where nets are asked beyond any data


class Law(NamedTuple):
    """Values of `v` `[n, size]`, of the latent layers `[m, size]` by name, and the logarithms `[n, m]` of the masses
    `p(v, h)` and `q(h | v)` of each pair; real units lie on a grid, whose cells the masses are of."""

    v: np.ndarray
    latents: Values
    log_joint: np.ndarray
    log_q: np.ndarray


def check_joint_law(model: LatentModel, key: Key[Array, ""] | None = None) -> None:
    """`sum_{v, h} p(v, h) = 1`, and `simulate` draws from it: all states by chi-square; where there are real units, the
    score `grad log p(v, h)` has the mean zero.

    >>> import harmonium as hm, jax
    >>> check_joint_law(hm.SigmoidBeliefNet(hm.units.Bernoulli(3), [hm.units.Spin(2)], key=jax.random.key(0)))
    """
    law = exact_law(model)
    agree(np.exp(_log_sum(law.log_joint, axis=None)), 1.0, TOLERANCE, "The sum of all joint probabilities")
    keys = jax.random.split(jax.random.key(11) if key is None else key, SAMPLES)
    v, latents = jax.tree.map(np.asarray, _simulated(model, keys))
    if _finite(model):
        counts = count_states(_pairs(law), {"v": v, **latents})
        matches_law(counts, np.exp(law.log_joint).ravel(), "Simulated pairs")
    else:
        scores = _flat(_joint_scores(model, v, latents))
        scores = scores[:, np.abs(scores).max(axis=0) > 0]  # of the parameters of `p` alone
        matches_means(scores, np.zeros(scores.shape[1]), "The score of simulated pairs")


def check_guesses(model: LatentModel, key: Key[Array, ""] | None = None) -> None:
    """`sum_h q(h | v) = 1` for every `v`, `sample_posterior` draws from it, and `importance_sample` gives both
    log-probabilities of its draw.

    >>> import harmonium as hm, jax
    >>> check_guesses(hm.SigmoidBeliefNet(hm.units.Bernoulli(3), [hm.units.Spin(2)], key=jax.random.key(0)))
    """
    law = _of_likely(exact_law(model))
    agree(np.exp(_log_sum(law.log_q, axis=1)), np.ones(len(law.v)), TOLERANCE, "Recognition, summed")
    likely = np.exp(_log_sum(law.log_joint, axis=1))
    likely /= likely.sum()
    which = generator(key).choice(len(law.v), SAMPLES, p=likely)
    keys = jax.random.split(jax.random.key(12) if key is None else key, SAMPLES)
    weighed, again = jax.tree.map(np.asarray, _weighed(model, keys, law.v[which]))
    agree(weighed.log_joint, again[0], TOLERANCE, "The joint log-probability of a weighed guess")
    agree(weighed.log_q, again[1], TOLERANCE, "The log-probability of a weighed guess")
    guesses = jax.tree.map(np.asarray, _guesses(model, keys, law.v[which]))
    for latents, what in ((guesses, "Guesses"), (weighed.latents, "WeightedSample guesses")):
        if _finite(model):
            counts = count_states(_pairs(law), {"v": law.v[which], **latents})
            matches_law(counts, (likely[:, None] * np.exp(law.log_q)).ravel(), what, share=0.5)
        else:
            scores = _flat(_guess_scores(model, law.v[which], latents))
            scores = scores[:, np.abs(scores).max(axis=0) > 0]  # of the parameters of `q` alone
            matches_means(scores, np.zeros(scores.shape[1]), f"The score of {what.lower()}", share=0.5)


def check_bound(model: LatentModel, key: Key[Array, ""] | None = None) -> None:
    """`E_q[log p(v, h) - log q(h | v)] <= log p(v)` for every `v`: a divergence is never negative.

    >>> import harmonium as hm, jax
    >>> check_bound(hm.SigmoidBeliefNet(hm.units.Bernoulli(3), [hm.units.Spin(2)], key=jax.random.key(0)))
    """
    law = _of_likely(exact_law(model))
    exact = _log_sum(law.log_joint, axis=1)
    gap = np.sum(np.exp(law.log_q) * (law.log_q - law.log_joint), axis=1) + exact
    if not (gap >= -ABOVE).all():
        raise AssertionError(f"The bound is {-gap.min():.3g} nats above the log-likelihood.")


def check_gradients_reach_both_nets(model: LatentModel, key: Key[Array, ""] | None = None) -> None:
    """The gradient of reweighted wake-sleep is finite, and not zero in any trainable array.

    >>> import harmonium as hm, jax
    >>> net = hm.SigmoidBeliefNet(hm.units.Bernoulli(3), [hm.units.Spin(2)], key=jax.random.key(0))
    >>> check_gradients_reach_both_nets(net)
    """
    _refuse_idle(ReweightedWakeSleep(samples=3), model, key)


def check_bidirectional(model: BiHM, key: Key[Array, ""] | None = None) -> None:
    """`Z^2 = sum_v (sum_h sqrt(p(v, h) q(h | v)))^2 <= 1`, half weights have that inner sum as their mean, and the
    gradient of the rule reaches every trainable array; of finite layers.

    >>> import harmonium as hm, jax
    >>> check_bidirectional(hm.BiHM(hm.units.Bernoulli(3), [hm.units.Spin(2)], key=jax.random.key(0)))
    """
    key = jax.random.key(14) if key is None else key
    _refuse_idle(Bidirectional(samples=3), model, key)
    law = exact_law(model.net)
    half = np.exp(_log_sum(0.5 * (law.log_joint + law.log_q), axis=1))
    if np.sum(half**2) > 1 + ABOVE:
        raise AssertionError(f"The partition function of a bidirectional machine is {np.sum(half**2) ** 0.5:.4g} > 1.")
    found = np.exp(np.asarray(_half_weights(model, jax.random.split(key, SAMPLES), law.v), np.float64))
    matches_means(found, half, "Half weights")


def exact_law(model: LatentModel) -> Law:
    """Both laws on every state of the finite layers and a grid of the real units.

    >>> import harmonium as hm, jax
    >>> net = hm.SigmoidBeliefNet(hm.units.Bernoulli(3), [hm.units.Spin(2)], key=jax.random.key(0))
    >>> exact_law(net).log_joint.shape
    (8, 4)
    """
    (_, visible), *hidden = model.layers.items()
    v, cell = grid_of([visible])
    joined, latent_cell = grid_of([unit for _, unit in hidden])
    n, m = len(v), len(joined)
    parts = np.split(joined, np.cumsum([unit.size for _, unit in hidden])[:-1], axis=1) if hidden else []
    v = v.astype(visible.dtype)
    latents = {name: part.astype(unit.dtype) for (name, unit), part in zip(hidden, parts, strict=True)}
    law = Law(v, latents, np.zeros((n, m)), np.zeros((n, m)))
    log_joint, log_q = (x.astype(np.float64).reshape(n, m) for x in evaluate(_log_probs, model, _pairs(law)))
    return law._replace(log_joint=log_joint + cell[:, None] + latent_cell, log_q=log_q + latent_cell)


def _pairs(law: Law) -> Values:
    """Each value of `v` beside each of the latent layers."""
    n, m = law.log_joint.shape
    return {"v": np.repeat(law.v, m, axis=0)} | {name: np.tile(x, (n, 1)) for name, x in law.latents.items()}


def _of_likely(law: Law) -> Law:
    """The law of the values of `v` that have mass to speak of."""
    mass = _log_sum(law.log_joint, axis=1)
    kept = mass >= mass.max() + np.log(LIKELY)
    return law._replace(v=law.v[kept], log_joint=law.log_joint[kept], log_q=law.log_q[kept])


def _finite(model: LatentModel) -> bool:
    return all(listed(unit) is not None for unit in model.layers.values())


def _flat(tree: PyTree) -> np.ndarray:
    leaves = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(tree)]
    return np.hstack([leaf.reshape(len(leaf), -1) for leaf in leaves])


def _log_sum(x: np.ndarray, axis: int | None) -> np.ndarray:
    return np.logaddexp.reduce(x, axis=axis)


def _refuse_idle(rule: Objective, model: LatentModel | BiHM, key: Key[Array, ""] | None) -> None:
    key = jax.random.key(13) if key is None else key
    refuse_idle(_slope(rule, model, key, sample(model, key, ROWS)))


@jit_entry
def _log_probs(model: LatentModel, pairs: PyTree) -> tuple[Array, Array]:
    def one(pair: PyTree) -> tuple[Array, Array]:
        x, latents = pair["v"], {name: value for name, value in pair.items() if name != "v"}
        return model.log_joint(x, latents), model.log_q(latents, model.encode_features(x))

    return jax.vmap(one)(pairs)


@jit_entry
def _simulated(model: LatentModel, keys: Key[Array, "n"]) -> PyTree:
    return jax.vmap(model.simulate)(keys)


@jit_entry
def _guesses(model: LatentModel, keys: Key[Array, "n"], v: Array) -> PyTree:
    return jax.vmap(lambda k, x: model.sample_posterior(k, model.encode_features(x)))(keys, v)


@jit_entry
def _weighed(model: LatentModel, keys: Key[Array, "n"], v: Array) -> PyTree:
    """Guesses as they are weighed, and their log-probabilities asked for again."""

    def one(k: Key[Array, ""], x: Array) -> PyTree:
        encoded = model.encode_features(x)
        weighed = model.importance_sample(k, x, encoded)
        return weighed, (model.log_joint(x, weighed.latents), model.log_q(weighed.latents, encoded))

    return jax.vmap(one)(keys, v)


@jit_entry
def _half_weights(model: BiHM, keys: Key[Array, "n"], v: Array) -> Array:
    return jax.vmap(lambda k: jax.vmap(lambda x: model.log_half_weight(k, x, model.encode_features(x)))(v))(keys)


@jit_entry
def _joint_scores(model: LatentModel, v: Array, latents: PyTree) -> PyTree:
    """Gradients of `log p(v, h)` in every array, those that are not learned among them."""
    slope = eqx.filter_grad(lambda m, x, h: m.log_joint(x, h))
    return jax.vmap(lambda x, h: slope(model, x, h))(v, latents)


@jit_entry
def _guess_scores(model: LatentModel, v: Array, latents: PyTree) -> PyTree:
    slope = eqx.filter_grad(lambda m, x, h: m.log_q(h, m.encode_features(x)))
    return jax.vmap(lambda x, h: slope(model, x, h))(v, latents)


@jit_entry
def _slope(rule: Objective, model: LatentModel | BiHM, key: Key[Array, ""], rows: Array) -> PyTree:
    learned, rest = eqx.partition(model, trainable(model))
    return jax.grad(lambda part: rule(eqx.combine(part, rest), rows, key, None)[0])(learned)
