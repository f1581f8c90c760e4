"""``tf.contrib.lookup`` and ``tensorflow.python.ops.lookup_ops``: tables from keys to values, in a session.

A table is filled by its initializer (``tf.tables_initializer()`` runs those of the whole graph) and is not
differentiable. Keys and values are strings or integers (values floats too).
"""

from __future__ import annotations

from typing import Any

from dynrnn.tf1._namespace import missing
from dynrnn.tf1.core import dtypes, errors
from dynrnn.tf1.core.control_flow import group, no_op
from dynrnn.tf1.core.convert import convert_to_tensor
from dynrnn.tf1.core.dtypes import DType, as_dtype
from dynrnn.tf1.core.graph import Operation, get_default_graph, name_scope
from dynrnn.tf1.core.sparse_tensor import SparseTensor
from dynrnn.tf1.core.tensor import Tensor
from dynrnn.tf1.core.tensor_shape import TensorShape
from dynrnn.tf1.core.variables import GraphKeys
from dynrnn.tf1.lookup_kernels import content_of

__all__ = [
    "HashTable",
    "IdTableWithHashBuckets",
    "KeyValueTensorInitializer",
    "LookupInterface",
    "MutableHashTable",
    "StaticHashTable",
    "TextFileIdTableInitializer",
    "TextFileIndex",
    "TextFileInitializer",
    "TextFileStringTableInitializer",
    "index_table_from_file",
    "index_table_from_tensor",
    "index_to_string_table_from_file",
    "index_to_string_table_from_tensor",
    "string_to_index_table_from_file",
    "string_to_index_table_from_tensor",
    "tables_initializer",
]


def tables_initializer(name: str = "init_all_tables") -> Operation:
    """The operation that fills all tables of the graph."""
    initializers = get_default_graph().get_collection(GraphKeys.TABLE_INITIALIZERS)
    return group(*initializers, name=name) if initializers else no_op(name)


# --- tables -----------------------------------------------------------------------------------------------------------


class LookupInterface:
    """What all tables have: dtypes, a name, ``lookup``, ``size``."""

    value_shape = TensorShape([])

    def __init__(self, key_dtype: Any, value_dtype: Any, name: str) -> None:
        self._key_dtype, self._value_dtype = as_dtype(key_dtype), as_dtype(value_dtype)
        self._name = name

    @property
    def key_dtype(self) -> DType:
        """The dtype of keys."""
        return self._key_dtype

    @property
    def value_dtype(self) -> DType:
        """The dtype of values."""
        return self._value_dtype

    @property
    def name(self) -> str:
        """The name of the table."""
        return self._name

    def content(self, run: Any) -> dict[Any, Any]:
        """What the table holds in the session of ``run``."""
        return content_of(run, self)

    def size(self, name: str | None = None) -> Tensor:
        """How many keys the table has."""
        op = get_default_graph().create_op("LookupTableSize", [], {"table": self}, name or f"{self._name}_Size")
        return op.outputs[0]

    def _keys(self, keys: Any) -> tuple[Tensor, SparseTensor | None]:
        sparse = keys if isinstance(keys, SparseTensor) else None
        tensor = convert_to_tensor(keys.values if sparse is not None else keys)
        if tensor.dtype.base_dtype != self._key_dtype:
            raise TypeError(f"Signature mismatch. Keys must be dtype {self._key_dtype!r}, got {tensor.dtype!r}.")
        return tensor, sparse

    def _find(self, keys: Any, default: Any, name: str | None) -> Any:
        tensor, sparse = self._keys(keys)
        fallback = convert_to_tensor(default, self._value_dtype)
        op = get_default_graph().create_op(
            "LookupTableFind", [tensor, fallback], {"table": self}, name or f"{self._name}_Lookup/LookupTableFind"
        )
        found = op.outputs[0]
        return found if sparse is None else SparseTensor(sparse.indices, found, sparse.dense_shape)


