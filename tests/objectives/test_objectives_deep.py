"""Rules for machines whose hidden layers depend on each other, against sums over every state."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from examples import DBMS, randomised
from harmonium.data import from_arrays
from harmonium.errors import InputError
from harmonium.inference import fixed_point, infer, layer_stats, log_prob_missing, mean_field
from harmonium.models import DBM, DBN, MPDBM
from harmonium.objectives import CD, PCD, MaximumLikelihood, MultiPrediction, UpDown, contrast
from harmonium.samplers import sample
from harmonium.testing.enumeration import list_states
from harmonium.training import fit
from harmonium.units import Bernoulli, Categorical

KEY = jax.random.key(0)
DEEP = DBMS["dbm-two-layers"]
BATCH = jnp.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
LABELS = Categorical(1, states=2)


def close(a, b, tolerance=1e-5):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, atol=tolerance)


def test_the_positive_phase_takes_the_slope_of_the_energy_at_the_mean_field():
    """The gradient of the first part is `<dE/dtheta>_q`, with `q` held constant."""
    chains = {name: jnp.asarray(x[0]) for name, x in list_states(DEEP).values.items()}
    q = [fixed_point(DEEP, {"v": v}) for v in BATCH]

    def by_hand(model):
        return (
            sum(model.energy({**layer_stats(model, {"v": v}), **here.mean}) for v, here in zip(BATCH, q, strict=True))
            / 2
        )

    with_chains = eqx.filter_grad(lambda m: contrast(m, BATCH, chains)[1]["free_energy_data"])(DEEP)
    close(with_chains, eqx.filter_grad(by_hand)(DEEP))


def test_the_negative_phase_is_the_slope_of_log_z_on_average():
    """Over all states, weighted as the model does, the gradient of the second part is `-d log Z / dtheta`."""
    truth = list_states(DEEP)
    states = {name: jnp.asarray(x[0]) for name, x in truth.values.items()}
    weight = jnp.asarray(truth.probability[0], jnp.float32)

    @eqx.filter_jit
    @eqx.filter_grad
    def negative(model):
        one = lambda s: contrast(model, BATCH, jax.tree.map(lambda x: x[None], s))[1]["free_energy_chains"]  # noqa: E731
        return weight @ jax.vmap(one)(states)

    @eqx.filter_grad
    def minus_log_z(model):
        energies = jax.vmap(lambda s: model.energy(layer_stats(model, s)))(states)
        return -jax.nn.logsumexp(-energies)

    close(negative(DEEP), minus_log_z(DEEP), 1e-4)


def test_the_exact_gradient_sums_the_hidden_layers_of_a_deep_machine():
    truth, given = list_states(DEEP), list_states(DEEP, {"v": np.asarray(BATCH)})
    loss, _ = MaximumLikelihood()(DEEP, BATCH, KEY, None)
    expected = truth.log_partition[0] - given.log_partition.mean()
    assert float(loss) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("rule", [CD(2), PCD(2, chains=20)], ids=["CD", "PCD"])
@pytest.mark.parametrize("name", ["dbm-two-layers", "centred-dbm"])
def test_deep_machines_learn_under_fit(rule, name):
    x = np.array([[1, 1, 0], [0, 0, 1]], np.float32).repeat(50, axis=0)
    run = fit(DBMS[name], x, rule, optimizer=optax.adam(0.03), epochs=60, batch_size=20, key=KEY)
    drawn = np.asarray(sample(run.model, KEY, 400, steps=100))
    share = ((drawn == x[0]).all(axis=1) | (drawn == x[-1]).all(axis=1)).mean()
    assert share > 0.6  # of the two patterns; 0.25 by chance
    assert "free_energy_gap" not in run.metrics[-1]
    assert np.isfinite(run.metrics[-1]["free_energy_data"])


def patterns(n=200):
    """Two patterns, each with its label."""
    y = np.random.default_rng(0).integers(2, size=n)
    return np.where(y[:, None] == 1, [[1, 1, 0, 0]], [[0, 0, 1, 1]]).astype(np.float32), y


MODELS = {
    "dbm": (DBM(Bernoulli(4), [Bernoulli(3), Bernoulli(3)], LABELS, key=KEY, scale=0.1), PCD(2, chains=20)),
    "rbm": (DBM(Bernoulli(4), [Bernoulli(4)], LABELS, key=KEY, scale=0.1), CD(1)),
    "dbn": (DBN(Bernoulli(4), [Bernoulli(3), Bernoulli(4)], LABELS, key=KEY, scale=0.1), UpDown(2)),
    "mp-dbm": (MPDBM(Bernoulli(4), [Bernoulli(3), Bernoulli(3)], LABELS, key=KEY, scale=0.1), MultiPrediction()),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_labels_are_learned_along_with_the_data(name):
    from harmonium.inference import classify

    model, rule = MODELS[name]
    x, y = patterns()
    data = from_arrays(x, labels=y)
    run = fit(model, data, rule, optimizer=optax.adam(0.02), epochs=60, batch_size=20, key=KEY)
    probabilities = np.asarray(classify(run.model, x))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-5)
    assert (probabilities.argmax(axis=1) == y).all()
    if name != "dbn":
        holes = x.copy()
        holes[:, [0, 3]] = np.nan
        assert (np.asarray(classify(run.model, holes)).argmax(axis=1) == y).all()


def test_labels_are_asked_for_and_checked_before_any_work():
    model, rule = MODELS["dbm"]
    x, y = patterns()
    with pytest.raises(InputError, match="no labels"):
        fit(model, x, rule, key=KEY)
    with pytest.raises(InputError, match="from 0 to 1"):
        fit(model, from_arrays(x, labels=y + 1), rule, key=KEY)


def test_inference_with_everything_observed_is_mean_field():
    v = BATCH[0]
    found = infer(DEEP, {"v": v}, {"v": jnp.ones(3, bool)}, steps=100)
    for name, mean in mean_field(DEEP, {"v": v}).items():
        close(found.stats[name], mean, 1e-4)


def test_the_log_probability_of_hidden_units_counts_only_them():
    model = randomised(MPDBM(Bernoulli(4), [Bernoulli(3), Bernoulli(2)], LABELS, key=KEY, steps=4), 3)
    v, seen = jnp.array([1.0, 0.0, 1.0, 1.0]), jnp.array([True, False, True, False])
    q = infer(model.model, {"v": v}, {"v": seen}, steps=4)
    p = 1 / (1 + np.exp(-np.asarray(q.natural["v"], np.float64)))
    expected = sum(np.log(p[i] if v[i] else 1 - p[i]) for i in (1, 3))
    found = log_prob_missing(model.layers["v"], q.natural["v"], v, seen)
    assert float(found) == pytest.approx(expected, rel=1e-5)
    code = model.layers["y"].stats(jnp.array([1]))
    label = log_prob_missing(model.layers["y"], q.natural["y"], jnp.array([1]), jnp.array([False]))
    assert float(label) == pytest.approx(float(jax.nn.log_softmax(q.natural["y"])[0] @ code[0]), rel=1e-5)
    assert float(log_prob_missing(model.layers["y"], q.natural["y"], jnp.array([1]), jnp.array([True]))) == 0.0


def test_the_gradient_flows_through_every_sweep():
    """Against finite differences of the loss, with the same subsets."""
    model = randomised(MPDBM(Bernoulli(4), [Bernoulli(3), Bernoulli(2)], LABELS, key=KEY, steps=4), 4)
    batch = {"v": jnp.eye(4), "y": jnp.array([[0], [1], [0], [1]])}

    @eqx.filter_jit
    def loss(model):
        return MultiPrediction()(model, batch, KEY, None)[0]

    slope = eqx.filter_grad(loss)(model)
    for i, where in enumerate((lambda m: m.model.W[0], lambda m: m.model.W[1], lambda m: m.model.b[1])):
        step = jnp.zeros(where(model).size).at[i].set(0.05).reshape(where(model).shape)
        up, down = (loss(eqx.tree_at(where, model, where(model) + sign * step)) for sign in (1, -1))
        assert float(up - down) / 0.1 == pytest.approx(float(where(slope).ravel()[i]), abs=2e-3)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: UpDown(steps=0), "steps=0"),
        (lambda: PCD(mean_field_steps=0), "mean_field_steps=0"),
        (lambda: MultiPrediction(min_masked=0.9, max_masked=0.1), "min_masked=0.9"),
        (lambda: MultiPrediction(labels=2.0), "labels=2"),
        (lambda: MultiPrediction(weight=0.0), "weight=0"),
    ],
)
def test_rules_that_cannot_be_are_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()


def test_mean_field_that_does_not_settle_says_how_far_it_was():
    frustrated = randomised(DBM(Bernoulli(3), [Bernoulli(4), Bernoulli(4)], key=KEY), 0, 8.0)
    with pytest.warns(UserWarning, match=r"changed by .* in the last of 1 sweeps"):
        mean_field(frustrated, {"v": jnp.ones(3)}, max_steps=1)


@pytest.mark.slow
def test_a_label_counts_for_as_many_pixels_as_its_weight_says():
    model = randomised(MPDBM(Bernoulli(4), [Bernoulli(3), Bernoulli(3)], LABELS, key=KEY), 9)
    batch = {"v": jnp.ones((6, 4)), "y": jnp.arange(6)[:, None] % LABELS.states}
    plain, (_, parts) = MultiPrediction(labels=1.0)(model, batch, KEY, None)
    heavy, _ = MultiPrediction(labels=1.0, weight=50.0)(model, batch, KEY, None)
    assert float(plain) == pytest.approx(-float(parts["log_prob_v"] + parts["log_prob_y"]), rel=1e-5)
    assert float(heavy) == pytest.approx(-float(parts["log_prob_v"] + 50 * parts["log_prob_y"]), rel=1e-5)
