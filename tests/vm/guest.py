# SPDX-License-Identifier: BSD-3-Clause
"""
guest.py - superdb-server in a guest, for the tests that know servers as processes (tests/integration/harness.py)

`kill` is the power cut of the whole guest. `start` boots where nothing runs. The image outlives both.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

import harness  # noqa: E402
import image  # noqa: E402
import machine  # noqa: E402
from machine import POOL, GuestError, Machine  # noqa: E402

ENDED = b"superdb-server ended: "


class GuestServer(harness.Superdb):
    """The server on a file system of its own. durability: what is asked for; dax: how the file system is mounted."""

    def __init__(self, fs, durability="pmem", dax="always", pool_size="64mb"):
        super().__init__(directory=machine.work_directory(), pool=POOL, pool_size=pool_size)
        self.own_directory = True
        self.fs = fs
        self.durability = durability
        self.dax = dax
        self.image = os.path.join(self.directory, "image")
        image.make(self.image, fs)
        self.guest = Machine(self.image, self.directory, self.port,
                             [harness.superdb_server(), harness.superdb_pool()])
        self.log_from = 0

    def boot(self):
        if not self.guest.alive():
            self.guest.start()
            self.guest.mount(self.fs, self.dax)

    def guest_command(self):
        return " ".join(["superdb-server", "--pool", self.pool, "--pool-size", self.pool_size, "--pool-create", "empty", "--bind", "0.0.0.0",
                         "--protected-mode", "no", "--port", "6379", "--threads", str(self.threads),
                         "--durability", self.durability, *self.arguments])

    def start(self, wait=True):
        self.boot()
        self.process = self.guest.process
        self.log_from = os.path.getsize(self.guest.console)
        # In one line, since the console is a serial port that others write to as well.
        self.guest.must(f"({self.guest_command()} >/dev/ttyS0 2>&1; echo '{ENDED.decode()}'$? >/dev/ttyS0) &")
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        try:
            super().wait_ready()
        except RuntimeError as error:
            raise GuestError(str(error)) from None

    def output(self):
        """What the server has said since it was started."""
        with open(self.guest.console, "rb") as console:
            console.seek(self.log_from)
            return console.read()

    def log(self):
        return self.output()[-6000:].decode("utf-8", "replace")

    def alive(self):
        return self.guest.alive() and ENDED not in self.output()

    def kill(self):
        self.guest.kill()
        self.process = None

    def terminate(self):
        """SIGTERM to the server in the guest, and its exit status; the guest stays."""
        self.guest.must("kill -TERM $(pidof superdb-server); while pidof superdb-server; do usleep 5000; done >/dev/null")
        for _ in range(100):
            if ENDED in self.output():
                return int(self.output().split(ENDED)[1].split()[0])
            self.guest.must("usleep 10000")
        raise GuestError(f"the server's exit status did not come\n{self.log()}")

    def check(self):
        """superdb-pool check: (exit status, output). No server may run."""
        self.boot()
        return self.guest.shell(f"superdb-pool check {self.pool}")

    def facts(self):
        """INFO's section on the pool."""
        with self.connect() as connection:
            lines = connection.call("INFO", "superdb").decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def is_mapped_with_sync(self):
        """Does the kernel say that each mapping of the pool has synchronous page faults (the flag "sf")?"""
        flags = self.guest.must(
            f"awk '/^[0-9a-f]+-/ {{ ours = $6 == \"{self.pool}\" }} ours && /^VmFlags:/ {{ print }}' "
            "/proc/$(pidof superdb-server)/smaps").splitlines()
        return bool(flags) and all(" sf" in line for line in flags)
