"""Auto-regressive networks: one variable after the other, each given those before it (sections 20.10.7 to 20.10.10)."""

from harmonium.models.autoregressive.conditionals import Conditionals
from harmonium.models.autoregressive.linear import FVBN, linear_gaussian
from harmonium.models.autoregressive.masked import MADE, NeuralAutoregressive
from harmonium.models.autoregressive.nade import NADE
from harmonium.models.autoregressive.nade_k import NADEk
from harmonium.models.autoregressive.order import (
    Ordered,
    Stepwise,
    ancestral,
    check_known_first,
    check_order,
    conditional_log_prob,
)
from harmonium.models.autoregressive.orderless import Orderless, OrderlessNADE
from harmonium.models.autoregressive.rnade import RNADE

__all__ = [
    "FVBN",
    "MADE",
    "NADE",
    "RNADE",
    "Conditionals",
    "NADEk",
    "NeuralAutoregressive",
    "Ordered",
    "Orderless",
    "OrderlessNADE",
    "Stepwise",
    "ancestral",
    "check_known_first",
    "check_order",
    "conditional_log_prob",
    "linear_gaussian",
]
