# SPDX-License-Identifier: BSD-3-Clause
"""
verdict.py - holds the groups of a workload, checks them round after round, and counts

Each group keeps the set of states that it may be in behind the last crash; a round's operations are checked from there
on, so that a history of any length takes the memory of one round.
"""
import time

from checker import Checker, Undecided, Violation
from history import UNKNOWN


class Group:
    """Some keys, and what is known of them."""

    def __init__(self, name, model):
        self.name = name
        self.model = model
        self.checker = Checker(model)
        self.states = {model.initial}


class Verdict:
    """The groups of one workload."""

    def __init__(self, groups):
        self.groups = groups
        self.failures = []
        self.rounds = self.operations = self.pending = 0
        self.seconds = 0.0

    def round(self, histories):
        """histories: for each group the operations of the round that has just ended."""
        begun = time.monotonic()
        for group, operations in zip(self.groups, histories):
            self.operations += len(operations)
            self.pending += sum(one.reply is UNKNOWN for one in operations)
            try:
                group.states = group.checker.round(group.states, operations)
            except (Violation, Undecided) as failure:
                self.failures.append(f"round {self.rounds}, {group.name}: {failure}")
                group.states = {group.model.initial}
        self.rounds += 1
        self.seconds += time.monotonic() - begun

    def summary(self):
        configurations = sum(group.checker.configurations for group in self.groups)
        widest = max(group.checker.widest for group in self.groups)
        return (f"{len(self.groups)} histories, {self.operations} operations, {self.pending} of them pending at a kill, "
                f"{configurations} configurations, {widest} at once, checked in {self.seconds:.1f} s")
