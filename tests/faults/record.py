"""Records of what was tried, in sections of docs/reliability.md that each harness writes anew."""

from __future__ import annotations

import platform
import re
import subprocess
from datetime import date
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


def write_section(name: str, text: str, page: Path = PAGE) -> None:
    """Put a text between the marks of a section, which is added where the page has none.

    >>> import tempfile
    >>> page = Path(tempfile.mkdtemp()) / "page.md"; write_section("kills", "one", page)
    >>> write_section("kills", "two", page); page.read_text()
    '<!-- kills -->\\ntwo\\n<!-- /kills -->\\n'
    """
    section = f"<!-- {name} -->\n{text.strip()}\n<!-- /{name} -->\n"
    old = page.read_text() if page.is_file() else ""
    found = re.search(rf"<!-- {name} -->\n.*?<!-- /{name} -->\n", old, flags=re.DOTALL)
    new = old[: found.start()] + section + old[found.end() :] if found else old + "\n" * bool(old) + section
    page.write_text(new)


def circumstances() -> str:
    """When, at which commit and on what machine."""
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return (
        f"{date.today()}, commit {found.stdout.strip() or 'unknown'}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}"
    )
