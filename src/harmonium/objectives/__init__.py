"""Learning rules: `objective(model, batch, key, memory) -> (loss, (memory, metrics))`."""

from harmonium.objectives.contrastive import CD, PCD, contrast
from harmonium.objectives.cross_entropy import CrossEntropy
from harmonium.objectives.multi_prediction import MultiPrediction
from harmonium.objectives.objective import Batch, Memory, Metrics, Objective, StepMemory
from harmonium.objectives.pseudo import PseudoLikelihood
from harmonium.objectives.up_down import UpDown

__all__ = [
    "CD",
    "PCD",
    "Batch",
    "CrossEntropy",
    "Memory",
    "Metrics",
    "MultiPrediction",
    "Objective",
    "PseudoLikelihood",
    "StepMemory",
    "UpDown",
    "contrast",
]
