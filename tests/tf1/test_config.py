"""Session options: fields, nested assignment, mistakes in names and types."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from dynrnn.tf1.config import ConfigProto, GPUOptions, GraphOptions, OptimizerOptions, RunMetadata, RunOptions
from dynrnn.tf1.core.convert import constant
from dynrnn.tf1.core.graph import Graph
from dynrnn.tf1.core.session import Session


def test_what_programs_write() -> None:
    config = ConfigProto(
        allow_soft_placement=True,
        log_device_placement=False,
        gpu_options=GPUOptions(per_process_gpu_memory_fraction=0.5),
        device_count={"GPU": 1},
        intra_op_parallelism_threads=2,
    )
    config.gpu_options.allow_growth = True
    config.gpu_options.visible_device_list = "0,1"
    config.graph_options.optimizer_options.global_jit_level = OptimizerOptions.ON_1
    config.device_filters.append("/job:ps")
    config.inter_op_parallelism_threads = 4
    assert config.gpu_options.per_process_gpu_memory_fraction == 0.5
    assert config.gpu_options.allow_growth is True
    assert config.device_count == {"GPU": 1}
    assert config.graph_options.optimizer_options.global_jit_level == 1
    assert (config.intra_op_parallelism_threads, config.inter_op_parallelism_threads) == (2, 4)
    with Graph().as_default(), Session(config=config) as session:
        assert session.run(constant(1.0), options=RunOptions(), run_metadata=RunMetadata()) == 1


def test_defaults_are_the_protocol_buffer_s() -> None:
    config = ConfigProto()
    assert (config.allow_soft_placement, config.intra_op_parallelism_threads) == (False, 0)
    assert (config.gpu_options.allocator_type, config.gpu_options.per_process_gpu_memory_fraction) == ("", 0.0)
    assert (list(config.device_filters), dict(config.device_count)) == ([], {})
    assert repr(config) == ""


def test_enumerations() -> None:
    assert (OptimizerOptions.L0, OptimizerOptions.L1, OptimizerOptions.OFF, OptimizerOptions.ON_2) == (-1, 0, -1, 2)
    levels = RunOptions.NO_TRACE, RunOptions.SOFTWARE_TRACE, RunOptions.HARDWARE_TRACE, RunOptions.FULL_TRACE
    assert levels == (0, 1, 2, 3)
    assert RunOptions(trace_level=RunOptions.FULL_TRACE).trace_level == 3


def test_messages_are_copied_into_the_message() -> None:
    options = GPUOptions(allow_growth=True)
    config = ConfigProto(gpu_options=options)
    options.allow_growth = False
    assert config.gpu_options.allow_growth is True
    assert ConfigProto(gpu_options={"allow_growth": True}) == config


def test_two_configurations_share_nothing() -> None:
    one, other = ConfigProto(), ConfigProto()
    one.gpu_options.allow_growth = True
    one.device_count["CPU"] = 1
    one.device_filters.append("x")
    assert other == ConfigProto()
    assert one != other


def test_copies_and_merges() -> None:
    source = ConfigProto(device_filters=["a"], allow_soft_placement=True)
    source.gpu_options.allow_growth = True
    target = ConfigProto(device_filters=["b"], log_device_placement=True)
    target.MergeFrom(source)
    assert (target.device_filters, target.allow_soft_placement, target.log_device_placement) == (["b", "a"], True, True)
    assert target.gpu_options.allow_growth
    target.CopyFrom(source)
    assert target == source
    deep = copy.deepcopy(source)
    deep.gpu_options.allow_growth = False
    assert source.gpu_options.allow_growth
    with pytest.raises(TypeError, match="expected ConfigProto got GPUOptions"):
        source.MergeFrom(GPUOptions())


def test_what_was_set() -> None:
    config = ConfigProto()
    assert not config.HasField("gpu_options")
    config.gpu_options.allow_growth = True
    assert config.HasField("gpu_options")
    assert [name for name, _ in config.ListFields()] == ["gpu_options"]
    config.ClearField("gpu_options")
    assert config == ConfigProto()
    with pytest.raises(ValueError, match='has no field "gpu"'):
        config.HasField("gpu")
    with pytest.raises(ValueError, match='has no field "gpu"'):
        config.ClearField("gpu")


def test_text() -> None:
    config = ConfigProto(allow_soft_placement=True, device_count={"GPU": 2}, device_filters=["a", "b"])
    config.gpu_options.visible_device_list = "0"
    # the text format of protocol buffers, fields in the order of TensorFlow's definition
    assert str(config) == (
        'device_count {\n  key: "GPU"\n  value: 2\n}\n'
        'device_filters: "a"\ndevice_filters: "b"\n'
        'gpu_options {\n  visible_device_list: "0"\n}\n'
        "allow_soft_placement: true\n"
    )


def test_experimental_options_take_any_name() -> None:
    config = ConfigProto()
    config.experimental.use_something = 3
    config.graph_options.rewrite_options.layout_optimizer = 2
    assert config.experimental.use_something == 3
    assert config.HasField("experimental")
    assert "layout_optimizer: 2" in str(config)
    with pytest.raises(AttributeError, match="no experimental option 'other' was set"):
        _ = config.experimental.other


def _assign(message: Any, name: str, value: Any) -> Callable[[], None]:
    return lambda: setattr(message, name, value)


ERRORS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "unknown argument": (
        lambda: ConfigProto(allow_soft_placment=True),
        ValueError,
        'Protocol message ConfigProto has no "allow_soft_placment" field. Nearest: allow_soft_placement',
    ),
    "unknown field": (
        _assign(ConfigProto().gpu_options, "alow_growth", True),
        AttributeError,
        r'Assignment not allowed \(no field "alow_growth" in protocol message object\). Nearest: allow_growth',
    ),
    "unknown field read": (
        lambda: GraphOptions().optimiser_options,
        AttributeError,
        "'GraphOptions' object has no attribute 'optimiser_options'. Nearest: optimizer_options",
    ),
    "message assigned": (
        _assign(ConfigProto(), "gpu_options", GPUOptions()),
        AttributeError,
        'Assignment not allowed to message, map, or repeated field "gpu_options"',
    ),
    "map assigned": (_assign(ConfigProto(), "device_count", {}), AttributeError, 'repeated field "device_count"'),
    "text for a number": (
        _assign(GPUOptions(), "per_process_gpu_memory_fraction", "0.5"),
        TypeError,
        "per_process_gpu_memory_fraction must be of type float, got '0.5' of type str",
    ),
    "number for a text": (_assign(GPUOptions(), "visible_device_list", 0), TypeError, "must be of type str, got 0"),
    "fraction for an integer": (
        lambda: ConfigProto(intra_op_parallelism_threads=1.5),
        TypeError,
        "intra_op_parallelism_threads must be of type int, got 1.5 of type float",
    ),
    "truth for an integer": (
        _assign(ConfigProto(), "intra_op_parallelism_threads", True),
        TypeError,
        "must be of type int, got True of type bool",
    ),
    "message of another kind": (
        lambda: ConfigProto(gpu_options=GraphOptions()),
        TypeError,
        "expected GPUOptions got GraphOptions",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_mistakes(name: str) -> None:
    call, kind, message = ERRORS[name]
    with pytest.raises(kind, match=message):
        call()
