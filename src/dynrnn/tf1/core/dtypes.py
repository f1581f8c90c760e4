"""TensorFlow's element types and how they map to numpy and torch.

``float32_ref`` and its like are the types of TensorFlow 1's non-resource variables: the same values, another name.
Strings have no torch type: a string tensor's value is a numpy array of ``bytes`` objects.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

__all__ = ["DType", "as_dtype"]


class DType:
    """An element type, such as ``tf.float32``; compares equal to its numpy type and to its name."""

    def __init__(self, name: str, numpy_type: Any, torch_type: torch.dtype | None, enum: int) -> None:
        self._name = name
        self._numpy_type = numpy_type
        self._torch_type = torch_type
        self._enum = enum

    @property
    def name(self) -> str:
        return self._name

    @property
    def is_ref(self) -> bool:
        """Whether this is the type of a variable rather than of a value."""
        return self._name.endswith("_ref")

    _is_ref_dtype = is_ref

    @property
    def base_dtype(self) -> DType:
        """The type without ``_ref``."""
        return _BY_NAME[self._name[:-4]] if self.is_ref else self

    @property
    def _as_ref(self) -> DType:
        return self if self.is_ref else _BY_NAME[self._name + "_ref"]

    @property
    def real_dtype(self) -> DType:
        """The type of the real part."""
        return {"complex64": _BY_NAME["float32"], "complex128": _BY_NAME["float64"]}.get(
            self.base_dtype.name, self.base_dtype
        )

    @property
    def torch_dtype(self) -> torch.dtype:
        """The torch type that holds the values; TypeError for strings."""
        if self._torch_type is None:
            raise TypeError(f"tensors of type {self._name} are not torch tensors")
        return self._torch_type

    @property
    def as_numpy_dtype(self) -> Any:
        """The numpy type (``object`` for strings)."""
        return self._numpy_type

    @property
    def as_datatype_enum(self) -> int:
        """TensorFlow's number for this type in serialised graphs."""
        return self._enum

    @property
    def is_floating(self) -> bool:
        return self._torch_type is not None and self._torch_type.is_floating_point

    # torch.dtype's spelling, so that a cell's formula can ask a graph tensor as it asks a torch tensor
    is_floating_point = is_floating

    @property
    def is_complex(self) -> bool:
        return self._torch_type is not None and self._torch_type.is_complex

    @property
    def is_bool(self) -> bool:
        return self._torch_type is torch.bool

    @property
    def is_integer(self) -> bool:
        return self._torch_type is not None and not (self.is_floating or self.is_complex or self.is_bool)

    @property
    def is_unsigned(self) -> bool:
        return self.is_integer and not self._torch_type.is_signed  # type: ignore[union-attr]

    @property
    def is_numpy_compatible(self) -> bool:
        return True

    @property
    def max(self) -> Any:
        """The largest finite value."""
        return self._limits().max

    @property
    def min(self) -> Any:
        """The smallest finite value."""
        return self._limits().min

    def _limits(self) -> Any:
        if self.is_floating:
            info = torch.finfo(self.torch_dtype)
            return np.finfo(self._numpy_type) if self._name != "bfloat16" else info
        if self.is_integer:
            return np.iinfo(self._numpy_type)
        raise TypeError(f"Cannot find maximum value of {self!r}.")

    @property
    def size(self) -> int:
        """Bytes per element."""
        return 1 if self._torch_type is None else self._torch_type.itemsize

    def is_compatible_with(self, other: Any) -> bool:
        """Whether a value of type ``other`` can be had as one of this type: also when ``other`` is a variable's."""
        other = as_dtype(other)
        return self in (other, other.base_dtype)

    def __eq__(self, other: Any) -> bool:
        if other is None:
            return False
        try:
            return as_dtype(other) is self
        except TypeError:
            return False

    def __ne__(self, other: Any) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._name)

    def __str__(self) -> str:
        return f"<dtype: '{self._name}'>"

    def __repr__(self) -> str:
        return f"tf.{self._name}"

    def __reduce__(self) -> Any:
        return as_dtype, (self._name,)

    def __copy__(self) -> DType:
        return self

    def __deepcopy__(self, memo: Any) -> DType:
        return self


