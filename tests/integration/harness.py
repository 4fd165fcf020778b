# SPDX-License-Identifier: BSD-3-Clause
"""
harness.py - starts the two servers and talks to them byte for byte

SuperDB is the server under test, Debian's redis-server the judge. Both listen on free ports of 127.0.0.1 and end with
the test: every process started here is remembered by its pid and ended by it.

Environment: SUPERDB_SERVER and SUPERDB_POOL name the programs (build/superdb-server and build/superdb-pool else),
SUPERDB_THREADS the server's threads (2 else), SUPERDB_ARGUMENTS more of its options ("--io-backend epoll"),
SUPERDB_TEST_DIR where pools are made (/dev/shm else).

A reply is handled as the bytes that came over the wire: `reply_end` finds where one ends, `parse` gives it a shape, for
tests that compare less than the bytes.
"""
import atexit
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEADLINE = 20.0  # seconds that a server may take to start, to stop, and to reply


def program(variable, name):
    path = os.environ.get(variable)
    if path:
        return path
    for build in ("build", "build/release", "build/debug"):
        path = os.path.join(ROOT, build, name)
        if os.path.exists(path):
            return path
    sys.exit(f"{name} was not found: set {variable}")


def superdb_server():
    return program("SUPERDB_SERVER", "superdb-server")


def superdb_pool():
    return program("SUPERDB_POOL", "superdb-pool")


# ---- replies ---------------------------------------------------------------------------------------------------------

AGGREGATES = b"*~>%|"


def reply_end(data, start=0):
    """The position behind the reply that begins at start, or -1 where more bytes are needed."""
    pending = 1
    position = start
    while pending:
        line_end = data.find(b"\r\n", position)
        if line_end < 0:
            return -1
        kind = data[position]
        pending -= 1
        if kind in b"$=!":
            size = int(data[position + 1:line_end])
            position = line_end + 2
            if size >= 0:
                position += size + 2
                if position > len(data):
                    return -1
        elif kind in AGGREGATES:
            count = int(data[position + 1:line_end])
            position = line_end + 2
            if count > 0:
                pending += count * 2 if kind in b"%|" else count
            if kind == ord("|"):
                pending += 1  # an attribute stands in front of its reply
        elif kind in b"+-:_,#(":
            position = line_end + 2
        else:
            raise ValueError(f"no reply begins with {data[position:position + 40]!r}")
    return position


def split_replies(data):
    """The complete replies in data, and what is left over."""
    replies = []
    position = 0
    while position < len(data):
        end = reply_end(data, position)
        if end < 0:
            break
        replies.append(bytes(data[position:end]))
        position = end
    return replies, bytes(data[position:])


class Error(bytes):
    """An error reply, without the leading '-'."""


class Map(tuple):
    """Pairs, in the order in which they came."""


def parse(data):
    value, end = _parse(data, 0)
    if end != len(data):
        raise ValueError("bytes behind the reply")
    return value


def _parse(data, position):
    line_end = data.index(b"\r\n", position)
    kind = data[position:position + 1]
    text = bytes(data[position + 1:line_end])
    position = line_end + 2
    if kind in (b"$", b"=", b"!"):
        size = int(text)
        if size < 0:
            return None, position
        value = bytes(data[position:position + size])
        return (Error(value) if kind == b"!" else value), position + size + 2
    if kind in (b"*", b"~", b">"):
        count = int(text)
        if count < 0:
            return None, position
        items = []
        for _ in range(count):
            item, position = _parse(data, position)
            items.append(item)
        return items, position
    if kind == b"%":
        pairs = []
        for _ in range(int(text)):
            key, position = _parse(data, position)
            value, position = _parse(data, position)
            pairs.append((key, value))
        return Map(pairs), position
    if kind == b":":
        return int(text), position
    if kind == b"-":
        return Error(text), position
    if kind == b"_":
        return None, position
    if kind == b"#":
        return text == b"t", position
    if kind == b",":
        return float(text), position
    return text, position


def as_dict(value):
    """A map in either protocol's shape."""
    if isinstance(value, Map):
        return dict(value)
    return dict(zip(value[0::2], value[1::2]))


