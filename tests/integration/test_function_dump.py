# SPDX-License-Identifier: BSD-3-Clause
"""
test_function_dump.py - FUNCTION DUMP and RESTORE, with redis-server on the other side

Libraries go there and back. Damaged payloads, with a right checksum again, get the same answer from both.
"""
import os
import random

import payloads
from harness import both, run_tests

SEED = int(os.environ.get("SUPERDB_SEED", "7"))
DAMAGED = int(os.environ.get("SUPERDB_DAMAGED", "1000"))
LIBRARY = b"\xf5"


def code(name, filler=""):
    return (f"#!lua name={name}\n--{filler}\nredis.register_function('{name}_f', "
            f"function(keys, args) return '{name}' end)\n").encode()


BODY = b"redis.register_function('f', function(keys, args) return 1 end)"
CODES = [code("a"), code("b", "x" * 10000), code("c", random.Random(1).randbytes(3000).hex()), code("d", "z" * 60)]


def listed(connection):
    """What FUNCTION LIST says, whatever the libraries' order."""
    return sorted(map(repr, connection.call("FUNCTION", "LIST", "WITHCODE")))


def test_libraries_go_to_redis_and_back():
    with both() as servers:
        superdb, redis = (server.connect() for server in servers)
        for name, text in zip("abcd", CODES):
            assert redis.call("FUNCTION", "LOAD", text) == name.encode()
        assert superdb.command("FUNCTION", "RESTORE", redis.call("FUNCTION", "DUMP")) == b"+OK\r\n"
        assert listed(superdb) == listed(redis)
        assert superdb.call("FCALL", "c_f", "0") == b"c"
        assert redis.command("FUNCTION", "RESTORE", superdb.call("FUNCTION", "DUMP"), "FLUSH") == b"+OK\r\n"
        assert listed(superdb) == listed(redis)
        assert len(superdb.call("FUNCTION", "DUMP")) < sum(map(len, CODES)) // 2


def damaged(seed):
    chance = random.Random(seed)
    bodies = [b"".join(LIBRARY + payloads.text(text) for text in codes)
              for codes in (CODES[:1], CODES[3:], CODES[:1] + CODES[3:])]
    old = b"\xf6" + payloads.text(b"o") + payloads.text(b"LUA")
    bodies += [old + b"\x00" + payloads.text(BODY), old + b"\x01" + payloads.text(b"words") + payloads.text(BODY)]
    bodies += [LIBRARY + payloads.lzf(CODES[0]), LIBRARY + b"\xc0\x07", LIBRARY + b"\xc2\x07\x00", b"\x00", b""]
    yield from map(payloads.seal, bodies)
    while True:
        body = bytearray(chance.choice(bodies[:6]))
        at = chance.randrange(chance.choice([8, len(body)]))
        if chance.random() < 0.5:
            body[at] ^= 1 << chance.randrange(8)
        else:
            del body[at:at + chance.randrange(1, 4)]
        yield payloads.seal(bytes(body))


def test_damage_is_answered_as_by_redis():
    with both() as servers:
        superdb, redis = (server.connect() for server in servers)
        taken = refused = 0
        for number, payload in zip(range(DAMAGED), damaged(SEED)):
            ours = superdb.command("FUNCTION", "RESTORE", payload, "FLUSH")
            theirs = redis.command("FUNCTION", "RESTORE", payload, "FLUSH")
            assert ours == theirs, (number, ours, theirs, payload[:80])
            assert listed(superdb) == listed(redis), number
            taken += ours == b"+OK\r\n"
            refused += ours != b"+OK\r\n"
        assert taken > DAMAGED // 20 and refused > DAMAGED // 4, (taken, refused)


if __name__ == "__main__":
    run_tests(globals())
