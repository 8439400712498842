"""Train, measure and report a restricted Boltzmann machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import jax

from harmonium import objectives
from harmonium.errors import InputError
from harmonium.evaluation import check_annealing
from harmonium.inference import at_marginals
from harmonium.models import RBM, Centred
from harmonium.objectives import Objective
from harmonium.recipes.common import about, load_data, measured, named_unit, sgd, visible_unit
from harmonium.training import Run, check_data, fit

MARGINAL_ROWS = 100_000  # rows, at most, whose marginals the visible biases start at


def rbm(
    data: Annotated[str | None, "digits, mnist, binarized_mnist, or a file or folder (default: digits)"] = None,
    *,
    binarize: Annotated[str | None, "fixed, dynamic, threshold or probabilities, for grey values"] = None,
    standardize: Annotated[bool, "bring the columns of a table to mean 0 and variance 1"] = False,
    scale: Annotated[float | None, "what all values of a file are divided by first"] = None,
    labels: Annotated[str | None, "a file with a label for each row of a file, kept with the data"] = None,
    hidden: Annotated[int, "hidden units"] = 64,
    visible: Annotated[str, "visible units: auto, bernoulli, spin, categorical or gaussian"] = "auto",
    hidden_units: Annotated[str, "kind of hidden units: bernoulli, spin or gaussian"] = "bernoulli",
    objective: Annotated[str, "learning rule: pcd, cd or pseudo"] = "pcd",
    steps: Annotated[int, "Gibbs sweeps per update"] = 1,
    chains: Annotated[int, "persistent chains of pcd"] = 100,
    centred: Annotated[bool, "measure statistics from their means"] = True,
    epochs: Annotated[int, "passes over the training rows"] = 200,
    batch_size: Annotated[int, "rows per update"] = 50,
    learning_rate: Annotated[float, "learning rate at the start"] = 0.1,
    schedule: Annotated[str, "course of the learning rate: linear (to zero) or constant"] = "linear",
    momentum: Annotated[float, "momentum of the gradient steps, from 0 to below 1"] = 0.0,
    weight_decay: Annotated[float, "L2 penalty on the weights"] = 0.0,
    average: Annotated[float | None, "decay of a moving average of the parameters, such as 0.999"] = None,
    products: Annotated[
        str, "matrix products of training: float32, or bfloat16 where the processor has it"
    ] = "float32",
    seed: Annotated[int, "seed of everything random"] = 0,
    ais_chains: Annotated[int, "chains of the final estimate, where it is not exact"] = 100,
    temperatures: Annotated[int, "temperatures of the final estimate, where it is not exact"] = 5_000,
    out: Annotated[Path | None, "folder of the run (default: a new one in runs/)"] = None,
    resume: Annotated[bool, "go on with the run in --out, with the arguments it was started with"] = False,
    force: Annotated[bool, "replace the run in --out"] = False,
    progress: Annotated[bool, "show a progress bar"] = False,
) -> Run:
    """Train an RBM (sections 20.2 and 20.5.1 of the book), measure its held-out log-likelihood, write a report."""
    record = about("rbm", dict(locals()))
    check_annealing(ais_chains, temperatures)
    dataset = load_data(data, binarize, seed, standardize=standardize, scale=scale, labels=labels)
    key = jax.random.key(seed)
    units = visible_unit(dataset, visible), named_unit(hidden_units, hidden)
    model = RBM(*units, key=jax.random.fold_in(key, 1))
    check_data(model, dataset)
    model = at_marginals(model, dataset.shown(dataset.train[:MARGINAL_ROWS]))
    run = fit(
        Centred(model) if centred else model,
        dataset,
        _rule(objective, steps, chains),
        optimizer=sgd(
            learning_rate,
            epochs * dataset.steps_per_epoch(batch_size),
            momentum=momentum,
            weight_decay=weight_decay,
            schedule=schedule,
        ),
        epochs=epochs,
        batch_size=batch_size,
        key=key,
        average=average,
        products=products,
        out=out,
        resume=resume,
        force=force,
        progress=progress,
        about=record,
    )
    if run.finished:
        run.estimate = measured(run, dataset, seed=seed, chains=ais_chains, temperatures=temperatures)
    return run


def _rule(name: str, steps: int, chains: int) -> Objective:
    rules = {
        "cd": lambda: objectives.CD(steps),
        "pcd": lambda: objectives.PCD(steps, chains),
        "pseudo": lambda: objectives.PseudoLikelihood(),
    }
    if name not in rules:
        raise InputError(f"There is no learning rule '{name}': choose one of {', '.join(rules)}.")
    return rules[name]()