_TABLE: list[tuple[str, Any, torch.dtype | None, int]] = [
    ("float32", np.float32, torch.float32, 1),
    ("float64", np.float64, torch.float64, 2),
    ("int32", np.int32, torch.int32, 3),
    ("uint8", np.uint8, torch.uint8, 4),
    ("int16", np.int16, torch.int16, 5),
    ("int8", np.int8, torch.int8, 6),
    ("string", object, None, 7),
    ("complex64", np.complex64, torch.complex64, 8),
    ("int64", np.int64, torch.int64, 9),
    ("bool", np.bool_, torch.bool, 10),
    # numpy has no bfloat16: its values come out of a session as float32
    ("bfloat16", np.float32, torch.bfloat16, 14),
    ("uint16", np.uint16, torch.uint16, 17),
    ("complex128", np.complex128, torch.complex128, 18),
    ("float16", np.float16, torch.float16, 19),
    ("resource", np.object_, None, 20),
    ("variant", np.object_, None, 21),
    ("uint32", np.uint32, torch.uint32, 22),
    ("uint64", np.uint64, torch.uint64, 23),
]

_BY_NAME: dict[str, DType] = {}
for _name, _numpy, _torch, _enum in _TABLE:
    _BY_NAME[_name] = DType(_name, _numpy, _torch, _enum)
    _BY_NAME[_name + "_ref"] = DType(_name + "_ref", _numpy, _torch, _enum + 100)

float16 = half = _BY_NAME["float16"]
float32 = _BY_NAME["float32"]
float64 = double = _BY_NAME["float64"]
bfloat16 = _BY_NAME["bfloat16"]
complex64 = _BY_NAME["complex64"]
complex128 = _BY_NAME["complex128"]
int8 = _BY_NAME["int8"]
int16 = _BY_NAME["int16"]
int32 = _BY_NAME["int32"]
int64 = _BY_NAME["int64"]
uint8 = _BY_NAME["uint8"]
uint16 = _BY_NAME["uint16"]
uint32 = _BY_NAME["uint32"]
uint64 = _BY_NAME["uint64"]
bool_ = _BY_NAME["bool"]
string = _BY_NAME["string"]
resource = _BY_NAME["resource"]
variant = _BY_NAME["variant"]

_BY_TORCH: dict[torch.dtype, DType] = {t: _BY_NAME[n] for n, _, t, _ in _TABLE if t is not None}
_BY_NUMPY: dict[Any, DType] = {
    np.dtype(n): _BY_NAME[name] for name, n, t, _ in _TABLE if t is not None and name != "bfloat16"
}
_BY_PYTHON: dict[Any, DType] = {
    float: float32,
    int: int32,
    bool: bool_,
    complex: complex128,
    str: string,
    bytes: string,
}
_BY_ENUM: dict[int, DType] = {d.as_datatype_enum: d for d in _BY_NAME.values()}
_BY_NAME.update({"half": float16, "double": float64, "float": float32})


def as_dtype(type_value: Any) -> DType:
    """The ``DType`` meant by a DType, a name, a numpy, torch or Python type, or TensorFlow's number of it.

    Raises:
        TypeError: when there is none.
    """
    value = type_value
    if isinstance(value, DType):
        return value
    if isinstance(value, str) and value in _BY_NAME:
        return _BY_NAME[value]
    if isinstance(value, torch.dtype) and value in _BY_TORCH:
        return _BY_TORCH[value]
    if isinstance(value, type) and value in _BY_PYTHON:
        return _BY_PYTHON[value]
    if isinstance(value, int) and not isinstance(value, bool) and value in _BY_ENUM:
        return _BY_ENUM[value]
    try:
        # numpy takes None for float64
        dtype = np.dtype("" if value is None else value)
    except TypeError:
        raise TypeError(f"Cannot convert value {value!r} to a TensorFlow DType.") from None
    if dtype in _BY_NUMPY:
        return _BY_NUMPY[dtype]
    if dtype.kind in "OSU":
        return string
    raise TypeError(f"Cannot convert value {value!r} to a TensorFlow DType.")
