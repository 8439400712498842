"""How visible units act on each other, in machines where they do."""

from __future__ import annotations

import numpy as np

from harmonium.models import BoltzmannMachine
from harmonium.report.figures import Picture, grid, heat_map
from harmonium.report.look import Look
from harmonium.report.names import ticks
from harmonium.report.section import Section
from harmonium.report.subject import NotApplicable, Subject, count, number

NAMED = 25  # units, at most, whose names stand beside it
MOST = 200  # units whose matrix of couplings is shown
SCHEME = "red where two units tend to agree, blue where they tend to differ, white where nothing acts"


def coupled(subject: Subject) -> bool:
    """Whether the model is one whose visible units may act on each other."""
    return isinstance(subject.inner, BoltzmannMachine)


def couplings(subject: Subject) -> Section:
    """The couplings of neighbouring pixels as pictures, and the matrix of all."""
    values = _among_visible(subject.inner)
    if not np.any(values):
        raise NotApplicable("no visible units act on each other")
    size = float(np.percentile(np.abs(values[values != 0]), 99)) or 1.0
    chosen = np.sort(np.argsort(-np.linalg.norm(values, axis=0), kind="stable")[:MOST])
    names = ticks(subject, NAMED)
    matrix = heat_map(
        values[np.ix_(chosen, chosen)], "The matrix of couplings", title="All couplings", labels=("unit", "unit"),
        span=(-size, size), colours="RdBu_r", size=(460, 400), rows=names, columns=names,
    )  # fmt: skip
    pictures = _neighbours(subject, values, size) if subject.look.shape and len(subject.look.shape) == 2 else []
    some = f" (of the {MOST} units with the strongest)" if len(values) > MOST else ""
    kind = "norms of the weights between their states" if subject.unit.width != subject.unit.size else "weights U"
    return Section(
        shows=f"The {kind} of {count(int(np.count_nonzero(values)) // 2, 'pair')} of visible units{some}: {SCHEME}, on "
        f"one scale from {number(-size)} to {number(size)}.",
        judge="In pictures neighbours tend to agree, most of all along strokes. Couplings of one size everywhere tell "
        "of too little training; single huge ones, of pixels that never vary or a learning rate that is too large.",
        pictures=[*pictures, matrix],
    )


def _among_visible(machine: BoltzmannMachine) -> np.ndarray:
    """Couplings `[size, size]` of the visible units; of categorical ones the norms over their states."""
    unit = machine.visible
    weights = np.asarray(machine.U, float)[: unit.width, : unit.width]
    if unit.width == unit.size:
        return weights
    states = unit.width // unit.size
    return np.sqrt((weights.reshape(unit.size, states, unit.size, states) ** 2).sum(axis=(1, 3)))


def _neighbours(subject: Subject, values: np.ndarray, size: float) -> list[Picture]:
    """Pictures of the couplings of each pixel with the one to its right, and with the one below it."""
    height, width = subject.look.shape
    number_of = np.arange(height * width).reshape(height, width)
    ends = {
        "with the pixel to the right": (number_of[:, :-1], number_of[:, 1:]),
        "with the pixel below": (number_of[:-1], number_of[1:]),
    }
    pictures = []
    for name, (here, there) in ends.items():
        found = values[here.ravel(), there.ravel()]
        if found.size and np.any(found):
            tile = Look(-size, size, "RdBu_r", here.shape).pictures(found[None, None])
            pictures.append(grid(tile, f"Couplings {name}", title=f"Couplings {name}", width=220))
    return pictures
