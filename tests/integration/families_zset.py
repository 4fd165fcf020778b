# SPDX-License-Identifier: BSD-3-Clause
"""
families_zset.py - seeded random commands on sorted sets, for test_differential_random.py

Left out: bounds of members where scores differ, which Redis leaves undefined (the family zset_members has them, with one score for all).
"""
from whole_keys import to_other_key, whole_key

MEMBERS = [b"m%d" % i for i in range(30)] + [b"", b"\x00\xff\r\n", b"12", b"-7", b"m", b"m1\x00",
                                             b"a member of more than sixty-four bytes: " + b"m" * 40]
SCORES = [b"0", b"1", b"-1", b"2", b"3", b"1.5", b"-2.5", b"1e10", b"1e17", b"-1e18", b"3e-5", b"0.1", b"inf", b"-inf", b"+inf",
          b"123456789012345678", b"17", b"0x1f", b"1e300", b"-1e300", b"5e-324"]
WRONG = [b"nan", b"abc", b"", b" 1", b"1 ", b"1e999", b"1.5x"]

SET_UP = [[b"CONFIG", b"SET", b"zset-max-listpack-entries", b"12"]]
UNORDERED = {b"ZSCAN": 2}
RANDOM = {b"ZRANDMEMBER"}
SHOW = {b"zset": b"ZRANGE 0 -1 WITHSCORES"}


SAME = {b"Z": [(b"$2\r\n-0\r\n", b"$1\r\n0\r\n"), (b",-0\r\n", b",0\r\n")]}  # SuperDB takes -0 for 0


def member(s):
    return s.random.choice(MEMBERS)


def score(s):
    kind = s.random.random()
    if kind < 0.02:
        return s.random.choice(WRONG)
    if kind < 0.3:
        return s.random.choice(SCORES)
    return b"%d" % s.random.randint(-20, 20) if kind < 0.8 else b"%.3f" % (s.random.random() * 20 + 0.01)


def bound(s):
    return s.random.choice([b"", b"", b"("]) + score(s)


def members(s, most=5):
    return sum(([score(s), member(s)] for _ in range(s.random.randint(1, most))), [])


def limit(s):
    return s.some([[b"LIMIT", s.integer(-1, 6), s.integer(-2, 8)]], 1)


def rank(s):
    return s.integer(-15, 15)


def ranges(s):
    kind = s.random.randrange(8)
    if kind < 2:
        return [s.random.choice([b"ZRANGE", b"ZREVRANGE"]), s.key(), rank(s), rank(s), *s.some([b"WITHSCORES"], 1)]
    if kind < 4:
        return [s.random.choice([b"ZRANGEBYSCORE", b"ZREVRANGEBYSCORE"]), s.key(), bound(s), bound(s), *s.some([b"WITHSCORES"], 1), *limit(s)]
    if kind == 4:
        return [b"ZRANGE", s.key(), bound(s), bound(s), b"BYSCORE", *s.some([b"REV", b"WITHSCORES"], 2), *limit(s)]
    if kind == 5:
        return [b"ZRANGE", s.key(), rank(s), rank(s), *s.some([b"REV", b"WITHSCORES", b"BYLEX", b"LIMIT"], 3)]
    if kind == 6:
        return [b"ZRANGESTORE", s.key(), s.key(), rank(s), rank(s), *s.some([b"REV"], 1)]
    return [b"ZRANGESTORE", s.key(), s.key(), bound(s), bound(s), b"BYSCORE", *s.some([b"REV"], 1), *limit(s)]


def combinations(s):
    name = s.random.choice([b"ZUNION", b"ZINTER", b"ZDIFF", b"ZINTERCARD"])
    keys = s.keys(3)
    words = [b"%d" % (len(keys) if s.random.random() < 0.97 else s.random.randint(-1, 5)), *keys]
    if name in (b"ZUNION", b"ZINTER"):
        words += s.some([[b"WEIGHTS", *[score(s) for _ in keys]], [b"AGGREGATE", s.random.choice([b"SUM", b"MIN", b"MAX", b"AVG"])]], 2)
    if name == b"ZINTERCARD":
        return [name, *words, *s.some([[b"LIMIT", s.integer(-1, 5)]], 1)]
    if s.random.random() < 0.6:
        return [name, *words, *s.some([b"WITHSCORES"], 1)]
    return [name + b"STORE", s.key(), *words]


def pops(s):
    kind = s.random.randrange(3)
    if kind < 2:
        return [s.random.choice([b"ZPOPMIN", b"ZPOPMAX"]), s.key(), *([s.integer(0, 5)] if s.random.random() < 0.6 else [])]
    keys = s.keys(3)
    return [b"ZMPOP", b"%d" % len(keys), *keys, s.random.choice([b"MIN", b"MAX"]), *s.some([[b"COUNT", s.integer(0, 5)]], 1)]


