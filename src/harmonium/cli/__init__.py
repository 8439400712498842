"""The command line: `harmonium`."""

from harmonium.cli.main import main

__all__ = ["main"]
