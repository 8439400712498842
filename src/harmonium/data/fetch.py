"""The published files: in the folder HARMONIUM_DATA, in the cache, or fetched with a check of their hash."""

from __future__ import annotations

import os
from pathlib import Path

from harmonium.errors import InputError, RunError

MNIST = "mnist"
BINARIZED = "binarized_mnist"

HASHES = {
    "train-images-idx3-ubyte.gz": "sha256:440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "sha256:3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "sha256:8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "sha256:f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    "binarized_mnist_train.amat": "md5:db28b1a6ae0fe70cbd3da91acf46e477",
    "binarized_mnist_valid.amat": "md5:bf37822a04e94123630de6a7dfd9c9ef",
    "binarized_mnist_test.amat": "md5:14e41ae11040adba6ab8cb291eda0dd8",
}

_SOURCES = {
    MNIST: (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    BINARIZED: ("http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/",),
}


def find(collection: str, *names: str) -> Path | None:
    """The first of the named files in $HARMONIUM_DATA or its folder `collection`; None if there is none.

    Raises:
        InputError: if HARMONIUM_DATA is set and is no folder.
    """
    folder = os.environ.get("HARMONIUM_DATA")
    if not folder:
        return None
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise InputError(
            f"HARMONIUM_DATA={folder!r} is not a folder: set it to the folder of the data files, or unset it."
        )
    places = (place / name for name in names for place in (root, root / collection))
    return next((path for path in places if path.is_file()), None)


def download(collection: str, name: str) -> Path:
    """The published file, from the cache if it was fetched before.

    It is fetched from $HARMONIUM_MIRROR alone if that is set.

    Raises:
        RunError: if no server can be reached, or what they sent is not the published file.
    """
    mirror = os.environ.get("HARMONIUM_MIRROR")
    bases = (mirror.rstrip("/") + "/",) if mirror else _SOURCES[collection]
    problem = ""
    for base in bases:
        try:
            return _retrieve(base + name, name, collection)
        except OSError as error:  # every error of the network is one
            problem = f"{name} could not be fetched from {base} ({type(error).__name__})"
        except ValueError:
            problem = f"what {base} sent for {name} does not have the hash of the published file"
    raise RunError(
        f"The data set {collection!r} is not here: {problem}; set HARMONIUM_DATA to a folder that holds "
        "it, or connect to a network."
    )


def _retrieve(url: str, name: str, collection: str) -> Path:
    import pooch

    folder = pooch.os_cache("harmonium") / collection
    get = pooch.HTTPDownloader(timeout=30)
    return Path(pooch.retrieve(url, HASHES[name], fname=name, path=folder, downloader=get))
