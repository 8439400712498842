"""Functions that answer differently for each kind of model: a table with a row for each, and no branches."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from harmonium.errors import InputError, articled, plain
from harmonium.models.kind import Kind, kind_of, refusal, require_sound

VERBS: dict[str, Callable] = {}  # by public name


@dataclass(frozen=True)
class Row:
    """What a verb does for a kind: `answer`, and the capability `needs` that a model must have for it, or None.

    >>> Row(print, None, "a model").noun
    'a model'
    """

    answer: Callable
    needs: type | None
    noun: str


class Table:
    """The rows of a verb by kind and method; `name` is the verb's, as error messages say it.

    >>> Table("hm.sample").rows
    {}
    """

    def __init__(self, name: str) -> None:
        self.name, self.rows = name, dict[Kind, dict[str, Row]]()

    def register(
        self, *kinds: Kind, method: str = "", needs: type | None = None, noun: str = ""
    ) -> Callable[[Callable], Callable]:
        """Add a row for these kinds. Raises `InputError` where there is one already."""

        def add(answer: Callable) -> Callable:
            for kind in kinds:
                methods = self.rows.setdefault(kind, {})
                if method in methods:
                    by = f" by the method '{method}'" if method else ""
                    raise InputError(f"{self.name} has a row for {kind.noun}{by} already: leave one of them out.")
                methods[method] = Row(answer, needs, noun or kind.noun)
            return answer

        return add

    def methods(self, model: Any) -> dict[str, Callable]:
        """The rows of a model's kind, or of the one that this refines, by method; none where it has no row."""
        kind = kind_of(model)
        found = next((self.rows[k] for k in (kind.lineage() if kind else ()) if k in self.rows), {})
        return {m: row.answer for m, row in found.items() if row.needs is None or isinstance(model, row.needs)}

    def find(self, model: Any) -> Callable | None:
        """The first row of a model's kind, or of the one that this refines; None where there is none."""
        return next(iter(self.methods(model).values()), None)

    def dispatch(self, model: Any, method: Any = "", asked: str = "") -> Callable:
        """The row for a model and a method, where `asked` is the function that needs it.

        Raises `InputError` for a model that has no row, or a method that is none of its kind.
        """
        require_sound(model)
        answers = self.methods(model)
        if not answers:
            widest = [kind for kind in self.rows if not any(k in self.rows for k in list(kind.lineage())[1:])]
            nouns = [row.noun for kind in widest for row in self.rows[kind].values()]
            raise refusal(asked or self.name, model, *dict.fromkeys(nouns))
        if method and not (isinstance(method, str) and method in answers):
            name = articled(type(model).__name__)
            raise InputError(f"{self.name} of {name} has no method {method!r}: choose one of {', '.join(answers)}.")
        return answers[method] if method else next(iter(answers.values()))


def verb(
    name: str, *, by_method: bool = False, elsewhere: Mapping[str, str] = MappingProxyType({})
) -> Callable[[Callable], Callable]:
    """Make a function of models one that has a row for each kind, as `functools.singledispatch` does for classes.

    The function decorated is what all kinds share. It takes the row as its first argument, which callers do not see:

        @verb("hm.sample")
        def sample(row, model, key, n=1, **options):
            check_key(key)
            return row(model, key, n, **options)

        @sample.register(TRACTABLE, LATENT)
        def _(model, key, n): ...

    Keyword arguments of the row are its options; any other is refused, with those that there are. A model of a kind
    that has no row is refused, with what it answers instead. Arguments: `name`, as error messages say it; `by_method`,
    whether it has a row for each kind and method, `@verb.register(KIND, method="ais")`; `elsewhere`, what models
    options are for that most rows lack, in words.
    The function has `.register(*kinds)`; `.dispatch(model)`, which is the row; `.find(model)`, the same or None;
    `.methods(model)`; and `.rows`, by kind and method.

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
        table = Table(name)

        @functools.wraps(shared)
        def call(model: Any, *args: Any, **options: Any) -> Any:
            args, options = tuple(map(plain, args)), {option: plain(value) for option, value in options.items()}
            _refuse_uncountable(name, options)
            call.__signature__.bind(model, *args, **options)  # raises TypeError, as every function does
            method = options.get("method", "auto") if by_method else ""
            answer = table.dispatch(model, method)
            _refuse_unknown(call, name, model, method, options, elsewhere)
            return shared(answer, model, *args, **options)

        signature = inspect.signature(shared)
        call.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])
        call.register, call.find, call.dispatch, call.rows = table.register, table.find, table.dispatch, table.rows
        call.methods = table.methods
        VERBS[name] = call
        return call

    return decorate


def _refuse_uncountable(name: str, options: Mapping[str, Any]) -> None:
    """Refuse a number of steps, rows or samples that no run comes to the end of."""
    for option, value in options.items():
        if isinstance(value, int) and abs(value) >= (2**62 if option == "first" else 2**31):
            raise InputError(f"{name} does not count as far as {option}={value}: choose a smaller number.")


def options_of(function: Callable, model: Any, method: str = "") -> dict[str, Any]:
    """The keyword arguments that a verb takes for a model and a method, each with its default.

    >>> import harmonium as hm
    >>> options_of(hm.sample, hm.FVBN(hm.units.Bernoulli(3)))
    {'steps': 1000, 'given': None, 'first': 0}
    """
    signatures = inspect.signature(function.dispatch(model, method)), inspect.signature(function)
    found = [p for signature in signatures for p in signature.parameters.values()]
    return {p.name: p.default for p in found if p.kind is p.KEYWORD_ONLY}


def _refuse_unknown(
    function: Callable, name: str, model: Any, method: Any, given: dict[str, Any], elsewhere: Mapping[str, str]
) -> None:
    """Refuse what is neither an option of a verb for a model nor an argument that all kinds take."""
    takes = options_of(function, model, method)
    for option in given:
        if option not in takes and option not in inspect.signature(function).parameters:
            if option in elsewhere:
                of = articled(type(model).__name__)
                raise InputError(f"{name} of {of} has no option '{option}': it is {elsewhere[option]}.")
            asked = f"The method '{method}'" if method else f"{name} of {kind_of(model).noun}"
            own = [key for key in takes if key not in ("key", "method")]
            has = f"it takes {', '.join(own)}" if own else "leave it out"
            raise InputError(f"{asked} has no option '{option}': {has}.")
