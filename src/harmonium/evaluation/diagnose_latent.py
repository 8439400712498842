"""`hm.diagnose` of directed nets: do latent variables tell of the data, and do they overfit?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Array, Key

from harmonium.data import Dataset
from harmonium.evaluation.active_units import ActiveUnits, active_units
from harmonium.evaluation.finding import DIVERGED, Finding, Findings, gap_between, judged
from harmonium.evaluation.hidden_units import hidden_findings
from harmonium.evaluation.latent import importance_bound
from harmonium.evaluation.rows import rows_of, training_rows
from harmonium.evaluation.samples import own_findings
from harmonium.models import BiHM, LatentModel

FEW = 0.1  # of the latent units, below which too few are active
PRIOR = 0.1  # nats of all latent units together, below which q(h | x) is the prior
GUESSES = 50  # of the latent variables of each row, behind the bounds that are compared
COLLAPSE = "the decoder does without them (posterior collapse): "
CURE = "use a smaller decoder, or the importance-weighted bound (IWAE), which lets more of them live"
FINITE_CURE = "train longer, with more samples for each row, or use fewer units"


@dataclass(frozen=True)
class LatentDiagnosis(Findings):
    """What `hm.diagnose` found of a directed net: a `Finding` for each line of the table that it prints.

    Attributes: `active`, how many latent units are; `kl`, what they cost in nats; `dead`, `saturated` and `unchanging`
    units, where they are binary; `means` and `pairs`, of its draws against data; `bound_gap`, between the bounds of
    training and validation rows.

    >>> unknown = Finding("units", "nothing", "unknown", "an example")
    >>> print(str(LatentDiagnosis(*[unknown] * 8)).splitlines()[0])
    units  nothing  unknown: an example
    """

    active: Finding
    kl: Finding
    dead: Finding
    saturated: Finding
    unchanging: Finding
    means: Finding
    pairs: Finding
    bound_gap: Finding


def diagnose_latent(
    model: LatentModel | BiHM, data: Dataset | Array, key: Key[Array, ""], n: int
) -> LatentDiagnosis:  # fmt: skip
    """What `hm.diagnose` says of a directed net, from up to `n` rows.

    >>> import harmonium as hm
    >>> vae = hm.VAE(hm.units.Bernoulli(6), hm.units.Gaussian(2), hidden=[8], key=jax.random.key(0))
    >>> diagnose_latent(vae, np.eye(6), jax.random.key(1), 6).bound_gap.verdict
    'unknown'
    """
    pick, guess, weigh = jax.random.split(key, 3)
    rows = training_rows(model, data, pick, n)
    if len(model.layers) > 1 and len(rows) > 1:
        told = (*collapse(active_units(model, rows, key=guess), cure_of(model)), *hidden_findings(model, rows))
    else:
        names = ("active latent units", "KL", "dead hidden units", "saturated hidden units")
        why = "there are no latent variables" if len(rows) > 1 else "one row does not tell"
        told = tuple(Finding(name, "not counted", "unknown", why) for name in (*names, "hidden units always the same"))
    compared = own_findings(model, data, rows, n, jax.random.fold_in(key, 1))
    return LatentDiagnosis(*told, *compared, _gap(model, data, rows, weigh))


def cure_of(model: LatentModel | BiHM) -> str:
    """What is wrong where latent units are not active, and what to do.

    >>> import harmonium as hm
    >>> cure_of(hm.HelmholtzMachine(hm.units.Bernoulli(6), [hm.units.Bernoulli(2)], key=jax.random.key(0)))[-32:]
    'for each row, or use fewer units'
    """
    real = any(unit.has_density for unit in list(model.layers.values())[1:])
    return COLLAPSE + (CURE if real else FINITE_CURE)


def collapse(found: ActiveUnits, cure: str) -> tuple[Finding, Finding]:
    """Whether enough latent units are active, and whether the posterior is more than the prior; `cure` for where not.

    >>> dull = ActiveUnits({"z": np.zeros(3)}, {"z": np.zeros(3)})
    >>> [finding.verdict for finding in collapse(dull, "use IWAE")]
    ['poor', 'poor']
    """
    units, nats = ("active latent units", "KL of q(h | x) from the prior")
    if not all(np.isfinite(x).all() for x in found.spread.values()):
        return Finding(units, "not finite", "poor", DIVERGED), Finding(nats, "not finite", "poor", DIVERGED)
    n, total = found.count, found.total
    enough = n > 0 and n >= FEW * total
    active = Finding(units, f"{n} of {total}", *judged(enough, cure), {"count": n, "share": n / total})
    if not math.isfinite(found.nats):
        return active, Finding(nats, "not measured", "unknown", "the net does not say what each layer is given others")
    most = max(float(x.max()) for x in found.kl.values())
    words = f"{found.nats:.2f} nats, at most {most:.2f} of one unit"
    same = "q(h | x) is the prior whatever the row: " + cure
    return active, Finding(nats, words, *judged(found.nats >= PRIOR, same), {"nats": found.nats, "most": most})


def _gap(model: LatentModel | BiHM, data: Dataset | Array, train: np.ndarray, key: Key[Array, ""]) -> Finding:
    """Minus the mean bound of validation rows, less that of training rows."""
    name = "gap of the bounds"
    if not isinstance(data, Dataset) or data.valid is None:
        why = "has no validation rows" if isinstance(data, Dataset) else "plain rows have no validation split"
        return Finding(name, "not measured", "unknown", f"{why}: pass a Dataset with valid rows")
    valid = rows_of(model, data.valid[: len(train)])
    seen, held = (-importance_bound(model, rows, key=key, samples=GUESSES).per_example for rows in (train, valid))
    cure = "the model is overfitting: stop earlier, use weight decay or smaller nets"
    return gap_between(name, seen, held, cure)
