"""What the latent variables of a directed net say: which of them are active, their codes, what is made of them."""

from __future__ import annotations

import jax
import numpy as np

from harmonium.evaluation import ActiveUnits, active_units
from harmonium.evaluation.diagnose_latent import collapse, cure_of
from harmonium.inference import encode
from harmonium.models import HierarchicalLatentModel
from harmonium.report import decoding
from harmonium.report.figures import Picture, bars, grid, points
from harmonium.report.section import Section, Table
from harmonium.report.sections import score_rows, scores_of
from harmonium.report.subject import NotApplicable, Subject, count, number
from harmonium.units import Bernoulli, Gaussian, Spin, Unit

ROWS = 1000  # held-out rows whose latent variables are inferred
POINTS = 2000  # and those whose codes are scattered
PICTURES = 10  # that are reconstructed
COPIES = 20  # reconstructions of each row of a table
MOST = 200  # units in a chart
CODES = "Rows that lie near each other should look alike, without wide gaps between them: samples come from all places."


def latent_units(subject: Subject) -> list[Unit]:
    """The units of a directed net's latent layers; none of another model."""
    return list(subject.net.layers.values())[1:] if subject.directed else []


def reconstructs(subject: Subject) -> bool:
    """Whether rows are given back from their latent variables."""
    return bool(latent_units(subject)) and isinstance(subject.net, HierarchicalLatentModel)


def has_filters(subject: Subject) -> bool:
    """Whether filters are looked for: not of a belief net that is a prior of independent units."""
    return not subject.directed or bool(latent_units(subject)) or subject.filters is not None


def countable(subject: Subject) -> bool:
    """Whether hidden units are on or off, which tells how many work: of directed nets, all latent ones are binary."""
    latent = latent_units(subject)
    return not subject.directed or (bool(latent) and all(isinstance(unit, Bernoulli | Spin) for unit in latent))


# ---- reconstructions ---------------------------------------------------------------------------------------


def reconstructions(subject: Subject) -> Section:
    """Held-out rows, and what the net makes of samples of their latent variables."""
    rows = subject.held[: PICTURES if subject.look.shape else ROWS]
    key = jax.random.fold_in(subject.key, 5)
    if subject.look.shape:
        _, means = _made(subject, rows, key)
        tiles = subject.look.pictures(np.stack([rows, means]))
        title = "Originals above their reconstructions"
        return Section(
            shows=f"{subject.held_name.capitalize()} pictures above the mean of p(x | h) of one sample h ~ q(h | x) "
            "each: expected values, not samples.",
            judge="What is lost is what the latent variables do not hold. Where the pictures below are all alike, "
            "nothing passes through them.",
            pictures=[grid(tiles, title, width=620, rows=["original", "mean"])],
        )
    drawn = np.stack([_made(subject, rows, jax.random.fold_in(key, i))[0] for i in range(COPIES)])
    found = scores_of(subject, drawn, rows, np.ones(rows.shape, bool))
    return Section(
        shows=f"{count(len(rows), subject.held_name + ' row')}, and {COPIES} draws of each from p(x | h) of samples "
        "h ~ q(h | x). The model's guess of a cell is the commonest value (for real columns the mean) among the draws; "
        "the other guess knows only the column's training marginal.",
        judge="The model should beat the marginals by far, since the samples have encoded the row. Where it does not, "
        "nothing passes through the latent variables.",
        tables=[Table(("", "Model", "Marginals"), [row for score in found for row in score_rows(*score)])],
    )


def _made(subject: Subject, rows: np.ndarray, key: jax.Array) -> tuple[np.ndarray, np.ndarray | None]:
    keys = jax.random.split(key, len(rows))
    drawn, means = decoding.reconstructed(subject.net, keys, subject.unit.from_data(rows))
    unit = subject.unit
    return np.asarray(unit.to_data(drawn)), None if isinstance(means, tuple) else np.asarray(unit.to_data(means))


# ---- latent variables --------------------------------------------------------------------------------------


