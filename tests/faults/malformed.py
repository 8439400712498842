"""Malformed files of every format, made by hypothesis: well-formed ones of odd contents, or with damage done to them.

What is drawn is a `Case`: the files that a person would give, and the command that is given them.
"""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
import scipy.sparse
from hypothesis import strategies as st
from PIL import Image

RUN, OTHER, TABLE = "run", "other", "table.csv"  # what lies in the folder of a case beside what is malformed
NAMES = ("a", "b", "c", "d")  # of its columns
TRAIN = ("--epochs", "1", "--batch-size", "8", "--hidden", "2", "--no-report", "--no-estimate", "--no-progress")
WHOLE = 30  # one in so many trainings goes on after the data is read


@dataclass(frozen=True)
class Case:
    """Files by their names in the folder of a case, what is typed there, and whether a training is done to its end."""

    files: dict[str, bytes]
    words: tuple[str, ...]
    trains: bool = False

    def __str__(self) -> str:
        shown = [f"{name} = {content[:300]!r}{'...' * (len(content) > 300)}" for name, content in self.files.items()]
        return f"harmonium {' '.join(self.words)}\n    " + "\n    ".join(shown)


# ---- damage ----------------------------------------------------------------------------------------------------


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes that were cut, overwritten, swapped or repeated, or that are others altogether."""
    start, end = sorted(draw(st.integers(0, len(content))) for _ in range(2))
    other = draw(st.binary(max_size=16))
    return draw(
        st.sampled_from([
            content[:end], content[end:], content[:start] + content[end:], content[:end] + content[start:],
            content[:start] + other + content[start:], content[:start] + other + content[start + len(other) :],
            content[:start] + bytes(end - start) + content[end:], content[:start] + b"\xff" * 8 + content[start + 8 :],
            content + other, other + content, other, b"", content[::-1], b"\xef\xbb\xbf" + content,
            bytes(byte ^ (1 << (at % 8)) if at in (start, end) else byte for at, byte in enumerate(content)),
        ])
    )  # fmt: skip


def perhaps_damaged(content: bytes) -> st.SearchStrategy[bytes]:
    """The bytes, or what damage made of them."""
    return st.one_of(st.just(content), st.just(content), damaged(content))


# ---- tables of text --------------------------------------------------------------------------------------------

CELLS = st.one_of(
    st.integers(0, 1).map(str), st.integers(-5, 5).map(str), st.floats(width=32).map(str), st.integers().map(str),
    st.sampled_from([
        "", " ", "NA", "NaN", "?", "inf", "-inf", "1e400", "1e39", "1e-400", "-0", "0x10", "1_000", "1,5", "1,000",
        "1.", ".", "-", "+", "e5", "1e", "True", "a", "b", "age", "'", '"', '""', '"a', 'a"b', '"a,b"', '"a\nb"', "\0",
        "\x1b[31m", "\u0663", "½", "é", "﻿", "\u2028", "#1", "%", "//", "2020-01-01", "12:30", "1+2j",
        "9" * 400, "x" * 300,
    ]),
    st.text(max_size=4),
)  # fmt: skip
ENCODINGS = ("utf-8", "utf-8", "utf-8", "latin-1", "utf-16", "utf-32", "utf-8-sig")


@st.composite
def text_tables(draw: st.DrawFn) -> bytes:
    """A table of bits with odd cells, rows and ends of lines."""
    width, height = draw(st.sampled_from([4, 4, 4, 1, 2, 5])), draw(st.sampled_from([12, 30, 30, 5, 1, 0]))
    rows = [[str((row * 7 + column * 3) // 2 % 2) for column in range(width)] for row in range(height)]
    if draw(st.booleans()):
        rows.insert(0, list("abcdefgh")[:width])
    for _ in range(draw(st.integers(0, 3))):
        if rows:
            row = rows[draw(st.integers(0, len(rows) - 1))]
            row[draw(st.integers(0, len(row) - 1))] = draw(CELLS)
    for _ in range(draw(st.integers(0, 1))):
        rows.insert(draw(st.integers(0, len(rows))), draw(st.lists(CELLS, min_size=1, max_size=6)))
    separator, end = (
        draw(st.sampled_from([",", ",", "\t", ";", " ", "|"])),
        draw(st.sampled_from(["\n", "\n", "\r\n", "\r"])),
    )
    text = end.join(separator.join(row) for row in rows) + draw(st.sampled_from([end, "", end * 2, separator]))
    return draw(perhaps_damaged(text.encode(draw(st.sampled_from(ENCODINGS)), errors="replace")))


# ---- arrays ----------------------------------------------------------------------------------------------------

DTYPES = (
    "f4", "f8", "f2", "u1", "i1", "i8", "u8", "?", ">f8", ">i4", "c8", "U3", "S3", "M8[s]", "m8[s]", "O", "V4",
    [("x", "f4"), ("y", "i2")],
)  # fmt: skip
USUAL = ("f4", "f8", "u1", "i8", "?")
SHAPES = ((), (0,), (8,), (12, 4), (12, 4), (12, 4), (1, 4), (0, 4), (12, 0), (6, 2, 2), (6, 1, 2, 2), (2, 3, 4, 2, 2))
VALUES = (0.0, 1.0, -1.0, 0.5, 2.0, 255.0, 1e-40, 1e30, 3e38, 1e300, np.nan, np.inf, -np.inf)


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    """An array of zeros and ones with a few other values, of any dtype and shape."""
    shape = draw(st.sampled_from(((12, 4),) * len(SHAPES) + SHAPES))
    bits = (np.arange(int(np.prod(shape))) * 7 // 3 % 2).astype(np.float64)
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        bits[draw(st.integers(0, max(len(bits) - 1, 0))) :][:1] = draw(st.sampled_from(VALUES))
    with np.errstate(all="ignore"):
        return _cast(bits, draw(st.sampled_from(USUAL * 3 + DTYPES))).reshape(shape)


def _cast(bits: np.ndarray, dtype: Any) -> np.ndarray:
    if isinstance(dtype, list) or dtype.startswith("V"):
        return np.zeros(bits.shape, dtype)
    return np.nan_to_num(bits).astype("i8").astype(dtype) if dtype[0] in "Mm" else bits.astype(dtype)


def npy_bytes(array: np.ndarray) -> bytes:
    """A .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


