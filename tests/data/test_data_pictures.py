"""Pictures as a person sees them: on a ground, upright, every frame, and in grey; what was done is said."""

import numpy as np
import pytest
from PIL import Image

from harmonium.data import load
from harmonium.data.pictures import read_pictures
from harmonium.errors import InputError

RANDOM = np.random.default_rng(0)
MASK = RANDOM.random((5, 8, 6)) < 0.4  # ink


def save(path, values, mode=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(np.asarray(values))
    (picture if mode is None else picture.convert(mode)).save(path, **options)


def clear(ink, mask, level=255):
    """Ink of one colour where the mask is, on a ground that is transparent (and has any colour: here the ink's)."""
    return np.dstack([np.full((*mask.shape, 3), ink, np.uint8), np.uint8(mask) * level])


# --- transparency


@pytest.mark.parametrize(
    ("ink", "shown", "ground"), [((0, 0, 0), 0, 255), ((255, 255, 255), 255, 0), ((90, 90, 90), 90, 255),
                                 ((160, 160, 160), 160, 0)]
)  # fmt: skip
def test_ink_on_a_transparent_ground_is_told_from_it(tmp_path, ink, shown, ground):
    for i, mask in enumerate(MASK):
        save(tmp_path / f"{i}.png", clear(ink, mask))
    found = read_pictures(tmp_path)
    np.testing.assert_array_equal(found.grey, np.where(MASK, shown, ground))
    assert found.notes == (f"5 of 5 pictures transparent, laid on {'white' if ground else 'black'} to show their ink",)


@pytest.mark.parametrize("form", ["LA", "palette", "grey key", "gif", "webp", "tif"])
def test_every_kind_of_transparency(tmp_path, form):
    for i, mask in enumerate(MASK):
        if form == "LA":
            save(tmp_path / f"{i}.png", clear((0, 0, 0), mask), "LA")
        elif form == "grey key":  # one level of grey that means transparent
            save(tmp_path / f"{i}.png", np.where(mask, 0, 7).astype(np.uint8), transparency=7)
        elif form == "palette":
            picture = Image.fromarray(np.uint8(mask), "L").convert("P")
            picture.putpalette([9, 9, 9, 0, 0, 0])
            picture.save(tmp_path / f"{i}.png", transparency=bytes([0, 255]))
        elif form == "gif":
            picture = Image.fromarray(np.uint8(mask), "L").convert("P")
            picture.putpalette([9, 9, 9, 0, 0, 0])
            picture.save(tmp_path / f"{i}.gif", transparency=0)
        else:
            save(tmp_path / f"{i}.{form}", clear((0, 0, 0), mask), **({"lossless": True} if form == "webp" else {}))
    np.testing.assert_array_equal(read_pictures(tmp_path).grey, np.where(MASK, 0, 255))


def test_half_covered_pixels_lie_between(tmp_path):
    save(tmp_path / "a.png", clear((0, 0, 0), np.eye(3), 51))  # a fifth
    grey = read_pictures(tmp_path).grey[0]
    np.testing.assert_array_equal(grey, np.where(np.eye(3), 255 * 4 // 5, 255))


def test_one_ground_for_all_pictures_opaque_ones_unchanged(tmp_path):
    save(tmp_path / "a.png", clear((0, 0, 0), MASK[0]))
    save(tmp_path / "b.png", clear((80, 80, 80), MASK[1]))
    save(tmp_path / "c.png", np.full((8, 6), 10, np.uint8))
    save(tmp_path / "d.png", clear((0, 0, 0), np.zeros((8, 6))))  # nothing drawn
    save(tmp_path / "e.png", clear((0, 0, 0), np.ones((8, 6))))  # no transparent pixel
    grey = read_pictures(tmp_path).grey
    np.testing.assert_array_equal(grey[0], np.where(MASK[0], 0, 255))
    np.testing.assert_array_equal(grey[1], np.where(MASK[1], 80, 255))
    assert [np.unique(part).tolist() for part in grey[2:]] == [[10], [255], [0]]
    assert read_pictures(tmp_path).notes[-1].startswith("3 of 5 pictures transparent")


def test_the_ground_is_the_one_that_no_picture_vanishes_on(tmp_path):
    for i in range(4):
        save(tmp_path / f"{i}.png", clear((110, 110, 110), MASK[i]))  # nearer to black
    save(tmp_path / "white.png", clear((250, 250, 250), MASK[4]))
    grey = read_pictures(tmp_path).grey
    assert grey[0].max() == 110
    assert np.ptp(grey[-1]) == 250
    save(tmp_path / "black.png", clear((0, 0, 0), MASK[4]))
    with pytest.raises(InputError, match=r"white.png' would vanish on a white ground and .*black.png' on a black one"):
        read_pictures(tmp_path)


def test_the_colour_of_what_is_transparent_does_not_count(tmp_path):
    picture = clear((0, 0, 0), MASK[0])
    picture[..., 0] = np.where(MASK[0], 0, 200)
    save(tmp_path / "a.png", picture)
    found = read_pictures(tmp_path)
    np.testing.assert_array_equal(found.grey[0], np.where(MASK[0], 0, 255))
    assert not any("colour" in note for note in found.notes)


# --- orientation, frames, colours, depths


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "tif"])
def test_pictures_are_turned_as_their_files_say(tmp_path, orientation, ending):
    upright = np.zeros((16, 24), np.uint8)
    upright[:8, :8] = 255  # the corner at the top left
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
        5: upright.T, 6: upright.T[::-1], 7: upright.T[::-1, ::-1], 8: upright.T[:, ::-1],
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    save(tmp_path / f"a.{ending}", np.ascontiguousarray(stored), exif=exif)
    found = read_pictures(tmp_path)
    assert np.abs(found.grey[0].astype(int) - upright).max() < 16  # JPEG is not exact
    turned = ("1 of 1 pictures turned as their files say",)
    assert found.notes == (turned if orientation > 1 else ())


@pytest.mark.parametrize("ending", ["tif", "gif", "png", "webp"])
def test_every_frame_is_a_picture(tmp_path, ending):
    frames = [Image.fromarray(np.uint8(np.roll(np.eye(16), k, 1) * 255)) for k in range(6)]
    options = {"lossless": True} if ending == "webp" else {}
    (tmp_path / "b").mkdir()
    frames[0].save(tmp_path / "b" / f"stack.{ending}", save_all=True, append_images=frames[1:], **options)
    save(tmp_path / "c" / "one.png", np.eye(16, dtype=np.uint8))
    found = read_pictures(tmp_path)
    np.testing.assert_array_equal(found.grey[:6], np.stack([np.asarray(frame) for frame in frames]))
    assert found.labels.tolist() == [0] * 6 + [1]
    assert f"each frame of a file of several is a picture: stack.{ending} (6)" in found.notes


def test_a_photograph_has_one_frame_whatever_lies_behind_it(tmp_path):
    photo, depth = Image.fromarray(np.full((16, 16, 3), 99, np.uint8)), Image.fromarray(np.zeros((4, 4, 3), np.uint8))
    photo.save(tmp_path / "p.jpg", "MPO", save_all=True, append_images=[depth])
    assert read_pictures(tmp_path).grey.shape == (1, 16, 16)


def test_colours_become_grey_and_it_is_said(tmp_path):
    colour = RANDOM.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    save(tmp_path / "a.png", colour)
    save(tmp_path / "b.png", np.repeat(colour[..., :1], 3, axis=2))  # grey, though stored as three colours
    save(tmp_path / "c.png", colour[..., 0], "P")
    save(tmp_path / "d.tif", np.dstack([np.zeros((4, 5, 3), np.uint8), 255 - colour[..., 0]]), "CMYK")
    found = read_pictures(tmp_path)
    np.testing.assert_allclose(found.grey[0], colour @ [0.299, 0.587, 0.114], atol=1)
    np.testing.assert_array_equal(found.grey[1], colour[..., 0])
    np.testing.assert_array_equal(found.grey[2], colour[..., 0])
    assert found.notes == ("1 of 4 pictures in colour, made grey",)


def test_inks_on_paper_are_grey_levels(tmp_path):
    black = RANDOM.integers(0, 256, (4, 5), dtype=np.uint8)
    Image.merge("CMYK", [*[Image.new("L", (5, 4), 0)] * 3, Image.fromarray(black)]).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_pictures(tmp_path).grey[0], 255 - black)


