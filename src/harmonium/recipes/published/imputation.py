"""Missing cells of a person's table: any columns given any others, beside scikit-learn's IterativeImputer."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from harmonium.data import Dataset, fetch, load, space_of
from harmonium.errors import RunError
from harmonium.evaluation import Estimate, log_likelihood
from harmonium.evaluation.estimate import mean_estimate
from harmonium.inference import at_marginals
from harmonium.models import OrderlessNADE
from harmonium.objectives import OrderAgnostic
from harmonium.recipes.layers import column_units
from harmonium.recipes.optimizers import annealed
from harmonium.recipes.published.experiment import BATCH, best_of
from harmonium.recipes.published.page import Protocol, Result
from harmonium.samplers import impute

TABLE = "winequality-white.csv"
HIDDEN, DRAWS = 0.3, 50  # of the test rows' cells that are hidden; how often each is drawn
EPOCHS, RATE, LAYERS = 300, 2e-3, [100, 100]


def _impute(seed: int) -> Iterator[Result]:
    path = fetch.find("uci_real", TABLE)
    if path is None:
        raise RunError(f"The table is not here: set HARMONIUM_DATA to a folder that holds uci_real/{TABLE}.")
    data, key = load(path, standardize="real", seed=seed), jax.random.key(seed)
    rows = np.asarray(data.test, np.float32)
    missing = np.random.default_rng(seed).random(rows.shape) < HIDDEN
    holes, real = np.where(missing, np.nan, rows), np.array([s != 0 for s in data.affine[0]])
    clock = time.perf_counter()
    model = trained(data, key)
    each = [np.asarray(impute(model, jax.random.fold_in(key, i), jnp.asarray(holes))) for i in range(DRAWS)]
    ours, took = np.stack(each), time.perf_counter() - clock
    clock = time.perf_counter()
    theirs, other = by_regression(np.asarray(data.train), holes, seed), time.perf_counter() - clock
    cells = missing & real
    exact = of_each_cell(model, rows, missing, cells)
    reference = f"mean of draws off by {off(ours, rows, cells)}, {right(ours, rows, missing & ~real)}"
    yield Result("OrderlessNADE: hidden real cells, each given all that is known of its row", exact, reference, took)
    gaussian = as_estimate(normal_log_density(theirs, rows)[cells], rows, f"a Gaussian of {DRAWS} posterior draws")
    reference = f"mean of draws off by {off(theirs, rows, cells)}, {right(theirs, rows, missing & ~real)}"
    yield Result("IterativeImputer of scikit-learn: the same cells", gaussian, reference, other)
    base = as_estimate(normal_log_density(np.zeros((1, *rows.shape)), rows)[cells], rows, "standard Gaussians")
    yield Result("column means: the same cells", base, f"off by {off(np.zeros((1, *rows.shape)), rows, cells)}", 0.0)


def trained(data: Dataset, key: Any) -> OrderlessNADE:
    """A network of every order, of units by what each column holds; validation rows choose the epoch."""
    model = at_marginals(OrderlessNADE(column_units(data), LAYERS, key=jax.random.fold_in(key, 1)), data.train)
    optimizer = annealed(RATE, EPOCHS * data.steps_per_epoch(BATCH))
    options = {"epochs": EPOCHS, "every": EPOCHS // 30, "average": 0.999}
    return best_of(model, data, OrderAgnostic(), data.valid, optimizer=optimizer, key=key, **options).model


def of_each_cell(model: OrderlessNADE, rows: np.ndarray, missing: np.ndarray, cells: np.ndarray) -> Estimate:
    """Log-density of each of the cells given what is not missing of its row, the other missing ones summed out."""
    row, column = np.nonzero(cells)
    asked = np.where(missing, np.nan, rows)[row]
    asked[np.arange(len(row)), column] = rows[row, column]
    return log_likelihood(model, jnp.asarray(asked), given=jnp.asarray(~missing[row]))


def by_regression(train: np.ndarray, holes: np.ndarray, seed: int) -> np.ndarray:
    """Draws `[draws, n, d]` of IterativeImputer, fitted to complete training rows."""
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    imputer = IterativeImputer(sample_posterior=True, max_iter=10, random_state=seed).fit(train)
    return np.stack([imputer.transform(holes) for _ in range(DRAWS)])


def normal_log_density(draws: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Log-density `[n, d]` of each cell by the mean and deviation of its draws (of one draw: deviation 1)."""
    mean, deviation = draws.mean(axis=0), draws.std(axis=0, ddof=1) if len(draws) > 1 else np.ones(rows.shape)
    safe = np.where(deviation > 0, deviation, 1.0)
    return -0.5 * ((rows - mean) / safe) ** 2 - np.log(safe) - 0.5 * math.log(2 * math.pi)


def off(draws: np.ndarray, rows: np.ndarray, cells: np.ndarray) -> str:
    """The root mean squared error of the draws' mean, in standard deviations of the columns."""
    return f"{np.sqrt(np.mean((draws.mean(axis=0) - rows)[cells] ** 2)):.3f} standard deviations"


def right(draws: np.ndarray, rows: np.ndarray, cells: np.ndarray) -> str:
    """How often the most frequent draw of a category is the right one."""
    codes = np.rint(draws[:, cells]).astype(int)
    most = np.array([np.bincount(np.maximum(column, 0)).argmax() for column in codes.T])
    return f"{100 * np.mean(most == rows[cells]):.1f} % of hidden categories right"


def as_estimate(values: np.ndarray, rows: np.ndarray, method: str) -> Estimate:
    """The mean log-density of cells under a peer's predictions."""
    return mean_estimate(values, "exact", method, {}, space_of(rows), quantity="conditional_log_likelihood")


PROTOCOLS = {
    "impute-table": Protocol(
        "Missing cells of the white wine table (UCI), 11 measurements and a grade",
        f"{100 * HIDDEN:.0f} % of the test rows' cells hidden at random; measurements standardized by the training "
        f"rows, the grade categorical. OrderlessNADE, {' and '.join(map(str, LAYERS))} relu hidden units, {EPOCHS} "
        f"epochs of Adam, rate {RATE:g} along a cosine to 0, batch 100, averaged with decay 0.999, validation rows "
        f"choose the epoch; {DRAWS} imputations. IterativeImputer: BayesianRidge, sample_posterior, fitted to the "
        f"complete training rows, {DRAWS} draws. Nats per hidden cell of a measurement.",
        _impute,
    ),
}
