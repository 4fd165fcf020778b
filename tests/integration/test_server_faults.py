# SPDX-License-Identifier: BSD-3-Clause
# ctest-timeout: 600
"""
The server when it is refused what it asks for: at start-up, under load, when the medium fails, when descriptors run out.

superdb-server-faults is the server with tests/faults/faults.c between it and the C library: the N-th call of a kind
fails. What must be true: it starts or says why not, with status 1; it never dies of a signal; a client gets an error or a
closed connection, and once the faults are over the next one is served; what was acknowledged is there.

SUPERDB_FAULTS_ALL=1 takes every N; else N to 4 and every ninth behind it.
"""
import mmap
import os
import re
import resource
import socket
import struct
import subprocess
import sys
import time

import frames
import harness

EIO, EFAILED = -3, -13

KINDS = ("memory map allocate write sync truncate open lock thread event watch ring submit accept send receive socket "
         "read rename unmap").split()
FOR_GOOD = (1 << 64) - 1
EVERY_N = "SUPERDB_FAULTS_ALL" in os.environ


class Faulty(harness.Superdb):
    """A server with a control block."""

    def __init__(self, arguments=(), **options):
        super().__init__(arguments, **options)
        self.block_path = os.path.join(self.directory, "faults")
        with open(self.block_path, "wb") as block:
            block.write(bytes(8 * (6 + len(KINDS))))
        with open(self.block_path, "r+b") as block:
            self.block = mmap.mmap(block.fileno(), 0)

    def command_line(self):
        program = os.path.join(os.environ["SUPERDB_BUILD_DIR"], "tests", "faults", "superdb-server-faults")
        return ["env", "SUPERDB_FAULTS=" + self.block_path, program, *super().command_line()[1:]]

    def arm(self, kind, skip, count=1):
        self.disarm()
        self.block[8:40] = struct.pack("=4Q", skip, count, 0, 0)
        self.block[0:8] = struct.pack("=Q", 1 << KINDS.index(kind))

    def disarm(self):
        self.block[0:8] = bytes(8)

    def failed(self):
        return struct.unpack("=Q", self.block[32:40])[0]

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def numbers():
    n = 0
    while True:
        yield n
        n += 1 if n < 4 or EVERY_N else 9


def info(server, section):
    with server.connect() as connection:
        text = connection.call("INFO", section).decode()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def works(server, name=b"works"):
    with server.connect() as connection:
        assert connection.call("SET", name, "yes") == b"OK"
        assert connection.call("GET", name) == b"yes"


def try_start(server):
    """True: it serves. False: it said why it does not."""
    server.start(wait=False)
    try:
        server.wait_ready()
        return True
    except RuntimeError:
        status = server.wait()
        assert status == 1, f"ended with {status}:\n{server.log()}"
        assert server.log().strip(), "ended without a word"
        return False


def test_start_up():
    faults = 0
    for backend in ("auto", "epoll"):
        for kind in KINDS:
            for n in numbers():
                with Faulty(["--io-backend", backend], pool_size="16mb") as server:
                    server.arm(kind, n)
                    ready = try_start(server)
                    failed = server.failed()
                    faults += failed
                    server.disarm()
                    if not ready:
                        assert failed, server.log()
                        assert try_start(server), server.log()
                    works(server)
                if failed == 0:
                    break
    return faults


def test_ring_refused():
    with Faulty(pool_size="16mb") as server:
        server.arm("ring", 0, FOR_GOOD)
        server.start()
        assert "I/O: epoll (io_uring is refused here: Operation not permitted)" in server.log(), server.log()
        works(server)
        return server.failed()


def load(server, turn):
    """Commands of every shape; gives the keys whose SET was acknowledged. The connection may end at any point."""
    kept = {}
    try:
        with server.connect() as connection:
            for size in (3, 30, 3000, 300000):
                key = b"load:%d:%d" % (turn, size)
                value = b"v" * size
                if connection.call("SET", key, value) == b"OK":
                    kept[key] = value
                connection.call("GET", key)
            connection.pipeline([("SET", "pipe:%d" % i, "x" * i) for i in range(40)])
            connection.pipeline([("GET", "pipe:%d" % i) for i in range(40)])
            connection.call("MGET", *["pipe:%d" % i for i in range(40)])
            connection.pipeline([("MULTI",), ("INCR", "counter"), ("APPEND", "list", "abc"), ("EXEC",)])
            connection.call("SCAN", "0", "COUNT", "50")
            connection.call("CLIENT", "SETNAME", "somebody")
            connection.call("CLIENT", "LIST")
            connection.call("INFO")
            connection.call("CONFIG", "SET", "slowlog-log-slower-than", "0")
            connection.call("CONFIG", "SET", "slowlog-log-slower-than", "10000")
            connection.call("FLUSHDB") if turn % 5 == 4 else None
            if turn % 5 == 4:
                kept.clear()
    except (harness.Closed, OSError, AssertionError):
        if turn % 5 == 4:
            kept.clear()
    return kept