class KeyValueTensorInitializer:
    """Fills a table with ``keys`` and ``values``, tensors or lists of one length."""

    def __init__(
        self, keys: Any, values: Any, key_dtype: Any = None, value_dtype: Any = None, name: str | None = None
    ) -> None:
        with name_scope(name, "key_value_init") as scope:
            self._keys = convert_to_tensor(keys, key_dtype, name="keys")
            self._values = convert_to_tensor(values, value_dtype, name="values")
            self._name = scope
        self._keys.shape.merge_with(self._values.shape)
        self.key_dtype, self.value_dtype = self._keys.dtype.base_dtype, self._values.dtype.base_dtype

    def initialize(self, table: LookupInterface) -> Operation:
        """The operation that fills ``table``."""
        return _collected("InitializeTable", [self._keys, self._values], table, self._name)


def _collected(op_type: str, inputs: list[Tensor], table: LookupInterface, name: str, **attrs: Any) -> Operation:
    op = get_default_graph().create_op(op_type, inputs, {"table": table, **attrs}, name)
    get_default_graph().add_to_collection(GraphKeys.TABLE_INITIALIZERS, op)
    return op


class TextFileIndex:
    """Which part of a line is a key or a value, besides the number of a column between delimiters."""

    WHOLE_LINE = -2
    LINE_NUMBER = -1


class TextFileInitializer:
    """Fills a table from the lines of a text file.

    Args:
        filename: path, or a string tensor.
        key_dtype, value_dtype: strings or integers; the number of a line is int64.
        key_index, value_index: a column's number, ``TextFileIndex.WHOLE_LINE`` or ``TextFileIndex.LINE_NUMBER``.
        vocab_size: how many lines to read; by default all.
        delimiter: what separates columns.
        name: operation name.

    Raises:
        ValueError: an index below -2, a line's number that is not int64, or a whole line that is not a string.
    """

    def __init__(
        self,
        filename: Any,
        key_dtype: Any,
        key_index: int,
        value_dtype: Any,
        value_index: int,
        vocab_size: int | None = None,
        delimiter: str = "\t",
        name: str | None = None,
    ) -> None:
        self.key_dtype, self.value_dtype = as_dtype(key_dtype), as_dtype(value_dtype)
        for what, index, dtype in (("key", key_index, self.key_dtype), ("value", value_index, self.value_dtype)):
            if index < -2:
                raise ValueError(f"Invalid {what} index {index}.")
            if index == TextFileIndex.LINE_NUMBER and dtype != dtypes.int64:
                raise ValueError(f"Signature mismatch. {what}s must be dtype {dtypes.int64!r}, got {dtype!r}.")
            if index == TextFileIndex.WHOLE_LINE and dtype != dtypes.string:
                raise ValueError(f"Signature mismatch. {what}s must be dtype {dtypes.string!r}, got {dtype!r}.")
        if vocab_size is not None and vocab_size <= 0:
            raise ValueError(f"Invalid vocab_size {vocab_size}.")
        self._filename = filename
        self._indices = key_index, value_index
        self._vocab_size, self._delimiter, self._name = vocab_size, delimiter.encode(), name

    def initialize(self, table: LookupInterface) -> Operation:
        """The operation that reads the file and fills ``table``."""
        place = convert_to_tensor(self._filename, dtypes.string, name="asset_filepath")
        get_default_graph().add_to_collection(GraphKeys.ASSET_FILEPATHS, place)
        return _collected("InitializeTableFromTextFile", [place], table, self._name or "text_file_init", source=self)

    def read(self, path: str) -> dict[Any, Any]:
        """The keys and values of a file."""
        try:
            with open(path, "rb") as file:
                lines = file.read().splitlines()
        except OSError as error:
            raise errors.NotFoundError(None, None, f"{path}; {error.strerror}") from None
        if self._vocab_size is not None:
            if len(lines) < self._vocab_size:
                raise errors.InvalidArgumentError(
                    None, None, f"Invalid vocab_size in {path}: expected {self._vocab_size} but got {len(lines)}"
                )
            lines = lines[: self._vocab_size]
        content: dict[Any, Any] = {}
        kinds = self.key_dtype, self.value_dtype
        for number, line in enumerate(lines):
            columns = line.split(self._delimiter)
            key, value = (self._part(i, d, number, line, columns) for i, d in zip(self._indices, kinds, strict=True))
            if content.setdefault(key, value) != value:
                raise errors.FailedPreconditionError(
                    None,
                    None,
                    f"HashTable has different value for same key. Key {key!r} has {content[key]!r} and "
                    f"trying to add value {value!r}",
                )
        return content

    def _part(self, index: int, dtype: DType, number: int, line: bytes, columns: list[bytes]) -> Any:
        if index == TextFileIndex.LINE_NUMBER:
            return number
        if index == TextFileIndex.WHOLE_LINE:
            return line
        if index >= len(columns):
            raise errors.InvalidArgumentError(
                None, None, f"Invalid number of columns in line {number}: {line!r}; expected at least {index + 1}"
            )
        if dtype == dtypes.string:
            return columns[index]
        try:
            return int(columns[index]) if dtype.is_integer else float(columns[index])
        except ValueError:
            raise errors.InvalidArgumentError(
                None, None, f"Field {columns[index]!r} in line {number} is not a valid {dtype.name}."
            ) from None


