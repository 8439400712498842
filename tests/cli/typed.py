"""The command line as tests type it: in this process, in a folder, without the report."""

from __future__ import annotations

import importlib
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from harmonium.cli import main as program
from harmonium.training import RunFolder

MODULE = importlib.import_module("harmonium.cli.main")


class Command:
    """`harmonium` in this process: call it with words, get the exit code, standard output and standard error.

    Reports, which take seconds, are written where `reports` says so.
    """

    def __init__(self, folder: Path, *, reports: bool = False) -> None:
        self.folder, self.reports = folder, reports

    def __call__(self, *words: object) -> tuple[int, str, str]:
        out, err = StringIO(), StringIO()
        with pytest.MonkeyPatch.context() as patch, chdir(self.folder), redirect_stdout(out), redirect_stderr(err):
            patch.setattr(sys, "argv", ["harmonium", *map(str, words)])
            patch.setattr(MODULE, "_quiet", lambda: None)  # what a process does for itself alone
            patch.setattr(MODULE, "_compilation_cache", lambda: None)
            if not self.reports:
                patch.setattr("harmonium.report.write_report", written)
            with pytest.raises(SystemExit) as left:
                program()
        return left.value.code or 0, out.getvalue(), err.getvalue()

    def refused(self, *words: object, code: int = 2) -> str:
        """The one line that says why, after what was read."""
        found, out, err = self(*words)
        err = "".join(line for line in err.splitlines(keepends=True) if not line.startswith("harmonium: read "))
        assert found == code, (out, err)
        assert out == ""
        assert err.startswith("harmonium: ")
        assert err.count("\n") == 1
        assert "Traceback" not in err
        return err

    def done(self, *words: object) -> str:
        code, out, err = self(*words)
        assert code == 0, (out, err)
        return out


def written(folder: RunFolder, *_: object, **__: object) -> Path:
    """In place of the report, which has tests of its own."""
    (folder.path / "report.html").write_text("<html>")
    return folder.path / "report.html"
