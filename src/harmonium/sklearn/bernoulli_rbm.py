"""`harmonium.sklearn.BernoulliRBM`: scikit-learn's estimator of that name, with samples and likelihoods."""

from __future__ import annotations

import time
from numbers import Integral, Real
from typing import Any, Self

import jax
import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from harmonium.data.examples import Examples
from harmonium.errors import InputError, NonFiniteLossError, warn
from harmonium.evaluation import Estimate, log_likelihood
from harmonium.models import RBM
from harmonium.samplers import sample
from harmonium.sklearn import formulas
from harmonium.sklearn.learning import dense, epoch_batches, rbm_of, train

FLOATS = (np.float64, np.float32)
START_SCALE = 0.01  # standard deviation of the first weights (Hinton 2012, section 8), as scikit-learn's


class BernoulliRBM(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A binary RBM trained by persistent contrastive divergence: scikit-learn's estimator, and generative.

        p(v, h) proportional to exp(b^T v + c^T h + h^T W v)                        # (20.4), (20.5)

    (Tieleman 2008; book, sections 18.2 and 20.2.) Values in [0, 1] are taken as probabilities of a 1; others
    are admitted, as by scikit-learn, but with a warning.

    Arguments: `n_components`, hidden units; `learning_rate`, the constant step of gradient ascent;
    `batch_size`, rows per step and number of chains; `n_iter`, passes over the rows; `verbose`, whether to
    print a line per pass; `random_state`, a seed, a `RandomState` or None; `gibbs_steps`, sweeps of the
    chains per step; `init`, where the visible biases begin: at "zeros", as scikit-learn's do, or at the "marginals" of
    the rows, from which training goes much further where ones are rarer than zeros.
    Attributes: `components_` `[n_components, n_features]`, the weights; `intercept_hidden_` and
    `intercept_visible_`, the biases; `h_samples_` `[batch_size, n_components]`, the chains; `model_`, the
    `hm.RBM`; `n_features_in_`, `feature_names_in_`; `random_state_`, with which training, `gibbs` and
    `sample` draw.

    >>> import numpy as np
    >>> BernoulliRBM(n_components=2, random_state=0).fit(np.eye(4)).transform(np.eye(4)).shape
    (4, 2)
    """

    def __init__(
        self,
        n_components: int = 256,
        *,
        learning_rate: float = 0.1,
        batch_size: int = 10,
        n_iter: int = 10,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
        gibbs_steps: int = 1,
        init: str = "zeros",
    ) -> None:
        self.n_components = n_components
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.verbose = verbose
        self.random_state = random_state
        self.gibbs_steps = gibbs_steps
        self.init = init

    # ---- training ------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train anew on rows `X` `[n_samples, n_features]`, dense or sparse; `y` is not used.

        A batch is all rows where there are fewer than `batch_size`. Raises `ValueError` for rows that are not
        finite numbers or parameters out of range, and `NonFiniteLossError`, with the attributes as they were
        before, where training diverges.

        >>> BernoulliRBM(n_components=2, n_iter=1, random_state=0).fit(np.eye(4)).components_.shape
        (2, 4)
        """
        self._check_parameters()
        X = validate_data(self, X, accept_sparse="csr", dtype=FLOATS)
        self._start(X)
        size = min(self.batch_size, X.shape[0])
        seed = _seed(self.random_state_)
        for iteration in range(self.n_iter):
            clock = time.perf_counter()
            for rows in epoch_batches(X, size, seed, iteration):
                self._advance(rows)
            if self.verbose:
                self._print(iteration + 1, X, seed, time.perf_counter() - clock)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """One step with the rows `X` `[n, n_features]` as its batch, from where parameters and chains are.

        Raises `ValueError` as `fit` does.

        >>> BernoulliRBM(n_components=2, random_state=0).partial_fit(np.eye(4)).h_samples_.shape
        (10, 2)
        """
        self._check_parameters()
        first = not self.__sklearn_is_fitted__()
        X = validate_data(self, X, accept_sparse="csr", dtype=FLOATS, reset=first)
        if first:
            self._start(X)
        self._advance(dense(X)[None])
        return self

    def _start(self, X: formulas.Rows) -> None:
        """Small random weights, visible biases where `init` says, and chains at zero, in the dtype of the rows."""
        _warn_outside(X)
        self.random_state_ = check_random_state(self.random_state)
        shape = (self.n_components, X.shape[1])
        self.components_ = self.random_state_.normal(0, START_SCALE, shape).astype(X.dtype)
        self.intercept_hidden_ = np.zeros(self.n_components, X.dtype)
        marginal = formulas.log_odds(X) if self.init == "marginals" else np.zeros(X.shape[1])
        self.intercept_visible_ = marginal.astype(X.dtype)
        self.h_samples_ = np.zeros((self.batch_size, self.n_components), X.dtype)

    def _advance(self, rows: np.ndarray) -> None:
        """A step for each batch of `rows` `[steps, batch, d]`; the attributes are the whole state."""
        key = jax.random.key(_seed(self.random_state_))
        chains = np.asarray(self.h_samples_, np.float32)
        rate = np.float32(self.learning_rate)
        rbm, chains, losses = train(self.model_, chains, rows, key, rate, self.gibbs_steps)
        if not all(np.isfinite(x).all() for x in (losses, rbm.W, rbm.b, rbm.c)):
            raise NonFiniteLossError(
                f"Training left the numbers at learning_rate={self.learning_rate}, with rows from "
                f"{rows.min():g} to {rows.max():g}: scale them to [0, 1] or try a smaller rate."
            )
        dtype = self.components_.dtype
        self.components_ = np.array(rbm.W, dtype).T
        self.intercept_visible_ = np.array(rbm.b, dtype)
        self.intercept_hidden_ = np.array(rbm.c, dtype)
        self.h_samples_ = np.array(chains, dtype)

    def _print(self, iteration: int, X: formulas.Rows, seed: int, seconds: float) -> None:
        score = self._log_pseudo_likelihood(X, 1, np.random.RandomState(seed)).mean()
        print(f"[{type(self).__name__}] Iteration {iteration}, pseudo-likelihood = {score:.2f}, time = {seconds:.2f}s")

    def _check_parameters(self) -> None:
        for name, least in {"n_components": 1, "batch_size": 1, "n_iter": 0, "gibbs_steps": 1}.items():
            value = getattr(self, name)
            if not isinstance(value, Integral) or value < least:
                raise InputError(f"{name}={value!r} is not possible: give a whole number, at least {least}.")
        if not isinstance(self.learning_rate, Real) or not 0 < self.learning_rate < np.inf:
            raise InputError(f"learning_rate={self.learning_rate!r} is not possible: give a positive number.")
        if self.init not in ("zeros", "marginals"):
            raise InputError(f"init={self.init!r} is not possible: choose 'zeros' or 'marginals'.")

    # ---- features and scores -------------------------------------------------------------------------------

    def transform(self, X: Any) -> np.ndarray:
        """Expected hidden units of rows `X` `[n, n_features]`, `p(h = 1 | v)` `[n, n_components]` (20.7).

        Raises `ValueError` for rows of another width or not finite, `NotFittedError` before training.
        """
        X = self._rows(X, FLOATS)
        return formulas.hidden_means(X, self.components_, self.intercept_hidden_)

    def inverse_transform(self, H: Any) -> np.ndarray:
        """Expected visible units of hidden ones `H` `[n, n_components]`: `p(v = 1 | h)` `[n, n_features]`.

        Values between 0 and 1 are taken as mean hidden units, such as those of `transform`. Raises
        `ValueError` for values of another width or not finite.
        """
        check_is_fitted(self)
        H = check_array(H, dtype=FLOATS)
        hidden = len(self.components_)
        if H.shape[1] != hidden:
            raise InputError(f"There are {hidden} hidden units, but H has {H.shape[1]} columns.")
        return formulas.visible_means(H, self.components_, self.intercept_visible_)

    def score_samples(self, X: Any, *, sites: int | None = 1) -> np.ndarray:
        """Log pseudo-likelihood of each binary row of `X` `[n, n_features]`, in nats `[n]`.

            log PL(v) = sum_i log p(v_i | v_-i)                           # (Besag 1975; section 18.3)

        Arguments: `sites`, how many of the units to visit, scaled up without bias (None: all, exactly); which
        ones follows from `random_state` and the row itself, so that no score depends on other rows. Raises
        `ValueError` for rows of another width or not finite, or fewer than one site.
        """
        X = self._rows(X, np.float64)
        return self._log_pseudo_likelihood(X, sites, check_random_state(self.random_state))

    def log_likelihood(self, X: Any, **options: Any) -> Estimate:
        """Mean log-likelihood of binary rows `X` `[n, n_features]` per example, in nats: `hm.log_likelihood`.

        Exact for small models, an interval otherwise. There is no `score`, since scikit-learn asks that of any rows:
        for a grid search, give `scoring=lambda model, X, y=None: model.log_likelihood(X).value`. Arguments: `options`,
        those of `hm.log_likelihood`; where no `key` is given, it follows from `random_state`. Raises `InputError` for
        values other than 0 and 1.
        """
        rows = dense(self._rows(X, FLOATS))
        if isinstance(X, Examples):
            rows = X  # with the space that was declared for them
        key = jax.random.key(_seed(check_random_state(self.random_state)))
        return log_likelihood(self.model_, rows, **{"key": key, **options})

    def _log_pseudo_likelihood(self, X: formulas.Rows, sites: int | None, rng: np.random.RandomState) -> np.ndarray:
        d = X.shape[1]
        if sites is not None and sites < 1:
            raise InputError(f"sites={sites} is not possible: visit at least one unit, or None for all.")
        chosen = formulas.choose_sites(X, d if sites is None else min(sites, d), rng)
        parameters = (self.components_, self.intercept_visible_, self.intercept_hidden_)
        return formulas.log_pseudo_likelihood(X, *parameters, chosen)

    # ---- samples -------------------------------------------------------------------------------------------

    def gibbs(self, v: Any) -> np.ndarray:
        """One sweep of Gibbs sampling from rows `v` `[n, n_features]`: `h ~ p(h | v)`, then `v ~ p(v | h)`.

        Returns booleans `[n, n_features]`, as scikit-learn does. Raises `ValueError` as `transform` does.
        """
        v = self._rows(v, FLOATS)
        h = self._draw(formulas.hidden_means(v, self.components_, self.intercept_hidden_)).astype(v.dtype)
        return self._draw(formulas.visible_means(h, self.components_, self.intercept_visible_))

    def sample(
        self,
        n_samples: int = 1,
        *,
        steps: int = 1000,
        random_state: int | np.random.RandomState | None = None,
    ) -> np.ndarray:
        """Rows of zeros and ones `[n_samples, n_features]` from as many independent chains: `hm.sample`.

        Arguments: `steps`, Gibbs sweeps of each chain from a random state; `random_state` (None: the draws go
        on from those of training). Raises `InputError` for fewer than one sample or step.
        """
        check_is_fitted(self)
        rng = self.random_state_ if random_state is None else check_random_state(random_state)
        drawn = sample(self.model_, jax.random.key(_seed(rng)), n_samples, steps=steps)
        return np.asarray(drawn, self.components_.dtype)

    def _draw(self, p: np.ndarray) -> np.ndarray:
        return self.random_state_.uniform(size=p.shape) < p

    # ---- what scikit-learn asks ----------------------------------------------------------------------------

    @property
    def model_(self) -> RBM:
        """The trained `hm.RBM`, made of the attributes as they are now."""
        check_is_fitted(self)
        return rbm_of(self.components_, self.intercept_visible_, self.intercept_hidden_)

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)

    def _rows(self, X: Any, dtype: Any) -> formulas.Rows:
        check_is_fitted(self)
        return validate_data(self, X, accept_sparse="csr", reset=False, dtype=dtype)

    def __sklearn_is_fitted__(self) -> bool:
        return "components_" in vars(self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _seed(rng: np.random.RandomState) -> int:
    return int(rng.randint(2**31))


def _warn_outside(X: formulas.Rows) -> None:
    lowest, highest = X.min(), X.max()
    if lowest < 0 or highest > 1:
        warn(
            f"BernoulliRBM takes values as probabilities in [0, 1], but these run from {lowest:g} to "
            f"{highest:g}: scale them first, for example with sklearn.preprocessing.MinMaxScaler.",
        )
