"""`hm.log_likelihood`: how likely data is under a model, as a number that says what it is."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from harmonium.compiling import outermost
from harmonium.data import Dataset, space_of
from harmonium.errors import InputError
from harmonium.evaluation.estimate import Estimate
from harmonium.evaluation.partition import Method, log_partition
from harmonium.inference import free_energy
from harmonium.models import EnergyModel

ROWS = 1000  # rows whose free energy is computed at a time


def log_likelihood(
    model: EnergyModel, data: Dataset | Array, *, key: Key[Array, ""] | None = None, method: Method = "auto",
    **options: Any,
) -> Estimate:  # fmt: skip
    """Mean log-likelihood of data per example, in nats, as an `Estimate`.

        log p(v) = -F(v) - log Z                                                             # (20.4), section 18.2

    An error of `log Z` moves every example alike: a lower bound of `log Z` (AIS) gives an *upper* bound here.
    Arguments: `data`, rows `[n, size]` (a `Dataset` stands for its test rows); `key`, `method` and the other options
    as in `log_partition`. The chains of reverse AIS start at these rows. Raises `InputError` for rows of another width
    or outside the units' range.

    >>> import harmonium as hm, jax, numpy as np
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0), scale=0.0)
    >>> round(hm.log_likelihood(rbm, np.ones((4, 6))).value, 4)         # -6 log 2
    -4.1589
    """
    rows = _rows(model, data)
    f = free_energies(model, rows)
    log_z = log_partition(model, key=key, method=method, data=rows, **options)
    return likelihood_from(log_z, f, space_of(rows))


def likelihood_from(log_z: Estimate, f: np.ndarray, space: Any) -> Estimate:
    """The log-likelihood of examples with free energies `f` `[n]`, given an estimate of `log Z`."""
    mean = float(np.mean(f))
    sampling = float(np.std(f, ddof=1) / math.sqrt(len(f))) if len(f) > 1 else math.inf
    kind = {"lower": "upper", "upper": "lower"}.get(log_z.kind, log_z.kind)
    value = -mean - log_z.value
    return dataclasses.replace(
        log_z,
        value=value,
        stderr=math.hypot(sampling, log_z.stderr),
        kind=kind,
        quantity="log_likelihood",
        lower=-mean - log_z.upper,
        upper=-mean - log_z.lower,
        settings=log_z.settings | {"log_partition_stderr": log_z.stderr},
        space=space,
        n=len(f),
        per_example=-f - log_z.value,
    )


def free_energies(model: EnergyModel, rows: Array) -> np.ndarray:
    """Free energies `[n]` of rows `[n, size]` in float64, computed a thousand rows at a time.

    >>> import harmonium as hm, jax
    >>> rbm = hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0))
    >>> free_energies(rbm, np.zeros((2, 6))).round(4)       # -3 log 2
    array([-2.0794, -2.0794])
    """
    dtype = model.layers["v"].dtype
    parts = [_free_energies(model, jnp.asarray(rows[i : i + ROWS], dtype)) for i in range(0, len(rows), ROWS)]
    return np.concatenate([np.asarray(part, np.float64) for part in parts])


@outermost
def _free_energies(model: EnergyModel, v: Float[Array, "n size"]) -> Float[Array, "n"]:
    return jax.vmap(lambda x: free_energy(model, {"v": x}))(v)


def _rows(model: EnergyModel, data: Dataset | Array) -> np.ndarray:
    if isinstance(data, Dataset):
        if data.test is None:
            raise InputError(f"'{data.name}' has no test rows: pass the rows to evaluate, such as data.train.")
        data = data.test
    rows = np.asanyarray(data)
    unit = model.layers["v"]
    if rows.ndim > 2:
        rows = rows.reshape(len(rows), -1)
    if rows.ndim != 2 or rows.shape[1] != unit.size or not len(rows):
        raise InputError(f"The model has {unit.size} visible units, but the data has shape {rows.shape}.")
    for i in range(0, len(rows), ROWS):
        unit.check(np.asarray(rows[i : i + ROWS]))
    return rows
