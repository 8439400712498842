"""What a person sees while a run goes on: a bar in a terminal, a line in a notebook, no escape codes in a file."""

from __future__ import annotations

import io
import sys
import types

import pytest

from harmonium.training.callbacks import Progress, progress_bar


def at(step: int, seconds: float) -> Progress:
    return Progress(step, steps=100, epoch=step / 10, seconds=seconds, metrics={"loss": 1 / step})


@pytest.fixture
def notebook(monkeypatch):
    """What a notebook has shown: texts by the place that each was shown in."""
    shown: list[list[str]] = []

    class Handle:
        def __init__(self) -> None:
            self.place = len(shown)
            shown.append([])

        def update(self, data: dict, *, raw: bool) -> None:
            assert raw
            shown[self.place].append(data["text/plain"])

    def display(data: dict, *, raw: bool, display_id: bool) -> Handle:
        assert display_id
        handle = Handle()
        handle.update(data, raw=raw)
        return handle

    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    module = types.ModuleType("IPython.display")
    module.display = display
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    return shown


def test_a_notebook_gets_one_line_that_is_rewritten(notebook, capsys):
    with progress_bar(True) as show:
        for step in (10, 20, 50):
            show(at(step, seconds=step))
    assert notebook == [[
        "compiling", "epoch 1  10%  loss 0.10  0:00:10", "epoch 2  20%  loss 0.05  0:00:20  left 0:01:20",
        "epoch 5  50%  loss 0.02  0:00:50  left 0:00:50",
    ]]  # fmt: skip
    assert capsys.readouterr() == ("", "")


def test_a_resumed_run_tells_its_own_pace(notebook):
    with progress_bar(True) as show:
        show(at(80, seconds=1.0))
        show(at(90, seconds=3.0))
    assert notebook[0][-1].endswith("left 0:00:02")


def test_what_is_no_terminal_gets_no_escape_codes(monkeypatch):
    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    with progress_bar(True) as show:
        show(at(100, seconds=5.0))
    assert "loss 0.01" in said.getvalue()
    assert "\x1b" not in said.getvalue()
    assert said.getvalue().count("\n") == 1


def test_nothing_is_shown_where_nobody_asks(capsys):
    with progress_bar(False) as show:
        assert show is None
    assert capsys.readouterr() == ("", "")
