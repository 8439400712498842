"""Every law of the conformance suite, for every model of `examples.py`."""

from __future__ import annotations

import pytest

from examples import EXAMPLES
from harmonium.testing import checks_for

CHECKS = {name: checks_for(model) for name, model in EXAMPLES.items()}
ROWS = [(name, check) for name, checks in CHECKS.items() for check in checks]


@pytest.mark.parametrize(("name", "check"), ROWS, ids=[f"{name}:{check}" for name, check in ROWS])
def test_law_holds(name, check):
    CHECKS[name][check]()
