"""Small archives of natural images, laid out as the real ones are."""

import io
import tarfile
import zipfile

import numpy as np
from PIL import Image

from harmonium.data.natural_images import FOLDER


def scene(number, shape):
    """Smooth grey levels with some noise, as far apart from image to image as from place to place."""
    random = np.random.default_rng(number)
    rows, columns = (np.linspace(0, 3, size) for size in shape)
    wave = np.sin(rows[:, None] * random.normal(2) + columns[None] * random.normal(2) + number)
    return np.uint8(np.clip(110 + 80 * wave + random.normal(0, 12, shape), 0, 255))


def stored(grey, form):
    content = io.BytesIO()
    Image.fromarray(grey).save(content, form, **({"quality": 95} if form == "jpeg" else {}))
    return content.getvalue()


def berkeley(folder, name="BSDS300_jpg.tar", counts=(12, 5), shape=(30, 40), inside="{}", held="val"):
    """Lying and standing JPEGs in folders; `counts` of training and of test images."""
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    with tarfile.open(folder / FOLDER / name, "w:gz" if name.endswith("tgz") else "w") as archive:
        for split, many in zip(("train", held), counts, strict=True):
            place = tarfile.TarInfo(inside.format(split))
            place.type = tarfile.DIRTYPE
            archive.addfile(place)
            for i in range(many):
                content = stored(scene(100 * len(split) + i, shape if i % 2 else shape[::-1]), "jpeg")
                member = tarfile.TarInfo(f"{inside.format(split)}/{2 ** (i + 4)}.jpg")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return folder


def book(folder, count=13, shape=(24, 40), others=True):
    """TIFFs that are numbered from 1, with what another system leaves in such a file."""
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / FOLDER / "hyvarinenBookImages.zip", "w") as archive:
        for i in range(1, count + 1):
            archive.writestr(f"hyvarinenBookImages/{i}.tiff", stored(scene(i, shape), "tiff"))
        if others:
            archive.writestr("hyvarinenBookImages/README.txt", "see the book")
            archive.writestr("__MACOSX/hyvarinenBookImages/._1.tiff", b"no picture")
    return folder
