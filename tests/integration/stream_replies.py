# SPDX-License-Identifier: BSD-3-Clause
"""
stream_replies.py - compares what is told of streams: times may differ by a little, and nobody has Redis' radix tree but Redis

Times stand in the rows of XPENDING and XINFO STREAM FULL, [id, consumer, time, deliveries] and [id, time, deliveries], and behind the
names idle and seen-time.
"""
import re

from harness import Map

TOLERANCE_MS = 5000
TIMES = (b"idle", b"seen-time")
OTHERS = (b"radix-tree-keys", b"radix-tree-nodes")
ID = re.compile(rb"\d+-\d+$")


def _is_id(value):
    return isinstance(value, bytes) and ID.match(value)


def _row(value, times):
    """A row of what is pending, or None."""
    if not isinstance(value, list) or not value or not _is_id(value[0]) or not all(isinstance(item, int) for item in value[-2:]):
        return None
    if len(value) == 4 and isinstance(value[1], bytes):
        times.append(value[2])
        return [value[0], value[1], "time", value[3]]
    if len(value) == 3:
        times.append(value[1])
        return [value[0], "time", value[2]]
    return None


def without_times(value, times):
    """The value with "time" in the place of each time, which is added to times."""
    row = _row(value, times)
    if row:
        return row
    if isinstance(value, Map):
        flat = [item for pair in value for item in pair]
        return ("map", *without_times(flat, times))
    if not isinstance(value, list):
        return value
    result = []
    for position, item in enumerate(value):
        name = value[position - 1] if position % 2 == 1 else None
        if isinstance(name, bytes) and name in TIMES and isinstance(item, int):
            times.append(item)
            item = "time"
        elif isinstance(name, bytes) and name in OTHERS and isinstance(item, int):
            item = "some"
        result.append(without_times(item, times))
    return result


def same(ours, theirs):
    our_times, their_times = [], []
    if without_times(ours, our_times) != without_times(theirs, their_times):
        return False
    return all(abs(one - other) <= TOLERANCE_MS for one, other in zip(our_times, their_times))
