"""Early stopping: which epoch's model is kept."""

from __future__ import annotations

import jax
import numpy as np
import optax
import pytest

from harmonium.errors import InputError
from harmonium.evaluation import log_probs
from harmonium.models import FVBN, RBM
from harmonium.objectives import CD, MaximumLikelihood
from harmonium.training import Best, fit
from harmonium.units import Bernoulli

KEY = jax.random.key(0)
TRAIN = np.ones((4, 3), np.float32)  # by heart, this says nothing of the rows below
HELD = np.array([[1, 1, 0], [1, 1, 1]], np.float32)
OPTIONS = {"optimizer": optax.sgd(0.5), "epochs": 30, "batch_size": 4, "key": KEY}


def test_the_best_model_is_that_of_the_likeliest_epoch():
    seen, best = [], Best(HELD)
    run = fit(
        FVBN(Bernoulli(3)), TRAIN, MaximumLikelihood(), callbacks=[best, lambda p: seen.append(p.model)], **OPTIONS
    )
    values = [log_probs(model, HELD).mean() for model in seen]
    assert best.epoch == 1 + np.argmax(values)
    assert 1 < best.epoch < 30
    assert best.value == max(values) > values[-1]
    np.testing.assert_array_equal(best.model.b, seen[int(best.epoch) - 1].b)
    assert (np.asarray(run.model.b) != np.asarray(best.model.b)).any()


def test_the_last_epoch_is_looked_at_whatever_the_interval():
    best = Best(TRAIN, every=7)
    fit(FVBN(Bernoulli(3)), TRAIN, MaximumLikelihood(), callbacks=[best], **OPTIONS)
    assert best.epoch == 30


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="at least one"):
        Best(np.zeros((0, 3)))
    with pytest.raises(InputError, match=r"not an array \[2, 2, 3\]"):
        Best(np.zeros((2, 2, 3)))
    with pytest.raises(InputError, match="every=0"):
        Best(HELD, every=0)
    with pytest.raises(InputError, match="200 in row 0"):  # grey values, which a Bernoulli would weigh all the same
        fit(FVBN(Bernoulli(3)), TRAIN, MaximumLikelihood(), callbacks=[Best(200 * HELD)], **OPTIONS)
    with pytest.raises(InputError, match=r"Best takes an auto-regressive network"):
        fit(RBM(Bernoulli(3), Bernoulli(2), key=KEY), TRAIN, CD(), callbacks=[Best(HELD)], **OPTIONS)