class TextFileStringTableInitializer(TextFileInitializer):
    """From the number of a line to the line."""

    def __init__(
        self,
        filename: Any,
        key_column_index: int = TextFileIndex.LINE_NUMBER,
        value_column_index: int = TextFileIndex.WHOLE_LINE,
        vocab_size: int | None = None,
        delimiter: str = "\t",
        name: str = "text_file_string_table_init",
    ) -> None:
        super().__init__(filename, "int64", key_column_index, "string", value_column_index, vocab_size, delimiter, name)


class TextFileIdTableInitializer(TextFileInitializer):
    """From a line to its number."""

    def __init__(
        self,
        filename: Any,
        key_column_index: int = TextFileIndex.WHOLE_LINE,
        value_column_index: int = TextFileIndex.LINE_NUMBER,
        vocab_size: int | None = None,
        delimiter: str = "\t",
        name: str = "text_file_id_table_init",
        key_dtype: Any = dtypes.string,
    ) -> None:
        super().__init__(
            filename, key_dtype, key_column_index, "int64", value_column_index, vocab_size, delimiter, name
        )


class HashTable(LookupInterface):
    """A table that its ``initializer`` fills once.

    Args:
        initializer: ``KeyValueTensorInitializer`` or ``TextFileInitializer``.
        default_value: what keys give that the table does not have.
        shared_name: accepted; a session has one table for each of these objects.
        name: operation name.
    """

    def __init__(
        self, initializer: Any, default_value: Any, shared_name: str | None = None, name: str | None = None
    ) -> None:
        super().__init__(initializer.key_dtype, initializer.value_dtype, name or "hash_table")
        self._default = convert_to_tensor(default_value, self._value_dtype)
        self._init = initializer.initialize(self)

    @property
    def default_value(self) -> Tensor:
        """What keys give that the table does not have."""
        return self._default

    @property
    def init(self) -> Operation:
        """The operation that fills the table."""
        return self._init

    @property
    def initializer(self) -> Operation:
        """The operation that fills the table."""
        return self._init

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """The values of ``keys``, a tensor or a sparse tensor; ``TypeError`` for keys of another dtype."""
        return self._find(keys, self._default, name)


StaticHashTable = HashTable


class MutableHashTable(LookupInterface):
    """A table that operations fill; it begins empty.

    Args:
        key_dtype, value_dtype: dtypes.
        default_value: what keys give that the table does not have; its shape is that of a value.
        shared_name, checkpoint: accepted; what the table holds is in no checkpoint.
        name: operation name.
    """

    def __init__(
        self,
        key_dtype: Any,
        value_dtype: Any,
        default_value: Any,
        shared_name: str | None = None,
        name: str = "MutableHashTable",
        checkpoint: bool = True,
    ) -> None:
        super().__init__(key_dtype, value_dtype, name)
        self._default = convert_to_tensor(default_value, self._value_dtype)
        self.value_shape = self._default.shape

    def content(self, run: Any) -> dict[Any, Any]:
        """What the table holds in the session of ``run``; nothing at first."""
        return run.variables.get(self, {})

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """The values of ``keys``."""
        return self._find(keys, self._default, name)

    def insert(self, keys: Any, values: Any, name: str | None = None) -> Operation:
        """The operation that sets the values of ``keys``."""
        tensor, _ = self._keys(keys)
        given = convert_to_tensor(values, self._value_dtype)
        return get_default_graph().create_op(
            "LookupTableInsert", [tensor, given], {"table": self}, name or f"{self._name}_lookup_table_insert"
        )

    def export(self, name: str | None = None) -> tuple[Tensor, Tensor]:
        """All keys and their values."""
        op = get_default_graph().create_op(
            "LookupTableExport", [], {"table": self}, name or f"{self._name}_lookup_table_export_values"
        )
        return op.outputs[0], op.outputs[1]


