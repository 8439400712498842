"""The picture of the estimators: a line for each, its bias, its variance and its cost as bars side by side."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from harmonium.recipes.published.page import Row

INK, SOFT, RULE, BLUE, ORANGE = "#20242a", "#6a727d", "#d5d9df", "#1f5a94", "#d9772b"
LINE, HEAD = 0.25, 0.85  # inches: of one estimator, and of what is above and below them


def drawn(rows: list[Row]) -> bytes:
    """An SVG of rows with the numbers `bias`, `stderr`, `variance`, `cost` and `biased`.

    >>> row = Row("exact", (), {"bias": 0.0, "stderr": 0.0, "variance": 0.0, "cost": 1.0, "biased": 0.0}, 0.0)
    >>> drawn([row]).startswith(b"<?xml")
    True
    """
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "harmonium"}):  # the same picture from the same numbers
        figure_of(rows).savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def figure_of(rows: list[Row]) -> Figure:
    """Three charts side by side, of bias, variance and cost; biased estimators are orange.

    >>> row = Row("exact", (), {"bias": 0.0, "stderr": 0.0, "variance": 0.0, "cost": 1.0, "biased": 0.0}, 0.0)
    >>> len(figure_of([row]).axes)
    3
    """
    values = {name: np.array([row.numbers[name] for row in rows]) for name in rows[0].numbers}
    figure = Figure((8.4, HEAD + LINE * len(rows)), layout="constrained")
    axes = figure.subplots(1, 3, sharey=True, width_ratios=(1, 1, 1))
    colours = [ORANGE if biased else BLUE for biased in values["biased"]]
    y, noise = np.arange(len(rows)), values["stderr"]
    _bars(axes[0], values["bias"], colours, "bias, relative norm (tick: noise alone)", log=True, beside=noise)
    axes[0].plot(noise[noise > 0], y[noise > 0], "|", color=INK, markersize=10, markeredgewidth=1.4)
    _bars(axes[1], values["variance"], colours, "variance, relative to squared norm", log=True)
    _bars(axes[2], values["cost"], colours, "cost, REINFORCE = 1")
    kinds = [Patch(color=BLUE, label="unbiased"), Patch(color=ORANGE, label="biased")]
    axes[2].legend(handles=kinds, loc="upper right", fontsize=7, labelcolor=SOFT, frameon=False)
    axes[0].set_yticks(y, [row.setting for row in rows])
    axes[0].invert_yaxis()
    return figure


def _bars(
    axes: Axes,
    values: np.ndarray,
    colours: list[str],
    label: str,
    *,
    log: bool = False,
    beside: np.ndarray | float = 0.0,
) -> None:
    """Horizontal bars with their numbers, right of what is `beside` too; zeros (to float32) have no logarithm."""
    shown = np.where(values > 1e-5, values, np.nan) if log else values
    ends = np.fmax(shown, np.where(np.isnan(shown), np.nan, beside))
    high = np.nanmax(ends, initial=1e-5)
    low = np.nanmin(np.fmin(shown, np.where(beside, beside, np.nan)), initial=high) / 2 if log else 0.0
    axes.barh(np.arange(len(values)), shown - low, left=low, color=colours, height=0.62)
    for i, (value, end) in enumerate(zip(shown, ends, strict=True)):
        text = "0" if np.isnan(value) else f"{value:.2g}" if value < 100 else f"{value:.0f}"
        axes.text(low if np.isnan(value) else end, i, f"  {text}", va="center", fontsize=7, color=SOFT)
    if log:
        axes.set_xscale("log")
    axes.set_xlim(low, high * 4 if log else high * 1.25)
    axes.set_xlabel(label, fontsize=8, color=SOFT)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(RULE)
    axes.tick_params(axis="x", which="both", labelsize=7, colors=SOFT, color=RULE)
    axes.tick_params(axis="y", labelsize=8, colors=INK, length=0)
    axes.grid(axis="x", color=RULE, linewidth=0.5)
    axes.set_axisbelow(True)
