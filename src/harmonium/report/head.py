"""The head of the page: the run in a sentence, its main number, and what that number is worth."""

from __future__ import annotations

import itertools
import re
from typing import Any

import equinox as eqx
import jax

from harmonium.data import Dataset
from harmonium.errors import IncomparableError, articled, in_words
from harmonium.evaluation import ErrorRate, Estimate, compare, few_rows, standing
from harmonium.evaluation.estimate import QUANTITIES
from harmonium.models import (
    MPDBM,
    VAE,
    Classifier,
    Described,
    centred_part,
    trainable,
)
from harmonium.models.kinds import BELIEF_NET, CLASSIFIER, ENERGY, TRACTABLE, is_kind
from harmonium.report.classes import commonest, labelled
from harmonium.report.subject import Subject, count, number
from harmonium.training import RunFolder
from harmonium.units import Categorical, Columns, Unit

OPENING = ("log_likelihood", "conditional_log_likelihood")  # what the page may open with, the first that there is
KINDS = {"lower": "lower bound", "upper": "upper bound"}


def sentence(subject: Subject) -> str:
    """The model and the data in a sentence."""
    model, data = subject.model, subject.data
    if is_kind(model, CLASSIFIER):
        return f"{_perceptron(model)}, trained on {_rows_of(data)}."
    kind = type(model if isinstance(model, MPDBM) else subject.inner).__name__
    name = kind if centred_part(model) is None else f"centred {kind}"
    layers = model.layers if is_kind(model, ENERGY, BELIEF_NET, TRACTABLE) or subject.directed else {}
    roles = {"v": "visible", "y": "label"}
    others = "latent" if isinstance(model, VAE) else "hidden"
    units = [_units(unit, roles.get(layer, others)) for layer, unit in layers.items()]
    inside = model.hidden_sizes() if isinstance(model, Described) else []
    units += [f"{size:,} hidden {model.activation} units" for size in inside]
    words = articled(name)
    return f"{words[0].upper()}{words[1:]}{' with ' if units else ''}{in_words(units)}, trained on {_rows_of(data)}."


def _units(unit: Unit, role: str) -> str:
    """A layer in words."""
    if not isinstance(unit, Columns):
        return f"{unit.size:,} {type(unit.held).__name__} {role} units"
    sizes: dict[str, int] = {}
    for part in unit.parts:
        name = type(part).__name__ + (f" ({part.states} states)" if isinstance(part, Categorical) else "")
        sizes[name] = sizes.get(name, 0) + part.size
    return f"{in_words([f'{size:,} {name}' for name, size in sizes.items()])} {role} units"


def _perceptron(model: Classifier) -> str:
    """A classifier in words."""
    inputs, *hidden, classes = [W.shape[0] for W in model.net.W] + [model.net.W[-1].shape[1]]
    units = " and ".join(f"{size:,}" for size in hidden)
    inside = f", {units} hidden {model.net.activation} units" if hidden else ""
    return f"A Classifier with {inputs:,} inputs{inside} and {classes:,} classes"


def _rows_of(data: Dataset) -> str:
    """What a model was trained on, in words."""
    shape = data.image_shape or (data.train.shape[1],)
    size = "\u00a0×\u00a0".join(f"{side:,}" for side in shape) + (" pixels" if data.image_shape else " columns")
    how = f", binarization {data.space.binarization}" if data.space.binarization else ""
    return f"{count(len(data.train), 'row')} of “{data.name}” ({size}, {data.space.support}{how})"


def facts(subject: Subject, main: Estimate | ErrorRate | None, base: Estimate | None) -> list[tuple[str, str]]:
    """Short numbers for the head of the page, each with its label."""
    found = (
        [(gain(main, base), "nats per example over independent units")]
        if isinstance(main, Estimate) and base and main.verdict == "trust"
        else []
    )
    if isinstance(main, ErrorRate) and labelled(subject):
        found.append((f"{commonest(subject):.1%}", "error of always naming the commonest class"))
    model, metrics = subject.model, subject.folder.metrics
    parameters = sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(model, trainable(model))))
    found.append((f"{parameters:,}", "parameters"))
    if metrics:
        found.append((duration(wall_time(metrics)), f"of training, {count(int(metrics[-1]['step']), 'step')}"))
    return [(value, label) for value, label in found if value]


