"""Protocols of RNADE (section 20.10.10): exact log-densities of real tables, ten folds."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import optax

from harmonium.data import fetch, from_arrays, space_of
from harmonium.errors import RunError
from harmonium.evaluation import Estimate, log_likelihood
from harmonium.evaluation.estimate import standard_error
from harmonium.models import RNADE, weights
from harmonium.objectives import MaximumLikelihood
from harmonium.recipes.published.experiment import best_of
from harmonium.recipes.published.page import Protocol, Result
from harmonium.training import Best
from harmonium.units import Gaussian

FOLDS = 10
ALIKE = 0.98  # correlation beyond which one of two columns is left out, as in the paper
FILES = {
    "red wine": "winequality-red.csv",
    "white wine": "winequality-white.csv",
    "parkinsons": "parkinsons_updrs.data",
}


@dataclasses.dataclass(frozen=True)
class Settings:
    """How one network is made and trained: SGD with momentum 0.9, its rate falling linearly from `rate` to 0."""

    hidden: int
    components: int
    activation: str
    batch: int
    epochs: int
    rate: float
    decay: float
    scaled_means: bool = True

    def __str__(self) -> str:
        paper = "" if self.scaled_means else ", plain gradients of the means"
        return (
            f"{self.hidden} {self.activation} units, {self.components} components, batch {self.batch}, {self.epochs} "
            f"epochs, rate {self.rate:g}, weight decay {self.decay:g}{paper}"
        )


TRIALS = {
    "red wine": (Settings(100, 10, "tanh", 10, 40, 0.02, 0.02), Settings(200, 10, "tanh", 10, 40, 0.03, 0.02)),
    "white wine": (Settings(200, 20, "tanh", 20, 50, 0.02, 0.01),),
    "parkinsons": (Settings(100, 20, "relu", 20, 40, 0.02, 0.003), Settings(200, 20, "relu", 50, 60, 0.02, 0.003)),
}
REFERENCES = {"red wine": ("-9.4", "-9.36"), "white wine": ("-10.3", "-10.23"), "parkinsons": ("-1.0", "-0.90")}


def _rnade(seed: int) -> Iterator[Result]:
    for name, trials in TRIALS.items():
        clock = time.perf_counter()
        found = {settings: over_folds(name, settings, seed) for settings in trials}
        chosen = max(found, key=lambda settings: found[settings][0])
        valid, test = found[chosen]
        required, published = REFERENCES[name]
        reference = f"required: {required}; published: {published} (Uria, Murray & Larochelle 2013, recalled)"
        setting = f"{name}: {chosen} (validation {valid:.2f})"
        yield Result(setting, test, reference, time.perf_counter() - clock)
        if name == "red wine":
            clock = time.perf_counter()
            plain = dataclasses.replace(chosen, scaled_means=False)
            without, estimate = over_folds(name, plain, seed)
            gain = test.value - estimate.value
            reference = f"gradients of the means times sigma are worth {gain:+.2f} nats here"
            setting = f"{name}: the same, plain gradients of the means (validation {without:.2f})"
            yield Result(setting, estimate, reference, time.perf_counter() - clock)


def over_folds(name: str, settings: Settings, seed: int) -> tuple[float, Estimate]:
    """The mean validation log-likelihood over the folds, and the test log-likelihood of all rows, each in its fold."""
    valid, tested, rows = [], [], []
    for train, held, test in folds(name, seed):
        best = trained(settings, train, held, seed)
        estimate = log_likelihood(best.model, test)
        valid.append(best.value)
        tested.append(estimate.per_example)
        rows.append(test)
    values = np.concatenate(tested)
    value, stderr = float(values.mean()), standard_error(values)
    space = dataclasses.replace(space_of(from_arrays(np.concatenate(rows), name=name).train), split="ten test folds")
    estimate = dataclasses.replace(
        estimate, value=value, stderr=stderr, lower=value, upper=value, n=len(values), per_example=values, space=space
    )
    return float(np.mean(valid)), estimate


def trained(settings: Settings, train: np.ndarray, held: np.ndarray, seed: int) -> Best:
    """A network of the best epoch by held-out rows."""
    key = jax.random.key(seed)
    model = RNADE(
        Gaussian(train.shape[1]), settings.hidden, components=settings.components, activation=settings.activation,
        scaled_means=settings.scaled_means, key=jax.random.fold_in(key, 1),
    )  # fmt: skip
    steps = settings.epochs * (len(train) // settings.batch)
    optimizer = optax.chain(
        optax.clip_by_global_norm(5.0),
        optax.add_decayed_weights(settings.decay, mask=weights),
        optax.sgd(optax.linear_schedule(settings.rate, 0.0, steps), momentum=0.9),
    )
    options: dict[str, Any] = {"epochs": settings.epochs, "batch_size": settings.batch, "average": 0.995}
    return best_of(model, train, MaximumLikelihood(), held, optimizer=optimizer, key=key, **options)


def folds(name: str, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Training, validation (a tenth of the rest) and test rows of each fold, standardized by the first two."""
    rows = table(name)
    parts = np.array_split(np.random.default_rng(seed).permutation(len(rows)), FOLDS)
    for fold, part in enumerate(parts):
        rest = np.delete(rows, part, axis=0)
        rest = rest[np.random.default_rng([seed, fold]).permutation(len(rest))]
        mean, deviation = rest.mean(axis=0), rest.std(axis=0)
        rest, test = (((x - mean) / deviation).astype(np.float32) for x in (rest, rows[part]))
        cut = len(rest) // 10
        yield rest[cut:], rest[:cut], test


def table(name: str) -> np.ndarray:
    """The table's columns of measurements, one of two that are nearly alike left out.

    Raises `RunError` where its file is not in $HARMONIUM_DATA.
    """
    path = fetch.find("uci_real", FILES[name])
    if path is None:
        raise RunError(f"The table is not here: set HARMONIUM_DATA to a folder that holds uci_real/{FILES[name]}.")
    if name == "parkinsons":
        rows = np.genfromtxt(path, skip_header=1)[:, 3:]  # without subject, age and sex
    else:
        rows = np.genfromtxt(path, delimiter=",")[:, :-1]  # without the grade
    alike = np.triu(np.abs(np.corrcoef(rows.T)), 1) > ALIKE
    return rows[:, ~alike.any(axis=1)]


PROTOCOLS = {
    "rnade": Protocol(
        "RNADE, mixtures of Gaussians, on real tables (UCI), ten folds",
        "Measurements only, without columns correlated by more than 0.98, standardized; a tenth of the rows of nine "
        "folds validates: it chooses the epoch, and the settings where several were tried. SGD with momentum 0.9, "
        "gradients clipped at norm 5, averaged with decay 0.995. Nats per standardized row.",
        _rnade,
    ),
}
