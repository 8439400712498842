"""Machines given a context: what they become where parts of them are nothing, and what their constructors refuse."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import harmonium as hm
from examples import CONTEXTS, randomised
from harmonium.errors import InputError
from harmonium.models import RBM, RNNRBM, RTRBM, ConditionalRBM, ReplicatedSoftmax, unfold
from harmonium.units import Bernoulli, Categorical, Frames, Gamma, Gaussian, Spin, Words

KEY = jax.random.key(0)
B2 = Bernoulli(2)


def test_without_a_context_the_frames_are_independent_draws_of_one_rbm():
    model = randomised(RNNRBM(Frames(B2, 3), Bernoulli(3), 2, key=KEY), 1)
    model = eqx.tree_at(lambda m: (m.Ub, m.Uc), model, (jnp.zeros((2, 2)), jnp.zeros((2, 3))))
    rows = np.random.default_rng(0).integers(0, 2, (5, 6)).astype(np.float32)
    alone = hm.log_prob(model.rbm, rows.reshape(-1, 2)).reshape(5, 3).sum(axis=1)
    np.testing.assert_allclose(hm.log_prob(model, rows), alone, atol=1e-5)
    recurrent = randomised(RTRBM(Frames(B2, 3), Bernoulli(3), key=KEY), 2)
    recurrent = eqx.tree_at(lambda m: (m.U, m.rbm), recurrent, (jnp.zeros((3, 3)), model.rbm))
    np.testing.assert_allclose(hm.log_prob(recurrent, rows), alone, atol=1e-5)


def test_without_an_rbm_it_is_a_recurrent_network_with_logistic_outputs():
    model = randomised(RNNRBM(Frames(B2, 4), Bernoulli(3), 2, key=KEY), 3)
    model = eqx.tree_at(lambda m: m.rbm.W, model, jnp.zeros((2, 3)))
    row = np.random.default_rng(1).integers(0, 2, 8).astype(np.float64)
    u, expected = np.asarray(model.u0, np.float64), 0.0
    W, U, b = (np.asarray(x, np.float64) for x in (model.cell.W, model.cell.U, model.cell.b))
    for v in row.reshape(4, 2):
        eta = np.asarray(model.rbm.b) + u @ np.asarray(model.Ub)
        expected += np.sum(v * eta - np.log1p(np.exp(eta)))
        u = np.tanh(v @ W + b + u @ U)
    np.testing.assert_allclose(hm.log_prob(model, row[None]), [expected], rtol=1e-5)


def test_the_hidden_means_of_a_frame_set_the_biases_of_the_next():
    model = CONTEXTS["rtrbm"]
    row = np.asarray([1, 0, 1, 1, 0, 1], np.float32)
    contexts = np.asarray(unfold(model, jnp.asarray(row)).context)
    r, W, c, U = (np.asarray(x, np.float64) for x in (model.r0, model.rbm.W, model.rbm.c, model.U))
    for t, v in enumerate(row.reshape(3, 2)):
        np.testing.assert_allclose(contexts[t], r, atol=1e-6)
        r = 1 / (1 + np.exp(-(v @ W + c + r @ U)))


def test_a_conditional_rbm_without_hidden_units_that_matter_is_a_regression():
    model = randomised(ConditionalRBM(Gaussian(2), B2, given=Gaussian(3), key=KEY), 4)
    model = eqx.tree_at(lambda m: m.rbm.W, model, jnp.zeros((2, 2)))
    rows = np.random.default_rng(2).normal(size=(6, 5))
    mean = np.asarray(model.rbm.b.mean) + rows[:, :3] @ np.asarray(model.A)
    precision = np.exp(np.asarray(model.rbm.b.log_precision, np.float64))
    expected = 0.5 * np.sum(np.log(precision / (2 * np.pi)) - precision * (rows[:, 3:] - mean) ** 2, axis=1)
    np.testing.assert_allclose(hm.log_prob(model, rows), expected, rtol=1e-4)


def test_a_conditional_rbm_of_order_two_is_an_autoregression_that_counts_from_the_third_frame():
    model = randomised(ConditionalRBM(Frames(Gaussian(1), 5), B2, order=2, key=KEY), 5)
    model = eqx.tree_at(lambda m: m.rbm.W, model, jnp.zeros((1, 2)))
    x = np.random.default_rng(3).normal(size=5)
    A, precision = np.asarray(model.A)[:, 0], float(np.exp(model.rbm.b.log_precision[0]))
    mean = float(model.rbm.b.mean[0]) + np.array([A[0] * x[t - 1] + A[1] * x[t - 2] for t in range(2, 5)])
    expected = np.sum(0.5 * np.log(precision / (2 * np.pi)) - 0.5 * precision * (x[2:] - mean) ** 2)
    np.testing.assert_allclose(hm.log_prob(model, x[None]), [expected], rtol=1e-4)
    assert hm.evaluation.count_values(model, x[None]).tolist() == [3]


def test_an_rbm_of_both_parts_given_one_is_a_conditional_rbm():
    """`p(v | x)` of an RBM of `[x, v]` whose hidden units see both: the weights from `x` to `h` are `B`."""
    joint = randomised(RBM(Bernoulli(5), Bernoulli(3), key=KEY), 6)
    model = ConditionalRBM(B2, Bernoulli(3), given=Bernoulli(3), key=KEY)
    parts = (joint.W[3:], joint.W[:3], jnp.zeros((3, 2)), joint.b[3:], joint.c)
    model = eqx.tree_at(lambda m: (m.rbm.W, m.B, m.A, m.rbm.b, m.rbm.c), model, parts)
    x = np.tile([1.0, 0.0, 1.0], (4, 1))
    v = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
    rows = np.concatenate([x, v], axis=1)
    expected = hm.log_prob(joint, rows)
    expected -= np.log(np.exp(expected).sum())
    np.testing.assert_allclose(hm.log_prob(model, rows), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["rnnrbm-tanh", "rnnrbm-low-rank", "rtrbm", "crbm-frames"])
def test_frames_that_are_absent_change_nothing(name):
    model = CONTEXTS[name]
    unit = model.layers["v"]
    first = np.asarray(unit.sample(jax.random.key(3), unit.neutral_natural()), np.float64).reshape(unit.frames, -1)
    short = unit.rows([first[:2]]).astype(np.float64)
    shorter = Frames(unit.unit, 2)
    same = eqx.tree_at(lambda m: m.visible, model, shorter)
    np.testing.assert_allclose(hm.log_prob(model, short), hm.log_prob(same, first[:2].reshape(1, -1)), atol=1e-5)


def test_gradients_of_real_frames_are_finite_where_some_are_absent():
    model = CONTEXTS["crbm-real-frames"]
    row = np.asarray([[0.5, -0.25, model.layers["v"].absent]], np.float32)
    slope = eqx.filter_grad(lambda m: hm.objectives.CD()(m, jnp.asarray(row), KEY, None)[0])(model)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slope))


def test_real_columns_far_from_zero_have_the_density_of_the_value_alone():
    """Whose scale counts, and not that of what is given."""
    rng = np.random.default_rng(5)
    rows = np.concatenate([1e6 + 50 * rng.normal(size=(200, 1)), 3e-3 + 1e-5 * rng.normal(size=(200, 1))], axis=1)
    model = ConditionalRBM(Gaussian(1), B2, given=Gaussian(1), key=KEY)
    run = hm.fit(model, rows, hm.objectives.CD(), epochs=30, batch_size=20, key=KEY)
    deviation = rows[:, 1].std()
    plain = -np.log(deviation) - 0.5 * np.log(2 * np.pi) - 0.5 * ((rows[:, 1] - rows[:, 1].mean()) / deviation) ** 2
    assert abs(hm.log_likelihood(run.model, rows).value - plain.mean()) < 0.1
    drawn = hm.sample(run.model, KEY, 300, given=[1e6, np.nan])
    assert (drawn[:, 0] == 1e6).all()
    assert abs(drawn[:, 1].mean() - 3e-3) < 3e-6


FRAMES = Frames(B2, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RNNRBM(Bernoulli(88), B2, key=KEY), "takes sequences, .* not a Bernoulli"),
        (lambda: RTRBM(Bernoulli(88), B2, key=KEY), "takes sequences"),
        (lambda: RNNRBM(FRAMES, 3, key=KEY), "made of units, not of 3"),
        (
            lambda: RNNRBM(FRAMES, Gamma(3), key=KEY),
            "An RNNRBM moves the biases .* use Bernoulli, spin",
        ),
        (lambda: RNNRBM(FRAMES, B2, 0, key=KEY), "recurrent=0"),
        (lambda: RNNRBM(FRAMES, B2, rank=-1, key=KEY), "rank=-1"),
        (
            lambda: RNNRBM(Frames(Gaussian(2), 3), Gaussian(2), rank=1, key=KEY),
            "need hidden units with a list of states",
        ),
        (lambda: RBM(Words(4), B2, key=KEY), "An RBM has one log Z, .* use hm.ReplicatedSoftmax"),
        (lambda: RNNRBM(Frames(Words(4), 3), B2, key=KEY), "use hm.ReplicatedSoftmax"),
        (lambda: RNNRBM(FRAMES, B2, cell="relu", key=KEY), "choose one of tanh, gru, lstm"),
        (lambda: ConditionalRBM(B2, B2, key=KEY), "give one of the two"),
        (lambda: ConditionalRBM(FRAMES, B2, given=B2, order=1, key=KEY), "give one of the two"),
        (lambda: ConditionalRBM(FRAMES, B2, order=3, key=KEY), "order=3"),
        (lambda: ConditionalRBM(FRAMES, B2, order=0, key=KEY), "order=0"),
        (lambda: ConditionalRBM(B2, B2, order=1, key=KEY), "takes sequences longer than it"),
        (lambda: ConditionalRBM(B2, B2, given=3, key=KEY), "made of units, not of 3"),
    ],
)
def test_what_is_no_machine_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize("rule", [hm.objectives.PCD(), hm.objectives.FPCD(), hm.objectives.ELBO()], ids=repr)
def test_persistent_chains_are_refused_with_the_reason(rule):
    with pytest.raises(InputError, match=r"does not train an RTRBM, .* no chain persists: use CD, MaximumLikelihood"):
        hm.fit(CONTEXTS["rtrbm"], np.ones((4, 6)), rule, epochs=1, batch_size=2, key=KEY)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("rtrbm", [1, 0, np.nan, 1, 1, 0], "Frame 1 of row 0 is missing, and later ones are known"),
        ("rtrbm", [np.nan, np.nan, np.nan, np.nan, np.nan, 1], "Frame 0 of row 0 is missing"),
        ("crbm-rows", [np.nan, 1, np.nan], "Column 0 is part of what a ConditionalRBM is given, and missing"),
        ("crbm-frames", [np.nan] * 8, "is given the first 1 frames and says nothing of them"),
        ("crbm-rows", [7, np.nan, np.nan], "from 0 to 2"),
    ],
)
def test_what_is_given_must_come_before_what_is_drawn(name, given, message):
    with pytest.raises(InputError, match=message):
        hm.sample(CONTEXTS[name], KEY, 1, given=given)


def test_a_prefix_and_the_length_of_a_sequence_are_kept():
    model = CONTEXTS["rnnrbm-tanh"]
    drawn = np.asarray(hm.sample(model, KEY, 50, given=[1, 0, 1, np.nan, np.nan, np.nan], steps=5))
    assert (drawn[:, :3] == [1, 0, 1]).all()
    assert set(drawn[:, 3:].ravel().tolist()) == {0.0, 1.0}
    short = np.asarray(hm.sample(model, KEY, 50, length=2, steps=5))
    assert (short[:, 4:] == -1).all()
    assert (short[:, :4] >= 0).all()
    filled = hm.impute(model, KEY, np.array([[1, np.nan, -1, -1, -1, -1]]), steps=5)
    assert filled[0, 2:].tolist() == [-1] * 4
    with pytest.raises(InputError, match="from 1 to 3 frames, a whole number, not length=4"):
        hm.sample(model, KEY, 1, length=4)
    with pytest.raises(InputError, match="have one length, 3, and none to choose"):
        hm.sample(CONTEXTS["crbm-rows"], KEY, 1, length=2)


def test_rows_drawn_in_blocks_are_the_rows_drawn_at_once():
    model = CONTEXTS["rtrbm"]
    whole = hm.sample(model, KEY, 8, steps=5)
    parts = [hm.sample(model, KEY, 4, steps=5, first=first) for first in (0, 4)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_a_categorical_frame_and_a_spin_frame_are_drawn():
    for unit in (Categorical(1, states=3), Spin(1)):
        model = randomised(RNNRBM(Frames(unit, 3), B2, 2, key=KEY), 8)
        drawn = np.asarray(hm.sample(model, KEY, 200, steps=20))
        assert len(np.unique(drawn)) == unit.states


def test_documents_of_one_word_are_a_softmax_rbm():
    """Whose visible layer is one categorical unit."""
    model = randomised(ReplicatedSoftmax(Words(4, most=5), B2, key=KEY), 9)
    np.testing.assert_allclose(
        hm.log_prob(model, np.eye(4)), hm.log_prob(model.machine, np.arange(4)[:, None]), atol=1e-5
    )


def test_a_document_needs_its_length():
    model = ReplicatedSoftmax(Words(4, most=5), B2, key=KEY)
    assert (np.asarray(hm.sample(model, KEY, 6, length=3, steps=3)).sum(axis=1) == 3).all()
    with pytest.raises(InputError, match="How many words a document has is not modelled: say it, length= from 1 to 5"):
        hm.sample(model, KEY, 6)
    with pytest.raises(InputError, match="counts of some words and not of others do not say how long"):
        hm.impute(model, KEY, np.array([[1, np.nan, 0, 2]]))
    with pytest.raises(InputError, match=r"is of documents, .* not of a Bernoulli"):
        ReplicatedSoftmax(Bernoulli(4), B2, key=KEY)
    with pytest.raises(InputError, match="at least one hidden layer"):
        ReplicatedSoftmax(Words(4, most=5), [], key=KEY)
