"""What a model is: a kind, which its class names. What it can do beside that are methods, written down as Protocols.

Kinds exclude each other, so they are named and never guessed from methods: a VAE that has a `log_prob` of its own, a
bound, stays a latent model. Only a plain module with an `energy` needs no name, for the energy says it all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harmonium.errors import InputError, articled, in_words, shown

KINDS: list[Kind] = []  # all there are; a kind of somebody else's joins them where it is made


@dataclass(frozen=True, eq=False)
class Kind:
    """What a model is: a class says it by `model_kind = KIND`, and functions have an answer for each kind.

    Arguments: `noun`, what error messages call such a model; `instead`, what they say that it answers; `methods`, the
    Protocol of the methods that it has; `parent`, the kind that this one refines, whose answers are its own too;
    `check`, what is refused of a model of this kind beside missing methods; `guessed`, whether a model that names no
    kind is of this one by its methods (energy models alone).

    >>> from harmonium.models import EnergyModel
    >>> kind = Kind("a model of mine", "this one answers hm.sample", EnergyModel); KINDS.remove(kind)
    >>> [ancestor.noun for ancestor in kind.lineage()]
    ['a model of mine']
    """

    noun: str
    instead: str
    methods: type
    parent: Kind | None = None
    check: Callable[[Any], None] | None = None
    guessed: bool = False
    names: tuple[str, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        if not getattr(self.methods, "_is_protocol", False) or not isinstance(self.parent, Kind | None):
            raise InputError(
                f"A Kind takes a Protocol of its methods, and as its parent another Kind or None, not "
                f"{shown(self.methods)} and {shown(self.parent)}."
            )
        bases = [base for base in self.methods.__mro__ if getattr(base, "_is_protocol", False)]
        found = {name: None for base in reversed(bases) for name in vars(base) if not name.startswith("_")}
        object.__setattr__(self, "names", tuple(found))
        KINDS.append(self)

    def lineage(self) -> Iterator[Kind]:
        """This kind, the one that it refines, and so on upwards."""
        yield self
        if self.parent is not None:
            yield from self.parent.lineage()

    def missing(self, model: Any) -> list[str]:
        """The methods of this kind that a model lacks."""
        names = dict.fromkeys(name for kind in self.lineage() for name in kind.names)
        return [name for name in names if not hasattr(type(model), name) and not hasattr(model, name)]


def kind_of(model: Any) -> Kind | None:
    """The kind that a model's class names; an energy model, where it names none and has an energy; else None.

    >>> import harmonium as hm
    >>> kind_of(hm.FVBN(hm.units.Bernoulli(3))).noun
    'an auto-regressive network of one order (a NADE, ...)'
    """
    if isinstance(model, type):  # a class has the methods too
        return None
    named = getattr(type(model), "model_kind", None)
    if isinstance(named, Kind):
        return named
    return next((kind for kind in KINDS if kind.guessed and not kind.missing(model)), None)


def is_kind(model: Any, *kinds: Kind) -> bool:
    """Whether a model is of one of these kinds, or of one that refines it.

    >>> import harmonium as hm
    >>> is_kind(hm.FVBN(hm.units.Bernoulli(3)), hm.kinds.TRACTABLE), is_kind("an FVBN", hm.kinds.TRACTABLE)
    (True, False)
    """
    found = kind_of(model)
    return found is not None and any(ancestor in kinds for ancestor in found.lineage())


def require_kind(asked: str, model: Any, *kinds: Kind) -> None:
    """Refuse a model of another kind than a function is for, in a sentence that says what it can do instead.

    Arguments: `asked`, the function's name; `kinds` that it takes. Raises `InputError`, also for a model that is not
    what its kind says (`require_sound`).

    >>> from harmonium.models.kinds import ENERGY
    >>> require_kind("hm.free_energy", "an RBM", ENERGY)
    Traceback (most recent call last):
    harmonium.errors.InputError: hm.free_energy takes an energy model (an RBM, a DBM, ...), not 'an RBM': pass the ...
    """
    require_sound(model)
    if not is_kind(model, *kinds):
        raise refusal(asked, model, *(kind.noun for kind in kinds))


def refusal(asked: str, model: Any, *nouns: str) -> InputError:
    """The error of a function that takes models of these nouns, and not this one.

    >>> str(refusal("hm.sample", int, "a model"))
    'hm.sample takes a model, not the class int: make one and pass it.'
    """
    *others, last = nouns
    named = f"{', '.join(others)} or {last}" if others else last
    return InputError(f"{asked} takes {named}, not {shown(model)}: {_instead(model)}.")


def require_sound(model: Any) -> None:
    """Refuse a model that is not what its kind says, or that could be of two kinds: its numbers would be wrong.

    A class that names its kind has the methods of it; one that names none has those of no kind beside an energy's.

    >>> import harmonium as hm, jax
    >>> require_sound(hm.RBM(visible=hm.units.Bernoulli(6), hidden=hm.units.Bernoulli(3), key=jax.random.key(0)))
    """
    kind, named = kind_of(model), getattr(type(model), "model_kind", None)
    if named is not None and not isinstance(named, Kind):
        raise InputError(
            f"A model_kind is one of hm.kinds, and that of {type(model).__name__} is {shown(named)}: write "
            "model_kind = hm.kinds.LATENT, or another of them."
        )
    if kind is None:
        return
    name = articled(type(model).__name__)
    name = f"{name[0].upper()}{name[1:]}"
    missing = kind.missing(model)
    if missing:
        raise InputError(f"{name} says that it is {kind.noun}, but has no {in_words(missing)}: write {_them(missing)}.")
    others = [] if named is not None else _by_methods(model, kind)
    if others:
        raise InputError(
            f"{name} has the methods of {kind.noun} and of {others[0].noun}, so that nothing says what its likelihood "
            "is: name its kind, model_kind = hm.kinds.ENERGY in its class, or rename its log_prob."
        )
    _refuse_another_kind(name, type(model), kind)
    _require_layers(name, model)
    for ancestor in kind.lineage():
        if ancestor.check is not None:
            ancestor.check(model)


def _require_layers(name: str, model: Any) -> None:
    """Refuse a model whose `layers` are no units by name, with the visible ones among them."""
    layers = getattr(model, "layers", {"v": None})
    if not isinstance(layers, Mapping) or "v" not in layers or not all(_is_unit(unit) for unit in layers.values()):
        raise InputError(
            f"The layers of {name[0].lower()}{name[1:]} are {shown(layers)}, and should be units by name, the visible "
            "ones as 'v', such as {'v': self.visible, 'h': self.hidden}."
        )
    labels = layers.get("y")
    if labels is not None and labels.states is None:
        raise InputError(
            f"Layer 'y' of {name[0].lower()}{name[1:]} has no list of states, and it is where functions look for "
            "labels: use hm.units.Categorical(1, states=classes), or give the layer another name."
        )


def _is_unit(unit: Any) -> bool:
    return unit is None or all(hasattr(unit, name) for name in ("size", "states", "log_partition"))


def _refuse_another_kind(name: str, cls: type, kind: Kind) -> None:
    """Refuse a class that names another kind than the class that it is derived from: its answers would be others."""
    for base in cls.__mro__[1:]:
        theirs = getattr(base, "model_kind", kind)
        if isinstance(theirs, Kind) and not set(kind.lineage()) & set(theirs.lineage()):
            raise InputError(
                f"{name} says that it is {kind.noun}, and {base.__name__}, from which it is derived, is {theirs.noun}: "
                "leave model_kind out, or make a model of your own that holds the other."
            )


def _them(missing: list[str]) -> str:
    return "it" if len(missing) == 1 else "them"


def _by_methods(model: Any, but: Kind | None = None) -> list[Kind]:
    """Kinds whose methods a model has, whatever it names, without those of one lineage; the finest first."""
    found = [kind for kind in KINDS if but not in kind.lineage() and not kind.missing(model)]
    return sorted(found, key=lambda kind: -len(kind.names))


def _instead(model: Any) -> str:
    if isinstance(model, type):
        return "make one and pass it"
    kind = kind_of(model)
    if kind is not None:
        return kind.instead
    likely = _by_methods(model)
    if likely:
        return (
            f"it has the methods of {likely[0].noun} and names no kind; see hm.kinds, and write model_kind in its class"
        )
    return "pass the model itself, such as run.model of a training run or what hm.load gives"
