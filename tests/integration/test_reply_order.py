# SPDX-License-Identifier: BSD-3-Clause
"""
No reply leaves before the fence of its turn: where the fence fails, nobody was told that anything is done.

The server's medium (a file in class msync) refuses one sync, that of the turn in which the requests run. Whatever they were, no
reply to a write may say that it was done, and no reply to a read may show it (docs/DURABILITY.md, D1, D3, E15).
"""
import contextlib
import os
import signal
import sys
import time

import harness
import test_server_faults as faults

SET = ("SET", "key", "value")
CASES = {
    "one write": [SET],
    "many writes": [("SET", f"key:{i}", "value") for i in range(60)],
    "a write and what reads it": [SET, ("GET", "key"), ("STRLEN", "key")],
    "reads, a write, reads": [("GET", "before:1"), SET, ("GET", "key")],
    "several keys at once": [("MSET", "key", "value", "other", "value"), ("MGET", "key", "other")],
    "a transaction": [("MULTI",), SET, ("INCR", "n"), ("EXEC",), ("GET", "key")],
    "a write behind which others are looked at": [SET, ("CLIENT", "LIST")],
    "a write, others are looked at, a read": [SET, ("CLIENT", "LIST"), ("GET", "key")],
    "a write and a farewell": [SET, ("QUIT",)],
    "a large value": [("SET", "key", "v" * 300000)],
}
TOLD = (b"+OK", b"value", b":5", b":1", b"id=")  # of replies that say, or show, that it is done


class Refusing(faults.Faulty):
    """A server whose shards all have a page of entries, so that the next sync is that of a commit."""

    def __init__(self, backend, pool, threads):
        super().__init__(["--durability", "msync", "--io-backend", backend, "--notify-keyspace-events", "KA"], pool=pool,
                         pool_size="16mb", threads=threads)

    def start(self, wait=True):
        super().start(wait)
        with self.connect() as connection:
            for i in range(40):
                assert connection.call("SET", f"before:{i}", "yes") == b"OK"

    def kept_nothing(self, *keys):
        assert self.failed() == 1, self.log()
        with self.connect() as connection:
            assert connection.call("GET", "before:1") == b"yes"
            for key in keys:
                assert connection.call("GET", key) is None, key
        assert self.terminate() == 1, self.log()  # it had failed


def one_client(server, name, commands):
    with server.connect() as connection:
        server.arm("sync", 0, 1)
        connection.send(b"".join(harness.encode(*command) for command in commands))
        reply = connection.read_to_end()
        lines = reply.split(b"\r\n")
        assert lines[0].startswith(b"-MISCONF the commit failed"), (name, reply[:200])
        assert not any(line.startswith(TOLD) for line in lines), (name, reply[:200])
    server.kept_nothing("key")


def two_clients(server):
    """Whose requests are there when the server looks: they run in one turn."""
    with server.connect() as one, server.connect() as other:
        assert one.call("GET", "key") is None and other.call("GET", "key") is None
        server.process.send_signal(signal.SIGSTOP)
        server.arm("sync", 0, 1)
        one.send(harness.encode("SET", "one", "value"))
        other.send(harness.encode("SET", "other", "value"))
        server.process.send_signal(signal.SIGCONT)
        for connection in (one, other):
            reply = connection.read()
            assert reply.startswith(b"-MISCONF"), reply
    server.kept_nothing("one", "other")


def subscribers(server):
    """Messages are told by who publishes, and by what is written: to clients of both threads, and neither before the fence."""
    with contextlib.ExitStack() as stack:
        writer, *others = [stack.enter_context(server.connect()) for _ in range(5)]
        for other in others:
            assert b"subscribe" in other.command("SUBSCRIBE", "news", "__keyspace@0__:key")
            assert b"subscribe" in other.read()
        server.arm("sync", 0, 1)
        writer.send(harness.encode(*SET) + harness.encode("PUBLISH", "news", "it is written"))
        assert writer.read_to_end().startswith(b"-MISCONF the commit failed")
        for other in others:
            reply = other.command("PING")
            assert b"pong" in reply, reply
        assert server.connect().call("PUBLISH", "news", "it goes on") == len(others)
        for other in others:
            reply = other.read()
            assert b"it goes on" in reply, reply
    server.kept_nothing("key")


def run(backend, client, threads=1):
    pool = os.path.join(faults.plain_directory(), f"superdb-reply-order-{os.getpid()}.sdb")
    try:
        with Refusing(backend, pool, threads) as server:
            server.start()
            client(server)
    finally:
        if os.path.exists(pool):
            os.unlink(pool)


def main():
    for backend in ("auto", "epoll"):
        begin = time.monotonic()
        for name, commands in CASES.items():
            run(backend, lambda server, name=name, commands=commands: one_client(server, name, commands))
        run(backend, two_clients)
        run(backend, subscribers, threads=2)
        print(f"{backend}: {len(CASES) + 2} turns refused, {time.monotonic() - begin:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
