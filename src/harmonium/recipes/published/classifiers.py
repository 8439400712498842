"""Protocols of deep machines as classifiers (sections 20.3 and 20.4): MNIST digits, all pixels alike."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import optax

from harmonium.data import Dataset, load
from harmonium.evaluation import error_rate
from harmonium.inference import at_marginals
from harmonium.models import (
    DBN,
    MPDBM,
    Classifier,
    classifier_from_dbm,
    classifier_from_dbn,
)
from harmonium.nets import MLP
from harmonium.objectives import CD, PCD, CrossEntropy, MultiPrediction
from harmonium.recipes.common import beside_means
from harmonium.recipes.optimizers import annealed
from harmonium.recipes.published.experiment import BATCH, PRODUCTS, falling, fitted
from harmonium.recipes.published.page import Protocol, Result
from harmonium.training import pretrained_dbm, stack
from harmonium.units import Bernoulli, Categorical

MP_EPOCHS, MLP_EPOCHS = 50, 40
PRETRAINING, FINE_TUNING = 20, 100
JOINT = 180  # epochs of the DBM with labels
CLASSES = Categorical(1, states=10)
DROPPED = CrossEntropy(0.2, 0.5)  # with dropout of inputs and of hidden units
AVERAGED: dict[str, Any] = {"average": 0.999, "matmul_precision": PRODUCTS}


def _mp_dbm(seed: int) -> Iterator[Result]:
    grey, expected, key = load("mnist"), load("mnist", binarize="probabilities"), jax.random.key(seed)
    clock = time.perf_counter()
    hidden = [Bernoulli(500), Bernoulli(500)]
    start = MPDBM(Bernoulli(784), hidden, CLASSES, key=jax.random.fold_in(key, 1), steps=5, scale=0.05)
    model = at_marginals(start, expected.shown(expected.train))
    options = AVERAGED | {"epochs": MP_EPOCHS}
    rule = MultiPrediction(most=0.9, labels=1.0, weight=100.0)
    mp = fitted(model, expected, rule, optimizer=_falling(expected, 3e-3, MP_EPOCHS), key=key, **options)
    took = time.perf_counter() - clock
    clock = time.perf_counter()
    net = Classifier(MLP([784, 500, 500, 10], key=key))
    options["epochs"] = MLP_EPOCHS
    mlp = fitted(net, grey, DROPPED, optimizer=_falling(grey, 1e-3, MLP_EPOCHS), key=key, **options)
    other = time.perf_counter() - clock
    rows, labels = grey.test, grey.test_labels
    required = "required: under 1.6 % within 30 minutes; published: 0.88 % (Goodfellow et al. 2013, recalled)"
    yield Result("MP-DBM, all pixels", error_rate(mp, rows, labels), required, took)
    for share in (0.5, 0.75):
        found = error_rate(mp, rows, labels, missing=share, seed=seed)
        yield Result(f"MP-DBM, {share:.0%} of the pixels missing", found, "beside the MLP below", took)
    for share in (0.0, 0.5, 0.75):
        blanked = np.where(np.random.default_rng(seed).random(rows.shape) < share, 0.0, rows)
        name = "MLP of the same size, " + (f"{share:.0%} of the pixels missing, taken as 0" if share else "all pixels")
        yield Result(name, error_rate(mlp, blanked, labels), "784-500-500-10, dropout", other)


def _dbn_classifier(seed: int) -> Iterator[Result]:
    grey, dynamic, key = load("mnist"), load("mnist", binarize="dynamic"), jax.random.key(seed)
    clock = time.perf_counter()
    hidden = [Bernoulli(500), Bernoulli(500), Bernoulli(2000)]
    machines = stack(
        dynamic, hidden, CD(1), visible=Bernoulli(784), key=key, epochs=PRETRAINING, batch_size=BATCH, monitor=False,
        matmul_precision=PRODUCTS, optimizer=lambda: falling(dynamic, 0.1, PRETRAINING),
    )  # fmt: skip
    start = classifier_from_dbn(DBN.stacked(machines), 10, key=key)
    options = AVERAGED | {"epochs": FINE_TUNING}
    model = fitted(start, grey, DROPPED, optimizer=_falling(grey, 1e-3, FINE_TUNING), key=key, **options)
    took = time.perf_counter() - clock
    required = (
        "required: under 1.4 % within 30 minutes; published: 1.25 % up-down, 1.15 % with back-propagation, 0.79 % with "
        "dropout (Hinton et al. 2006; Srivastava et al. 2014; the first and the last recalled)"
    )
    yield Result("DBN 500-500-2000, fine-tuned", error_rate(model, grey.test, grey.test_labels), required, took)


def _dbm_classifier(seed: int) -> Iterator[Result]:
    """Fig. 20.4: pretraining, the highest machine with the labels; all layers jointly; the labels deleted; then the
    perceptron that is shaped like the mean field."""
    grey, dynamic, key = load("mnist"), load("mnist", binarize="dynamic"), jax.random.key(seed)
    clock = time.perf_counter()
    hidden = [Bernoulli(500), Bernoulli(1000)]
    start = pretrained_dbm(
        dynamic, hidden, PCD(1, 100), visible=Bernoulli(784), labels=CLASSES, key=key, epochs=PRETRAINING,
        batch_size=BATCH, monitor=False, matmul_precision=PRODUCTS,
        optimizer=lambda: falling(dynamic, 0.05, PRETRAINING),
    )  # fmt: skip
    options = AVERAGED | {"epochs": JOINT}
    rule, optimizer = PCD(1, 100, mean_field_steps=10), falling(dynamic, 0.01, JOINT)
    dbm = fitted(start, dynamic, rule, optimizer=optimizer, key=key, **options)
    took = time.perf_counter() - clock
    found = error_rate(dbm, grey.test, grey.test_labels)
    yield Result("DBM 500-1000 with labels, by its own mean field", found, "before it becomes a perceptron", took)
    seen = beside_means(grey, dbm)
    options["epochs"] = FINE_TUNING
    net = classifier_from_dbm(dbm, 10, key=key)
    optimizer = _falling(seen, 1e-3, FINE_TUNING)
    model = fitted(net, seen, DROPPED, optimizer=optimizer, key=key, **options)
    took = time.perf_counter() - clock
    published = "published: 0.95 % (Salakhutdinov & Hinton 2009, verified), 0.79 % with dropout (recalled)"
    yield Result("the perceptron of it, fine-tuned", error_rate(model, seen.test, seen.test_labels), published, took)


def _falling(data: Dataset, rate: float, epochs: int) -> optax.GradientTransformation:
    return annealed(rate, epochs * data.steps_per_epoch(BATCH))


PROTOCOLS = {
    "mp-dbm": Protocol(
        "Multi-prediction deep Boltzmann machine 784-500-500-10 on MNIST: test error, also with pixels missing",
        f"Grey values as expectations; bfloat16 products; 5 sweeps of mean field; {MP_EPOCHS} epochs, batch 100, "
        "Adam with rate 0.003 falling to 0 along a cosine, averaged with decay 0.999; up to nine pixels in ten hidden, "
        "labels always, and counted as 100 pixels. The MLP: ReLU, dropout 0.2 and 0.5, "
        f"{MLP_EPOCHS} epochs of Adam from 0.001.",
        _mp_dbm,
    ),
    "dbn-classifier": Protocol(
        "Deep belief network 784-500-500-2000 on MNIST, turned into a perceptron and fine-tuned: test error",
        f"bfloat16 products; each machine {PRETRAINING} epochs of CD-1 on pixels sampled anew at each presentation, "
        f"SGD with rate 0.1 falling linearly to 0; {FINE_TUNING} epochs of fine-tuning with dropout 0.2 and 0.5, "
        "Adam with rate 0.001 falling to 0 along a cosine, averaged with decay 0.999.",
        _dbn_classifier,
    ),
    "dbm-classifier": Protocol(
        "Deep Boltzmann machine 784-500-1000 with labels on MNIST, turned into a perceptron and fine-tuned "
        "(Fig. 20.4): test error",
        f"bfloat16 products; pixels sampled anew at each presentation; each machine {PRETRAINING} epochs of PCD-1, the "
        f"higher one with the labels, SGD with rate 0.05 falling linearly to 0; then {JOINT} epochs of PCD-1 for all "
        "layers on pixels and labels, 100 chains, 10 sweeps of mean field, SGD from 0.01, averaged with decay 0.999; "
        "then the perceptron takes grey pixels beside the means of h2 that the machine without its labels infers: "
        f"{FINE_TUNING} epochs with dropout 0.2 and 0.5, Adam with rate 0.001 falling to 0 along a cosine, averaged.",
        _dbm_classifier,
    ),
}
