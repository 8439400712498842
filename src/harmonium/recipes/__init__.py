"""Recipes: one plain typed function an experiment. The command line reads their signatures."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from harmonium.catalogue import RECIPES  # name on the command line -> "module:function", imported when asked for


def recipe(name: str) -> Callable[..., Any]:
    """The function of a recipe.

    >>> recipe("rbm").__name__
    'rbm'
    """
    module, function = RECIPES[name].split(":")
    return getattr(importlib.import_module(module), function)


__all__ = ["RECIPES", "recipe"]