def to_bytes(value):
    if isinstance(value, bytes):
        return value
    if isinstance(value, (int, float)):
        return str(value).encode()
    return value.encode()


def encode(*arguments):
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        argument = to_bytes(argument)
        parts.append(b"$%d\r\n%s\r\n" % (len(argument), argument))
    return b"".join(parts)


class Closed(Exception):
    """The server closed the connection."""


class Connection:
    """A connection that reads whole replies as bytes."""

    def __init__(self, server, protocol=2, timeout=DEADLINE):
        self.server = server
        self.socket = server.connect_socket(timeout)
        self.buffer = bytearray()
        if protocol == 3:
            reply = self.command("HELLO", "3")
            if reply[:1] != b"%":
                raise RuntimeError(f"{server.name}: HELLO 3 was answered with {reply!r}")

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        """Reads once; raises Closed at the end."""
        try:
            data = self.socket.recv(1 << 20)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Closed()
        self.buffer += data

    def read(self):
        """The next reply's bytes."""
        while True:
            end = reply_end(self.buffer) if self.buffer else -1
            if end >= 0:
                reply = bytes(self.buffer[:end])
                del self.buffer[:end]
                return reply
            try:
                self.receive()
            except socket.timeout:
                so_far = bytes(self.buffer[:200])
                raise TimeoutError(f"{self.server.name}: no reply in time, so far: {so_far!r}") from None

    def read_until(self, tail):
        """Everything up to and with the bytes tail, which must be the last that the server sends."""
        while not self.buffer.endswith(tail):
            self.receive()
        data = bytes(self.buffer)
        self.buffer.clear()
        return data

    def read_to_end(self, timeout=DEADLINE):
        """Everything until the server closes. Raises socket.timeout where it does not."""
        self.socket.settimeout(timeout)
        with contextlib.suppress(Closed):
            while True:
                self.receive()
        data = bytes(self.buffer)
        self.buffer.clear()
        return data

    def command(self, *arguments):
        self.send(encode(*arguments))
        return self.read()

    def call(self, *arguments):
        return parse(self.command(*arguments))

    def pipeline(self, commands):
        """Sends the commands at once, gives the replies."""
        self.send(b"".join(encode(*command) for command in commands))
        return [self.read() for _ in commands]

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


# ---- servers ---------------------------------------------------------------------------------------------------------

RUNNING = []


@atexit.register
def end_all():
    for server in list(RUNNING):
        server.kill()