def latent_variables(subject: Subject) -> Section:
    """How many latent units are active, what they cost, where the rows lie, and what the decoder makes of them."""
    rows = subject.held[:ROWS]
    if len(rows) < 2:
        raise NotApplicable("one row does not tell which latent units are active")
    found = active_units(subject.model, rows, key=jax.random.fold_in(subject.key, 6))
    if not all(np.isfinite(x).all() for x in found.spread.values()):
        raise NotApplicable("the means of the latent units are not finite numbers")
    codes = _codes(subject)
    words = [
        f"{f'Layer {name}: ' if len(found.spread) > 1 else ''}{int(active.sum())} of {len(active)} latent units are "
        f"active{_nats(found.kl[name])}."
        for name, active in found.active.items()
    ]
    warning = _warning(found, cure_of(subject.model))
    drawn, said = _decoding(subject, found)
    return Section(
        shows=(f"Warning: {warning} " if warning else "")
        + f"A unit is active where its posterior mean varies over "
        f"{count(len(rows), subject.held_name + ' row')}: Var E[z | x] > 0.01. {' '.join(words)}"
        + said
        + (" The points are the posterior means of rows." if codes else ""),
        judge="Units that are not active say the same of every row; those whose KL divergence is zero repeat their "
        "prior." + (f" {CODES}" if codes else ""),
        pictures=[*drawn, *([codes] if codes else []), *_charts(found)],
    )  # fmt: skip


def _nats(kl: np.ndarray) -> str:
    return f", their KL divergence {number(float(kl.sum()))} nats" if np.isfinite(kl).all() else ""


def _warning(found: ActiveUnits, cure: str) -> str:
    """What is wrong with the recognition network, and the cure; empty where nothing is."""
    enough, apart = collapse(found, cure)
    if apart.verdict == "poor":
        return f"q(h | x) is close to the prior whatever the row, and {cure}."
    if enough.verdict == "poor":
        return f"only {found.count} of {found.total} latent units are active: {cure}."
    return ""


def _decoding(subject: Subject, found: ActiveUnits) -> tuple[list[Picture], str]:
    """The plane of two latent units as pictures, or what the most active ones do, with words; none in tables."""
    net = subject.net
    if subject.look.shape is None or decoding.prior_of(net) is None:
        return [], ""
    name = list(net.layers)[-1]
    spread = found.spread[name]
    if len(spread) == 2:
        words = (
            " The plane: what the decoder expects at the quantiles of the prior, from 2.5 % to 97.5 %, of the first "
        )
        return [decoding.manifold(net, subject.look)], words + "unit across and of the second upwards."
    chosen = np.argsort(-spread, kind="stable")[: decoding.TRAVERSED]
    words = f" The rows: what the decoder expects as one of the {count(len(chosen), 'unit')} that vary most goes from "
    words += f"−{decoding.FAR:g} to {decoding.FAR:g} standard deviations of its prior, the others at their means."
    return [decoding.traversals(net, subject.look, chosen, name)], words


def _codes(subject: Subject) -> Picture | None:
    """Codes of held-out rows in the first real layer: as they are in a plane, or along their two main directions."""
    net = subject.net
    name = next((name for name, unit in list(net.layers.items())[1:] if isinstance(unit, Gaussian)), None)
    if name is None or net.layers[name].size < 2:
        return None
    rows = subject.held[:POINTS]
    found = encode(subject.model, rows)
    codes = np.asarray(found[name] if isinstance(found, dict) else found, float)
    axes = (f"{name} 0", f"{name} 1")
    if codes.shape[1] > 2:
        centred = codes - codes.mean(axis=0)
        codes = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
        axes = (f"first main direction of {name}", "second")
    labels = getattr(subject.data, f"{subject.split}_labels")
    kinds = None if labels is None else np.asarray(labels)[: len(rows)]
    title = f"Codes of {count(len(rows), subject.held_name + ' row')}" + ("" if kinds is None else ", by label")
    return points(codes, kinds, title, title=title, labels=axes)


def _charts(found: ActiveUnits) -> list[Picture]:
    """KL of each unit, most first, or where it is not known the variance; none of a layer of one or two units."""
    charts = []
    for name, spread in found.spread.items():
        if len(spread) < 3:
            continue
        known = np.isfinite(found.kl[name]).all()
        values = found.kl[name] if known else spread
        what = "KL divergence (nats)" if known else "variance of the mean"
        ordered = values[np.argsort(-values, kind="stable")][:MOST]
        where = f" of layer {name}" if len(found.spread) > 1 else ""
        title = f"{what.split(' (')[0][:1].upper()}{what.split(' (')[0][1:]} of each unit{where}"
        charts.append(bars({what: ordered}, title, title=title, labels=("latent unit, largest first", what)))
    return charts
