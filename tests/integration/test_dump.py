# SPDX-License-Identifier: BSD-3-Clause
"""
test_dump.py - DUMP and RESTORE, with redis-server on the other side

What Redis dumps is restored here, what is dumped here is restored there, and Redis says whether it is what it was (DEBUG DIGEST-VALUE). Forms
that no Redis of today writes are made by hand (payloads.py). Damaged payloads get the same answer from both, and where both
take one they hold the same.
"""
import os
import random

import payloads
from harness import both, run_tests

SEED = int(os.environ.get("SUPERDB_SEED", "7"))
DAMAGED = int(os.environ.get("SUPERDB_DAMAGED", "3000"))

VALUES = {
    "string": [["SET", "k", "hello"]],
    "string, empty": [["SET", "k", ""]],
    "string, integers": [["SET", "k", "-129"]],
    "string, 11 digits": [["SET", "k", "12345678901"]],
    "string, long integer": [["SET", "k", "9223372036854775807"]],
    "string, no canonical integer": [["SET", "k", "007"]],
    "string, one byte again and again": [["SET", "k", b"a" * 30000]],
    "string, incompressible": [["SET", "k", random.Random(1).randbytes(20000)]],
    "string, a text": [["SET", "k", b" ".join(b"word%d" % (i * i % 97) for i in range(9000))]],
    "list": [["RPUSH", "k", "a", "", "12", "-5000", "70000", "12345678901234", "x" * 70, "y" * 5000]],
    "list, many pieces": [["RPUSH", "k", *[f"element {i}" for i in range(5000)]]],
    "list, large elements": [["RPUSH", "k", "x" * 10000, "a", "b", "y" * 20000, "c", "z" * 16380]],
    "set of integers": [["SADD", "k", "5", "1", "-70000"]],
    "set of large integers": [["SADD", "k", "5", "-9223372036854775808", "9223372036854775807"]],
    "set": [["SADD", "k", "a", "b", "5", ""]],
    "set, large": [["SADD", "k", *[f"member {i}" for i in range(3000)]]],
    "set of many integers": [["SADD", "k", *map(str, range(-300, 3000, 3))]],
    "hash": [["HSET", "k", "a", "1", "b", "xyz", "", "", "n", "-5000", "m", "12345678901234", "v", "v" * 64]],
    "hash, large": [["HSET", "k", *sum(([f"f{i}", "v" * i] for i in range(500)), [])]],
    "hash, values of sizes near a limit": [["HSET", "k", *sum(([f"{n}", "v" * n] for n in [
        63, 64, 121, 122, 123, 124, 125, 126, 127, 128, 4095, 4096, 16376, 16377, 16378, 16379, 16380]), [])]],
    "hash, a large value": [["HSET", "k", "f", "v" * 100000]],
    "sorted set": [["ZADD", "k", "1", "a", "2.5", "b", "inf", "c", "-inf", "d", "1e300", "e", "0.1", "12", "-3", "", "1e17", "f"]],
    "sorted set, large": [["ZADD", "k", *sum(([str(i / 7), f"m{i}"] for i in range(1000)), [])]],
}


ADD_MANY = "for i=1,ARGV[1] do redis.call('xadd',KEYS[1],i,unpack(i%7>0 and {'f',('v'):rep(i%60),'n',i} or {'g',-i,'h','','h',i*i})) end"
VALUES.update({
    "stream": [["XADD", "k", "1-1", "f", "v", "", "12", "f", "-5000"], ["XADD", "k", "1-2", "", ""], ["XADD", "k", "7-0", "f", "x" * 300]],
    "stream, empty": [["XADD", "k", "1-1", "f", "v"], ["XDEL", "k", "1-1"]],
    "stream, large": [["EVAL", ADD_MANY, "1", "k", "2500"], ["XDEL", "k", "1", "100", "2500"], ["XTRIM", "k", "MAXLEN", "2345"]],
    "stream, large entries": [["XADD", "k", "1-1", "f", "v" * 100000], ["XADD", "k", "1-2", *["f", "v" * 30] * 400], ["XADD", "k", "2", "f" * 5000, "v"]],
    "stream, ids far apart": [["XADD", "k", "1-18446744073709551615", "f", "v"], ["XADD", "k", "2-0", "f", "v"],
                              ["XADD", "k", "18446744073709551615-18446744073709551615", "f", "v"]],
    "stream, groups": [["EVAL", ADD_MANY, "1", "k", "300"], ["XGROUP", "CREATE", "k", "g", "0"], ["XGROUP", "CREATE", "k", "", "$"],
                       ["XGROUP", "CREATE", "k", "h" * 100, "200"], ["XREADGROUP", "GROUP", "g", "c", "COUNT", "200", "STREAMS", "k", ">"],
                       ["XREADGROUP", "GROUP", "g", "d" * 90, "COUNT", "30", "STREAMS", "k", ">"], ["XACK", "k", "g", "7", "8", "210"],
                       ["XGROUP", "CREATECONSUMER", "k", "g", ""], ["XCLAIM", "k", "g", "e", "0", "1", "2", "RETRYCOUNT", "70000", "TIME", "5"],
                       ["XDEL", "k", "5", "6"], ["XREADGROUP", "GROUP", "h" * 100, "c", "STREAMS", "k", ">"]],
})


