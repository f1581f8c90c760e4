"""Element types: what they are made of, what they equal, limits, and how Python and numpy values get theirs."""

from __future__ import annotations

import copy
import enum
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import dynrnn.tf1

# programs' mistakes are tried on it, which a type checker would not let pass
tf: Any = dynrnn.tf1

NAMES = [
    *["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "bool"],
    *["complex64", "complex128"],
]


@pytest.fixture(autouse=True)
def session() -> Iterator[Any]:
    with tf.Graph().as_default(), tf.Session() as sess:
        yield sess


@pytest.mark.parametrize("name", NAMES)
def test_conversions(name: str) -> None:
    dtype = getattr(tf, name)
    numpy_type = np.dtype(name)
    assert tf.as_dtype(name) is dtype and tf.as_dtype(dtype) is dtype
    assert tf.as_dtype(numpy_type) is dtype and tf.as_dtype(numpy_type.type) is dtype
    assert tf.as_dtype(dtype.as_datatype_enum) is dtype
    assert np.dtype(dtype.as_numpy_dtype) == numpy_type
    assert (dtype.name, str(dtype), repr(dtype)) == (name, f"<dtype: '{name}'>", f"tf.{name}")
    assert dtype.size == numpy_type.itemsize


def test_python_types() -> None:
    assert [tf.as_dtype(kind) for kind in (float, bool)] == [tf.float32, tf.bool]
    assert all(tf.as_dtype(kind) is tf.string for kind in (np.str_, np.object_, "string"))


def test_aliases() -> None:
    assert tf.half is tf.float16 and tf.double is tf.float64
    assert [tf.as_dtype(name) for name in ("float", "half", "double")] == [tf.float32, tf.float16, tf.float64]


@pytest.mark.parametrize("bad", ["nonsense", 999, None, 1.5, object(), [1]])
def test_what_is_no_type(bad: Any) -> None:
    with pytest.raises(TypeError, match="to a TensorFlow DType"):
        tf.as_dtype(bad)


def test_equality_and_hash() -> None:
    assert tf.float32 == "float32" and tf.float32 == np.float32 and tf.float32 == np.dtype("float32")
    assert tf.float32 != tf.float64 and tf.float32 != np.float64 and tf.float32 != None  # noqa: E711
    assert tf.float32 not in (tf.int32, "nonsense") and tf.float32 in [tf.int32, tf.float32]
    assert {tf.float32: 1}[tf.as_dtype("float32")] == 1
    assert copy.deepcopy([tf.float32])[0] is tf.float32


def test_types_of_variables() -> None:
    ref = tf.Variable(1.0).dtype
    assert ref.name == "float32_ref" and ref.base_dtype is tf.float32 and tf.float32.base_dtype is tf.float32
    assert ref != tf.float32 and tf.float32.is_compatible_with(ref) and not ref.is_compatible_with(tf.float32)
    assert ref.is_floating and ref.as_numpy_dtype is np.float32
    assert ref in [tf.float32, ref]


def test_kinds() -> None:
    kinds = {
        "is_floating": {"float16", "float32", "float64", "bfloat16"},
        "is_integer": {"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"},
        "is_unsigned": {"uint8", "uint16", "uint32", "uint64"},
        "is_complex": {"complex64", "complex128"},
        "is_bool": {"bool"},
    }
    everything = [*NAMES, "bfloat16", "uint32", "uint64", "string"]
    for kind, members in kinds.items():
        assert {name for name in everything if getattr(getattr(tf, name), kind)} == members
    assert tf.complex64.real_dtype is tf.float32 and tf.float64.real_dtype is tf.float64


def test_limits() -> None:
    assert (tf.int8.min, tf.int8.max, tf.uint8.min, tf.uint8.max) == (-128, 127, 0, 255)
    assert tf.int64.max == 2**63 - 1
    assert tf.float32.max == np.finfo(np.float32).max and tf.float16.min == np.finfo(np.float16).min
    with pytest.raises(TypeError):
        _ = tf.string.max


def test_an_enum_of_ints_is_no_accident() -> None:
    class Number(enum.IntEnum):
        ONE = 1

    assert tf.as_dtype(Number.ONE.value) is tf.float32


# --- types of values --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, "int32"),
        (2**40, "int64"),
        (1.0, "float32"),
        (True, "bool"),
        ("a", "string"),
        (b"a", "string"),
        (1 + 2j, "complex128"),
        ([1, 2], "int32"),
        ([1, 2.5], "float32"),
        ([[True], [False]], "bool"),
        (np.float64(1.0), "float64"),
        (np.int64(1), "int64"),
        (np.array([1.0]), "float64"),
        (np.array([1]), "int64"),
        (np.array([1], np.uint8), "uint8"),
        (np.array([True]), "bool"),
        ([np.float32(1.0), np.float32(2.0)], "float32"),
        ([], "float32"),
    ],
)
def test_the_type_of_a_constant(value: Any, expected: str, session: Any) -> None:
    tensor = tf.constant(value)
    assert tensor.dtype.name == expected
    assert tensor.shape.as_list() == list(np.shape(value))
    expected_value = value.encode() if isinstance(value, str) else value
    np.testing.assert_array_equal(session.run(tensor), np.asarray(expected_value))


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(1.5, "int32"), ("a", "float32"), (1, "string"), (1.0, "bool"), (1, "bool"), ([1.5, 2.0], "int64")],
)
def test_values_that_do_not_fit_their_type(value: Any, dtype: str) -> None:
    with pytest.raises((TypeError, ValueError)):
        tf.constant(value, dtype)


