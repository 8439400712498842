"""A run of a recipe, or of a person's own class, opened for the commands that work on it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer

from harmonium.errors import InputError

Classes = Annotated[
    list[str] | None,
    typer.Option(
        "--classes",
        metavar="FILE.py:CLASS",
        help="Your own class in the model, in a file or as module:CLASS, which is then imported; once for each.",
    ),
]
DataFile = Annotated[
    str | None,
    typer.Option("--data", help="The data of a run that was started from Python, or whose file has moved."),
]


def opened(run: Path, classes: list[str] | None = None) -> tuple[Any, Any]:
    """The folder of a run and its model, whose own `classes` a person names."""
    from harmonium.training import RunFolder

    folder = RunFolder.open(run)
    return folder, folder.load_model(dict(own_class(name) for name in classes or ()))


def opened_with_data(run: Path, classes: list[str] | None, file: str | None) -> tuple[Any, Any, Any]:
    """The folder of a run, its model and its data."""
    from harmonium.recipes.given import data_given

    folder, model = opened(run, classes)
    return folder, model, data_given(folder, file)


def own_class(name: str) -> tuple[str, type]:
    """The class that `FILE.py:CLASS` or `module:CLASS` names, from its module, which is imported.

    >>> own_class("Mine")
    Traceback (most recent call last):
    harmonium.errors.InputError: A class is named with its file, FILE.py:CLASS, or its module, module:CLASS, not 'Mine'.
    """
    place, _, wanted = name.rpartition(":")
    if not place or not wanted.isidentifier():
        raise InputError(f"A class is named with its file, FILE.py:CLASS, or its module, module:CLASS, not '{name}'.")
    found = getattr(_module(place), wanted, None)
    if not isinstance(found, type):
        raise InputError(f"'{place}' has no class '{wanted}': name one that is defined there.")
    return wanted, found


def _module(place: str) -> ModuleType:
    """A module by its file or name; what is beside it, or here, can be imported by it, as when Python runs it."""
    file = Path(place)
    by_file = file.suffix == ".py"
    if by_file and not file.is_file():
        raise InputError(f"There is no file '{place}' to take a class from: check the path.")
    sys.path.insert(0, str(file.resolve().parent if by_file else Path.cwd()))
    try:
        return _run(file) if by_file else importlib.import_module(place)
    except Exception as error:  # whatever a person's own code raises
        why = " ".join(str(error).split())[:200]
        raise InputError(f"'{place}' could not be imported ({type(error).__name__}: {why}): mend it first.") from error
    finally:
        del sys.path[0]


def _run(file: Path) -> ModuleType:
    name = f"harmonium_own_{file.stem}"  # a name of its own, which no installed module has
    if name in sys.modules and getattr(sys.modules[name], "__file__", None) == str(file.resolve()):
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file.resolve())
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
