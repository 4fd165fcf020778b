# SPDX-License-Identifier: BSD-3-Clause
# ctest-timeout: 600
"""
test_full_pool.py - a pool without room: errors that say so, nothing lost, reads and deletes go on, then writes again
"""
import random
import subprocess

from harness import Superdb, parse, run_tests, superdb_pool


def small():
    return Superdb(["--pool-size-max", "16mb"], pool_size="16mb", threads=2)


def fill(connection, prefix, value_of, data):
    """SETs until the pool is full; data receives what was acknowledged. The first refusal."""
    number = 0
    while number < 2000000:
        batch = [(b"%s:%d" % (prefix, number + i), value_of(number + i)) for i in range(200)]
        replies = connection.pipeline([("SET", *pair) for pair in batch])
        number += len(batch)
        data.update(pair for pair, reply in zip(batch, replies) if reply == b"+OK\r\n")
        refused = {reply for reply in replies if reply != b"+OK\r\n"}
        if refused:
            assert len(refused) == 1, refused
            return refused.pop()
    raise AssertionError("a pool of 16 MiB is never full")


def expect_data(connection, data):
    keys = list(data)
    for begin in range(0, len(keys), 2000):
        part = keys[begin:begin + 2000]
        for key, value in zip(part, connection.call("MGET", *part)):
            assert value == data[key], (key, value and value[:60], data[key][:60])


def check(server):
    result = subprocess.run([superdb_pool(), "check", server.pool], capture_output=True, timeout=120, check=False)
    assert result.returncode == 0, (result.stdout + result.stderr)[-2000:]


def full_then_free(value_of, again):
    with small() as server:
        server.start()
        data = {}
        with server.connect() as connection:
            refusal = fill(connection, b"k", value_of, data)
            assert refusal.startswith(b"-OOM"), refusal
            expect_data(connection, data)
            present = next(iter(data))
            # Small things may still find a gap; these cannot, and leave nothing behind.
            for words in (("MSET", "new1", "x", "new2", "y" * (12 << 20)), ("APPEND", present, "z" * (12 << 20)),
                          ("SETRANGE", "new3", "12000000", "x"),
                          ("SETBIT", "new4", "100000000", "1"), ("BITFIELD", "new4", "SET", "u8", "100000000", "1")):
                reply = connection.command(*words)
                assert reply == refusal, (words[0], reply)
            assert connection.command("EXISTS", "new1", "new2", "new3", "new4") == b":0\r\n"
            expect_data(connection, data)
            assert connection.command("DBSIZE") == b":%d\r\n" % len(data)
            # Deleting needs no room; what it frees can be written again, as much as before.
            victims = random.Random(2).sample(list(data), len(data) // 2)
            for begin in range(0, len(victims), 500):
                part = victims[begin:begin + 500]
                reply = connection.command("DEL", *part)
                assert reply == b":%d\r\n" % len(part), (begin, len(part), reply)
            freed = [data.pop(key) for key in victims]
            expect_data(connection, data)
            for begin in range(0, int(len(freed) * again), 200):
                batch = [(b"again:%d" % (begin + i), value) for i, value in enumerate(freed[begin:begin + 200])]
                replies = connection.pipeline([("SET", *pair) for pair in batch])
                assert set(replies) == {b"+OK\r\n"}, (begin, len(victims), set(replies))
                data.update(batch)
            expect_data(connection, data)
        assert server.terminate() == 0, server.log()
        check(server)
        server.start()
        with server.connect() as connection:
            expect_data(connection, data)
            assert connection.command("FLUSHALL") == b"+OK\r\n"
            again_data = {}
            fill(connection, b"fresh", value_of, again_data)
            # The index of the first filling may stay; the room of its values may not.
            assert len(again_data) > (len(data)) * 0.8, (len(again_data), len(data))
            expect_data(connection, again_data)
        server.kill()
        check(server)
        server.start()
        with server.connect() as connection:
            expect_data(connection, again_data)


def test_full_of_inline_values():
    full_then_free(lambda i: b"%d" % i, 0.8)


def test_full_of_small_blobs():
    full_then_free(lambda i: b"v%d" % i * 20, 0.8)


def test_full_of_blobs_of_all_sizes():
    sizes = [random.Random(1).choice([10, 100, 1000, 10000, 60000]) for _ in range(1000)]
    full_then_free(lambda i: b"%d " % i + b"m" * sizes[i % 1000], 0.5)


def test_overwriting_in_a_full_pool_loses_nothing():
    """A value that fits in the place of the old one, or does not: the old one stays until the new one is there."""
    with small() as server:
        server.start()
        with server.connect() as connection:
            data = {}
            fill(connection, b"k", lambda i: b"first %d " % i + b"x" * 2000, data)
            source = random.Random(4)
            accepted = 0
            for key in source.sample(list(data), 500):
                value = b"second " + b"y" * source.choice([1, 100, 2000, 3000])
                reply = connection.command("SET", key, value)
                if reply == b"+OK\r\n":
                    data[key] = value
                    accepted += 1
                else:
                    assert reply.startswith(b"-OOM"), reply
            assert accepted > 0
            expect_data(connection, data)
        server.kill()
        check(server)
        server.start()
        with server.connect() as connection:
            expect_data(connection, data)


def test_growing_a_full_pool():
    with Superdb(pool_size="16mb", threads=2) as server:
        server.start()
        with server.connect() as connection:
            data = {}
            refusal = fill(connection, b"k", lambda i: b"%d " % i * 100, data)
            assert refusal.startswith(b"-OOM")
            assert connection.command("CONFIG", "SET", "pool-size", "48mb") == b"+OK\r\n"
            before = len(data)
            fill(connection, b"more", lambda i: b"%d " % i * 100, data)
            assert len(data) > before * 1.8, (before, len(data))
            expect_data(connection, data)
        server.kill()
        check(server)
        server.start()
        with server.connect() as connection:
            expect_data(connection, data)


def test_what_begins_anew_in_a_full_pool_is_told_once():
    """Some way into a command the pool is full; what was deleted is reclaimed, and the command runs from its beginning."""
    with Superdb(["--pool-size-max", "16mb", "--notify-keyspace-events", "KEA"], pool_size="16mb", threads=1) as server:
        server.start()
        with server.connect() as connection, server.connect(protocol=3) as listener:
            value = b"v" * 690
            assert connection.command("RPUSH", "d", "x") == b":1\r\n"
            assert connection.command("RPUSH", "s", value[8:], "y") == b":2\r\n"
            connection.pipeline([("RPUSH", "large", value)] * 9000)
            fill(connection, b"k", lambda i: value, {})
            listener.command("PSUBSCRIBE", "__keyspace@0__:*")
            assert connection.command("UNLINK", "large") == b":1\r\n"
            assert connection.command("LMOVE", "s", "d", "RIGHT", "RIGHT") == b"$1\r\ny\r\n"
            connection.command("SET", "last", "1")
            told = []
            while not told or told[-1][0] != b"last":
                reply = parse(listener.read())
                if reply[0] == b"pmessage":
                    told.append((reply[2].split(b":", 1)[1], reply[3]))
            assert told == [(b"large", b"del"), (b"d", b"rpush"), (b"s", b"rpop"), (b"last", b"set")], told


if __name__ == "__main__":
    run_tests(globals())