@pytest.mark.parametrize("ending", ["png", "tif", "pgm"])
def test_sixteen_bits_are_kept(tmp_path, ending):
    deep = RANDOM.integers(0, 65536, (4, 5), dtype=np.uint16)
    save(tmp_path / f"a.{ending}", deep)
    save(tmp_path / "b.png", np.full((4, 5), 255, np.uint8))
    data = load(tmp_path, valid_fraction=0, test_fraction=0)
    rows = data.train[np.argsort(data.train.mean(axis=1))].reshape(-1, 4, 5)
    np.testing.assert_allclose(rows, [deep / 65535, np.ones((4, 5))], rtol=1e-6)
    assert data.space.scaling == "divided by 65535"
    assert data.notes[1:] == (f"1 of 2 pictures of 16 bits, up to {deep.max()} of 65535",)


def refused(path, picture, words):
    picture.save(path)
    with pytest.raises(InputError, match=words) as caught:
        read_pictures(path.parent)
    assert str(path) in str(caught.value)


def test_what_has_no_grey_levels_is_refused(tmp_path):
    refused(tmp_path / "a.tif", Image.fromarray(np.full((2, 2), 70_000, np.int32)), "more than 16 bits")
    refused(tmp_path / "a.tif", Image.new("LAB", (2, 2)), "mode LAB: save it as a grey or an RGB picture")


def test_a_frame_of_another_size_is_refused(tmp_path):
    frames = [Image.fromarray(np.zeros((n, 4), np.uint8)) for n in (4, 5)]
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match=r"a.tif' has 5x4 pixels and .*a.tif' 4x4"):
        read_pictures(tmp_path)