class IdTableWithHashBuckets(LookupInterface):
    """Numbers for strings: those of ``table``, and for others a bucket after them, by a hash.

    Args:
        table: a table from strings (or integers) to int64; None: buckets only.
        num_oov_buckets: how many.
        hasher_spec: accepted: the one hash is TensorFlow's default, ``FastHashSpec``.
        name: operation name.
        key_dtype: of the keys, where it is not that of ``table``.
    """

    def __init__(
        self,
        table: HashTable | None,
        num_oov_buckets: int,
        hasher_spec: Any = None,
        name: str | None = None,
        key_dtype: Any = None,
    ) -> None:
        kind = as_dtype(key_dtype) if key_dtype is not None else dtypes.string if table is None else table.key_dtype
        super().__init__(kind, dtypes.int64, name or "hash_bucket")
        if table is None and num_oov_buckets <= 0:
            raise ValueError("oov_buckets must be > 0 if no table is supplied.")
        self._table, self._buckets = table, num_oov_buckets

    @property
    def init(self) -> Operation:
        """The operation that fills the table."""
        return no_op() if self._table is None else self._table.init

    @property
    def initializer(self) -> Operation:
        """The operation that fills the table."""
        return self.init

    def size(self, name: str | None = None) -> Tensor:
        """How many numbers there are."""
        if self._table is None:
            return convert_to_tensor(self._buckets, dtypes.int64)
        return self._table.size() + self._buckets

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """The numbers of ``keys``."""
        from dynrnn.tf1 import array_ops, math_ops

        tensor, sparse = self._keys(keys)
        if self._buckets == 0:
            assert self._table is not None
            return self._table.lookup(keys, name)
        op = get_default_graph().create_op(
            "BucketOfKey", [tensor], {"buckets": self._buckets, "dtype": self._key_dtype}
        )
        found = op.outputs[0]
        if self._table is not None:
            if self._table.key_dtype == dtypes.int64 and tensor.dtype.base_dtype != dtypes.int64:
                tensor = math_ops.cast(tensor, dtypes.int64)
            known = self._table.lookup(tensor)
            found = array_ops.where(math_ops.equal(known, self._table.default_value), self._table.size() + found, known)
        return found if sparse is None else SparseTensor(sparse.indices, found, sparse.dense_shape)


# --- tables of words --------------------------------------------------------------------------------------------------


def index_table_from_tensor(
    vocabulary_list: Any = None,
    num_oov_buckets: int = 0,
    default_value: int = -1,
    hasher_spec: Any = None,
    dtype: Any = dtypes.string,
    name: str | None = None,
    mapping: Any = None,
) -> Any:
    """From each element of a vector to its place in it.

    Args:
        vocabulary_list: strings or integers (``mapping`` in older programs).
        num_oov_buckets: what is not in it gets one of so many numbers after the last.
        default_value: what else it gets.
        hasher_spec: accepted; the hash is TensorFlow's default.
        dtype: of the elements.
        name: scope of the operations.

    Raises:
        ValueError: no vocabulary, or a negative number of buckets.
        TypeError: elements that are neither strings nor integers.
    """
    words = mapping if vocabulary_list is None else vocabulary_list
    if words is None:
        raise ValueError("vocabulary_list must be specified.")
    if num_oov_buckets < 0:
        raise ValueError(f"num_oov_buckets must be greater or equal than 0, got {num_oov_buckets}.")
    kind = as_dtype(dtype)
    if kind != dtypes.string and not kind.is_integer:
        raise TypeError("Only integer and string keys are supported.")
    with name_scope(name, "string_to_index"):
        from dynrnn.tf1 import array_ops, math_ops

        keys = convert_to_tensor(words)
        if keys.dtype.is_integer != kind.is_integer:
            raise ValueError(f"Expected {'integer' if kind.is_integer else 'non-integer'}, got {keys.dtype!r}.")
        count = array_ops.size(keys)
        values = math_ops.cast(math_ops.range_(count), dtypes.int64)
        if kind.is_integer:
            keys = math_ops.cast(keys, dtypes.int64)
        table = HashTable(KeyValueTensorInitializer(keys, values, name="table_init"), default_value)
        return _with_buckets(table, num_oov_buckets, hasher_spec, kind)


