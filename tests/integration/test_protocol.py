# SPDX-License-Identifier: BSD-3-Clause
# ctest-timeout: 600
"""
test_protocol.py - input as a hostile or clumsy client sends it, and the limits on connections

Most tests send raw bytes to both servers, close the sending half, and compare everything that comes back until the
server closes. A command behind the damaged input tells whether the connection was closed there.
"""
import os
import re
import signal
import socket
import stat
import threading
import time

from harness import DEADLINE, Closed, Redis, Superdb, both, encode, parse, reply_end, run_tests, split_replies

PING = b"*1\r\n$4\r\nPING\r\n"


def exchange(server, data):
    """Sends data, then the end; gives all that came back."""
    with server.connect() as connection:
        try:
            connection.send(data)
            connection.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # closed on us already: what it said is still to be read
        return connection.read_to_end()


def expect_same(servers, streams):
    wrong = []
    for data in streams:
        ours, theirs = (exchange(server, data) for server in servers)
        if ours != theirs:
            wrong.append(f"{data[:120]!r}{'...' if len(data) > 120 else ''}\n"
                         f"     superdb {ours[:400]!r}\n     redis   {theirs[:400]!r}")
    assert not wrong, f"{len(wrong)} of {len(streams)} differ:\n" + "\n".join(wrong)


DAMAGED = [
    b"*abc\r\n", b"*\r\n", b"*+1\r\n$4\r\nPING\r\n", b"* 1\r\n$4\r\nPING\r\n", b"*01\r\n$4\r\nPING\r\n",
    b"*1 \r\n$4\r\nPING\r\n",
    b"*2147483648\r\n", b"*9223372036854775807\r\n", b"*9223372036854775808\r\n", b"*99999999999999999999\r\n",
    b"*-2147483649\r\n",
    b"*1.5\r\n", b"*0x1\r\n", b"*--1\r\n", b"*1\r\nPING\r\n", b"*1\r\n:4\r\n", b"*1\r\n*1\r\n$4\r\nPING\r\n",
    b"*1\r\n\r\n",
    b"*1\r\n+PING\r\n", b"*1\r\n\x00", b"*1\r\n\xff\r\n", b"*2\r\n$4\r\nECHO\r\nx\r\n", b"*1\r\n$-1\r\n",
    b"*1\r\n$-5\r\n",
    b"*1\r\n$abc\r\n", b"*1\r\n$\r\n\r\n", b"*1\r\n$+4\r\nPING\r\n", b"*1\r\n$ 4\r\nPING\r\n", b"*1\r\n$04\r\nPING\r\n",
    b"*1\r\n$4 \r\nPING\r\n", b"*1\r\n$536870913\r\n", b"*1\r\n$9223372036854775807\r\n",
    b"*1\r\n$9223372036854775808\r\n",
    b"*2\r\n$3\r\nGET\r\n$99999999999999999999\r\n", b'SET "a b\r\n', b"SET 'a b\r\n", b'"PING"x\r\n', b"'PING'x\r\n",
    b'PING "a\\"\r\n',
    b"PING 'a\\'\r\n", b'"\r\n', b"'\r\n", b'PING "\x00\r\n',
]

TOLERATED = [
    b"*0\r\n", b"*-1\r\n", b"*-100\r\n", b"*0\r\n*0\r\n*-5\r\n", b"\r\n", b"\r\n\r\n\r\n", b"\n", b"\n\n", b"PING\n",
    b"PING\r\n",
    b"  PING  \r\n", b"\tPING\r\n", b"PING hello\r\n", b'PING "hello world"\r\n', b"PING 'hello world'\r\n",
    b'PING "\\x41\\x0a\\n\\r\\t\\b\\a\\\\\\""\r\n', b"PING 'it\\'s \\n \\x41'\r\n", b'PING "\\xzz"\r\n',
    b'PING "\\x4"\r\n',
    b'PING ""\r\n', b"PING ''\r\n", b'PING "" ""\r\n', b"pInG\r\n", b"SET k v\r\nGET k\r\n", b"SET\tk\tv\r\n",
    b"PING a\"b\r\n",
    b"PING a\"b\"\r\n", b"PING a'b'c\r\n", b"PING 'a'\"b\"\r\n", b"\x00\x00PING\r\n", b"PING \xff\xfe\r\n",
    b"PING a\x00b\r\n",
    b"PI\rNG\r\n", b"PING\r\r\n", b"*1\r\n$4\r\nPINGxx", b"*2\r\n$4\r\nECHO\r\n$3\r\nabcdef\r\n",
    b"*2\r\n$0\r\n\r\n$0\r\n\r\n",
    b"*1\r\n$0\r\n\r\n", b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$0\r\n\r\n", b"*2\r\n$4\r\nECHO\r\n$2\r\n\r\n\r\n", b":1\r\n",
    b"$4\r\nPING\r\n", b"+PING\r\n",
    b"_\r\n", b"%1\r\n", b"SDB.NOPE\r\n", b"GET\r\n", b"GET a b\r\n", b"QUIT\r\n", b"QUIT now\r\n", b"quit\r\nPING\r\n",
]

