"""Data and the space it lives on: the only place that may change data."""

from harmonium.data.arrays import as_dataset, from_arrays
from harmonium.data.binarize import BINARIZATIONS
from harmonium.data.dataset import Dataset
from harmonium.data.examples import Examples, space_of
from harmonium.data.load import available, load
from harmonium.data.shapes import shapes
from harmonium.data.space import Space

__all__ = [
    "BINARIZATIONS",
    "Dataset",
    "Examples",
    "Space",
    "as_dataset",
    "available",
    "from_arrays",
    "load",
    "shapes",
    "space_of",
]
