"""Learning rules: `objective(model, batch, key, memory) -> (loss, (memory, metrics))`."""

from harmonium.objectives.bounds import ELBO, IWAE
from harmonium.objectives.contrastive import CD, PCD, contrast
from harmonium.objectives.cross_entropy import CrossEntropy
from harmonium.objectives.fast_weights import FPCD
from harmonium.objectives.likelihood import MaximumLikelihood
from harmonium.objectives.max_norm import MaxNorm
from harmonium.objectives.mirrored import DoubledInput
from harmonium.objectives.multi_prediction import MultiPrediction
from harmonium.objectives.noise_contrastive import NCE, marginal_noise, noise_contrast
from harmonium.objectives.objective import Batch, Memory, Metrics, Objective, States, StepMemory
from harmonium.objectives.order_agnostic import OrderAgnostic
from harmonium.objectives.pseudo import PseudoLikelihood
from harmonium.objectives.ratio import RatioMatching
from harmonium.objectives.reinforce import NVIL, REINFORCE, VIMCO
from harmonium.objectives.score import DenoisingScoreMatching, ScoreMatching
from harmonium.objectives.sparse import Sparse
from harmonium.objectives.supervised import Supervised
from harmonium.objectives.tempered import TemperedPCD
from harmonium.objectives.trajectory import TrajectoryPCD
from harmonium.objectives.up_down import UpDown
from harmonium.objectives.variational import Variational
from harmonium.objectives.wake_sleep import Bidirectional, ReweightedWakeSleep, WakeSleep

__all__ = [
    "CD",
    "ELBO",
    "FPCD",
    "IWAE",
    "NCE",
    "NVIL",
    "PCD",
    "REINFORCE",
    "VIMCO",
    "Batch",
    "Bidirectional",
    "CrossEntropy",
    "DenoisingScoreMatching",
    "DoubledInput",
    "MaxNorm",
    "MaximumLikelihood",
    "Memory",
    "Metrics",
    "MultiPrediction",
    "Objective",
    "OrderAgnostic",
    "PseudoLikelihood",
    "RatioMatching",
    "ReweightedWakeSleep",
    "ScoreMatching",
    "Sparse",
    "States",
    "StepMemory",
    "Supervised",
    "TemperedPCD",
    "TrajectoryPCD",
    "UpDown",
    "Variational",
    "WakeSleep",
    "contrast",
    "marginal_noise",
    "noise_contrast",
]