def held_port():
    """A socket that has a free port and does not listen: a server of SO_REUSEADDR can, and nobody else is given the port meanwhile."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    return holder


def free_port():
    with held_port() as holder:
        return holder.getsockname()[1]


class Server:
    """A server process: its directory, its port, its log."""

    name = "server"

    def __init__(self, arguments=(), directory=None):
        base = os.environ.get("SUPERDB_TEST_DIR", "/dev/shm")
        self.own_directory = directory is None
        self.directory = directory or tempfile.mkdtemp(prefix="superdb-test-", dir=base)
        self.port_holder = held_port()
        self.port = self.port_holder.getsockname()[1]
        self.arguments = list(arguments)
        self.process = None
        self.log_path = os.path.join(self.directory, f"{self.name}.log")

    def command_line(self):
        raise NotImplementedError

    def start(self, wait=True):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command_line(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd=self.directory)
        RUNNING.append(self)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        """Waits until a PING is answered. The server is asked, not slept for: the pause only bounds the attempts."""
        deadline = time.monotonic() + DEADLINE
        while True:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n{self.log()}")
            try:
                with Connection(self, timeout=DEADLINE) as connection:
                    reply = connection.command("PING")
                    if reply == b"+PONG\r\n" or reply.startswith(b"-NOAUTH"):
                        return
            except (OSError, Closed):
                pass
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} did not answer in {DEADLINE} s:\n{self.log()}")
            time.sleep(0.002)

    def connect_socket(self, timeout=DEADLINE):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def connect(self, protocol=2, timeout=DEADLINE):
        return Connection(self, protocol, timeout)

    def log(self):
        with contextlib.suppress(OSError), open(self.log_path, "rb") as log:
            return log.read()[-6000:].decode("utf-8", "replace")
        return ""

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def terminate(self):
        """SIGTERM, and the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self, timeout=DEADLINE):
        status = self.process.wait(timeout)
        if self in RUNNING:
            RUNNING.remove(self)
        return status

    def kill(self):
        """SIGKILL."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        if self.process is not None:
            self.wait()

    def remove(self):
        self.kill()
        self.port_holder.close()
        if self.own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.remove()


class Superdb(Server):
    name = "superdb-server"

    def __init__(self, arguments=(), directory=None, pool=None, pool_size="256mb", threads=None):
        super().__init__(arguments, directory)
        self.pool = pool or os.path.join(self.directory, "pool.sdb")
        self.pool_size = pool_size
        self.threads = threads or int(os.environ.get("SUPERDB_THREADS", "2"))

    def __exit__(self, kind, *unused):
        """A test that went well ends with a server that ends well, and that no sanitizer has complained of."""
        try:
            if kind is None:
                if self.alive():
                    status = self.terminate()
                    assert status == 0, f"superdb-server ended with {status}:\n{self.log()}"
                for complaint in ("Sanitizer", "runtime error:"):
                    assert complaint not in self.log(), self.log()
        finally:
            self.remove()

    def command_line(self):
        return [superdb_server(), "--pool", self.pool, "--pool-size", self.pool_size, "--bind", "127.0.0.1",
                "--port", str(self.port), "--threads", str(self.threads),
                *os.environ.get("SUPERDB_ARGUMENTS", "").split(),
                *self.arguments]


class Redis(Server):
    name = "redis-server"

    def command_line(self):
        program_path = shutil.which("redis-server") or "/usr/bin/redis-server"
        return [program_path, "--port", str(self.port), "--bind", "127.0.0.1",
                "--save", "", "--appendonly", "no", "--dir", self.directory, "--enable-debug-command", "yes",
                *self.arguments]


@contextlib.contextmanager
def both(superdb_arguments=(), redis_arguments=()):
    """SuperDB and its judge, started and ended."""
    with Superdb(superdb_arguments) as superdb, Redis(redis_arguments) as redis:
        superdb.start()
        redis.start()
        yield superdb, redis
        if not superdb.alive():
            raise AssertionError(f"superdb-server ended by itself with {superdb.process.returncode}:\n{superdb.log()}")


# ---- the test's own frame --------------------------------------------------------------------------------------------


class Failures:
    """Counts what was compared, prints the first differences in full."""

    def __init__(self, shown=int(os.environ.get("SUPERDB_SHOWN", "60"))):
        self.compared = 0
        self.failed = 0
        self.shown = shown

    def check(self, condition, what, *details):
        self.compared += 1
        if not condition:
            self.failed += 1
            if self.failed <= self.shown:
                print(f"FAIL {what}")
                for detail in details:
                    print(f"     {detail}")
                sys.stdout.flush()
        return condition

    def finish(self, label):
        if self.failed > self.shown:
            print(f"... and {self.failed - self.shown} more")
        print(f"{label}: {self.compared} compared, {self.failed} differ")
        sys.exit(1 if self.failed else 0)


def run_tests(namespace, arguments=None):
    """Runs the functions test_* of a module (those named on the command line, or all); the exit status tells."""
    names = [name for name in namespace if name.startswith("test_") and callable(namespace[name])]
    wanted = sys.argv[1:] if arguments is None else arguments
    failed = []
    for name in names:
        if wanted and name not in wanted:
            continue
        begun = time.monotonic()
        try:
            namespace[name]()
        except Exception as error:  # a test that fails must not keep the others from running
            import traceback
            failed.append(name)
            print(f"FAIL {name}: {type(error).__name__}: {error}")
            traceback.print_exc(file=sys.stdout)
        else:
            print(f"ok   {name} ({time.monotonic() - begun:.2f} s)")
        sys.stdout.flush()
        for server in list(RUNNING):
            server.remove()
    if failed:
        print(f"{len(failed)} failed: {' '.join(failed)}")
    sys.exit(1 if failed else 0)
