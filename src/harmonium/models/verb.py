"""Functions that answer differently for each kind of model: a table with a row for each, and no branches."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from harmonium.errors import InputError
from harmonium.models.kind import Kind, kind_of, refusal, require_sound

VERBS: dict[str, Callable] = {}  # by public name


def verb(name: str) -> Callable[[Callable], Callable]:
    """Make a function of models one that has a row for each kind, as `functools.singledispatch` does for classes.

    The function decorated is what all kinds share. It takes the row as its first argument, which callers do not see:

        @verb("hm.sample")
        def sample(row, model, key, n=1, **options):
            check_key(key)
            return row(model, key, n, **options)

        @sample.register(TRACTABLE, LATENT)
        def _(model, key, n): ...

    Options of a row are its keyword arguments with defaults; any other is refused, with those that there are. A model
    of a kind that has no row is refused, with what it answers instead. Arguments: `name`, as error messages say it.
    The function has `.register(*kinds)`, `.dispatch(model)`, which is the row, and `.registry`, the rows by kind.
    Raises `InputError`, where two rows are for one kind.

    >>> from harmonium.models.kinds import ENERGY
    >>> @verb("hm.double")
    ... def double(row, model, **options):
    ...     return 2 * row(model, **options)
    >>> @double.register(ENERGY)
    ... def _(model, *, of=1): return of
    >>> double(3)
    Traceback (most recent call last):
    harmonium.errors.InputError: hm.double takes an energy model (an RBM, a DBM, ...), not 3: pass the model itself, ...
    >>> del VERBS["hm.double"]
    """

    def decorate(shared: Callable) -> Callable:
        registry: dict[Kind, Callable] = {}

        def register(*kinds: Kind) -> Callable[[Callable], Callable]:
            def add(row: Callable) -> Callable:
                for kind in kinds:
                    if kind in registry:
                        raise InputError(f"{name} has a row for {kind.noun} already: leave one of them out.")
                    registry[kind] = row
                return row

            return add

        def find(model: Any) -> Callable | None:
            kind = kind_of(model)
            return next((registry[k] for k in (kind.lineage() if kind else ()) if k in registry), None)

        def dispatch(model: Any) -> Callable:
            require_sound(model)
            row = find(model)
            if row is None:
                raise refusal(name, model, *dict.fromkeys(kind.noun for kind in registry))
            return row

        @functools.wraps(shared)
        def call(model: Any, *args: Any, **options: Any) -> Any:
            row = dispatch(model)
            _refuse_unknown(name, model, options, [*_options(shared), *_options(row)])
            return shared(row, model, *args, **options)

        parameters = list(inspect.signature(shared).parameters.values())[1:]
        call.__signature__ = inspect.signature(shared).replace(parameters=parameters)
        call.register, call.dispatch, call.registry, call.find = register, dispatch, registry, find
        VERBS[name] = call
        return call

    return decorate


def _options(function: Callable) -> list[str]:
    """The names of a function's keyword arguments, those that can be given by position too left out."""
    return [p.name for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]


def _refuse_unknown(name: str, model: Any, options: dict[str, Any], takes: list[str]) -> None:
    for option in options:
        if option not in takes:
            has = f"it takes {', '.join(takes)}" if takes else "leave it out"
            raise InputError(f"{name} of {kind_of(model).noun} has no option '{option}': {has}.")
