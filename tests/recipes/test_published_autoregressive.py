"""The protocols of auto-regressive networks: validation rows choose, seeds are averaged."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from harmonium.data import from_arrays
from harmonium.evaluation import log_likelihood
from harmonium.models import FVBN
from harmonium.recipes.published import autoregressive
from harmonium.recipes.published.autoregressive import Task, Trial, mean_of, results, trained
from harmonium.units import Bernoulli

PAIRS = np.random.default_rng(0).integers(2, size=(160, 1)).repeat(3, axis=1).astype(np.float32)
DATA = from_arrays(PAIRS[:100], PAIRS[100:130], PAIRS[130:], name="pairs")
TASK = Task(
    lambda data, key: FVBN(Bernoulli(3)), (Trial(0.1, 0.0, 1), Trial(0.1, 0.0, 30)), "between -0.7 and -1.0 in theory"
)


def test_the_trial_that_validation_rows_prefer_is_reported(monkeypatch):
    monkeypatch.setattr(autoregressive, "load", lambda name: DATA)
    (result,) = results({"pairs": TASK}, 0, seeds=2)
    assert "rate 0.1, L2 0, 30 epochs" in result.setting
    assert result.ours.kind == "exact"
    assert result.ours.method.endswith("mean of 2 seeds")
    each = [log_likelihood(trained(TASK, TASK.trials[1], DATA, seed).model, DATA.test) for seed in (0, 1)]
    assert result.ours.value == pytest.approx(np.mean([estimate.value for estimate in each]), abs=1e-5)
    assert -3 * np.log(2) < result.ours.value < -np.log(2) + 0.1


def test_the_mean_of_estimates_has_the_error_of_the_rows():
    models = [FVBN(Bernoulli(3)), jax.tree.map(lambda leaf: leaf + 0.3, FVBN(Bernoulli(3)))]
    each = [log_likelihood(model, DATA.test) for model in models]
    found = mean_of(each)
    rows = (each[0].per_example + each[1].per_example) / 2
    assert found.value == pytest.approx(rows.mean())
    assert found.stderr == pytest.approx(rows.std(ddof=1) / np.sqrt(len(rows)))