def others(s):
    """What meets sorted sets from elsewhere."""
    kind = s.random.randrange(12)
    if kind < 4:
        return to_other_key(s, kind < 2)
    if kind == 4:
        return [b"SET", s.key(), s.value()]
    if kind == 5:
        return [s.random.choice([b"GET", b"STRLEN", b"INCR", b"TTL"]), s.key()]
    if kind == 6:
        return [b"HSET", s.key(), b"f", s.value()]
    return whole_key(s, kind - 7)


def sorted_sets(s):
    kind = s.random.randrange(40)
    if kind < 8:
        return [b"ZADD", s.key(), *s.some([b"NX", b"XX", b"GT", b"LT", b"CH"], 2 if s.random.random() < 0.5 else 0), *members(s)]
    if kind == 8:
        return [b"ZADD", s.key(), *members(s, 25)]
    if kind == 9:
        return [b"ZADD", s.key(), *s.some([b"NX", b"XX", b"GT", b"LT", b"CH"], 1), b"INCR", *members(s, 1 if s.random.random() < 0.9 else 2)]
    if kind < 13:
        return [b"ZINCRBY", s.key(), score(s), member(s)]
    if kind < 17:
        return [b"ZREM", s.key(), *[member(s) for _ in range(s.random.randint(1, 6))]]
    if kind < 20:
        return [s.random.choice([b"ZSCORE", b"ZRANK", b"ZREVRANK"]), s.key(), member(s)]
    if kind == 20:
        return [b"ZMSCORE", s.key(), *[member(s) for _ in range(s.random.randint(1, 6))]]
    if kind < 23:
        return [b"ZCOUNT", s.key(), bound(s), bound(s)]
    if kind < 27:
        return ranges(s)
    if kind < 30:
        return combinations(s)
    if kind < 32:
        return pops(s)
    if kind == 32:
        return [s.random.choice([b"ZCARD", b"OBJECT ENCODING", b"TYPE"]), s.key()]
    if kind == 33:
        return [b"ZRANDMEMBER", s.key(), *([s.integer(-5, 5), *s.some([b"WITHSCORES"], 1)] if s.random.random() < 0.7 else [])]
    if kind == 34:
        return [b"ZSCAN", s.key(), b"0", b"COUNT", b"1000", *s.some([[b"MATCH", b"m1*"], [b"MATCH", b"*"]], 1)]
    if kind == 35:
        return [b"ZREMRANGEBYRANK", s.key(), rank(s), rank(s)]
    if kind == 36:
        return [b"ZREMRANGEBYSCORE", s.key(), bound(s), bound(s)]
    return others(s)


def member_bound(s):
    kind = s.random.randrange(10)
    if kind < 2:
        return s.random.choice([b"-", b"+"])
    if kind == 2:
        return s.random.choice([b"", b"m", b"-x", b"+inf", b"*"])
    return s.random.choice([b"[", b"("]) + member(s)


def same_scores(s):
    """One score for all members: their order is that of their bytes."""
    kind = s.random.randrange(16)
    if kind < 4:
        return [b"ZADD", s.key(), *sum(([b"1", member(s)] for _ in range(s.random.randint(1, 6))), [])]
    if kind < 6:
        return [s.random.choice([b"ZRANGEBYLEX", b"ZREVRANGEBYLEX"]), s.key(), member_bound(s), member_bound(s), *limit(s)]
    if kind < 8:
        return [b"ZLEXCOUNT", s.key(), member_bound(s), member_bound(s)]
    if kind == 8:
        return [b"ZREMRANGEBYLEX", s.key(), member_bound(s), member_bound(s)]
    if kind < 11:
        return [b"ZRANGE", s.key(), member_bound(s), member_bound(s), b"BYLEX", *s.some([b"REV"], 1), *limit(s)]
    if kind == 11:
        return [b"ZRANGESTORE", s.key(), s.key(), member_bound(s), member_bound(s), b"BYLEX", *s.some([b"REV"], 1), *limit(s)]
    if kind == 12:
        return [b"ZREM", s.key(), member(s), member(s)]
    if kind == 13:
        return [b"ZPOPMIN", s.key()]
    return [s.random.choice([b"ZRANK", b"ZREVRANK"]), s.key(), member(s)]


def zset_strings(s):
    """An encoding is told of sorted sets only: Redis says raw of what APPEND wrote, however short."""
    words = sorted_sets(s)
    return [b"TYPE", *words[1:]] if words[0] == b"OBJECT ENCODING" else words


FAMILIES = {"sorted_sets": zset_strings, "zset_members": same_scores}
