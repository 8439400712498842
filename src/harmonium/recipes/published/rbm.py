"""Protocols of restricted Boltzmann machines (section 20.2)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import jax

from harmonium.data import Dataset, load
from harmonium.evaluation import log_likelihood
from harmonium.inference import at_marginals
from harmonium.models import RBM, Centred, EnergyModel
from harmonium.objectives import CD, PCD, Objective
from harmonium.recipes.published.experiment import falling, fitted
from harmonium.recipes.published.page import Protocol, Result
from harmonium.units import Bernoulli


def trained(
    data: Dataset, hidden: int, rule: Objective, *, centred: bool, rate: float, epochs: int, seed: int, **options: Any
) -> tuple[EnergyModel, float]:
    """An RBM started at the marginals and trained by SGD with a rate that falls to zero; and the wall time."""
    clock = time.perf_counter()
    key = jax.random.key(seed)
    units = Bernoulli(data.train.shape[1]), Bernoulli(hidden)
    model = at_marginals(RBM(*units, key=jax.random.fold_in(key, 1)), data.train)
    start, optimizer = Centred(model) if centred else model, falling(data, rate, epochs)
    model = fitted(start, data, rule, optimizer=optimizer, epochs=epochs, key=key, **options)
    return model, time.perf_counter() - clock


def _rbm20(seed: int) -> Iterator[Result]:
    data, key = load("binarized_mnist"), jax.random.key(seed)
    references = {
        "CD-1": "required: 15 nats below PCD-1",
        "PCD-1": "required: at least -146",
        "PCD-1, centred": "required: at least -142",
    }
    rules = {"CD-1": (CD(1), False), "PCD-1": (PCD(1, 100), False), "PCD-1, centred": (PCD(1, 100), True)}
    in_float32 = {}
    for name, (rule, centred) in rules.items():
        model, seconds = trained(data, 20, rule, centred=centred, rate=0.1, epochs=10, seed=seed)
        exact = in_float32[name] = log_likelihood(model, data.test)
        yield Result(f"{name}: exact", exact, references[name], seconds + exact.settings["seconds"])
        options = {"method": "two_sided", "chains": 500, "temperatures": 10_000}
        both = log_likelihood(model, data.test, key=key, **options)
        ends = both.settings["log_partition"]
        off = {side: value - exact.settings["log_partition"]["exact"] for side, value in ends.items()}
        inside = both.lower <= exact.value <= both.upper
        reference = (
            f"exact {exact.value:.2f} {'inside' if inside else 'OUTSIDE'}; log Z by AIS {off['lower']:+.2f}, "
            f"by reverse AIS {off['upper']:+.2f} from exact; required: within 0.2 and 0.5"
        )
        yield Result(f"{name}: AIS and reverse AIS", both, reference, both.settings["seconds"])
    for name in ("CD-1", "PCD-1"):
        rule, centred = rules[name]
        options = {"rate": 0.1, "epochs": 10, "seed": seed, "matmul_precision": "bfloat16"}
        model, seconds = trained(data, 20, rule, centred=centred, **options)
        exact = log_likelihood(model, data.test)
        reference = f"{exact.value - in_float32[name].value:+.2f} from float32; required: within 1"
        yield Result(f"{name}, bfloat16 products: exact", exact, reference, seconds + exact.settings["seconds"])


EPOCHS_500 = 250


def _rbm500(seed: int) -> Iterator[Result]:
    data, key = load("binarized_mnist"), jax.random.key(seed)
    rule = PCD(1, 100)
    model, seconds = trained(data, 500, rule, centred=True, rate=0.05, epochs=EPOCHS_500, seed=seed, average=0.999)
    both = log_likelihood(model, data.test, key=key, method="two_sided", chains=200, temperatures=10_000)
    reference = (
        "required: both ends above -88.5 within 30 minutes, the goal being -85.0; published: -86.34 by AIS "
        "alone, after "
        "CD-25 (Salakhutdinov & Murray 2008, as quoted by later papers)"
    )
    yield Result(f"PCD-1, centred, {EPOCHS_500} epochs, averaged", both, reference, seconds + both.settings["seconds"])


PROTOCOLS = {
    "rbm20": Protocol(
        "RBM with 20 hidden units on fixed-binarized MNIST: three learning rules, two of them also with bfloat16 "
        "products, exact log-likelihood",
        "784 x 20 Bernoulli units; 10 epochs, batch 100, SGD with rate 0.1 falling linearly to 0, 100 chains; "
        "visible biases start at the marginals. AIS: 500 chains, 10,000 temperatures.",
        _rbm20,
    ),
    "rbm500": Protocol(
        "RBM with 500 hidden units on fixed-binarized MNIST, in minutes: log-likelihood from both sides",
        "784 x 500 Bernoulli units; batch 100, SGD with rate 0.05 falling linearly to 0, 100 chains; the model is the "
        "moving average of the parameters with decay 0.999. AIS: 200 chains, 10,000 temperatures. For a longer run "
        "raise `EPOCHS_500` of `harmonium.recipes.published.rbm`.",
        _rbm500,
    ),
}
