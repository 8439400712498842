"""`write_report`: the page of a run, whole in one file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from jaxtyping import Array, Key

from harmonium.data import Dataset
from harmonium.errors import InputError, whole
from harmonium.models import write_atomically
from harmonium.models.kinds import CLASSIFIER, CONDITIONAL_ENERGY, ORDERLESS, is_kind
from harmonium.report import classes, couplings, head, insides, latent, record, sections, sequences
from harmonium.report.section import Section, made
from harmonium.report.subject import Subject
from harmonium.training import RunFolder


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
    main, base = head.main_number(subject.folder), subject.baseline
    return _template().render(
        name=subject.folder.path.resolve().name,
        sentence=head.sentence(subject),
        main=main and head.headlines(main),
        remarks=head.remarks(main, base),
        facts=head.facts(subject, main, base),
        date=f"{datetime.now(UTC):%d %B %Y, %H:%M} UTC".lstrip("0"),
        by_class=is_kind(subject.model, CLASSIFIER),
        sections=[made(part.title, part.make, subject) for part in PARTS if part.applies(subject)],
    )


@dataclass(frozen=True)
class Part:
    """A section of the page by its title, what makes it, and whether it applies to a subject."""

    title: str
    make: Callable[[Subject], Section]
    applies: Callable[[Subject], bool] = lambda _: True


def _generative(subject: Subject) -> bool:
    """Whether the model is one distribution of the data: a classifier is none, a machine given a context is many."""
    return not is_kind(subject.model, CLASSIFIER, CONDITIONAL_ENERGY)


def _fills_in(subject: Subject) -> bool:
    """Whether any values are filled in: by chains, or by a network that takes its variables in any order."""
    return _generative(subject) and (not subject.independent or is_kind(subject.model, ORDERLESS))


PARTS = (  # in the order of the page
    Part("Estimates", record.estimates),
    Part("Learning curves", record.learning_curves),
    Part("Classes", classes.classes, classes.has_classes),
    Part("Samples", sections.samples, lambda s: not is_kind(s.model, CLASSIFIER)),
    Part("Moments", sections.agreement, _generative),
    Part("Variable by variable", sequences.variables, lambda s: s.exact),
    Part("Reconstructions", latent.reconstructions, latent.reconstructs),
    Part("Latent variables", latent.latent_variables, lambda s: bool(latent.latent_units(s))),
    Part("Filters", insides.filters, lambda s: latent.has_filters(s) and not is_kind(s.model, CONDITIONAL_ENERGY)),
    Part("Couplings", couplings.couplings, couplings.coupled),
    Part("Gibbs chains", sections.chain, lambda s: _generative(s) and not s.independent),
    Part("Filling in", sections.filling_in, _fills_in),
    Part("Nearest training rows", sections.neighbours, _generative),
    Part("Hidden units", insides.hidden_units, lambda s: _generative(s) and not s.exact and latent.countable(s)),
    Part("Diagnosis", insides.diagnosis, lambda s: _generative(s) and not s.exact),
    Part("How to reproduce", record.reproduce),
)


def _template() -> jinja2.Template:
    source = files("harmonium.report").joinpath("page.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(source)
