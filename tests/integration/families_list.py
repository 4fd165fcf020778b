# SPDX-License-Identifier: BSD-3-Clause
"""
families_list.py - seeded random commands on lists, for test_differential_random.py

Elements are few, so that searches find several of them; some keys have long lists, which are trees here.
"""
SET_UP = []
UNORDERED = {}
RANDOM = set()
SHOW = {b"list": b"LRANGE 0 -1"}

ELEMENTS = [b"e%d" % i for i in range(8)] + [b"", b"\x00\xff\r\n", b"12", b"-7", b"012", b"v" * 70, b"w" * 300, b"x" * 2000]
LONG = [b"long:%d" % i for i in range(3)]
ENDS = [b"LEFT", b"RIGHT"]


def key(s):
    return s.random.choice(LONG) if s.random.random() < 0.4 else s.key()


def element(s):
    return s.random.choice(ELEMENTS) if s.random.random() < 0.8 else s.value()


def elements(s, most=6):
    return [element(s) for _ in range(s.random.randint(1, most))]


def position(s):
    if s.random.random() < 0.7:
        return s.integer(-12, 12)
    return b"%d" % s.random.randint(-700, 700)


def rank(s):
    """Not the least integer, whose negative overflows in Redis."""
    number = s.integer(-4, 4)
    return number if number != b"-9223372036854775808" else b"-9223372036854775807"


def end(s):
    return s.case(s.random.choice(ENDS)) if s.random.random() < 0.98 else b"UP"


def mpop(s):
    keys = [key(s) for _ in range(s.random.randint(1, 3))]
    count = len(keys) if s.random.random() < 0.95 else s.random.choice([0, -1, len(keys) + 1, b"x"])
    return [b"%d" % count if isinstance(count, int) else count, *keys, end(s), *s.some([lambda: [b"COUNT", s.integer(-1, 8)]], 1)]


def pushes(s):
    kind = s.random.randrange(10)
    if kind == 0:  # many at once, so that lists become trees
        return [s.random.choice([b"LPUSH", b"RPUSH"]), s.random.choice(LONG), *[element(s) for _ in range(s.random.choice([40, 120]))]]
    if kind < 3:
        return [s.random.choice([b"LPUSHX", b"RPUSHX"]), key(s), *elements(s)]
    return [s.random.choice([b"LPUSH", b"RPUSH"]), key(s), *elements(s)]


def pops(s):
    kind = s.random.randrange(8)
    if kind < 3:
        return [s.random.choice([b"LPOP", b"RPOP"]), key(s)]
    if kind == 3:
        return [s.random.choice([b"LPOP", b"RPOP"]), key(s), s.integer(-1, 12) if s.random.random() < 0.9 else b"300"]
    if kind == 4 and s.random.random() < 0.3:  # in a script nobody waits
        return [b"EVAL", b"return redis.pcall('blmpop','0','1',KEYS[1],ARGV[1],'COUNT',ARGV[2])", b"1", key(s), end(s), s.integer(0, 5)]
    if kind == 4:
        return [b"LMPOP", *mpop(s)]
    if kind < 7:
        return [b"LMOVE", key(s), key(s), end(s), end(s)]
    return [b"RPOPLPUSH", key(s), key(s)]


def others(s):
    """What meets lists from elsewhere."""
    kind = s.random.randrange(12)
    if kind == 0:
        return [b"RENAME", key(s), key(s)]
    if kind == 1:
        return [b"COPY", key(s), key(s), *s.some([b"REPLACE"], 1)]
    if kind == 2:
        return [b"SET", s.key(), s.value()]
    if kind == 3:
        return [s.random.choice([b"GET", b"STRLEN", b"INCR", b"GETDEL", b"TTL", b"HLEN"]), s.key()]
    if kind == 4:
        return [b"HSET", s.key(), b"f", b"v"]
    if kind == 5:
        return [b"EXPIREAT", key(s), s.time_at(1)]
    if kind == 6:
        return [b"PERSIST", key(s)]
    if kind == 7:
        return [b"MOVE", key(s), s.random.choice([b"1", b"2"])]
    if kind == 8:
        return [b"TYPE", key(s)]
    return [s.random.choice([b"DEL", b"UNLINK", b"EXISTS"]), s.key(), *([key(s)] if s.random.random() < 0.2 else [])]


def lists(s):
    kind = s.random.randrange(32)
    if kind < 8:
        return pushes(s)
    if kind < 13:
        return pops(s)
    if kind < 16:
        return [b"LRANGE", key(s), position(s), position(s)]
    if kind < 18:
        return [b"LINDEX", key(s), position(s)]
    if kind == 18:
        return [b"LLEN", key(s)]
    if kind < 21:
        return [b"LSET", key(s), position(s), element(s)]
    if kind < 24:
        return [b"LINSERT", key(s), s.case(s.random.choice([b"BEFORE", b"AFTER"])) if s.random.random() < 0.98 else b"AT", element(s), element(s)]
    if kind < 26:
        return [b"LREM", key(s), s.integer(-3, 3), element(s)]
    if kind == 26:
        return [b"LTRIM", key(s), position(s), position(s)] if s.random.random() < 0.5 else [b"LTRIM", key(s), b"1", b"-2"]
    if kind < 30:
        return [b"LPOS", key(s), element(s),
                *s.some([lambda: [b"RANK", rank(s)], lambda: [b"COUNT", s.integer(-1, 5)], lambda: [b"MAXLEN", s.integer(-1, 60)]])]
    return others(s)


FAMILIES = {"lists": lists}
