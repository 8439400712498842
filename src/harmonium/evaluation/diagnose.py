"""`hm.diagnose`: what may be wrong with a trained model, line by line, each with a verdict and a cure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Key

from harmonium.data import Dataset
from harmonium.errors import InputError
from harmonium.evaluation.convergence import DRAWS, effective_samples, r_hat
from harmonium.evaluation.diagnose_latent import LatentDiagnosis, diagnose_latent
from harmonium.evaluation.diagnose_tractable import TractableDiagnosis, diagnose_tractable
from harmonium.evaluation.estimate import at_least_one
from harmonium.evaluation.finding import DIVERGED, Finding, Findings, gap_between, judged
from harmonium.evaluation.hidden_units import hidden_findings
from harmonium.evaluation.likelihood import free_energies
from harmonium.evaluation.rows import rows_of, training_rows
from harmonium.evaluation.samples import held_out, sample_findings
from harmonium.evaluation.traces import traces
from harmonium.models import BiHM, EnergyModel, LatentModel, TractableModel, weights
from harmonium.models.kinds import BIDIRECTIONAL, ENERGY, LATENT, TRACTABLE
from harmonium.models.verb import verb
from harmonium.rng import fast_key

R_HAT, EFFECTIVE = 1.01, 400.0  # limits of Vehtari et al. (2021)
NORM = 10.0  # times the median norm that the weights of a unit may have


@dataclass(frozen=True)
class Diagnosis(Findings):
    """What `hm.diagnose` found: a `Finding` for each line of the table that it prints.

    Attributes: `random_starts`, `data_starts` and `together`, chains from random states, from data, and both as one
    set; `means` and `pairs`, of samples against data; `dead`, `saturated` and `unchanging` hidden units;
    `free_energy_gap`; `weights`.

    >>> unknown = Finding("chains", "nothing", "unknown", "an example")
    >>> print(str(Diagnosis(*[unknown] * 10)).splitlines()[0])
    chains  nothing  unknown: an example
    """

    random_starts: Finding
    data_starts: Finding
    together: Finding
    means: Finding
    pairs: Finding
    dead: Finding
    saturated: Finding
    unchanging: Finding
    free_energy_gap: Finding
    weights: Finding


@verb("hm.diagnose")
def diagnose(
    row: Any, model: Any, data: Dataset | Array, *, key: Key[Array, ""] | None = None, rows: int = 1000, **options: Any
) -> Diagnosis | LatentDiagnosis | TractableDiagnosis:
    """Whether a model's chains mix and draw what data are like, its hidden units work, and it is not overfitting.

    Chains of block Gibbs sampling are judged by rank-normalised split R-hat and effective sample size (Vehtari et al.
    2021) over the second half of their sweeps, for the free energy and random projections of the visible statistics:
    from random states, from data, and both together, which tells whether they reach the same distribution. What the
    first of them drew is held against validation rows (without such, training rows), by the means of columns and by
    pairs of them (`sample_findings`): a machine that draws other rows than it was shown is poor, however well it mixes.
    A directed net (a VAE, ...) or an auto-regressive network has no chains: its own draws are held against rows. Of
    the former is also said how many of its latent units are active, and what they cost in nats.

    Arguments: `data`, a `Dataset` (its training rows are looked at, and validation rows for the gap) or rows
    `[n, size]`; `key`; `chains` of each kind; `sweeps` of each; `rows`, how many are shown to the hidden units, drawn
    without replacement. Returns a `Diagnosis`, of a directed net a `LatentDiagnosis`, of an auto-regressive network a
    `TractableDiagnosis`. Raises `InputError` for a model
    of another kind, rows that do not fit it, a missing key, or numbers too small.

    >>> import harmonium as hm, jax, numpy as np
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(4), hidden=hm.units.Bernoulli(2), key=jax.random.key(0))
    >>> found = hm.diagnose(rbm, np.eye(4), key=jax.random.key(1), chains=4, sweeps=40)
    >>> found.unchanging.found, found.free_energy_gap.verdict
    ('2 of 2', 'unknown')
    """
    if key is None:
        raise InputError("A diagnosis draws random numbers: pass key=jax.random.key(seed).")
    chains = {"chains": options.get("chains", 20), "sweeps": options.get("sweeps", 1000)}
    at_least_one("A diagnosis", **chains, rows=rows)
    return row(model, data, fast_key(key), rows, **options)


@diagnose.register(TRACTABLE)
def _of_tractable(
    model: TractableModel, data: Dataset | Array, key: Key[Array, ""], rows: int, *, chains: int = 20,
    sweeps: int = 1000,
) -> TractableDiagnosis:  # fmt: skip
    return diagnose_tractable(model, data, key, rows)


@diagnose.register(LATENT, BIDIRECTIONAL)
def _of_latent(
    model: LatentModel | BiHM, data: Dataset | Array, key: Key[Array, ""], rows: int, *, chains: int = 20,
    sweeps: int = 1000,
) -> LatentDiagnosis:  # fmt: skip
    return diagnose_latent(model, data, key, rows)


@diagnose.register(ENERGY)
def _of_energy(
    model: EnergyModel, data: Dataset | Array, key: Key[Array, ""], rows: int, *, chains: int = 20, sweeps: int = 1000
) -> Diagnosis:
    if chains < 2 or sweeps < 2 * DRAWS:
        raise InputError(f"Chains are compared from 2 of them and {2 * DRAWS} sweeps on, not {chains} and {sweeps}.")
    pick, walk = jax.random.split(key)
    shown = training_rows(model, data, pick, rows)
    random, from_data, drawn = traces(model, walk, shown, chains, sweeps)
    if not np.isfinite(random).all():  # binary units have values all the same
        drawn = np.full(drawn.shape, np.nan)
    return Diagnosis(
        _chains("chains from random states", random, "sample with more steps, and train with PCD instead of CD"),
        _chains("chains from data", from_data, "they keep to the kind of example they started at: trust no estimate "
                "that rests on Gibbs chains alone, and use method='two_sided'"),
        _agreement(np.concatenate([random, from_data])),
        *sample_findings(model.layers["v"], drawn, held_out(model, data, shown, rows)),
        *hidden_findings(model, shown),
        _gap(model, data, shown, rows),
        _weights(model),
    )  # fmt: skip


# ---- chains --------------------------------------------------------------------------------------------------


def _chains(name: str, seen: np.ndarray, cure: str) -> Finding:
    """R-hat and effective sample size, the worst over the statistics, of `seen` `[chains, draws, statistics]`."""
    if not np.isfinite(seen).all():
        return Finding(name, "not finite", "poor", DIVERGED)
    worst = _worst(r_hat, seen, max)
    effective = _worst(effective_samples, seen, min)
    good = worst <= R_HAT and effective >= EFFECTIVE
    found = f"R-hat {worst:.3f}, {effective:,.0f} effective of {seen.shape[0] * seen.shape[1]:,} draws"
    return Finding(name, found, *judged(good, cure), {"r_hat": worst, "effective_samples": effective})


def _agreement(seen: np.ndarray) -> Finding:
    name = "random and data starts together"
    if not np.isfinite(seen).all():
        return Finding(name, "not finite", "poor", DIVERGED)
    worst = _worst(r_hat, seen, max)
    cure = "chains from the two starts see different distributions: run longer ones, and train with more PCD steps"
    return Finding(name, f"R-hat {worst:.3f}", *judged(worst <= R_HAT, cure), {"r_hat": worst})


def _worst(measure: Callable[[np.ndarray], float], seen: np.ndarray, of: Callable[..., float]) -> float:
    return of(measure(seen[:, :, i]) for i in range(seen.shape[2]))


# ---- overfitting -----------------------------------------------------------------------------------------------


def _gap(model: EnergyModel, data: Dataset | Array, train: np.ndarray, n: int) -> Finding:
    """Mean free energy of validation rows less that of training rows (Hinton 2012, section 6); of deep machines, of
    their mean-field bounds."""
    name = "free-energy gap"
    if not isinstance(data, Dataset) or data.valid is None:
        why = "has no validation rows" if isinstance(data, Dataset) else "plain rows have no validation split"
        return Finding(name, "not measured", "unknown", f"{why}: pass a Dataset with valid rows")
    seen, held = free_energies(model, train), free_energies(model, rows_of(model, data.valid[:n]))
    cure = "the model is overfitting: stop earlier, use weight decay or fewer hidden units"
    return gap_between(name, seen, held, cure)


# ---- weights -------------------------------------------------------------------------------------------------


def _weights(model: EnergyModel) -> Finding:
    """The norms of the columns of all arrays of weights"""
    found = [np.asarray(x) for x in jax.tree.leaves(eqx.filter(model, weights(model)))]
    if not found:
        return Finding("weight norms", "not measured", "unknown", "the model has no array of weights")
    norms = np.concatenate([np.linalg.norm(w.reshape(-1, w.shape[-1]), axis=0) for w in found])
    largest, median, entry = float(norms.max()), float(np.median(norms)), float(max(np.abs(w).max() for w in found))
    if not math.isfinite(largest):
        return Finding("weight norms", "not finite", "poor", DIVERGED)
    good = largest <= NORM * median
    cure = "a few units dwarf the rest: use weight decay or a smaller learning rate"
    words = f"largest {largest:.3g}, median {median:.3g}; largest weight {entry:.3g}"
    return Finding("weight norms", words, *judged(good, cure), {"largest": largest, "median": median, "entry": entry})
