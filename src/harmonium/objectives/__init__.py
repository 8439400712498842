"""Learning rules: `objective(model, batch, key, memory) -> (loss, (memory, metrics))`."""

from harmonium.objectives.contrastive import CD, PCD, contrast
from harmonium.objectives.cross_entropy import CrossEntropy
from harmonium.objectives.likelihood import MaximumLikelihood
from harmonium.objectives.mirrored import Mirrored
from harmonium.objectives.multi_prediction import MultiPrediction
from harmonium.objectives.noise_contrastive import NCE, marginal_noise, noise_contrast
from harmonium.objectives.objective import Batch, Memory, Metrics, Objective, States, StepMemory
from harmonium.objectives.pseudo import PseudoLikelihood
from harmonium.objectives.ratio import RatioMatching
from harmonium.objectives.score import DenoisingScoreMatching, ScoreMatching
from harmonium.objectives.up_down import UpDown

__all__ = [
    "CD",
    "NCE",
    "PCD",
    "Batch",
    "CrossEntropy",
    "DenoisingScoreMatching",
    "MaximumLikelihood",
    "Memory",
    "Metrics",
    "Mirrored",
    "MultiPrediction",
    "Objective",
    "PseudoLikelihood",
    "RatioMatching",
    "ScoreMatching",
    "States",
    "StepMemory",
    "UpDown",
    "contrast",
    "marginal_noise",
    "noise_contrast",
]
