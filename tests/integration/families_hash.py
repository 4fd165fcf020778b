# SPDX-License-Identifier: BSD-3-Clause
"""
families_hash.py - seeded random commands on hashes, for test_differential_random.py

A module families_X.py has: FAMILIES, by name what makes a family's next command; UNORDERED, commands whose replies are compared in any
order, as how many to an element; RANDOM, commands whose replies are compared by kind; UNDAMAGED, which it may lack, commands that never lose
their last word; SHOW, by type what shows all of a key, with the words behind it;
and SET_UP, commands that
a stream begins with. It may have SAME: by a command's first letter, what of the judge's replies is put otherwise here; COMPARE, by
a command's name what compares two replies that are not the same; and WITHOUT_NUL, families whose values have no byte of zero.
"""
from whole_keys import to_other_key, whole_key

FIELDS = [b"f%d" % i for i in range(24)] + [b"", b"\x00\xff\r\n", b"12", b"-7", b"a field of more than sixty-four bytes: " + b"f" * 40]

SET_UP = [[b"CONFIG", b"SET", b"hash-max-listpack-entries", b"12"]]
UNORDERED = {b"HGETALL": 2, b"HKEYS": 1, b"HVALS": 1, b"HSCAN": 2}
RANDOM = {b"HRANDFIELD"}
SHOW = {b"hash": b"HGETALL"}


def field(s):
    return s.random.choice(FIELDS)


def pairs(s, most=5):
    return sum(([field(s), s.value()] for _ in range(s.random.randint(1, most))), [])


def others(s):
    """What meets hashes from elsewhere."""
    kind = s.random.randrange(12)
    if kind < 4:
        return to_other_key(s, kind < 2)
    if kind == 4:
        return [b"SET", s.key(), s.value()]
    if kind == 5:
        return [s.random.choice([b"GET", b"STRLEN", b"INCR", b"GETDEL", b"TTL"]), s.key()]
    if kind == 6:
        return [b"APPEND", s.key(), s.value()]
    return whole_key(s, kind - 7)


def hashes(s):
    kind = s.random.randrange(32)
    if kind < 6:
        return [s.random.choice([b"HSET", b"HSET", b"HMSET"]), s.key(), *pairs(s)]
    if kind == 6:
        return [b"HSET", s.key(), *pairs(s, 20)]
    if kind == 7:
        return [b"HSETNX", s.key(), field(s), s.value()]
    if kind < 11:
        return [s.random.choice([b"HGET", b"HSTRLEN", b"HEXISTS"]), s.key(), field(s)]
    if kind == 11:
        return [b"HMGET", s.key(), *[field(s) for _ in range(s.random.randint(1, 6))]]
    if kind < 16:
        return [b"HDEL", s.key(), *[field(s) for _ in range(s.random.randint(1, 6))]]
    if kind < 18:
        return [s.random.choice([b"HGETALL", b"HKEYS", b"HVALS"]), s.key()]
    if kind == 18:
        return [s.random.choice([b"HLEN", b"OBJECT ENCODING", b"TYPE"]), s.key()]
    if kind < 22:
        return [b"HINCRBY", s.key(), field(s), s.integer(-1000, 1000)]
    if kind < 24:
        return [b"HINCRBYFLOAT", s.key(), field(s), s.float()]
    if kind == 24:
        return [b"HRANDFIELD", s.key(), *([s.integer(-5, 5), *s.some([b"WITHVALUES"], 1)] if s.random.random() < 0.7 else [])]
    if kind == 25:
        return [b"HSCAN", s.key(), b"0", b"COUNT", b"1000", *s.some([[b"MATCH", b"f1*"], [b"MATCH", b"*"]], 1)]
    if kind == 26:
        return [b"DEL", s.key()]
    return others(s)


def hash_strings(s):
    """An encoding is told of after SET and its like only: Redis says raw of what APPEND wrote, however short."""
    words = hashes(s)
    return [b"TYPE", *words[1:]] if words[0] == b"OBJECT ENCODING" else words


FAMILIES = {"hashes": hash_strings}
