"""Columns in which a density may grow without limit are warned of, by name; others are not."""

from __future__ import annotations

import warnings

import jax
import numpy as np
import pytest

import harmonium as hm
from harmonium.data import from_arrays
from harmonium.evaluation.unlimited import dependent, repeated, warn_of_rows, warn_of_training_rows
from harmonium.models import DBN, FVBN, RBM, RNADE, VAE, Classifier, OrderlessNADE, VariationalRNN
from harmonium.models.directed.generators import AffineGenerator, InverseTransform
from harmonium.nets import MLP
from harmonium.units import Bernoulli, Columns, Frames, Gaussian

KEY = jax.random.key(0)
CONSTANT = np.array([[0.0, 1.0, 2.0], [1.0, 1.0, 2.0]], np.float32)  # all but the first
TABLE = Columns([Bernoulli(2), Gaussian(1)])


def rows(n: int = 400, columns: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, columns))


def with_atom(share: float, n: int = 400) -> np.ndarray:
    x = rows(n)
    x[: round(share * n), 1] = 0.0
    return x


def copied(**columns) -> np.ndarray:
    x = rows()
    return np.column_stack([x, *(of(x) for of in columns.values())])


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (RNADE(Gaussian(3), 2, key=KEY), r"^Columns 1 and 2 of 'array' are constant: .* drop them\.$"),
        (FVBN(TABLE), r"^Column 2 of 'array' is constant: .* drop it\.$"),
        (RBM(Gaussian(3), Bernoulli(2), key=KEY), "^Columns 1 and 2 "),
        (DBN(Gaussian(3), [Bernoulli(2)], key=KEY), "^Columns 1 and 2 "),
    ],
)
def test_constant_real_columns_are_warned_of(model, words):
    with pytest.warns(UserWarning, match=words):
        warn_of_training_rows(model, from_arrays(CONSTANT))


ATOMIC = {
    "rnade": RNADE(Gaussian(3), 2, key=KEY),
    "orderless": OrderlessNADE(Gaussian(3), [2], key=KEY),
    "vae": VAE(Gaussian(3), Gaussian(1), [2], key=KEY),
    "quantiles": InverseTransform(Gaussian(3)),
}


@pytest.mark.parametrize("name", ATOMIC)
def test_a_value_that_many_rows_hold_is_warned_of_in_training_and_in_evaluation(name):
    x = with_atom(0.9)
    with pytest.warns(
        UserWarning, match=r"^Column 1 of 'array' holds one value in 90 % of the rows: .*leave it out\.$"
    ):
        warn_of_training_rows(ATOMIC[name], from_arrays(x))
    with pytest.warns(UserWarning, match=r"^Column 1 of the rows holds one value in 90 % of the rows: "):
        warn_of_rows(ATOMIC[name], x)


@pytest.mark.parametrize("model", [*ATOMIC.values(), FVBN(Gaussian(3))], ids=lambda m: type(m).__name__)
def test_copies_are_warned_of(model):
    x = rows()
    x[:, 2] = 32 + 1.8 * x[:, 0]
    for told in (lambda: warn_of_training_rows(model, from_arrays(x)), lambda: warn_of_rows(model, x.astype("f4"))):
        with pytest.warns(UserWarning, match=r"^Column 2 of .* is a linear function of column 0: .*; leave it out\.$"):
            told()


def test_both_are_told_at_fit_and_at_log_likelihood_with_the_line_that_asked():
    x = with_atom(0.5)
    x[:, 2] = -x[:, 0]
    model = FVBN(Gaussian(3))
    for asked in (
        lambda: hm.fit(model, x, hm.objectives.MaximumLikelihood(), epochs=1, key=KEY, monitor=False),
        lambda: hm.log_likelihood(model, x),
    ):
        with pytest.warns(UserWarning, match="is a linear function of column 0") as told:
            asked()
        assert [w.filename for w in told] == [__file__]


NO_WARNING = {
    "normal": (ATOMIC["rnade"], rows()),
    "few rows": (ATOMIC["rnade"], np.eye(3)),
    "rare atoms": (ATOMIC["rnade"], with_atom(0.1)),
    "rounded": (ATOMIC["rnade"], rows().round(1)),
    "nearly copied": (
        FVBN(Gaussian(3)),
        np.column_stack([rows(400, 2), rows(400, 2)[:, 0] + 1e-3 * rows(400, 1)[:, 0]]),
    ),
    "more columns than rows": (FVBN(Gaussian(60)), rows(100, 60)),
    "one precision": (AffineGenerator(Gaussian(3)), with_atom(0.9)),
    "a machine": (RBM(Gaussian(3), Bernoulli(2), key=KEY), with_atom(0.9)),
    "probabilities": (FVBN(Bernoulli(3)), (rows() > 2).astype(float)),
    "mixed": (FVBN(Columns([Gaussian(1), Bernoulli(2)])), np.column_stack([rows(400, 1), np.zeros((400, 2))])),
    "classifier": (Classifier(MLP([3, 2], key=KEY)), with_atom(0.9)),
    "frames": (VariationalRNN(Frames(Gaussian(1), 3), Gaussian(1), 2, sizes=[2], key=KEY), with_atom(0.9)),
}


@pytest.mark.parametrize("name", NO_WARNING)
def test_others_are_not(name, recwarn):
    model, x = NO_WARNING[name]
    warn_of_training_rows(model, from_arrays(x))
    warn_of_rows(model, x)
    assert not recwarn.list


@pytest.mark.parametrize("data", [None, "rows", np.zeros(3), np.zeros((99, 7)), [["a", "b", "c"]] * 99, [[1], [1, 2]]])
def test_what_is_no_table_is_left_to_who_refuses_it(data, recwarn):
    warn_of_rows(ATOMIC["rnade"], data)
    assert not recwarn.list


def test_rows_with_missing_cells_are_left_out():
    x = copied(double=lambda x: 2 * x[:, 0])
    x[::3, 1] = np.nan
    with pytest.warns(UserWarning, match="Column 3 of the rows is a linear function of column 0"):
        warn_of_rows(FVBN(Gaussian(4)), x)


def test_sums_and_several_copies_are_found():
    x = copied(total=lambda x: x.sum(axis=1), same=lambda x: x[:, 1])
    assert dependent(x) == {3: [0, 1, 2], 4: [1]}
    with pytest.warns(UserWarning, match=r"^Columns 3 and 4 of the rows are linear functions of others: .*them out\.$"):
        warn_of_rows(FVBN(Gaussian(5)), x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_rows(FVBN(Gaussian(3)), x[:, :3])


def test_far_from_zero_nothing_is_found_that_is_not_there():
    x = 1e6 + rows(500, 4)
    assert dependent(x) == {}
    assert dependent(np.column_stack([x, x[:, 0] * 1e-3])) == {4: [0]}


@pytest.mark.parametrize("share", [0.19, 0.21, 0.6])
def test_shares_are_those_of_the_most_frequent_value(share):
    found = repeated(with_atom(share, 1000))
    assert found == ({1: pytest.approx(share)} if share > 0.2 else {})


def test_a_few_thousand_rows_of_many_stand_for_all():
    x = np.tile(with_atom(0.5, 1000), (30, 1))
    with pytest.warns(UserWarning, match=r"holds one value in (4[5-9]|5[0-5]) % of the rows"):
        warn_of_rows(ATOMIC["rnade"], x)
