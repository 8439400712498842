"""Data and the space it lives on: the only place that may change data."""

from harmonium.data.affine import at_model_scale, in_own_units
from harmonium.data.arrays import as_dataset, from_arrays
from harmonium.data.binarize import BINARIZATIONS
from harmonium.data.dataset import Dataset
from harmonium.data.examples import Examples, space_of
from harmonium.data.load import available, load
from harmonium.data.shapes import shapes
from harmonium.data.space import Space
from harmonium.data.whole import Whole, rounded, whole_columns

__all__ = [
    "BINARIZATIONS",
    "Dataset",
    "Examples",
    "Space",
    "Whole",
    "as_dataset",
    "at_model_scale",
    "available",
    "from_arrays",
    "in_own_units",
    "load",
    "rounded",
    "shapes",
    "space_of",
    "whole_columns",
]
