"""What a recipe is given: the flags that recipes share, typed, and what makes a command of a recipe's own flags."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, get_type_hints

import optax

from harmonium.data import Dataset
from harmonium.evaluation import at_least_one, check_annealing
from harmonium.recipes import flags
from harmonium.recipes.optimizers import annealed, sgd
from harmonium.training import Run, RunFolder, check_settings

SOURCE = ("data", "binarize", "standardize", "scale", "labels")  # flags that stand before a recipe's own
PLACE = ("out", "resume", "force", "progress")  # that say where a run goes
AFTER = ("estimate", "report")  # and what follows it
COMMON = (*PLACE, *AFTER)  # which all say nothing of what it is
FIT = ("epochs", "batch_size", "average", "matmul_precision")  # that a recipe hands to `fit` as they are
BY_COLUMN = ("auto", "columns")  # visible units that are found column by column


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The flags that every recipe has, unless it leaves some out, as they were given.

    Arguments: `recipe`, its name; `names` of all its flags; `own`, those of its own (shared ones, too, of which it has
    another text).
    """

    recipe: str
    names: tuple[str, ...]
    own: Mapping[str, Any]
    data: flags.Data = None
    binarize: flags.Binarize = None
    standardize: flags.Standardize = False
    scale: flags.Scale = None
    labels: flags.Labels = None
    visible: flags.ByColumn = "auto"
    epochs: flags.Epochs = 100
    batch_size: flags.BatchSize = 50
    average: flags.Average = None
    matmul_precision: flags.MatmulPrecision = "float32"
    seed: flags.Seed = 0
    from_: flags.From = None
    out: flags.Out | RunFolder = None
    resume: flags.Resume = False
    force: flags.Force = False
    progress: flags.ShowProgress = False
    estimate: flags.Measure = True
    report: flags.Report = True

    def check(self) -> None:
        """Refuse what can be refused without the data."""
        check_settings(**self.some("epochs", "average", "matmul_precision", "out", "resume", "force"))

    def some(self, *names: str) -> dict[str, Any]:
        """The values of these flags, by name."""
        return {name: getattr(self, name) for name in names}

    def arguments(self) -> dict[str, Any]:
        """All flags but where the run goes and what follows it, by name."""
        shared = self.some(*(field.name for field in dataclasses.fields(self)))
        known = {name: {**self.own, **shared}[name] for name in self.names if name not in COMMON}
        return known | {"binarize": self.binarize}  # of which estimates ask, also where it is no flag

    def steps(self, data: Dataset) -> int:
        """The number of updates."""
        return self.epochs * data.steps_per_epoch(self.batch_size)

    def of_estimate(self) -> dict[str, Any]:
        """Options of the final estimate."""
        return {}


@dataclass(frozen=True, kw_only=True)
class Adam(Settings):
    """The flags of Adam, whose rate falls along a cosine."""

    learning_rate: flags.AdamRate = 0.003
    weight_decay: flags.WeightDecay = 0.0

    def optimizer(self, data: Dataset) -> optax.GradientTransformation:
        """The optimizer of a run on these data."""
        return annealed(self.learning_rate, self.steps(data), weight_decay=self.weight_decay)


@dataclass(frozen=True, kw_only=True)
class Bounded(Adam):
    """The flags of Adam, and of a bound at the end."""

    estimate_samples: flags.EstimateSamples = None

    def check(self) -> None:
        if self.estimate_samples is not None:
            at_least_one("The final bound", estimate_samples=self.estimate_samples)
        super().check()

    def of_estimate(self) -> dict[str, Any]:
        return {} if self.estimate_samples is None else {"samples": self.estimate_samples}


@dataclass(frozen=True, kw_only=True)
class Annealing(Settings):
    """The flags of annealed importance sampling at the end."""

    ais_chains: flags.AisChains = 100
    temperatures: flags.Temperatures = 5_000

    def check(self) -> None:
        check_annealing(self.ais_chains, self.temperatures)
        super().check()

    def of_estimate(self) -> dict[str, Any]:
        return {"chains": self.ais_chains, "temperatures": self.temperatures}


@dataclass(frozen=True, kw_only=True)
class Descent(Annealing):
    """The flags of stochastic gradient descent, and of annealed importance sampling at the end."""

    learning_rate: flags.LearningRate = 0.05
    schedule: flags.Schedule = "linear"
    momentum: flags.Momentum = 0.0
    weight_decay: flags.WeightDecay = 0.0

    def optimizer(self, data: Dataset) -> optax.GradientTransformation:
        """The optimizer of a run on these data."""
        return sgd(steps=self.steps(data), **self.some("learning_rate", "momentum", "weight_decay", "schedule"))


Recipe = Callable[..., Run]


def command(
    kind: type[Settings], run: Callable[..., Run] | None = None, *, without: tuple[str, ...] = (), **defaults: Any
) -> Callable[[Callable[..., Any]], Recipe]:
    """What makes a recipe of a function of its own flags: a function of these and of the flags that it shares.

    Arguments: `kind`, which flags it shares; `run`, what the function's answer and the settings are handed to (default:
    the function takes the settings itself, first); `without`, shared flags that it lacks; `defaults` of others. A
    shared flag that the function names has the text and the default that it gives there.
    """

    def decorated(function: Callable[..., Any]) -> Recipe:
        signature = _signature(function, kind, without, defaults)
        own = {name for name in inspect.signature(function).parameters if name in signature.parameters}
        shared = {field.name for field in dataclasses.fields(kind)} & set(signature.parameters)

        @wraps(function)
        def recipe(*args: Any, **options: Any) -> Run:
            bound = signature.bind(*args, **options)
            bound.apply_defaults()
            given = {name: value for name, value in bound.arguments.items() if name in shared}
            owned = {name: value for name, value in bound.arguments.items() if name in own}
            settings = kind(recipe=function.__name__, names=tuple(signature.parameters), own=owned, **given)
            return function(settings, **owned) if run is None else run(settings, function(**owned))

        hints = {name: each.annotation for name, each in signature.parameters.items()}
        recipe.__signature__, recipe.__annotations__ = signature, hints | {"return": Run}
        return recipe

    return decorated


def _signature(
    function: Callable[..., Any], kind: type[Settings], without: tuple[str, ...], defaults: Mapping[str, Any]
) -> inspect.Signature:
    """The flags in the order of the help: the data, the recipe's own, what is shared, where the run goes."""
    shared, own = get_type_hints(kind, include_extras=True), get_type_hints(function, include_extras=True)
    lacked = {"recipe", "names", "own", *without}
    found = {f.name: (shared[f.name], f.default) for f in dataclasses.fields(kind) if f.name not in lacked}
    found["out"] = (flags.Out, None)  # and no folder that was made for it
    parameters = inspect.signature(function).parameters.values()
    mine = {each.name: (own[each.name], each.default) for each in parameters if each.kind is each.KEYWORD_ONLY}
    found |= mine
    last = ("from_", *COMMON)

    def place(name: str) -> int:
        return 0 if name in SOURCE else 1 if name in mine else 3 if name in last else 2

    def parameter(name: str) -> inspect.Parameter:
        hint, default = found[name]
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD if name == "data" else inspect.Parameter.KEYWORD_ONLY
        return inspect.Parameter(name, kind, default=defaults.get(name, default), annotation=hint)

    return inspect.Signature([parameter(name) for name in sorted(found, key=place)], return_annotation=Run)
