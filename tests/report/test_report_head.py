"""The head says in words what its number does not: that nothing was learned, or that few rows were measured."""

from __future__ import annotations

import re

import equinox as eqx
import jax
import numpy as np
import pytest

import harmonium as hm
from harmonium.evaluation import Estimate, few_rows, standing
from harmonium.models import RTRBM, ConditionalRBM
from harmonium.report import write_report
from harmonium.report.record import _last
from harmonium.units import Bernoulli, Frames

KEY = jax.random.key(0)
RANDOM = np.random.default_rng(0)
ROWS = np.repeat((RANDOM.random((120, 1)) < 0.5).astype(np.float32), 6, axis=1)  # six copies of one bit


def page_of(path, model, rows=ROWS, test=ROWS[:40]):
    data = hm.data.from_arrays(rows, None, test)
    run = hm.fit(model, data, hm.objectives.PCD(chains=10), epochs=2, batch_size=40, key=KEY, out=path)
    run.folder.save_estimate("test", hm.log_likelihood(run.model, data))
    return write_report(run.folder, run.model, data, key=KEY, steps=5).read_text()


def untrained():
    return hm.RBM(Bernoulli(6), Bernoulli(2), key=KEY, scale=0.0)


@pytest.mark.slow
def test_a_model_that_learned_nothing_is_told_so_beside_a_number_to_trust(tmp_path):
    page = page_of(tmp_path / "run", untrained())
    assert '<p class="verdict trust">number: trust</p>' in page
    assert '<p class="remark">No better than independent units, which reach −4.' in page


@pytest.mark.slow
def test_one_that_learned_much_is_not(tmp_path):
    model = untrained()
    model = eqx.tree_at(lambda m: (m.W, m.b, m.c), model, (np.full((6, 2), 4.0, np.float32),
                        np.full(6, -4.0, np.float32), np.full(2, -12.0, np.float32)))  # fmt: skip
    page = page_of(tmp_path / "run", model, test=ROWS[:5])
    assert "independent units, which" not in page
    assert '<p class="remark">Measured on 5 rows only, which say little of others' in page


@pytest.mark.slow
def test_a_deep_machine_has_captions_that_are_true_of_it(tmp_path):
    deep = page_of(tmp_path / "deep", hm.DBM(Bernoulli(6), [Bernoulli(2), Bernoulli(2)], key=KEY))
    shallow = page_of(tmp_path / "shallow", untrained())
    for untrue in ("it hovers near zero", "The two should keep together"):
        assert untrue in shallow
        assert untrue not in deep
    assert "These are different quantities, which need not meet" in deep


def exact(value, **more):
    return Estimate(value, 0.1, "exact", n=100, **more)


@pytest.mark.parametrize(
    ("found", "better", "words"),
    [
        (exact(-20.0), True, "Better than independent units, which reach -27.00: \\+7.00 ± 0.14"),
        (exact(-27.1), False, "No better than independent units, which reach -27.00: -0.10"),
        (exact(-30.0), False, "Worse than independent units"),
        (Estimate(-27.1, 0.1, "lower", lower=-27.1), False, "Not shown to be better .*: at least -0.10"),
        (Estimate(-26.0, 0.1, "lower", lower=-26.0), True, "Better than independent units, .*: at least"),
        (Estimate(-26.5, 0.1, "interval", lower=-27.5, upper=-25.5), False, "No better than independent units"),
    ],
)
def test_where_a_number_stands(found, better, words):
    answer = standing(found, exact(-27.0))
    assert answer.better is better
    assert re.match(words, answer.words)


def test_few_rows_are_named():
    assert few_rows(Estimate(-1.0, 0.1, "exact", n=1)).startswith("Measured on 1 row only")
    assert not few_rows(Estimate(-1.0, 0.1, "exact", n=30))
    assert not few_rows(Estimate(-1.0, 0.1, "exact"))


def test_a_small_last_value_is_not_shown_as_zero():
    assert (_last(3e-7), _last(0.25), _last(float("nan"))) == ("3.0e−07", "0.250", "not a number")


def test_a_machine_given_a_context_opens_with_what_was_measured_of_it(tmp_path):
    """Without sections about chains of one distribution, which it is not."""
    for order, label in ((1, "Conditional log-likelihood"), (None, "Log-likelihood")):
        frames = Frames(Bernoulli(2), 3)
        model = (
            ConditionalRBM(frames, Bernoulli(2), order=order, key=KEY)
            if order
            else RTRBM(frames, Bernoulli(2), key=KEY)
        )
        data = hm.data.from_arrays(ROWS, None, ROWS[:40])
        run = hm.fit(model, data, hm.objectives.CD(), epochs=1, batch_size=40, key=KEY, out=tmp_path / label)
        found = hm.log_likelihood(run.model, data)
        run.folder.save_estimate("test", found)
        page = write_report(run.folder, run.model, data, key=KEY).read_text()
        assert "not yet estimated" not in page
        assert f"−{abs(found.value):.2f}" in page
        assert label in page
        assert "conditional_log_likelihood" not in page
        titles = re.findall(r"<h2>([^<]*)</h2>", page)
        assert titles == ["Estimates", "Learning curves", "Samples", "How to reproduce"]
        assert "values given a context are not drawn here, but by hm.sample and hm.impute" in page
