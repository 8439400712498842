"""Greedy layer-wise training: each machine on samples of what the one below it makes of the data (section 20.3)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np

from harmonium.data import Dataset, as_dataset, from_arrays
from harmonium.errors import InputError, RunError, shown
from harmonium.inference import at_marginals, encode, mean_field
from harmonium.inference.placing import placed_unit
from harmonium.models import DBM, RBM, Centred, DoubledRBM, EnergyModel
from harmonium.models.energy import with_biases
from harmonium.models.validation import check_hidden, check_units
from harmonium.objectives import DoubledInput, Objective
from harmonium.training.check import check_classes
from harmonium.training.fit import fit
from harmonium.training.folder import RunFolder
from harmonium.training.log import Run
from harmonium.units import Bernoulli, Unit

ROWS = 10_000  # rows encoded at a time


def upper_data(data: Dataset | np.ndarray, machine: EnergyModel) -> Dataset:
    """The data of the next machine: at each presentation a fresh sample of the hidden units given a training row.

        E_{v ~ data} E_{h ~ p(h | v)} log p_next(h)                                                     # (20.21)

    The hidden means are stored and drawn from as grey values are under the dynamic binarization; held-out rows are
    drawn once, and so are grey training rows before they are encoded. Labels go along. Arguments: `data`, also plain
    rows `[n, size]`; `machine`, an RBM
    or a centred one with Bernoulli hidden units. Raises `InputError` for other hidden units.

    >>> import harmonium as hm
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(4), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> upper_data(hm.data.from_arrays(np.eye(4)), rbm).train.shape
    (4, 3)
    """
    data = as_dataset(data)
    if not isinstance(machine.layers.get("h"), Bernoulli):
        raise InputError("The next machine is trained on samples of hidden units, which must be Bernoulli.")

    def means(rows: np.ndarray | None, show: Callable[[int, np.ndarray], np.ndarray]) -> np.ndarray | None:
        if rows is None:
            return None
        parts = [show(i, rows[i : i + ROWS]) for i in range(0, len(rows), ROWS)]
        return np.concatenate([np.asarray(_hidden_means(machine, part)) for part in parts])

    def drawn(first: int, rows: np.ndarray) -> np.ndarray:
        key = jax.random.fold_in(jax.random.key(0), first)
        return data.sampled(key, data.shown(rows))

    def as_they_are(_: int, rows: np.ndarray) -> np.ndarray:
        return np.asarray(rows)

    labels = {f"{split}_labels": getattr(data, f"{split}_labels") for split in ("valid", "test")}
    return from_arrays(
        means(data.train, drawn),
        valid=means(data.valid, as_they_are),
        test=means(data.test, as_they_are),
        labels=data.train_labels,
        **labels,
        binarize="dynamic",
        name=f"{data.name}, layer above",
    )


def stack(
    data: Dataset | np.ndarray, hidden: Sequence[Unit], rule: Objective, *, visible: Unit, key: jax.Array,
    centred: bool = False, labels: Unit | None = None, out: str | Path | None = None, resume: bool = False,
    **options: Any,
) -> list[EnergyModel]:  # fmt: skip
    """RBMs trained one on another, for `DBN.stacked`.

    Arguments: `data`, a `Dataset` or rows `[n, size]`; `hidden`, the hidden units of each, from the data upwards;
    `rule`, the learning rule of all; `visible`, the units of the data; `centred`, whether each is trained in centred
    coordinates; `labels`, units that the last machine joins to its visible ones; `out`, a folder in which each has a
    run of its own, `1`, `2`, ...; `resume`, go on with what is found there: machines that are done are taken as they
    are; `options`, those of `fit`, with a callable `optimizer()` that makes a new one for each.

    >>> import harmonium as hm
    >>> units = [hm.units.Bernoulli(3), hm.units.Bernoulli(2)]
    >>> data = hm.data.from_arrays(np.eye(4))
    >>> options = {"visible": hm.units.Bernoulli(4), "key": jax.random.key(0), "epochs": 1, "batch_size": 2}
    >>> [machine.W.shape for machine in stack(data, units, hm.objectives.CD(), **options)]
    [(4, 3), (3, 2)]
    """
    data = as_dataset(data)
    _refuse(data, visible, hidden, labels)
    visible = placed_unit(visible, data)

    def made(i: int, below: Unit, above: Unit, data: Dataset, key: jax.Array) -> tuple[EnergyModel, Objective]:
        joined = labels is not None and i == len(hidden) - 1
        machine = DBM(below, [above], labels, key=key) if joined else RBM(below, above, key=key)
        machine = at_marginals(machine, _some(data))
        return Centred(machine) if centred else machine, rule

    return _one_on_another(data, [visible, *hidden], made, key=key, out=out, resume=resume, **options)


def pretrained_dbm(
    data: Dataset | np.ndarray,
    hidden: Sequence[Unit],
    rule: Objective,
    *,
    visible: Unit,
    key: jax.Array,
    labels: Unit | None = None,
    **options: Any,
) -> DBM:
    """A deep Boltzmann machine made of RBMs trained one on another, its parts weighted as the whole will need them.

    The lowest RBM sees its data twice and the highest its hidden units; the weights of those between are halved
    (Salakhutdinov & Hinton 2009; book, section 20.4.4 and Fig. 20.4). A layer between two machines has the mean of
    their biases. With `labels` the highest RBM learns the joint distribution of its data and `y`, whose weights stay as
    they are: in the whole machine, too, only the last hidden layer acts on `y`.
    Arguments as in `stack`, with at least two hidden layers. Raises `InputError` for fewer.

    >>> import harmonium as hm
    >>> units = [hm.units.Bernoulli(3), hm.units.Bernoulli(2)]
    >>> options = {"visible": hm.units.Bernoulli(4), "key": jax.random.key(0), "epochs": 1, "batch_size": 2}
    >>> dbm = pretrained_dbm(hm.data.from_arrays(np.eye(4)), units, hm.objectives.CD(), **options)
    >>> [W.shape for W in dbm.W]
    [(4, 3), (3, 2)]
    """
    data = as_dataset(data)
    _refuse(data, visible, hidden, labels)
    visible = placed_unit(visible, data)
    if len(hidden) < 2:
        raise InputError("Pretraining a DBM takes at least two hidden layers: with one, train the RBM itself.")

    def made(i: int, below: Unit, above: Unit, data: Dataset, key: jax.Array) -> tuple[EnergyModel, Objective]:
        last = i == len(hidden) - 1
        joined = labels is not None and last
        machine = DBM(below, [above], labels, key=key) if joined else RBM(below, above, key=key)
        machine = at_marginals(machine, _some(data))
        if i == 0:
            return DoubledRBM(machine, "v"), DoubledInput(rule)
        return DoubledRBM(machine, "h") if last else machine, DoubledInput(rule, "y", "z") if joined else rule

    options = {"monitor": False} | options  # the free energy of a machine with a copy says nothing of the whole
    units = [visible, *hidden]
    return _composed(_one_on_another(data, units, made, key=key, **options), units, key, labels)


def _one_on_another(
    data: Dataset, units: Sequence[Unit], made: Callable[..., tuple[EnergyModel, Objective]], *, key: jax.Array,
    out: str | Path | None = None, resume: bool = False, optimizer: Any = lambda: None, **options: Any,
) -> list[EnergyModel]:  # fmt: skip
    """Machines trained one on another: `made(i, below, above, data, key)` makes number `i`, and says by what rule."""
    if not callable(optimizer):
        raise InputError(
            f"Each machine of a stack gets an optimizer of its own: pass a function that makes one, such as "
            f"lambda: optax.adam(1e-3), not {shown(optimizer)}."
        )
    machines: list[EnergyModel] = []
    for i, (below, above) in enumerate(itertools.pairwise(units)):
        start = jax.random.fold_in(key, i)
        model, rule = made(i, below, above, data, start)
        options |= {} if out is None else stage_at(Path(out) / str(i + 1), resume)
        run = fit(model, data, rule, optimizer=optimizer(), key=jax.random.fold_in(start, 1), **options)
        machines.append(finished(run).model)
        if i < len(units) - 2:
            data = upper_data(data, run.model)
    return machines


def stage_at(path: str | Path, resume: bool) -> dict[str, Any]:
    """Options of `fit` for a run that is a part of another: on from its checkpoint, or anew where it was stopped before
    it had one.

    >>> stage_at("nowhere", resume=True)["resume"]
    False
    """
    return {"out": path, "resume": resume and RunFolder(path).last_step is not None, "force": resume}


def finished(run: Run) -> Run:
    """The run, if it came to its end. Raises `RunError` where it was interrupted: its model is not what was asked for.

    >>> finished(Run(model="an RBM", metrics=[], step=3)).step
    3
    """
    if not run.finished:
        cure = "go on with --resume" if run.folder else "run it again from the start"
        raise RunError(f"Interrupted at step {run.step}, before training was done: {cure}.")
    return run


def _refuse(data: Dataset, visible: Unit, hidden: Sequence[Unit], labels: Unit | None) -> None:
    """Refuse what would only fail after some of the machines are trained."""
    check_hidden("A stack of machines", hidden)
    check_units("A stack of machines", visible, *hidden)
    if not all(isinstance(unit, Bernoulli) for unit in hidden[:-1]):
        raise InputError("Machines stand one on another by Bernoulli hidden units: give one such layer for each.")
    if labels is not None and data.train_labels is None:
        raise InputError(
            f"{data.name!r} has no labels: give them where the data is loaded (labels=...), or leave them out."
        )
    if labels is not None:
        check_classes(labels, data)


def _composed(
    machines: Sequence[RBM | DoubledRBM], units: Sequence[Unit], key: jax.Array, labels: Unit | None = None
) -> DBM:
    """The deep machine of these parts, of which the last may have labels."""
    parts = [machine.model if isinstance(machine, DoubledRBM) else machine for machine in machines]
    shares = [1.0 if isinstance(machine, DoubledRBM) else 0.5 for machine in machines]
    first, last = parts[0].biases, parts[-1].biases
    dbm = DBM(units[0], units[1:], labels, key=key)
    between = [(a.biases["h"] + b.biases["v"]) / 2 for a, b in itertools.pairwise(parts)]
    top = [last["h"]] if labels is None else [last["h"], last["y"]]
    dbm = with_biases(dbm, dict(zip(dbm.layers, [first["v"], *between, *top], strict=True)))
    weights = [share * _lowest(part) for share, part in zip(shares, parts, strict=True)]
    weights += [] if labels is None else [parts[-1].W[1]]
    return eqx.tree_at(lambda m: m.W, dbm, tuple(weights))


def _lowest(machine: RBM | DBM) -> jax.Array:
    return machine.W[0] if isinstance(machine, DBM) else machine.W


def _some(data: Dataset) -> np.ndarray:
    return data.train[:100_000] if data.decode is None else data.shown(data.train[:100_000])


def _hidden_means(machine: EnergyModel, rows: np.ndarray) -> jax.Array:
    """Means of layer `h`: with the data given twice where there is a copy of it."""
    if isinstance(machine, DoubledRBM) and machine.of == "v":
        return jax.vmap(lambda v: mean_field(machine, {"v": v, "u": v})["h"])(machine.layers["v"].from_data(rows))
    return encode(machine, rows)
