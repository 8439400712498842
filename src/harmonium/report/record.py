"""What a run recorded: its estimates, its curves, and how to do it again."""

from __future__ import annotations

import json
import math
import shlex
from typing import Any

import numpy as np

from harmonium.evaluation import ErrorRate, Estimate
from harmonium.evaluation.estimate import QUANTITIES
from harmonium.inference import has_closed_form
from harmonium.models.kinds import ENERGY, ORDERLESS, is_kind
from harmonium.report.figures import Picture, curves
from harmonium.report.head import KINDS, headline
from harmonium.report.section import Section, Table
from harmonium.report.subject import NotApplicable, Subject, count, number
from harmonium.training.monitor import FEW_VARIABLES, ORDERLESS_ROWS

AXES = ("step", "epoch", "seconds")  # of a line of metrics; the rest are curves
TOGETHER = {  # curves that are read against each other, under one name
    "free_energy_": ("free_energy_data", "free_energy_chains"),
    "log_likelihood_": ("log_likelihood_train", "log_likelihood_valid"),
    "log_pseudo_likelihood_": ("log_pseudo_likelihood_train", "log_pseudo_likelihood_valid"),
    "bound_": ("bound_train", "bound_valid"),
}
EXACT_LOSS = "The training objective: minus the mean log-likelihood of the batches."
EVERY_ORDER = {
    "loss": "The training objective: minus the log-likelihood of the batches under random orders, "
    "estimated from one conditional of each row (of a NADE-k, the mean over its steps).",
    "log_likelihood_train": f"Exact, of {ORDERLESS_ROWS} rows of each split; where there are more than {FEW_VARIABLES} "
    "variables, in the first of the network's orders alone. Where that of the validation rows falls, the training "
    "rows are overfitted: stop there, or use weight decay.",
}
DEEP = {  # of a machine whose hidden layers depend on each other
    "loss": "The training objective: a mean-field bound on the free energy of the data, less the free "
    "energy of the chains with other layers summed out. These are different quantities, so that the level means "
    "nothing: it settles where training does, and is no measure of fit.",
    "free_energy_data": "Of the batches, a bound by mean field given the visible units alone; of the chains, given all "
    "layers but those that a sweep draws last. These are different quantities, which need not meet: each should level "
    "off by itself.",
    "free_energy_gap": "Bound on the mean free energy of validation rows less that of training rows. Steady growth "
    "means that the model is overfitting.",
}
BOUND_LOSS = {
    "loss": "The training objective: minus the bound of the batches.",
    "log_q": "Log-probability of the hidden units of dreams under the recognition net, which learns to raise it.",
    "signal_deviation": "Standard deviation of the learning signal, less what its baseline tells.",
}
WAKE_SLEEP_LOSS = (
    "Minus the bound of the batches. Wake-sleep rules do not follow its slope: the recognition net learns by another "
    "objective, so that it need not fall at every step."
)
MEANINGS = {
    "bound_train": "A lower bound of the log-likelihood, importance-weighted by 10 samples for each of up to 500 rows "
    "of each split. Where that of the validation rows falls, the model is overfitting: stop there, or "
    "use weight decay.",
    "log_likelihood_train": "Exact, of up to 1000 rows of each split. Where that of the validation rows falls, the "
    "model is overfitting: stop there, or use weight decay.",
    "loss": "The training objective. For CD and PCD, the free energy of data less that of the "
    "chains, which is no measure of fit: it hovers near zero while the chains keep up with the data.",
    "log_pseudo_likelihood": "Log-probability of each unit given all the others, summed. It should rise and level off.",
    "free_energy_gap": "Mean free energy of validation rows less that of training rows. Steady growth means "
    "that the model is overfitting.",
    "error": "Share of the rows of batches that are named wrongly, with dropout where there is some.",
    "log_prob_v": "Log-probability of the pixels that were hidden, given the rest: the sum for an example.",
    "log_prob_y": "Log-probability of the label where it was hidden, given the rest; of the others it counts 0.",
    "free_energy_data": "Of the batches and of the chains. The two should keep together; chains far below "
    "the data have stopped mixing.",
    "mean_field_change": "Largest change of a mean in the last sweep of mean field over each batch. Where it grows "
    "towards 1, the positive phase has not settled: take more sweeps, or smaller weights.",
}


# ---- estimates ---------------------------------------------------------------------------------------------


