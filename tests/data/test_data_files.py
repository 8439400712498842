"""A person's own files, whole and damaged."""

import gzip
import struct

import numpy as np
import pytest
from PIL import Image

from harmonium.data import load
from harmonium.data.files import read_array
from harmonium.errors import InputError

X = np.random.default_rng(0).normal(size=(40, 3))


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def saved(path, x):
    np.save(path, x)
    return path


def idx(array, code=8):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape) + array.tobytes()


def rows(data):
    return np.concatenate([part for part in (data.train, data.valid, data.test) if part is not None])


# --- .npy and .npz


def test_npy_is_split_by_default(tmp_path):
    data = load(saved(tmp_path / "mine.npy", X))
    assert [len(part) for part in (data.train, data.valid, data.test)] == [32, 4, 4]
    np.testing.assert_array_equal(np.sort(rows(data), axis=0), np.sort(X.astype(np.float32), axis=0))
    assert (data.name, data.test.space.split, data.streamed) == ("mine.npy", "test", False)
    assert len(load(str(tmp_path / "mine.npy"), valid_fraction=0, test_fraction=0.5).test) == 20


def test_a_large_npy_stays_in_its_file(tmp_path, monkeypatch):
    monkeypatch.setattr("harmonium.data.storage.RESIDENT_BYTES", 100)
    monkeypatch.setattr("harmonium.data.arrays.STREAMED_SPLIT", 2)
    pictures = np.random.default_rng(0).integers(0, 256, (40, 2, 2), dtype=np.uint8)
    data = load(saved(tmp_path / "x.npy", pictures), binarize="dynamic")
    assert data.streamed
    assert data.image_shape == (2, 2)
    assert [len(part) for part in (data.train, data.valid, data.test)] == [36, 2, 2]
    (chunk,) = data.chunks(seed=0, batch_size=36, steps=1, first_step=0, last_step=1)
    assert chunk.dtype == np.float32
    assert float(chunk.max()) <= 1


def test_npz_with_splits_and_labels(tmp_path):
    y = np.arange(40)
    np.savez(tmp_path / "s.npz", train=X, test=X[:9], train_labels=y, test_labels=y[:9])
    data = load(tmp_path / "s.npz")
    assert (len(data.train), data.valid, len(data.test)) == (40, None, 9)
    np.testing.assert_array_equal(data.test_labels, y[:9])


@pytest.mark.parametrize("names", [("x", "y"), ("X", "labels"), ("data", "y"), ("anything", None)])
def test_npz_with_one_table(tmp_path, names):
    x, y = names
    np.savez(tmp_path / "s.npz", **{x: np.arange(40)[:, None], **({y: np.arange(40)} if y else {})})
    data = load(tmp_path / "s.npz")
    assert len(rows(data)) == 40
    if y:
        np.testing.assert_array_equal(data.train[:, 0], data.train_labels)


def test_npz_of_packed_bits(tmp_path):
    bits = np.random.default_rng(0).integers(0, 2, (9, 13), dtype=np.uint8)
    np.savez(tmp_path / "p.npz", train=np.packbits(bits, axis=1), test=np.packbits(bits[:2], axis=1), n_vars=13)
    data = load(tmp_path / "p.npz")
    np.testing.assert_array_equal(data.train, bits)
    assert data.space.support == "binary"


def test_labels_from_a_file_or_an_array(tmp_path):
    path = saved(tmp_path / "x.npy", np.arange(40)[:, None])
    for labels in (write(tmp_path / "y.csv", "label\n" + "\n".join(map(str, range(40)))), np.arange(40)):
        data = load(path, labels=labels)
        np.testing.assert_array_equal(data.train[:, 0], data.train_labels)
        np.testing.assert_array_equal(data.test[:, 0], data.test_labels)
    with pytest.raises(InputError, match="39 for 40 rows"):
        load(path, labels=np.arange(39))


