# SPDX-License-Identifier: BSD-3-Clause
"""
history.py - what was recorded of one group of keys: operations of processes, in rounds that end with a crash

A group is a set of keys that operations change or read together; groups are independent of each other, and each has a
history of its own (linearizability is local: a whole is linearizable where its parts are). A process is what sends its
operations one behind the other: a connection, a thread. A round lasts from a start to the kill. Times are of one
clock within a round, and are not compared across rounds.
"""

UNKNOWN = object()  # the reply of an operation whose outcome nobody was told


class Operation:
    """
    One operation: who, when, what, and the reply. It took effect once, between its invocation and its return; where
    nobody heard of its return, at any time behind its invocation and before the crash, or never. is_ordered: its process
    did one thing after the other, so that it took effect behind those that stand before it, whatever the clock says.
    """

    __slots__ = ("process", "invoked", "returned", "action", "reply", "is_ordered", "is_read", "bit", "needs")

    def __init__(self, process, invoked, returned, action, reply=UNKNOWN, is_ordered=False):
        self.process = process
        self.invoked = invoked
        self.returned = returned
        self.action = action
        self.reply = UNKNOWN if returned is None else reply
        self.is_ordered = is_ordered
        self.is_read = False
        self.bit = 0
        self.needs = 0

    def __str__(self):
        returned = "pending" if self.returned is None else self.returned
        reply = "?" if self.reply is UNKNOWN else brief(self.reply)
        return f"process {self.process} [{self.invoked}, {returned}] {brief(self.action)} -> {reply}"


def brief(value):
    text = repr(value)
    return text if len(text) < 160 else f"{text[:150]}... ({len(text)})"
