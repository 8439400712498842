"""Train, measure and report a classifier that begins as a deep belief network or a deep Boltzmann machine."""

from __future__ import annotations

from typing import Annotated, Any

import jax

from harmonium.data import Dataset
from harmonium.errors import InputError
from harmonium.inference import at_marginals
from harmonium.models import DBM, DBN, Centred, Classifier, EnergyModel, classifier_from_dbm, classifier_from_dbn
from harmonium.nets import MLP
from harmonium.objectives import CD, PCD, CrossEntropy
from harmonium.recipes import flags
from harmonium.recipes.common import (
    JOINT,
    MARGINAL_ROWS,
    annealed,
    beside_means,
    class_unit,
    layer_units,
    load_data,
    opened,
    sgd,
    staged,
    trained,
    visible_unit,
)
from harmonium.training import Run, RunFolder, check_data, finished, fit, pretrained_dbm, stack, stage_at
from harmonium.units import Bernoulli, Unit


def classifier(
    data: flags.Data = None,
    *,
    binarize: Annotated[
        str | None,
        "fixed, dynamic, threshold or probabilities (default: the machines see grey values sampled anew at each "
        "presentation, and the classifier sees them as they are)",
    ] = None,
    standardize: flags.Standardize = False,
    scale: flags.Scale = None,
    labels: flags.Labels = None,
    from_: Annotated[str, "pretrain as a dbn (deep belief network) or dbm (deep Boltzmann machine)"] = "dbn",
    hidden: flags.Layers = "200,200",
    visible: flags.Visible = "auto",
    greedy_epochs: Annotated[
        int, "passes over the rows for each machine (0: none; a dbn is a plain net then, a dbm starts at random)"
    ] = 100,
    joint_epochs: Annotated[int, "passes for all layers of a dbm together, before it becomes a classifier"] = 100,
    epochs: Annotated[int, "passes of training by the labels"] = 200,
    batch_size: flags.BatchSize = 50,
    learning_rate: Annotated[float, "learning rate of pretraining at its start, falling to zero"] = 0.1,
    fine_rate: Annotated[float, "learning rate of Adam by the labels, falling along a cosine to zero"] = 0.005,
    drop_inputs: Annotated[float, "dropout rate of the inputs"] = 0.2,
    drop_hidden: Annotated[float, "dropout rate of the hidden units"] = 0.5,
    average: flags.Average = None,
    matmul_precision: flags.MatmulPrecision = "float32",
    seed: flags.Seed = 0,
    out: flags.Out = None,
    resume: flags.Resume = False,
    force: flags.Force = False,
    progress: flags.ShowProgress = False,
    estimate: flags.Measure = True,
    report: flags.Report = True,
) -> Run:
    """Pretrain a deep machine, turn it into a perceptron and train that by the labels (sections 20.3 and 20.4 of the
    book), measure its test error, write a report."""
    data = data or "digits"  # whose grey values stay, where the recipe for a generative model would binarize them
    arguments = dict(locals())
    if visible == "columns":
        raise InputError("A classifier takes inputs of one kind: leave --visible out, or choose bernoulli or gaussian.")
    if greedy_epochs < 0 or joint_epochs < 1 or from_ not in ("dbn", "dbm"):
        raise InputError(
            "A classifier begins as a dbn or a dbm, pretrained for no negative number of epochs, and a dbm jointly for "
            f"at least one, not from {from_}, greedy_epochs={greedy_epochs} and joint_epochs={joint_epochs}."
        )
    dataset = opened(arguments)
    key, rule = jax.random.key(seed), CrossEntropy(drop_inputs, drop_hidden)
    classes, layers, unit = class_unit(dataset).states, layer_units(hidden), visible_unit(dataset, visible)
    fine = annealed(fine_rate, epochs * dataset.steps_per_epoch(arguments["batch_size"]))
    shown = _seen_by_machines(dataset, unit, arguments)
    like = (DBN if from_ == "dbn" else DBM)(unit, layers, key=key)
    check_data(like, shown)
    turned = classifier_from_dbn if from_ == "dbn" else classifier_from_dbm
    turned(like, classes, key=key)  # what it refuses is refused before anything is trained
    stages, begun = staged("classifier", arguments, dataset)
    if from_ == "dbm":
        machine = _dbm(shown, unit, layers, arguments, stages, begun)
        dataset, model = beside_means(dataset, machine), turned(machine, classes, key=key)
    elif greedy_epochs:
        model = turned(_dbn(shown, unit, layers, arguments, stages, begun), classes, key=key)
    else:
        model = Classifier(MLP([unit.size, *(layer.size for layer in layers), classes], key=key))
    return trained("classifier", arguments, model, dataset, rule, fine)


def _seen_by_machines(data: Dataset, unit: Unit, arguments: dict[str, Any]) -> Dataset:
    """The data of pretraining: grey values of binary units are sampled anew at each presentation."""
    if not isinstance(unit, Bernoulli) or data.binarization or data.space.support == "binary":
        return data
    named = {name: arguments[name] for name in ("standardize", "scale", "labels")}
    return load_data(arguments["data"], "dynamic", arguments["seed"], **named)


def _stage(data: Dataset, epochs: int, arguments: dict[str, Any], rate: float) -> dict[str, Any]:
    """Options of `fit` that the runs of pretraining share."""
    size = arguments["batch_size"]
    total = epochs * data.steps_per_epoch(size)
    make = {"momentum": 0.0, "weight_decay": 0.0, "schedule": "linear"}
    shared = {"batch_size": size, "matmul_precision": arguments["matmul_precision"], "progress": arguments["progress"]}
    return shared | {"epochs": epochs, "optimizer": lambda: sgd(rate, total, **make)}


def _dbn(
    data: Dataset, unit: Unit, layers: list[Unit], arguments: dict[str, Any], stages: dict[str, Any], begun: bool
) -> DBN:
    """The net, greedily trained; one of its shape where the run reads its classifier from a checkpoint."""
    key = jax.random.key(arguments["seed"])
    if begun:
        return DBN(unit, layers, key=key)
    options = _stage(data, arguments["greedy_epochs"], arguments, arguments["learning_rate"])
    return DBN.stacked(stack(data, layers, CD(1), visible=unit, key=key, monitor=False, **options, **stages))


def _dbm(
    data: Dataset, unit: Unit, layers: list[Unit], arguments: dict[str, Any], stages: dict[str, Any], begun: bool
) -> EnergyModel:
    """The machine with labels on top (Fig. 20.4 b, c): pretrained, then trained jointly; or from scratch, centred."""
    if begun:
        return RunFolder(arguments["out"].path / JOINT).load_model()
    top = class_unit(data)
    key, rate, greedy = jax.random.key(arguments["seed"]), arguments["learning_rate"], arguments["greedy_epochs"]
    if greedy:
        options = _stage(data, greedy, arguments, rate / 2)
        start: EnergyModel = pretrained_dbm(data, layers, PCD(), visible=unit, labels=top, key=key, **options, **stages)
    else:
        start = DBM(unit, layers, top, key=key)
        start = at_marginals(start, data.shown(data.train[:MARGINAL_ROWS]))
    place = stage_at(arguments["out"].path / JOINT, stages["resume"]) if stages else {}
    options = _stage(data, arguments["joint_epochs"], arguments, rate / 10 if greedy else rate / 2)
    options |= {"optimizer": options["optimizer"](), "key": key, "monitor": False}
    model = start if greedy else Centred(start)
    return finished(fit(model, data, PCD(1, 100, mean_field_steps=10), **options, **place)).model
