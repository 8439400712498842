"""What recipes share: data by name, the folder of a run, training, and what is measured at the end of it."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

from harmonium import data as datasets
from harmonium.data import Dataset, space_of
from harmonium.errors import InputError, warn, whole
from harmonium.inference import at_marginals, encode
from harmonium.models import Biased, EnergyModel, unlabelled
from harmonium.objectives import Objective
from harmonium.recipes import flags
from harmonium.recipes.beginning import begun_from
from harmonium.recipes.layers import MARGINAL_ROWS
from harmonium.recipes.measuring import measured
from harmonium.recipes.settings import AFTER, BY_COLUMN, FIT, PLACE, Settings
from harmonium.records import unfit
from harmonium.training import Run, RunFolder, check_data, describe, fit, is_main

OF_DATA = {"data": flags.Data, "binarize": flags.Binarize, "seed": flags.Seed, "scale": flags.Scale}
FILES = ("data", "labels", "edges")  # arguments that may be the path of a file
STAGES = "stages"  # where a run keeps the runs of its parts
JOINT = "stages/joint"  # and of the deep Boltzmann machine that a classifier is made of
WIDE_ROWS = 2000  # rows whose mean field is inferred at a time


def load_data(
    data: str | None, binarize: str | None, seed: int, *, standardize: bool | str | None = False, **options: Any
) -> Dataset:
    """The named data; with no name, the digits that come with scikit-learn, binarized once."""
    if data is None:
        data, binarize = "digits", binarize or "fixed"
    return datasets.load(data, binarize=binarize, standardize=standardize or False, seed=seed, **options)


def about(recipe: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """What `run.json` says of a recipe: enough to run it again, and to load its data."""
    known = {k: v for k, v in arguments.items() if k not in (*PLACE, *AFTER)}
    files = FILES if recipe == "classifier" else (*FILES, "from_")  # where it is the name of a kind of model
    for name in (name for name in files if known.get(name) and known[name] not in datasets.available()):
        if Path(known[name]).exists():
            known[name] = str(Path(known[name]).resolve())  # found again from any other folder
    return {"recipe": recipe, "arguments": known}


def data_of(folder: RunFolder, file: str | None = None) -> Dataset:
    """The data that a run was trained on, loaded again (from `file`, where it has moved) except for a file of labels,
    which no estimate needs. Raises `InputError` where it has changed since."""
    run = folder.about
    arguments = run.get("arguments")
    if not arguments:
        raise InputError(f"The run in '{folder.path}' was not started by a recipe, so its data has no name here.")
    try:
        name, binarize, seed = (arguments[part] for part in ("data", "binarize", "seed"))
        recorded = run["data"]["space"].get("hash")
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"'{folder.path / 'run.json'}' does not say what the run was trained on ({error} is not there): restore it."
        ) from error
    if wrong := unfit(arguments, OF_DATA):
        raise InputError(f"'{folder.path / 'run.json'}' is damaged ({wrong}): restore it, or train again.")
    options = {"standardize": standardizing(arguments), "scale": arguments.get("scale")}
    data = load_data(file or name, binarize, seed, **options)
    if arguments.get("from_") == "dbm":
        data = beside_means(data, RunFolder(folder.path / JOINT).load_model())
    found = space_of(data.train).hash
    if recorded != found:
        raise InputError(
            f"The data '{data.name}' has changed since the run in '{folder.path}' was trained on it "
            f"(hash {recorded}, now {found}): restore it before evaluating."
        )
    return data


def standardizing(arguments: dict[str, Any]) -> bool | str:
    """What `--standardize` means: the real columns where units are found column by column, else all of them.

    >>> [standardizing({"standardize": True, "visible": visible}) for visible in ("auto", "gaussian")]
    ['real', True]
    """
    by_column = arguments.get("visible", "auto") in BY_COLUMN
    return "real" if arguments.get("standardize") and by_column else bool(arguments.get("standardize"))


def opened(settings: Settings) -> tuple[Settings, Dataset]:
    """The data that settings name, after everything that can be refused without it, and the settings with a batch that
    it fills; what was read is logged."""
    settings.check()
    data = named_data(settings, settings.binarize)
    if data.notes and is_main():
        logging.getLogger("harmonium").info("read %s: %s", data.name, "; ".join(data.notes))
    return replace(settings, batch_size=batch_that_fits(settings.batch_size, data)), data


def named_data(settings: Settings, binarize: str | None) -> Dataset:
    """The data that settings name, binarized so."""
    options = {**settings.some("scale", "labels"), "standardize": standardizing(settings.arguments())}
    return load_data(settings.data, binarize, settings.seed, **options)


def batch_that_fits(size: int, data: Dataset) -> int:
    """The size of a batch, or the number of training rows where these are fewer, which is said in a warning.

    >>> batch_that_fits(50, datasets.from_arrays(np.eye(60)))
    50
    """
    rows = len(data.train)
    if not whole(size) or size <= rows:
        return size
    warn(f"A batch is all {rows} training rows of '{data.name}', and not {size}: --batch-size {rows} or less says so.")
    return rows


def begun(model: Any, data: Dataset) -> Any:
    """The model, if it can be trained on the data, with its visible biases at their marginals, where it has biases."""
    check_data(model, data)
    return at_marginals(model, data.shown(data.train[:MARGINAL_ROWS])) if isinstance(model, Biased) else model


def staged(settings: Settings, data: Dataset) -> tuple[Settings, dict[str, Any], bool]:
    """The folder of a run that begins with runs of its parts, made before the first of them (or found, to go on).

    Returns settings that say where that run goes; where its parts go, as options of `stack`; and whether they lie
    behind, for the run itself has a checkpoint.
    """
    if settings.out is None:
        return settings, {}, False
    resume, folder = settings.resume, RunFolder(settings.out)
    behind = resume and folder.last_step is not None
    record = about(settings.recipe, settings.arguments())
    if not resume:
        folder = RunFolder.create(folder.path, describe(data, **record), force=settings.force)
    elif not behind and is_main():
        folder.write_about(folder.about | record)  # in which the number of epochs may be another
    return replace(settings, out=folder, resume=behind), {"out": folder.path / STAGES, "resume": resume}, behind


def trained(
    settings: Settings, model: Any, data: Dataset, rule: Objective, optimizer: optax.GradientTransformation,
    **options: Any,
) -> Run:  # fmt: skip
    """The run that settings ask for; measured, with `options` of the estimate, where it came to its end."""
    key, record = jax.random.key(settings.seed), about(settings.recipe, settings.arguments())
    if settings.recipe != "classifier" and settings.from_ is not None:
        model, origin = begun_from(settings.from_, model, settings.out, resume=settings.resume)
        record |= origin
    run = fit(model, data, rule, optimizer=optimizer, key=key, about=record, **settings.some(*FIT, *PLACE))
    if run.finished:
        after = {"seed": settings.seed, "progress": settings.progress, **settings.some(*AFTER)}
        run.estimate = measured(run, data, **after, **options, **settings.of_estimate())
    return run


def beside_means(data: Dataset, dbm: EnergyModel) -> Dataset:
    """The data of a classifier made of a deep Boltzmann machine: each row beside the means of `h2` that the machine
    infers from it without its labels (Fig. 20.4 d of the book)."""
    bare = unlabelled(dbm)

    def wide(rows: Any) -> np.ndarray | None:
        if rows is None:
            return None
        rows = np.asarray(rows, np.float32)
        parts = [encode(bare, rows[i : i + WIDE_ROWS])["h2"] for i in range(0, len(rows), WIDE_ROWS)]
        return np.concatenate([rows, np.concatenate([np.asarray(part) for part in parts])], axis=1)

    marks = {f"{split}_labels": getattr(data, f"{split}_labels") for split in ("valid", "test")}
    wider = datasets.from_arrays(
        wide(data.shown(data.train)), wide(data.valid), wide(data.test), labels=data.train_labels, **marks,
        name=f"{data.name} and h2",
    )  # fmt: skip
    return replace(wider, class_names=data.class_names)


def new_folder(recipe: str, data: str | None, parent: str = "runs") -> Path:
    """A name that is not taken: `runs/rbm-digits`, `runs/rbm-digits-2`, ..."""
    name = f"{recipe}-{re.sub(r'[^A-Za-z0-9_]+', '_', Path(data or 'digits').stem)}"
    candidates = (Path(parent) / (name if i == 1 else f"{name}-{i}") for i in range(1, 10_000))
    return next(path for path in candidates if not path.exists())
