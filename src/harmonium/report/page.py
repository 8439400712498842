"""`write_report`: the page of a run, whole in one file."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from jaxtyping import Array, Key

from harmonium.data import Dataset
from harmonium.errors import InputError, whole
from harmonium.models import write_atomically
from harmonium.models.kinds import CLASSIFIER, ORDERLESS, is_kind
from harmonium.report import classes, couplings, head, insides, latent, record, sections, sequences
from harmonium.report.section import made
from harmonium.report.subject import Subject
from harmonium.training import RunFolder

# Sections about a distribution of the data, which a classifier is not.
GENERATIVE = ("Samples", "Moments", "Gibbs chains", "Filling in", "Nearest training rows", "Hidden units", "Diagnosis")
# Sections about what auto-regressive networks do without: chains, and hidden units that are drawn. One of a single
# order also fills in only what comes last in it.
CHAINED = ("Gibbs chains", "Hidden units", "Diagnosis")


def write_report(folder: RunFolder, model: Any, data: Dataset, *, key: Key[Array, ""], steps: int = 1000) -> Path:
    """Write `report.html` into the folder of a run and return its path: one file, no scripts, nothing linked.

    Estimates with their verdicts, learning curves, samples, filters, chains, what the model fills in, the
    training rows nearest to its samples, its hidden units, a diagnosis, and how to run it again; a section that
    does not apply says why. A classifier has its mistakes in the place of samples and chains, and an auto-regressive
    network what it says of each variable; a directed net has what it reconstructs, and what its latent variables say.
    Arguments: `folder`, the run; `model`, trained; `data`, what it was trained on; `key`, for
    all that is drawn; `steps`, Gibbs sweeps behind each sample. Raises `InputError` for fewer than one step.

    >>> import harmonium as hm, jax, numpy as np, tempfile
    >>> out, data = tempfile.mkdtemp(), hm.data.from_arrays(np.eye(4), np.eye(4), np.eye(4))
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(4), hidden=hm.units.Bernoulli(2), key=jax.random.key(0))
    >>> run = hm.fit(rbm, data, hm.objectives.CD(), batch_size=4, key=jax.random.key(1), out=out)
    >>> hm.report.write_report(run.folder, run.model, data, key=jax.random.key(2), steps=10).name
    'report.html'
    """
    if not whole(steps):
        raise InputError(f"The samples of a report need at least one Gibbs step, not steps={steps}.")
    path = folder.path / "report.html"
    write_atomically(path, page(Subject(folder, model, data, key, steps)).encode())
    return path


def page(subject: Subject) -> str:
    """The page as text."""
    base = record.baseline_of(subject)
    main = head.main_number(subject.folder)
    parts = {
        "Estimates": lambda s: record.estimates(s, base),
        "Learning curves": record.learning_curves,
        "Classes": classes.classes,
        "Samples": sections.samples,
        "Moments": sections.agreement,
        "Variable by variable": sequences.variables,
        "Reconstructions": latent.reconstructions,
        "Latent variables": latent.latent_variables,
        "Filters": insides.filters,
        "Couplings": couplings.couplings,
        "Gibbs chains": sections.chain,
        "Filling in": sections.filling_in,
        "Nearest training rows": sections.neighbours,
        "Hidden units": insides.hidden_units,
        "Diagnosis": insides.diagnosis,
        "How to reproduce": record.reproduce,
    }
    left_out = _left_out(subject)
    return _template().render(
        name=subject.folder.path.resolve().name,
        sentence=head.sentence(subject),
        main=main and head.headlines(main),
        remarks=head.remarks(main, base),
        facts=head.facts(subject, main, base),
        date=f"{datetime.now(UTC):%d %B %Y, %H:%M} UTC".lstrip("0"),
        by_class=is_kind(subject.model, CLASSIFIER),
        sections=[made(title, make, subject) for title, make in parts.items() if title not in left_out],
    )


def _left_out(subject: Subject) -> set[str]:
    """Sections that are about what this kind of model is not."""
    absent = set(GENERATIVE) if is_kind(subject.model, CLASSIFIER) else set()
    absent |= set() if classes.has_classes(subject) else {"Classes"}
    absent |= set(CHAINED) if subject.exact else {"Variable by variable"}
    absent |= latent.left_out(subject)
    absent |= set() if not subject.independent or is_kind(subject.model, ORDERLESS) else {"Filling in"}
    return absent | (set() if couplings.coupled(subject) else {"Couplings"})


def _template() -> jinja2.Template:
    source = files("harmonium.report").joinpath("page.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(source)
