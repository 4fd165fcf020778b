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


def test_functions_go_where_there_is_no_room():
    library = "#!lua name=l\nredis.register_function('f', function() return '" + "x" * 10000 + "' end)"
    for libraries in (0, 1):
        with small() as server:
            server.start()
            with server.connect() as connection:
                assert not libraries or connection.call("FUNCTION", "LOAD", library) == b"l"
                fill(connection, b"k", lambda number: b"v" * 1000, {})
                fill(connection, b"s", lambda number: b"", {})
                assert connection.command("FUNCTION", "FLUSH") == b"+OK\r\n", libraries
                assert connection.call("FUNCTION", "LIST") == []


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


# How a collection is begun and grown by an element, and how one is taken out until there is none: type: (grow, [take...]).
TYPES = {
    b"list": (lambda key, i: ("RPUSH", key, b"element %d " % i + b"e" * 40), ["LPOP", "RPOP", "LTRIM", "LREM", "LMPOP", "BLPOP"]),
    b"set": (lambda key, i: ("SADD", key, b"member %d " % i + b"m" * 40), ["SREM", "SPOP"]),
    b"ints": (lambda key, i: ("SADD", key, b"%d" % i), ["SREM", "SPOP"]),
    b"hash": (lambda key, i: ("HSET", key, b"field %d" % i, b"value %d" % i + b"v" * 40), ["HDEL"]),
    b"zset": (lambda key, i: ("ZADD", key, b"%d" % i, b"member %d" % i),
              ["ZREM", "ZPOPMIN", "ZPOPMAX", "ZREMRANGEBYRANK", "ZREMRANGEBYSCORE", "ZREMRANGEBYLEX", "ZMPOP", "BZPOPMIN"]),
    b"stream": (lambda key, i: ("XADD", key, b"%d-1" % (i + 1), b"field", b"value %d" % i + b"v" * 40), ["XDEL", "XTRIM", "XACK"]),
}


def taking(command, key, i, count):
    """The command that takes the element i, which is the first of so many that are left; what it answers."""
    return {
        "LPOP": ("LPOP", key), "RPOP": ("RPOP", key), "LTRIM": ("LTRIM", key, "1", "-1"),
        "LREM": ("LREM", key, "1", b"element %d " % i + b"e" * 40), "LMPOP": ("LMPOP", "1", key, "LEFT"), "BLPOP": ("BLPOP", key, "0"),
        "SREM": ("SREM", key, b"%d" % i if key.startswith(b"ints") else b"member %d " % i + b"m" * 40), "SPOP": ("SPOP", key),
        "HDEL": ("HDEL", key, b"field %d" % i), "ZREM": ("ZREM", key, b"member %d" % i), "ZPOPMIN": ("ZPOPMIN", key),
        "ZPOPMAX": ("ZPOPMAX", key), "ZREMRANGEBYRANK": ("ZREMRANGEBYRANK", key, "0", "0"),
        "ZREMRANGEBYSCORE": ("ZREMRANGEBYSCORE", key, "%d" % i, "%d" % i), "ZREMRANGEBYLEX": ("ZREMRANGEBYLEX", key, b"[member %d" % i, b"[member %d" % i),
        "ZMPOP": ("ZMPOP", "1", key, "MIN"), "BZPOPMIN": ("BZPOPMIN", key, "0"), "XDEL": ("XDEL", key, "%d-1" % (i + 1)),
        "XTRIM": ("XTRIM", key, "MAXLEN", "%d" % (count - 1)), "XACK": ("XACK", key, "g", "%d-1" % (i + 1)),
    }[command]


def fill_with_collections(connection, sizes):
    """Collections of every type and of sizes small and large, until nothing takes an element any more. Their keys and how many they have."""
    data, full = {}, set()
    for number in range(100000):
        for kind, (grow, takers) in TYPES.items():
            if kind in full:
                continue
            size = sizes[number % len(sizes)]
            taker = takers[number % len(takers)]
            key = b"%s:%s:%d" % (kind, taker.encode(), number)
            commands = [grow(key, i) for i in range(size)]
            if taker == "XACK":
                commands[1:1] = [("XGROUP", "CREATE", key, "g", "0")]
                commands.append(("XREADGROUP", "GROUP", "g", "c", "COUNT", str(size), "STREAMS", key, ">"))
            replies = connection.pipeline(commands)
            if any(reply.startswith(b"-OOM") for reply in replies):
                full.add(kind)
                if not replies[0].startswith(b"-OOM"):
                    assert connection.command("UNLINK", key) == b":1\r\n"
            else:
                data[key] = size
        if len(full) == len(TYPES):
            break
    for filler in (1, 40, 200, 1000, 4000, 15000, 1):
        for number in range(100000):
            if connection.command("SET", b"filler:%d:%d" % (filler, number), b"x" * filler + b"%d" % number).startswith(b"-OOM"):
                break
    return data


def test_elements_are_taken_out_of_a_full_pool():
    """Every command that takes elements out goes on until all are gone, whatever the collection is kept as."""
    with Superdb(["--pool-size-max", "16mb"], pool_size="16mb", threads=1) as server:
        server.start()
        with server.connect() as connection:
            data = fill_with_collections(connection, [2, 3, 5, 9, 17, 30, 60, 100, 120, 127, 300, 700])
            assert len(data) > 500 and {key.split(b":")[1] for key in data} == {name.encode() for _, names in TYPES.values() for name in names}
            order = sorted(data)
            random.Random(5).shuffle(order)
            first = len(order) // 4
            for key in order[:first]:
                take_some(connection, key, data[key], range(0, data[key]))
            # One of each, and then the others.
            for key in order[first:]:
                take_some(connection, key, data[key], range(0, 1))
            for key in order[first:]:
                take_some(connection, key, data[key], range(1, data[key]))
            left = connection.call("KEYS", "*:*:*[0-9]")
            left = [name for name in left if not name.startswith(b"filler:")]
            assert all(name.startswith(b"stream:") for name in left), left[:5]
            for name in left:
                if name.startswith(b"stream:XACK"):
                    assert connection.call("XPENDING", name, "g")[0] == 0
                else:
                    assert connection.command("XLEN", name) == b":0\r\n"
                assert connection.command("DEL", name) == b":1\r\n"
            again = fill_with_collections(connection, [2, 3, 5, 9, 17, 30, 60, 100, 120, 127, 300, 700])
            assert len(again) > len(data) // 2, (len(again), len(data))
        assert server.terminate() == 0, server.log()
        check(server)


def take_some(connection, key, size, which):
    command = key.split(b":")[1].decode()
    for begin in range(which.start, which.stop, 50):  # what comes together is one group of the server's
        words = [taking(command, key, i, size - i) for i in which[begin - which.start:begin - which.start + 50]]
        for command_words, reply in zip(words, connection.pipeline(words)):
            assert not reply.startswith((b"-", b":0", b"$-1", b"*-1")), (command_words, reply)


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
