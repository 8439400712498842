"""The table of learning rules: every rule on both data sets, and equal times in whole steps."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from harmonium.data import from_arrays
from harmonium.models import RBM, Centred, Normalised
from harmonium.objectives import FPCD, NCE, PCD, PseudoLikelihood, RatioMatching, TemperedPCD, TrajectoryPCD
from harmonium.recipes.published.bars import WAYS
from harmonium.recipes.published.rules import BATCH, RULES, rows_for
from harmonium.units import Bernoulli

X = np.random.default_rng(0).integers(2, size=(10 * BATCH, 16)).astype(np.float32)
RULE_TYPES = {PCD, FPCD, TemperedPCD, TrajectoryPCD, PseudoLikelihood, RatioMatching, NCE}


@pytest.mark.parametrize("table", ["MNIST", "bars"])
def test_every_rule_has_its_row(table):
    rows = RULES.values() if table == "MNIST" else [(way.rule, way.wrap, 1.0) for way in WAYS.values()]
    made = []
    for make, wrap, _ in rows:
        model = wrap(RBM(Bernoulli(16), Bernoulli(2), key=jax.random.key(0)))
        made.append((type(make(model, X)), type(model), getattr(model, "follow", None)))
    assert {rule for rule, _, _ in made} >= RULE_TYPES
    assert {(PCD, RBM, None), (PCD, Centred, "positive"), (PCD, Centred, "both"), (NCE, Normalised, None)} <= set(made)
    assert len(set(made)) == len(made) == 10


@pytest.mark.parametrize("steps", [1, 7, 10, 13, 29, 30])
def test_a_number_of_steps_is_passes_over_a_part_of_the_rows(steps):
    rows, epochs = rows_for(from_arrays(X), steps, 0)
    done = epochs * rows.steps_per_epoch(BATCH)
    assert steps - epochs < done <= steps
    assert epochs == -(-steps // 10)  # no more passes than it takes
    assert {tuple(row) for row in np.asarray(rows.train)} <= {tuple(row) for row in X}
