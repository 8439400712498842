"""What the model does, in pictures: samples, their moments, chains, what it fills in and remembers."""

from __future__ import annotations

from typing import Any

import numpy as np

from harmonium.report.figures import Picture, grid, heat_map, histogram, scatter
from harmonium.report.measure import Filled, in_deviations, metric, moments, nearest, score_filled
from harmonium.report.names import listed, ticks
from harmonium.report.section import Section, Table
from harmonium.report.subject import HIDDEN, Subject, count, number
from harmonium.units import Columns, Unit, parts_of

SIDE = 8  # pictures along each side of a grid of samples
COLUMNS = 200  # of a table, at most, in a heat map
NAMED = 20  # columns, at most, whose names stand under one
NEIGHBOURS, OF_SAMPLES = 5, 10
REFERENCE = 200  # held-out rows whose distance to the training rows is the yardstick


# ---- samples -----------------------------------------------------------------------------------------------


def samples(subject: Subject) -> Section:
    """Samples beside held-out rows."""
    drawn, real = subject.samples, subject.held[: SIDE * SIDE]
    far = "" if subject.independent else f", {subject.steps:,} steps"
    titles = f"Samples of the model{far}", f"{subject.held_name.capitalize()} rows, to compare"
    how = (
        f"independent samples, each drawn {_straight(subject)}; "
        if subject.independent
        else f"independent chains of block Gibbs sampling, each {count(subject.steps, 'step')} from a random state; "
    )
    start = (
        f"The first picture: {len(drawn)} {how}what is shown are sampled values, not their "
        f"probabilities. The second: {len(real)} {subject.held_name} rows, drawn alike."
    )
    if subject.look.shape:
        return Section(
            shows=start,
            judge="The two should be hard to tell apart: look for classes or shapes that are missing from "
            "the samples, for the same picture again and again, and for parts that belong to nothing.",
            pictures=[_square(subject, x, t) for x, t in zip((drawn, real), titles, strict=True)],
        )
    start += " Black is the larger of the two values." if subject.unit.states == 2 else ""
    start += " Each column has its own scale, dark at its low end." if _mixed(subject.unit) else ""
    return Section(
        shows=start + " Rows are ordered along the direction in which the held-out rows vary most.",
        judge="Both should show the same bands and the same mixture; samples that are more even, or more "
        "patchy, than the rows show dependences that were missed or invented.",
        pictures=_tables(subject, (drawn, real), titles),
    )


def _straight(subject: Subject) -> str:
    return "from the top down, the latent variables first" if subject.directed else "variable by variable"


