"""What the README and the docs show runs as it stands there."""

import importlib
import inspect
import operator
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


MARGIN = 2.0  # nats an example by which what is shown exceeds independent units


def test_the_readme_s_lines_learn_something():
    """What they print is a model well above the baseline, and the numbers beside the line are those that it prints."""
    import harmonium as hm

    code = re.search(r"## Ten lines\n\n```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    names: dict = {"__name__": "snippet"}
    exec(compile(code, "snippet", "exec"), names)
    base, found = (float(x) for x in re.search(r"print\(hm\.baseline.*# (-[\d.]+), (-[\d.]+): exact", code).groups())
    data, model = names["data"], names["run"].model
    assert abs(hm.baseline(model, data).value - base) < 0.05
    value = hm.log_likelihood(model, data.test, key=names["key"]).value
    assert value > base + MARGIN
    assert abs(value - found) < 0.3  # of one machine and the next
    assert names["digits"].shape == (100, 64)


SECTION_8 = (ROOT / "docs" / "design.md").read_text().split("\n## 8.")[1].split("\n## 9.")[0]
PROMISED = sorted(set(re.findall(r"\bhm\.(?:(?:data|units|objectives)\.)?[A-Za-z_]\w*", SECTION_8)))


@pytest.mark.parametrize("name", PROMISED)
def test_every_name_that_the_design_promises_exists(name):
    import harmonium as hm

    operator.attrgetter(name.removeprefix("hm."))(hm)


PACKAGES = ("units", "models", "inference", "samplers", "objectives", "evaluation", "data", "training", "report",
            "testing", "sklearn", "recipes", "gradients")  # fmt: skip


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_class_and_function_has_an_example(package):
    module = importlib.import_module(f"harmonium.{package}")
    public = {name: inspect.unwrap(getattr(module, name)) for name in module.__all__}
    ours = {
        name: value
        for name, value in public.items()
        if (inspect.isclass(value) or inspect.isroutine(value))
        and value.__module__.startswith("harmonium.")  # type aliases are of other modules
        and not getattr(value, "_is_protocol", False)
    }
    assert ours, f"harmonium.{package} exports nothing that could have an example"
    assert not [name for name, value in ours.items() if ">>>" not in (value.__doc__ or "")]


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


def test_the_changelog_names_the_version():
    import harmonium as hm

    assert f"## {hm.__version__}" in (ROOT / "CHANGELOG.md").read_text()
