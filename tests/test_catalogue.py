"""The catalogue is complete: each model has an example, a saved file, filters or a reason, and a place in the docs."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

import harmonium as hm
from examples import EXAMPLES
from harmonium.catalogue import ENTRIES, RECIPES, Entry, by_name
from harmonium.models import Filtered
from harmonium.recipes import recipe

ROOT = Path(__file__).parent.parent
OF_CLASS: dict[str, list] = {}
for _model in EXAMPLES.values():
    OF_CLASS.setdefault(type(_model).__name__, []).append(_model)


@pytest.mark.parametrize("name", ENTRIES)
def test_a_model_has_all_that_a_model_needs(name):
    entry = ENTRIES[name]
    assert getattr(hm, name) is getattr(hm.models, name)
    assert name in OF_CLASS, "has no example in tests/examples.py"
    assert (ROOT / "tests" / "saved" / f"{name}.safetensors").is_file(), (
        "run python -m tests.saved, and commit the files"
    )
    found = [model.filters() for model in OF_CLASS[name] if isinstance(model, Filtered)]
    filters = [weights for weights in found if weights is not None]
    assert bool(filters) != bool(entry.unfiltered), "has no filters and no reason, or both"
    assert all(weights.ndim == 2 for weights in filters)
    assert f"`hm.{name}`" in (ROOT / "README.md").read_text(), "has no line in the table of README.md"
    assert name in (ROOT / "docs" / "chapter_map.md").read_text(), "has no line in docs/chapter_map.md"
    assert len(entry.says.split()) <= 12
    if entry.recipe:
        assert callable(recipe(entry.recipe))


def test_every_recipe_is_of_a_model():
    package = importlib.import_module("harmonium.recipes")
    assert set(package.RECIPES) == set(RECIPES)


def test_two_rows_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two rows for RBM: leave one of them out"):
        by_name([Entry("RBM", "20.2", "two layers"), Entry("RBM", "20.2", "two layers")])


def test_the_catalogue_imports_nothing_of_the_library():
    tree = ast.parse((ROOT / "src" / "harmonium" / "catalogue.py").read_text())
    found = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert found <= {"__future__", "collections.abc", "dataclasses"}


@pytest.mark.parametrize("name", [n for n, m in EXAMPLES.items() if isinstance(m, hm.models.Wrapped)])
def test_a_wrapper_has_the_capabilities_of_what_it_wraps(name):
    wrapper = EXAMPLES[name]
    for capability in (hm.models.Biased, hm.models.Filtered):
        assert isinstance(wrapper, capability) >= isinstance(wrapper.model, capability)
    inner = wrapper.model.filters() if isinstance(wrapper.model, Filtered) else None
    assert (wrapper.filters() is None) == (inner is None)
