"""Binary hidden units of no use: those that are never on, always on, or the same whatever the row."""

from __future__ import annotations

import numpy as np

from harmonium.errors import NotFiniteError
from harmonium.evaluation.finding import DIVERGED, Finding, judged
from harmonium.inference import encode
from harmonium.models import BiHM, EnergyModel, LatentModel
from harmonium.units import Bernoulli, Spin

DEAD, SATURATED = 0.01, 0.99  # mean activations below and above which a unit is called so
SAME = 0.01  # standard deviation over the rows below which a unit says the same of all
SHARE = 0.1  # of the hidden units that may be of no use


def hidden_findings(model: EnergyModel | LatentModel | BiHM, rows: np.ndarray) -> tuple[Finding, Finding, Finding]:
    """Dead, saturated and unchanging units, over all binary hidden layers, for rows `[n, size]`.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(4), hidden=hm.units.Bernoulli(2), key=jax.random.key(0))
    >>> [finding.found for finding in hidden_findings(rbm, np.eye(4))]
    ['0 of 2', '0 of 2', '2 of 2']
    """
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
    return Finding(name, f"{n} of {len(which)}", *judged(good, cure), {"count": n, "share": n / len(which)})


def _activations(model: EnergyModel | LatentModel | BiHM, rows: np.ndarray) -> np.ndarray | None:
    """How likely each binary hidden unit is on, for each row `[n, units]`; None where there is no such unit."""
    layers = {name: unit for name, unit in model.layers.items() if name != "v"}
    binary = [name for name, unit in layers.items() if isinstance(unit, Bernoulli | Spin)]
    if not binary:
        return None
    try:
        codes = encode(model, rows)
    except NotFiniteError:
        return np.full((1, 1), np.nan)
    codes = codes if isinstance(codes, dict) else {next(iter(layers)): codes}
    on = [(codes[name] + 1) / 2 if isinstance(layers[name], Spin) else codes[name] for name in binary]
    return np.concatenate([np.asarray(x, np.float64) for x in on], axis=1)