def test_load():
    faults = 0
    for backend in ("auto", "epoll"):
        with Faulty(["--io-backend", backend], pool_size="64mb") as server:
            server.start()
            works(server)
            turn = 0
            for kind in ("memory", "submit", "accept", "send", "receive", "watch", "event", "map"):
                for n in numbers():
                    turn += 1
                    server.arm(kind, n)
                    kept = load(server, turn)
                    failed = server.failed()
                    faults += failed
                    server.disarm()
                    assert server.alive(), server.log()
                    works(server)
                    with server.connect() as connection:
                        for key, value in kept.items():
                            assert connection.call("GET", key) == value, (kind, n, key)
                    if failed == 0:
                        break
                    assert n < 3000, (kind, "does not end")
    return faults


def test_configuration():
    faults = 0
    with Faulty(pool_size="16mb") as server:
        path = os.path.join(server.directory, "superdb.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write("timeout 0\n")
        server.arguments.insert(0, path)
        line = server.command_line
        server.command_line = lambda: line()[:3] + [path] + [a for a in line()[3:] if a != path]
        server.start()
        for kind in ("memory", "write", "sync", "open", "rename", "read"):
            for n in numbers():
                server.arm(kind, n)
                with server.connect() as connection:
                    connection.send(harness.encode("CONFIG", "SET", "timeout", str(100 + n)))
                    try:
                        connection.read()
                        reply = connection.call("CONFIG", "REWRITE")
                    except harness.Closed:
                        reply = b"closed"
                failed = server.failed()
                faults += failed
                server.disarm()
                with open(path, encoding="utf-8") as file:
                    assert re.search(r"^timeout \d+$", file.read(), re.M), (kind, n, reply)
                assert [name for name in os.listdir(server.directory) if name.startswith("superdb.conf")] == \
                    ["superdb.conf"], os.listdir(server.directory)
                if failed == 0:
                    assert reply == b"OK", reply
                    with open(path, encoding="utf-8") as file:
                        assert f"timeout {100 + n}\n" in file.read()
                    break
        works(server)
    return faults


def test_medium_fails():
    for key in ("before", "lost"):  # a commit that fails, and the zeros of a new page
        medium_fails(key)
    return 2


def test_medium_fails_under_the_binary_protocol():
    """A failed msync takes back what was answered in its turn: one frame says so and the connection ends. Later writes are refused each."""
    pool = os.path.join(plain_directory(), f"superdb-faults-{os.getpid()}.sdb")
    try:
        with Faulty(["--durability", "msync"], pool=pool, pool_size="16mb") as server:
            server.start()
            works(server, b"before")
            with frames.Binary(("127.0.0.1", server.port)) as client, frames.Binary(("127.0.0.1", server.port)) as reader:
                server.arm("sync", 0, 1)
                client.send(frames.get(b"before", tag=1) + frames.set_(b"before", b"no", tag=2) + frames.get(b"before", tag=3))
                reply = client.read()
                assert reply.opcode == frames.ERROR and reply.status == -EIO and reply.body, reply
                assert client.read() is None
                assert server.failed() == 1
                server.disarm()
                for refused in (frames.set_(b"after", b"1"), frames.key_frame(frames.DELETE, b"before"), frames.set_many([(b"a", b"1")]),
                                frames.number_key(frames.ADD, 1, b"n")):
                    reply = reader.ask(refused)
                    assert reply.opcode == refused[0] and reply.status == -EFAILED and reply.body, reply
                reader.send(frames.set_(b"after", b"1") * 20 + frames.get(b"before"))
                assert [reader.read().status for _ in range(20)] == [-EFAILED] * 20
                assert reader.read().body == b"yes"
                assert reader.ask(frames.get(b"after")).status == frames.ENOTFOUND
                assert info(server, "superdb")["pool_failed"] == "1"
            server.terminate()
        return 1
    finally:
        os.unlink(pool)


def plain_directory():
    """Where files are on a drive: class msync is refused elsewhere."""
    for path in (os.environ["SUPERDB_BUILD_DIR"], "/tmp", "/var/tmp"):
        kind = subprocess.run(["stat", "-f", "-c", "%T", path], capture_output=True, text=True, check=True).stdout.strip()
        if kind not in ("tmpfs", "ramfs"):
            return path
    raise RuntimeError("a directory on a drive is needed")


def medium_fails(key):
    """A failed msync: reads go on, writes are refused and INFO says so, until the pool was opened again."""
    pool = os.path.join(plain_directory(), f"superdb-faults-{os.getpid()}.sdb")
    try:
        with Faulty(["--durability", "msync"], pool=pool, pool_size="16mb") as server:
            server.start()
            works(server, b"before")
            assert info(server, "superdb")["pool_failed"] == "0"
            assert info(server, "persistence")["aof_last_write_status"] == "ok"
            with server.connect() as connection, server.connect() as reader:
                assert reader.call("GET", "before") == b"yes"
                server.arm("sync", 0, 1)
                reply = connection.call("SET", key, "1")
                assert reply.startswith(b"MISCONF"), reply
                assert server.failed() == 1
                # The medium works again, but what it lost nobody knows.
                for command in (("SET", "after", "1"), ("DEL", "before"), ("INCR", "n"), ("MSET", "a", "1", "b", "2"),
                                ("FLUSHALL",), ("EXPIRE", "before", "10"), ("APPEND", "before", "x")):
                    reply = reader.call(*command)
                    assert isinstance(reply, harness.Error) and reply.startswith(b"MISCONF"), (command, reply)
                reply = reader.pipeline([("MULTI",), ("SET", "after", "1"), ("EXEC",)])
                assert b"MISCONF" in reply[2] or b"MISCONF" in reply[1], reply
                assert reader.call("GET", "before") == b"yes"
                assert reader.call("GET", "after") is None
                assert reader.call("DBSIZE") == 1
            assert info(server, "superdb")["pool_failed"] == "1"
            assert info(server, "persistence")["aof_last_write_status"] == "err"
            # Whoever stops it learns that it had not kept everything.
            assert server.terminate() == 1, server.log()
            assert "the pool had failed" in server.log(), server.log()
            told = subprocess.run([harness.superdb_pool(), "info", pool], capture_output=True, text=True, check=False)
            assert re.search(r"^clean +no, recovered now$", told.stdout, re.M), told
            server.start()
            assert info(server, "superdb")["pool_failed"] == "0"
            works(server, b"again")
            with server.connect() as connection:
                assert connection.call("GET", "before") in (b"yes",) + (b"1",) * (key == "before")
                assert connection.call("GET", "lost") in (None, b"1")
                assert connection.call("GET", "after") is None
        checked = subprocess.run([harness.superdb_pool(), "check", pool], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked
    finally:
        if os.path.exists(pool):
            os.unlink(pool)


def pool_on(kind):
    directory = plain_directory() if kind == "plain" else "/dev/shm"
    return os.path.join(directory, f"superdb-faults-{os.getpid()}.sdb")


def test_pool_size():
    """CONFIG SET pool-size that is refused leaves the server as it was, and the next one succeeds."""
    faults = 0
    for place in ("memory", "plain"):
        pool = pool_on(place)
        try:
            with Faulty(["--durability", "process"], pool=pool, pool_size="16mb") as server:
                server.start()
                size = 16
                for kind in ("memory", "map", "unmap", "allocate", "write", "sync", "truncate"):
                    for n in numbers():
                        works(server, b"before")
                        with server.connect() as connection:
                            server.arm(kind, n)
                            try:
                                reply = connection.call("CONFIG", "SET", "pool-size", f"{size + 2}mb")
                            except harness.Closed:
                                reply = b"closed"
                            failed = server.failed()
                            server.disarm()
                        faults += failed
                        assert reply == b"OK" or failed, reply
                        facts = info(server, "superdb")
                        grown = int(facts["pool_size"]) >> 20
                        assert grown == size + 2 if reply == b"OK" else grown in (size, size + 2), (kind, n, reply, grown)
                        assert facts["pool_failed"] == "0", (kind, n)
                        size = grown
                        works(server, b"after")
                        if failed == 0:
                            break
                with server.connect() as connection:
                    assert connection.call("CONFIG", "SET", "pool-size", f"{size + 2}mb") == b"OK"
                server.kill()
                server.start()
                works(server, b"again")
                assert int(info(server, "superdb")["pool_size"]) >> 20 == size + 2
                assert server.terminate() == 0, server.log()
            checked = subprocess.run([harness.superdb_pool(), "check", pool], capture_output=True, text=True, check=False)
            assert checked.returncode == 0, checked
        finally:
            if os.path.exists(pool):
                os.unlink(pool)
    return faults


def test_shutdown():
    """Under faults it ends all the same; with status 1 where the pool was not closed cleanly, and then it says so."""
    faults = told = 0
    for place, durability in (("memory", "process"), ("plain", "process"), ("plain", "msync")):
        pool = pool_on(place)
        try:
            with Faulty(["--durability", durability], pool=pool, pool_size="16mb") as server:
                for kind in ("memory", "map", "unmap", "write", "sync", "truncate", "open", "lock"):
                    for n in numbers():
                        server.start()
                        works(server, b"before")
                        with server.connect() as connection:
                            connection.call("PING")
                            server.arm(kind, n)
                            if kind == "memory":  # a command for which there is none is refused: SIGTERM is not
                                status = server.terminate()
                            else:
                                connection.send(harness.encode("SHUTDOWN"))
                                status = server.wait()
                        failed = server.failed()
                        server.disarm()
                        faults += failed
                        told += status
                        assert status == 0 or (status == 1 and failed), (kind, n, status, server.log())
                        words = server.log().rpartition(", process ")[2]  # since this start
                        assert (status == 1) == ("cannot close the pool" in words), (kind, n, status, words)
                        assert status == 1 or kind != "sync" or not failed, (n, server.log())
                        if failed == 0:
                            break
                server.start()
                with server.connect() as connection:
                    assert connection.call("GET", "before") == b"yes"
        finally:
            if os.path.exists(pool):
                os.unlink(pool)
    assert told, "no failed sync was told of"
    return faults


def cpu_seconds(server):
    with open(f"/proc/{server.process.pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_descriptors_run_out_at_no_cost():
    """A backlog that cannot be accepted is looked at ten times a second, and not in a loop."""
    for backend in ("auto", "epoll"):
        with Faulty(["--io-backend", backend], pool_size="16mb") as server:
            server.start()
            works(server)
            limit = server.descriptors()
            resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
            sockets = [server.connect_socket() for _ in range(10)]
            begin = cpu_seconds(server)
            time.sleep(1)  # what is measured is how much it does in that time
            spent = cpu_seconds(server) - begin
            assert spent < 0.2, f"{backend}: {spent:.2f} s of CPU in a second"
            for one in sockets:
                one.close()
    return 20


def test_descriptors_run_out():
    for backend in ("auto", "epoll"):
        with Faulty(["--io-backend", backend], pool_size="16mb") as server:
            server.start()
            works(server)
            before = server.descriptors()
            limit = before + 20
            resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
            sockets = [server.connect_socket() for _ in range(60)]
            for one in sockets[:10]:
                one.sendall(b"PING\r\n")
                assert one.recv(100) == b"+PONG\r\n"
            for one in sockets:
                one.close()
            works(server)
            wait_for_descriptors(server, before)
    return 80


def wait_for_descriptors(server, count):
    deadline = time.monotonic() + harness.DEADLINE
    while server.descriptors() > count:
        assert time.monotonic() < deadline, f"{server.descriptors()} descriptors are open, {count} were"
        works(server)


def test_connections_by_the_thousand():
    bomb = """
import socket, sys
for round in range(5):
    sockets = []
    for i in range(100):
        one = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
        if i % 3 == 0:
            one.sendall(b"PING\\r\\nSET a b\\r\\n"[:i % 20])
        sockets.append(one)
    for one in sockets:
        one.close()
"""
    for backend in ("auto", "epoll"):
        with Faulty(["--io-backend", backend, "--maxclients", "150"], pool_size="16mb") as server:
            server.start()
            works(server)
            before = server.descriptors()
            bombs = [subprocess.Popen([sys.executable, "-c", bomb, str(server.port)], stderr=subprocess.DEVNULL)
                     for _ in range(4)]
            for one in bombs:
                one.wait()
            deadline = time.monotonic() + harness.DEADLINE
            while True:
                try:
                    works(server)
                    break
                except (harness.Closed, OSError, AssertionError):
                    assert time.monotonic() < deadline, "is not served"
            wait_for_descriptors(server, before)
            while info(server, "clients")["connected_clients"] != "1":  # a socket is closed before its client is forgotten
                assert time.monotonic() < deadline, info(server, "clients")
    return 4000


def main():
    chosen = sys.argv[1:]
    for name, test in sorted(globals().items()):
        if name.startswith("test_") and (not chosen or name in chosen):
            begin = time.monotonic()
            faults = test()
            print(f"{name}: {faults} faults, {time.monotonic() - begin:.1f} s", flush=True)


if __name__ == "__main__":
    main()