# --- text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "1.5,2\n3,4\n"),
        ("a.csv", "height,width\r\n1.5,2\r\n3,4"),
        ("a.csv", '"height","width"\n"1.5","2"\n3,4\n\n'),
        ("a.csv", "\ufeffa;b\n1.5;2\n3;4\n"),
        ("a.tsv", "1.5\t2\n3\t4\n"),
        ("a.txt", "  1.5 2\n3   4\n"),
        ("a.amat", "1.5 2 \n3 4 \n"),
    ],
)
def test_text_tables(tmp_path, name, text):
    np.testing.assert_array_equal(rows(load(write(tmp_path / name, text))), [[1.5, 2], [3, 4]])


def test_a_table_of_integers_stays_one(tmp_path):
    data = load(write(tmp_path / "c.csv", "a,b\n" + "0,3\n2,15\n" * 10))
    assert (data.space.support, data.train.dtype) == ("integers 0..15", np.uint8)
    assert load(write(tmp_path / "b.csv", "0,1\n1,1\n")).space.support == "binary"


def test_one_row_and_one_column(tmp_path):
    assert load(write(tmp_path / "r.csv", "1.5,2")).train.shape == (1, 2)
    assert load(write(tmp_path / "c.csv", "x\n1\n2.5")).train.shape == (2, 1)


def test_an_empty_cell_is_missing(tmp_path):
    path = write(tmp_path / "m.csv", "a,b,c\n1,2,3\n4,,6\n,8,9\n")
    np.testing.assert_array_equal(read_array(path), [[1, 2, 3], [4, np.nan, 6], [np.nan, 8, 9]])
    with pytest.raises(InputError, match=r"no value in line 3, column 2 \('b'\), nor in 1 other cell"):
        load(path)


# --- pictures, IDX, MATLAB


def picture(path, values, mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(values, np.uint8)).convert(mode).save(path)


def test_a_folder_of_pictures(tmp_path):
    for i, ending in enumerate(["png", "bmp", "gif", "tif", "PNG"]):
        picture(tmp_path / f"{i}.{ending}", np.full((2, 3), 51 * i))
    write(tmp_path / "notes.txt", "not a picture")
    write(tmp_path / ".hidden.png", "not a picture either")
    data = load(tmp_path, valid_fraction=0, test_fraction=0.2)
    assert (data.image_shape, data.space.scaling, data.space.support) == (
        (2, 3),
        "divided by 255",
        "unit interval",
    )
    np.testing.assert_allclose(np.sort(rows(data)[:, 0]), [0, 0.2, 0.4, 0.6, 0.8], rtol=1e-6)


def test_colour_becomes_grey(tmp_path):
    picture(tmp_path / "c.png", np.full((2, 2, 3), 102), "RGB")
    np.testing.assert_allclose(load(tmp_path).train, 0.4, rtol=1e-6)


