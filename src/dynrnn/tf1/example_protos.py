"""``tf.train.Example`` and ``SequenceExample``: protocol buffers of features, the usual content of TFRecord files.

The messages are those of TensorFlow's ``example.proto`` and ``feature.proto``; they are described here and built in a
pool of their own, so that they do not meet TensorFlow's where both are loaded.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = [
    "BytesList",
    "Example",
    "Feature",
    "FeatureList",
    "FeatureLists",
    "Features",
    "FloatList",
    "Int64List",
    "SequenceExample",
]

_FIELD = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "tensorflow"

_REPEATED = {"BytesList": _FIELD.TYPE_BYTES, "FloatList": _FIELD.TYPE_FLOAT, "Int64List": _FIELD.TYPE_INT64}
_ONE_OF = {"Feature": ("kind", {"bytes_list": "BytesList", "float_list": "FloatList", "int64_list": "Int64List"})}
_MAPS = {"Features": ("feature", "Feature"), "FeatureLists": ("feature_list", "FeatureList")}
_LISTS = {"FeatureList": ("feature", "Feature")}
_PLAIN = {
    "Example": {"features": "Features"},
    "SequenceExample": {"context": "Features", "feature_lists": "FeatureLists"},
}


def _add(message: Any, name: str, number: int, kind: Any, label: Any = _FIELD.LABEL_OPTIONAL) -> Any:
    """A field of a plain type, or of a message type given by its name."""
    field = message.field.add(name=name, number=number, label=label)
    if isinstance(kind, str):
        field.type, field.type_name = _FIELD.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
    else:
        field.type = kind
    return field


def _described() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="dynrnn/example.proto", package=_PACKAGE, syntax="proto3")
    for name, kind in _REPEATED.items():
        _add(file.message_type.add(name=name), "value", 1, kind, _FIELD.LABEL_REPEATED)
    for name, (group, members) in _ONE_OF.items():
        message = file.message_type.add(name=name)
        message.oneof_decl.add(name=group)
        for number, (field, kind_name) in enumerate(members.items(), 1):
            _add(message, field, number, kind_name).oneof_index = 0
    for name, (field, kind_name) in _MAPS.items():
        message = file.message_type.add(name=name)
        entry = message.nested_type.add(name=f"{_camel(field)}Entry")
        entry.options.map_entry = True
        _add(entry, "key", 1, _FIELD.TYPE_STRING)
        _add(entry, "value", 2, kind_name)
        _add(message, field, 1, f"{name}.{entry.name}", _FIELD.LABEL_REPEATED)
    for name, (field, kind_name) in _LISTS.items():
        _add(file.message_type.add(name=name), field, 1, kind_name, _FIELD.LABEL_REPEATED)
    for name, fields in _PLAIN.items():
        message = file.message_type.add(name=name)
        for number, (field, kind_name) in enumerate(fields.items(), 1):
            _add(message, field, number, kind_name)
    return file


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


_POOL = descriptor_pool.DescriptorPool()
_POOL.Add(_described())


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


BytesList = _message("BytesList")
FloatList = _message("FloatList")
Int64List = _message("Int64List")
Feature = _message("Feature")
Features = _message("Features")
FeatureList = _message("FeatureList")
FeatureLists = _message("FeatureLists")
Example = _message("Example")
SequenceExample = _message("SequenceExample")
