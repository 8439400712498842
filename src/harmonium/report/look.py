"""How values are drawn: colours of numbers, and rows as pictures."""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib
import numpy as np

MISSING = (244, 162, 89)  # the colour of a missing value


@dataclass(frozen=True)
class Look:
    """How values are drawn: from `low` to `high` by a colour map; rows are pictures of a `shape`, or None."""

    low: float
    high: float
    colours: str
    shape: tuple[int, ...] | None

    def rgb(self, values: np.ndarray) -> np.ndarray:
        """Values `[...]` as colours `[..., 3]`, 8 bits each; NaN in the colour of what is missing."""
        values = np.asarray(values, np.float64)
        unit = np.clip((values - self.low) / (self.high - self.low), 0, 1)
        drawn = matplotlib.colormaps[self.colours](np.nan_to_num(unit), bytes=True)[..., :3]
        return np.where(np.isnan(values)[..., None], np.uint8(MISSING), drawn)

    def pictures(self, rows: np.ndarray) -> np.ndarray:
        """Rows `[..., size]` as pictures `[..., height, width, 3]`."""
        height, width, *channels = self.shape
        if channels == [3]:
            x = np.asarray(rows, np.float64).reshape(*rows.shape[:-1], height, width, 3)
            scaled = 255 * np.clip((x - self.low) / (self.high - self.low), 0, 1)
            return np.where(np.isnan(x), np.float64(MISSING), scaled).astype(np.uint8)
        planes = rows.reshape(*rows.shape[:-1], height, width, *channels)
        return self.rgb(planes if not channels else _side_by_side(planes))


def _side_by_side(planes: np.ndarray) -> np.ndarray:
    """Pictures `[..., height, width, channels]` with their channels one beside the other."""
    parts = [planes[..., i] for i in range(planes.shape[-1])]
    return np.concatenate(parts, axis=-1)
