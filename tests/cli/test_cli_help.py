"""Help texts as a person reads them: nothing lost to markup, one default each, and the nearest name for a wrong one."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import shlex
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Annotated, get_args, get_origin, get_type_hints

import pytest
import typer

from harmonium.cli import main as program
from harmonium.cli.recipe import literal
from harmonium.data import available
from harmonium.recipes import RECIPES, recipe

MODULE = importlib.import_module("harmonium.cli.main")
COMMANDS = ("evaluate", "sample", "impute", "compare", "report", "reproduce", "list")


def typed(monkeypatch, *words: str) -> str:
    """What the command says, without frames and the line ends that they force."""
    out = StringIO()
    for name in ("_quiet", "_compilation_cache"):
        monkeypatch.setattr(MODULE, name, lambda: None)
    monkeypatch.setattr(sys, "argv", ["harmonium", *words])
    monkeypatch.setenv("COLUMNS", "100")
    with redirect_stdout(out), redirect_stderr(out), pytest.raises(SystemExit):
        program()
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", out.getvalue()).split())


def bracketed(text: str) -> list[str]:
    return re.findall(r"\[[^\]]*\]", " ".join((text or "").split()))


def texts_of(function) -> list[str]:
    """The docstring of a command, and the help of each of its flags."""
    found = [inspect.getdoc(function)]
    for hint in get_type_hints(function, include_extras=True).values():
        if get_origin(hint) is Annotated:
            said = get_args(hint)[1]
            found.append(said if isinstance(said, str) else said.help)
    return [text for text in found if text]


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_the_help_of_a_recipe_shows_every_bracket_and_one_default_each(name, monkeypatch):
    said = typed(monkeypatch, "train", name, "--help")
    for text in texts_of(recipe(name)):
        for part in bracketed(text):
            assert part in said, f"{part} is lost"
    assert "\\[" not in said
    for flag in said.split(" --")[1:]:
        assert len(re.findall(r"[\[(]default: ", flag)) <= 1, flag
    assert all(known in said for known in available())


def test_the_list_of_recipes_shows_every_bracket(monkeypatch):
    said = typed(monkeypatch, "train", "--help")
    shapes = bracketed(recipe("vrnn").__doc__)
    assert "[n, frames, width]" in shapes
    assert all(shape in said for shape in shapes)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_shows_every_bracket(name, monkeypatch):
    said = typed(monkeypatch, name, "--help")
    commands = importlib.import_module("harmonium.cli.commands")
    for text in texts_of(getattr(commands, "list_" if name == "list" else name)):
        for part in bracketed(text):
            assert part in said, f"{part} is lost"


@pytest.mark.parametrize(
    "text", ["rows [n, width]", "[bold]x[/bold]", "[/]", "a [link=x]", "no brackets", "x[0] and [red]"]
)
def test_a_literal_text_is_shown_as_it_is(text):
    from rich.text import Text

    assert Text.from_markup(literal(text)).plain == text


def test_messages_and_values_keep_their_brackets(monkeypatch):
    assert "[bold]" in typed(monkeypatch, "train", "rbm", "--visible", "[bold]")
    assert "[red]x" in typed(monkeypatch, "train", "rbm", "--data", "[red]x")


@pytest.mark.parametrize(("words", "near"), [
    (("train", "rbm", "--lr", "0.1"), "--learning-rate"),
    (("train", "vae", "--bs=3"), "--batch-size"),
    (("train", "rbm", "--epoch", "3"), "--epochs"),
    (("sample", "run", "--steeps", "3"), "--steps"),
])  # fmt: skip
def test_an_unknown_option_gets_the_nearest_name(words, near, monkeypatch):
    option = words[2].partition("=")[0]
    assert typed(monkeypatch, *words) == f"harmonium: There is no option '{option}': did you mean '{near}'?"


@pytest.mark.parametrize("platform", ["cuda", "tpu", "nonsense"])
def test_a_device_that_is_not_there_is_said_in_one_sentence(platform, tmp_path):
    """This machine has none of them: JAX itself says so by an AssertionError without words, or in a paragraph."""
    code = "from harmonium.cli import main; main()"
    words = ["train", "fvbn", "--epochs", "1", "--out", str(tmp_path / "run")]
    surroundings = os.environ | {"JAX_PLATFORMS": platform, "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code, *words], env=surroundings, capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        pytest.skip(f"this machine has a device for {platform}")
    assert done.returncode == 2
    assert done.stderr.startswith(f"harmonium: JAX_PLATFORMS asks for '{platform}'")
    assert done.stderr.count("\n") == 1
    assert "unset JAX_PLATFORMS" in done.stderr
    assert not (tmp_path / "run").exists()


def test_the_version_is_told_with_those_that_a_bug_report_needs(monkeypatch):
    import harmonium

    assert typed(monkeypatch, "--version").startswith(f"harmonium {harmonium.__version__} (jax ")


def test_the_package_is_the_command_and_the_shell_completes_it():
    command = [sys.executable, "-m", "harmonium", "--show-completion", "bash"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "_HARMONIUM_COMPLETE=complete_bash" in said


README = (Path(__file__).parents[2] / "README.md").read_text()
LINES = [line for block in re.findall(r"```bash\n(harmonium .*?)```", README, re.DOTALL) for line in block.splitlines()]


@pytest.mark.parametrize("line", LINES)
def test_a_line_of_the_readme_is_understood(line):
    """Its command and flags are there, and their values are of the right type."""
    words = shlex.split(line)[1:]
    command = typer.main.get_command(MODULE.app)
    while hasattr(command, "get_command") and words:
        command, words = command.get_command(None, words[0]), words[1:]
    command.make_context(line, words)


def test_the_readme_shows_every_command():
    assert {shlex.split(line)[1] for line in LINES} >= {"train", *COMMANDS}