def _square(subject: Subject, rows: np.ndarray, title: str) -> Picture:
    pictures = subject.look.pictures(rows)
    across = min(SIDE, len(rows))
    kept = pictures[: len(rows) // across * across]
    return grid(kept.reshape(-1, across, *kept.shape[1:]), title, title=title)


def _tables(subject: Subject, sets: tuple[np.ndarray, ...], titles: tuple[str, ...]) -> list[Picture]:
    held = np.asarray(subject.scaled(subject.held[:500])[:, :COLUMNS], float)
    direction = np.linalg.svd(held - held.mean(0), full_matrices=False)[2][0]
    pictures = []
    for rows, title in zip(sets, titles, strict=True):
        rows = np.asarray(subject.scaled(rows)[:, :COLUMNS], float)
        ordered = rows[np.argsort(rows @ direction, kind="stable")]
        pictures.append(_cell_map(subject, ordered, title, labels=("column", "row")))
    return pictures


def _cell_map(subject: Subject, cells: np.ndarray, title: str, **options: Any) -> Picture:
    look = subject.look
    span = (look.low, look.high)
    cells = np.asarray(cells, float)
    bar = subject.unit.states != 2 and not _mixed(subject.unit)
    options |= {"columns": ticks(subject, NAMED)}
    return heat_map(cells, title, title=title, span=span, colours=look.colours, bar=bar, **options)


def agreement(subject: Subject) -> Section:
    """Means and correlations of samples against those of held-out rows."""
    unit, train = subject.unit, subject.train_shown
    held, late, shown = (in_deviations(unit, x, train) for x in (subject.held[:2000], subject.late, train))
    found = moments(unit, held, late, shown)
    which = "independent ones" if subject.independent else "the same chains at several steps of their second half"
    scale = " Real columns are measured in standard deviations of the training rows." if _mixed(unit) else ""
    words = [
        f"{m.name}: samples {number(m.misfit(m.samples), 3)}, training rows {number(m.misfit(m.train), 3)}"
        for m in found
    ]
    same = subject.split == "train"
    return Section(
        shows=f"Each point is one entry: across, its value in {len(held):,} {subject.held_name} rows; up, in "
        f"{len(late):,} samples ({which}). Root mean squared distance from the {subject.held_name} rows — "
        + "; ".join(words) + "." + scale,
        judge="Points should lie on the diagonal, as tightly as the finite number of rows allows"
        + ("." if same else ": the distance of the training rows tells how near another set of real rows lies."),
        pictures=[
            scatter(m.held, m.samples, f"{m.name} of samples against data", title=m.name.capitalize(),
                    labels=(f"{subject.held_name} rows", "samples"))
            for m in found
        ],
    )  # fmt: skip


# ---- chains ------------------------------------------------------------------------------------------------


def chain(subject: Subject) -> Section:
    """Chains from held-out rows, on their way."""
    shows = (
        f"Each {'row' if subject.look.shape else 'panel'} is one chain of block Gibbs sampling that starts "
        f"at a {subject.held_name} example (step 0), seen at the steps named."
    )
    judge = (
        "A chain that mixes passes through other kinds of examples and stays believable. One that keeps its "
        "first class for all its steps tells that the modes are far apart: samples from few steps, and "
        "estimates that rest on such chains, then see only part of the distribution."
    )
    steps = [f"{s:,}" for s in subject.walk.looks]
    if subject.look.shape:
        tiles = subject.look.pictures(subject.chains)
        return Section(shows=shows, judge=judge, pictures=[grid(tiles, "Gibbs chains", width=760, columns=steps)])
    shape = {"size": (460, 240), "rows": steps}
    pictures = [
        _cell_map(subject, subject.scaled(one)[:, :COLUMNS], f"Chain {i + 1}", labels=("column", "step"), **shape)
        for i, one in enumerate(subject.chains[:4])
    ]
    return Section(shows=shows, judge=judge, pictures=pictures)


# ---- missing values ----------------------------------------------------------------------------------------


def filling_in(subject: Subject) -> Section:
    """Hidden parts of held-out rows, drawn from the model given the rest."""
    return _halves(subject) if subject.look.shape else _cells(subject)


def _halves(subject: Subject) -> Section:
    rows, hidden = subject.to_fill
    drawn = subject.filled((subject.steps,))
    shown = np.concatenate([rows[None], np.where(hidden, np.nan, rows)[None], drawn])
    pictures = subject.look.pictures(shown)
    strips = pictures.reshape(len(shown), 2, -1, *pictures.shape[2:])
    labels = ["original", "given", *(f"filled {i + 1}" for i in range(len(drawn)))]
    titles = ("Right half missing", "Lower half missing")
    by = f" by clamped Gibbs sampling, {count(subject.steps, 'step')} each from a random half"
    by = ", drawn pixel by pixel in random orders" if subject.independent else by
    return Section(
        shows=f"{subject.held_name.capitalize()} pictures with a half missing (orange), and {len(drawn)} "
        f"independent completions{by}: draws from the model given the rest.",
        judge="Completions should join the given half without a seam. Where the given half leaves the rest "
        "open they should differ from each other; where it does not, they should agree with the original.",
        pictures=[grid(strips[:, i], t, title=t, rows=labels) for i, t in enumerate(titles)],
    )


def _cells(subject: Subject) -> Section:
    rows, hidden = subject.to_fill
    drawn = subject.filled(() if subject.independent else subject.walk.late)
    found = scores_of(subject, drawn, rows, hidden)
    cells, completions = sum(score.cells for _, _, score in found), len(drawn)
    how = (
        "one cell after the other in random orders"
        if subject.independent
        else "chains of clamped Gibbs sampling, each looked at several times in the second half of its "
        f"{count(subject.steps, 'step')}"
    )
    return Section(
        shows=f"{HIDDEN:.0%} of the cells of {count(len(rows), subject.held_name + ' row')} were hidden at "
        f"random ({count(cells, 'cell')}) and drawn {completions} times from the model given the "
        f"rest: {how}. The model's guess is the commonest value (for real columns the "
        "mean) among the draws; the other guess knows only the column's training marginal.",
        judge="The model should beat the marginals by as much as the columns tell about each other; where it "
        "does worse, do not fill in with it.",
        tables=[Table(("", "Model", "Marginals"), [row for score in found for row in score_rows(*score)])],
    )


def scores_of(
    subject: Subject, drawn: np.ndarray, rows: np.ndarray, hidden: np.ndarray
) -> list[tuple[str, Unit, Filled]]:
    """How well cells were filled, for each of a layer's parts, with words that say where it stands."""
    unit, train, found = subject.unit, subject.train, []
    drawn, rows, train = (in_deviations(unit, x, train) for x in (drawn, rows, train))
    for part, at in parts_of(unit):
        if hidden[:, at].any():
            words = f", {listed(subject, at)}" if _mixed(unit) else ""
            score = score_filled(part, drawn[..., at], rows[:, at], hidden[:, at], train[:, at])
            found.append((words + (" (standard deviations)" if words and part.states is None else ""), part, score))
    return found


def score_rows(where: str, unit: Unit, found: Filled) -> list[tuple[str, ...]]:
    """How well cells were filled, as rows of a table: by the model, and by the marginals."""
    if unit.states is None:
        return [(f"root mean squared error{where}", number(found.model, 3), number(found.marginal, 3))]
    return [
        (f"cells guessed right{where}", f"{found.model:.1%}", f"{found.marginal:.1%}"),
        (f"mean log-probability of the true value (nats){where}", number(found.model_log_prob, 3),
         number(found.marginal_log_prob, 3)),
    ]  # fmt: skip


def _mixed(unit: Unit) -> bool:
    return isinstance(unit, Columns)


# ---- neighbours --------------------------------------------------------------------------------------------


def neighbours(subject: Subject) -> Section:
    """The training rows nearest to samples: does the model repeat what it was shown?"""
    unit, train = subject.unit, subject.train
    kind = metric(unit, train)
    drawn, held, seen = (in_deviations(unit, x, train) for x in (subject.samples, subject.held[:REFERENCE], train))
    found, far = nearest(unit, drawn, seen, NEIGHBOURS, kind)
    sets = {"samples": far[:, 0]}
    if subject.split != "train":
        sets["held-out rows"] = nearest(unit, held, seen, 1, kind)[1][:, 0]
    medians = " and ".join(f"{np.median(x):.3g} from {name}" for name, x in sets.items())
    copies = " and ".join(f"{(x == 0).sum()} of {len(x)} {name}" for name, x in sets.items())
    exact = f" Exact copies of a training row: {copies}." if kind == "Hamming" else ""
    if kind == "mixed":
        exact = " Its square adds up differences of real columns, in standard deviations, and 1 for each other cell."
    distances = histogram(
        sets, "Distances to the nearest training row", title="Distance to the nearest training row",
        labels=(f"{kind} distance", "share"), whole=kind == "Hamming",
    )  # fmt: skip
    return Section(
        shows=f"The first {OF_SAMPLES} samples with their {found.shape[1]} nearest of {len(train):,} "
        f"training rows ({kind} distance). Median distance to the nearest training row: {medians}.{exact}",
        judge="Memorisation shows as samples that lie much nearer to training rows than held-out rows do; "
        "samples much farther away than those lie off the data.",
        pictures=([_neighbour_grid(subject, drawn, found, far)] if subject.look.shape else []) + [distances],
        tables=[] if subject.look.shape else [_neighbour_table(far)],
    )


def _neighbour_grid(subject: Subject, drawn: np.ndarray, found: np.ndarray, far: np.ndarray) -> Picture:
    near = subject.train[found[:OF_SAMPLES]]
    rows = np.concatenate([drawn[:OF_SAMPLES, None], near], axis=1).swapaxes(0, 1)
    digits = 0 if np.mod(far, 1).max() == 0 else 1
    notes = [[""] * OF_SAMPLES, *([number(float(d), digits) for d in line] for line in far[:OF_SAMPLES].T)]
    labels = ["sample", *(f"{i + 1}." for i in range(near.shape[1]))]
    return grid(
        subject.look.pictures(rows),
        "Samples above their nearest training rows",
        width=620,
        rows=labels,
        notes=notes,
        title="Samples (top row) and their nearest training rows, with distances",
    )


def _neighbour_table(far: np.ndarray) -> Table:
    head = ("Sample", *(f"{i + 1}. neighbour" for i in range(far.shape[1])))
    digits = 0 if np.mod(far, 1).max() == 0 else 2
    rows = [(str(i + 1), *(number(float(d), digits) for d in line)) for i, line in enumerate(far[:OF_SAMPLES])]
    return Table(head, rows, "Distances of samples to their nearest training rows")