def test_values_that_do_fit(session: Any) -> None:
    numbers = np.array([1.0, 2.0])
    for value, dtype in ((1, "float64"), ([1, 2], "float16"), (numbers, "float32"), (3, "int8"), (1, "complex64")):
        tensor = tf.constant(value, dtype)
        assert tensor.dtype == dtype
        np.testing.assert_array_equal(session.run(tensor), value)


def test_constants_fill_their_shape(session: Any) -> None:
    np.testing.assert_array_equal(session.run(tf.constant(2.0, shape=[2, 2])), [[2, 2], [2, 2]])
    np.testing.assert_array_equal(session.run(tf.constant([1, 2, 3, 4], shape=[2, 2])), [[1, 2], [3, 4]])
    assert tf.constant(0.0, shape=[0, 3]).shape.as_list() == [0, 3]
    with pytest.raises((TypeError, ValueError)):
        tf.constant([1, 2, 3], shape=[2])


def test_what_makes_no_constant() -> None:
    with pytest.raises(ValueError, match="None values not supported"):
        tf.constant(None)
    with pytest.raises((ValueError, TypeError)):
        tf.constant([[1, 2], [3]])
    with pytest.raises((ValueError, TypeError)):
        tf.constant(object())


def test_lists_that_hold_tensors_are_stacked(session: Any) -> None:
    x = tf.constant(2.0)
    stacked = tf.convert_to_tensor([1.0, x, [3.0][0]])
    assert stacked.dtype == tf.float32
    np.testing.assert_array_equal(session.run(stacked), [1, 2, 3])
    nested = tf.convert_to_tensor([[1, tf.constant(2)], [tf.constant(3), 4]])
    np.testing.assert_array_equal(session.run(nested), [[1, 2], [3, 4]])


def test_conversion_to_another_type_is_refused() -> None:
    with pytest.raises(ValueError, match="Tensor conversion requested dtype int32 for Tensor with dtype float32"):
        tf.convert_to_tensor(tf.constant(1.0), tf.int32)


def test_python_numbers_take_the_type_of_the_tensor_beside_them(session: Any) -> None:
    for dtype in (tf.float16, tf.float64, tf.int64, tf.int8):
        x = tf.constant([1, 2], dtype)
        for y in (x + 1, 1 + x, x * 2, 2 - x, tf.add(x, 1), tf.maximum(x, 0), x + np.array([1, 1])):
            assert y.dtype == dtype
    assert (tf.constant([1.0]) + np.float64(1.0)).dtype == tf.float32
    assert (tf.constant([1.0]) > 0).dtype == tf.bool


@pytest.mark.parametrize(
    "build",
    [
        lambda: tf.constant(1.0) + tf.constant(1),
        lambda: tf.constant(1) * tf.constant(1, tf.int64),
        lambda: tf.constant(1) + 1.5,
        lambda: tf.add(tf.constant(1.0), tf.constant(1.0, tf.float64)),
        lambda: tf.matmul(tf.ones([2, 2]), tf.ones([2, 2], tf.float64)),
        lambda: tf.constant(1.0) + "a",
    ],
)
def test_types_do_not_mix(build: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        build()


def test_bfloat16(session: Any) -> None:
    x = tf.cast(tf.constant([1.0, 2.5]), tf.bfloat16)
    assert x.dtype == tf.bfloat16
    np.testing.assert_array_equal(np.asarray(session.run(x * 2.0), np.float32), [2, 5])
