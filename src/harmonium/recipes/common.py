"""What recipes share: data by name, units that fit it, the optimizer, and what is measured at the end of a run."""

from __future__ import annotations

import logging
import math
import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

from harmonium import data as datasets
from harmonium import units
from harmonium.data import Dataset, space_of
from harmonium.data.classes import titled
from harmonium.errors import InputError, whole
from harmonium.evaluation import at_least_one, check_annealing
from harmonium.inference import encode
from harmonium.models import EnergyModel, unlabelled, weights
from harmonium.objectives import Objective
from harmonium.recipes import flags
from harmonium.recipes.beginning import begun_from
from harmonium.recipes.measuring import measured
from harmonium.records import unfit
from harmonium.training import Run, RunFolder, check_settings, describe, fit, is_main

PLACE = ("out", "resume", "force", "progress")  # arguments that say where a run goes
AFTER = ("estimate", "report")  # and what follows it
COMMON = (*PLACE, *AFTER)  # which all say nothing of what it is
FIT = ("epochs", "batch_size", "average", "matmul_precision")  # arguments that a recipe hands to `fit` as they are
MARGINAL_ROWS = 100_000  # rows, at most, whose marginals the visible biases start at
OF_DATA = {"data": flags.Data, "binarize": flags.Binarize, "seed": flags.Seed, "scale": flags.Scale}
FILES = ("data", "labels", "edges")  # arguments that may be the path of a file
STAGES = "stages"  # where a run keeps the runs of its parts
JOINT = "stages/joint"  # and of the deep Boltzmann machine that a classifier is made of
WIDE_ROWS = 2000  # rows whose mean field is inferred at a time
FEW_CLASSES = 1000  # classes that labels may make where training rows are fewer
CATEGORICAL_LIMIT = 64  # states beyond which whole numbers are taken for grey values and not for codes


def load_data(
    data: str | None, binarize: str | None, seed: int, *, standardize: bool | str | None = False, **options: Any
) -> Dataset:
    """The named data; with no name, the digits that come with scikit-learn, binarized once."""
    if data is None:
        data, binarize = "digits", binarize or "fixed"
    return datasets.load(data, binarize=binarize, standardize=standardize or False, seed=seed, **options)


def visible_unit(data: Dataset, name: str) -> units.Unit:
    """The visible units called `name` (`auto`: those that the data's support asks for)."""
    size = data.train.shape[1]
    states = _states(data)
    if name == "auto" and data.space.support == "integers -1..1" and np.abs(data.train[:1000]).min() == 1:
        name = "spin"
    if name == "auto":
        measured = data.space.support == "real" and not is_grey(data)
        name = "gaussian" if measured else "categorical" if states else "bernoulli"
        if states and states > CATEGORICAL_LIMIT:
            raise InputError(
                f"'{data.name}' holds whole numbers up to {states - 1}: say what they are, with --binarize for grey "
                "values, --visible categorical for codes, or --visible gaussian for measurements."
            )
    if name == "categorical":
        return units.Categorical(size, states=states or 2)
    return named_unit(name, size)


def is_grey(data: Dataset) -> bool:
    """Whether real values all lie from 0 to 1, as grey values do: what they are is then for their owner to say."""
    rows = np.asarray(data.train[:1000])
    return bool(rows.min() >= 0 and rows.max() <= 1)


def _states(data: Dataset) -> int:
    """States of whole-number data (`integers 0..K-1`), 0 for other data."""
    found = re.fullmatch(r"integers 0\.\.(\d+)", data.space.support)
    return int(found[1]) + 1 if found else 0


def named_unit(name: str, size: int) -> units.Unit:
    """Units by name. Raises `InputError` for another name or no units."""
    families = {"bernoulli": units.Bernoulli, "spin": units.Spin, "gaussian": units.Gaussian}
    if name not in families:
        raise InputError(
            f"There are no units called '{name}': choose one of {', '.join(families)} "
            "(visible units also: auto, categorical, and columns for auto-regressive and directed networks)."
        )
    return families[name](size)


