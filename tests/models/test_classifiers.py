"""Perceptrons that deep machines turn into, and how often they are wrong."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from examples import randomised
from harmonium.data import from_arrays
from harmonium.errors import InputError
from harmonium.evaluation import error_rate
from harmonium.inference import classify, encode, layer_stats, mean_field, natural_parameters
from harmonium.models import (
    DBM,
    DBN,
    MPDBM,
    RBM,
    Centred,
    Classifier,
    DoubledRBM,
    classifier_from_dbm,
    classifier_from_dbn,
    unlabelled,
)
from harmonium.nets import MLP
from harmonium.objectives import CD, PCD, CrossEntropy, MultiPrediction, RatioMatching, UpDown
from harmonium.training import fit
from harmonium.units import Bernoulli, Categorical, Gaussian

KEY = jax.random.key(0)
B = Bernoulli(4)
X = np.random.default_rng(0).integers(2, size=(40, 4)).astype(np.float32)


def hidden_of(net: MLP, x: jax.Array, layers: int) -> jax.Array:
    for W, b in list(zip(net.W, net.b, strict=True))[:layers]:
        x = jax.nn.sigmoid(x @ W + b)
    return x


@pytest.mark.parametrize("visible", [B, Gaussian(4)], ids=["binary", "real"])
def test_the_perceptron_of_a_net_is_its_recognition(visible):
    net = randomised(DBN(visible, [Bernoulli(3), Bernoulli(5)], key=KEY), 1)
    model = classifier_from_dbn(net, 3, key=KEY)
    found = hidden_of(model.net, jnp.asarray(X), 2)
    np.testing.assert_allclose(found, encode(net, X)["h2"], atol=1e-5)


@pytest.mark.parametrize("visible", [B, Gaussian(4)], ids=["binary", "real"])
def test_the_perceptron_of_a_deep_machine_is_a_step_of_its_mean_field(visible):
    """Fed with the settled means of h2, its hidden layers give those of h1 and h2 back."""
    dbm = randomised(DBM(visible, [Bernoulli(3), Bernoulli(5)], key=KEY), 2)
    net = classifier_from_dbm(dbm, 3, key=KEY).net
    q = mean_field(dbm, {"v": jnp.asarray(X[0])}, tolerance=1e-7, max_steps=500)
    x = jnp.concatenate([jnp.asarray(X[0]), q["h2"]])
    np.testing.assert_allclose(hidden_of(net, x, 1), q["h1"], atol=1e-5)
    np.testing.assert_allclose(hidden_of(net, x, 2), q["h2"], atol=1e-5)


@pytest.mark.parametrize("wrap", [lambda m: m, lambda m: randomised(Centred(m), 9, 0.3)], ids=["plain", "centred"])
def test_the_labels_are_deleted_before_features_are_inferred(wrap):
    """Fig. 20.4 d: the perceptron's hidden layers are the mean field of `v, h1, h2`, with `y - mu` taken for zero."""
    whole = wrap(randomised(DBM(B, [Bernoulli(3), Bernoulli(5)], Categorical(1, states=3), key=KEY), 8))
    bare = unlabelled(whole)
    assert list(bare.layers) == ["v", "h1", "h2"]
    mean = whole.offsets.value["y"] if isinstance(whole, Centred) else jnp.zeros((1, 3))
    stats = {name: unit.stats(jnp.ones(unit.size, unit.dtype)) for name, unit in bare.layers.items()}
    for name in bare.layers:
        expected = natural_parameters(whole, stats | {"y": mean}, (name,))[name]
        np.testing.assert_allclose(natural_parameters(bare, stats, (name,))[name], expected, rtol=1e-5, atol=1e-6)
    q = mean_field(bare, {"v": jnp.asarray(X[0])}, tolerance=1e-7, max_steps=500)
    net = classifier_from_dbm(whole, 3, key=KEY).net
    x = jnp.concatenate([jnp.asarray(X[0]), q["h2"]])
    np.testing.assert_allclose(hidden_of(net, x, 2), q["h2"], atol=1e-5)
    assert unlabelled(bare) is bare or isinstance(whole, Centred)


def test_the_last_layer_is_that_of_a_machine_with_as_many_classes():
    """`p(y | h2)` of the machine itself, where the net's own `h2` goes in."""
    dbm = randomised(DBM(B, [Bernoulli(3), Bernoulli(5)], Categorical(1, states=3), key=KEY), 5)
    model = classifier_from_dbm(dbm, 3, key=KEY)
    x = jnp.concatenate([jnp.asarray(X[0]), jnp.full(5, 0.3)])
    h2 = hidden_of(model.net, x, 2)
    natural = natural_parameters(
        dbm, layer_stats(dbm, {"v": jnp.asarray(X[0]), "h1": jnp.zeros(3)}) | {"h2": h2}, ("y",)
    )["y"]
    np.testing.assert_allclose(jnp.exp(model.log_prob(x)), dbm.labels.mean(natural)[0], atol=1e-5)
    assert classifier_from_dbm(dbm, 4, key=KEY).net.W[-1].shape == (5, 4)