def servers():
    return both(redis_arguments=["--sanitize-dump-payload", "yes"])


def digest(redis, key):
    return redis.call("DEBUG", "DIGEST-VALUE", key)


def told(connection, key):
    """All that is told of a stream, but of Redis' radix tree, and the first entry of an empty one of form 15."""
    full = connection.call("XINFO", "STREAM", key, "FULL", "COUNT", "0")
    return full[:2] + full[6:12] + (full[12:] if full[1] else full[14:])


def same_streams(redis, what):
    if redis.call("TYPE", "k") == b"stream":
        assert told(redis, "k") == told(redis, "back"), (what, told(redis, "k"), told(redis, "back"))


def go_round(superdb, redis, what):
    """Redis' key k to SuperDB, and back as key back."""
    payload = redis.call("DUMP", "k")
    assert superdb.command("RESTORE", "k", "0", payload, "REPLACE") == b"+OK\r\n", what
    again = superdb.call("DUMP", "k")
    assert redis.command("RESTORE", "back", "0", again, "REPLACE") == b"+OK\r\n", (what, again[:80])
    assert digest(redis, "k") == digest(redis, "back"), what
    same_streams(redis, what)
    for command in (["TYPE"], ["OBJECT", "ENCODING"]):
        assert superdb.call(*command, "k") == redis.call(*command, "back"), (what, command)
    assert superdb.command("RESTORE", "k2", "0", again, "REPLACE") == b"+OK\r\n", what
    assert redis.command("RESTORE", "back", "0", superdb.call("DUMP", "k2"), "REPLACE") == b"+OK\r\n", what
    assert digest(redis, "k") == digest(redis, "back"), what


def test_every_type_goes_to_redis_and_back():
    with servers() as both_servers:
        superdb, redis = (server.connect() for server in both_servers)
        for what, commands in VALUES.items():
            redis.command("DEL", "k")
            for command in commands:
                assert redis.command(*command)[:1] != b"-", what
            go_round(superdb, redis, what)


def test_large_limits_change_the_form_alone():
    """What OBJECT ENCODING calls small, however large it is."""
    with servers() as both_servers:
        superdb, redis = (server.connect() for server in both_servers)
        for connection in (superdb, redis):
            for option in ("hash-max-listpack-entries", "zset-max-listpack-entries", "set-max-intset-entries"):
                assert connection.command("CONFIG", "SET", option, "100000") == b"+OK\r\n"
            for option in ("hash-max-listpack-value", "zset-max-listpack-value"):
                assert connection.command("CONFIG", "SET", option, "100000") == b"+OK\r\n"
        for what, commands in VALUES.items():
            redis.command("DEL", "k")
            for command in commands:
                redis.command(*command)
            go_round(superdb, redis, what)
        redis.command("DEL", "k")
        redis.command("HSET", "k", *sum(([f"f{i}", "v" * 1000] for i in range(1500)), []))
        assert superdb.command("RESTORE", "k", "0", redis.call("DUMP", "k"), "REPLACE") == b"+OK\r\n"
        assert redis.command("RESTORE", "back", "0", superdb.call("DUMP", "k"), "REPLACE") == b"+OK\r\n"
        assert digest(redis, "k") == digest(redis, "back")


def take_both(superdb, redis, payload, what):
    """The same answer from both, and the same value."""
    ours = superdb.command("RESTORE", "k", "0", payload, "REPLACE")
    theirs = redis.command("RESTORE", "k", "0", payload, "REPLACE")
    assert ours == theirs, (what, ours, theirs, payload[:200])
    if ours == b"+OK\r\n":
        assert redis.command("RESTORE", "back", "0", superdb.call("DUMP", "k"), "REPLACE") == b"+OK\r\n", what
        assert digest(redis, "k") == digest(redis, "back"), what
    return ours == b"+OK\r\n"


def test_every_form_that_redis_reads_is_read():
    with servers() as both_servers:
        superdb, redis = (server.connect() for server in both_servers)
        for what, payload in payloads.every_form():
            assert take_both(superdb, redis, payload, what), what


def test_what_redis_refuses_is_refused():
    with servers() as both_servers:
        superdb, redis = (server.connect() for server in both_servers)
        for what, payload in payloads.wrong_forms():
            assert not take_both(superdb, redis, payload, what), what


def test_streams_of_every_form_are_read():
    """Those of form 21 are not Redis 7.0's: they hold what the same one of form 19 holds."""
    with servers() as both_servers:
        superdb, redis = (server.connect() for server in both_servers)
        for form in (15, 19):
            for what, payload in payloads.streams(form):
                assert take_both(superdb, redis, payload, (form, what)), (form, what)
                assert told(superdb, "k") == told(redis, "k"), (form, what, told(superdb, "k"), told(redis, "k"))
                same_streams(redis, (form, what))
        for (what, payload), (_, later) in zip(payloads.streams(19), payloads.streams(21)):
            assert superdb.command("RESTORE", "k", "0", payload, "REPLACE") == b"+OK\r\n", what
            assert superdb.command("RESTORE", "k2", "0", later, "REPLACE") == b"+OK\r\n", what
            assert superdb.call("DUMP", "k") == superdb.call("DUMP", "k2"), what


