"""Likelihood of sequences per frame, as it is reported of music and speech."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from harmonium.errors import InputError, shown, whole
from harmonium.evaluation.estimate import Estimate

WHOLE = ("log_likelihood", "conditional_log_likelihood")  # of which a value for each frame is made


def per_frame(estimate: Any, frames: Any) -> Estimate:
    """The log-likelihood of sequences divided by the number of their frames: `sum_i log p(x_i) / sum_i T_i`, in nats.

    So long sequences count for more, as in the tables of Boulanger-Lewandowski, Bengio & Vincent (2012); the standard
    error is that of a ratio of two means. A bound stays a bound, for lengths are given and not modelled.

    Arguments: `estimate`, of `hm.log_likelihood`, which holds the value of each sequence; `frames`, whole numbers
    `[n]`, how many frames `T_i` each has (`model.visible.count(rows)`, or `hm.evaluation.count_values(model, rows)`
    where the first ones are given). Raises `InputError` for an estimate of another kind, or without the values of the
    sequences, and for numbers of frames that do not fit.

    >>> e = Estimate(-30.0, 10.0, "lower", lower=-30.0, n=2, per_example=np.array([-40.0, -20.0]), method="sampling")
    >>> print(per_frame(e, [5, 5]))
    log-likelihood per frame -6.00 ± 2.00 nats (lower bound, by sampling; n = 2)
    """
    if not isinstance(estimate, Estimate) or estimate.quantity not in WHOLE or estimate.per_example is None:
        what = "an estimate of another kind" if isinstance(estimate, Estimate) else shown(estimate)
        raise InputError(
            "A log-likelihood per frame is made of an estimate of hm.log_likelihood that holds the value of each "
            f"sequence, not of {what}."
        )
    values, counts = np.asarray(estimate.per_example, np.float64), np.asarray(frames)
    if counts.shape != values.shape or not whole(*counts.tolist()):
        raise InputError(
            f"The {len(values)} sequences have one number of frames each, at least 1, not {shown(frames)} of shape "
            f"{counts.shape}: count them with model.visible.count(rows)."
        )
    n, mean = len(values), float(counts.mean())
    value = float(values.sum() / counts.sum())
    spread = float(np.std(values - value * counts, ddof=1)) if n > 1 else math.inf
    shift = value - estimate.value / mean  # of an estimate whose value is not the mean of its examples' to rounding
    return dataclasses.replace(
        estimate, value=value, stderr=spread / math.sqrt(n) / mean, quantity="log_likelihood_per_frame",
        lower=estimate.lower / mean + shift, upper=estimate.upper / mean + shift, per_example=values / mean,
        settings={**estimate.settings, "frames": int(counts.sum())},
    )  # fmt: skip
