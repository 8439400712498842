"""`hm.diagnose`: what may be wrong with a trained model, line by line, each with a verdict and a cure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from harmonium.data import Dataset
from harmonium.errors import InputError
from harmonium.evaluation.convergence import DRAWS, effective_samples, r_hat
from harmonium.evaluation.estimate import at_least_one
from harmonium.evaluation.likelihood import free_energies
from harmonium.evaluation.rows import rows_of, some_of
from harmonium.evaluation.traces import traces
from harmonium.inference import encode
from harmonium.models import EnergyModel, is_weight, require_model
from harmonium.rng import cheap
from harmonium.units import Bernoulli, Spin

R_HAT, EFFECTIVE = 1.01, 400.0  # limits of Vehtari et al. (2021)
DEAD, SATURATED = 0.01, 0.99  # mean activations below and above which a unit is called so
SAME = 0.01  # standard deviation over the rows below which a unit says the same of all
SHARE = 0.1  # of the hidden units that may be of no use
GAP = 0.2  # of the spread of free energies that the training rows may lie below others: a small effect
NORM = 10.0  # times the median norm that the weights of a unit may have
DIVERGED = "training diverged: use a smaller learning rate"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes: `name`; `found`, in words; `verdict`, whether that is `good`, `poor` or `unknown`; `cure`, what to do
    where it is poor, or why it is unknown; `numbers` behind the words.

    >>> print(Finding("dead hidden units", "3 of 20", "poor", "use fewer"))
    dead hidden units: 3 of 20, poor (use fewer)
    """

    name: str
    found: str
    verdict: Literal["good", "poor", "unknown"]
    cure: str = ""
    numbers: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name}: {self.found}, {self.verdict}{f' ({self.cure})' if self.cure else ''}"


