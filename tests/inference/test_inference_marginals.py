"""Networks that begin at the marginals weigh rows as independent columns do, and nothing else of them has changed."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from examples import SEQUENCES
from harmonium.errors import InputError
from harmonium.evaluation import log_likelihood
from harmonium.inference import at_marginals
from harmonium.models import FVBN, MADE, NADE
from harmonium.units import Bernoulli, Categorical, Columns, Gaussian

RANDOM = np.random.default_rng(0)
BITS = (RANDOM.random((50, 2)) < 0.3).astype(np.float64)
BITS[:, 1] = 1.0  # a column that never changes
CODES = RANDOM.integers(0, 3, (50, 1)).astype(np.float64)
REAL = RANDOM.normal([500.0, -1e-3], [10.0, 1e-4], (50, 2))
TABLE = Columns([Bernoulli(2), Categorical(1, states=3), Gaussian(2)])


def test_independent_columns_are_weighed_by_their_own_laws():
    rows = np.hstack([BITS, CODES, REAL]).astype(np.float32)
    model = at_marginals(FVBN(TABLE, order=(4, 1, 0, 3, 2)), jnp.asarray(rows))
    on, shares = (BITS.sum(0) + 0.5) / 51, (np.bincount(CODES[:, 0].astype(int)) + 1 / 3) / 51
    reals = rows[:, 3:].astype(np.float64)
    expected = (
        np.log(np.where(BITS == 1, on, 1 - on)).sum(1)
        + np.log(shares)[CODES[:, 0].astype(int)]
        + scipy.stats.norm(reals.mean(0), reals.std(0)).logpdf(reals).sum(1)
    )
    np.testing.assert_allclose(log_likelihood(model, rows).per_example, expected, atol=2e-3)


@pytest.mark.parametrize("make", [NADE, MADE])
def test_only_the_biases_change(make):
    model = make(Bernoulli(2), [3] if make is MADE else 3, key=jax.random.key(0))
    moved = at_marginals(model, jnp.asarray(BITS))
    np.testing.assert_allclose(jax.nn.sigmoid(moved.b), (BITS.sum(0) + 0.5) / 51, rtol=1e-5)
    kept = [leaf for path, leaf in jax.tree_util.tree_leaves_with_path(moved) if path[0].name != "b"]
    before = [leaf for path, leaf in jax.tree_util.tree_leaves_with_path(model) if path[0].name != "b"]
    assert all((a == b).all() for a, b in zip(kept, before, strict=True))


def test_a_constant_real_column_keeps_a_finite_precision():
    rows = np.full((7, 1), 3.7, np.float32)
    bias = at_marginals(FVBN(Gaussian(1)), jnp.asarray(rows)).b
    assert (float(bias.mean[0]), float(bias.log_precision[0])) == (pytest.approx(3.7), 0.0)


def test_rows_of_other_values_are_refused():
    with pytest.raises(InputError, match=r"holds 3 in row 1, column 1"):
        at_marginals(SEQUENCES["fvbn-table"], jnp.asarray([[0.0, 1, 0, 1], [0, 3, 0, 1]]))
