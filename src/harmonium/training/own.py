"""A person's own classes in a model, and where these are written down."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import equinox as eqx

from harmonium.models.saving import known_classes


def own_classes(model: Any) -> dict[str, str]:
    """The classes of a model that are not this library's, each with the module or file that holds it ("" for none, as
    in a notebook).

    >>> import harmonium as hm, jax
    >>> own_classes(hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0)))
    {}
    """
    found = dict.fromkeys(cls for cls in _classes(model) if known_classes().get(cls.__name__) is not cls)
    return {cls.__name__: _source(cls) for cls in found}


def _classes(node: Any) -> Iterator[type]:
    if isinstance(node, eqx.Module):
        yield type(node)
        children: Any = [getattr(node, field.name, None) for field in fields(node)]
    elif isinstance(node, Mapping):
        children = node.values()
    elif isinstance(node, list | tuple):
        if hasattr(node, "_fields"):
            yield type(node)
        children = node
    else:
        return
    for child in children:
        yield from _classes(child)


def _source(cls: type) -> str:
    """A module of a package by its name, any other by its file, for a script has no name to import it by."""
    if "." in cls.__module__:
        return cls.__module__
    try:
        found = inspect.getsourcefile(cls)
    except (TypeError, OSError):
        return ""
    return str(Path(found).resolve()) if found and Path(found).is_file() else ""
