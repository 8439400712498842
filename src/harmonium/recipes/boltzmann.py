"""Train, measure and report Boltzmann machines with one hidden layer or none."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np

from harmonium.data import Dataset
from harmonium.data.files import read_array
from harmonium.errors import InputError
from harmonium.models import RBM, BoltzmannMachine, Centred
from harmonium.models.boltzmann.pairs import lattice_edges
from harmonium.recipes import flags
from harmonium.recipes.common import begun, opened, trained
from harmonium.recipes.layers import MARGINAL_ROWS, named_unit, table_unit, visible_unit
from harmonium.recipes.rules import MACHINE_RULES, constrained, learning_rule
from harmonium.recipes.settings import Descent, command
from harmonium.training import Run


@command(Descent, epochs=200, learning_rate=0.1)
def rbm(
    settings: Descent,
    *,
    hidden: Annotated[int, "hidden units"] = 64,
    hidden_units: Annotated[str, "kind of hidden units: bernoulli, spin or gaussian"] = "bernoulli",
    objective: Annotated[
        str,
        "objective: pcd, cd, fpcd, tempered, trajectory (of pcd); exact, for few units; pseudo, or ratio for "
        "binary visible units; nce; score, denoising for gaussian ones",
    ] = "pcd",
    steps: flags.Steps = 1,
    chains: flags.Chains = 100,
    rungs: Annotated[int, "temperatures (tempered) or snapshots (trajectory) per chain"] = 10,
    fast_rate: Annotated[float, "learning rate of the fast weights of fpcd"] = 0.05,
    sites: flags.Sites = 1,
    ratio: Annotated[int, "rows of noise that nce draws for each row of data"] = 10,
    noise: Annotated[float, "standard deviation of the noise of denoising, in units of the data"] = 0.3,
    sparsity: Annotated[float | None, "target mean activation of hidden units, such as 0.1"] = None,
    sparsity_strength: Annotated[float, "weight of the penalty on other activations"] = 1.0,
    max_norm: Annotated[float | None, "largest norm of the weights into each hidden unit, such as 3"] = None,
    centred: flags.Centring = True,
) -> Run:
    """Train an RBM (sections 20.2 and 20.5.1 of the book), measure its held-out log-likelihood, write a report."""
    settings, data = opened(settings)
    units = table_unit(data, settings.visible), named_unit(hidden_units, hidden)
    model = begun(RBM(*units, key=jax.random.fold_in(jax.random.key(settings.seed), 1)), data)
    rows = data.shown(data.train[:MARGINAL_ROWS])
    model, rule = learning_rule(settings.own, Centred(model) if centred else model, rows)
    return trained(settings, model, data, constrained(settings.own, rule), settings.optimizer(data))


@command(Descent, epochs=200)
def boltzmann(
    settings: Descent,
    *,
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
) -> Run:
    """Train a Boltzmann machine with or without hidden units (section 20.1 of the book), measure its held-out
    log-likelihood, write a report."""
    settings, data = opened(settings)
    if hidden < 0:
        raise InputError(f"A Boltzmann machine has no negative number of hidden units, not hidden={hidden}.")
    unit = visible_unit(data, visible)
    pairs = _pairs(data, unit.size, hidden, couplings, edges)
    above = named_unit(hidden_units, hidden) if hidden else None
    key = jax.random.fold_in(jax.random.key(settings.seed), 1)
    model = begun(BoltzmannMachine(unit, above, edges=pairs, key=key), data)
    model, rule = learning_rule(settings.own, model, data.shown(data.train[:MARGINAL_ROWS]), MACHINE_RULES)
    return trained(settings, model, data, rule, settings.optimizer(data))


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
