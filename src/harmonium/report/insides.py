"""What lies inside the model: its filters, what its hidden units do, and what may be wrong with it."""

from __future__ import annotations

import jax
import numpy as np

from harmonium.errors import shown
from harmonium.evaluation import diagnose
from harmonium.evaluation.hidden_units import DEAD, SATURATED
from harmonium.inference import encode
from harmonium.models import FVBN, HierarchicalLatentModel, NetLink
from harmonium.report.figures import Picture, grid, heat_map, histogram
from harmonium.report.look import Look
from harmonium.report.names import entry_names, named
from harmonium.report.section import Section, Table
from harmonium.report.subject import NotApplicable, Subject, count, number
from harmonium.units import Bernoulli, Categorical, Spin, Unit

NAMED = 60  # rows of a weight matrix, at most, that have their names beside them
MOST = 100  # filters shown, and rows and columns of a weight matrix
ACROSS = 10
ROWS = 1000  # held-out rows that the hidden units are shown


# ---- filters -----------------------------------------------------------------------------------------------


def filters(subject: Subject) -> Section:
    """The weights of the strongest hidden units, as pictures, or the weight matrix in colours."""
    weights = subject.filters
    if weights is None:
        raise NotApplicable(f"{shown(subject.inner)} has no weights between visible and hidden units")
    if not np.isfinite(weights).all():
        raise NotApplicable("the weights are no longer finite numbers")
    norms = np.linalg.norm(weights, axis=0)
    strongest = np.argsort(-norms, kind="stable")[:MOST]
    size = float(np.percentile(np.abs(weights[:, strongest]), 99.5)) or 1.0
    low, middle, high = (number(float(q)) for q in np.percentile(norms, [0, 50, 100]))
    spread = f"Norms run from {low} to {high}, median {middle}."
    if isinstance(subject.inner, FVBN) and not subject.look.shape:
        return _acting(subject, weights, spread)
    if (white := subject.data.whitening) is not None:
        spread += " Weights on whitened columns are shown as those on the pixels of a patch that they amount to."
        return _filter_pictures(subject, white.filters(weights[:, strongest]), white.image_shape, spread)
    if subject.look.shape:
        chosen = _as_filters(subject.unit, weights)[:, strongest]
        return _filter_pictures(subject, chosen, subject.look.shape, spread)
    return Section(
        shows=f"The weights W between visible units (rows) and the {_units(subject, len(strongest))} with the "
        f"largest weights (columns, strongest first); red is positive, blue negative. {spread}",
        judge="Rows that stay white are visible units on which nothing depends; columns that look alike are "
        "hidden units that do the same work twice.",
        pictures=[_matrix(subject, weights[:MOST, strongest], size)],
    )


def _units(subject: Subject, n: int) -> str:
    """So many units next to the data, in words."""
    links = subject.net.down if subject.directed and isinstance(subject.net, HierarchicalLatentModel) else ()
    decoder = isinstance(next(iter(links), None), NetLink)
    return count(n, "hidden unit") + (" of the decoder's last hidden layer" if decoder else "")


def _as_filters(unit: Unit, weights: np.ndarray) -> np.ndarray:
    """Weights `[visible.size, hidden]`: for categories the slope of the weights along their codes."""
    if not isinstance(unit, Categorical):
        return weights
    code = np.arange(unit.states) - (unit.states - 1) / 2
    by_state = weights.reshape(unit.size, unit.states, -1)
    return np.einsum("isj,s->ij", by_state, code) / (code**2).sum()


def _filter_pictures(subject: Subject, chosen: np.ndarray, shape: tuple[int, ...], spread: str) -> Section:
    size = float(np.percentile(np.abs(chosen), 99.5)) or 1.0
    colour = len(shape) == 3 and shape[-1] == 3
    pictures = Look(-size, size, "RdBu_r", shape).pictures(chosen.T)
    across = min(ACROSS, len(pictures))
    blank = np.full((-len(pictures) % across, *pictures.shape[1:]), 255, np.uint8)
    tiles = np.concatenate([pictures, blank]).reshape(-1, across, *pictures.shape[1:])
    scheme = "mid-grey is zero" if colour else "red is positive, blue negative, white zero"
    slope = " Shown is the slope of the weights along the codes." if isinstance(subject.unit, Categorical) else ""
    whose = f"The weights of {_units(subject, chosen.shape[1])} to the visible ones"
    judge = (
        "Strokes, edges and parts are what one hopes for. Speckle means too little training or too little weight "
        "decay; copies of one filter, or many blank ones, of hidden units that do no work."
    )
    if isinstance(subject.inner, FVBN):
        whose = f"What acts on {count(chosen.shape[1], 'pixel')}: for each the weights of those before it"
        judge = (
            "A pixel hangs on its neighbours above all. Speckle far from it tells of too few training rows, or too "
            "little weight decay."
        )
    return Section(
        shows=f"{whose}, those with the largest norm, strongest first; {scheme}, on one scale from {number(-size)} to "
        f"{number(size)}. {spread}{slope}",
        judge=judge,
        pictures=[grid(tiles, "Filters of the hidden units", width=620, blank=len(blank))],
    )