def remarks(main: Estimate | ErrorRate | None, base: Estimate | None) -> list[str]:
    """What a reader must know beside the number: that the model is no better than independent units, or that few rows
    were measured."""
    if main is None:
        return []
    beside = standing(main, base) if isinstance(main, Estimate) and base and main.verdict == "trust" else None
    copies = main.space.copies if main.space is not None else None
    copied = f"Of the rows measured {copies}: a model that memorised them is ahead there." if copies else ""
    told = ("" if beside is None or beside.better else beside.words, few_rows(main), copied)
    return [re.sub(r"-(?=\d)", "−", words) for words in told if words]


def gain(main: Estimate, base: Estimate) -> str:
    """By how much an estimate exceeds the baseline, where the two may be compared."""
    try:
        found = compare(main, base)
    except IncomparableError:
        return ""
    sign = {"lower": "at least ", "upper": "at most "}.get(main.kind, "")
    plus = "+" if found.difference > 0 else ""
    return f"{sign}{plus}{number(found.difference)} ± {number(found.stderr)}"


def wall_time(metrics: list[dict[str, Any]]) -> float:
    """Seconds of training; a resumed run counts them from zero again."""
    seconds = [line.get("seconds") or 0.0 for line in metrics]
    ends = [a for a, b in itertools.pairwise(seconds) if b < a]
    return sum(ends) + seconds[-1]


def duration(seconds: float) -> str:
    """Seconds in words.

    >>> duration(11.49), duration(7325)
    ('11.5 s', '2 h 2 min')
    """
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def main_number(folder: RunFolder) -> Estimate | ErrorRate | None:
    """The number that the page opens with: the test error of a classifier, else the test log-likelihood, which is a
    conditional one for a model of values given a context."""
    rates, estimates = folder.error_rates, folder.estimates
    if rates:
        return next((rates[name] for name in ("test", "valid", "train") if name in rates), None)
    of = {e.quantity for e in estimates.values()}
    asked = next((quantity for quantity in OPENING if quantity in of), None)
    likely = {k: e for k, e in estimates.items() if e.quantity == asked}
    names = [name for name in ("test", "valid", "train") if name in likely]
    return likely[names[0]] if names else next(iter(likely.values()), None)


def headline(estimate: Estimate) -> str:
    """The value in large type: a number, a bound, or both ends."""
    if estimate.kind == "interval":
        return f"{number(estimate.lower)} to\u00a0{number(estimate.upper)}"
    return {"lower": "≥ ", "upper": "≤ "}.get(estimate.kind, "") + number(estimate.value)


def headlines(estimate: Estimate | ErrorRate) -> dict[str, str]:
    """What the head says of the main estimate."""
    split = estimate.space.split if estimate.space else None
    rows = {"test": "test rows", "valid": "validation rows", "train": "training rows"}.get(split, "rows")
    if isinstance(estimate, ErrorRate):
        wrong = f"{estimate.errors:,} of {count(estimate.n, 'row')} named wrongly"
        fine = f"± {100 * estimate.stderr:.2f} % standard error"
        value = {"value": f"{100 * estimate.value:.2f}\u00a0%", "print": fine, "verdict": "trust", "split": rows}
        return value | {"label": "Error rate", "unit": wrong}
    return {
        "label": QUANTITIES[estimate.quantity].capitalize(),
        "unit": "nats per example",
        "value": headline(estimate),
        "print": fine_print(estimate),
        "verdict": estimate.verdict,
        "split": rows,
    }


def fine_print(estimate: Estimate) -> str:
    """What the large number is: its kind, gap, error and method."""
    sort = KINDS.get(estimate.kind, estimate.kind)
    surely = "" if estimate.sure or estimate.kind in ("exact", "unordered") else " in expectation"
    gap = f", gap {number(estimate.gap)} nats" if estimate.kind == "interval" else ""
    over = f" over {count(estimate.n, 'example')}" if estimate.n else ""
    remark = f"; {estimate.remark}" if estimate.remark else ""
    return f"{sort}{surely}{gap}; ± {number(estimate.stderr)} standard error{over}; by {estimate.method}{remark}"
