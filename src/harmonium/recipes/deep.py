"""Train, measure and report machines with several hidden layers."""

from __future__ import annotations

from typing import Annotated

import jax

from harmonium.errors import InputError
from harmonium.models import DBM, DBN, MPDBM, Centred
from harmonium.objectives import PCD, MultiPrediction, UpDown
from harmonium.recipes import flags
from harmonium.recipes.common import begun, opened, staged, trained
from harmonium.recipes.layers import class_unit, layer_units, table_unit
from harmonium.recipes.optimizers import annealed, sgd
from harmonium.recipes.settings import Annealing, Descent, command
from harmonium.training import Run, check_data, pretrained_dbm, stack

SCALE = 0.05  # standard deviation of an MP-DBM's first weights: the mean field of smaller ones passes little on


@command(Descent, epochs=200)
def dbm(
    settings: Descent,
    *,
    hidden: flags.Layers = "64,32",
    classes: flags.Classes = False,
    steps: flags.Steps = 1,
    chains: flags.Chains = 100,
    mean_field_steps: Annotated[int, "maximum mean-field sweeps per row and update"] = 10,
    centred: flags.Centring = True,
    pretraining: Annotated[int, "epochs of layer-by-layer pretraining (turns centring off)"] = 0,
) -> Run:
    """Train a deep Boltzmann machine (section 20.4 of the book), measure its held-out log-likelihood, write a
    report."""
    if pretraining < 0:
        raise InputError(f"Pretraining takes no negative number of epochs, not pretraining={pretraining}.")
    settings, data = opened(settings)
    key, layers = jax.random.key(settings.seed), layer_units(hidden)
    unit, top = table_unit(data, settings.visible), class_unit(data) if classes else None
    if pretraining and len(layers) < 2:
        raise InputError("Pretraining takes at least two hidden layers: leave --pretraining out.")
    model = begun(DBM(unit, layers, top, key=jax.random.fold_in(key, 1)), data)
    optimizer = settings.optimizer(data)
    if pretraining and settings.from_ is None:
        settings, stages, behind = staged(settings, data)
        if not behind:  # a run that has begun reads its machine from the checkpoint
            options = settings.some("batch_size", "matmul_precision", "progress") | {"epochs": pretraining, **stages}
            model = pretrained_dbm(data, layers, PCD(1, chains), visible=unit, labels=top, key=key, **options)
    model = Centred(model) if centred and not pretraining else model
    return trained(settings, model, data, PCD(steps, chains, mean_field_steps=mean_field_steps), optimizer)


@command(Annealing, epochs=50)
def dbn(
    settings: Annealing,
    *,
    hidden: flags.Layers = "64,64",
    classes: Annotated[bool, "add the labels to the top RBM, as layer y"] = False,
    steps: Annotated[int, "Gibbs sweeps of the top machine at each step of fine-tuning"] = 5,
    chains: flags.Chains = 100,
    greedy_epochs: Annotated[int, "epochs of layer-by-layer pretraining, before all layers are trained together"] = 100,
    epochs: Annotated[int, "passes of fine-tuning by the up-down rule"] = 50,
    learning_rate: flags.LearningRate = 0.1,
    fine_rate: Annotated[float, "learning rate of fine-tuning at its start"] = 0.01,
    samples: Annotated[int, "samples for each row of the final estimate, an importance-weighted bound"] = 50,
) -> Run:
    """Train a deep belief network, greedily and then by the up-down rule (section 20.3 of the book), measure a bound of
    its held-out log-likelihood, write a report."""
    if samples < 1 or greedy_epochs < 0:
        raise InputError(
            f"The bound takes at least one sample for each row, and greedy training no negative number of epochs, not "
            f"samples={samples} and greedy_epochs={greedy_epochs}."
        )
    settings, data = opened(settings)
    key, layers = jax.random.key(settings.seed), layer_units(hidden)
    unit, top = table_unit(data, settings.visible), class_unit(data) if classes else None
    model = DBN(unit, layers, top, key=jax.random.fold_in(key, 1))
    check_data(model, data)
    per_epoch = data.steps_per_epoch(settings.batch_size)
    fine = sgd(fine_rate, epochs * per_epoch)
    if greedy_epochs and settings.from_ is None:
        settings, stages, behind = staged(settings, data)
        if not behind:  # a run that has begun reads its net from the checkpoint
            options = settings.some("batch_size", "matmul_precision", "progress") | {"epochs": greedy_epochs, **stages}
            options |= {"visible": unit, "labels": top, "key": key, "centred": True}
            rate = lambda: sgd(learning_rate, greedy_epochs * per_epoch)  # noqa: E731
            model = DBN.stacked(stack(data, layers, PCD(1, chains), optimizer=rate, **options))
    return trained(settings, model, data, UpDown(steps), fine, samples=samples)


@command(Annealing, epochs=200)
def mpdbm(
    settings: Annealing,
    *,
    hidden: flags.Layers = "100,100",
    classes: flags.Classes = False,
    sweeps: Annotated[int, "mean-field sweeps in training and in answering"] = 10,
    min_masked: Annotated[float, "smallest probability of hiding a pixel in training"] = 0.0,
    max_masked: Annotated[float, "largest probability of hiding a pixel in training"] = 1.0,
    label_hidden: Annotated[float, "probability of hiding the label in training"] = 1.0,
    label_weight: Annotated[float, "weight of a hidden label, where a hidden pixel has 1"] = 100.0,
    multi_inference: Annotated[bool, "classify with the multi-inference trick"] = False,
    learning_rate: flags.AdamRate = 0.005,
) -> Run:
    """Train a multi-prediction deep Boltzmann machine (section 20.4.5 of the book), measure its test error (without
    classes, a bound of its log-likelihood), write a report."""
    settings, data = opened(settings)
    unit, top = table_unit(data, settings.visible), class_unit(data) if classes else None
    options = {"steps": sweeps, "multi_inference": multi_inference, "scale": SCALE}
    key = jax.random.fold_in(jax.random.key(settings.seed), 1)
    model = begun(MPDBM(unit, layer_units(hidden), top, key=key, **options), data)
    rule = MultiPrediction(min_masked, max_masked, label_hidden, label_weight)
    return trained(settings, model, data, rule, annealed(learning_rate, settings.steps(data)))
