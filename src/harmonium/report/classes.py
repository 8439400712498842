"""What a model that knows classes takes for what: the table of confusions, and the rows it is wrong about."""

from __future__ import annotations

import numpy as np

from harmonium.data.classes import titled
from harmonium.inference import classify
from harmonium.models.kinds import BELIEF_NET, CLASSIFIER, ENERGY, is_kind
from harmonium.report.figures import Picture, grid
from harmonium.report.section import Section, Table
from harmonium.report.subject import NotApplicable, Subject, count

MOST = 30  # mistakes shown, and classes in a table
ACROSS = 10


def has_classes(subject: Subject) -> bool:
    """Whether the model has a layer of labels."""
    model = subject.model
    return is_kind(model, ENERGY, BELIEF_NET, CLASSIFIER) and "y" in model.layers


def labelled(subject: Subject) -> bool:
    """Whether the held-out rows have labels."""
    return getattr(subject.data, f"{subject.split}_labels") is not None


def labels_of(subject: Subject) -> np.ndarray:
    """Labels of the held-out rows. Raises `NotApplicable` where there are none."""
    if not labelled(subject):
        raise NotApplicable(f"the {subject.held_name} rows have no labels")
    return np.asarray(getattr(subject.data, f"{subject.split}_labels"))[: len(subject.held)]


def commonest(subject: Subject) -> float:
    """The error rate of always naming the commonest class of the training rows."""
    return float(np.mean(labels_of(subject) != np.bincount(subject.data.train_labels).argmax()))


def classes(subject: Subject) -> Section:
    """How often each class is taken for which, and the mistakes that the model is surest of."""
    labels, rows = labels_of(subject), subject.held
    chances = np.asarray(classify(subject.model, rows))
    named = chances.argmax(axis=1)
    wrong = np.flatnonzero(named != labels)
    surest = wrong[np.argsort(-chances[wrong, named[wrong]], kind="stable")][:MOST]
    names, k = subject.data.class_names, chances.shape[1]
    pictures = [_mistakes(subject, surest, labels, named)] if subject.look.shape and len(surest) else []
    shown = f" Below, the {count(len(surest), 'mistake')} that it is surest of: the true class as the one named."
    return Section(
        shows=f"The most probable class of {count(len(rows), subject.held_name + ' row')}: {count(len(wrong), 'row')} "
        f"named wrongly; always naming the commonest class would be wrong in {commonest(subject):.1%}."
        + (shown if pictures else ""),
        judge="Mistakes should be of the kind that a person might make. One class that draws many of them is asked for "
        "too often; a class that is missed as a whole has too few training rows, or none like these.",
        tables=[_confusions(labels, named, k, names)] if k <= MOST else [],
        pictures=pictures,
    )


def _confusions(labels: np.ndarray, named: np.ndarray, k: int, names: tuple[str, ...] | None) -> Table:
    counts = np.zeros((k, k), int)
    np.add.at(counts, (labels, named), 1)
    rows = []
    for i, line in enumerate(counts):
        total = int(line.sum())
        error = f"{1 - line[i] / total:.1%}" if total else ""
        rows.append((f"class {titled(names, i)}", *(str(n) if n else "·" for n in line.tolist()), error))
    return Table(("", *(f"as {j}" for j in range(k)), "Error"), rows, "True classes (rows) and what they are taken for")


def _mistakes(subject: Subject, chosen: np.ndarray, labels: np.ndarray, named: np.ndarray) -> Picture:
    pictures = subject.look.pictures(subject.held[chosen])
    across = min(ACROSS, len(pictures))
    blank = -len(pictures) % across
    tiles = np.concatenate([pictures, np.full((blank, *pictures.shape[1:]), 255, np.uint8)])
    notes = [f"{labels[i]} as {named[i]}" for i in chosen] + [""] * blank
    lines = [notes[i : i + across] for i in range(0, len(notes), across)]
    return grid(
        tiles.reshape(-1, across, *pictures.shape[1:]), "Rows that are named wrongly", width=460, notes=lines,
        blank=blank, title="Named wrongly",
    )  # fmt: skip
