"""Columns that have names are called by them, wherever a report speaks of columns."""

from __future__ import annotations

import dataclasses
import re

import jax
import numpy as np
import pytest

import harmonium as hm
from harmonium.report import write_report
from harmonium.report.insides import filters
from harmonium.report.names import column_names, entry_names, listed, named, ticks
from harmonium.report.subject import Subject
from harmonium.training import RunFolder
from harmonium.units import Bernoulli, Categorical, Columns, Gaussian

KEY = jax.random.key(0)
NAMES = ("age", "income", "smoker", "city")
UNIT = Columns([Gaussian(2), Bernoulli(1), Categorical(1, states=3)])
RANDOM = np.random.default_rng(0)
ROWS = np.column_stack([RANDOM.normal(size=(60, 2)), RANDOM.integers(0, 2, 60), RANDOM.integers(0, 3, 60)])


def subject(path, model, names=NAMES):
    data = dataclasses.replace(hm.data.from_arrays(ROWS, None, ROWS[:20], name="table"), columns=names)
    folder = RunFolder.create(path)
    folder.write_about({})
    return Subject(folder, model, data, KEY, 5)


@pytest.fixture
def machine():
    return hm.RBM(UNIT, Bernoulli(2), key=KEY, scale=0.1)


def test_names_of_columns_and_of_what_acts_on_them(tmp_path, machine):
    found = subject(tmp_path / "a", machine)
    assert column_names(found) == list(NAMES)
    assert entry_names(found) == ["age", "income", "smoker", "city = 0", "city = 1", "city = 2"]
    assert len(entry_names(found)) == UNIT.width
    assert listed(found, slice(0, 2)) == "age and income"
    assert ticks(found, 4) == list(NAMES)
    assert ticks(found, 3) == ()  # more than a picture holds


@pytest.mark.parametrize("names", [None, ("age", "income")], ids=["none", "of other columns"])
def test_numbers_where_there_are_no_names(names, tmp_path, machine):
    found = subject(tmp_path / "b", machine, names)
    assert not named(found)
    assert column_names(found) == ["0", "1", "2", "3"]
    assert (listed(found, slice(0, 2)), listed(found, slice(2, 3))) == ("columns 0 to 1", "column 2")
    assert ticks(found, 9) == ()


@pytest.mark.slow
def test_a_machine_s_report_calls_columns_by_name(tmp_path, machine):
    found = subject(tmp_path / "c", machine)
    page = write_report(found.folder, machine, found.data, key=KEY, steps=5).read_text()
    for words in ("age and income (standard deviations)", "cells guessed right, smoker", "cells guessed right, city"):
        assert words in page
    assert not re.search(r"columns \d+ to \d+", page)
    plain = filters(subject(tmp_path / "d", machine, None)).pictures[0]
    assert filters(found).pictures[0].source != plain.source  # the names stand beside the weights


@pytest.mark.slow
def test_a_network_s_report_lists_its_variables_by_name(tmp_path):
    net = hm.NADE(UNIT, 3, key=KEY)
    found = subject(tmp_path / "e", net)
    page = write_report(found.folder, net, found.data, key=KEY, steps=5).read_text()
    assert [name for name in NAMES if f'<th scope="row">{name}</th>' not in page] == []
    assert "counted from 0" not in page