def test_sub_folders_are_classes(tmp_path):
    for label, name in enumerate(["ant", "bee"]):
        for i in range(10):
            picture(tmp_path / name / f"{i}.png", np.full((2, 2), 100 * label + i))
    (tmp_path / "empty").mkdir()
    data = load(tmp_path)
    np.testing.assert_array_equal(data.train_labels, np.round(data.train[:, 0] * 255) // 100)
    assert set(data.train_labels) == {0, 1}


@pytest.mark.parametrize("zipped", [False, True])
def test_idx(tmp_path, zipped):
    x = np.random.default_rng(0).integers(0, 256, (10, 2, 3), dtype=np.uint8)
    content = gzip.compress(idx(x)) if zipped else idx(x)
    path = write(tmp_path / f"train-images-idx3-ubyte{'.gz' * zipped}", content)
    data = load(path, valid_fraction=0, test_fraction=0.1)
    assert (data.image_shape, data.space.scaling) == ((2, 3), "divided by 255")
    np.testing.assert_allclose(np.sort(rows(data), axis=0), np.sort(x.reshape(10, 6) / 255, axis=0), rtol=1e-6)


def test_idx_of_floats(tmp_path):
    path = write(tmp_path / "x.idx", idx(X.astype(">f4"), 0x0D))
    np.testing.assert_array_equal(read_array(path), X.astype(np.float32))


@pytest.mark.parametrize("name", ["m.mat", "m.amat"])
def test_matlab_under_either_ending(tmp_path, name):
    from scipy.io import savemat
    from scipy.sparse import csr_array

    savemat(tmp_path / "full.mat", {"anything": X})
    np.testing.assert_array_equal(read_array((tmp_path / "full.mat").rename(tmp_path / name)), X)
    savemat(tmp_path / "sparse.mat", {"documents": csr_array(np.eye(3))})
    np.testing.assert_array_equal(read_array(tmp_path / "sparse.mat"), np.eye(3))


# --- what is refused


def real_levels(folder):
    Image.fromarray(np.full((2, 2), 0.5, np.float32)).save(folder / "real.tif")
    return folder


def two_sizes(folder):
    picture(folder / "a.png", np.zeros((2, 3)))
    picture(folder / "b.png", np.zeros((3, 2)))
    return folder


def many_arrays(folder):
    np.savez(folder / "m.npz", one=X, two=X)
    return folder / "m.npz"


def objects(folder):
    np.save(folder / "o.npy", np.array([[1, None]]), allow_pickle=True)
    return folder / "o.npy"


def cut(path, end):
    path.write_bytes(path.read_bytes()[:end])
    return path


def two_variables(folder):
    from scipy.io import savemat

    savemat(folder / "m.mat", {"one": X, "two": X})
    return folder / "m.mat"


REFUSED = {
    "nothing": (lambda d: d / "none.npy", "neither a data set nor a file"),
    "ending": (lambda d: write(d / "x.h5", "x"), r"ending that is not read.*\.npy"),
    "one picture": (lambda d: picture(d / "x.png", np.zeros((2, 2))) or d / "x.png", "give the folder"),
    "empty folder": (lambda d: d, "holds no pictures"),
    "two sizes": (two_sizes, r"b\.png' has 3x2 pixels and '.*a\.png' 2x3"),
    "more than 16 bits": (real_levels, "more than 16 bits a value: save it with 8 or 16 bits"),
    "no picture": (lambda d: write(d / "x.png", "garbage").parent, r"x\.png' cannot be read as a picture"),
    "cut picture": (
        lambda d: cut(write(d / "x.png", PNG), -30).parent,
        r"x\.png' cannot be read as a picture",
    ),
    "npy garbage": (lambda d: write(d / "x.npy", "garbage"), r"x\.npy' is not a \.npy file"),
    "npy empty": (lambda d: write(d / "x.npy", b""), r"x\.npy' is not a \.npy file"),
    "npy cut": (
        lambda d: cut(saved(d / "x.npy", X), 300),
        r"x\.npy' is not a \.npy file of numbers, or is cut",
    ),
    "npy zero rows": (lambda d: saved(d / "x.npy", X[:0]), r"shape \(0, 3\)"),
    "npy one axis": (lambda d: saved(d / "x.npy", X[0]), r"shape \(3,\)"),
    "npy objects": (objects, "could run code"),
    "npy of names": (lambda d: saved(d / "x.npy", np.zeros(3, [("a", "f4")])), "dtype"),
    "npz garbage": (lambda d: write(d / "x.npz", "garbage"), r"x\.npz' is not a \.npz"),
    "npz cut": (lambda d: cut(many_arrays(d), 700), r"m\.npz' is not a \.npz"),
    "npz is npy": (lambda d: saved(d / "x.npy", X).rename(d / "x.npz"), r"x\.npz' is not a \.npz"),
    "npy is npz": (lambda d: many_arrays(d).rename(d / "m.npy"), r"m\.npy' is not a \.npy"),
    "npz many": (many_arrays, "holds one, two, of which one, two say nothing: name the arrays"),
    "csv empty": (lambda d: write(d / "x.csv", "\n \n"), "no row of numbers"),
    "csv header only": (lambda d: write(d / "x.csv", "a,b\n"), "no row of numbers"),
    "csv text": (lambda d: write(d / "x.csv", "a,b\n1,2\n3,tall\n"), "'tall' in line 3, column 2"),
    "csv decimal commas": (lambda d: write(d / "x.csv", "a;b\n1;2,5\n"), r"'2,5' in line 2, column 2 .* point \(2.5\)"),
    "csv half header": (lambda d: write(d / "x.csv", "1,b\n1,2\n"), "'b' in line 1, column 2"),
    "csv ragged": (lambda d: write(d / "x.csv", "1,2\n\n3\n"), "1 columns in line 3 and 2 in line 1"),
    "csv bytes": (lambda d: write(d / "x.csv", bytes(100)), "not a text table"),
    "csv infinite": (lambda d: write(d / "x.csv", "1,inf\n2,3"), "infinity in line 1, column 2"),
    "idx garbage": (lambda d: write(d / "x.idx", "garbage"), "not an IDX file"),
    "idx short": (lambda d: write(d / "x.idx", IDX[:-1]), r"15 bytes where shape \(2, 4\) needs"),
    "idx header": (lambda d: write(d / "x.idx", IDX[:7]), "fetch the file again"),
    "idx zero rows": (lambda d: write(d / "x.idx", idx(np.zeros((0, 2, 2), np.uint8))), "hold no value"),
    "gz cut": (lambda d: write(d / "x.idx.gz", gzip.compress(IDX)[:-9]), r"x\.idx\.gz' is cut short"),
    "gz damaged": (lambda d: write(d / "x.idx.gz", b"\x1f\x8b" + bytes(30)), "cut short or damaged"),
    "mat garbage": (lambda d: write(d / "x.mat", "MATLAB 5.0 MAT-file garbage" + "x" * 200), "MATLAB v5"),
    "mat many": (two_variables, "holds one, two"),
}
IDX = struct.pack(">BBBBII", 0, 0, 8, 2, 2, 4) + bytes(4)


def png_bytes():
    import io

    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (20, 20), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, "png")
    return buffer.getvalue()


