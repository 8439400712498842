"""Training: one loop, its checkpoints, its folder on disk, and what may listen to it."""

from harmonium.training.best import Best
from harmonium.training.callbacks import Progress
from harmonium.training.check import check_data, check_settings
from harmonium.training.checkpoint import Checkpoints
from harmonium.training.devices import is_main
from harmonium.training.fit import fit
from harmonium.training.folder import RunFolder, describe
from harmonium.training.form import form, sizes
from harmonium.training.greedy import finished, pretrained_dbm, stack, stage_at, upper_data
from harmonium.training.log import Run

__all__ = [
    "Best",
    "Checkpoints",
    "Progress",
    "Run",
    "RunFolder",
    "check_data",
    "check_settings",
    "describe",
    "finished",
    "fit",
    "form",
    "is_main",
    "pretrained_dbm",
    "sizes",
    "stack",
    "stage_at",
    "upper_data",
]