TRUNCATED = [b"*", b"*1", b"*1\r", b"*1\r\n", b"*1\r\n$", b"*1\r\n$4", b"*1\r\n$4\r", b"*1\r\n$4\r\n",
             b"*1\r\n$4\r\nPI", b"*1\r\n$4\r\nPING",
             b"*1\r\n$4\r\nPING\r", b"*1048576\r\n", b"*1\r\n$536870912\r\n", b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n",
             b"PING", b'PING "a', b"*1\n$4\nPING\n",
             b"*1048577\r\n", b"*2147483647\r\n", b"\x00"]


def test_damaged_requests_get_redis_error_and_the_connection_closes():
    with both() as servers:
        expect_same(servers, [prefix + data + tail for data in DAMAGED for prefix in (b"", PING, b"PING\r\n")
                              for tail in (b"", PING)])
        for data in DAMAGED:  # and it is the server that closes, not the end of what was sent
            if b"Protocol error" not in exchange(servers[1], data):
                continue
            with servers[0].connect() as connection:
                connection.send(data)
                reply = connection.read_to_end()
                assert reply.startswith(b"-ERR Protocol error"), (data, reply)


def test_odd_requests_are_read_as_redis_reads_them():
    with both() as servers:
        expect_same(servers, [data + tail for data in TOLERATED for tail in (b"", PING)])


def test_truncated_requests_are_dropped_without_a_reply():
    with both() as servers:
        expect_same(servers, TRUNCATED + [PING + data for data in TRUNCATED])


def test_lines_that_never_end_are_cut_off():
    """64 KiB without an end of line: an error, and the connection closes."""
    for data in (b"a" * 200000, b"*" + b"1" * 200000, b"*1\r\n$" + b"1" * 200000, b'"' + b"x" * 200000):
        with both() as servers:
            for server in servers:
                with server.connect() as connection:
                    try:
                        connection.send(data)
                    except OSError:
                        pass
                    reply = connection.read_to_end()
                    # A reset that overtakes the reply may swallow it; the connection must be closed in any case.
                    assert reply in (b"", b"-ERR Protocol error: too big inline request\r\n",
                                     b"-ERR Protocol error: too big mbulk count string\r\n",
                                     b"-ERR Protocol error: too big bulk count string\r\n"), (server.name, reply)


def test_http_requests_are_aborted():
    with both() as servers:
        expect_same(servers, [b"POST / HTTP/1.1\r\nHost: x\r\n\r\n" + PING, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + PING,
                              b"post x\r\n", b"host: x\r\n", b"Host:\r\n"])


def test_unauthenticated_clients_have_small_limits():
    arguments = ["--requirepass", "secret"]
    with both(arguments, arguments) as servers:
        auth = encode("AUTH", "secret")
        limits = [b"*11\r\n", b"*10\r\n", b"*1\r\n$16385\r\n", b"*1\r\n$16384\r\n", b"*1000000\r\n",
                  b"*2\r\n$4\r\nPING\r\n$16384\r\n" + b"x" * 16384 + b"\r\n"]
        expect_same(servers, [data + tail for data in limits for tail in (b"", PING)])
        expect_same(servers, [auth + b"*12\r\n" + PING[4:] * 12, auth + encode("ECHO", "x" * 20000)])


