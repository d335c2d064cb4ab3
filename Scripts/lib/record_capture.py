"""Capture files as `Scripts/record` keeps them: classic pcap of Ethernet frames, with times in nanoseconds that count
from a day of their own, so that two recordings of the same differ little and tell nothing of the machine."""

import pathlib
import struct

# The first frame's time: 2026-01-01 00:00 UTC, in nanoseconds since 1970.
DAY = 1_767_225_600 * 10**9
# The magic numbers of classic pcap and the nanoseconds of a unit behind the second.
MICROSECONDS, NANOSECONDS = 0xA1B2C3D4, 0xA1B23C4D
ETHERNET, SNAP_LENGTH = 1, 262_144


def read(path):
    """The frames of a file that QEMU's filter-dump or `write` has written: their times in nanoseconds and bytes."""
    data = pathlib.Path(path).read_bytes()
    (magic,) = struct.unpack_from("<I", data)
    unit = {MICROSECONDS: 1000, NANOSECONDS: 1}[magic]
    (kind,) = struct.unpack_from("<I", data, 20)
    if kind != ETHERNET:
        raise ValueError(f"{path}: not a capture of Ethernet frames")
    frames, offset = [], 24
    while offset < len(data):
        seconds, fraction, length, original = struct.unpack_from("<IIII", data, offset)
        frame = data[offset + 16:offset + 16 + length]
        if length != original or len(frame) != length:
            raise ValueError(f"{path}: frame {len(frames) + 1} is not whole")
        frames.append((seconds * 10**9 + fraction * unit, frame))
        offset += 16 + length
    return frames


def write(path, frames):
    """Writes frames, the first of them at the beginning of the day."""
    if not frames:
        raise ValueError(f"{path}: no frame was recorded")
    begin = frames[0][0]
    parts = [struct.pack("<IHHiIII", NANOSECONDS, 2, 4, 0, 0, SNAP_LENGTH, ETHERNET)]
    for time, frame in frames:
        # QEMU's clock and this one may be set back; a capture's does not run backwards.
        seconds, fraction = divmod(DAY + max(time - begin, 0), 10**9)
        parts += [struct.pack("<IIII", seconds, fraction, len(frame), len(frame)), frame]
    pathlib.Path(path).write_bytes(b"".join(parts))


def check_privacy(path, words):
    """Fails if a file has any of these words in it, such as the machine's name."""
    data = pathlib.Path(path).read_bytes()
    found = [word for word in words if word.encode() in data]
    if found:
        raise ValueError(f"{path} has '{', '.join(found)}' in it, which is of this machine")
