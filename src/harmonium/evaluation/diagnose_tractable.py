"""`hm.diagnose` of auto-regressive networks: do they draw what data are like, and do they overfit?"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Array, Key

from harmonium.data import Dataset
from harmonium.evaluation.finding import Finding, Findings, gap_between
from harmonium.evaluation.rows import rows_of, training_rows
from harmonium.evaluation.samples import own_findings
from harmonium.evaluation.tractable import log_probs
from harmonium.models import TractableModel

CURE = "the model is overfitting: stop earlier, use weight decay or fewer hidden units"


@dataclass(frozen=True)
class TractableDiagnosis(Findings):
    """What `hm.diagnose` found of a model that says its likelihood: a `Finding` for each line that it prints.

    Attributes: `means` and `pairs`, of its draws against data; `likelihood_gap`, between training and validation rows.

    >>> unknown = Finding("means", "nothing", "unknown", "an example")
    >>> print(str(TractableDiagnosis(*[unknown] * 3)).splitlines()[0])
    means  nothing  unknown: an example
    """

    means: Finding
    pairs: Finding
    likelihood_gap: Finding


def diagnose_tractable(
    model: TractableModel, data: Dataset | Array, key: Key[Array, ""], n: int
) -> TractableDiagnosis:  # fmt: skip
    """What `hm.diagnose` says of an auto-regressive network, from up to `n` rows.

    >>> import harmonium as hm
    >>> diagnose_tractable(hm.FVBN(hm.units.Bernoulli(2)), np.eye(2), jax.random.key(1), 6).likelihood_gap.verdict
    'unknown'
    """
    pick, draw = jax.random.split(key)
    rows = training_rows(model, data, pick, n)
    return TractableDiagnosis(*own_findings(model, data, rows, n, draw), _gap(model, data, rows))


def _gap(model: TractableModel, data: Dataset | Array, train: np.ndarray) -> Finding:
    """Minus the mean log-likelihood of validation rows, less that of training rows."""
    name = "gap of the log-likelihood"
    if not isinstance(data, Dataset) or data.valid is None:
        why = "has no validation rows" if isinstance(data, Dataset) else "plain rows have no validation split"
        return Finding(name, "not measured", "unknown", f"{why}: pass a Dataset with valid rows")
    seen, held = (-log_probs(model, rows) for rows in (train, rows_of(model, data.valid[: len(train)])))
    return gap_between(name, seen, held, CURE)
