"""Datasets of the contents of files."""

from __future__ import annotations

from typing import Any

from dynrnn.tf1.core import dtypes
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape
from dynrnn.tf1.data.dataset import Dataset, create
from dynrnn.tf1.data.padding import as_int64
from dynrnn.tf1.data.structure import Leaf
from dynrnn.tf1.records import compression_name

__all__ = ["FixedLengthRecordDataset", "TFRecordDataset", "TextLineDataset"]


def _reader(op_type: str, filenames: Any, *settings: Any) -> Tensor:
    if isinstance(filenames, Dataset):
        raise NotImplementedError("a dataset of file names is not available here in dynrnn; use flat_map or interleave")
    names = convert_to_tensor(filenames, dtypes.string, name="filenames")
    if names.shape.ndims not in (0, 1, None):
        raise ValueError(f"filenames must be a scalar or a vector, got shape {names.shape}")
    return create(op_type, [names, *settings])


def _compression(compression_type: Any) -> Tensor:
    if isinstance(compression_type, Tensor):
        return compression_type
    return convert_to_tensor(compression_name(compression_type), dtypes.string, name="compression_type")


class TextLineDataset(Dataset):
    """The lines of text files.

    Args:
        filenames: string or strings.
        compression_type: "", "ZLIB" or "GZIP".
        buffer_size, num_parallel_reads: accepted; files are read one by one.
    """

    def __init__(
        self, filenames: Any, compression_type: Any = None, buffer_size: Any = None, num_parallel_reads: Any = None
    ) -> None:
        variant = _reader("TextLineDataset", filenames, _compression(compression_type))
        super().__init__(variant, Leaf(dtypes.string, TensorShape([])))


class TFRecordDataset(Dataset):
    """The records of TFRecord files; arguments as for :class:`TextLineDataset`."""

    def __init__(
        self, filenames: Any, compression_type: Any = None, buffer_size: Any = None, num_parallel_reads: Any = None
    ) -> None:
        variant = _reader("TFRecordDataset", filenames, _compression(compression_type))
        super().__init__(variant, Leaf(dtypes.string, TensorShape([])))


class FixedLengthRecordDataset(Dataset):
    """Records of a fixed number of bytes.

    Args:
        filenames: string or strings.
        record_bytes: of one record.
        header_bytes, footer_bytes: left out at the beginning and the end of each file.
        others: accepted without effect.
    """

    def __init__(
        self, filenames: Any, record_bytes: Any, header_bytes: Any = None, footer_bytes: Any = None, **others: Any
    ) -> None:
        settings = [as_int64(v or 0, "bytes") for v in (record_bytes, header_bytes, footer_bytes)]
        variant = _reader("FixedLengthRecordDatasetV2", filenames, *settings)
        super().__init__(variant, Leaf(dtypes.string, TensorShape([])))