def test_commands_before_authentication():
    arguments = ["--requirepass", "secret"]
    lines = [["PING"], ["GET", "k"], ["BOGUS"], ["GET"], ["AUTH"], ["AUTH", "wrong"], ["AUTH", "default", "wrong"],
             ["AUTH", "nobody", "secret"], ["AUTH", "a", "b", "c"], ["HELLO"], ["HELLO", "3"],
             ["HELLO", "3", "AUTH", "default", "wrong"],
             ["HELLO", "9"], ["CLIENT", "ID"], ["COMMAND", "COUNT", "x"], ["CONFIG", "GET", "requirepass"],
             ["ECHO", "x"], ["SELECT", "1"],
             ["RESET"], ["INFO", "server"], ["SHUTDOWN", "bogus", "bogus2"], ["DEBUG", "SLEEP", "0"]]
    with both(arguments, arguments) as servers:
        expect_same(servers, [encode(*line) for line in lines])
        after = [["SET", "k", "v"], ["GET", "k"], ["AUTH", "wrong"], ["GET", "k"], ["CONFIG", "GET", "requirepass"],
                 ["CONFIG", "SET", "requirepass", ""], ["CONFIG", "SET", "requirepass", "other"], ["AUTH", "secret"],
                 ["AUTH", "default", "other"], ["RESET"], ["GET", "k"], ["AUTH", "other"], ["GET", "k"],
                 ["CONFIG", "SET", "requirepass", "secret"]]
        expect_same(servers, [encode("AUTH", "secret") + b"".join(encode(*line) for line in after),
                              encode("AUTH", "default", "secret") + encode("GET", "k"), encode("QUIT"),
                              b"AUTH secret\r\nGET k\r\n"])
        for server in servers:
            with server.connect() as connection:
                reply = connection.command("HELLO", "3", "AUTH", "default", "secret", "SETNAME", "fred")
                assert reply.startswith(b"%7\r\n"), (server.name, reply)
                assert connection.command("CLIENT", "GETNAME") == b"$4\r\nfred\r\n"


def test_conversations():
    """Connection state over several commands, compared as one stream."""
    conversations = [
        [["CLIENT", "REPLY", "OFF"], ["PING"], ["CLIENT", "REPLY", "ON"], ["PING"]],
        [["CLIENT", "REPLY", "SKIP"], ["PING"], ["PING", "x"]],
        [["CLIENT", "REPLY", "SKIP"], ["CLIENT", "REPLY", "SKIP"], ["PING", "1"], ["PING", "2"], ["PING", "3"]],
        [["CLIENT", "REPLY", "SKIP"], ["BOGUS"], ["PING"]],
        [["CLIENT", "REPLY", "OFF"], ["BOGUS"], ["CLIENT", "REPLY", "SKIP"], ["PING"], ["CLIENT", "REPLY", "ON"],
         ["PING", "2"]],
        [["CLIENT", "REPLY", "OFF"], ["QUIT"], ["PING"]],
        [["SET", "k", "v"], ["QUIT"], ["GET", "k"]],
        [["SELECT", "3"], ["SET", "k", "v"], ["RESET"], ["GET", "k"], ["SELECT", "3"], ["GET", "k"], ["DEL", "k"]],
        [["CLIENT", "SETNAME", "a"], ["CLIENT", "GETNAME"], ["RESET"], ["CLIENT", "GETNAME"]],
        [["RESET"], ["RESET"]],
        [["CLIENT", "REPLY", "OFF"], ["RESET"], ["PING"]],
        [["CLIENT", "NO-EVICT", "ON"], ["CLIENT", "NO-EVICT", "OFF"]],
        [["GET", "absent"], ["MGET", "a", "b"], ["SET", "k", "v", "XX", "GET"], ["GETSET", "absent2", "x"],
         ["DEL", "absent2"]],
    ]
    with both() as servers:
        expect_same(servers, [b"".join(encode(*words) for words in conversation) for conversation in conversations])