@dataclass(frozen=True)
class Diagnosis:
    """What `hm.diagnose` found: a `Finding` for each line of the table that it prints.

    Attributes: `random_starts`, `data_starts` and `together`, chains from random states, from data, and both as one
    set; `dead`, `saturated` and `unchanging` hidden units; `free_energy_gap`; `weights`.

    >>> unknown = Finding("chains", "nothing", "unknown", "an example")
    >>> print(str(Diagnosis(*[unknown] * 8)).splitlines()[0])
    chains  nothing  unknown: an example
    """

    random_starts: Finding
    data_starts: Finding
    together: Finding
    dead: Finding
    saturated: Finding
    unchanging: Finding
    free_energy_gap: Finding
    weights: Finding

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All of them, in order."""
        return tuple(getattr(self, f.name) for f in fields(self))

    @property
    def good(self) -> bool:
        """Whether nothing is poor."""
        return all(finding.verdict != "poor" for finding in self.findings)

    def __str__(self) -> str:
        wide, wider = (max(len(getattr(f, part)) for f in self.findings) for part in ("name", "found"))
        ends = [f": {f.cure}" if f.cure else "" for f in self.findings]
        lines = zip(self.findings, ends, strict=True)
        return "\n".join(f"{f.name:<{wide}}  {f.found:<{wider}}  {f.verdict}{end}" for f, end in lines)


def diagnose(
    model: EnergyModel, data: Dataset | Array, *, key: Key[Array, ""] | None = None, chains: int = 20,
    sweeps: int = 1000, rows: int = 1000,
) -> Diagnosis:  # fmt: skip
    """Whether a model's chains mix, its hidden units work, its training rows are not learned by heart.

    Chains of block Gibbs sampling are judged by rank-normalised split R-hat and effective sample size (Vehtari et al.
    2021) over the second half of their sweeps, for the free energy and random projections of the visible statistics:
    from random states, from data, and both together, which tells whether they reach the same distribution.

    Arguments: `data`, a `Dataset` (its training rows are looked at, and validation rows for the gap) or rows
    `[n, size]`; `key`; `chains` of each kind; `sweeps` of each; `rows`, how many are shown to the hidden units, drawn
    without replacement. Raises `InputError` for a model without an energy, rows that do not fit it, a missing key, or
    numbers too small.

    >>> import harmonium as hm, jax, numpy as np
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(4), hidden=hm.units.Bernoulli(2), key=jax.random.key(0))
    >>> found = hm.diagnose(rbm, np.eye(4), key=jax.random.key(1), chains=4, sweeps=40)
    >>> found.unchanging.found, found.free_energy_gap.verdict
    ('2 of 2', 'unknown')
    """
    require_model("hm.diagnose", model, EnergyModel)
    if key is None:
        raise InputError("A diagnosis runs chains and draws random numbers: pass key=jax.random.key(seed).")
    at_least_one("A diagnosis", chains=chains, sweeps=sweeps, rows=rows)
    if chains < 2 or sweeps < 2 * DRAWS:
        raise InputError(f"Chains are compared from 2 of them and {2 * DRAWS} sweeps on, not {chains} and {sweeps}.")
    pick, walk = jax.random.split(cheap(key))
    shown = _shown(model, data, pick, rows)
    random, from_data = traces(model, walk, shown, chains, sweeps)
    return Diagnosis(
        _chains("chains from random states", random, "sample with more steps, and train with PCD instead of CD"),
        _chains("chains from data", from_data, "they keep to the kind of example they started at: trust no estimate "
                "that rests on Gibbs chains alone, and use method='two_sided'"),
        _agreement(np.concatenate([random, from_data])),
        *_hidden(model, shown),
        _gap(model, data, shown, rows),
        _weights(model),
    )  # fmt: skip


def _shown(model: EnergyModel, data: Dataset | Array, key: Key[Array, ""], n: int) -> np.ndarray:
    """Up to `n` rows, drawn without replacement: training rows of a `Dataset`, as the model is shown them."""
    train = data.train if isinstance(data, Dataset) else rows_of(model, data)
    pick, show = jax.random.split(key)
    chosen = some_of(train, pick, n)
    if isinstance(data, Dataset):
        chosen = np.asarray(data.sampled(show, jnp.asarray(data.shown(chosen))))
    return rows_of(model, chosen)


# ---- chains --------------------------------------------------------------------------------------------------


def _chains(name: str, seen: np.ndarray, cure: str) -> Finding:
    """R-hat and effective sample size, the worst over the statistics, of `seen` `[chains, draws, statistics]`."""
    if not np.isfinite(seen).all():
        return Finding(name, "not finite", "poor", DIVERGED)
    worst = _worst(r_hat, seen, max)
    effective = _worst(effective_samples, seen, min)
    good = worst <= R_HAT and effective >= EFFECTIVE
    found = f"R-hat {worst:.3f}, {effective:,.0f} effective of {seen.shape[0] * seen.shape[1]:,} draws"
    return Finding(name, found, *_judged(good, cure), {"r_hat": worst, "effective_samples": effective})


def _agreement(seen: np.ndarray) -> Finding:
    name = "random and data starts together"
    if not np.isfinite(seen).all():
        return Finding(name, "not finite", "poor", DIVERGED)
    worst = _worst(r_hat, seen, max)
    cure = "chains from the two starts see different distributions: run longer ones, and train with more PCD steps"
    return Finding(name, f"R-hat {worst:.3f}", *_judged(worst <= R_HAT, cure), {"r_hat": worst})


def _worst(measure: Callable[[np.ndarray], float], seen: np.ndarray, of: Callable[..., float]) -> float:
    return of(measure(seen[:, :, i]) for i in range(seen.shape[2]))


def _judged(good: bool, cure: str) -> tuple[Literal["good", "poor"], str]:
    return ("good", "") if good else ("poor", cure)


# ---- hidden units --------------------------------------------------------------------------------------------


def _hidden(model: EnergyModel, rows: np.ndarray) -> tuple[Finding, Finding, Finding]:
    """Dead, saturated and unchanging units, over all binary hidden layers."""
    names = ("dead hidden units", "saturated hidden units", "hidden units always the same")
    on = _activations(model, rows)
    if on is None:
        why = "said of binary hidden units, which this model has none of"
        return tuple(Finding(name, "not counted", "unknown", why) for name in names)
    if not np.isfinite(on).all():
        return tuple(Finding(name, "not finite", "poor", DIVERGED) for name in names)
    mean = on.mean(axis=0)
    useless = (mean < DEAD, mean > SATURATED, on.std(axis=0) < SAME)
    cures = (
        "never on: use fewer units, a smaller learning rate, or centring",
        "always on: use centring, a smaller learning rate, or weight decay",
        "they say nothing of the examples: train longer, start with larger weights, or use fewer units",
    )
    return tuple(_count(name, which, cure) for name, which, cure in zip(names, useless, cures, strict=True))


def _count(name: str, which: np.ndarray, cure: str) -> Finding:
    n = int(which.sum())
    good = n <= SHARE * len(which)
    return Finding(name, f"{n} of {len(which)}", *_judged(good, cure), {"count": n, "share": n / len(which)})


def _activations(model: EnergyModel, rows: np.ndarray) -> np.ndarray | None:
    """How likely each binary hidden unit is on, for each row `[n, units]`; None where there is no such unit."""
    layers = {name: unit for name, unit in model.layers.items() if name != "v"}
    binary = [name for name, unit in layers.items() if isinstance(unit, Bernoulli | Spin)]
    if not binary:
        return None
    codes = encode(model, jnp.asarray(rows, model.layers["v"].dtype))
    codes = codes if isinstance(codes, dict) else {next(iter(layers)): codes}
    on = [(codes[name] + 1) / 2 if isinstance(layers[name], Spin) else codes[name] for name in binary]
    return np.concatenate([np.asarray(x, np.float64) for x in on], axis=1)


# ---- learned by heart ----------------------------------------------------------------------------------------


def _gap(model: EnergyModel, data: Dataset | Array, train: np.ndarray, n: int) -> Finding:
    """Mean free energy of validation rows less that of training rows (Hinton 2012, section 6); of deep machines, of
    their mean-field bounds."""
    name = "free-energy gap"
    if not isinstance(data, Dataset) or data.valid is None:
        why = "has no validation rows" if isinstance(data, Dataset) else "plain rows have no validation split"
        return Finding(name, "not measured", "unknown", f"{why}: pass a Dataset with valid rows")
    seen, held = free_energies(model, train), free_energies(model, rows_of(model, data.valid[:n]))
    gap, spread = float(held.mean() - seen.mean()), float(seen.std())
    if not math.isfinite(gap):
        return Finding(name, "not finite", "poor", DIVERGED)
    error = math.hypot(spread / math.sqrt(len(seen)), float(held.std()) / math.sqrt(len(held)))
    good = gap - 2 * error <= GAP * spread
    cure = "the training rows are learned by heart: stop earlier, use weight decay or fewer hidden units"
    found = f"{gap:.2f} ± {error:.2f} nats (valid less train; spread {spread:.2f})"
    return Finding(name, found, *_judged(good, cure), {"gap": gap, "stderr": error, "spread": spread})


# ---- weights -------------------------------------------------------------------------------------------------


def _weights(model: EnergyModel) -> Finding:
    """The norms of the columns of all arrays of weights"""
    paths, _ = jax.tree_util.tree_flatten_with_path(model)
    found = [np.asarray(x) for path, x in paths if is_weight(path)]
    if not found:
        return Finding("weight norms", "not measured", "unknown", "the model has no array of weights")
    norms = np.concatenate([np.linalg.norm(w.reshape(-1, w.shape[-1]), axis=0) for w in found])
    largest, median, entry = float(norms.max()), float(np.median(norms)), float(max(np.abs(w).max() for w in found))
    if not math.isfinite(largest):
        return Finding("weight norms", "not finite", "poor", DIVERGED)
    good = largest <= NORM * median
    cure = "a few units dwarf the rest: use weight decay or a smaller learning rate"
    words = f"largest {largest:.3g}, median {median:.3g}; largest weight {entry:.3g}"
    return Finding("weight norms", words, *_judged(good, cure), {"largest": largest, "median": median, "entry": entry})