def test_cross_entropy_is_minus_the_log_probability_of_the_labels_and_learns_them():
    y = (X.sum(axis=1) > 2).astype(int)
    start = Classifier(MLP([4, 16, 2], key=KEY))
    batch = {"v": jnp.asarray(X), "y": jnp.asarray(y)[:, None]}
    loss, (_, metrics) = CrossEntropy()(start, batch, KEY, None)
    log_prob = np.asarray(jax.vmap(start.log_prob)(jnp.asarray(X)))
    assert float(loss) == pytest.approx(-log_prob[np.arange(40), y].mean(), rel=1e-5)
    assert float(metrics["error"]) == pytest.approx((log_prob.argmax(axis=1) != y).mean())
    run = fit(start, from_arrays(X, labels=y), CrossEntropy(), optimizer=optax.adam(0.02), epochs=100, batch_size=20,
              key=KEY)  # fmt: skip
    assert error_rate(run.model, X, y).errors == 0


def test_the_error_rate_counts_what_classify_gets_wrong():
    model = randomised(DBM(B, [Bernoulli(3)], Categorical(1, states=3), key=KEY), 3, 1.0)
    guess = np.asarray(classify(model, X)).argmax(axis=1)
    wrong = guess.copy()
    wrong[:10] = (wrong[:10] + 1) % 3
    data = from_arrays(X, name="bits")
    found = error_rate(model, data.train, wrong)
    assert (found.errors, found.n, found.value) == (10, 40, 0.25)
    assert found.space.dataset == "bits"
    assert found.stderr == pytest.approx(np.sqrt(0.25 * 0.75 / 40))
    assert str(found).startswith("train error 25.00 %")
    assert str(error_rate(model, X, wrong)).startswith("error 25.00 %")  # of rows of which no split is known
    whole = from_arrays(X[:30], test=X[30:], labels=guess[:30], test_labels=guess[30:], name="bits")
    assert error_rate(model, whole) == error_rate(model, whole.test, whole.test_labels)
    assert str(error_rate(model, whole)).startswith("test error 0.00 % ± 0.00 % (0 of 10; bits test")


MODEL = DBM(B, [Bernoulli(3)], Categorical(1, states=3), key=KEY)
PLAIN, JX = RBM(B, Bernoulli(3), key=KEY), jnp.asarray(X)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: error_rate(MODEL, X, np.full(40, 3)), "from 0 to 2"),
        (lambda: error_rate(MODEL, X, np.zeros(3)), "labels are 3 for 40 rows"),
        (lambda: error_rate(MODEL, X, ["a"] * 40), "with codes 0, 1, 2 in place of words such as 'a'"),
        (lambda: error_rate(MODEL, X, np.eye(3)[[0] * 40]), r"labels.argmax\(axis=1\)"),
        (lambda: error_rate(MODEL, X), r"takes the labels of the rows: call hm.error_rate\(model, rows, labels\)"),
        (lambda: error_rate(MODEL, from_arrays(X)), "no test rows: pass rows and labels, such as data.train and"),
        (lambda: error_rate(MODEL, from_arrays(X, test=X)), "no labels of its test rows: pass"),
        (lambda: error_rate(MODEL, from_arrays(X, test=X), np.zeros(40)), "labels of its own: leave labels out"),
        (lambda: error_rate(MODEL, X, np.zeros(40), missing=1.0), "missing=1"),
        (lambda: error_rate(PLAIN, X, np.zeros(40)), "no layer of labels"),
        (lambda: unlabelled(PLAIN), "from a DBM, centred or not, and not from an RBM"),
        (lambda: DoubledRBM(DBM(B, [B, B], key=KEY), "h"), "one hidden layer"),
        (lambda: DoubledRBM(MODEL, "v"), "one hidden layer"),
        (lambda: classify(PLAIN, X), "no layer of labels"),
        (lambda: classify(MODEL, X[:, :3]), "4 columns"),
        (lambda: DBM(B, [B], Bernoulli(3), key=KEY), "one categorical unit"),
        (lambda: DBN(B, [B], Categorical(2, states=3), key=KEY), "one categorical unit"),
        (lambda: classifier_from_dbm(PLAIN, 3, key=KEY), "made of a DBM, not of an RBM"),
        (lambda: classifier_from_dbn(DBN(Categorical(2, states=3), [B], key=KEY), 3, key=KEY), "values, not codes"),
        (lambda: classifier_from_dbn(DBN(B, [B], key=KEY), 1, key=KEY), "at least two classes"),
        (lambda: UpDown()(PLAIN, JX, KEY, None), "UpDown trains a belief net, not an RBM"),
        (lambda: CD()(DBN(B, [B], key=KEY), JX, KEY, None), "CD trains an energy model .*, not a DBN"),
        (lambda: PCD().init(DBN(B, [B], key=KEY), KEY), "PCD trains an energy model"),
        (lambda: CrossEntropy()(PLAIN, {"v": JX}, KEY, None), "trains a classifier"),
        (lambda: MultiPrediction()(MODEL, {"v": JX}, KEY, None), "trains a multi-prediction deep"),
        (lambda: RatioMatching()(MODEL, {"v": JX}, KEY, None), "learns without labels"),
    ],
)
def test_what_does_not_fit_is_refused(ask, words):
    with pytest.raises(InputError, match=words):
        ask()


def test_a_centred_machine_makes_the_perceptron_of_the_plain_one():
    centred = randomised(Centred(DBM(B, [Bernoulli(3), Bernoulli(2)], key=KEY)), 4)
    a = classifier_from_dbm(centred, 3, key=KEY)
    assert isinstance(a.net, eqx.Module)
    assert MPDBM(B, [B], key=KEY).steps == 10
