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
from PIL import Image

DENSITY = 2  # image pixels per CSS pixel
DPI = 96 * DENSITY
INK, SOFT, RULE = "#20242a", "#6a727d", "#d5d9df"
BLUE, ORANGE = "#1f5a94", "#d9772b"
MARGIN = 3 * DENSITY  # image pixels, at least, between what is written and the picture's edge
SIDE_BY_SIDE = 50  # letters of names that stand beside each other under a chart
GAP = 2 * DENSITY  # between pictures
POINTS = 20  # of a curve, at least, before its first tenth may lie outside of the frame
FRAME = 222  # grey around each of them


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
    down, across, h, w, _ = tiles.shape
    left = DENSITY * max((14 + 5 * len(text) for text in rows), default=0)
    top, foot = (16 * DENSITY if columns else 0), (13 * DENSITY if len(notes) else 0)
    k = max(1, ((width * DENSITY - left - GAP) // across - GAP) // w)
    x = left + GAP + (k * w + GAP) * np.arange(across)
    y = top + GAP + (k * h + GAP + foot) * np.arange(down)
    wide, high = int(x[-1]) + k * w + GAP, int(y[-1]) + k * h + GAP + foot
    texts = [(x[j] + k * w / 2, top / 2, text, "center") for j, text in enumerate(columns)]
    texts += [(left - 5 * DENSITY, y[i] + k * h / 2, text, "right") for i, text in enumerate(rows)]
    texts += [
        (x[j] + k * w / 2, y[i] + k * h + 7 * DENSITY, text, "center")
        for i, line in enumerate(notes)
        for j, text in enumerate(line)
    ]
    pixels = _written(wide, high, texts)
    _paint(pixels, tiles, x, y, k, blank)
    return _picture(pixels, alt, title)


def _written(wide: int, high: int, texts: Sequence[tuple[float, float, str, str]]) -> np.ndarray:
    """A white page with small texts, each at (x, y) in pixels with its alignment."""
    figure = Figure((wide / DPI, high / DPI), dpi=DPI)
    for x, y, text, side in texts:
        figure.text(x / wide, 1 - y / high, text, ha=side, va="center", fontsize=7, color=SOFT)
    return _drawn(figure)


def _paint(pixels: np.ndarray, tiles: np.ndarray, x: np.ndarray, y: np.ndarray, k: int, blank: int) -> None:
    """Put pictures, enlarged `k` times and framed, with their corners at the columns `x` and rows `y`."""
    down, across, h, w, _ = tiles.shape
    edge = GAP // 2
    for n in range(down * across - blank):
        i, j = divmod(n, across)
        top, left = y[i], x[j]
        pixels[top - edge : top + k * h + edge, left - edge : left + k * w + edge] = FRAME
        pixels[top : top + k * h, left : left + k * w] = tiles[i, j].repeat(k, 0).repeat(k, 1)


# ---- charts ------------------------------------------------------------------------------------------------


def curves(x: np.ndarray, lines: dict[str, np.ndarray], alt: str, *, title: str, label: str, note: str = "") -> Picture:
    """One small chart of a few curves over steps or epochs, with a gap where a value is not finite.

    Where the first tenth of many points dwarfs the rest, the frame is that of the rest, and the note says so.
    """
    figure, axes = _axes(298, 190, (label, ""))
    for (name, y), colour in zip(lines.items(), (BLUE, ORANGE, SOFT), strict=False):
        marker = "o" if np.isfinite(y).sum() < 3 else None
        axes.plot(x, y, color=colour, linewidth=1.4, marker=marker, markersize=3, label=name)
    if len(lines) > 1:
        axes.legend(fontsize=7, frameon=False, labelcolor=INK)
    if frame := _later_frame(np.stack(list(lines.values()))):
        axes.set_ylim(*frame)
        note = f"{note} Early values lie outside the frame.".strip()
    _fit(figure, axes)
    return _png(figure, alt, title, note)


def _later_frame(y: np.ndarray) -> tuple[float, float] | None:
    """The range of curves `[lines, points]` without their first tenth, where these are many and that is much wider."""
    if y.shape[1] < POINTS:
        return None
    later = y[:, -(-y.shape[1] // 10) :]
    later, every = later[np.isfinite(later)], y[np.isfinite(y)]
    if not later.size or np.ptp(later) == 0 or np.ptp(every) < 4 * np.ptp(later):
        return None
    margin = 0.1 * float(np.ptp(later))
    return float(later.min()) - margin, float(later.max()) + margin


def scatter(x: np.ndarray, y: np.ndarray, alt: str, *, title: str, labels: tuple[str, str]) -> Picture:
    """One point an entry, and the diagonal on which they would lie if both agreed."""
    figure, axes = _axes(298, 290, labels)
    low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
    margin = 0.05 * (high - low or 1.0)
    ends = (low - margin, high + margin)
    axes.plot(ends, ends, color=RULE, linewidth=1.2, zorder=1)
    axes.scatter(x, y, s=9 if len(x) < 500 else 4, color=BLUE, alpha=0.75 if len(x) < 500 else 0.35, linewidths=0)
    axes.set_xlim(ends)
    axes.set_ylim(ends)
    _fit(figure, axes)
    return _png(figure, alt, title)


def points(
    xy: np.ndarray, kinds: np.ndarray | None, alt: str, *, title: str, labels: tuple[str, str]
) -> Picture:  # fmt: skip
    """Points `[n, 2]` on one scale in both directions, coloured by their `kinds` `[n]` (whole numbers), with a list of
    these where they are few."""
    figure, axes = _axes(460, 380, labels)
    style = {"s": 12 if len(xy) < 500 else 6, "alpha": 0.8, "linewidths": 0}
    named = [] if kinds is None else np.unique(kinds).tolist()
    if 1 < len(named) <= 10:
        for i, kind in enumerate(named):
            axes.scatter(*xy[kinds == kind].T, color=colormaps["tab10"](i), label=str(kind), **style)
        axes.legend(fontsize=7, frameon=False, labelcolor=INK, loc="center left", bbox_to_anchor=(1.0, 0.5),
                    handletextpad=0.1, markerscale=2 if len(xy) >= 500 else 1)  # fmt: skip
        box = axes.get_position()
        axes.set_position((box.x0, box.y0, box.width - 36 / 460, box.height))
    else:
        axes.scatter(*xy.T, **style, **({"c": kinds, "cmap": "viridis"} if named else {"color": BLUE}))
    axes.set_aspect("equal", adjustable="datalim")
    _fit(figure, axes)
    return _png(figure, alt, title)


def histogram(
    values: dict[str, np.ndarray], alt: str, *, title: str, labels: tuple[str, str], whole: bool = False,
    span: tuple[float, float] | None = None,
) -> Picture:  # fmt: skip
    """Shares of values in bins that all sets have in common; `whole` numbers have bins of their own."""
    figure, axes = _axes(460, 230, labels)
    together = np.concatenate(list(values.values()))
    low, high = span or (float(together.min()), float(together.max()))
    if whole and high - low <= 60:
        edges = np.arange(low - 0.5, high + 1)
        axes.locator_params(axis="x", integer=True, nbins=8)
    else:
        edges = np.linspace(low, high if high > low else low + 1, 31)
    for (name, x), colour in zip(values.items(), (BLUE, ORANGE), strict=False):
        counts = np.histogram(x, edges)[0]
        heights = counts / len(x) if len(values) > 1 else counts
        axes.stairs(heights, edges, fill=True, color=colour, alpha=0.6, label=name)
    if len(values) > 1:
        axes.legend(fontsize=7, frameon=False, labelcolor=INK)
    _fit(figure, axes)
    return _png(figure, alt, title)


def bars(
    values: dict[str, np.ndarray], alt: str, *, title: str, labels: tuple[str, str], names: Sequence[str] = ()
) -> Picture:
    """One bar a set and entry, side by side, by the entries' numbers, or `names`."""
    figure, axes = _axes(620, 230, labels)
    wide = 0.8 / len(values)
    colours = (SOFT, BLUE, ORANGE) if len(values) > 1 else (BLUE,)
    for k, ((name, y), colour) in enumerate(zip(values.items(), colours, strict=False)):
        axes.bar(np.arange(len(y)) - 0.4 + (k + 0.5) * wide, y, wide, color=colour, label=name)
    axes.axhline(0, color=RULE, linewidth=1)
    axes.locator_params(axis="x", integer=True, nbins=10)
    _name(axes, names)
    if len(values) > 1:
        low, high = axes.get_ylim()
        axes.set_ylim(low, high + 0.15 * (high - low))  # room for the legend
        axes.legend(fontsize=7, frameon=False, labelcolor=INK, loc="upper right", ncols=len(values))
    _fit(figure, axes)
    return _png(figure, alt, title)


def heat_map(
    values: np.ndarray, alt: str, *, title: str, labels: tuple[str, str], span: tuple[float, float],
    colours: str, size: tuple[int, int] = (460, 320), rows: Sequence[str] = (), columns: Sequence[str] = (),
    bar: bool = True,
) -> Picture:  # fmt: skip
    """A matrix `[rows, columns]` in colours from `span[0]` to `span[1]`, with a `bar` of them beside it."""
    figure, axes = _axes(*size, labels, right=64 if bar else 8)
    image = axes.imshow(values, cmap=colormaps[colours], vmin=span[0], vmax=span[1], aspect="auto",
                        interpolation="nearest")  # fmt: skip
    axes.locator_params(integer=True, nbins=6)
    if len(rows):
        axes.set_yticks(range(len(rows)), rows)
    _name(axes, columns)
    _fit(figure, axes)
    if bar:
        box = axes.get_position()
        beside = figure.add_axes((box.x1 + 8 / size[0], box.y0, 10 / size[0], box.height))
        scale = figure.colorbar(image, cax=beside)
        scale.outline.set_visible(False)
        scale.ax.locator_params(nbins=6)
        scale.ax.tick_params(labelsize=7, colors=SOFT, length=0)
    return _png(figure, alt, title)


def _name(axes: Axes, names: Sequence[str]) -> None:
    """Names under the entries of an axis, where there are some, in the place of its label."""
    if not len(names):
        return
    short = sum(len(name) + 2 for name in names) <= SIDE_BY_SIDE
    turned = {} if short else {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(range(len(names)), names, **turned)
    axes.set_xlabel("")


def _fit(figure: Figure, axes: Axes) -> None:
    """Move the edges of a chart inwards until all that is written beside it lies in the picture: minus signs, factors
    such as 1e-6 above it, long names."""
    canvas = FigureCanvasAgg(figure)
    for _ in range(2):  # narrower axes may choose other numbers
        canvas.draw()
        written, (width, height) = axes.get_tightbbox(canvas.get_renderer()), figure.bbox.size
        left, foot = max(0.0, MARGIN - written.x0), max(0.0, MARGIN - written.y0)
        right, top = max(0.0, written.x1 - width + MARGIN), max(0.0, written.y1 - height + MARGIN)
        box = axes.get_position()
        inside = box.width - (left + right) / width, box.height - (foot + top) / height
        axes.set_position((box.x0 + left / width, box.y0 + foot / height, *(max(0.2, side) for side in inside)))


def _axes(width: int, height: int, labels: tuple[str, str], *, right: int = 8) -> tuple[Figure, Axes]:
    """An empty chart with its axes' labels; sizes and the `right` margin in CSS pixels."""
    figure = Figure((width / 96, height / 96), dpi=DPI)
    left, foot, top = (54 if labels[1] else 42), 34, 8
    axes = figure.add_axes((left / width, foot / height, 1 - (left + right) / width, 1 - (foot + top) / height))
    axes.set_xlabel(labels[0], fontsize=7.5, color=SOFT)
    axes.set_ylabel(labels[1], fontsize=7.5, color=SOFT)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(RULE)
    axes.tick_params(labelsize=7, colors=SOFT, length=2.5, color=RULE)
    axes.locator_params(nbins=6)
    for axis in (axes.xaxis, axes.yaxis):
        axis.get_offset_text().set(fontsize=7, color=SOFT)
    return figure, axes


def _png(figure: Figure, alt: str, title: str, note: str = "") -> Picture:
    return _picture(_drawn(figure), alt, title, note)


def _drawn(figure: Figure) -> np.ndarray:
    """A figure as colours `[height, width, 3]`."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]


def _picture(pixels: np.ndarray, alt: str, title: str, note: str = "") -> Picture:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="png")
    source = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    height, width = (round(side / DENSITY) for side in pixels.shape[:2])
    return Picture(source, width, height, alt, title, note)
