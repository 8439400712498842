"""harmonium: deep generative models, from Boltzmann machines up, trained, sampled, completed and honestly measured.

>>> import harmonium as hm
>>> hm.units.Bernoulli(3).size
3
"""

from __future__ import annotations

import importlib
from typing import Any

from harmonium.catalogue import ENTRIES

__version__ = "0.1.0"

# Public name -> the module that defines it. Loaded on first use, so that `harmonium --help` needs no JAX.
_EXPORTS = {
    **dict.fromkeys(ENTRIES, "harmonium.models"),
    "Estimate": "harmonium.evaluation",
    "baseline": "harmonium.evaluation",
    "compare": "harmonium.evaluation",
    "error_rate": "harmonium.evaluation",
    "diagnose": "harmonium.evaluation",
    "log_likelihood": "harmonium.evaluation",
    "log_partition": "harmonium.evaluation",
    "log_prob": "harmonium.evaluation",
    "log_ratio": "harmonium.evaluation",
    "methods": "harmonium.evaluation",
    "at_marginals": "harmonium.inference",
    "classify": "harmonium.inference",
    "conditional": "harmonium.inference.of_data",
    "energy": "harmonium.inference.of_data",
    "free_energy": "harmonium.inference.of_data",
    "log_pseudo_likelihood": "harmonium.inference",
    "mean_field": "harmonium.inference.of_data",
    "encode": "harmonium.inference",
    "impute": "harmonium.samplers",
    "sample": "harmonium.samplers",
    "fit": "harmonium.training",
    "classifier_from_dbm": "harmonium.models",
    "classifier_from_dbn": "harmonium.models",
    "load": "harmonium.models",
    "uncentred": "harmonium.models",
    "save": "harmonium.models",
    "HarmoniumError": "harmonium.errors",
    "IncomparableError": "harmonium.errors",
    "InputError": "harmonium.errors",
    "RunError": "harmonium.errors",
}
_MODULES = (
    "data", "errors", "evaluation", "gradients", "inference", "models", "nets", "objectives", "recipes", "report",
    "rng", "samplers", "sklearn", "testing", "training", "units",
)  # fmt: skip

__all__ = [*_EXPORTS, *_MODULES, "kinds"]


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        value = getattr(importlib.import_module(_EXPORTS[name]), name)
    elif name == "kinds":
        value = importlib.import_module("harmonium.models.kinds")
    elif name in _MODULES:
        value = importlib.import_module(f"harmonium.{name}")
    else:
        raise AttributeError(f"module 'harmonium' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
