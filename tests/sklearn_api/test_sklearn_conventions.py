"""What scikit-learn asks of an estimator: its checks, signatures, pipelines, pickles, sparse rows."""

from __future__ import annotations

import inspect
import io
import pickle

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import BernoulliRBM as Theirs
from sklearn.pipeline import Pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from harmonium.errors import InputError, NonFiniteLossError
from harmonium.sklearn import BernoulliRBM

FITTED = ("components_", "intercept_hidden_", "intercept_visible_", "h_samples_")
SIX = ("n_components", "learning_rate", "batch_size", "n_iter", "verbose", "random_state")

X = (np.random.default_rng(0).random((40, 12)) < 0.4).astype(np.float64)


def small(**changes):
    return BernoulliRBM(**{"n_components": 4, "n_iter": 2, "random_state": 0, **changes})


@pytest.mark.filterwarnings("ignore:BernoulliRBM takes values as probabilities:UserWarning")
@parametrize_with_checks([small()])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_signature_is_scikit_learns():
    ours, theirs = (inspect.signature(cls.__init__).parameters for cls in (BernoulliRBM, Theirs))
    assert tuple(ours)[1:7] == tuple(theirs)[1:] == SIX
    assert [(p.default, p.kind) for p in list(ours.values())[1:7]] == [
        (p.default, p.kind) for p in list(theirs.values())[1:]
    ]
    public = {name for name in vars(Theirs) if not name.startswith("_")}
    assert public <= set(dir(BernoulliRBM))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_starts_where_scikit_learn_starts(dtype):
    ours, theirs = (cls(3, n_iter=0, random_state=7).fit(X.astype(dtype)) for cls in (BernoulliRBM, Theirs))
    for name in FITTED:
        a, b = getattr(ours, name), getattr(theirs, name)
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_array_equal(a, b)


def test_pipeline_and_grid_search():
    y = X[:, :6].sum(axis=1) > X[:, 6:].sum(axis=1)
    pipe = Pipeline([("rbm", small()), ("classify", LogisticRegression())])
    grid = {"rbm__learning_rate": [0.05, 0.1], "classify__C": [1.0, 10.0]}
    search = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(X, y)
    assert search.best_params_["rbm__learning_rate"] in (0.05, 0.1)
    assert search.predict(X).shape == (40,)


def test_clone_has_parameters_and_nothing_learned():
    copy = clone(small(gibbs_steps=2).fit(X))
    assert copy.get_params() == small(gibbs_steps=2).get_params()
    with pytest.raises(NotFittedError):
        _ = copy.model_
    with pytest.raises(NotFittedError):
        copy.sample()


def test_names_of_outputs():
    assert list(small().fit(X).get_feature_names_out()) == [f"bernoullirbm{i}" for i in range(4)]


def pickled(model):
    return pickle.loads(pickle.dumps(model))


def dumped(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


@pytest.mark.parametrize("copied", [pickled, dumped])
def test_pickle_goes_on_where_the_original_does(copied):
    model = small().fit(X)
    other = copied(model)
    assert all(type(getattr(other, name)) is np.ndarray for name in FITTED)
    np.testing.assert_array_equal(other.transform(X), model.transform(X))
    np.testing.assert_array_equal(other.gibbs(X), model.gibbs(X))
    for name in FITTED:
        np.testing.assert_array_equal(
            getattr(other.partial_fit(X[:10]), name), getattr(model.partial_fit(X[:10]), name)
        )


@pytest.mark.parametrize("sparse", [sp.csr_matrix, sp.csr_array, sp.csc_array])
def test_sparse_rows_give_what_dense_rows_give(sparse):
    dense, other = small().fit(X), small().fit(sparse(X))
    for name in FITTED:
        np.testing.assert_array_equal(getattr(other, name), getattr(dense, name))
    rows = sparse(X)
    np.testing.assert_allclose(other.transform(rows), dense.transform(X), rtol=1e-12)
    for sites in (1, 3, None):
        scores = (model.score_samples(x, sites=sites) for model, x in ((other, rows), (dense, X)))
        np.testing.assert_allclose(*scores, rtol=1e-12)
    np.testing.assert_array_equal(other.gibbs(rows), dense.gibbs(X))
    assert other.log_likelihood(rows).value == dense.log_likelihood(X).value


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_keep_their_precision(dtype):
    model = small().fit(X.astype(dtype))
    assert {getattr(model, name).dtype for name in FITTED} == {np.dtype(dtype)}
    assert model.transform(X.astype(np.float32)).dtype == np.float32
    assert model.transform(X).dtype == np.float64
    assert model.sample(2, steps=5).dtype == dtype


def test_values_outside_the_unit_interval_are_named_once():
    with pytest.warns(UserWarning, match=r"run from -1 to 3: scale them .*MinMaxScaler") as caught:
        model = small().fit(4 * X - 1)
    assert [warning.filename for warning in caught] == [__file__]
    assert np.isfinite(model.transform(4 * X - 1)).all()
    small().fit(X * 0.3)  # probabilities: no warning


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_that_are_not_finite_are_refused(bad):
    rows = X.copy()
    rows[3, 4] = bad
    for method in (small().fit, small().partial_fit, small().fit(X).transform, small().fit(X).score_samples):
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            method(rows)


@pytest.mark.parametrize(
    ("name", "value"),
    [("n_components", 0), ("batch_size", 0), ("n_iter", -1), ("gibbs_steps", 0), ("n_components", 2.5),
     ("learning_rate", 0.0), ("learning_rate", np.inf), ("learning_rate", "fast")],
)  # fmt: skip
def test_parameters_out_of_range_are_refused(name, value):
    with pytest.raises(InputError, match=f"{name}={value!r}"):
        small(**{name: value}).fit(X)


def test_divergence_is_an_error_and_leaves_the_attributes():
    model = small().fit(X)
    before = {name: getattr(model, name).copy() for name in FITTED}
    with pytest.raises(NonFiniteLossError, match=r"scale them .* smaller rate"):
        model.set_params(learning_rate=1e38).partial_fit(1e3 * X)
    for name in FITTED:
        np.testing.assert_array_equal(getattr(model, name), before[name])


def test_verbose_prints_a_line_per_pass_and_changes_nothing(capsys):
    loud, quiet = small(verbose=1).fit(X), small().fit(X)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "[BernoulliRBM] Iteration 1",
        "[BernoulliRBM] Iteration 2",
    ]
    assert all("pseudo-likelihood = -" in line and line.endswith("s") for line in lines)
    np.testing.assert_array_equal(loud.components_, quiet.components_)
