"""Sequences of mixed length as rows: what is there, what is absent, and what is refused."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from harmonium.errors import InputError
from harmonium.models import RBM, VAE
from harmonium.units import Bernoulli, Categorical, Columns, Conditional, Frames, Gaussian, Spin

KEY = jax.random.key(0)
UNITS = {
    "bernoulli": (Bernoulli(2), [[0, 1], [1, 1]]),
    "spin": (Spin(2), [[-1, 1], [1, 1]]),
    "categorical": (Categorical(2, states=3), [[2, 0], [0, 1]]),
    "gaussian": (Gaussian(2), [[-1.0, 0.0], [0.0, 0.0]]),
    "columns": (Columns([Bernoulli(1), Gaussian(1)]), [[0.0, -1.0], [1.0, 0.5]]),
}
every = pytest.mark.parametrize(("unit", "sequence"), UNITS.values(), ids=UNITS)


@every
def test_rows_hold_their_sequences(unit, sequence):
    frames = Frames(unit, 3)
    x = frames.rows([sequence, sequence[:1]])
    frames.check(x)
    assert frames.count(x).tolist() == [2, 1]
    assert frames.present(jnp.asarray(x[0])).tolist() == [True, True, False]
    found = frames.split(jnp.asarray(x[0]))
    assert found.dtype == unit.dtype
    np.testing.assert_array_equal(found, [*sequence, [0, 0]])


@every
def test_a_sequence_of_all_frames_is_its_frames_side_by_side(unit, sequence):
    frames = Frames(unit, 2)
    out = jnp.asarray(np.random.default_rng(0).normal(size=frames.num_outputs), jnp.float32)
    eta = frames.natural_from_output(frames.bias(frames.neutral_natural()), out)
    x = jnp.asarray(frames.rows([sequence])[0])
    bias = unit.bias(unit.neutral_natural())
    each = [Conditional(unit, unit.natural_from_output(bias, part)) for part in out.reshape(2, -1)]
    expected = sum(law.log_prob(jnp.asarray(value, unit.dtype)) for law, value in zip(each, sequence, strict=True))
    np.testing.assert_allclose(Conditional(frames, eta).log_prob(x), expected, rtol=1e-5)
    np.testing.assert_allclose(frames.as_input(x), np.concatenate([unit.as_input(v) for v in frames.split(x)]))
    frames.check(np.asarray(frames.sample(KEY, eta))[None])
    assert (len(frames.widths), sum(frames.widths)) == (frames.size, frames.width)


@every
def test_an_absent_frame_has_log_probability_zero_and_no_statistics(unit, sequence):
    frames = Frames(unit, 2)
    x = jnp.asarray(frames.rows([sequence[:1]])[0])
    eta = frames.neutral_natural()
    alone = unit.log_prob(unit.neutral_natural(), jnp.asarray(sequence[0], unit.dtype))
    np.testing.assert_allclose(Conditional(frames, eta).log_prob(x), alone, rtol=1e-6)
    for leaf in jax.tree.leaves(frames.stats(x)):
        assert np.isfinite(leaf[0]).all()
        assert np.isnan(leaf[1]).all()


B = Frames(Bernoulli(2), 3)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Frames(88, 3), "made of units, .* not of 88"),
        (lambda: Frames(B, 3), "not of a Frames"),
        (lambda: Frames(Bernoulli(2), 0), "frames=0"),
        (lambda: B.rows([np.zeros((4, 2))]), r"Sequence 0 has shape \(4, 2\), .* from 1 to 3 frames of 2"),
        (lambda: B.check(np.array([[0, 1, 0, 1, 0, 1], [-1, -1, 1, 0, 1, 1]])), "row 1 has an absent frame"),
        (lambda: B.check(np.array([[0, 1, -1, -1, 0, 1]])), "row 0 has an absent frame .* absent frames come last"),
        (lambda: B.check(np.full((1, 6), -1)), "one present frame at least"),
        (lambda: B.check(np.array([[0, 1, 0, -1, -1, -1]])), "Frame 1 of row 0 is -1, which means absent, in some"),
        (lambda: B.check(np.array([[0, 1, 0, 1, 0, 1], [0, 1, 0, 2, 1, 1]])), "In frame 1 of row 1,"),
        (lambda: RBM(B, Bernoulli(2), key=KEY), "An RBM takes rows of one length"),
        (lambda: VAE(B, Gaussian(2), key=KEY), "A VAE takes rows of one length"),
    ],
)
def test_what_cannot_be_is_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()
