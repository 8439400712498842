"""Whether what was read from a record is of the kinds that were written: a file may be damaged and still be JSON."""

from __future__ import annotations

import types
from collections.abc import Mapping
from functools import cache
from numbers import Integral, Real
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict


def fits(value: object, hint: Any) -> bool:
    """Whether a value is of a kind, as annotations name kinds; lists stand for tuples, as they do in JSON.

    >>> fits(3, int | None), fits(True, int), fits([1.5, 2], tuple[float, ...]), fits("b", Literal["a"])
    (True, False, True, False)
    """
    kind, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if kind is Annotated:
        return fits(value, inner[0])
    if kind in (Union, types.UnionType):
        return any(fits(value, each) for each in inner)
    if kind is Literal:
        return isinstance(value, str | int) and value in inner
    if kind in (list, tuple):
        if not isinstance(value, list | tuple):
            return False
        if kind is list or inner[-1] is ...:
            return all(fits(each, inner[0]) for each in value)
        return len(value) == len(inner) and all(map(fits, value, inner))
    if kind is dict:
        return isinstance(value, dict) and all(fits(each, inner[1]) for each in value.values())
    if is_typeddict(hint):
        return isinstance(value, dict) and unfit(value, hint) is None
    if hint in (int, float):
        return isinstance(value, Integral if hint is int else Real) and not isinstance(value, bool)
    return isinstance(value, type(None) if hint is None else hint)


def unfit(record: Mapping[str, Any], kinds: Any) -> str | None:
    """The first value of a record that is not of its kind, with its name; None if all are.

    Arguments: `record`; `kinds`, a mapping of names to annotations, or a class or function that has them. What has no
    kind may be anything.

    >>> unfit({"n": "three", "more": 1}, {"n": int})
    "n is 'three'"
    """
    hints = kinds if isinstance(kinds, Mapping) else _hints(kinds)
    for name, value in record.items():
        if name in hints and not fits(value, hints[name]):
            if is_typeddict(hints[name]) and isinstance(value, dict):
                return f"in {name}, {unfit(value, hints[name])}"
            return f"{name} is {_short(value)}"
    return None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


_hints = cache(get_type_hints)
