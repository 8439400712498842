"""Estimators of gradients side by side on one belief net: bias, variance and cost, with enumeration as referee."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Key, PyTree

from harmonium import gradients as estimators
from harmonium.gradients import MovingAverage
from harmonium.models import SigmoidBeliefNet
from harmonium.nets import MLP
from harmonium.recipes.published.bars import SIDE, SITES, bars_and_stripes
from harmonium.recipes.published.gradients_picture import drawn
from harmonium.recipes.published.page import Protocol, Row
from harmonium.units import Bernoulli, Conditional

HIDDEN, STEPS, RATE, LAG = 8, 200, 0.03, 0.2  # of the net, and its training
SAMPLES = 8
RUNS, REPEATS = 25, 200  # gradients are counted in compiled runs of so many
IGNORANT = -SITES * float(np.log(2))  # the bound of a net without weights: a baseline known beforehand

Function = Callable[[Array], Float[Array, ""]]
Rule = Callable[[Function, Conditional, Key[Array, ""], Array], Float[Array, ""]]  # of f, q, a key and the pattern


class Entry(NamedTuple):
    """An estimator in the table: its draws for each pattern, what it does, and whether it is said to be biased."""

    samples: int
    rule: Rule
    biased: bool = False


class Bench(NamedTuple):
    """What estimators are compared on: a net, and the patterns `[n, sites]` over which its bound is averaged."""

    net: SigmoidBeliefNet
    patterns: Float[Array, "n sites"]

    def estimate(self, up: PyTree, key: Key[Array, ""], rule: Rule) -> Float[Array, ""]:
        """The mean over the patterns of what a rule makes of `f(h) = log p(x, h) - log q(h | x)`."""
        keys = jax.random.split(key, len(self.patterns))
        return jnp.mean(jax.vmap(lambda x, k: self.of_pattern(up, x, k, rule))(self.patterns, keys))

    def of_pattern(self, up: PyTree, x: Float[Array, "sites"], key: Key[Array, ""], rule: Rule) -> Float[Array, ""]:
        """The same of one pattern, with other recognition links `up`."""
        net = eqx.tree_at(lambda net: net.up, self.net, up)
        encoded = net.encode_features(x)

        def f(h: Array) -> Float[Array, ""]:
            return net.log_joint(x, {"h": h}) - net.log_q({"h": h}, encoded)

        return rule(f, Conditional(net.layers["h"], encoded), key, x)


def listed(f: Function, q: Conditional, key: Key[Array, ""], x: Array) -> Float[Array, ""]:
    """The bound itself, by its 256 hidden states.

    >>> import harmonium as hm
    >>> float(listed(jnp.sum, Conditional(hm.units.Bernoulli(2), jnp.zeros(2)), None, None))
    1.0
    """
    return estimators.exact(f, q)


def listed_pairs(f: Function, q: Conditional, key: Key[Array, ""], x: Array) -> Float[Array, ""]:
    """`E log (exp f(h) + exp f(h')) / 2`, the bound of two draws, by all pairs of states.

    >>> import harmonium as hm
    >>> q = Conditional(hm.units.Bernoulli(1), jnp.zeros(1))
    >>> round(float(listed_pairs(jnp.sum, q, None, None)), 4)               # (0 + 2 log((1 + e) / 2) + 1) / 4
    0.5601
    """
    return estimators.exact(lambda h: estimators.exact(lambda g: jnp.logaddexp(f(h), f(g)) - jnp.log(2.0), q), q)


def entries(average: MovingAverage, learned: MLP) -> dict[str, Entry]:
    """The table's lines: each with an equal number of draws, VIMCO (and its rival) with what its referee can list."""
    k, rules = SAMPLES, estimators

    def of_input(f: Function, q: Conditional, key: Key[Array, ""], x: Array) -> Float[Array, ""]:
        return rules.reinforce(f, q, key, samples=k, baseline=learned(x)[0])

    def plain(estimator: Callable[..., Float[Array, ""]], samples: int = k, **options: object) -> Rule:
        return lambda f, q, key, x: estimator(f, q, key, samples=samples, **options)

    normalised = {"baseline": average.value, "scale": average.scale}
    return {
        "REINFORCE": Entry(k, plain(rules.reinforce)),
        "constant baseline": Entry(k, plain(rules.reinforce, baseline=IGNORANT)),
        "moving average": Entry(k, plain(rules.reinforce, baseline=average.value)),
        "moving average, normalised": Entry(k, plain(rules.reinforce, **normalised), biased=True),
        "learned baseline of the input": Entry(k, of_input),
        "optimal baseline": Entry(k, plain(rules.optimal_baseline)),
        "leave-one-out": Entry(k, plain(rules.leave_one_out_reinforce)),
        "leave-one-out, 2 draws": Entry(2, plain(rules.leave_one_out_reinforce, 2)),
        "VIMCO, 2 draws": Entry(2, plain(rules.vimco, 2)),
        "straight-through": Entry(k, plain(rules.straight_through), biased=True),
        **{
            f"Gumbel-softmax, t = {t:g}": Entry(k, plain(rules.gumbel_softmax, temperature=t), biased=True)
            for t in (1.0, 0.5, 0.1)
        },
        "exact": Entry(2**HIDDEN, listed),
    }


