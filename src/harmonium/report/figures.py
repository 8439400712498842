"""Pictures as PNG in a data URI, drawn by Matplotlib's Agg through its objects: no shared state."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

DENSITY = 2  # image pixels per CSS pixel
DPI = 96 * DENSITY
INK, SOFT, RULE = "#20242a", "#6a727d", "#d5d9df"
BLUE, ORANGE = "#1f5a94", "#d9772b"
FRAME = 222  # grey around each picture


@dataclass(frozen=True)
class Picture:
    """A PNG as a data URI, its size in CSS pixels, a text in its place, a heading and a note."""

    source: str
    width: int
    height: int
    alt: str
    title: str = ""
    note: str = ""


# ---- grids of pictures -------------------------------------------------------------------------------------


def grid(
    tiles: np.ndarray, alt: str, *, title: str = "", width: int = 460, columns: Sequence[str] = (),
    rows: Sequence[str] = (), notes: Sequence[Sequence[str]] = (), blank: int = 0,
) -> Picture:  # fmt: skip
    """Pictures `[rows, columns, height, width, 3]` on a grid, every pixel a whole number of image pixels.

    Labels stand above the `columns`, left of the `rows`, and as `notes` under each picture; the last `blank`
    places stay empty.
    """
    _, across, h, w, _ = tiles.shape
    left = DENSITY * max((8 + 5 * len(text) for text in rows), default=0)
    top, foot = (16 * DENSITY if columns else 0), (13 * DENSITY if len(notes) else 0)
    gap = 2 * DENSITY
    k = max(1, ((width * DENSITY - left - gap) // across - gap) // w)
    board, spots = _board(tiles, k, gap, foot, blank)
    wide, high = left + board.shape[1], top + board.shape[0]
    figure = Figure((wide / DPI, high / DPI), dpi=DPI)
    axes = figure.add_axes((left / wide, 0, board.shape[1] / wide, board.shape[0] / high))
    axes.imshow(board, interpolation="nearest", aspect="auto", extent=(0, board.shape[1], board.shape[0], 0))
    axes.set_axis_off()
    style = {"fontsize": 7, "color": SOFT, "clip_on": False}
    for j, text in enumerate(columns):
        axes.text(spots[0][j][0] + k * w / 2, -4 * DENSITY, text, ha="center", va="bottom", **style)
    for i, text in enumerate(rows):
        axes.text(-5 * DENSITY, spots[i][0][1] + k * h / 2, text, ha="right", va="center", **style)
    for i, line in enumerate(notes):
        for j, text in enumerate(line):
            x, y = spots[i][j]
            axes.text(x + k * w / 2, y + k * h + 7 * DENSITY, text, ha="center", va="center", **style)
    return _png(figure, alt, title)


def _board(
    tiles: np.ndarray, k: int, gap: int, foot: int, blank: int
) -> tuple[np.ndarray, list[list[tuple[int, int]]]]:
    """The grid as one array of colours, and where (x, y) each picture begins."""
    down, across, h, w, _ = tiles.shape
    step_x, step_y = k * w + gap, k * h + gap + foot
    board = np.full((gap + down * step_y, gap + across * step_x, 3), 255, np.uint8)
    spots = [[(gap + j * step_x, gap + i * step_y) for j in range(across)] for i in range(down)]
    frame = gap // 2
    for n in range(down * across - blank):
        i, j = divmod(n, across)
        x, y = spots[i][j]
        board[y - frame : y + k * h + frame, x - frame : x + k * w + frame] = FRAME
        board[y : y + k * h, x : x + k * w] = tiles[i, j].repeat(k, 0).repeat(k, 1)
    return board, spots


# ---- charts ------------------------------------------------------------------------------------------------


def curves(
    x: np.ndarray, lines: dict[str, np.ndarray], alt: str, *, title: str, label: str, note: str = ""
) -> Picture:
    """One small chart of a few curves over steps or epochs, with a gap where a value is not finite.

    Where the first tenth dwarfs the rest, the frame is that of the rest, and the note says so.
    """
    figure, axes = _axes(298, 190)
    for (name, y), colour in zip(lines.items(), (BLUE, ORANGE, SOFT), strict=False):
        marker = "o" if np.isfinite(y).sum() < 3 else None
        axes.plot(x, y, color=colour, linewidth=1.4, marker=marker, markersize=3, label=name)
    if len(lines) > 1:
        axes.legend(fontsize=7, frameon=False, labelcolor=INK)
    if frame := _later_frame(np.stack(list(lines.values()))):
        axes.set_ylim(*frame)
        note = f"{note} Early values lie outside the frame.".strip()
    axes.set_xlabel(label, fontsize=7.5, color=SOFT)
    return _png(figure, alt, title, note)


def _later_frame(y: np.ndarray) -> tuple[float, float] | None:
    """The range of curves `[lines, points]` without their first tenth, where that is much wider."""
    later = y[:, -(-y.shape[1] // 10) :]
    later, every = later[np.isfinite(later)], y[np.isfinite(y)]
    if not later.size or np.ptp(later) == 0 or np.ptp(every) < 4 * np.ptp(later):
        return None
    margin = 0.1 * float(np.ptp(later))
    return float(later.min()) - margin, float(later.max()) + margin


def scatter(x: np.ndarray, y: np.ndarray, alt: str, *, title: str, labels: tuple[str, str]) -> Picture:
    """One point an entry, and the diagonal on which they would lie if both agreed."""
    figure, axes = _axes(298, 290)
    low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
    margin = 0.05 * (high - low or 1.0)
    ends = (low - margin, high + margin)
    axes.plot(ends, ends, color=RULE, linewidth=1.2, zorder=1)
    axes.scatter(
        x, y, s=9 if len(x) < 500 else 4, color=BLUE, alpha=0.75 if len(x) < 500 else 0.35, linewidths=0
    )
    axes.set_xlim(ends)
    axes.set_ylim(ends)
    axes.set_xlabel(labels[0], fontsize=7.5, color=SOFT)
    axes.set_ylabel(labels[1], fontsize=7.5, color=SOFT)
    return _png(figure, alt, title)


def histogram(
    values: dict[str, np.ndarray], alt: str, *, title: str, labels: tuple[str, str], whole: bool = False,
    span: tuple[float, float] | None = None,
) -> Picture:  # fmt: skip
    """Shares of values in bins that all sets have in common; `whole` numbers have bins of their own."""
    figure, axes = _axes(460, 230)
    together = np.concatenate(list(values.values()))
    low, high = span or (float(together.min()), float(together.max()))
    if whole and high - low <= 60:
        edges = np.arange(low - 0.5, high + 1)
    else:
        edges = np.linspace(low, high if high > low else low + 1, 31)
    for (name, x), colour in zip(values.items(), (BLUE, ORANGE), strict=False):
        weights = np.full(len(x), 1 / len(x)) if len(values) > 1 else None
        axes.hist(x, edges, weights=weights, color=colour, alpha=0.6, label=name)
    if len(values) > 1:
        axes.legend(fontsize=7, frameon=False, labelcolor=INK)
    axes.set_xlabel(labels[0], fontsize=7.5, color=SOFT)
    axes.set_ylabel(labels[1], fontsize=7.5, color=SOFT)
    return _png(figure, alt, title)


def heat_map(
    values: np.ndarray, alt: str, *, title: str, labels: tuple[str, str], span: tuple[float, float],
    colours: str, size: tuple[int, int] = (460, 320), rows: Sequence[str] = (), bar: bool = True,
) -> Picture:  # fmt: skip
    """A matrix `[rows, columns]` in colours from `span[0]` to `span[1]`, with a `bar` of them beside it."""
    figure, axes = _axes(*size)
    image = axes.imshow(values, cmap=colormaps[colours], vmin=span[0], vmax=span[1], aspect="auto",
                        interpolation="nearest")  # fmt: skip
    axes.set_xlabel(labels[0], fontsize=7.5, color=SOFT)
    axes.set_ylabel(labels[1], fontsize=7.5, color=SOFT)
    if len(rows):
        axes.set_yticks(range(len(rows)), rows)
    if bar:
        scale = figure.colorbar(image, ax=axes, fraction=0.04, pad=0.02)
        scale.outline.set_visible(False)
        scale.ax.tick_params(labelsize=7, colors=SOFT, length=0)
    return _png(figure, alt, title)


def _axes(width: int, height: int) -> tuple[Figure, Axes]:
    """An empty chart of a size in CSS pixels."""
    figure = Figure((width / 96, height / 96), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(RULE)
    axes.tick_params(labelsize=7, colors=SOFT, length=2.5, color=RULE)
    axes.locator_params(nbins=6)
    for axis in (axes.xaxis, axes.yaxis):
        axis.get_offset_text().set(fontsize=7, color=SOFT)
    return figure, axes


def _png(figure: Figure, alt: str, title: str, note: str = "") -> Picture:
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    width, height = (round(side * 96) for side in figure.get_size_inches())
    source = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    return Picture(source, width, height, alt, title, note)