def test_streams_that_redis_refuses_are_refused():
    with servers() as both_servers:
        superdb, redis = (server.connect() for server in both_servers)
        for what, payload in payloads.wrong_streams():
            assert redis.command("RESTORE", "k", "0", payload)[:1] == b"-", what
            if what != "a form of Redis 7.2":
                assert superdb.command("RESTORE", "k", "0", payload) == b"-ERR Bad data format\r\n", what
        assert superdb.call("EXISTS", "k") == 0


def test_damaged_streams():
    """Redis believes some numbers that are not true, so that it takes more than SuperDB does: what is taken here is the same there."""
    chance = random.Random(SEED)
    bodies = [payload[:-10] for form in (15, 19) for _, payload in payloads.streams(form)]
    with servers() as both_servers:
        superdb, redis = (server.connect() for server in both_servers)
        taken = 0
        for number in range(DAMAGED):
            payload = payloads.seal(damage(chance, chance.choice(bodies)))
            if superdb.command("RESTORE", "k", "0", payload, "REPLACE") != b"+OK\r\n":
                continue
            taken += 1
            assert redis.command("RESTORE", "k", "0", payload, "REPLACE") == b"+OK\r\n", (number, payload)
            assert superdb.call("XRANGE", "k", "-", "+") == redis.call("XRANGE", "k", "-", "+"), (number, payload)
        assert DAMAGED / 50 < taken < DAMAGED / 2, taken


def damage(chance, body):
    """The body of a payload cut short, with other bytes, or with bytes between."""
    body = bytearray(body)
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        if len(body) < 2:
            break
        kind = chance.randrange(4)
        at = chance.randrange(1, len(body))
        if kind == 0:
            body[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            body[at] = chance.choice([0, 1, 63, 64, 127, 128, 192, 240, 253, 254, 255])
        elif kind == 2:
            del body[at:at + chance.randrange(1, 4)]
        else:
            body[at:at] = chance.randbytes(chance.randrange(1, 4))
    return bytes(body)


def damaged(seed):
    """Damaged payloads with a right checksum."""
    chance = random.Random(seed)
    forms = [payload[:-10] for _, payload in payloads.every_form() if payload[0] != 0 and len(payload) < 4000]
    while True:
        yield payloads.seal(damage(chance, chance.choice(forms)))


def test_damage_is_answered_as_by_redis():
    with servers() as both_servers:
        superdb, redis = (server.connect() for server in both_servers)
        taken = refused = 0
        for number, payload in zip(range(DAMAGED), damaged(SEED)):
            if take_both(superdb, redis, payload, f"damage {number}"):
                taken += 1
            else:
                refused += 1
        assert taken > 100 and refused > 1000, (taken, refused)
        assert superdb.command("PING") == b"+PONG\r\n"


def test_a_refused_payload_leaves_the_old_value():
    with servers() as both_servers:
        superdb = both_servers[0].connect()
        superdb.command("SET", "k", "old", "EX", "1000")
        bad = payloads.texts(2, [b"m%d" % i for i in range(500)] + [b"m3"])
        assert superdb.command("RESTORE", "k", "0", bad, "REPLACE") == b"-ERR Bad data format\r\n"
        assert superdb.call("GET", "k") == b"old"
        assert superdb.call("TTL", "k") > 900
        assert superdb.command("RESTORE", "new", "0", bad) == b"-ERR Bad data format\r\n"
        assert superdb.call("EXISTS", "new") == 0


def test_uses_come_with_a_key():
    """IDLETIME and FREQ, as the policy keeps them."""
    with servers() as both_servers:
        superdb, redis = (server.connect() for server in both_servers)
        payload = payloads.texts(2, [b"a", b"b"])
        for connection in (superdb, redis):
            connection.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
            assert connection.command("RESTORE", "k", "0", payload, "IDLETIME", "5000") == b"+OK\r\n"
            assert 5000 <= connection.call("OBJECT", "IDLETIME", "k") <= 5010
            assert connection.command("RESTORE", "k", "0", payload, "REPLACE") == b"+OK\r\n"
            assert connection.call("OBJECT", "IDLETIME", "k") <= 10
            assert connection.command("RESTORE", "f", "0", payload, "FREQ", "200") == b"+OK\r\n"
            assert connection.call("OBJECT", "IDLETIME", "f") <= 10
            connection.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
            assert connection.command("RESTORE", "k", "0", payload, "REPLACE", "FREQ", "200") == b"+OK\r\n"
            assert connection.call("OBJECT", "FREQ", "k") == 200
            assert connection.command("RESTORE", "i", "0", payload, "IDLETIME", "5000") == b"+OK\r\n"
            assert connection.call("OBJECT", "FREQ", "i") <= 5


if __name__ == "__main__":
    run_tests(globals())