def estimates(subject: Subject) -> Section:
    """Every recorded estimate with what it is worth, and the baseline."""
    recorded, base = subject.folder.estimates, subject.baseline
    rows = [estimate_row(name, e) for name, e in recorded.items()]
    rows += [estimate_row("baseline", base)] if base else []
    rates = [error_row(name, rate) for name, rate in subject.folder.error_rates.items()]
    if not rows and not rates:
        raise NotApplicable("nothing has been estimated yet: harmonium evaluate measures a run")
    head = ("", "Quantity", "Kind", "Value", "Method and settings", "Space", "n", "Verdict")
    tables = [Table(head, rows)] if rows else []
    if rates:
        tables.insert(0, Table(("", "Wrong", "Error rate", "Method", "Space", "n"), rates))
    if not rows:
        return Section(
            shows="The share of rows whose most probable class is not their label; ± is one standard error.",
            judge="Two rates differ where they are several standard errors apart. The training rows' rate lies lower: "
            "a wide gap means overfitting.",
            tables=tables,
        )
    sure = "They are exact, by the chain rule of probability; ± is one standard error over the examples. "
    bounded = (
        "Intervals bound the error that comes from log Z; ± is one standard error over the examples (and chains). "
    )
    weighed = (
        "A lower bound of them weighs samples of the latent variables by their importance; ± is one standard error "
        "over the examples. "
    )
    return Section(
        shows="Log-likelihoods are means per example in nats; larger is better. "
        f"{sure if subject.exact else weighed if subject.directed else bounded}The baseline gives "
        "every unit its training marginal and knows of no connection between units.",
        judge="A model that has learned structure lies well above the baseline. The verdict is of the number: whether "
        "it can be trusted, not whether the model is good. Compare numbers only on the same space: the same examples, "
        "binarization and scaling (the hash stands for the rows themselves).",
        tables=tables,
    )


def error_row(name: str, rate: ErrorRate) -> tuple[str, ...]:
    """One error rate as a row of text."""
    share = f"{100 * rate.value:.2f}\u00a0% ±\u00a0{100 * rate.stderr:.2f}\u00a0%"
    settings = "; ".join(f"{k} {flat(v)}" for k, v in rate.settings.items())
    how = "; ".join(part for part in (rate.method, settings) if part) or "the most probable class"
    return name, f"{rate.errors:,}", share, how, str(rate.space) if rate.space else "", f"{rate.n:,}"


def estimate_row(name: str, e: Estimate) -> tuple[str, ...]:
    """One estimate as a row of text."""
    value = f"{headline(e)} ±\u00a0{number(e.stderr)}"
    settings = "; ".join(f"{k.replace('_', ' ')} {flat(v)}" for k, v in e.settings.items())
    how = e.method + (f" ({settings})" if settings else "") + (f"; {e.remark}" if e.remark else "")
    surely = " in expectation" if e.kind in ("interval", "lower", "upper") and not e.sure else ""
    return (
        name, QUANTITIES[e.quantity], KINDS.get(e.kind, e.kind) + surely, value,
        how, str(e.space) if e.space else "of the model alone",
        "" if e.n is None else f"{e.n:,}", e.verdict,
    )  # fmt: skip


