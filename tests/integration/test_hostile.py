# SPDX-License-Identifier: BSD-3-Clause
# ctest-labels: threads
"""
test_hostile.py - clients that get in each other's way, or mean harm: no hang, no crash, no reply that is not whole

Each test runs over both I/O backends.
"""
import socket
import threading
import time

from harness import Superdb, encode, run_tests

BACKENDS = ("uring", "epoll")


def each_backend(*arguments, **options):
    for backend in BACKENDS:
        with Superdb(("--io-backend", backend, *arguments), **options) as server:
            yield server.start()


def in_threads(functions):
    """Runs all at once; raises what the first that failed has raised."""
    errors = []

    def guarded(function):
        try:
            function()
        except Exception as error:  # handed to the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_clients_are_listed_and_killed_while_all_write():
    """A worker that looks at the others' clients holds no shard that they may be waiting for."""
    requests = []
    for number in range(40):
        requests.append(encode("SET", f"key:{number % 20}", "value"))
        requests.append(encode("CLIENT", "KILL", "ID", "999999") if number % 4 == 3 else
                        encode("CLIENT", "LIST") if number % 4 == 1 else b"")
    pipeline = b"".join(requests)
    count = sum(request != b"" for request in requests)

    for server in each_backend(threads=3):
        def write():
            with server.connect() as connection:
                for _ in range(30):
                    connection.send(pipeline)
                    replies = [connection.read() for _ in range(count)]
                    assert replies[0] == b"+OK\r\n" and replies[-1] == b":0\r\n"

        in_threads([write] * 6)


def field(server, section, name):
    with server.connect() as connection:
        text = connection.call("INFO", section).decode()
    return int(text.split(f"{name}:")[1].split("\r")[0])


def peak_kib(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def test_the_hard_output_limit_holds_while_a_reply_is_written():
    for server in each_backend("--client-output-buffer-limit", "normal 4mb 0 0"):
        with server.connect() as connection, server.connect() as greedy:
            connection.command("SET", "large", b"x" * 1000000)
            before = peak_kib(server)
            greedy.send(encode("MGET", *["large"] * 500))
            assert b"xxx" not in greedy.read_to_end()
            assert peak_kib(server) - before < 100000, peak_kib(server) - before
            assert connection.command("PING") == b"+PONG\r\n"
            assert field(server, "stats", "client_output_buffer_limit_disconnections") == 1
            # A reply that nobody is to have has no limit.
            silent = connection.pipeline([("CLIENT", "REPLY", "ON")])
            connection.send(encode("CLIENT", "REPLY", "SKIP") + encode("MGET", *["large"] * 10) + encode("PING"))
            assert silent == [b"+OK\r\n"] and connection.read() == b"+PONG\r\n"


def test_the_timeout_is_for_those_who_neither_send_nor_read():
    value = b"x" * 1000000
    for server in each_backend("--timeout", "1"):
        with server.connect() as connection:
            connection.command("SET", "large", value)
        with server.connect() as reader, server.connect() as stuck:
            stuck.send(encode("GET", "large") * 100)
            reader.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            reader.send(encode("GET", "large") * 12)
            # It reads for three seconds, and sends nothing.
            begun, read = time.monotonic(), 0
            while read < 12 * (len(value) + 12):
                data = reader.socket.recv(100000)
                assert data, f"closed after {time.monotonic() - begun:.1f} s and {read} bytes"
                read += len(data)
                time.sleep(max(0.0, begun + 3 * read / 12e6 - time.monotonic()))
            assert time.monotonic() - begun >= 2.9
            # The other one does not read, and is closed: only the one that asks is left, and the reader perhaps.
            deadline = time.monotonic() + 20
            while field(server, "clients", "connected_clients") > 2:
                assert time.monotonic() < deadline, "a client that does not read was not closed"
                time.sleep(0.05)


if __name__ == "__main__":
    run_tests(globals())
