"""Units: one exponential family a file. A layer of a model is made of one of them."""

from harmonium.units.bernoulli import Bernoulli
from harmonium.units.binomial import Binomial
from harmonium.units.categorical import Categorical
from harmonium.units.columns import Columns, kinds_of, parts_of, real_columns
from harmonium.units.conditional import Conditional
from harmonium.units.continuous_bernoulli import ContinuousBernoulli
from harmonium.units.counts import CountStats
from harmonium.units.factored import Factored, FactoredStats
from harmonium.units.frames import Frames
from harmonium.units.gamma import Gamma, GammaBias, GammaStats
from harmonium.units.gaussian import Gaussian, GaussianBias, GaussianStats
from harmonium.units.log_scale import limited
from harmonium.units.poisson import Poisson
from harmonium.units.rectified import DoubleRectified, DoubleStats, Rectified
from harmonium.units.spike_slab import SpikeSlab, SpikeSlabBias, SpikeSlabStats
from harmonium.units.spin import Spin
from harmonium.units.unit import Stats, Unit, inner
from harmonium.units.words import Words

__all__ = [
    "Bernoulli",
    "Binomial",
    "Categorical",
    "Columns",
    "Conditional",
    "ContinuousBernoulli",
    "CountStats",
    "DoubleRectified",
    "DoubleStats",
    "Factored",
    "FactoredStats",
    "Frames",
    "Gamma",
    "GammaBias",
    "GammaStats",
    "Gaussian",
    "GaussianBias",
    "GaussianStats",
    "Poisson",
    "Rectified",
    "SpikeSlab",
    "SpikeSlabBias",
    "SpikeSlabStats",
    "Spin",
    "Stats",
    "Unit",
    "Words",
    "inner",
    "kinds_of",
    "limited",
    "parts_of",
    "real_columns",
]
