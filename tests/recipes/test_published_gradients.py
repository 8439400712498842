"""The comparison of estimators: each has its line, the referees are right, and the picture lies beside the page."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from harmonium import gradients as estimators
from harmonium.recipes import published
from harmonium.recipes.published import Protocol, Row
from harmonium.recipes.published.gradients import Measured, entries, listed_pairs, numbers
from harmonium.recipes.published.gradients_picture import drawn
from harmonium.units import Bernoulli, Conditional


def test_every_estimator_for_binary_units_has_its_line(monkeypatch):
    """The rules are called as the table calls them; which estimators they reach is written down."""
    called = []
    for name in ("reinforce", "leave_one_out_reinforce", "optimal_baseline", "vimco", "straight_through",
                 "gumbel_softmax", "exact"):  # fmt: skip
        monkeypatch.setattr(estimators, name, lambda f, q, *args, name=name, **options: called.append((name, options)))
    table = entries(estimators.MovingAverage(), lambda x: jnp.ones(1))
    for entry in table.values():
        entry.rule(jnp.sum, None, None, None)
    drawing = [options.get("samples") for name, options in called]
    assert drawing[:-1] == [entry.samples for entry in table.values()][:-1]
    assert len({(name, str(options)) for name, options in called}) >= len(table) - 1
    assert {name for name, _ in called} == {
        "reinforce", "leave_one_out_reinforce", "optimal_baseline", "vimco", "straight_through", "gumbel_softmax",
        "exact",
    }  # fmt: skip
    assert [name for name, entry in table.items() if entry.biased] == [
        "moving average, normalised", "straight-through", "Gumbel-softmax, t = 1", "Gumbel-softmax, t = 0.5",
        "Gumbel-softmax, t = 0.1",
    ]  # fmt: skip


def test_the_bound_of_two_draws_is_that_of_vimco():
    """Its referee lies between `E f` and `log E exp f`, and is the mean over all pairs by hand."""
    eta = jnp.array([0.3, -1.0])
    found = float(listed_pairs(lambda x: 2 * jnp.sum(x), Conditional(Bernoulli(2), eta), None, None))
    states = np.array(list(np.ndindex(2, 2)))
    p = np.prod(np.where(states == 1, 1 / (1 + np.exp(-eta)), 1 / (1 + np.exp(eta))), axis=1)
    f = 2.0 * states.sum(1)
    pairs = np.log((np.exp(f)[:, None] + np.exp(f)) / 2)
    assert found == pytest.approx(p @ pairs @ p, rel=1e-5)
    assert p @ f < found < np.log(p @ np.exp(f))


def test_numbers_of_a_sample_are_those_of_its_law():
    truth, bias = np.array([3.0, 4.0]), np.array([0.3, -0.4])
    slopes = truth + bias + np.random.default_rng(0).normal(size=(40_000, 2)) * [2.0, 1.0]
    found = numbers(Measured(slopes, 3.0), truth, 2.0)
    assert found["stderr"] == pytest.approx(np.sqrt(5 / 40_000) / 5, rel=0.02)
    assert abs(found["bias"] - 0.1) < 4 * found["stderr"]
    assert found["variance"] == pytest.approx(5 / 25, rel=0.02)
    assert found["cost"] == 1.5


def test_a_table_of_ones_own_columns_and_its_picture_are_written(tmp_path, monkeypatch):
    values = {"bias": 0.01, "stderr": 0.01, "variance": 3.0, "cost": 1.0, "biased": 0.0}
    rows = [
        Row("REINFORCE", ("8", "0.01 ± 0.01"), values, 2.0),
        Row("exact", ("256", "0"), dict.fromkeys(values, 0.0) | {"cost": 2.0}, 3.0),
    ]
    protocol = Protocol("A tiny one", "Nothing to it.", lambda seed: iter(rows), ("draws", "bias"), drawn, "Bars")
    monkeypatch.setitem(published.PROTOCOLS, "tiny", protocol)
    page = tmp_path / "results.md"
    printed = published.reproduce("tiny", page=page)
    text = page.read_text()
    assert "| setting | draws | bias | wall time |\n|---|---|---|---|\n| REINFORCE | 8 | 0.01 ± 0.01 | 2 s |\n" in text
    assert "![Bars](pictures/tiny.svg)" in text
    assert "Test set" not in text
    assert "pictures/" not in printed
    svg = (tmp_path / "pictures" / "tiny.svg").read_bytes()
    assert b"<svg" in svg
    assert svg == drawn(rows)
