"""Recipes as commands: the flags of `harmonium train NAME` are the arguments of the recipe's function."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

from harmonium.errors import InputError
from harmonium.recipes import RECIPES, recipe

UsageError = typer.BadParameter.__base__  # of the Click that Typer works with: the package, or its own copy


class Command(TyperCommand):
    """A command that names the nearest option for one that it does not know."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:
        """Refuse an unknown option, with the nearest name."""
        try:
            return super().parse_args(ctx, args)
        except UsageError as error:
            if "possibilities" not in vars(error):  # which Click gives for an unknown option alone
                raise
            known = [name for option in self.get_params(ctx) for name in (*option.opts, *option.secondary_opts)]
            unknown("option", error.option_name, [name for name in known if name.startswith("--")])


class RecipeGroup(TyperGroup):
    """A command for each recipe; a recipe is imported when it is named."""

    def list_commands(self, ctx: typer.Context) -> list[str]:
        """The recipes' names."""
        return sorted(RECIPES)

    def get_command(self, ctx: typer.Context, name: str) -> TyperCommand | None:
        """The recipe as a command."""
        return recipe_command(name) if name in RECIPES else None

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> tuple[str | None, TyperCommand | None, list[str]]:
        """Refuse an unknown recipe, with the nearest name."""
        if args and args[0] not in RECIPES:
            unknown("recipe", args[0], RECIPES)
        return super().resolve_command(ctx, args)


def unknown(what: str, name: str, known: Any) -> None:
    """Raise `InputError` for a name that is not known, with the nearest one that is."""
    import difflib

    short = [word for word in known if _initials(word) == name.strip("-")]  # --lr of --learning-rate
    near = short or difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(sorted(known))}."
    raise InputError(f"There is no {what} '{name}': {hint}")


def _initials(name: str) -> str:
    return "".join(word[:1] for word in name.strip("-").split("-"))


def literal(text: str | None) -> str:
    """A text as a person reads it, for help that Rich would take for markup: `[n, width]` is no style.

    >>> print(literal("rows [n, width]"))
    rows \\[n, width]
    """
    return re.sub(r"\[(?=[^\]]*\])", r"\\[", text or "")


def check_seed(seed: int) -> int:
    """A seed that JAX can take. Raises `InputError` for one of more than 64 bits.

    >>> check_seed(7)
    7
    """
    if not -(2**63) <= seed < 2**63:
        raise InputError(f"A seed has 64 bits, and {seed} has more: choose one below 2**63.")
    return seed


def recipe_command(name: str) -> TyperCommand:
    """The command of a recipe: its arguments as options, its docstring as help."""
    function = recipe(name)

    def command(ctx: typer.Context, **arguments: Any) -> None:
        from harmonium.cli.training import train

        given = {key for key in arguments if ctx.get_parameter_source(key).name == "COMMANDLINE"}
        train(name, function, arguments, given)

    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    parameters = [context, *_options(function)]
    command.__signature__ = inspect.Signature(parameters)
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    command.__doc__ = literal(inspect.getdoc(function))
    single = typer.Typer(add_completion=False)
    single.command(name, cls=Command)(command)
    return typer.main.get_command(single)


def _options(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The function's parameters as Typer options: the text beside a type is its help."""
    hints = get_type_hints(function, include_extras=True)
    parameters = []
    for parameter in inspect.signature(function).parameters.values():
        hint, text = hints[parameter.name], ""
        if get_origin(hint) is Annotated:
            hint, text = get_args(hint)[:2]
        default = True if parameter.name == "progress" else parameter.default
        if default is not None:
            text = re.sub(r" \(default: [^)]*\)$", "", text)  # of flags that have none elsewhere; this one's is shown
        named = (f"--{parameter.name[:-1]}",) if parameter.name.endswith("_") else ()  # a word of Python's own
        callback = check_seed if parameter.name == "seed" else None
        option = Annotated[hint, typer.Option(*named, help=literal(text), callback=callback)]
        parameters.append(
            inspect.Parameter(parameter.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=option)
        )
    return parameters