# ---- the net, and the baselines that are learned ---------------------------------------------------------------


def trained_bench(key: Key[Array, ""]) -> Bench:
    """A belief net in the middle of its training, by exact gradients; its recognition links lag behind, as they do."""
    net = SigmoidBeliefNet(Bernoulli(SITES), [Bernoulli(HIDDEN)], key=key)
    patterns = jnp.asarray(bars_and_stripes(SIDE))
    params, static = eqx.partition(net, eqx.is_inexact_array)

    def loss(params: PyTree) -> Float[Array, ""]:
        net = eqx.combine(params, static)
        return -Bench(net, patterns).estimate(net.up, key, listed)

    lagging = eqx.tree_at(lambda net: net.up, jax.tree.map(lambda leaf: 1.0, params), replace_fn=_lagging)
    return Bench(eqx.combine(_descended(loss, params, STEPS, RATE, lagging), static), patterns)


def learned_baselines(bench: Bench, key: Key[Array, ""]) -> tuple[MovingAverage, MLP]:
    """The moving average of the bound over 50 steps, and a network of the pattern, fitted to 64 draws of each."""
    first, second, third = jax.random.split(key, 3)

    @jax.jit
    def signals(key: Key[Array, ""]) -> Float[Array, "n"]:
        one = lambda x, k: bench.of_pattern(bench.net.up, x, k, lambda f, q, key, x: f(q.sample(key)))  # noqa: E731
        return jax.vmap(one)(bench.patterns, jax.random.split(key, len(bench.patterns)))

    average = MovingAverage(0.9)
    for k in jax.random.split(first, 50):
        average = average.updated(signals(k))
    targets = jnp.mean(jax.vmap(signals)(jax.random.split(second, 64)), 0)
    params, static = eqx.partition(MLP([SITES, 32, 1], key=third, activation="tanh"), eqx.is_inexact_array)

    def loss(params: PyTree) -> Float[Array, ""]:
        return jnp.mean((jax.vmap(eqx.combine(params, static))(bench.patterns)[:, 0] - targets) ** 2)

    return average, eqx.combine(_descended(loss, params, 500, 0.02), static)


def _lagging(up: PyTree) -> PyTree:
    return jax.tree.map(lambda factor: LAG, up)


def _descended(
    loss: Callable[[PyTree], Float[Array, ""]], params: PyTree, steps: int, rate: float, factors: PyTree = None
) -> PyTree:
    """The parameters after so many steps of Adam, at the rate or at a factor times it of each array's own."""
    factors = jax.tree.map(lambda leaf: 1.0, params) if factors is None else factors
    optimizer = optax.adam(rate)

    def step(carry: tuple[PyTree, PyTree], _: None) -> tuple[tuple[PyTree, PyTree], None]:
        params, state = carry
        updates, state = optimizer.update(jax.grad(loss)(params), state)
        updates = jax.tree.map(jnp.multiply, updates, factors)
        return (optax.apply_updates(params, updates), state), None

    run = jax.jit(lambda params: jax.lax.scan(step, (params, optimizer.init(params)), None, length=steps)[0][0])
    return run(params)


# ---- measuring -------------------------------------------------------------------------------------------------


class Measured(NamedTuple):
    """Gradients of one estimator `[n, parameters]`, and the seconds that one of them takes."""

    gradients: np.ndarray
    seconds: float


