"""Every learning rule with the exact log-likelihood as referee, and every evaluator with it (section 20.2)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from harmonium.data import Dataset, load
from harmonium.evaluation import Estimate, log_likelihood
from harmonium.inference import at_marginals
from harmonium.models import RBM, Centred, EnergyModel, Normalised
from harmonium.objectives import (
    CD,
    FPCD,
    NCE,
    PCD,
    Objective,
    PseudoLikelihood,
    RatioMatching,
    TemperedPCD,
    TrajectoryPCD,
    marginal_noise,
)
from harmonium.recipes.published.bars import about_bars, enhanced, on_bars, plain
from harmonium.recipes.published.experiment import BATCH, falling, fitted
from harmonium.recipes.published.page import Protocol, Result
from harmonium.training import finished, fit
from harmonium.units import Bernoulli

EPOCHS, RATE = 10, 0.1
Make = Callable[[EnergyModel, np.ndarray], Objective]

# Name -> the rule for a model and its data, what is put around the RBM, and a factor on the learning rate.
RULES: dict[str, tuple[Make, Callable[[RBM], EnergyModel], float]] = {
    "CD-1": (lambda m, x: CD(1), plain, 1.0),
    "PCD-1": (lambda m, x: PCD(1), plain, 1.0),
    "PCD-1, centred": (lambda m, x: PCD(1), Centred, 2.0),
    "PCD-1, enhanced gradient": (lambda m, x: PCD(1), enhanced, 2.0),
    "FPCD-1": (lambda m, x: FPCD(1), plain, 1.0),
    "tempered PCD-1, 10 temperatures": (lambda m, x: TemperedPCD(1), plain, 1.0),
    "trajectory PCD-1, 10 snapshots": (lambda m, x: TrajectoryPCD(1), plain, 1.0),
    "pseudo-likelihood, 8 sites": (lambda m, x: PseudoLikelihood(sites=8), plain, 0.1),
    "ratio matching, 8 sites": (lambda m, x: RatioMatching(sites=8), plain, 0.1),
    "noise-contrastive, 10 to 1": (lambda m, x: NCE(marginal_noise(m, x), ratio=10), Normalised, 1.0),
}


def _learning_rules(seed: int) -> Iterator[Result]:
    yield from _on_mnist(seed)
    yield from on_bars(seed)


def _on_mnist(seed: int) -> Iterator[Result]:
    """Equal numbers of gradient steps, then the seconds of training that PCD-1 took."""
    data = load("binarized_mnist")
    steps = EPOCHS * data.steps_per_epoch(BATCH)
    seconds: dict[str, float] = {}
    values: dict[str, float] = {}
    for name in RULES:
        estimate, took = _trained_on_mnist(name, data, steps, seed)
        seconds[name], values[name] = took, estimate.value
        yield Result(f"MNIST, {EPOCHS} epochs: {name}", estimate, _reference(name, values), took)
    budget = seconds["PCD-1"]
    for name in (name for name in RULES if name != "PCD-1"):
        affordable = max(1, round(steps * budget / seconds[name]))
        estimate, took = _trained_on_mnist(name, data, affordable, seed)
        reference = f"{took:.2f} s of training, where PCD-1 took {budget:.2f} s"
        yield Result(f"MNIST, the time of PCD-1: {name}, {affordable} steps", estimate, reference, took)


def _reference(name: str, values: dict[str, float]) -> str:
    """What is asked of a rule, with the difference that it is about."""
    if name == "CD-1":
        return "required: PCD-1 better by 15 nats"
    if name == "PCD-1":
        return f"{values[name] - values['CD-1']:+.1f} nats from CD-1; required: at least +15"
    if name == "PCD-1, centred":
        return "required: above -141"
    more = f"{values[name] - values['PCD-1']:+.2f} nats from PCD-1"
    required = "; required: at least 0" if name.startswith(("FPCD", "tempered")) else ""
    return more + required


def _trained_on_mnist(name: str, data: Dataset, steps: int, seed: int) -> tuple[Estimate, float]:
    """The exact log-likelihood after so many steps, and the seconds that they took once they were compiled."""
    make, wrap, factor = RULES[name]
    key = jax.random.key(seed)
    rbm = at_marginals(RBM(Bernoulli(784), Bernoulli(20), key=jax.random.fold_in(key, 1)), data.train)
    model = wrap(rbm)
    rows, epochs = rows_for(data, steps, seed)
    options: dict[str, Any] = {"batch_size": BATCH, "monitor": False, "key": key}
    options["optimizer"] = falling(rows, factor * RATE, epochs)  # one for both runs, which then share what is compiled
    rule = make(model, data.train)
    fit(model, rows, rule, epochs=1, **options)
    run = finished(fit(model, rows, rule, epochs=epochs, **options))
    return log_likelihood(run.model, data.test, method="exact"), run.metrics[-1]["seconds"]


def rows_for(data: Dataset, steps: int, seed: int) -> tuple[Dataset, int]:
    """The data and the passes over it that make so many steps (unless less than one a pass): all rows, or, where the
    steps are no whole number of passes, a random part of them, as large as can be."""
    epochs = -(-steps // data.steps_per_epoch(BATCH))
    count = steps // epochs * BATCH
    if count >= len(data.train) // BATCH * BATCH:
        return data, epochs
    chosen = np.sort(np.random.default_rng(seed).choice(len(data.train), count, replace=False))
    return dataclasses.replace(data, train=data.train[chosen], train_labels=None), epochs


# ---- evaluators ----------------------------------------------------------------------------------------------


def _evaluators(seed: int) -> Iterator[Result]:
    """Each evaluator on the machines that the first three rules make, the exact value beside it."""
    data, key = load("binarized_mnist"), jax.random.key(seed)
    rng = np.random.default_rng(seed)
    few = data.test[np.sort(rng.choice(len(data.test), 100, replace=False))]
    for name in ("CD-1", "PCD-1", "PCD-1, centred"):
        make, wrap, factor = RULES[name]
        rbm = at_marginals(RBM(Bernoulli(784), Bernoulli(20), key=jax.random.fold_in(key, 1)), data.train)
        model = wrap(rbm)
        optimizer = falling(data, factor * RATE, EPOCHS)
        model = fitted(model, data, make(model, data.train), optimizer=optimizer, key=key, epochs=EPOCHS)
        exact = log_likelihood(model, data.test, method="exact")
        yield Result(f"{name}: exact", exact, "the referee", exact.settings["seconds"])
        both = log_likelihood(model, data.test, key=key, method="two_sided", chains=500, temperatures=10_000)
        ends, truth = both.settings["log_partition"], exact.settings["log_partition"]["exact"]
        inside = "inside" if both.lower <= exact.value <= both.upper else "OUTSIDE"
        reference = (
            f"exact {inside}; log Z by AIS {ends['lower'] - truth:+.3f}, "
            f"by reverse AIS {ends['upper'] - truth:+.3f} from exact; required: inside, within 0.2 and 0.5"
        )
        yield Result(f"{name}: AIS and reverse AIS", both, reference, both.settings["seconds"])
        on_few = log_likelihood(model, few, method="exact")
        raised = log_likelihood(model, few, key=key, method="raise", rows=len(few), temperatures=100_000)
        reference = f"{raised.value - on_few.value:+.3f} from exact on the same 100 rows; required: within 0.5"
        yield Result(f"{name}: RAISE, 100 rows", raised, reference, raised.settings["seconds"])
        csl = log_likelihood(model, data.test, key=key, method="csl", samples=20_000)
        reference = f"{csl.value - exact.value:+.2f} from exact; a bound, and loose"
        yield Result(f"{name}: CSL, 20,000 samples", csl, reference, csl.settings["seconds"])


PROTOCOLS = {
    "learning-rules": Protocol(
        "Every learning rule on a machine with 20 hidden units, the exact log-likelihood as referee",
        f"MNIST: fixed binarization, batch {BATCH}, SGD from {RATE} falling linearly to 0 (a tenth of it "
        "for the two rules that sum over sites, twice it for the centred machines, chosen on validation rows), "
        "100 chains, visible biases at the marginals; then each for the wall time that PCD-1 took, in steps over a "
        "random part of the rows where these make no whole passes. Times are of compiled steps. " + about_bars(),
        _learning_rules,
    ),
    "evaluators": Protocol(
        "Every evaluator on three machines with 20 hidden units, the exact log-likelihood as referee",
        "The machines of `learning-rules`. AIS and reverse AIS: 500 chains, 10,000 temperatures. RAISE: "
        "10 chains and 100,000 "
        "temperatures for each of 100 test rows. CSL: 20,000 samples of 100 chains.",
        _evaluators,
    ),
}