def _with_buckets(table: HashTable, buckets: int, hasher_spec: Any, dtype: DType) -> Any:
    return IdTableWithHashBuckets(table, buckets, hasher_spec, "hash_bucket", dtype) if buckets else table


def index_table_from_file(
    vocabulary_file: Any = None,
    num_oov_buckets: int = 0,
    vocab_size: int | None = None,
    default_value: int = -1,
    hasher_spec: Any = None,
    key_dtype: Any = dtypes.string,
    name: str | None = None,
    key_column_index: int = TextFileIndex.WHOLE_LINE,
    value_column_index: int = TextFileIndex.LINE_NUMBER,
    delimiter: str = "\t",
) -> Any:
    """From each line of a file to its number; see :func:`index_table_from_tensor`.

    Args:
        vocabulary_file: path.
        num_oov_buckets, default_value, hasher_spec, name: see there.
        vocab_size: how many lines to read.
        key_dtype: of the keys.
        key_column_index, value_column_index, delimiter: see :class:`TextFileInitializer`.

    Raises:
        ValueError: no file, or numbers out of range.
    """
    if vocabulary_file is None or (isinstance(vocabulary_file, str) and not vocabulary_file):
        raise ValueError("vocabulary_file must be specified and must not be empty.")
    if num_oov_buckets < 0:
        raise ValueError(f"num_oov_buckets must be greater or equal than 0, got {num_oov_buckets}.")
    if vocab_size is not None and vocab_size < 1:
        raise ValueError(f"vocab_size must be greater than 0, got {vocab_size}.")
    with name_scope(name, "string_to_index"):
        kind = as_dtype(key_dtype)
        source = TextFileIdTableInitializer(
            vocabulary_file,
            key_column_index,
            value_column_index,
            vocab_size,
            delimiter,
            "table_init",
            dtypes.int64 if kind.is_integer else kind,
        )
        return _with_buckets(HashTable(source, default_value), num_oov_buckets, hasher_spec, kind)


def index_to_string_table_from_tensor(
    vocabulary_list: Any = None, default_value: str = "UNK", name: str | None = None, mapping: Any = None
) -> HashTable:
    """From each place in a vector of strings to its element; ``default_value`` for other numbers."""
    words = mapping if vocabulary_list is None else vocabulary_list
    if words is None:
        raise ValueError("vocabulary_list must be specified.")
    with name_scope(name, "index_to_string"):
        from dynrnn.tf1 import array_ops, math_ops

        values = convert_to_tensor(words, dtypes.string)
        keys = math_ops.cast(math_ops.range_(array_ops.size(values)), dtypes.int64)
        return HashTable(KeyValueTensorInitializer(keys, values, name="table_init"), default_value)


def index_to_string_table_from_file(
    vocabulary_file: Any,
    vocab_size: int | None = None,
    default_value: str = "UNK",
    name: str | None = None,
    key_column_index: int = TextFileIndex.LINE_NUMBER,
    value_column_index: int = TextFileIndex.WHOLE_LINE,
    delimiter: str = "\t",
) -> HashTable:
    """From the number of each line of a file to the line; ``default_value`` for other numbers."""
    if isinstance(vocabulary_file, str) and not vocabulary_file:
        raise ValueError("vocabulary_file must be specified and must not be empty.")
    if vocab_size is not None and vocab_size < 1:
        raise ValueError(f"vocab_size must be greater than 0, got {vocab_size}.")
    with name_scope(name, "index_to_string"):
        source = TextFileStringTableInitializer(
            vocabulary_file, key_column_index, value_column_index, vocab_size, delimiter, "table_init"
        )
        return HashTable(source, default_value)


string_to_index_table_from_file = index_table_from_file
string_to_index_table_from_tensor = index_table_from_tensor

__getattr__ = missing(__name__, globals())
