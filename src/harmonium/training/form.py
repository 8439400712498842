"""What a model is, in words: the same for two models of which one can take the numbers of the other."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import equinox as eqx
import jax
import numpy as np

from harmonium.data.fingerprint import fingerprint


def form(model: Any) -> str:
    """What a model is, except for the numbers that it learns: its class, its units, its settings, and how it is wired.

    >>> import harmonium as hm
    >>> form(hm.RBM(visible=hm.units.Bernoulli(4), hidden=hm.units.Bernoulli(2), key=jax.random.key(0)))
    'RBM(visible=Bernoulli(size=4), hidden=Bernoulli(size=2))'
    """
    if isinstance(model, eqx.Module):
        names = [field.name for field in dataclasses.fields(model)]
        parts = [f"{name}={part}" for name in names if (part := form(getattr(model, name)))]
        return f"{type(model).__name__}({', '.join(parts)})"
    if isinstance(model, tuple | list):
        parts = [part for value in model if (part := form(value))]
        text = f"({', '.join(parts)})" if parts else ""
        units = any(isinstance(value, eqx.Module) for value in model)
        return text if units or len(text) < 100 else hashlib.sha256(text.encode()).hexdigest()[:16]
    if eqx.is_array(model):  # whole numbers are no parameters: they say which units are coupled
        return "" if eqx.is_inexact_array(model) else fingerprint(np.asarray(model))
    return str(model) if isinstance(model, bool | int | float | str) else ""


def sizes(model: Any) -> str:
    """The shapes of the numbers that a model learns, which its form leaves out where they follow from nothing in it.

    >>> import harmonium as hm, jax
    >>> sizes(hm.RBM(visible=hm.units.Bernoulli(4), hidden=hm.units.Bernoulli(2), key=jax.random.key(0)))
    '4x2, 4, 2'
    """
    leaves = [leaf for leaf in jax.tree.leaves(model) if eqx.is_inexact_array(leaf)]
    return ", ".join("x".join(map(str, leaf.shape)) or "1" for leaf in leaves)
