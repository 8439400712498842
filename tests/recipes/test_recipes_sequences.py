"""The recipe of sequences: what would be taken for measurements without a word, or refused only after training."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from harmonium.data import from_arrays, load
from harmonium.errors import InputError
from harmonium.models import VariationalRNN
from harmonium.recipes import recipe
from harmonium.recipes.sequences import refuse_other_marks, started
from harmonium.training import check_data
from harmonium.units import Bernoulli, Frames, Gaussian

KEY = jax.random.key(0)
REAL = np.random.default_rng(0).normal(5.0, 1.0, (6, 3, 2)).astype(np.float32)
UNIT = Frames(Gaussian(2), 3)


def padded(mark: float, width: int = 2) -> np.ndarray:
    """Sequences of which every other one ends in an absent frame."""
    rows = REAL[:, :, :width].copy()
    rows[1::2, 2] = mark
    return rows


def test_absent_frames_of_real_values_have_a_mark_of_their_own():
    refuse_other_marks(from_arrays(padded(UNIT.absent)), UNIT)
    with pytest.raises(InputError, match=r"Row 1 of the train rows of 'x' ends in a frame of -1 .* are -2.0..100 in"):
        refuse_other_marks(from_arrays(padded(-1), name="x"), UNIT)
    with pytest.raises(InputError, match="Row 1 of the test rows"):
        refuse_other_marks(from_arrays(REAL, test=padded(-1)), UNIT)
    refuse_other_marks(from_arrays(padded(-1, width=1)), Frames(Gaussian(1), 3))  # which may be a measurement


@pytest.mark.parametrize("mark", [-1.0, UNIT.absent])
def test_marks_that_were_divided_are_refused(mark):
    with pytest.raises(InputError, match="leave --scale out"):
        refuse_other_marks(from_arrays(padded(mark), scale=3.0), UNIT)
    refuse_other_marks(from_arrays(REAL, scale=3.0), UNIT)


def test_sequences_are_not_standardized(tmp_path):
    np.save(tmp_path / "x.npy", padded(UNIT.absent))
    with pytest.raises(InputError, match="leave --standardize out"):
        recipe("vrnn")(str(tmp_path / "x.npy"), standardize=True, out=tmp_path / "run")
    with pytest.raises(InputError, match="ends in a frame of -2"):
        started(load(tmp_path / "x.npy", scale=0.5), 1, 2, [2], KEY)
    assert not (tmp_path / "run").exists()


def test_sequences_of_the_test_split_are_checked_before_training():
    model = VariationalRNN(Frames(Bernoulli(1), 3), Gaussian(1), 2, sizes=[2], key=KEY)
    whole, gap = np.array([[1, 0, -1], [1, 1, 1]]), np.array([[1, -1, 0]])
    check_data(model, from_arrays(whole, test=whole))
    with pytest.raises(InputError, match=r"The test rows of 'x' do not fit .* absent frame .* between others"):
        check_data(model, from_arrays(whole, test=gap, name="x"))
