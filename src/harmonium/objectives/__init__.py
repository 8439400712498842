"""Learning rules: `objective(model, batch, key, memory) -> (loss, (memory, metrics))`."""

from harmonium.objectives.contrastive import CD, PCD, contrast
from harmonium.objectives.objective import Memory, Metrics, Objective, StepMemory
from harmonium.objectives.pseudo import PseudoLikelihood

__all__ = ["CD", "PCD", "Memory", "Metrics", "Objective", "PseudoLikelihood", "StepMemory", "contrast"]
