"""Protocol of machines of real data on patches of natural images (section 20.5), beside distributions without hidden
units: what their covariances, and their heavy tails, are worth."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
import optax
from scipy.optimize import minimize
from scipy.special import gammaln

from harmonium.data import Dataset, load
from harmonium.evaluation import Estimate, log_likelihood
from harmonium.evaluation.estimate import mean_estimate
from harmonium.models import (
    RBM,
    S3C,
    AffineGenerator,
    MeanCovarianceRBM,
    MeanProductOfStudentT,
    ProductOfStudentT,
    SpikeSlabRBM,
)
from harmonium.objectives import PCD, Objective, Variational
from harmonium.recipes.optimizers import annealed
from harmonium.recipes.published.experiment import BATCH, fitted
from harmonium.recipes.published.page import Protocol, Result
from harmonium.samplers import sample
from harmonium.units import Bernoulli, Gaussian, SpikeSlab

DIMENSIONS, HIDDEN, CAUSES, MEANS = 36, 144, 72, 36
CLIP = 10.0  # norm of the gradient
SWEEPS = 300  # of a chain from each training patch


@dataclass(frozen=True)
class Machine:
    """How one machine is made and trained, the temperatures of its estimate, and what is asked over the Gaussian."""

    make: Callable[[Any], Any]
    rate: float
    epochs: int
    temperatures: int
    required: str
    rule: Objective = field(default_factory=lambda: PCD(1, 100))


MACHINES = {
    "Gaussian-Bernoulli RBM, 144 hidden units": Machine(
        lambda key: RBM(Gaussian(DIMENSIONS), Bernoulli(HIDDEN), key=key), 0.003, 30, 1000, "0"
    ),
    "S3C, 72 causes": Machine(
        lambda key: S3C(Gaussian(DIMENSIONS), SpikeSlab(CAUSES), key=key), 0.01, 40, 0, "+8", Variational(8)
    ),
    "PoT, 144 experts": Machine(
        lambda key: ProductOfStudentT(Gaussian(DIMENSIONS), HIDDEN, key=key), 0.005, 60, 10_000, "+12"
    ),
    "mPoT, 144 experts and 36 mean units": Machine(
        lambda key: MeanProductOfStudentT(Gaussian(DIMENSIONS), MEANS, HIDDEN, key=key), 0.005, 60, 10_000, ""
    ),
    "spike-and-slab RBM, 144 spikes": Machine(
        lambda key: SpikeSlabRBM(Gaussian(DIMENSIONS), SpikeSlab(HIDDEN), key=key), 0.003, 40, 120_000, "+13"
    ),
    "mcRBM, 144 factors, 144 covariance and 36 mean units": Machine(
        lambda key: MeanCovarianceRBM(Gaussian(DIMENSIONS), MEANS, HIDDEN, key=key), 0.003, 60, 12_000, "+17"
    ),
}


def _patches36(seed: int) -> Iterator[Result]:
    data = load("patches", seed=seed)
    rows = np.asarray(data.train, np.float64)
    clock = time.perf_counter()
    gaussian = log_likelihood(AffineGenerator.from_moments(rows.mean(axis=0), np.cov(rows.T)), data)
    yield Result("full Gaussian", gaussian, "the zero of the lines below", time.perf_counter() - clock)
    clock = time.perf_counter()
    student = student_t(data)
    above = f"{student.value - gaussian.value:+.2f} over the Gaussian: the patches' contrast alone"
    yield Result("multivariate Student-t, two numbers", student, above, time.perf_counter() - clock)
    for name, machine in MACHINES.items():
        yield _measured(name, machine, data, gaussian, seed)


def _measured(name: str, machine: Machine, data: Dataset, gaussian: Estimate, seed: int) -> Result:
    clock, key = time.perf_counter(), jax.random.key(seed)
    model = fitted(
        machine.make(jax.random.fold_in(key, 1)), data, machine.rule, epochs=machine.epochs, key=key, average=0.999,
        optimizer=optax.chain(
            optax.clip_by_global_norm(CLIP), annealed(machine.rate, machine.epochs * data.steps_per_epoch(BATCH))
        ),
    )  # fmt: skip
    trained = time.perf_counter() - clock
    options = {"method": "two_sided", "chains": 100, "temperatures": machine.temperatures, "burn_in": 500}
    found = log_likelihood(model, data, key=key, **(options if machine.temperatures else {}))
    ends = [found.lower, found.upper] if math.isfinite(found.upper) else [found.lower]
    above = " to ".join(f"{end - gaussian.value:+.2f}" for end in ends)
    rows = np.asarray(data.train)
    off = covariance_error(
        np.asarray(sample(model, jax.random.key(seed + 1), len(rows), steps=SWEEPS, start=rows)), rows
    )
    required = f"; required: {machine.required}" if machine.required else ""
    reference = f"{above} over the Gaussian{required}; covariance of samples off by {100 * off:.0f} %"
    return Result(f"{name}, {machine.epochs} epochs in {trained:.0f} s", found, reference, time.perf_counter() - clock)


def covariance_error(drawn: np.ndarray, rows: np.ndarray) -> float:
    """By how much the covariance of samples differs from that of rows, relative to it, in Frobenius norm.

    >>> covariance_error(np.eye(3), np.eye(3))
    0.0
    """
    ours, theirs = np.cov(drawn.T), np.cov(rows.T)
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def student_t(data: Dataset) -> Estimate:
    """The exact test log-likelihood of the spherical Student-t distribution that fits training rows best."""
    train, test = np.asarray(data.train, np.float64), np.asarray(data.test, np.float64)

    def log_density(log_parameters: np.ndarray, rows: np.ndarray) -> np.ndarray:
        nu, scale = np.exp(log_parameters)
        d, square = rows.shape[1], (rows**2).sum(axis=1) / scale**2
        constant = gammaln((nu + d) / 2) - gammaln(nu / 2) - d / 2 * math.log(nu * math.pi) - d * math.log(scale)
        return constant - (nu + d) / 2 * np.log1p(square / nu)

    best = minimize(lambda p: -log_density(p, train).mean(), np.array([1.0, 0.0]), method="Nelder-Mead").x
    settings = {"degrees_of_freedom": round(float(np.exp(best[0])), 3), "scale": round(float(np.exp(best[1])), 3)}
    space = log_likelihood(AffineGenerator.from_moments(train.mean(axis=0), np.cov(train.T)), data).space
    return mean_estimate(log_density(best, test), "exact", "its formula", settings, space)


PROTOCOLS = {
    "patches36": Protocol(
        "Machines of real data on whitened patches of natural images, after Sohl-Dickstein & Culpepper (2012)",
        "16 x 16 patches of BSDS300, log intensity after dequantisation, PCA-whitened to 36 dimensions; 10,000 train "
        "and 1,000 of other images test. PCD-1 with 100 chains (S3C: the evidence lower bound, 8 sweeps of mean "
        "field), Adam along a cosine to 0 from a rate of each machine's own (S3C 0.01, PoT and mPoT 0.005, the "
        "others 0.003), batch 100, gradients clipped at norm 10, averaged with decay "
        "0.999. log Z: AIS and reverse AIS, 100 chains. Samples: chains of 300 sweeps from all training patches. "
        "Published on other images (HAIS): Gaussian -49.15, PoT(144) +15.1 over it, mcRBM(432) +13.1.",
        _patches36,
    )
}
