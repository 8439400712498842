"""Auto-regressive networks: one variable after the other, each given those before it (sections 20.10.7 to 20.10.10)."""

from harmonium.models.autoregressive.conditionals import Conditionals
from harmonium.models.autoregressive.linear import FVBN, linear_gaussian
from harmonium.models.autoregressive.masked import MADE, NeuralAutoregressive
from harmonium.models.autoregressive.nade import NADE
from harmonium.models.autoregressive.order import Stepwise, ancestral, check_order
from harmonium.models.autoregressive.rnade import RNADE

__all__ = [
    "FVBN",
    "MADE",
    "NADE",
    "RNADE",
    "Conditionals",
    "NeuralAutoregressive",
    "Stepwise",
    "ancestral",
    "check_order",
    "linear_gaussian",
]
