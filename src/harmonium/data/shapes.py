"""Pictures drawn from a description: squares, discs and triangles, whose code is known exactly."""

from __future__ import annotations

import numpy as np

from harmonium.errors import InputError, whole

KINDS = ("square", "disc", "triangle")
SIDES = (4, 1, 3)  # a turn by one of as many parts of the circle shows nothing (of a disc, no turn does)
SIDE = 32  # pixels
SIZES, SHADES, REACH = (5.0, 11.0), (0.3, 1.0), 0.25  # radii in pixels; of the centre, a share of the side


def render(kind: int, x: float, y: float, size: float, angle: float, shade: float) -> np.ndarray:
    """A picture `[32, 32]` of one shape on black, with values from 0 to 1.

    A pixel's value is `shade` times the share of it that the shape covers, found from its distance `d` to the outline:

        share = clip(1/2 - d, 0, 1),      d = |p - c| - r                                      of a disc
                                          d = max_k <p - c, u_k> - r cos(pi / K)               of K sides

    with the unit vectors `u_k` across the sides. Arguments: `kind`, 0, 1 or 2: square, disc, triangle; `x` and `y` of
    the centre `c`, in pixels from the middle, to the right and downwards; `size`, the radius `r` of the circle around
    it, in pixels; `angle`, by which it is turned, in radians; `shade`, its value. Raises `InputError` for another kind.

    >>> picture = render(1, 0.0, 0.0, 8.0, 0.0, 1.0); picture.shape, round(float(picture.sum() / np.pi / 8**2), 2)
    ((32, 32), 1.0)
    """
    if not whole(kind, least=0) or kind >= len(KINDS):
        raise InputError(f"There is no shape {kind!r}: choose 0, 1 or 2 ({', '.join(KINDS)}).")
    across = np.arange(SIDE) - (SIDE - 1) / 2
    right, down = across[None, :] - x, across[:, None] - y
    if KINDS[kind] == "disc":
        distance = np.hypot(right, down) - size
    else:
        sides = SIDES[kind]
        turns = angle + 2 * np.pi * np.arange(sides)[:, None, None] / sides
        distance = (np.cos(turns) * right + np.sin(turns) * down).max(axis=0) - size * np.cos(np.pi / sides)
    return shade * np.clip(0.5 - distance, 0.0, 1.0)


def shapes(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes `[n, 7]` of random shapes and their pictures `[n, 1024]`, float32.

    A code is `(kind, x, y, size, shade, cos K angle, sin K angle)`: the kind as it is (0, 1 or 2), position, size and
    shade uniform and brought to -1 to 1, the angle uniform and written so that each of the `K` angles which look the
    same has the same code (`K = 1` of discs, whose angle shows nothing). The same seed gives the same shapes, and those
    of a larger `n` begin with them. Raises `InputError` for no shapes.

    >>> codes, pictures = shapes(5, seed=0); codes.shape, pictures.shape
    ((5, 7), (5, 1024))
    """
    if not whole(n):
        raise InputError(f"A set of shapes holds at least one, not n={n!r}.")
    free = np.random.default_rng(seed).uniform(size=(n, 6))
    kind = (len(KINDS) * free[:, 0]).astype(int)
    x, y, size, shade = (2 * free[:, 1:5] - 1).T
    turn = 2 * np.pi * free[:, 5]
    codes = np.column_stack([kind, x, y, size, shade, np.cos(turn), np.sin(turn)])
    pictures = np.stack([drawn(code) for code in codes]).reshape(n, -1)
    return codes.astype(np.float32), pictures.astype(np.float32)


def drawn(code: np.ndarray) -> np.ndarray:
    """The picture `[32, 32]` of a code `[7]` as `shapes` gives them.

    >>> drawn(np.array([0, 0, 0, 0, 1, 1, 0.0])).max()
    np.float64(1.0)
    """
    kind, x, y, size, shade, cos, sin = (float(number) for number in code)
    between = [low + (high - low) * (1 + t) / 2 for (low, high), t in ((SIZES, size), (SHADES, shade))]
    angle = float(np.arctan2(sin, cos)) / SIDES[int(kind)]
    return render(int(kind), REACH * SIDE * x, REACH * SIDE * y, between[0], angle, between[1])