@st.composite
def npy_files(draw: st.DrawFn) -> bytes:
    """A .npy file, whose head may say something else than it holds."""
    content = npy_bytes(draw(arrays()))
    if draw(st.integers(0, 3)) == 0:
        shape = draw(st.lists(st.one_of(st.integers(-2, 9), st.sampled_from([2**31, 2**62, 2**64])), max_size=4))
        dtype = draw(st.sampled_from(["<f4", "<f8", "|O", "<U0", "<V0", "junk", "", "<f4,<f8", "__import__('os')"]))
        head = str({"descr": dtype, "fortran_order": draw(st.sampled_from([False, True, 3])), "shape": tuple(shape)})
        content = content[:8] + struct.pack("<H", len(head)) + head.encode() + content[-48:]
    return draw(perhaps_damaged(content))


ROLES = ("train", "valid", "test", "x", "y", "labels", "train_labels", "test_labels", "lengths", "n_vars",
         "classes", "x_train", "y_train", "class_names", "arr_0", "junk", "data", "indices", "indptr", "shape",
         "format")  # fmt: skip


@st.composite
def npz_files(draw: st.DrawFn) -> bytes:
    """A .npz file of arrays under all kinds of names, or of a sparse matrix."""
    buffer = io.BytesIO()
    if draw(st.integers(0, 4)) == 0:
        kind = draw(st.sampled_from(["csr", "csc", "coo", "bsr", "dia"]))
        scipy.sparse.save_npz(buffer, scipy.sparse.random(12, 4, 0.5, format=kind, rng=0))
        buffer.seek(0)
        with np.load(buffer) as found:
            parts = dict(found)
        odd = draw(st.sampled_from(sorted(parts)))
        parts |= {
            odd: draw(st.one_of(arrays(), st.just(parts[odd]), st.just(parts[odd] * 3 if odd != "format" else 3)))
        }
        buffer = io.BytesIO()
    else:
        names = draw(st.lists(st.sampled_from(ROLES), max_size=4, unique=True))
        parts = {name: draw(st.one_of(st.just(np.eye(8)[:, :4]), st.just(np.arange(8)), arrays())) for name in names}
    draw(st.sampled_from([np.savez, np.savez_compressed]))(buffer, **parts)
    if draw(st.integers(0, 6)) == 0:
        with zipfile.ZipFile(buffer, "a") as archive:
            archive.writestr(
                draw(st.sampled_from(["x.txt", "../x.npy", "x.npy", " ", "x.NPY"])), draw(st.binary(max_size=9))
            )
    return draw(perhaps_damaged(buffer.getvalue()))