def test_hello_tells_what_clients_read():
    with both() as servers:
        for version in ("2", "3"):
            fields = []
            for server in servers:
                with server.connect() as connection:
                    reply = connection.call("HELLO", version)
                    pairs = list(reply) if version == "3" else list(zip(reply[0::2], reply[1::2]))
                    fields.append(pairs)
            assert [pair[0] for pair in fields[0]] == [pair[0] for pair in fields[1]], fields
            for name in (b"server", b"proto", b"mode", b"role", b"modules"):
                assert dict_of(fields[0])[name] == dict_of(fields[1])[name], (name, fields)


def dict_of(pairs):
    return {key: value for key, value in pairs}


STREAM = (encode("SET", "split", "a\r\nb") + b"PING\r\n" + encode("GET", "split") + b"PING \"in line\"\r\n*0\r\n\r\n" +
          encode("MSET", "a", "1", "b", "22", "c", "x" * 40) + encode("MGET", "a", "b", "c") + encode("ECHO", "") +
          encode("DEL", "a", "b", "c"))


def test_requests_may_come_in_any_pieces():
    with both() as servers:
        whole = exchange(servers[1], STREAM)
        assert exchange(servers[0], STREAM) == whole
        with servers[0].connect() as connection:
            for size in (1, 2, 3, 5, 7):
                for position in range(0, len(STREAM), size):
                    connection.send(STREAM[position:position + size])
                assert read_bytes(connection, len(whole)) == whole, f"in pieces of {size}"
            for position in range(1, len(STREAM)):
                connection.send(STREAM[:position])
                connection.send(STREAM[position:])
                assert read_bytes(connection, len(whole)) == whole, f"split at {position}"


def read_bytes(connection, size):
    while len(connection.buffer) < size:
        connection.receive()
    data = bytes(connection.buffer[:size])
    del connection.buffer[:size]
    return data


def test_pieces_wait_for_the_rest_of_a_damaged_request():
    """Every prefix of a damaged request, then the rest after the server had the first part: the reply is the same."""
    with both() as servers:
        for data in (b"*2\r\n$4\r\nECHO\r\n$-7\r\n", b"*x\r\n", b'PING "a\r\n', b"*1\r\n$4x\r\n"):
            expected = exchange(servers[1], data)
            for position in range(1, len(data)):
                with servers[0].connect() as connection, servers[0].connect() as other:
                    connection.send(data[:position])
                    other.command("PING")
                    connection.send(data[position:])
                    assert connection.read_to_end() == expected, (data, position)


