"""Protocols of auto-regressive networks (sections 20.10.7 to 20.10.10): exact test log-likelihoods."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
import optax

from harmonium.data import Dataset, load
from harmonium.evaluation import Estimate, log_likelihood
from harmonium.evaluation.estimate import standard_error
from harmonium.inference import at_marginals
from harmonium.models import FVBN, NADE, OrderlessNADE, TractableModel, weights
from harmonium.objectives import MaximumLikelihood, Objective, OrderAgnostic
from harmonium.recipes.published.experiment import BATCH, best_of
from harmonium.recipes.published.page import Protocol, Result
from harmonium.training import Best
from harmonium.units import Bernoulli

SEEDS = 3


@dataclasses.dataclass(frozen=True)
class Trial:
    """One choice of what validation rows choose among: the rate at the start, an L2 penalty, the epochs."""

    rate: float
    l2: float
    epochs: int
    momentum: float | None = None  # of SGD; None for Adam
    average: float | None = None

    def __str__(self) -> str:
        steps = "Adam" if self.momentum is None else f"SGD with momentum {self.momentum:g}"
        return f"{steps}, rate {self.rate:g}, L2 {self.l2:g}, {self.epochs} epochs"


@dataclasses.dataclass(frozen=True)
class Task:
    """A network for one table: how it is made, what is tried, and the number to hold it against."""

    make: Callable[[Dataset, Any], TractableModel]
    trials: tuple[Trial, ...]
    reference: str
    rule: Objective = dataclasses.field(default_factory=MaximumLikelihood)


def results(tasks: dict[str, Task], seed: int, *, seeds: int = SEEDS, **options: Any) -> Iterator[Result]:
    """The exact test log-likelihood for each data set, the mean over seeds, with what validation rows chose.

    All trials run with the first seed; the others repeat the best of them. `options` go to `log_likelihood`.
    """
    for name, task in tasks.items():
        clock, data = time.perf_counter(), load(name)
        tried = {trial: trained(task, trial, data, seed) for trial in task.trials}
        trial = max(tried, key=lambda trial: tried[trial].value)
        models = [tried[trial].model, *(trained(task, trial, data, seed + i).model for i in range(1, seeds))]
        each = [log_likelihood(model, data.test, key=jax.random.key(seed), **options) for model in models]
        best = tried[trial]
        values = f"; seeds {', '.join(f'{estimate.value:.2f}' for estimate in each)}" if seeds > 1 else ""
        setting = f"{name}: {trial}, best after {best.epoch:.0f} (validation {best.value:.2f}){values}"
        yield Result(setting, mean_of(each), task.reference, time.perf_counter() - clock)


def trained(task: Task, trial: Trial, data: Dataset, seed: int) -> Best:
    """The model of one trial's best epoch, by validation rows."""
    key, steps = jax.random.key(seed), trial.epochs * data.steps_per_epoch(BATCH)
    rate = optax.cosine_decay_schedule(trial.rate, steps)
    descent = optax.adam(rate) if trial.momentum is None else optax.sgd(rate, momentum=trial.momentum)
    optimizer = optax.chain(optax.add_decayed_weights(trial.l2, mask=weights), descent)
    model = at_marginals(task.make(data, jax.random.fold_in(key, 1)), data.train)
    options = {"epochs": trial.epochs, "every": max(1, trial.epochs // 50), "average": trial.average}
    return best_of(model, data, task.rule, data.valid, optimizer=optimizer, key=key, **options)


def mean_of(each: list[Estimate]) -> Estimate:
    """The mean of exact estimates on the same rows; its error is that of the rows."""
    values = np.mean([estimate.per_example for estimate in each], axis=0)
    value = float(values.mean())
    return dataclasses.replace(
        each[0], value=value, lower=value, upper=value, stderr=standard_error(values),
        per_example=values, method=f"{each[0].method}{f', mean of {len(each)} seeds' if len(each) > 1 else ''}",
    )  # fmt: skip


def _fvbn(data: Dataset, key: Any) -> FVBN:
    return FVBN(Bernoulli(data.train.shape[1]))


def _in_any_order(data: Dataset, key: Any) -> FVBN:
    size = data.train.shape[1]
    return FVBN(Bernoulli(size), order=np.asarray(jax.random.permutation(key, size)))


def _nade(hidden: int) -> Callable[[Dataset, Any], NADE]:
    return lambda data, key: NADE(Bernoulli(data.train.shape[1]), hidden, key=key)


def _relu_nade(data: Dataset, key: Any) -> NADE:
    return NADE(Bernoulli(data.train.shape[1]), 500, key=key, activation="relu")


def _orderless(hidden: int) -> Callable[[Dataset, Any], OrderlessNADE]:
    return lambda data, key: OrderlessNADE(Bernoulli(data.train.shape[1]), [hidden], key=key)


def _reference(required: str, published: str, source: str = "Larochelle & Murray 2011, recalled") -> str:
    asked = f"required: {required}; " if required else ""
    return f"{asked}published: {published} ({source})"


def _deep(required: str, published: str) -> str:
    return _reference(required, published, "Uria, Murray & Larochelle 2014, 16 orders, recalled")


RULE = OrderAgnostic()
FVBN_TASKS = {
    "adult": Task(
        _fvbn, tuple(Trial(0.3, l2, 300, momentum=0.9) for l2 in (3e-6, 1e-5, 3e-5)), _reference("-13.2", "-13.17")
    ),
    "dna": Task(_fvbn, tuple(Trial(3e-2, l2, 100) for l2 in (1e-3, 3e-3, 1e-2)), _reference("-83.4", "-83.64")),
    "mushrooms": Task(_fvbn, tuple(Trial(1e-2, l2, 1000) for l2 in (1e-7, 1e-6, 1e-5)), _reference("-10.15", "-10.27")),
    "nips": Task(_fvbn, tuple(Trial(1e-2, l2, 200) for l2 in (0.03, 0.1, 0.2)), _reference("-276.5", "-276.88")),
    "nltcs": Task(_fvbn, tuple(Trial(1e-2, l2, 30) for l2 in (0.0, 1e-5, 1e-4)), "no published value"),
}
NADE_TASKS = {
    "adult": Task(_nade(200), tuple(Trial(3e-3, l2, 60) for l2 in (1e-5, 3e-5, 1e-4)), _reference("", "-13.19")),
    "dna": Task(_nade(100), tuple(Trial(3e-3, l2, 150) for l2 in (3e-4, 1e-3, 3e-3)), _reference("", "-84.81")),
    "mushrooms": Task(_nade(200), tuple(Trial(3e-3, l2, 200) for l2 in (1e-6, 1e-5)), _reference("-9.8", "-9.81")),
    "nips": Task(_nade(100), tuple(Trial(3e-3, l2, 100) for l2 in (0.01, 0.03, 0.05)), _reference("-274", "-273.08")),
    "nltcs": Task(_nade(50), tuple(Trial(3e-3, l2, 30) for l2 in (1e-6, 1e-5, 1e-4)), "no published value"),
}
EONADE_TASKS = {
    "adult": Task(_orderless(300), tuple(Trial(1e-3, l2, 400) for l2 in (1e-5, 1e-4)), _deep("", "-13.19"), RULE),
    "dna": Task(_orderless(200), tuple(Trial(1e-3, l2, 2500) for l2 in (3e-4, 1e-3)), _deep("-82.5", "-82.31"), RULE),
    "mushrooms": Task(_orderless(500), (Trial(3e-3, 1e-5, 2000),), _deep("-9.7", "-9.69"), RULE),
    "nips": Task(_orderless(200), tuple(Trial(1e-3, l2, 1500) for l2 in (1e-3, 1e-2)), _deep("", "-272.39"), RULE),
}
FVBN_MNIST = {
    "binarized_mnist": Task(
        _in_any_order, tuple(Trial(2e-3, l2, 25, average=0.999) for l2 in (3e-5, 1e-4)),
        _reference("-97.5 within 10 minutes", "-97.45"),
    )
}  # fmt: skip
NADE_MNIST = {
    "binarized_mnist": Task(
        _relu_nade, tuple(Trial(3e-3, l2, 10, average=0.999) for l2 in (5e-5, 2e-4)),
        _reference("-91 within 30 minutes, the goal being -88.0", "-88.33", "Uria et al. 2016, verified"),
    )
}  # fmt: skip
CHOICE = (
    "Batch 100, the rate falling along a cosine to 0, biases started at the marginals; of the trials, and of the "
    "epochs of each, validation rows choose. The mean over {} of exact test log-likelihoods."
)

PROTOCOLS = {
    "fvbn": Protocol(
        "Fully visible belief networks on binary tables",
        f"Logistic conditionals in the columns' own order. {CHOICE.format('three seeds')}",
        lambda seed: results(FVBN_TASKS, seed),
    ),
    "nade": Protocol(
        "NADE on binary tables",
        "100 sigmoid hidden units (200 for adult and mushrooms, 50 for nltcs), columns in their own order. "
        f"{CHOICE.format('three seeds')}",
        lambda seed: results(NADE_TASKS, seed),
    ),
    "eonade": Protocol(
        "Orderless NADE on binary tables, an ensemble over 16 random orders",
        "One layer of 200 relu hidden units (300 for adult, 500 for mushrooms), trained for all orders at once; "
        f"validation rows are weighed in the columns' own order. {CHOICE.format('three seeds')}",
        lambda seed: results(EONADE_TASKS, seed, orders=16),
    ),
    "fvbn-mnist": Protocol(
        "Fully visible belief network on fixed-binarized MNIST",
        "784 logistic conditionals in an order drawn by the seed (in raster order: -97.7), averaged with decay 0.999. "
        f"{CHOICE.format('three seeds')}",
        lambda seed: results(FVBN_MNIST, seed),
    ),
    "nade-mnist": Protocol(
        "NADE with 500 hidden units on fixed-binarized MNIST",
        "relu hidden units, raster order (in one drawn by the seed: -88.0), averaged with decay 0.999. "
        f"{CHOICE.format('one seed')}",
        lambda seed: results(NADE_MNIST, seed, seeds=1),
    ),
}
