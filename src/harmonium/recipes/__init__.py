"""Recipes: one plain typed function an experiment. The command line reads their signatures."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

# Name on the command line -> "module:function", imported when asked for.
RECIPES = {
    "boltzmann": "harmonium.recipes.boltzmann:boltzmann",
    "rbm": "harmonium.recipes.rbm:rbm",
    "dbn": "harmonium.recipes.dbn:dbn",
    "dbm": "harmonium.recipes.dbm:dbm",
    "mpdbm": "harmonium.recipes.mpdbm:mpdbm",
    "fvbn": "harmonium.recipes.fvbn:fvbn",
    "neural": "harmonium.recipes.neural:neural",
    "made": "harmonium.recipes.made:made",
    "nade": "harmonium.recipes.nade:nade",
    "rnade": "harmonium.recipes.rnade:rnade",
    "orderless": "harmonium.recipes.orderless:orderless",
    "nadek": "harmonium.recipes.nadek:nadek",
    "sbn": "harmonium.recipes.sbn:sbn",
    "bihm": "harmonium.recipes.bihm:bihm",
    "vae": "harmonium.recipes.vae:vae",
    "draw": "harmonium.recipes.draw:draw",
    "vrnn": "harmonium.recipes.vrnn:vrnn",
    "classifier": "harmonium.recipes.classifier:classifier",
}


def recipe(name: str) -> Callable[..., Any]:
    """The function of a recipe.

    >>> recipe("rbm").__name__
    'rbm'
    """
    module, function = RECIPES[name].split(":")
    return getattr(importlib.import_module(module), function)


__all__ = ["RECIPES", "recipe"]