def flat(value: Any) -> str:
    """A setting in one line."""
    if isinstance(value, dict):
        return ", ".join(f"{k} {flat(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return " ".join(flat(v) for v in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


# ---- curves ------------------------------------------------------------------------------------------------


def learning_curves(subject: Subject) -> Section:
    """Every metric over the steps or epochs, in small charts."""
    lines = subject.folder.metrics
    if not lines:
        raise NotApplicable("the run holds no metrics")
    names = list(dict.fromkeys(name for line in lines for name in line if name not in AXES))
    if subject.exact and "log_likelihood_train" in names:
        names = [name for name in names if name != "log_likelihood"]  # the loss, upside down
    if subject.directed and "bound_train" in names and _upside_down("bound", lines):
        names = [name for name in names if name != "bound"]
    groups = [g for g in TOGETHER.values() if set(g) <= set(names)]
    groups += [(name,) for name in names if not any(name in group for group in groups)]
    order = list(MEANINGS)
    groups.sort(key=lambda group: order.index(group[0]) if group[0] in order else len(order))
    label = "epoch" if all(isinstance(line.get("epoch"), int | float) for line in lines) else "step"
    x = np.array([line[label] for line in lines], float)
    values = {name: np.array([_finite(line.get(name)) for line in lines]) for name in names}
    meanings = MEANINGS | _meanings(subject)
    charts = [_chart(x, group, values, label, meanings.get(group[0], "")) for group in groups]
    measured = "training and validation rows" if subject.independent else "pseudo-likelihood and gap"
    return Section(
        shows=f"Each metric at {count(len(lines), 'point')} of the run, each a mean over the steps since the "
        f"one before (of the model as it then was, for {measured}); the number after each name is the last.",
        judge="Curves that still move at the right end ask for more steps; a gap in a curve is a value that "
        "was not a number.",
        pictures=[chart for chart in charts if chart],
    )


def _upside_down(name: str, lines: list[dict[str, Any]]) -> bool:
    """Whether a metric is the loss with the other sign."""
    values, losses = (np.array([_finite(line.get(n)) for line in lines]) for n in (name, "loss"))
    return np.array_equal(values, -losses, equal_nan=True)


def _meanings(subject: Subject) -> dict[str, str]:
    """What curves mean for this kind of model and rule."""
    if subject.directed:
        rule = str((subject.folder.about.get("settings") or {}).get("objective", ""))
        return BOUND_LOSS | ({"loss": WAKE_SLEEP_LOSS} if "WakeSleep" in rule else {})
    if is_kind(subject.model, ORDERLESS):
        return EVERY_ORDER
    if is_kind(subject.model, ENERGY) and not has_closed_form(subject.model):
        return DEEP
    return {"loss": EXACT_LOSS} if subject.exact else {}


def _finite(value: object) -> float:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else math.nan


def _chart(
    x: np.ndarray, group: tuple[str, ...], values: dict[str, np.ndarray], label: str, note: str
) -> Picture | None:
    shared = next((prefix for prefix, names in TOGETHER.items() if names == group), "")
    lines = {name.removeprefix(shared): values[name] for name in group}
    if not any(np.isfinite(y).any() for y in lines.values()):
        return None
    title = (shared.rstrip("_") or group[0]).replace("_", " ").capitalize()
    if len(group) == 1:
        title += f"  {_last(float(values[group[0]][-1]))}"
    return curves(x, lines, f"{title} over {label}s", title=title, label=label, note=note)


def _last(x: float) -> str:
    """The last value of a curve: three decimals, or two digits of what these would show as 0.

    >>> _last(-7.0312), _last(-1.23e-06), _last(0.0)
    ('−7.031', '−1.2e−06', '0.000')
    """
    return number(x, 3) if x == 0 or not abs(x) < 5e-4 else f"{x:.1e}".replace("-", "−")


# ---- how to do it again ------------------------------------------------------------------------------------


def reproduce(subject: Subject) -> Section:
    """What was run, with which versions, on what; and the command that runs it again."""
    about = subject.folder.about
    rows = [(name.replace("_", " "), _shown(value)) for name, value in about.items() if name != "arguments"]
    command = command_line(about)
    start = "" if command else " The run was started from Python, by hm.fit."
    return Section(
        shows=f"What run.json records.{start} The same "
        "seed, data and versions give the same model, on the same device to the last bit.",
        code=command,
        tables=[Table(("", ""), [(name, text) for name, text in rows if text])],
    )


def command_line(about: dict[str, Any]) -> str:
    """The command that starts the recorded recipe with its recorded arguments, and those that made it longer.

    >>> command_line({"recipe": "rbm", "arguments": {"data": "my.npy", "centred": False, "seed": None}})
    'harmonium train rbm --data my.npy --no-centred'
    """
    if not about.get("recipe"):
        return ""
    words = ["harmonium", "train", str(about["recipe"])]
    arguments = about.get("arguments") or {}
    lengths = [*(part["epochs"] for part in about.get("continued", [])), arguments.get("epochs")]
    longer = [shlex.join([*words, "--epochs", str(epochs), "--resume"]) for epochs in lengths[1:]]
    return "\n".join([_started(words, arguments | {"epochs": lengths[0]}), *longer])


def _started(words: list[str], arguments: dict[str, Any]) -> str:
    words = list(words)
    for name, value in arguments.items():
        flag = name.rstrip("_").replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        elif value is not None:
            words += [f"--{flag}", str(value)]
    return shlex.join(words)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k}: {_shown(v)}" for k, v in value.items() if v is not None)
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)