def layer_units(text: str) -> list[units.Unit]:
    """Bernoulli layers of the sizes in a text such as `500,1000`.

    >>> [unit.size for unit in layer_units("500, 1000")]
    [500, 1000]
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise InputError(f"Hidden layers are whole numbers with commas between, such as 500,1000, not '{text}'.")
    return [units.Bernoulli(int(part)) for part in parts]


def class_unit(data: Dataset) -> units.Categorical:
    """A layer for the labels of the data, those of all its splits. Raises `InputError` where there are none, or they
    are counted from 1, or make more classes than there are rows; warns of classes between others that no training row
    has."""
    if data.train_labels is None:
        raise InputError(f"'{data.name}' has no labels: give them with --labels, or train without classes.")
    splits = (data.train_labels, data.valid_labels, data.test_labels)
    found = np.unique(np.concatenate([labels for labels in splits if labels is not None]))
    if found[0] > 0 and data.class_names is None:
        raise InputError(
            f"The labels of '{data.name}' begin at {found[0]}, so that class 0 would be empty: count its classes from "
            f"0 (labels - {found[0]})."
        )
    count, trained_on = int(found[-1]) + 1, np.unique(data.train_labels)
    if count > max(FEW_CLASSES, len(data.train)):
        raise InputError(
            f"The labels of '{data.name}' go up to {found[-1]}, which makes more classes than there are training rows "
            f"({len(data.train)}): number the classes without gaps."
        )
    if len(trained_on) < count:
        empty = np.setdiff1d(np.arange(min(count, len(trained_on) + 1)), trained_on)[0]
        warnings.warn(
            f"The labels of '{data.name}' go up to {count - 1}, but {count - len(trained_on)} of these {count} classes "
            f"have no training row (the first is class {titled(data.class_names, empty)}): "
            f"{'leave them out of the data' if data.class_names else 'number the classes without gaps'}.",
            stacklevel=2,
        )
    return units.Categorical(1, states=max(count, 2))


def sgd(
    learning_rate: float, steps: int, *, momentum: float, weight_decay: float, schedule: str
) -> optax.GradientTransformation:
    """Gradient steps whose rate falls to zero (`linear`) or stays (`constant`); decay acts on weights only."""
    if not (0 < learning_rate < math.inf and 0 <= momentum < 1 and 0 <= weight_decay < math.inf):
        raise InputError(
            "Gradient steps take a positive learning rate, a momentum from 0 to below 1 and a weight decay from 0, not "
            f"{learning_rate:g}, {momentum:g} and {weight_decay:g}."
        )
    rates = {"linear": optax.linear_schedule(learning_rate, 0.0, steps), "constant": learning_rate}
    if schedule not in rates:
        raise InputError(f"There is no schedule '{schedule}': choose linear or constant.")
    decay = optax.add_decayed_weights(weight_decay, mask=weights) if weight_decay else optax.identity()
    return optax.chain(decay, optax.sgd(rates[schedule], momentum=momentum or None))


def annealed(learning_rate: float, steps: int, *, weight_decay: float = 0.0) -> optax.GradientTransformation:
    """Adam with a rate that falls along a cosine to zero; an L2 penalty on the weights is part of its gradient."""
    if not 0 < learning_rate < math.inf:
        raise InputError(f"Gradient steps take a positive learning rate, not {learning_rate:g}.")
    if not 0 <= weight_decay < math.inf:
        raise InputError(f"A weight decay is a number from 0, not {weight_decay:g}.")
    adam = optax.adam(optax.cosine_decay_schedule(learning_rate, steps))
    return optax.chain(optax.add_decayed_weights(weight_decay, mask=weights), adam) if weight_decay else adam


def about(recipe: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """What `run.json` says of a recipe: enough to run it again, and to load its data."""
    known = {k: v for k, v in arguments.items() if k not in COMMON}
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
    by_column = arguments.get("visible", "auto") in ("auto", "columns")
    return "real" if arguments.get("standardize") and by_column else bool(arguments.get("standardize"))


def opened(arguments: dict[str, Any]) -> Dataset:
    """The data that a recipe's arguments name, after everything that can be refused without it; what was read is
    logged."""
    if "temperatures" in arguments:
        check_annealing(arguments["ais_chains"], arguments["temperatures"])
    if arguments.get("estimate_samples") is not None:
        at_least_one("The final bound", estimate_samples=arguments["estimate_samples"])
    check_settings(
        **{name: arguments[name] for name in ("epochs", "average", "matmul_precision", "out", "resume", "force")}
    )
    named = {name: arguments[name] for name in ("scale", "labels")}
    named |= {"standardize": standardizing(arguments)}
    data = load_data(arguments["data"], arguments["binarize"], arguments["seed"], **named)
    if data.notes and is_main():
        logging.getLogger("harmonium").info("read %s: %s", data.name, "; ".join(data.notes))
    arguments["batch_size"] = batch_that_fits(arguments["batch_size"], data)
    return data


def batch_that_fits(size: int, data: Dataset) -> int:
    """The size of a batch, or the number of training rows where these are fewer, which is said in a warning.

    >>> batch_that_fits(50, datasets.from_arrays(np.eye(60)))
    50
    """
    rows = len(data.train)
    if not whole(size) or size <= rows:
        return size
    warnings.warn(
        f"A batch is all {rows} training rows of '{data.name}', and not {size}: --batch-size {rows} or less says so.",
        stacklevel=4,  # the line that called the recipe
    )
    return rows


def staged(recipe: str, arguments: dict[str, Any], data: Dataset) -> tuple[dict[str, Any], bool]:
    """The folder of a run that begins with runs of its parts, made before the first of them (or found, to go on).

    Returns where these go, as options of `stack`, and whether they lie behind, for the run itself has a checkpoint.
    The arguments then say where that run goes.
    """
    if arguments["out"] is None:
        return {}, False
    resume, folder = arguments["resume"], RunFolder(arguments["out"])
    begun = resume and folder.last_step is not None
    if not resume:
        folder = RunFolder.create(folder.path, describe(data, **about(recipe, arguments)), force=arguments["force"])
    elif not begun and is_main():
        folder.write_about(folder.about | about(recipe, arguments))  # in which the number of epochs may be another
    arguments |= {"out": folder, "resume": begun}
    return {"out": folder.path / STAGES, "resume": resume}, begun


def trained(
    recipe: str, arguments: dict[str, Any], model: Any, data: Dataset, rule: Objective,
    optimizer: optax.GradientTransformation, **options: Any,
) -> Run:  # fmt: skip
    """The run that a recipe's arguments ask for; measured, with `options` of the estimate, where it came to its end."""
    settings = {name: arguments[name] for name in (*FIT, *PLACE)}
    key, record = jax.random.key(arguments["seed"]), about(recipe, arguments)
    if recipe != "classifier" and arguments["from_"] is not None:
        model, origin = begun_from(arguments["from_"], model, arguments["out"], resume=arguments["resume"])
        record |= origin
    run = fit(model, data, rule, optimizer=optimizer, key=key, about=record, **settings)
    if run.finished:
        if "temperatures" in arguments:
            options |= {"chains": arguments["ais_chains"], "temperatures": arguments["temperatures"]}
        if arguments.get("estimate_samples") is not None:
            options |= {"samples": arguments["estimate_samples"]}
        after = {name: arguments[name] for name in ("progress", *AFTER)}
        run.estimate = measured(run, data, seed=arguments["seed"], **after, **options)
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
