# SPDX-License-Identifier: BSD-3-Clause
"""
families_set.py - seeded random commands on sets, for test_differential_random.py
"""
from whole_keys import to_other_key, whole_key

INTS = [b"%d" % i for i in range(-8, 12)]
NAMES = [b"m%d" % i for i in range(20)] + [b"", b"\x00\xff\r\n", b"01", b"-0", b"9223372036854775807", b"9223372036854775808", b"w" * 65]

SET_UP = [[b"CONFIG", b"SET", b"set-max-intset-entries", b"10"]]
UNORDERED = {name: 1 for name in (b"SMEMBERS", b"SINTER", b"SUNION", b"SDIFF", b"SSCAN", b"SPOP")}
RANDOM = {b"SRANDMEMBER"}
UNDAMAGED = {b"SPOP"}
WITHOUT_NUL = {"sorts"}
SHOW = {b"set": b"SMEMBERS"}


def member(s):
    return s.random.choice(INTS if s.random.random() < 0.6 else NAMES)


def members(s, most=5):
    return [member(s) for _ in range(s.random.randint(1, most))]


def pops(s):
    """What is popped differs by chance: all of it, none of it, or of none."""
    kind = s.random.randrange(6)
    if kind < 3:
        return [b"SPOP", s.key(), s.random.choice([b"0", b"-1", b"abc", b"", b"1000", b"1000"])]
    if kind == 3:  # one member only
        return [b"SINTERSTORE", s.key(), s.key(), s.key(), s.key()]
    return [b"SRANDMEMBER", s.key(), *([s.integer(-5, 5)] if s.random.random() < 0.8 else [])]


def others(s):
    kind = s.random.randrange(12)
    if kind < 4:
        return to_other_key(s, kind < 2)
    if kind == 4:
        return [b"SET", s.key(), s.value()]
    if kind == 5:
        return [s.random.choice([b"GET", b"STRLEN", b"INCR", b"HLEN", b"HGETALL", b"TTL"]), s.key()]
    if kind == 6:
        return [b"HSET", s.key(), b"f", s.value()]
    return whole_key(s, kind - 7)


def sets(s):
    kind = s.random.randrange(36)
    if kind < 8:
        return [b"SADD", s.key(), *members(s, 20 if kind == 7 else 5)]
    if kind < 12:
        return [b"SREM", s.key(), *members(s, 6)]
    if kind < 15:
        return [b"SMOVE", s.key(), s.key(), member(s)]
    if kind == 15:
        return [b"SMEMBERS", s.key()]
    if kind == 16:
        return [s.random.choice([b"SCARD", b"OBJECT ENCODING", b"TYPE"]), s.key()]
    if kind == 17:
        return [b"SISMEMBER", s.key(), member(s)]
    if kind == 18:
        return [b"SMISMEMBER", s.key(), *members(s)]
    if kind < 24:
        return [s.random.choice([b"SINTER", b"SUNION", b"SDIFF"]), *s.keys(4)]
    if kind < 29:
        return [s.random.choice([b"SINTERSTORE", b"SUNIONSTORE", b"SDIFFSTORE"]), s.key(), *s.keys(4)]
    if kind == 29:
        keys = s.keys(4)
        return [b"SINTERCARD", s.random.choice([b"%d" % len(keys)] * 5 + [s.integer(-1, 5)]), *keys,
                *s.some([lambda: [b"LIMIT", s.integer(-1, 6)]], 1)]
    if kind == 30:
        return [b"SSCAN", s.key(), b"0", b"COUNT", b"1000", *s.some([[b"MATCH", b"m1*"], [b"MATCH", b"*"]], 1)]
    if kind < 33:
        return pops(s)
    return others(s)


def sorted_member(s):
    """Without a NUL, behind which Redis compares nothing."""
    return member(s).replace(b"\x00", b"0")


def sorts(s):
    """SORT, of sets and of what it has stored. An order that nothing decides is not asked for: keys alike are in one that is each server's."""
    kind = s.random.randrange(20)
    if kind < 5:
        return [b"SADD", s.key(), *[sorted_member(s) for _ in range(s.random.randint(1, 12))]]
    if kind < 7:
        return [b"SADD", s.key(), *[s.random.choice(INTS) for _ in range(6)]]
    if kind < 9:
        return [b"SET", s.random.choice([b"by_", b"get_"]) + sorted_member(s), s.value()]
    if kind < 11:
        return [b"HSET", b"hash_" + sorted_member(s), s.random.choice([b"f", b"g"]), s.value()]
    if kind == 11:
        return [s.random.choice([b"SUNIONSTORE", b"SDIFFSTORE", b"RENAME"]), s.key(), s.key()]
    if kind == 12:
        return [b"DEL", *s.keys(3)]
    by = s.random.choice([[b"BY", b"by_*"], [b"BY", b"hash_*->f"], [b"BY", b"none_*"], [], [], [], []])
    options = [[b"LIMIT", s.integer(-2, 8), s.integer(-2, 8)], b"ASC", b"DESC", [b"GET", b"get_*"], [b"GET", b"#"], [b"GET", b"hash_*->g"],
               [b"GET", b"none"], [b"GET", b"by_*->f"]]
    if not by:
        options += [b"ALPHA", b"ALPHA", [b"STORE", s.key()], [b"STORE", s.key()]]
    return [s.random.choice([b"SORT", b"SORT", b"SORT_RO"]), s.key(), *by, *s.some(options, 4)]


FAMILIES = {"sets": sets, "sorts": sorts}
