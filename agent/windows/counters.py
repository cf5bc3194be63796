"""Windows' counts of memory and disks, as the bytes of its own structures.

Sources: MEMORYSTATUSEX of sysinfoapi.h; DISK_PERFORMANCE and IOCTL_DISK_PERFORMANCE of winioctl.h. Both have the same
layout on 32 and 64 bits.
"""

from __future__ import annotations

import struct
import sys
from typing import List, Optional

from agent.probes.contract import DiskCounts
from agent.wire.report import Sample

# dwLength, dwMemoryLoad, then total and free of memory, of memory with page files (the limit of commitments), of this
# process' addresses, and a last one without use.
_MEMORY_STATUS = struct.Struct("<II7Q")
MEMORY_STATUS_BYTES = _MEMORY_STATUS.size
_COMMIT_LIMIT, _COMMIT_FREE = 4, 5

# Anybody may ask this of a disk; it counts once the first program has.
DISK_PERFORMANCE = 0x00070020
# BytesRead, BytesWritten, ReadTime, WriteTime, IdleTime, then counts of reads, writes, waiting and split ones, then
# QueryTime, the moment. Times in tenths of microseconds.
_PERFORMANCE = struct.Struct("<5q4Iq")
DISK_PERFORMANCE_BYTES = 88
_TICKS_A_SECOND = 1e7


def read_memory_status() -> bytes:
    """What GlobalMemoryStatusEx fills; empty where this is another system, or it fails."""
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415  # loaded already for other calls

        buffer = ctypes.create_string_buffer(MEMORY_STATUS_BYTES.to_bytes(4, "little"), MEMORY_STATUS_BYTES)
        if ctypes.windll.kernel32.GlobalMemoryStatusEx(buffer):
            return bytes(buffer.raw)
    return b""


def commit_samples(status: bytes) -> List[Sample]:
    """Samples `memory_committed_bytes` and `memory_commit_limit_bytes`; none where the structure is missing."""
    if len(status) < MEMORY_STATUS_BYTES:
        return []
    numbers = _MEMORY_STATUS.unpack_from(status)
    limit, free = numbers[_COMMIT_LIMIT], numbers[_COMMIT_FREE]
    if not 0 <= free <= limit or limit == 0:
        return []
    return [Sample("memory_committed_bytes", limit - free), Sample("memory_commit_limit_bytes", limit)]


def decode_disk_performance(answer: bytes) -> Optional[DiskCounts]:
    """What a disk's driver has counted; None where the answer is cut short or holds what cannot be."""
    if len(answer) < _PERFORMANCE.size:
        return None
    _, _, read, written, idle, reads, writes, _, _, moment = _PERFORMANCE.unpack_from(answer)
    if min(read, written, idle, moment) < 0:
        return None
    return DiskCounts(reads + writes, (read + written) / _TICKS_A_SECOND, (moment - idle) / _TICKS_A_SECOND)
