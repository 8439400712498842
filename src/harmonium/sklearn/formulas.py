"""The closed forms of the binary RBM in NumPy, for rows that may be sparse, in the rows' own precision.

Training and sampling are compiled; what an estimator does with some rows is not worth a compilation for each
new number of rows. The tests hold these forms to those derived from the energy (`harmonium.inference`).
Shapes: rows `v` `[n, d]`, dense or CSR; weights `W` `[hidden, d]`, as scikit-learn stores them; biases `b`
`[d]` and `c` `[hidden]`.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.special import expit

Rows = np.ndarray | sp.csr_matrix | sp.csr_array


def hidden_means(v: Rows, W: np.ndarray, c: np.ndarray) -> np.ndarray:
    """`p(h_j = 1 | v) = sigmoid(c_j + W_j v)` `[n, hidden]`, in the dtype of the rows."""
    return expit(v @ W.T.astype(v.dtype, copy=False) + c.astype(v.dtype, copy=False))


def visible_means(h: np.ndarray, W: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`p(v_i = 1 | h) = sigmoid(b_i + h W_i)` `[n, d]`, in the dtype of `h`."""
    return expit(h @ W.astype(h.dtype, copy=False) + b.astype(h.dtype, copy=False))


def log_odds(v: Rows) -> np.ndarray:
    """`log(m / (1 - m))` of each column's mean `m` `[d]`, with one row of even chances added to the rows, as
    `hm.at_marginals` does; means outside of [0, 1] are taken as its ends."""
    n = v.shape[0]
    mean = np.clip(np.asarray(v.sum(axis=0), np.float64).ravel() / n, 0, 1)
    smooth = (n * mean + 0.5) / (n + 1)
    return np.log(smooth) - np.log1p(-smooth)


def log_pseudo_likelihood(v: Rows, W: np.ndarray, b: np.ndarray, c: np.ndarray, sites: np.ndarray) -> np.ndarray:
    """Log pseudo-likelihood of each row `[n]` by `k` units of each, scaled up without bias, in nats.

        -(d / k) sum_{i in sites} log(1 + exp(F(v) - F(v with v_i flipped)))      # (Besag 1975; section 18.3)

    Arguments: `sites`, the units `[n, k]` to flip.
    """
    rows = np.arange(v.shape[0])
    eta = v @ W.T + c
    here = np.logaddexp(0, eta).sum(axis=1)
    total = np.zeros(len(rows))
    for i in sites.T:
        turn = 1 - 2 * np.asarray(v[rows, i]).ravel()
        there = np.logaddexp(0, eta + turn[:, None] * W.T[i]).sum(axis=1)
        total -= np.logaddexp(0, turn * b[i] + there - here)
    return v.shape[1] / sites.shape[1] * total


def choose_sites(v: Rows, count: int, rng: np.random.RandomState) -> np.ndarray:
    """`count` different units of each row `[n, count]`, each uniform over `rng`, and a function of the row
    alone.

    A row's score must not depend on the rows beside it. So the first unit is a multilinear hash of the row
    (strongly universal: Lemire & Kaser 2014), and the others lie at offsets from it that all rows share.
    """
    d = v.shape[1]
    weights = rng.randint(0, np.iinfo(np.uint64).max, d + 1, dtype=np.uint64)
    hashed = (_words(v) @ weights[1:] + weights[0]) >> np.uint64(32)
    first = (hashed * np.uint64(d)) >> np.uint64(32)
    offsets = np.append(0, 1 + rng.permutation(d - 1)[: count - 1])
    return (first.astype(np.int64)[:, None] + offsets) % d


def _words(v: Rows) -> Rows:
    """The bits of the values as float32, in 64-bit integers; both zeros are 0."""
    if sp.issparse(v):
        return sp.csr_array((_words(v.data), v.indices, v.indptr), shape=v.shape)
    return (np.ascontiguousarray(v, np.float32) + np.float32(0)).view(np.uint32).astype(np.uint64)
