"""What is measured of a finished run, and on which rows."""

from __future__ import annotations

from typing import Any

import jax

from harmonium.data import Dataset
from harmonium.errors import InputError
from harmonium.evaluation import ErrorRate, Estimate, Stage, baseline, error_rate, log_likelihood, watched
from harmonium.evaluation.watch import Watcher
from harmonium.models.kinds import CLASSIFIER, MULTI_PREDICTION, is_kind
from harmonium.recipes.waiting import waiting
from harmonium.training import Run, is_main
from harmonium.units import Frames

NAMES = {"train": "training", "valid": "validation", "test": "test"}


def held_out(data: Dataset, *, labelled: bool = False) -> tuple[str, Any]:
    """The name and rows of the split to evaluate on: test, or else validation, or else training; `labelled`, the first
    of them that has labels."""
    for split in ("test", "valid", "train"):
        rows = getattr(data, split)
        if rows is not None and len(rows) and not (labelled and getattr(data, f"{split}_labels") is None):
            return split, rows
    raise InputError(f"'{data.name}' has no rows to evaluate on.")


def classifies(model: Any) -> bool:
    """Whether a model is judged by its classes and not by its likelihood: a classifier, or a multi-prediction machine
    with labels."""
    return is_kind(model, CLASSIFIER) or (is_kind(model, MULTI_PREDICTION) and "y" in model.layers)


def error_of(model: Any, data: Dataset, split: str, rows: Any) -> ErrorRate:
    """The error rate on the rows of a split. Raises `InputError` where it has no labels."""
    labels = getattr(data, f"{split}_labels")
    if labels is None:
        raise InputError(f"The {split} rows of '{data.name}' have no labels to hold the classes against.")
    return error_rate(model, rows, labels)


def _baseline(model: Any, data: Dataset, rows: Any) -> Estimate | None:
    """What independent units make of the rows; None where these are no values of the units, or sequences."""
    try:
        return None if isinstance(model.layers["v"], Frames) else baseline(model, data, rows)
    except InputError:
        return None


def measured(
    run: Run, data: Dataset, *, seed: int, progress: bool = False, estimate: bool = True, report: bool = True,
    **options: Any,
) -> Estimate | ErrorRate | None:  # fmt: skip
    """The held-out log-likelihood of a finished run, or the error rate of a classifier; with a folder, recorded in it
    and shown in its report.

    Arguments: `progress`, whether to show how far the estimate is; `estimate` and `report`, whether to make them.
    """
    found = None
    with waiting(progress) as show:
        if estimate:
            found = _measure(run, data, seed, options, show)
        if report and run.folder and is_main():
            from harmonium.report import write_report  # brings Matplotlib, which only finished runs need

            show(Stage("writing the report", 0, 0))
            write_report(run.folder, run.model, data, key=jax.random.key(seed))
    return found


def _measure(run: Run, data: Dataset, seed: int, options: dict[str, Any], show: Watcher) -> Estimate | ErrorRate:
    by_class = classifies(run.model)
    split, rows = held_out(data, labelled=by_class)
    doing = f"measuring the {NAMES[split]} rows"
    show(Stage(doing, 0, 0))
    if by_class:
        found = error_of(run.model, data, split, rows if split != "train" else data.shown(rows))
    else:
        with watched(lambda stage: show(stage._replace(what=f"{doing} ({stage.what})"))):
            found = log_likelihood(run.model, rows, key=jax.random.key(seed), **options)
        run.baseline = _baseline(run.model, data, rows)
    if run.folder and is_main():
        record = run.folder.save_error_rate if by_class else run.folder.save_estimate
        record(split, found)
    return found
