# SPDX-License-Identifier: BSD-3-Clause
"""
test_poison.py - pages of the pool are lost under a running server: it serves the rest, answers the keys on them with an error, says so,
takes no more writes, and never dies

superdb-server-faults poisons pages of its own mapping when it is told to (tests/faults/poison.c). Kernels without UFFDIO_POISON make the
test lose the end of the file instead, which is SIGBUS, too.
"""
import os
import random
import struct
import time

import harness
from harness import DEADLINE, Error, run_tests

KEYS = 400
PAGE = 4096
ROUNDS = 12  # pages that one server loses
SEED = int(os.environ.get("SUPERDB_SEED", "4711"))


def key_of(i):
    return b"key:%d" % i if i % 3 else b"a long name of a key that is a blob itself:%d" % i


def value_of(i):
    return b"%d" % (i * 7919) if i % 4 == 0 else b"value %d of a key, " % i * (1 + i % 40)


class Poisoned(harness.Superdb):
    def __init__(self, arguments=(), **options):
        super().__init__(arguments, pool_size="16mb", **options)
        self.pipes = os.path.join(self.directory, "poison")
        os.mkfifo(self.pipes + ".in")
        os.mkfifo(self.pipes + ".out")
        self.ends = None

    def command_line(self):
        program = os.path.join(os.environ["SUPERDB_BUILD_DIR"], "tests", "faults", "superdb-server-faults")
        return ["env", "SUPERDB_POISON=" + self.pipes, program, *super().command_line()[1:]]

    def lose(self, offset):
        """Loses the page, or, on an older kernel, everything from it on."""
        if self.ends is None:
            self.ends = (open(self.pipes + ".in", "wb", buffering=0), open(self.pipes + ".out", "rb", buffering=0))
        self.ends[0].write(struct.pack("=Q", offset))
        error = struct.unpack("=q", self.ends[1].read(8))[0]
        if error:
            print(f"no UFFDIO_POISON here ({os.strerror(error)}): the file is cut off instead")
            os.truncate(self.pool, offset)

    def end(self):
        """The pool had failed, and the status says so. What the memory still has is there in the next start."""
        self.terminate()
        assert self.wait() == 1, self.log()
        if os.path.getsize(self.pool) < 16 << 20:
            return
        self.start()
        with self.connect() as connection:
            assert ask(connection) == []

    def __exit__(self, *what):
        for end in self.ends or ():
            end.close()
        super().__exit__(*what)


def fill(connection):
    for i in range(KEYS):
        assert connection.call("SET", key_of(i), value_of(i)) == b"OK"


def ask(connection):
    """Every key has its value or is an error. Returns those that are."""
    lost = []
    for i, reply in enumerate(connection.pipeline([("GET", key_of(i)) for i in range(KEYS)])):
        reply = harness.parse(reply)
        assert isinstance(reply, Error) or reply == value_of(i), (i, reply)
        if isinstance(reply, Error):
            lost.append(i)
    return lost


def info(connection):
    text = connection.call("INFO").decode()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def used_pages(server):
    with open(server.pool, "rb") as file:
        data = file.read()
    return [at for at in range(1 << 20, len(data), PAGE) if data[at:at + PAGE].strip(b"\0")], data


def test_a_lost_page_costs_its_keys_and_is_told():
    for backend in ("auto", "epoll"):
        with Poisoned(["--io-backend", backend]).start() as server, server.connect() as connection:
            fill(connection)
            assert ask(connection) == [] and info(connection)["pool_failed"] == "0"
            at = used_pages(server)[1].find(value_of(77)) & ~(PAGE - 1)
            server.lose(at)
            assert isinstance(connection.call("GET", key_of(77)), Error)
            lost = ask(connection)
            assert 77 in lost and len(lost) < KEYS, lost
            now = info(connection)
            assert now["pool_failed"] == "1" and int(now["media_errors"]) >= 1, now
            assert now["aof_last_write_status"] == "err", now
            refused = connection.call("SET", "new", "value")
            assert isinstance(refused, Error) and refused.startswith(b"MISCONF"), refused
            replies = connection.call("MGET", key_of(77), key_of(78))
            assert isinstance(replies, Error), replies
            server.end()


def test_a_scrub_finds_a_lost_page_that_nobody_read():
    with Poisoned().start() as server, server.connect() as connection:
        fill(connection)
        at = used_pages(server)[1].find(value_of(121)) & ~(PAGE - 1)
        server.lose(at)
        assert connection.call("SDB.SCRUB", "START", "RATE", "0") == b"OK"
        deadline = time.monotonic() + DEADLINE
        while True:
            reply = connection.call("SDB.SCRUB", "STATUS")
            status = {reply[i]: reply[i + 1] for i in range(0, len(reply), 2)}
            if status[b"rounds"]:
                break
            assert time.monotonic() < deadline, status
        assert status[b"last_problems"] >= 1, status
        assert key_of(121).decode() in server.log(), server.log()
        assert int(info(connection)["media_errors"]) >= 1
        server.end()


def test_page_after_page_is_lost_and_nothing_is_silently_wrong():
    generator = random.Random(SEED)
    lost = 0
    for backend in ("auto", "epoll"):
        with Poisoned(["--io-backend", backend]).start() as server, server.connect() as connection:
            fill(connection)
            pages = used_pages(server)[0]
            for at in generator.sample(pages, min(ROUNDS, len(pages))):
                server.lose(at)
                assert connection.call("PING") == b"PONG"
                lost = len(ask(connection))
                for command in (("SCAN", "0", "COUNT", "1000"), ("DBSIZE",), ("EXISTS", key_of(1)), ("INFO", "memory")):
                    connection.call(*command)
                assert server.alive(), server.log()
            assert lost > 0
            server.end()
    return lost


if __name__ == "__main__":
    run_tests(globals())
