"""Estimators for scikit-learn: `fit`, `transform`, `score_samples` and what a generative model adds to them.

>>> import numpy as np
>>> from harmonium.sklearn import BernoulliRBM
>>> BernoulliRBM(n_components=2, random_state=0).fit(np.eye(4)).sample(3, steps=10).shape
(3, 4)
"""

from harmonium.sklearn.bernoulli_rbm import BernoulliRBM

__all__ = ["BernoulliRBM"]
