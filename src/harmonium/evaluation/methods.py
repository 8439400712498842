"""`hm.methods`: what can be asked of a model, and with which options."""

from __future__ import annotations

from typing import Any

from harmonium.models import kind_of, refusal, require_sound
from harmonium.models.verb import VERBS, options_of

HIDDEN = ("key",)  # an argument of all methods


class Methods(tuple):
    """Lines of text, one for each function and method, which print as a table.

    >>> print(Methods(["hm.sample(model, key)"]))
    hm.sample(model, key)
    """

    def __str__(self) -> str:
        return "\n".join(self)

    __repr__ = __str__


def methods(model: Any) -> Methods:
    """What the library does with a model: every function that has a row for its kind, with its methods and options.

    Raises `InputError` for what is no model, or one that is not sound.

    >>> import harmonium as hm
    >>> print(hm.methods(hm.FVBN(hm.units.Bernoulli(3))))
    an auto-regressive network of one order (a NADE, ...)
    hm.diagnose             chains=20, sweeps=1000, rows=1000
    hm.impute               steps=500, given=None, first=0
    hm.log_likelihood       method='auto': given=None, orders=None
    hm.log_likelihood       method='exact': given=None, orders=None
    hm.log_prob
    hm.log_ratio
    hm.sample               steps=1000, given=None, first=0
    """
    require_sound(model)
    kind = kind_of(model)
    if kind is None:
        raise refusal("hm.methods", model, "a model")
    lines = [kind.noun]
    for name, function in sorted(VERBS.items()):
        for method in function.methods(model) if name.startswith("hm.") else ():
            options = {k: v for k, v in options_of(function, model, method).items() if k not in HIDDEN}
            options = options if not method else {k: v for k, v in options.items() if k != "method"}
            told = ", ".join(f"{option}={_named(default)}" for option, default in options.items())
            lines.append(f"{name:<24}" + (f"method='{method}': " if method else "") + told)
    return Methods(line.rstrip() for line in lines)


def _named(default: Any) -> str:
    return default.__name__ if isinstance(default, type) else repr(default)
