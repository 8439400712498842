"""Words of a document: the law of their counts, and what is no document."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from harmonium.errors import InputError
from harmonium.testing.statistics import chi_square
from harmonium.units import Words

ETA = jnp.asarray([0.5, -1.0, 0.2])
ORDERS = np.array([np.bincount(order, minlength=3) for order in itertools.product(range(3), repeat=4)])


def test_log_partition_and_means_are_those_of_all_documents():
    unit = Words(3, most=9).of_length(4)
    log_p = np.asarray([float(unit.log_prob(ETA, jnp.asarray(x, jnp.float32))) for x in ORDERS])
    np.testing.assert_allclose(np.exp(log_p).sum(), 1, atol=1e-5)
    np.testing.assert_allclose(unit.mean(ETA), np.exp(log_p) @ ORDERS, rtol=1e-5)
    back = unit.natural_from_mean(unit.mean(ETA))
    np.testing.assert_allclose(unit.mean(back), unit.mean(ETA), rtol=1e-5)  # parameters are known up to a constant


def test_counts_follow_the_law_whatever_the_longest_document_is():
    for most in (4, 50):
        unit = Words(3, most=most).of_length(4)
        drawn = jax.vmap(lambda k, u=unit: u.sample(k, ETA))(jax.random.split(jax.random.key(0), 4000))
        states, number = np.unique(ORDERS, axis=0, return_counts=True)
        law = np.array([np.exp(float(unit.log_prob(ETA, jnp.asarray(x, jnp.float32)))) for x in states]) * number
        counts = (np.asarray(drawn)[:, None] == states).all(axis=2).sum(axis=0)
        assert counts.sum() == 4000
        assert chi_square(counts, law / law.sum()) > 1e-3


def test_what_is_left_of_a_document_is_drawn_of_the_other_words():
    unit = Words(3, most=9).of_length(6)
    known, value = jnp.asarray([True, False, False]), jnp.asarray([2.0, 0.0, 0.0])
    drawn = jax.vmap(lambda k: unit.sample_given(k, ETA, known, value))(jax.random.split(jax.random.key(1), 4000))
    assert (drawn[:, 0] == 2).all()
    assert (drawn.sum(axis=1) == 6).all()
    p = float(jax.nn.sigmoid(ETA[1] - ETA[2]))
    assert abs(float(drawn[:, 1].mean()) - 4 * p) < 5 * np.sqrt(4 * p * (1 - p) / 4000)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1, -1, 2]], r"-1 in row 0, column 1: give counts from 0"),
        ([[1, 0.5, 2]], r"0\.5 in row 0, column 1: give counts from 0"),
        ([[1, np.inf, 2]], "give counts from 0"),
        ([[1, 0, 0], [0, 0, 0]], "that in row 1 has 0: leave empty ones out"),
        ([[3, 3, 4]], "from 1 to 9 words, and that in row 0 has 10: make the layer with a larger most="),
    ],
)
def test_what_is_no_document_is_refused(rows, message):
    with pytest.raises(InputError, match=message):
        Words(3, most=9).check(np.array(rows, float))


def test_a_longest_document_of_no_words_is_refused():
    with pytest.raises(InputError, match="not most=0: say the longest one"):
        Words(3, most=0)
    with pytest.raises(InputError, match="length= from 1 to 9, not 10"):
        Words(3, most=9).blank(10)
