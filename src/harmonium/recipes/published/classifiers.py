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
from harmonium.models import DBN, MPDBM, Classifier, classifier_from_dbn
from harmonium.nets import MLP
from harmonium.objectives import CD, CrossEntropy, MultiPrediction
from harmonium.recipes.published.page import Protocol, Result
from harmonium.recipes.published.rbm import BATCH, falling
from harmonium.training import finished, fit, stack
from harmonium.units import Bernoulli, Categorical

MP_EPOCHS, MLP_EPOCHS = 40, 40
PRETRAINING, FINE_TUNING = 20, 100
CLASSES = Categorical(1, states=10)


def _mp_dbm(seed: int) -> Iterator[Result]:
    grey, expected, key = load("mnist"), load("mnist", binarize="probabilities"), jax.random.key(seed)
    clock = time.perf_counter()
    hidden = [Bernoulli(500), Bernoulli(500)]
    start = MPDBM(Bernoulli(784), hidden, CLASSES, key=jax.random.fold_in(key, 1), steps=10, scale=0.05)
    model = at_marginals(start, expected.shown(expected.train))
    options: dict[str, Any] = {"epochs": MP_EPOCHS, "batch_size": BATCH, "monitor": False, "average": 0.999}
    rule = MultiPrediction(labels=0.9)
    mp = finished(fit(model, expected, rule, optimizer=annealed(expected, 1e-3, MP_EPOCHS), key=key, **options)).model
    took = time.perf_counter() - clock
    clock = time.perf_counter()
    net = Classifier(MLP([784, 500, 500, 10], key=key))
    options["epochs"] = MLP_EPOCHS
    mlp = finished(
        fit(net, grey, CrossEntropy(0.2, 0.5), optimizer=annealed(grey, 1e-3, MLP_EPOCHS), key=key, **options)
    ).model
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
        optimizer=lambda: falling(dynamic, 0.1, PRETRAINING),
    )  # fmt: skip
    start = classifier_from_dbn(DBN.stacked(machines), 10, key=key)
    options: dict[str, Any] = {"epochs": FINE_TUNING, "batch_size": BATCH, "monitor": False, "average": 0.999}
    rule = CrossEntropy(0.2, 0.5)
    model = finished(fit(start, grey, rule, optimizer=annealed(grey, 1e-3, FINE_TUNING), key=key, **options)).model
    took = time.perf_counter() - clock
    required = (
        "required: under 1.4 % within 30 minutes; published: 1.25 % up-down, 1.15 % with back-propagation, 0.79 % with "
        "dropout (Hinton et al. 2006; Srivastava et al. 2014; the first and the last recalled)"
    )
    yield Result("DBN 500-500-2000, fine-tuned", error_rate(model, grey.test, grey.test_labels), required, took)


def annealed(data: Dataset, rate: float, epochs: int) -> optax.GradientTransformation:
    """Adam with a rate that falls along a cosine to zero."""
    return optax.adam(optax.cosine_decay_schedule(rate, epochs * data.steps_per_epoch(BATCH)))


PROTOCOLS = {
    "mp-dbm": Protocol(
        "Multi-prediction deep Boltzmann machine 784-500-500-10 on MNIST: test error, also with pixels missing",
        f"Grey values as expectations; 10 sweeps of mean field; {MP_EPOCHS} epochs, batch 100, Adam with rate 0.001 "
        "falling to 0 along a cosine, averaged with decay 0.999; labels hidden nine times in ten. "
        "Classification with the "
        f"multi-inference trick. The MLP: ReLU, dropout 0.2 and 0.5, {MLP_EPOCHS} epochs of the same optimizer.",
        _mp_dbm,
    ),
    "dbn-classifier": Protocol(
        "Deep belief network 784-500-500-2000 on MNIST, turned into a perceptron and fine-tuned: test error",
        f"Each machine {PRETRAINING} epochs of CD-1 on pixels sampled anew at each presentation, SGD with rate "
        "0.1 falling "
        f"linearly to 0; {FINE_TUNING} epochs of fine-tuning with dropout 0.2 and 0.5, Adam with rate 0.001 "
        "falling to 0 "
        "along a cosine, averaged with decay 0.999.",
        _dbn_classifier,
    ),
}
