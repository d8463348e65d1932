"""TensorBoard's event files, read by hand: length, its checksum, record, its checksum."""

from __future__ import annotations

import struct
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event


def read_scalars(folder: Path) -> list[tuple[str, int, float]]:
    """Return tag, step and value of every number in a folder's event files."""
    found = []
    for path in sorted(folder.glob("events*")):
        rest = path.read_bytes()
        while rest:
            (length,) = struct.unpack("<Q", rest[:8])
            event = Event.FromString(rest[12 : 12 + length])
            for value in event.summary.value:
                if value.WhichOneof("value") == "simple_value":
                    found.append((value.tag, event.step, value.simple_value))
            rest = rest[16 + length :]
    return found