@st.composite
def mat_files(draw: st.DrawFn) -> bytes:
    """A MATLAB file of arrays, cells, structures and sparse matrices."""
    cells = np.empty(3, object)
    cells[:] = [np.eye(3), np.zeros((0, 3)), "word"]
    odd = [
        cells,
        np.array(["a", "b"]),
        {"x": np.eye(2), "y": "text"},
        scipy.sparse.eye(4).tocsc(),
        "text",
        np.eye(8)[:, :4],
    ]
    plain = arrays().filter(lambda array: array.dtype.kind in "fiub" and array.dtype != "f2")
    names = draw(
        st.lists(st.sampled_from(ROLES), min_size=draw(st.sampled_from([0, 1, 1, 1])), max_size=3, unique=True)
    )
    parts = {name: draw(st.one_of(st.sampled_from(odd), plain)) for name in names}
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, parts, format=draw(st.sampled_from(["5", "5", "5"])), do_compression=draw(st.booleans()))
    return draw(perhaps_damaged(buffer.getvalue()))


@st.composite
def idx_files(draw: st.DrawFn) -> bytes:
    """An IDX file, whose head may say something else than it holds."""
    odd = st.lists(st.one_of(st.integers(0, 6), st.sampled_from([2**31, 2**32 - 1])), max_size=5)
    shape = draw(st.one_of(st.just([20, 2, 2]), st.just([20, 4]), odd))
    kind = draw(st.sampled_from([8, 8, 8, 9, 11, 12, 13, 14, 0, 255]))
    size = int(np.prod([n for n in shape if n < 99])) * {11: 2, 12: 4, 13: 4, 14: 8}.get(kind, 1)
    content = bytes([0, 0, kind, draw(st.sampled_from([len(shape), len(shape), len(shape), 255]))])
    content += b"".join(struct.pack(">I", n) for n in shape) + bytes(at * 7 // 3 % 2 * 255 for at in range(size))
    content = draw(perhaps_damaged(content))
    return draw(perhaps_damaged(gzip.compress(content))) if draw(st.booleans()) else content


# ---- pictures --------------------------------------------------------------------------------------------------

KINDS = {"png": ("L", "RGB", "RGBA", "P", "1", "I;16", "LA"), "jpg": ("L", "RGB", "CMYK"), "gif": ("P", "L"),
         "tif": ("L", "RGB", "F", "I;16", "CMYK", "1"), "bmp": ("L", "RGB", "1"), "pgm": ("L",),
         "webp": ("RGB", "RGBA")}  # fmt: skip
FOLDERS = ("", "", "a/", "b/", "train/a/", "test/a/", "valid/", "a/deep/", ".hidden/", "1/", "10/")


@cache
def picture_bytes(kind: str, mode: str, size: tuple[int, int], seed: int) -> bytes:
    """A picture of noise."""
    noise = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 4)).astype(np.uint8)
    picture = Image.fromarray(noise, "RGBA") if mode in ("RGBA", "LA") else Image.fromarray(noise[..., 0])
    buffer = io.BytesIO()
    picture.convert("L" if mode == "I;16" else mode).convert(mode).save(
        buffer, {"jpg": "jpeg", "tif": "tiff", "pgm": "ppm"}.get(kind, kind)
    )
    return buffer.getvalue()


