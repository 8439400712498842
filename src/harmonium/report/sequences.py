"""What an auto-regressive network says of each variable, given those before it."""

from __future__ import annotations

import jax
import numpy as np

from harmonium.evaluation import per_variable
from harmonium.inference.marginals import marginal_bias
from harmonium.models.kinds import ORDERLESS, is_kind
from harmonium.report.figures import Picture, bars, heat_map
from harmonium.report.names import column_names, named, ticks
from harmonium.report.section import Section, Table
from harmonium.report.subject import Subject, count, number
from harmonium.units import Categorical, Conditional, parts_of

MOST = 40  # variables in a table
ACROSS, ALONG = 300, 460  # CSS pixels, at most, across a picture of pixels, and along it


def variables(subject: Subject) -> Section:
    """How well each variable is told by those before it, beside what its training marginal knows."""
    rows = subject.held
    given, alone = per_variable(subject.model, rows), _alone(subject, rows)
    gain = alone - given
    real = any(part.has_density for part, _ in parts_of(subject.unit))
    density = " Of real columns they are densities, which may be negative." if real else ""
    noun = "pixel" if subject.look.shape else "column"
    first = ", in the first of the network's orders" if is_kind(subject.model, ORDERLESS) else ""
    return Section(
        shows=f"Minus the log-probability of each {noun} given those before it{first}, the mean over "
        f"{count(len(rows), subject.held_name + ' row')}: {number(float(given.sum()))} nats together, against "
        f"{number(float(alone.sum()))} where each {noun} is on its own, by its training marginal.{density}",
        judge=f"The difference is what the network knows of a {noun} from earlier ones, so that late ones should gain. "
        f"Where nothing is gained, nothing before tells of the {noun}; where something is lost, the network overfits.",
        pictures=_pictures(subject, given, gain) if subject.look.shape else [_chart(subject, alone, given)],
        tables=[] if subject.look.shape else [_table(subject, alone, given)],
    )


def _alone(subject: Subject, rows: np.ndarray) -> np.ndarray:
    """Minus the mean log-probability of each variable by its training marginal."""
    unit = subject.unit
    eta = unit.natural(marginal_bias(unit, subject.train))
    log_probs = jax.jit(jax.vmap(lambda x: Conditional(unit, eta).log_probs(x)))
    return unit.log_scales - np.asarray(log_probs(unit.from_data(rows)), np.float64).mean(axis=0)


def _pictures(subject: Subject, given: np.ndarray, gain: np.ndarray) -> list[Picture]:
    """The values as pictures, summed over channels."""
    shape = subject.look.shape
    size = min(ACROSS, ALONG * shape[1] // shape[0]) + 100, min(ALONG, ACROSS * shape[0] // shape[1]) + 42
    drawn = []
    for values, title, colours in ((given, "Nats given those before", "viridis"), (gain, "Nats gained", "RdBu_r")):
        image = values.reshape(*shape[:2], -1).sum(axis=2)
        most = float(np.percentile(np.abs(image), 99.5)) or 1.0
        span = (-most, most) if colours == "RdBu_r" else (min(0.0, float(image.min())), most)
        drawn.append(
            heat_map(image, title, title=title, labels=("column", "row"), span=span, colours=colours, size=size)
        )
    return drawn


def _chart(subject: Subject, alone: np.ndarray, given: np.ndarray) -> Picture:
    sets = {"on its own": alone, "given those before": given}
    names = ticks(subject, MOST)
    return bars(sets, "Nats of each column", title="Minus log-probability", labels=("column", "nats"), names=names)


def _table(subject: Subject, alone: np.ndarray, given: np.ndarray) -> Table:
    kinds = [
        type(part).__name__ + (f", {part.states} states" if isinstance(part, Categorical) else "")
        for part, _ in parts_of(subject.unit)
        for _ in range(part.size)
    ]
    model = subject.model
    place = np.argsort(model.orders.value[0] if is_kind(model, ORDERLESS) else model.order)
    chosen = np.sort(np.argsort(given - alone, kind="stable")[:MOST])
    names = column_names(subject)
    rows = [
        (names[i], kinds[i], str(place[i] + 1), *(number(x, 3) for x in (alone[i], given[i], alone[i] - given[i])))
        for i in chosen.tolist()
    ]
    counted = "Columns" if named(subject) else "Columns, counted from 0"
    some = f"The {MOST} columns that gain most" if len(given) > MOST else counted
    return Table(("Column", "Units", "Drawn as", "On its own", "Given those before", "Gain"), rows, some)
