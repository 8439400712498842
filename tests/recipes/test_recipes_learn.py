"""At its defaults a recipe learns something of the digits: its number exceeds that of independent units by a margin.

Measured at their defaults, beside -27.35 of independent units: rbm -23.7, boltzmann -23.8, dbm -24.2, dbn -24.2, nade
-23.3, made -23.5, fvbn -23.8, neural -23.6. The cheap ones are held to it here.
"""

from __future__ import annotations

import pytest

from harmonium.evaluation import standing
from harmonium.recipes import recipe

MARGIN = 2.0  # nats an example


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rbm", "fvbn"])
def test_the_defaults_learn_something(name):
    options = {"temperatures": 300} if name == "rbm" else {}  # of the estimate alone
    run = recipe(name)(**options)
    low = run.estimate.ends[0]
    assert low > run.baseline.value + MARGIN
    assert standing(run.estimate, run.baseline).better