PNG = png_bytes()


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_line(tmp_path, case):
    make, words = REFUSED[case]
    with pytest.raises(InputError, match=words) as caught:
        load(make(tmp_path))
    assert "\n" not in str(caught.value)


def test_only_a_text_table_has_a_row_of_names(tmp_path):
    with pytest.raises(InputError, match=r"x\.npy' is no text table, and has no row of names: leave out header=True"):
        load(saved(tmp_path / "x.npy", X), header=True)
    with pytest.raises(InputError, match="leave out header"):
        load("digits", header=False)


def test_read_array_wants_one_array(tmp_path):
    np.savez(tmp_path / "s.npz", train=X, test=X)
    with pytest.raises(InputError, match="2 splits where one array is needed"):
        read_array(tmp_path / "s.npz")


@pytest.mark.parametrize(
    "head",
    ["{'descr': [x', '<f4'], 'shape': (3,)}", "{'descr': '<f8', 'fortran_order': True, 'shape': (2**62, 6, 2**31)}",
     "{'descr': '<f8', 'fortran_order': False, 'shape': (18446744073709551616,)}",
     "{'descr': '<f8', 'fortran_order': True, 'shape': (4611686018427387904, 6, 2147483648)}"],
)  # fmt: skip
def test_a_npy_head_that_python_cannot_read_is_refused(tmp_path, head):
    """NumPy reads it as Python, and raises what that trips over."""
    path = tmp_path / "x.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode() + bytes(24))
    with pytest.raises(InputError, match=r"is not a \.npy file of numbers, or is cut short"):
        read_array(path)


@pytest.mark.parametrize("shape", [(2**31, 1, 2**32 - 1, 2**32 - 1, 0), (2**31, 2**32 - 1, 6, 6, 0)])
def test_an_idx_shape_that_no_array_has_is_refused(tmp_path, shape):
    path = tmp_path / "x-idx3-ubyte"
    path.write_bytes(bytes([0, 0, 8, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape))
    with pytest.raises(InputError, match=r"says that its shape is \(2147483648"):
        read_array(path)