@st.composite
def picture_folders(draw: st.DrawFn) -> dict[str, bytes]:
    """A folder of small pictures, of which some are of another size or kind, damaged, or no pictures."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    files = {}
    for number in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from([kind, kind, kind, *sorted(KINDS)]))
        size = draw(st.sampled_from([(2, 2)] * 6 + [(4, 1), (3, 2)]))
        content = picture_bytes(kind, draw(st.sampled_from(KINDS[kind])), size, number)
        if draw(st.integers(0, 7)) == 0:
            content = draw(damaged(content))
        ending = draw(st.sampled_from([kind, kind, kind, kind, "png", "txt", "PNG"]))
        files[f"{draw(st.sampled_from(FOLDERS))}{number}.{ending}"] = content
    return files


# ---- the files of a run ----------------------------------------------------------------------------------------

ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 3),
    st.sampled_from([2**31, 2**63, 10**30, 1e308, float("nan"), float("inf")]),
    st.text(max_size=4), st.just([]), st.just({}), st.just([1, "a"]), st.just({"a": 1}), st.just("x" * 300),
)  # fmt: skip


@st.composite
def changed(draw: st.DrawFn, record: Any) -> Any:
    """A JSON record with one value, somewhere in it, replaced, removed, or added."""
    if isinstance(record, dict | list) and record and draw(st.integers(0, 7)):
        keys = list(record) if isinstance(record, dict) else range(len(record))
        key = draw(st.sampled_from(keys))
        copied = record.copy()
        what = draw(st.integers(0, 9))
        if what == 0:
            del copied[key]
        elif what == 1 and isinstance(copied, dict):
            copied[draw(st.text(max_size=3))] = draw(ODD)
        else:
            copied[key] = draw(changed(record[key]))
        return copied
    return draw(ODD)


@st.composite
def json_files(draw: st.DrawFn, content: bytes) -> bytes:
    """A JSON record that is changed, as is most of them, or damaged."""
    if draw(st.integers(0, 2)) == 0:
        return draw(damaged(content))
    return json.dumps(draw(changed(json.loads(content)))).encode()


@st.composite
def json_lines(draw: st.DrawFn, content: bytes) -> bytes:
    """Lines of JSON records, one of which is changed; or damage."""
    if draw(st.integers(0, 2)) == 0:
        return draw(damaged(content))
    lines = content.splitlines()
    at = draw(st.integers(0, len(lines) - 1))
    lines[at] = json.dumps(draw(changed(json.loads(lines[at])))).encode()
    return b"\n".join(lines) + draw(st.sampled_from([b"\n", b"", b"\n\n"]))


@st.composite
def tensor_files(draw: st.DrawFn, content: bytes, description: bytes) -> dict[str, bytes]:
    """A safetensors file that is damaged, or whose head is changed; its model.json may have the checksum of that."""
    import hashlib

    if draw(st.booleans()):
        size = int.from_bytes(content[:8], "little")
        head = json.dumps(draw(changed(json.loads(content[8 : 8 + size])))).encode()
        content = len(head).to_bytes(8, "little") + head + content[8 + size :]
    else:
        content = draw(damaged(content))
    files = {"model.safetensors": content}
    if draw(st.booleans()):
        record = json.loads(description) | {"sha256": hashlib.sha256(content).hexdigest()}
        files["model.json"] = json.dumps(record).encode()
    return files


# ---- what is typed ---------------------------------------------------------------------------------------------

OUT = st.sampled_from(["out.npy", "out.csv"])


@st.composite
def data_cases(draw: st.DrawFn, files: st.SearchStrategy, name: str) -> Case:
    """A data file or folder, given to one of the commands that read data."""
    found = draw(files)
    given = {name: found} if isinstance(found, bytes) else {f"{name}/{file}": each for file, each in found.items()}
    what = draw(st.integers(0, 9))
    if what < 6:
        recipe = draw(st.sampled_from(["rbm", "rbm", "rbm", "made", "classifier"]))
        flags = (
            () if draw(st.integers(0, 3)) else draw(st.sampled_from([("--standardize",), ("--binarize", "threshold")]))
        )
        words = ("train", recipe, "--data", name, "--out", "new", *TRAIN, *flags)
        return Case(given, words, trains=draw(st.integers(0, WHOLE - 1)) == 0)
    if what == 6:
        return Case(given, ("evaluate", RUN, "--data", name))
    if what == 7:
        return Case(given, ("train", "rbm", "--data", TABLE, "--labels", name, "--out", "new", *TRAIN))
    if what == 8:
        return Case(given, ("encode", RUN, "--input", name, "--out", draw(OUT), *_forced(draw)))
    return Case(given, ("impute", RUN, "--input", name, "--steps", "2", "--out", draw(OUT), *_forced(draw)))


@st.composite
def run_cases(draw: st.DrawFn, files: st.SearchStrategy) -> Case:
    """A run one of whose files is malformed, given to one of the commands that work on runs."""
    given = {f"{RUN}/{name}": content for name, content in draw(files).items()}
    out = draw(OUT)
    words = draw(
        st.sampled_from([
            ("evaluate", RUN), ("sample", RUN, "-n", "3", "--steps", "2", "--out", out),
            ("impute", RUN, "--input", TABLE, "--steps", "2", "--out", out),
            ("encode", RUN, "--input", TABLE, "--out", out),
            ("compare", RUN, OTHER), ("compare", OTHER, RUN), ("report", RUN),
            ("train", "rbm", "--out", RUN, "--resume", "--no-progress", "--no-report"),
            ("train", "rbm", "--data", TABLE, "--from", RUN, "--out", "new", *TRAIN),
        ])
    )  # fmt: skip
    return Case(given, (*words, *(_forced(draw) if "--out" in words and words[0] != "train" else ())), trains=True)


def _forced(draw: st.DrawFn) -> tuple[str, ...]:
    return ("--force",) if draw(st.booleans()) else ()


def formats(run: Path) -> dict[str, st.SearchStrategy[Case]]:
    """The cases of every format; those of a run's files begin with the ones of a run that is whole."""
    content = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    plain = {
        "run.json": json_files,
        "model.json": json_files,
        "estimates.json": json_files,
        "metrics.jsonl": json_lines,
    }
    data = {f".{ending}": data_cases(text_tables(), f"x.{ending}") for ending in ("csv", "tsv", "txt", "data")}
    data |= {
        ".npy": data_cases(npy_files(), "x.npy"), ".npz": data_cases(npz_files(), "x.npz"),
        ".mat": data_cases(mat_files(), "x.mat"), "IDX": data_cases(idx_files(), "x-idx3-ubyte"),
        "pictures": data_cases(picture_folders(), "pictures"),
    }  # fmt: skip
    runs = {
        name: run_cases(made(content[name]).map(lambda found, name=name: {name: found})) for name, made in plain.items()
    }
    runs["model.safetensors"] = run_cases(tensor_files(content["model.safetensors"], content["model.json"]))
    runs["per_example.npz"] = run_cases(
        damaged(content["per_example.npz"]).map(lambda found: {"per_example.npz": found})
    )
    return data | runs