def _acting(subject: Subject, weights: np.ndarray, spread: str) -> Section:
    """The matrix of an FVBN over a table: what acts on which variable."""
    shown, size = weights[:MOST, :MOST], float(np.percentile(np.abs(weights), 99.5)) or 1.0
    one_hot = " A category has an entry for each of its states." if subject.unit.width != subject.unit.size else ""
    return Section(
        shows="The weights W with which each variable (rows) acts on those after it (columns); red is positive, blue "
        f"negative.{one_hot} {spread}",
        judge="Columns that stay white are variables that depend on nothing before them.",
        pictures=[_matrix(subject, shown, size, ("acts on", "variable"))],
    )


def _matrix(
    subject: Subject,
    weights: np.ndarray,
    size: float,
    labels: tuple[str, str] = ("hidden unit, strongest first", "visible unit"),
) -> Picture:
    names = entry_names(subject) if named(subject) else []
    rows = names if len(names) == len(weights) <= NAMED else ()
    return heat_map(
        weights,
        "The weight matrix",
        title="",
        labels=labels,
        span=(-size, size),
        colours="RdBu_r",
        size=(620, max(380, 14 * len(rows) + 60)),
        rows=rows,
    )


# ---- hidden units ------------------------------------------------------------------------------------------


def hidden_units(subject: Subject) -> Section:
    """How often each hidden unit is on."""
    rows = subject.held[:ROWS]
    means = _mean_activations(subject, rows)
    words = [
        f"{f'Layer {name}: ' if len(means) > 1 else ''}{int((x < DEAD).sum())} of {len(x)} are dead (on in "
        f"less than 1 % of the rows) and {int((x > SATURATED).sum())} saturated (in more than 99 %)."
        for name, x in means.items()
    ]
    return Section(
        shows=f"Mean activation of each hidden unit over {count(len(rows), subject.held_name + ' row')}. "
        + " ".join(words),
        judge="Activations spread over the middle carry information. Dead and saturated units say the same "
        "of every example; where there are many, use fewer hidden units, centring, or a smaller learning "
        "rate.",
        pictures=[
            histogram(
                {name: x},
                f"Mean activations of layer {name}",
                title=f"Layer {name}" if len(means) > 1 else "",
                labels=("mean activation", "hidden units"),
                span=(0.0, 1.0),
            )
            for name, x in means.items()
        ],
    )


def _mean_activations(subject: Subject, rows: np.ndarray) -> dict[str, np.ndarray]:
    """The share of rows in which each binary hidden unit is on, by layer."""
    layers = {"v": subject.unit} | subject.model.layers
    names = [name for name in layers if name not in ("v", "y")]
    if not names or not all(isinstance(layers[name], Bernoulli | Spin) for name in names):
        kinds = ", ".join(type(layers[name]).__name__ for name in names) or "no"
        raise NotApplicable(f"dead and saturated are said of binary hidden units, and these are {kinds} units")
    codes = encode(subject.model, rows)
    codes = codes if isinstance(codes, dict) else {names[0]: codes}
    means = {name: _share_on(layers[name], np.asarray(codes[name])) for name in names}
    if not all(np.isfinite(x).all() for x in means.values()):
        raise NotApplicable("the hidden units' means are not finite numbers")
    return means


def _share_on(unit: Bernoulli | Spin, means: np.ndarray) -> np.ndarray:
    mean = means.mean(0)
    return (mean + 1) / 2 if isinstance(unit, Spin) else mean


# ---- diagnosis ---------------------------------------------------------------------------------------------


def diagnosis(subject: Subject) -> Section:
    """Whether chains mix, hidden units work, and the model is not overfitting."""
    sweeps = max(subject.steps, 8)
    found = diagnose(subject.model, subject.data, key=jax.random.fold_in(subject.key, 2), sweeps=sweeps)
    told = [f for f in found.findings if not subject.directed or f.found != "not counted"]
    rows = [(f.name, f.found, f.verdict, f.cure) for f in told]
    shows, judge = _of_nets() if subject.directed else _of_chains(sweeps)
    return Section(
        shows=f"What hm.diagnose finds. {shows}", judge=judge,
        tables=[Table(("", "Found", "Verdict", "What to do"), rows)],
    )  # fmt: skip


def _of_chains(sweeps: int) -> tuple[str, str]:
    return (
        f"R-hat compares chains with each other, here over the second half of {count(sweeps, 'sweep')} of 20 chains of "
        "each kind: it is 1 where all have forgotten where they started. Effective draws count what the dependent ones "
        "are worth. Means and pairs hold what chains from random states drew against held-out rows, in deviations.",
        "Chains that are poor from data but good from random states visit only part of the distribution; samples and "
        "estimates that rest on them then do as well.",
    )


def _of_nets() -> tuple[str, str]:
    return (
        "A latent unit is active where its posterior mean varies over the training rows (variance above 0.01). The "
        "KL divergence is what q(h | x) costs in the bound. Means and pairs hold the model's draws against held-out "
        "rows, in deviations.",
        "Where few units are active or the divergence is near zero, the samples come from the decoder alone; a gap of "
        "the bounds that is wide against their spread means overfitting.",
    )
