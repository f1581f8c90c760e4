"""``tensorflow.python.client.device_lib``: the devices there are: the CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dynrnn.tf1._namespace import missing

__all__ = ["DeviceAttributes", "list_local_devices"]


@dataclass(frozen=True)
class DeviceAttributes:
    """What is told of a device.

    Attributes:
        name: as ``tf.device`` takes it.
        device_type: ``"CPU"``.
        memory_limit: 0: not known.
        incarnation: tells two runs of a device apart.
        physical_device_desc: more about it in words.
    """

    name: str
    device_type: str
    memory_limit: int = 0
    incarnation: int = 0
    physical_device_desc: str = ""


def list_local_devices(session_config: Any = None) -> list[DeviceAttributes]:
    """The devices that graphs run on: the CPU."""
    return [DeviceAttributes("/device:CPU:0", "CPU")]


__getattr__ = missing(__name__, globals())
