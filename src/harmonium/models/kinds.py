"""The kinds of models there are: what a class of your own names as its `model_kind`.

| kind | its likelihood | methods |
|---|---|---|
| `ENERGY` | needs log Z | `EnergyModel`; known by them, so that no name is needed |
| `MULTI_PREDICTION` | an energy kind, whose mean field is as trained | `EnergyModel` |
| `TRACTABLE` | exact | `TractableModel` |
| `ORDERED`, `ORDERLESS` | exact; tractable kinds | `OrderedModel`, `OrderlessModel` |
| `INVERTIBLE` | exact; a tractable kind | `Invertible` |
| `LATENT` | bounded | `LatentModel` |
| `BELIEF_NET` | bounded, with the log Z of its top machine | `BeliefNet` |
| `BIDIRECTIONAL` | bounded | `Bidirectional` |
| `CLASSIFIER` | of classes | `ClassifierModel` |
| `CONDITIONAL` | of values given a code | `ConditionalModel` |
| `CONDITIONAL_ENERGY` | needs log Z of each context | `ConditionalEnergyModel` |
"""

from harmonium.models.autoregressive.order import ORDERED, ORDERLESS
from harmonium.models.boltzmann.given import CONDITIONAL_ENERGY
from harmonium.models.boltzmann.mp_dbm import MULTI_PREDICTION
from harmonium.models.directed.bihm import BIDIRECTIONAL
from harmonium.models.directed.classifier import CLASSIFIER
from harmonium.models.directed.conditional_output import CONDITIONAL
from harmonium.models.directed.generators import INVERTIBLE
from harmonium.models.directed.latent import LATENT
from harmonium.models.directed.link import BELIEF_NET
from harmonium.models.energy import ENERGY
from harmonium.models.kind import KINDS, Kind, is_kind, kind_of, require_kind, require_sound
from harmonium.models.tractable import TRACTABLE

__all__ = [
    "BELIEF_NET",
    "BIDIRECTIONAL",
    "CLASSIFIER",
    "CONDITIONAL",
    "CONDITIONAL_ENERGY",
    "ENERGY",
    "INVERTIBLE",
    "KINDS",
    "LATENT",
    "MULTI_PREDICTION",
    "ORDERED",
    "ORDERLESS",
    "TRACTABLE",
    "Kind",
    "is_kind",
    "kind_of",
    "require_kind",
    "require_sound",
]
