# SPDX-License-Identifier: BSD-3-Clause
"""
embedded.py - power cuts of a guest in which an application uses the library, from several threads

The application is tests/integration/test_embedded_kill.c: transactions over two keys, single keys with deletions, and counters,
from one to four threads. Its ledger of what was tried and acknowledged is a file of this side, which the guest sees as memory.
"""
import mmap
import os
import random
import struct
import sys
import time

import guest  # noqa: F401  first: it says where harness is
import harness
import image
import machine

PROGRAM = "integration_embedded_kill"
LEDGER_SIZE = 1 << 20
ACKNOWLEDGED = 4 * 4 * 48 * 16  # where the count stands in struct ledger: behind threads x kinds x keys x two numbers
POOL = machine.POOL


def program():
    """Beside the server, in the build's tests."""
    return os.environ.get("SUPERDB_EMBEDDED") or os.path.join(os.path.dirname(harness.superdb_server()), "tests", PROGRAM)


class EmbeddedCuts:
    """A campaign like PowerCuts (proof.py), and with its figures."""

    def __init__(self, fs, rounds, seed):
        self.fs = fs
        self.rounds = rounds
        self.source = random.Random(f"{seed}/embedded")
        self.seed = seed
        self.cuts = 0
        self.total = 0
        self.lost = []

    def acknowledged(self):
        return self.total

    def boot(self):
        self.guest.domain = self.source.choice(list(machine.DOMAINS))
        self.guest.cpus = self.source.choice([1, 2])
        self.guest.start()
        self.guest.mount(self.fs)
        self.ledger_path = self.guest.ledger_path()

    def count(self):
        return struct.unpack_from("<Q", self.ledger, ACKNOWLEDGED)[0]

    def one_round(self, number):
        """Load and a cut; what is there is looked at behind the next boot."""
        begun, before = time.monotonic(), self.count()
        threads = self.source.randint(1, 4)
        # Sometimes while it opens the pool, or soon after.
        wanted = self.source.randint(200, 3000) if self.source.random() < 0.85 else 0
        self.guest.must(f"({PROGRAM} {POOL} {self.ledger_path} load {threads} >/dev/ttyS0 2>&1; "
                        "echo 'load ended: '$? >/dev/ttyS0) &")
        while self.count() < before + wanted and time.monotonic() < begun + 120:
            time.sleep(0.001)
        time.sleep(self.source.uniform(0, 0.2))
        self.guest.kill()
        self.cuts += 1
        done = self.count() - before
        self.total += done
        if done < wanted or "load ended: " in self.guest.log().rpartition("---- boot")[2]:
            self.lost.append(f"round {number}: the load stopped by itself, {done} of {wanted} operations\n{self.guest.log()}")
        text = f"  {number:3} {self.guest.domain:4} {self.guest.cpus} cpus, {threads} threads, embedded {done:6} acknowledged"
        self.boot()
        for command in (f"superdb-pool check {POOL}", f"{PROGRAM} {POOL} {self.ledger_path} verify"):
            status, output = self.guest.shell(command)
            # The first cut may have fallen before there was a pool.
            if status != 0 and not (done == 0 and "unfinished pool" in output or "No such file" in output and self.total == 0):
                self.lost.append(f"round {number}: {command}: exit status {status}\n{output}")
        print(f"{text}, boot {self.guest.boot_seconds:.1f} s, all {time.monotonic() - begun:.1f} s")
        sys.stdout.flush()

    def run(self):
        directory = machine.work_directory()
        print(f"seed {self.seed}")
        try:
            nvdimm, ledger = os.path.join(directory, "image"), os.path.join(directory, "ledger")
            image.make(nvdimm, self.fs)
            with open(ledger, "w+b") as file:
                file.truncate(LEDGER_SIZE)
                self.ledger = mmap.mmap(file.fileno(), LEDGER_SIZE)
            self.guest = machine.Machine(nvdimm, directory, harness.free_port(), [program(), harness.superdb_pool()],
                                         ledger=ledger)
            self.boot()
            for number in range(self.rounds):
                self.one_round(number)
                if self.lost:
                    break
        finally:
            machine.end_all()
            machine.remove(directory)
        for line in self.lost[:20]:
            print(f"FAIL {line}")
        print(f"{self.rounds} rounds, {self.total} operations acknowledged, {len(self.lost)} lost or wrong, seed {self.seed}")
        return not self.lost
