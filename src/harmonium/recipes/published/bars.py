"""Every learning rule on bars and stripes, beside exact maximum likelihood (section 20.2)."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import numpy as np
import optax

from harmonium.data import from_arrays
from harmonium.evaluation import Estimate, log_likelihood
from harmonium.models import RBM, Centred, EnergyModel, Normalised
from harmonium.objectives import (
    CD,
    FPCD,
    NCE,
    PCD,
    MaximumLikelihood,
    Objective,
    PseudoLikelihood,
    RatioMatching,
    TemperedPCD,
    TrajectoryPCD,
    marginal_noise,
)
from harmonium.recipes.published.experiment import fitted
from harmonium.recipes.published.page import Result
from harmonium.units import Bernoulli

SIDE, HIDDEN, STEPS, COPIES = 4, 24, 60_000, 20
SITES = SIDE * SIDE


def plain(rbm: RBM) -> EnergyModel:
    """The machine itself, with nothing around it."""
    return rbm


def enhanced(rbm: RBM) -> EnergyModel:
    """The machine whose gradient is the enhanced one: centred, its offsets at the means of both phases of each step."""
    return Centred(rbm, rate=1.0, follow="both")


class Way(NamedTuple):
    """How one rule goes: what it is for a model and its data, its gradient steps, and how near it must come in nats."""

    rule: Callable[[EnergyModel, np.ndarray], Objective]
    optimizer: Callable[[], optax.GradientTransformation]
    tolerance: float
    wrap: Callable[[RBM], EnergyModel] = plain


def _adam(rate: float) -> Callable[[], optax.GradientTransformation]:
    return lambda: optax.adam(optax.cosine_decay_schedule(rate, STEPS))


def _decayed(rate: float, decay: float) -> Callable[[], optax.GradientTransformation]:
    """For rules that do not tell all machines apart on these patterns: a small one."""
    falling = optax.linear_schedule(rate, 0.0, STEPS)
    return lambda: optax.chain(optax.add_decayed_weights(decay), optax.sgd(falling))


BEST = Way(lambda m, x: MaximumLikelihood(), _adam(0.003), 0.0)
WAYS = {
    "CD-1": Way(lambda m, x: CD(1), _adam(0.0005), 2.0),
    "PCD-1": Way(lambda m, x: PCD(1), _adam(0.001), 0.3),
    "PCD-1, centred": Way(lambda m, x: PCD(1), _adam(0.0005), 0.3, Centred),
    "PCD-1, enhanced gradient": Way(lambda m, x: PCD(1), _adam(0.0005), 0.3, enhanced),
    "FPCD-1": Way(lambda m, x: FPCD(1), _adam(0.0015), 0.3),
    "tempered PCD-1, 10 temperatures": Way(lambda m, x: TemperedPCD(1), _adam(0.003), 0.05),
    "trajectory PCD-1, 10 snapshots": Way(lambda m, x: TrajectoryPCD(1), _adam(0.003), 0.05),
    "pseudo-likelihood": Way(lambda m, x: PseudoLikelihood(sites=SITES), _decayed(0.2, 1e-3), 1.0),
    "ratio matching": Way(lambda m, x: RatioMatching(sites=SITES), _decayed(0.5, 1e-4), 1.0),
    "noise-contrastive, 10 to 1": Way(lambda m, x: NCE(marginal_noise(m, x), ratio=10), _adam(0.01), 0.5, Normalised),
}


def about_bars() -> str:
    """What the page says of these runs."""
    return (
        f"Bars and stripes: {SITES} x {HIDDEN} units, {STEPS:,} steps of 30 patterns, averaged with decay 0.999; Adam "
        "along a cosine from a rate of each rule's own, for chains of one sweep must keep up with it: 0.003 (exact, "
        "tempered, trajectory), 0.0015 (FPCD), 0.001 (PCD), 0.0005 (CD, centred, enhanced), 0.01 (noise-contrastive). "
        "Patterns lie four "
        "flips apart, so the rules of single flips do not see how probability is shared among them: pseudo-likelihood "
        "and ratio matching go by SGD with weight decay (0.2 and 0.001; 0.5 and 0.0001)."
    )


def bars_and_stripes(side: int) -> np.ndarray:
    """Every picture of full rows, and every picture of full columns, once each (the two that are both, once).

    >>> len(bars_and_stripes(4))
    30
    """
    lines = np.array(list(itertools.product([0, 1], repeat=side)))
    rows = np.repeat(lines[:, :, None], side, axis=2)
    return np.unique(np.concatenate([rows, rows.swapaxes(1, 2)]).reshape(-1, side * side), axis=0).astype(np.float32)


def on_bars(seed: int) -> Iterator[Result]:
    """Exact maximum likelihood, and how far below it each rule ends."""
    x = bars_and_stripes(SIDE)
    best, took = _trained(BEST, x, seed)
    entropy, name = -math.log(len(x)), f"bars and stripes {SIDE}x{SIDE}"
    yield Result(f"{name}: exact maximum likelihood", best, f"no model can exceed {entropy:.4f}", took)
    for rule, way in WAYS.items():
        estimate, took = _trained(way, x, seed)
        gap = entropy - estimate.value
        met = "within" if gap <= way.tolerance else "OUTSIDE"
        reference = f"{gap:.3f} nats below the best possible: {met} its tolerance of {way.tolerance:g}"
        yield Result(f"{name}: {rule}", estimate, reference, took)


def _trained(way: Way, x: np.ndarray, seed: int) -> tuple[Estimate, float]:
    key = jax.random.key(seed)
    rbm = RBM(Bernoulli(SITES), Bernoulli(HIDDEN), key=jax.random.fold_in(key, 1), scale=0.1)
    model, data = way.wrap(rbm), from_arrays(np.tile(x, (COPIES, 1)))  # copies, so that a pass holds many steps
    clock = time.perf_counter()
    options = {"epochs": STEPS // COPIES, "batch_size": len(x), "average": 0.999}
    model = fitted(model, data, way.rule(model, x), optimizer=way.optimizer(), key=key, **options)
    took = time.perf_counter() - clock
    return log_likelihood(model, x, method="exact"), took