def measured(bench: Bench, rule: Rule, key: Key[Array, ""], runs: int, repeats: int) -> Measured:
    """Gradients with respect to the recognition links, one after the other as in training, and the processor's time for
    one: of the fastest run, and without that of other programs."""
    start, unravel = jax.flatten_util.ravel_pytree(eqx.filter(bench.net.up, eqx.is_inexact_array))
    static = eqx.filter(bench.net.up, eqx.is_inexact_array, inverse=True)

    def step(at: Array, key: Key[Array, ""]) -> tuple[Array, Array]:
        slope = jax.grad(lambda at: bench.estimate(eqx.combine(unravel(at), static), key, rule))(at)
        return at + 0 * slope, slope  # each waits for the one before, or what does not change would be computed once

    keys = jax.random.split(key, (runs, repeats))
    run = jax.jit(lambda at, keys: jax.lax.scan(step, at, keys)[1]).lower(start, keys[0]).compile()
    found, seconds = [], []
    for some in keys:
        clock = time.process_time()
        found.append(np.asarray(run(start, some), np.float64))
        seconds.append((time.process_time() - clock) / repeats)
    return Measured(np.concatenate(found), min(seconds))


def numbers(found: Measured, truth: np.ndarray, unit: float) -> dict[str, float]:
    """Bias of the mean gradient with the error that noise gives it, variance, cost; relative to `truth` and `unit`.

    >>> two = Measured(np.array([[1.0, 3.0], [3.0, 3.0]]), 2.0)
    >>> {name: round(x, 3) for name, x in numbers(two, np.array([0.0, 4.0]), 4.0).items()}
    {'bias': 0.559, 'stderr': 0.25, 'variance': 0.125, 'cost': 0.5}
    """
    slopes, size = found.gradients, float(np.linalg.norm(truth))
    variance = float(slopes.var(0, ddof=1).sum())
    return {
        "bias": float(np.linalg.norm(slopes.mean(0) - truth)) / size,
        "stderr": float(np.sqrt(variance / len(slopes))) / size,
        "variance": variance / size**2,
        "cost": found.seconds / unit,
    }


def _gradient_estimators(seed: int, runs: int = RUNS, repeats: int = REPEATS) -> Iterator[Row]:
    first, second, third = jax.random.split(jax.random.key(seed), 3)
    bench = trained_bench(first)
    table = entries(*learned_baselines(bench, second))
    truths = {rule: measured(bench, rule, third, 1, 1).gradients[0] for rule in (listed, listed_pairs)}
    unit = 0.0
    for name, entry in table.items():
        clock = time.perf_counter()
        found = measured(bench, entry.rule, third, 1 if name == "exact" else runs, repeats)
        unit = unit or found.seconds
        values = numbers(found, truths[listed_pairs if name.startswith("VIMCO") else listed], unit)
        cells = (
            str(entry.samples), f"{values['bias']:.4f} ± {values['stderr']:.4f}", f"{values['variance']:.3g}",
            f"{values['cost']:.2f}",
        )  # fmt: skip
        yield Row(name, cells, values | {"biased": float(entry.biased)}, time.perf_counter() - clock)


PROTOCOLS = {
    "gradient-estimators": Protocol(
        "Estimators of gradients through binary units: bias, variance and cost, with enumeration as referee",
        f"A sigmoid belief net of {SITES} visible and {HIDDEN} hidden units, {STEPS} exact steps of Adam into learning "
        f"the 30 patterns of bars and stripes, its recognition links at {LAG:g} of the rate. The gradient is that of "
        "the bound, averaged over the patterns, with respect to the recognition links, by "
        "`f(h) = log p(x, h) - log q(h | x)` of all units together. "
        f"{RUNS * REPEATS:,} gradients of each estimator. *Bias*: the norm of the error of their mean, ± the norm that "
        "noise alone gives it, so that two equal numbers mean that no bias is encoded; *variance*: the trace of the "
        "covariance; both relative to the exact gradient (its squared norm), for VIMCO to that of the bound of two "
        "draws, listed by pairs of states. *Cost*: processor time of a gradient, that of REINFORCE being 1. The "
        f"constant is -{SITES} log 2, the bound of an empty net. Normalisation divides the signal by its deviation: "
        "the mean gradient is shorter, and points the same way. Reparametrization has no path through binary units.",
        _gradient_estimators,
        ("draws", "bias", "variance", "cost"),
        drawn,
        "Bias, variance and cost of each estimator of the gradient; bias and variance on logarithmic scales",
    ),
}  # fmt: skip
