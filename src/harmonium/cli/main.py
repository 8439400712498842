"""The `harmonium` command: what it understands, and how its errors reach a person.

Exit codes: 0 done; 1 the run failed, with the reason in one line; 2 bad usage or bad input; 128 and the number of the
signal that ended it: 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP. JAX is imported by the commands that need it, so that help is
there at once.
"""

from __future__ import annotations

import inspect
import logging
import os
import signal
import sys
import traceback
import warnings
from pathlib import Path

import typer

from harmonium.cli import commands
from harmonium.cli.flags import legible
from harmonium.cli.recipe import Command, RecipeGroup, literal
from harmonium.errors import HarmoniumError, InputError
from harmonium.signals import Leaving, leaving

app = typer.Typer(
    name="harmonium",
    help="Deep generative models: train, sample, fill in missing data, and measure likelihoods honestly.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
train = typer.Typer(cls=RecipeGroup, help="Train a model with a recipe, and measure it.", no_args_is_help=True)
app.add_typer(train, name="train")
for command in (
    commands.evaluate, commands.sample, commands.impute, commands.encode, commands.compare, commands.report,
    commands.reproduce, commands.list_,
):  # fmt: skip
    app.command(command.__name__.rstrip("_"), cls=Command, help=literal(inspect.getdoc(command)))(command)


def _version(asked: bool) -> None:
    """Print the versions that a bug report needs, and leave."""
    if asked:
        from importlib.metadata import version

        import harmonium

        parts = (f"{name} {version(name)}" for name in ("jax", "equinox", "optax"))
        print(f"harmonium {harmonium.__version__} ({', '.join(parts)}, Python {sys.version.split()[0]})")
        raise typer.Exit


@app.callback()
def options(
    debug: bool = typer.Option(False, "--debug", help="Show the whole traceback of an error."),
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """Options of all commands."""
    _tell()
    if not debug:
        _quiet()
    if "--help" not in sys.argv:  # which needs no JAX
        from harmonium.compiling import whole_entries

        whole_entries()


def main() -> None:
    """Run the command line and leave with its exit code."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    _compilation_cache()
    try:
        with leaving():
            # Leaves by itself: with 0 when done, and with 2 after saying what is wrong with the flags.
            app(["--debug"] * debug + arguments, prog_name="harmonium")
    except Leaving as left:
        sys.exit(_say(left.words, left.code))
    except SystemExit as left:
        ctrl_c = Leaving(signal.SIGINT)
        if left.code == ctrl_c.code:  # by a KeyboardInterrupt, of which Typer tells by its exit code alone
            _say(ctrl_c.words, ctrl_c.code)
        raise
    except KeyboardInterrupt:
        ctrl_c = Leaving(signal.SIGINT)
        sys.exit(_say(ctrl_c.words, ctrl_c.code))
    except Exception as error:
        if debug:
            traceback.print_exc()
        sys.exit(_failed(error))


def _failed(error: Exception) -> int:
    if isinstance(error, InputError):
        return _say(str(error), 2)
    if isinstance(error, HarmoniumError):
        return _say(str(error), 1)
    if missing := _missing_device():
        return _say(missing, 2)
    text = " ".join(str(error).split())[:300]
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in text:
        return _say(
            "the memory is full: ask for fewer units, chains or rows at a time (run again with --debug for the whole "
            "story)",
            1,
        )
    return _say(f"{type(error).__name__}: {text} (run again with --debug for the whole story)", 1)


def _missing_device() -> str | None:
    """What to do where JAX is asked for a kind of device that is not there, of which it fails with words of its own."""
    asked = os.environ.get("JAX_PLATFORMS", "")
    if not asked or "jax" not in sys.modules:
        return None
    try:
        sys.modules["jax"].devices()
    except (RuntimeError, AssertionError):
        return (
            f"JAX_PLATFORMS asks for '{asked}', and JAX finds no such device here: install JAX for it (for an NVIDIA "
            "GPU with its driver, pip install -U 'jax[cuda12]'), or unset JAX_PLATFORMS to take what there is."
        )
    return None


def _say(message: str, code: int) -> int:
    print(f"harmonium: {legible(message)}", file=sys.stderr)
    return code


class _Line(logging.Formatter):
    """A line of its own, which may quote a file."""

    def format(self, record: logging.LogRecord) -> str:
        return f"harmonium: {legible(record.getMessage())}"


def _tell() -> None:
    """What the library notes of a run, such as what was read, in a line each."""
    handler, log = logging.StreamHandler(), logging.getLogger("harmonium")
    handler.setFormatter(_Line())
    log.handlers, log.propagate = [handler], False
    log.setLevel(logging.INFO)


def _quiet() -> None:
    """No tracebacks from the threads of Orbax, nor remarks about the cache of compiled programs; warnings in a line."""
    handler = logging.StreamHandler()
    handler.addFilter(lambda record: record.name != "absl")
    logging.basicConfig(handlers=[handler])
    warnings.filterwarnings("ignore", message=".*persistent compilation cache")
    warnings.formatwarning = lambda message, *_, **__: f"harmonium: warning: {legible(str(message))}\n"
    # `main` catches what is ours; this is not done there because Typer would set its own hook after it.
    sys.unraisablehook = sys.excepthook = lambda *_: None


def _compilation_cache() -> None:
    """Keep compiled programs between commands; read by JAX when it is imported."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(home) / "harmonium" / "compiled"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")
