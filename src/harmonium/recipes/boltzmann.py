"""Train, measure and report a general Boltzmann machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np

from harmonium.data import Dataset
from harmonium.data.files import read_array
from harmonium.errors import InputError
from harmonium.inference import at_marginals
from harmonium.models import BoltzmannMachine
from harmonium.models.boltzmann.pairs import lattice_edges
from harmonium.recipes import flags
from harmonium.recipes.common import MARGINAL_ROWS, named_unit, opened, sgd, trained, visible_unit
from harmonium.recipes.rules import MACHINE_RULES, learning_rule
from harmonium.training import Run, check_data


def boltzmann(
    data: flags.Data = None,
    *,
    binarize: flags.Binarize = None,
    labels: flags.Labels = None,
    scale: flags.Scale = None,
    standardize: flags.Standardize = False,
    hidden: Annotated[int, "hidden units"] = 0,
    visible: Annotated[str, "visible units: auto, bernoulli, spin or categorical"] = "auto",
    hidden_units: Annotated[str, "kind of hidden units: bernoulli or spin"] = "bernoulli",
    couplings: Annotated[
        str | None,
        "what acts on what: dense, every unit on every other; lattice, neighbouring pixels of pictures on each other "
        "and hidden units on all pixels; restricted, hidden units on visible ones (default: dense, or --edges)",
    ] = None,
    edges: Annotated[
        str | None, "a file with two unit numbers a row, from 0, visible ones first: what is coupled"
    ] = None,
    objective: Annotated[str, "objective: pcd, cd; exact, for few units; pseudo, or ratio for binary units"] = "pcd",
    steps: flags.Steps = 1,
    chains: flags.Chains = 100,
    sites: flags.Sites = 8,
    epochs: flags.Epochs = 200,
    batch_size: flags.BatchSize = 50,
    learning_rate: flags.LearningRate = 0.05,
    schedule: flags.Schedule = "linear",
    momentum: flags.Momentum = 0.0,
    weight_decay: flags.WeightDecay = 0.0,
    average: flags.Average = None,
    matmul_precision: flags.MatmulPrecision = "float32",
    seed: flags.Seed = 0,
    ais_chains: flags.AisChains = 100,
    temperatures: flags.Temperatures = 5_000,
    from_: flags.From = None,
    out: flags.Out = None,
    resume: flags.Resume = False,
    force: flags.Force = False,
    progress: flags.ShowProgress = False,
    estimate: flags.Measure = True,
    report: flags.Report = True,
) -> Run:
    """Train a Boltzmann machine with or without hidden units (section 20.1 of the book), measure its held-out
    log-likelihood, write a report."""
    arguments = dict(locals())
    dataset = opened(arguments)
    key = jax.random.key(seed)
    if hidden < 0:
        raise InputError(f"A Boltzmann machine has no negative number of hidden units, not hidden={hidden}.")
    unit = visible_unit(dataset, visible)
    pairs = _pairs(dataset, unit.size, hidden, couplings, edges)
    above = named_unit(hidden_units, hidden) if hidden else None
    model = BoltzmannMachine(unit, above, edges=pairs, key=jax.random.fold_in(key, 1))
    check_data(model, dataset)
    rows = dataset.shown(dataset.train[:MARGINAL_ROWS])
    model, rule = learning_rule(arguments, at_marginals(model, rows), rows, MACHINE_RULES)
    total = epochs * dataset.steps_per_epoch(arguments["batch_size"])
    optimizer = sgd(learning_rate, total, momentum=momentum, weight_decay=weight_decay, schedule=schedule)
    return trained("boltzmann", arguments, model, dataset, rule, optimizer)


def _pairs(data: Dataset, visible: int, hidden: int, couplings: str | None, edges: str | None) -> Any:
    """The edges of the machine; None for all of them."""
    if edges is not None and couplings is not None:
        raise InputError(
            "A machine has the couplings of --edges or those that --couplings names: leave one of them out."
        )
    if edges is not None:
        return _edges_of(Path(edges))
    between = np.stack(np.meshgrid(np.arange(visible), visible + np.arange(hidden), indexing="ij"), axis=-1)
    if couplings == "lattice":
        if data.image_shape is None:
            raise InputError(
                f"A lattice couples neighbouring pixels, and '{data.name}' holds no pictures: choose --couplings "
                "dense, or give the pairs with --edges."
            )
        return np.concatenate([lattice_edges(tuple(data.image_shape), periodic=False), between.reshape(-1, 2)])
    if couplings == "restricted":
        if not hidden:
            raise InputError("Restricted couplings join hidden units to visible ones: give some with --hidden.")
        return between.reshape(-1, 2)
    if couplings not in (None, "dense"):
        raise InputError(f"There are no couplings '{couplings}': choose dense, lattice or restricted, or give --edges.")
    return None


def _edges_of(path: Path) -> np.ndarray:
    """Pairs of unit numbers in a file."""
    table = np.asarray(read_array(path))
    numbers = table.dtype.kind in "iuf"
    if not numbers or table.ndim != 2 or table.shape[1] != 2 or not np.array_equal(table, np.round(table)):
        raise InputError(
            f"'{path}' should hold two whole numbers a row, the units of a pair, not {table.dtype} of shape "
            f"{table.shape}: number the units from 0, visible ones first."
        )
    return table.astype(int)
