"""Train, measure and report a classifier that begins as a deep belief network or a deep Boltzmann machine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import jax

from harmonium.data import Dataset
from harmonium.errors import InputError
from harmonium.inference import at_marginals
from harmonium.models import DBM, DBN, Centred, Classifier, EnergyModel, classifier_from_dbm, classifier_from_dbn
from harmonium.nets import MLP
from harmonium.objectives import CD, PCD, CrossEntropy
from harmonium.recipes import flags
from harmonium.recipes.common import JOINT, beside_means, named_data, opened, staged, trained
from harmonium.recipes.layers import MARGINAL_ROWS, class_unit, layer_units, visible_unit
from harmonium.recipes.optimizers import annealed, sgd
from harmonium.recipes.settings import Settings, command
from harmonium.training import Run, RunFolder, check_data, finished, fit, pretrained_dbm, stack, stage_at
from harmonium.units import Bernoulli, Unit


@command(Settings)
def classifier(
    settings: Settings,
    *,
    binarize: Annotated[
        str | None,
        "fixed, dynamic, threshold or probabilities (default: the machines see grey values sampled anew at each "
        "presentation, and the classifier sees them as they are)",
    ] = None,
    from_: Annotated[str, "pretrain as a dbn (deep belief network) or dbm (deep Boltzmann machine)"] = "dbn",
    hidden: flags.Layers = "200,200",
    visible: flags.Visible = "auto",
    greedy_epochs: Annotated[
        int, "passes over the rows for each machine (0: none; a dbn is a plain net then, a dbm starts at random)"
    ] = 100,
    joint_epochs: Annotated[int, "passes for all layers of a dbm together, before it becomes a classifier"] = 100,
    epochs: Annotated[int, "passes of training by the labels"] = 200,
    learning_rate: Annotated[float, "learning rate of pretraining at its start, falling to zero"] = 0.1,
    fine_rate: Annotated[float, "learning rate of Adam by the labels, falling along a cosine to zero"] = 0.005,
    drop_inputs: Annotated[float, "dropout rate of the inputs"] = 0.2,
    drop_hidden: Annotated[float, "dropout rate of the hidden units"] = 0.5,
) -> Run:
    """Pretrain a deep machine, turn it into a perceptron and train that by the labels (sections 20.3 and 20.4 of the
    book), measure its test error, write a report."""
    if visible == "columns":
        raise InputError("A classifier takes inputs of one kind: leave --visible out, or choose bernoulli or gaussian.")
    if greedy_epochs < 0 or joint_epochs < 1 or from_ not in ("dbn", "dbm"):
        raise InputError(
            "A classifier begins as a dbn or a dbm, pretrained for no negative number of epochs, and a dbm jointly for "
            f"at least one, not from {from_}, greedy_epochs={greedy_epochs} and joint_epochs={joint_epochs}."
        )
    # the digits keep their grey values here, where the recipe for a generative model would binarize them
    settings, dataset = opened(replace(settings, data=settings.data or "digits"))
    key, rule = jax.random.key(settings.seed), CrossEntropy(drop_inputs, drop_hidden)
    classes, layers, unit = class_unit(dataset).states, layer_units(hidden), visible_unit(dataset, visible)
    fine = annealed(fine_rate, settings.steps(dataset))
    pretraining = Pretraining(settings, _seen_by_machines(dataset, unit, settings), unit, layers)
    like = (DBN if from_ == "dbn" else DBM)(unit, layers, key=key)
    check_data(like, pretraining.data)
    turned = classifier_from_dbn if from_ == "dbn" else classifier_from_dbm
    turned(like, classes, key=key)  # what it refuses is refused before anything is trained
    settings, stages, behind = staged(settings, dataset)
    if from_ == "dbm":
        joint = None if settings.out is None else settings.out.path / JOINT
        machine = RunFolder(joint).load_model() if behind else pretraining.dbm(stages, joint)
        dataset, model = beside_means(dataset, machine), turned(machine, classes, key=key)
    elif greedy_epochs:
        model = turned(like if behind else pretraining.dbn(stages), classes, key=key)
    else:
        model = Classifier(MLP([unit.size, *(layer.size for layer in layers), classes], key=key))
    return trained(settings, model, dataset, rule, fine)


def _seen_by_machines(data: Dataset, unit: Unit, settings: Settings) -> Dataset:
    """The data of pretraining: grey values of binary units are sampled anew at each presentation."""
    if not isinstance(unit, Bernoulli) or data.binarization or data.space.support == "binary":
        return data
    return named_data(settings, "dynamic")


@dataclass(frozen=True)
class Pretraining:
    """The machine that a classifier is made of: its `settings`, its `data`, its visible `unit` and hidden `layers`."""

    settings: Settings
    data: Dataset
    unit: Unit
    layers: list[Unit]

    def dbn(self, stages: dict[str, Any]) -> DBN:
        """The net, greedily trained; `stages` says where its parts have their runs."""
        own = self.settings.own
        options = self._options(own["greedy_epochs"], own["learning_rate"]) | stages
        return DBN.stacked(stack(self.data, self.layers, CD(1), visible=self.unit, monitor=False, **options))

    def dbm(self, stages: dict[str, Any], joint: Path | None) -> EnergyModel:
        """The machine with labels on top (Fig. 20.4 b, c): pretrained, then trained jointly (a run at `joint`); or from
        scratch, centred."""
        own, top = self.settings.own, class_unit(self.data)
        greedy, rate = own["greedy_epochs"], own["learning_rate"]
        if greedy:
            options = self._options(greedy, rate / 2) | stages
            start = pretrained_dbm(self.data, self.layers, PCD(), visible=self.unit, labels=top, **options)
        else:
            start = DBM(self.unit, self.layers, top, key=jax.random.key(self.settings.seed))
            start = Centred(at_marginals(start, self.data.shown(self.data.train[:MARGINAL_ROWS])))
        options = self._options(own["joint_epochs"], rate / 10 if greedy else rate / 2)
        options |= {"optimizer": options["optimizer"](), "monitor": False}
        options |= {} if joint is None else stage_at(joint, stages["resume"])
        return finished(fit(start, self.data, PCD(1, 100, mean_field_steps=10), **options)).model

    def _options(self, epochs: int, rate: float) -> dict[str, Any]:
        """Options of `fit` that the runs of pretraining share."""
        total = epochs * self.data.steps_per_epoch(self.settings.batch_size)
        shared = self.settings.some("batch_size", "matmul_precision", "progress")
        key = jax.random.key(self.settings.seed)
        return shared | {"epochs": epochs, "key": key, "optimizer": lambda: sgd(rate, total)}