def test_pipelines_of_any_depth():
    """A hundred thousand requests in one write; the replies are complete and in order."""
    count = 100000
    request = b"".join(encode("SET", f"key:{i % 1000}", str(i)) + encode("GET", f"key:{i % 1000}")
                       for i in range(count // 2))
    expected = b"".join(b"+OK\r\n$%d\r\n%d\r\n" % (len(str(i)), i) for i in range(count // 2))
    with Superdb() as server:
        server.start()
        with server.connect() as connection:
            sender = threading.Thread(target=connection.send, args=(request,))
            sender.start()
            reply = read_bytes(connection, len(expected))
            sender.join()
            assert reply == expected


def test_big_values_and_their_limit():
    with Superdb(pool_size="1280mb") as superdb, Redis() as redis:
        superdb.start()
        redis.start()
        value = os.urandom(1 << 20) * 64
        for server in (superdb, redis):
            with server.connect(timeout=120) as connection:
                assert connection.command("SET", "big", value) == b"+OK\r\n"
                assert connection.command("GET", "big") == b"$%d\r\n%s\r\n" % (len(value), value)
                assert connection.command("DEL", "big") == b":1\r\n"
        results = []
        for server in (superdb, redis):
            with server.connect(timeout=120) as connection:
                results.append([connection.command(*words) for words in (
                    ("SETRANGE", "k", "536870911", "x"), ("STRLEN", "k"), ("APPEND", "k", "y"),
                    ("SETRANGE", "k", "536870911", "xy"), ("STRLEN", "k"), ("GETRANGE", "k", "536870909", "-1"),
                    ("SETBIT", "k", "4294967295", "1"), ("GETBIT", "k", "4294967295"), ("BITCOUNT", "k"), ("DEL", "k"),
                    ("SETBIT", "b", "4294967295", "1"), ("STRLEN", "b"), ("DEL", "b"))])
        assert results[0] == results[1], f"superdb {results[0]}\nredis   {results[1]}"


def test_bulk_limit_is_configurable():
    arguments = ["--proto-max-bulk-len", "1mb"]
    with both(arguments, arguments) as servers:
        expect_same(servers, [b"*1\r\n$1048577\r\n", encode("SET", "k", "x" * 1048576), encode("APPEND", "k", "y"),
                              encode("SETRANGE", "k", "1048576", "y"), encode("STRLEN", "k")])


def test_keys_longer_than_64_kib_are_refused_and_nothing_else():
    with Superdb() as server:
        server.start()
        with server.connect() as connection:
            longest, too_long = "k" * 65536, "k" * 65537
            assert connection.command("SET", longest, "v") == b"+OK\r\n"
            assert connection.command("GET", longest) == b"$1\r\nv\r\n"
            for words in (("SET", too_long, "v"), ("INCR", too_long), ("APPEND", too_long, "x"),
                          ("MSET", "a", "1", too_long, "2"),
                          ("RENAME", longest, too_long), ("COPY", longest, too_long), ("SETNX", too_long, "v"),
                          ("SETBIT", too_long, "1", "1")):
                reply = connection.command(*words)
                assert reply.startswith(b"-ERR"), (words[0], reply[:100])
            assert connection.command("GET", too_long) == b"$-1\r\n"
            assert connection.command("EXISTS", too_long, longest, "a") == b":1\r\n"
            assert connection.command("DEL", too_long) == b":0\r\n"
            assert connection.command("DBSIZE") == b":1\r\n"


def test_sigterm_answers_what_was_read_and_loses_nothing():
    with Superdb() as server:
        server.start()
        connections = [server.connect() for _ in range(8)]
        for number, connection in enumerate(connections):
            connection.send(b"".join(encode("SET", f"{number}:{i}", str(i)) for i in range(500)))
        server.process.send_signal(signal.SIGTERM)
        acknowledged = []
        for number, connection in enumerate(connections):
            replies, rest = split_replies(connection.read_to_end())
            assert not rest and set(replies) <= {b"+OK\r\n"}, (rest, set(replies))
            acknowledged += [(f"{number}:{i}", str(i)) for i in range(len(replies))]
        assert server.wait() == 0, server.log()
        try:
            server.connect_socket(1).close()
            raise AssertionError("a stopped server accepts connections")
        except OSError:
            pass
        server.start()
        with server.connect() as connection:
            values = connection.pipeline([("GET", key) for key, _ in acknowledged])
            lost = [key for (key, value), reply in zip(acknowledged, values) if parse(reply) != value.encode()]
            assert not lost, f"{len(lost)} of {len(acknowledged)} lost: {lost[:5]}"


def test_shutdown_command_ends_the_server():
    for words in (("SHUTDOWN",), ("SHUTDOWN", "NOSAVE"), ("SHUTDOWN", "NOW", "FORCE")):
        with Superdb() as server:
            server.start()
            with server.connect() as connection:
                connection.send(encode(*words))
                assert connection.read_to_end() == b""
            assert server.wait() == 0


def test_maxclients():
    arguments = ["--maxclients", "10"]
    with both(arguments, arguments) as servers:
        for server in servers:
            connections = []
            for _ in range(10):
                connections.append(ready(server))
            with server.connect() as refused:
                assert refused.read_to_end() == b"-ERR max number of clients reached\r\n"
            connections.pop().close()
            connections.append(ready(server))
            for connection in connections:
                assert connection.command("PING") == b"+PONG\r\n"
                connection.close()


def ready(server):
    """A connection that was let in: another one's end may not have been noticed yet."""
    deadline = time.monotonic() + DEADLINE
    while True:
        connection = server.connect()
        try:
            if connection.command("PING") == b"+PONG\r\n":
                return connection
        except (Closed, OSError):
            pass
        connection.close()
        assert time.monotonic() < deadline, "no connection is let in"


def test_idle_clients_are_closed():
    with Superdb(["--timeout", "1"]) as server:
        server.start()
        begun = time.monotonic()
        with server.connect() as idle, server.connect() as busy:
            idle.command("PING")
            idle.socket.settimeout(0.05)
            while True:
                assert busy.command("PING") == b"+PONG\r\n"
                try:
                    idle.receive()
                except socket.timeout:
                    assert time.monotonic() - begun < DEADLINE, "the idle connection is still open"
                    continue
                except Closed:
                    break
            assert time.monotonic() - begun >= 0.9, "closed too early"
            assert busy.command("PING") == b"+PONG\r\n"


def anonymous_memory(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
        return int(re.search(r"RssAnon:\s+(\d+)", status.read()).group(1)) * 1024


def test_a_slow_reader_waits_and_gets_everything():
    """A gigabyte of replies to a client that does not read: the server stops reading from it instead of growing."""
    value = os.urandom(1 << 20)
    count = 1000
    with Superdb() as server:
        server.start()
        with server.connect() as connection, server.connect() as other:
            connection.command("SET", "k", value)
            before = anonymous_memory(server)
            sender = threading.Thread(target=connection.send, args=(encode("GET", "k") * count,))
            sender.start()
            for _ in range(200):
                assert other.command("PING") == b"+PONG\r\n"
            grown = anonymous_memory(server) - before
            expected = b"$%d\r\n%s\r\n" % (len(value), value)
            most = grown
            for _ in range(count):
                assert read_bytes(connection, len(expected)) == expected
                most = max(most, anonymous_memory(server) - before)
            sender.join()
            assert most < 256 << 20, f"the server grew by {most >> 20} MiB"
            assert other.command("PING") == b"+PONG\r\n"


def test_output_buffer_limit_closes_a_client_that_never_reads():
    with Superdb(["--client-output-buffer-limit", "normal 4mb 0 0"]) as server:
        server.start()
        value = "x" * (1 << 20)
        with server.connect() as connection, server.connect() as other:
            connection.command("SET", "k", value)
            try:
                connection.send(encode("MGET", *["k"] * 64))
            except OSError:
                pass
            deadline = time.monotonic() + DEADLINE
            while b"\n" in other.call("CLIENT", "LIST").strip():
                assert time.monotonic() < deadline, "a client over its limit is still connected"
            received = connection.read_to_end()
            assert len(received) < 64 << 20
            assert other.command("PING") == b"+PONG\r\n"


def test_query_buffer_limit_closes_a_client():
    arguments = ["--client-query-buffer-limit", "1mb"]
    with both(arguments, arguments) as servers:
        for server in servers:
            with server.connect() as connection:
                try:
                    connection.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4000000\r\n" + b"x" * 3000000)
                except OSError:
                    pass
                assert connection.read_to_end() == b"", server.name
            with server.connect() as connection:
                assert connection.command("PING") == b"+PONG\r\n"


def test_unix_socket():
    with Superdb() as server:
        path = os.path.join(server.directory, "socket")
        server.arguments += ["--unixsocket", path, "--unixsocketperm", "700"]
        server.start()
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(DEADLINE)
            connection.connect(path)
            connection.sendall(encode("SET", "k", "over unix") + encode("GET", "k"))
            data = b""
            while not data.endswith(b"over unix\r\n"):
                data += connection.recv(4096)
            assert data == b"+OK\r\n$9\r\nover unix\r\n"
        assert server.terminate() == 0
        assert not os.path.exists(path), "the socket outlives the server"


def test_client_kill_and_list():
    with both() as servers:
        names = []
        for server in servers:
            with server.connect() as killer, server.connect() as victim:
                number = victim.call("CLIENT", "ID")
                victim.command("CLIENT", "SETNAME", "victim")
                lines = killer.call("CLIENT", "LIST").decode().splitlines()
                assert len(lines) == 2 and any("name=victim" in line for line in lines), lines
                names.append([field.split("=")[0] for field in lines[0].split()])
                assert killer.command("CLIENT", "KILL", "ID", str(number)) == b":1\r\n"
                assert victim.read_to_end() == b""
                own = killer.call("CLIENT", "ID")
                assert killer.command("CLIENT", "KILL", "ID", str(own), "SKIPME", "no") == b":1\r\n"
                assert killer.read_to_end() == b""
            with server.connect() as killer, server.connect() as victim:
                victim.command("PING")  # it is let in
                address = "%s:%d" % victim.socket.getsockname()
                assert killer.command("CLIENT", "KILL", address) == b"+OK\r\n"
                assert victim.read_to_end() == b""
        # SuperDB has lib-name and lib-ver behind them, as later versions have.
        assert names[0][:len(names[1])] == names[1], names


def test_client_pause_holds_commands_back():
    with both() as servers:
        for server in servers:
            with server.connect() as pauser, server.connect() as other:
                begun = time.monotonic()
                assert pauser.command("CLIENT", "PAUSE", "300", "WRITE") == b"+OK\r\n"
                assert other.command("GET", "k") == b"$-1\r\n"
                read_after = time.monotonic() - begun
                assert other.command("SET", "k", "v") == b"+OK\r\n"
                waited = time.monotonic() - begun
                assert waited >= 0.25 and read_after < waited, (server.name, read_after, waited)
                assert pauser.command("CLIENT", "PAUSE", "60000", "WRITE") == b"+OK\r\n"
                other.send(encode("DEL", "k"))
                assert pauser.command("CLIENT", "UNPAUSE") == b"+OK\r\n"
                assert other.read() == b":1\r\n", server.name


def test_gets_read_together_wait_for_a_pause_that_stands_before_them():
    with both() as servers:
        for server in servers:
            with server.connect() as client, server.connect() as other:
                other.command("PING")
                begun = time.monotonic()
                client.send(encode("CLIENT", "PAUSE", "300", "ALL") + encode("GET", "k") * 6)
                assert client.read() == b"+OK\r\n"
                assert [client.read() for _ in range(6)] == [b"$-1\r\n"] * 6
                assert time.monotonic() - begun >= 0.25, server.name


def test_gets_read_together_are_refused_behind_a_reset():
    arguments = ["--requirepass", "secret"]
    with both(arguments, arguments) as servers:
        for server in servers:
            with server.connect() as client:
                client.send(encode("AUTH", "secret") + encode("SET", "k", "v"))
                assert [client.read() for _ in range(2)] == [b"+OK\r\n"] * 2
                client.send(encode("GET", "k") * 5 + encode("RESET") + encode("GET", "k") * 5)
                replies = [client.read() for _ in range(11)]
                assert replies[:5] == [b"$1\r\nv\r\n"] * 5 and replies[5] == b"+RESET\r\n", server.name
                assert replies[6:] == [b"-NOAUTH Authentication required.\r\n"] * 5, (server.name, replies)


def test_pipelines_of_gets_read_what_was_written_before():
    """GETs in a row are read together: of all kinds of values, in several databases, among writes, with replies switched off."""
    import random
    source = random.Random(5)
    with both() as (superdb, redis):
        values = ["", "7", "-12345678901", "x" * 8, "y" * 16, "z" * 17, "w" * 1000, "v" * 70000, "007"]
        for round_number in range(60):
            commands = []
            for _ in range(source.randint(1, 12)):
                for _ in range(source.choice([1, 3, 4, 40])):
                    commands.append((source.choice(["GET", "get", "Get"]), "key:%d" % source.randrange(30)))
                commands.append(source.choice([
                    ("SET", "key:%d" % source.randrange(30), source.choice(values)),
                    ("SET", "key:%d" % source.randrange(30), source.choice(values), "PX", "100000"),
                    ("DEL", "key:%d" % source.randrange(30)), ("SELECT", str(source.randrange(3))),
                    ("INCR", "key:%d" % source.randrange(30)), ("CLIENT", "REPLY", "SKIP"), ("GET",), ("GET", "a", "b"),
                    ("MGET", "key:1", "key:2"), ("SWAPDB", "0", "1"), ("FLUSHDB",), ("PING",)]))
            commands += [("PING",), ("ECHO", "end of %d" % round_number)]  # the one before may be skipped
            data = b"".join(encode(*command) for command in commands)
            replies = []
            for server in (superdb, redis):
                with server.connect(2 + round_number % 2) as connection:
                    connection.send(data)
                    replies.append(connection.read_until(b"end of %d\r\n" % round_number))
            assert replies[0] == replies[1], (round_number, commands)


def test_pipelines_of_sets_are_like_single_ones():
    """SETs in a row are done together: of all kinds of values, the same key again and again, in several databases, between others."""
    import random
    source = random.Random(6)
    with both() as (superdb, redis):
        values = ["", "7", "-12345678901", "x" * 8, "y" * 16, "z" * 17, "w" * 1000, "v" * 70000, "007"]
        keys = ["key:%d" % i for i in range(20)] + ["a key of more than an entry takes:%d" % i for i in range(10)]
        for round_number in range(60):
            commands = []
            for _ in range(source.randint(1, 12)):
                small = source.randrange(4) > 0
                for _ in range(source.choice([1, 3, 4, 40])):
                    commands.append((source.choice(["SET", "set", "Set"]), source.choice(keys),
                                     str(source.randrange(1000)) if small else source.choice(values)))
                commands.append(source.choice([
                    ("GET", source.choice(keys)), ("SET", source.choice(keys), "x", "PX", "100000"), ("TTL", source.choice(keys)),
                    ("SET", source.choice(keys), "x", "NX", "GET"), ("DEL", source.choice(keys)), ("SELECT", str(source.randrange(3))),
                    ("APPEND", source.choice(keys), "more"), ("CLIENT", "REPLY", "SKIP"), ("SET", "a"), ("STRLEN", source.choice(keys)),
                    ("MGET", *keys), ("SWAPDB", "0", "1"), ("FLUSHDB",), ("RENAME", source.choice(keys), source.choice(keys))]))
            commands += [("PING",), ("MGET", *keys), ("DBSIZE",), ("ECHO", "end of %d" % round_number)]
            data = b"".join(encode(*command) for command in commands)
            replies = []
            for server in (superdb, redis):
                with server.connect(2 + round_number % 2) as connection:
                    connection.send(data)
                    replies.append(connection.read_until(b"end of %d\r\n" % round_number))
            assert replies[0] == replies[1], (round_number, commands)


def test_sets_in_a_row_are_told_of_one_by_one():
    """Who watches a key, or hears of events, misses none of a pipeline; each call counts in INFO."""
    sets = b"".join(encode("SET", "key:%d" % (i % 60), "v%d" % i) for i in range(200))
    with Superdb() as server:
        server.start()
        with server.connect() as writer, server.connect() as watcher:
            for _ in range(2):
                assert watcher.command("WATCH", "key:33") == b"+OK\r\n"
                writer.send(sets)
                assert [writer.read() for _ in range(200)] == [b"+OK\r\n"] * 200
                assert watcher.command("MULTI") == b"+OK\r\n"
                assert watcher.command("EXEC") == b"*-1\r\n"
            assert b"cmdstat_set:calls=400," in writer.command("INFO", "commandstats")
            assert writer.command("CONFIG", "SET", "notify-keyspace-events", "E$") == b"+OK\r\n"
            watcher.send(encode("SUBSCRIBE", "__keyevent@0__:set"))
            watcher.read()
            writer.send(sets)
            assert [writer.read() for _ in range(200)] == [b"+OK\r\n"] * 200
            for i in range(200):
                assert watcher.read().endswith(b"\r\nkey:%d\r\n" % (i % 60)), i


def test_random_bytes_never_hurt():
    """Seeded noise, and valid streams with one byte changed: the server answers others afterwards."""
    import random
    source = random.Random(11)
    with Superdb() as server:
        server.start()
        for round_number in range(300):
            if round_number % 2:
                data = bytearray(STREAM * 3)
                for _ in range(source.randint(1, 4)):
                    data[source.randrange(len(data))] = source.randrange(256)
            else:
                data = source.randbytes(source.randint(1, 3000))
            replies = exchange(server, bytes(data))
            position = 0
            while position < len(replies):  # whatever is answered is made of whole replies
                position = reply_end(replies, position)
                assert position > 0, (round_number, replies[-200:])
        assert server.alive(), server.log()
        with server.connect() as connection:
            assert connection.command("PING") == b"+PONG\r\n"


if __name__ == "__main__":
    run_tests(globals())
