# SPDX-License-Identifier: BSD-3-Clause
"""
checker.py - is there an order of the recorded operations that explains every reply, across crashes?

Durable linearizability (Izraelevitz, Mendes, Scott 2016) of one group's history. The search is Wing and Gong's with
Lowe's order of work (2017): the events are gone through in the order of time, and an operation is put into the order
only where one that returns now demands it. Kept is the set of all configurations that explain the past:

    (state of the group's keys, set of the open operations that have taken effect)

At an operation's return the configurations without it grow by further open operations until it is in; those that
cannot are dropped. No configuration left: no order explains the history. Equal configurations are one: that is the
memoisation. At a crash the open operations may each still have taken effect or not, in any order that their processes
allow; then they are over, and the set of states that this leaves is where the next round begins. So what was
acknowledged, reads included, is in the state behind the crash, and what was pending took effect before it or never.

Operations of one process take effect in the order in which it sent them where they share a key, also where it sent
them before the earlier ones had returned (a pipeline, a group); ordered ones also where they share none.

A read whose reply fits takes effect at once: it changes nothing, and any order that has it later has it now, too.
"""
from history import UNKNOWN, brief

CONFIGURATIONS_MAX = 300000


class Violation(Exception):
    """No order explains the history."""


class Undecided(Exception):
    """Too many configurations: the history says too little. A test that meets it fails."""


class Checker:
    """The search over one group's rounds."""

    def __init__(self, model, configurations_max=CONFIGURATIONS_MAX):
        self.model = model
        self.configurations_max = configurations_max
        self.configurations = 0  # looked at, all together
        self.widest = 0          # kept at one time

    def check(self, rounds, states=None):
        """Raises Violation or Undecided. Returns the states that the last round may have left."""
        states = {self.model.initial} if states is None else states
        for number, operations in enumerate(rounds):
            try:
                states = self.round(states, operations)
            except Violation as violation:
                raise Violation(f"in round {number}: {violation}") from None
        return states

    def round(self, states, operations):
        """From the states before the round to those behind its crash."""
        configurations = {(state, 0) for state in states}
        self.open = []
        free = []
        bits = 0
        for operation, begins in self.events(operations):
            if begins:
                operation.bit = free.pop() if free else 1 << bits
                bits += operation.bit == 1 << bits
                self.begin(operation)
                if operation.is_read:
                    configurations = {self.absorb(*one) for one in configurations}
            else:
                configurations = self.settle(configurations, operation)
                self.end(operation)
                free.append(operation.bit)
            self.widest = max(self.widest, len(configurations))
        return self.crash(configurations)

    def events(self, operations):
        """(operation, it begins) in the order of time; at the same time beginnings first: they may overlap."""
        events = []
        for index, operation in enumerate(operations):
            operation.is_read = operation.reply is not UNKNOWN and self.model.is_read(operation.action, operation.reply)
            if operation.reply is UNKNOWN and self.model.only_reads(operation.action):
                continue  # says nothing
            events.append((operation.invoked, 0, index, operation))
            if operation.returned is not None:
                events.append((operation.returned, 1, index, operation))
        events.sort(key=lambda event: event[:3])
        return [(event[3], event[1] == 0) for event in events]

    def begin(self, operation):
        operation.needs = 0
        keys = self.model.keys(operation.action)
        for other in self.open:
            if other.process != operation.process:
                continue
            if operation.is_ordered and other.is_ordered or keys & self.model.keys(other.action):
                operation.needs |= other.bit
        self.open.append(operation)

    def end(self, operation):
        self.open.remove(operation)
        for other in self.open:
            other.needs &= ~operation.bit

    def absorb(self, state, done):
        """The configuration with every open read in it whose reply fits."""
        again = True
        while again:
            again = False
            for operation in self.open:
                if operation.is_read and not done & operation.bit and not operation.needs & ~done:
                    if self.step(state, operation) is not None:
                        done |= operation.bit
                        again = True
        return state, done

    def step(self, state, operation):
        """The state behind the operation, or None where its reply is another one than the state gives."""
        new, reply = self.model.apply(state, operation.action)
        if operation.reply is not UNKNOWN and reply != operation.reply:
            return None
        return new

    def settle(self, configurations, operation):
        """The configurations that have the operation, grown by as little as gets there."""
        bit = operation.bit
        with_it = {one for one in configurations if one[1] & bit}
        with_it |= self.grow(configurations - with_it, bit)
        if not with_it:
            raise Violation(self.story(configurations, operation))
        return {(state, done & ~bit) for state, done in with_it}

    def grow(self, configurations, bit):
        """What one open operation after the other leads to: as far as to those with the bit, or, without one, all."""
        seen = set(configurations)
        found = set() if bit else seen
        growing = list(configurations)
        while growing:
            state, done = growing.pop()
            for operation in self.open:
                if done & operation.bit or operation.needs & ~done:
                    continue
                new = self.step(state, operation)
                if new is None:
                    continue
                one = self.absorb(new, done | operation.bit)
                if one in seen or one in found:
                    continue
                if one[1] & bit:
                    found.add(one)
                else:
                    seen.add(one)
                    growing.append(one)
            if len(seen) + len(found) > self.configurations_max:
                raise Undecided(f"more than {self.configurations_max} configurations, {len(self.open)} operations open")
        self.configurations += len(seen) + len(found)
        return found

    def crash(self, configurations):
        """Each open operation has taken effect by now, or it never will."""
        return {state for state, _ in self.grow(configurations, 0)}

    def story(self, configurations, operation):
        states = sorted({repr(state) for state, _ in configurations})
        lines = [f"nothing explains {operation}", f"  the keys could be {len(states)} ways:"]
        lines += [f"    {brief(text)}" for text in states[:6]]
        lines.append(f"  {len(self.open)} operations were open:")
        lines += [f"    {other}" for other in self.open[:12]]
        return "\n".join(lines)
