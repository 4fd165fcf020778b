# SPDX-License-Identifier: BSD-3-Clause
"""
families_stream.py - seeded random commands on streams, for test_differential_random.py (families_hash.py says what a module has)

Ids are given and few, so that commands meet entries; times that matter are given, too, or far from each other. XTRIM with ~ is a family of
its own, without XDEL, with small entries and streams that never become empty: SuperDB cuts by the order in which entries came, as Redis'
nodes do then.
"""
import stream_replies

from harness import parse

SET_UP = []
UNDAMAGED = {b"EVAL"}
UNORDERED = {}
RANDOM = set()
SHOW = {b"stream": b"XRANGE - +"}

LONG = [b"long:%d" % i for i in range(3)]
GROUPS = [b"g1"] * 8 + [b"g2"] * 3 + [b"", b"a group with a longer name\x00\xff"]
CONSUMERS = [b"c1", b"c2", b"c3", b"", b"another consumer"]
BAD_IDS = [b"x", b"", b"-", b"+", b"$", b">", b"**", b"5-", b"-5", b"5-x", b"18446744073709551616", b"1-18446744073709551616", b"(5-1", b"5-1-1"]
LAST = b"18446744073709551615-18446744073709551615"


def key(s):
    return s.random.choice(LONG) if s.random.random() < 0.85 else s.key()


def time_of(s):
    """The ids' time, which goes on slowly: what is found is near it."""
    return getattr(s, "time_of_ids", 1)


def any_id(s):
    """One of an entry that may be there."""
    choice = s.random.random()
    time = max(0, time_of(s) - s.random.randint(0, 20))
    if choice < 0.8:
        return b"%d-%d" % (time, s.random.choice([0, 0, 0, 1, 1, 2, 3]))
    return b"%d" % time if choice < 0.985 else s.random.choice(BAD_IDS)


def new_id(s):
    """Behind those before, mostly."""
    s.time_of_ids = time_of(s) + (s.random.random() < 0.4)
    choice = s.random.random()
    if choice < 0.85:
        return b"%d-*" % time_of(s)
    return b"%d-%d" % (time_of(s), s.random.randint(0, 3)) if choice < 0.95 else any_id(s)


def bound(s, word):
    choice = s.random.random()
    if choice < 0.3:
        return word
    return (b"(" if choice > 0.85 else b"") + any_id(s)


def fields(s):
    count = s.random.choice([1, 1, 1, 2, 3, 10])
    names = s.random.choice([[b"f", b"g", b"h"], [b"", b"field", b"f"]])
    return sum(([s.random.choice(names), s.value() if s.random.random() < 0.5 else b"v%d" % s.random.randrange(100)] for _ in range(count)), [])


def exact_trim(s):
    kind = s.random.randrange(8)
    if kind == 0:
        return s.random.choice([[b"MAXLEN", b"-1"], [b"MAXLEN", b"x"], [b"MINID", b"x"], [b"MAXLEN", b"5", b"LIMIT", b"5"], [b"LIMIT", b"5"],
                                [b"MAXLEN", b"5", b"MINID", b"5"], [b"MAXLEN", b"="], [b"MAXLEN", b"~"], [b"MAXLEN", b"~", b"-5"]])
    words = [b"="] if s.random.random() < 0.3 else []
    if kind < 5:
        return [s.case(b"MAXLEN"), *words, b"%d" % s.random.choice([0, 1, 5, 10, 20, 50, 100])]
    return [s.case(b"MINID"), *words, any_id(s)]


def add(s):
    words = [b"XADD", key(s)]
    if s.random.random() < 0.1:
        words.append(s.case(b"NOMKSTREAM"))
    if s.random.random() < 0.1:
        words += exact_trim(s)
    return [*words, new_id(s), *fields(s)]


def read(s):
    count = s.random.choice([1, 1, 1, 2, 3])
    ids = [b"$" if s.random.random() < 0.05 else any_id(s) for _ in range(count)]
    words = [b"XREAD", *s.some([lambda: [b"COUNT", s.integer(-2, 20)]], 1), s.case(b"STREAMS"), *[key(s) for _ in range(count)], *ids]
    return words if s.random.random() < 0.97 else words[:-1]


def others(s):
    """What meets streams from elsewhere."""
    kind = s.random.randrange(12)
    if kind == 0:
        return [b"RENAME", key(s), key(s)]
    if kind == 1:
        return [b"COPY", key(s), key(s), *s.some([b"REPLACE"], 1)]
    if kind == 2:
        return [b"SET", s.key(), s.value()]
    if kind == 3:
        return [s.random.choice([b"GET", b"STRLEN", b"INCR", b"GETDEL", b"TTL", b"HLEN", b"LLEN"]), s.key()]
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
    if kind == 9:
        return [b"OBJECT", b"ENCODING", s.random.choice(LONG)]
    return [s.random.choice([b"DEL", b"UNLINK", b"EXISTS"]), s.key(), *([key(s)] if s.random.random() < 0.2 else [])]


def streams(s):
    kind = s.random.randrange(32)
    if kind < 11:
        return add(s)
    if kind == 11:  # many at once
        return [b"EVAL", b"local n=0 for i=1,ARGV[1] do local r=redis.pcall('xadd',KEYS[1],ARGV[2]..'-*','f',i) if not r.err then n=n+1 end end return n",
                b"1", s.random.choice(LONG), b"%d" % s.random.choice([5, 20, 100]), b"%d" % time_of(s)]
    if kind < 15:
        return [b"XRANGE", key(s), bound(s, b"-"), bound(s, b"+"), *s.some([lambda: [b"COUNT", s.integer(-2, 20)]], 1)]
    if kind < 17:
        return [b"XREVRANGE", key(s), bound(s, b"+"), bound(s, b"-"), *s.some([lambda: [b"COUNT", s.integer(-2, 20)]], 1)]
    if kind < 20:
        return [b"XDEL", key(s), *[any_id(s) for _ in range(s.random.choice([1, 1, 2, 5, 20]))]]
    if kind == 20:
        return [b"XTRIM", key(s), *exact_trim(s)]
    if kind < 24:
        return read(s)
    if kind == 24:
        return [b"XSETID", key(s), any_id(s) if s.random.random() < 0.3 else b"%d-9" % time_of(s), *s.some([lambda: [b"ENTRIESADDED", s.integer(0, 200)], lambda: [b"MAXDELETEDID", any_id(s)]], 2)]
    if kind < 27:
        return [b"XINFO", b"STREAM", key(s), *([b"FULL", *([b"COUNT", s.integer(-1, 5)] if s.random.random() < 0.5 else [])] if kind == 26 else [])]
    if kind < 29:
        return [b"XLEN", key(s)]
    return others(s)


def group(s):
    return s.random.choice(GROUPS) if s.random.random() < 0.97 else b"none"


def consumer(s):
    return s.random.choice(CONSUMERS)


def min_idle(s):
    """Far from every time that passes in a test."""
    choice = s.random.random()
    return b"0" if choice < 0.6 else b"1000000" if choice < 0.9 else s.random.choice([b"-1", b"x", b"", b"9223372036854775807"])


def read_group(s):
    count = s.random.choice([1, 1, 1, 2])
    ids = [b">" if s.random.random() < 0.65 else any_id(s) for _ in range(count)]
    return [b"XREADGROUP", s.case(b"GROUP"), group(s), consumer(s), *s.some([lambda: [b"COUNT", s.integer(-1, 8)], b"NOACK"], 2),
            b"STREAMS", *[s.random.choice(LONG) if s.random.random() < 0.9 else s.key() for _ in range(count)], *ids]


def claim_options(s):
    return s.some([lambda: [b"IDLE", s.random.choice([b"0", b"5000000", b"-1", b"x"])],
                   lambda: [b"TIME", s.random.choice([b"%d" % ((s.base - 90000) * 1000), b"%d" % ((s.base + 90000) * 1000), b"0", b"-5"])],
                   lambda: [b"RETRYCOUNT", s.integer(-1, 9)], b"FORCE", b"FORCE", b"JUSTID", lambda: [b"LASTID", any_id(s)]], 3)


def pending(s):
    stream = s.random.choice(LONG)
    if s.random.random() < 0.3:
        return [b"XPENDING", stream, group(s)]
    return [b"XPENDING", stream, group(s), *([b"IDLE", min_idle(s)] if s.random.random() < 0.3 else []), bound(s, b"-"), bound(s, b"+"),
            s.integer(-1, 30), *([consumer(s)] if s.random.random() < 0.3 else [])]


def whole_groups(s):
    stream = s.random.choice(LONG) if s.random.random() < 0.9 else s.key()
    kind = s.random.randrange(12)
    start = [s.random.choice([b"$", b"0", b"0"])] if s.random.random() < 0.6 else [any_id(s)]
    read_so_far = [b"ENTRIESREAD", s.integer(-1, 50)] if s.random.random() < 0.3 else []
    if kind < 6:
        return [b"XGROUP", s.case(b"CREATE"), stream, group(s), *start, *s.some([b"MKSTREAM", read_so_far or b"MKSTREAM"], 2)]
    if kind < 8:
        return [b"XGROUP", b"SETID", stream, group(s), *start, *read_so_far]
    if kind == 8:
        return [b"XGROUP", b"DESTROY", stream, group(s)] if s.random.random() < 0.3 else [b"XGROUP", b"CREATE", stream, group(s), b"0"]
    if kind < 11:
        return [b"XGROUP", b"CREATECONSUMER", stream, group(s), consumer(s)]
    return [b"XGROUP", b"DELCONSUMER", stream, group(s), consumer(s)]


def stream_groups(s):
    kind = s.random.randrange(42)
    stream = s.random.choice(LONG)
    if kind < 8:
        return [b"XADD", stream, new_id(s), b"f", b"v%d" % s.random.randrange(100)]
    if kind < 16:
        return read_group(s)
    if kind < 19:
        return [b"XACK", stream, group(s), *[any_id(s) for _ in range(s.random.choice([1, 1, 3, 20]))]]
    if kind < 23:
        return [b"XCLAIM", stream, group(s), consumer(s), min_idle(s), *[any_id(s) for _ in range(s.random.choice([1, 2, 5, 20]))],
                *claim_options(s)]
    if kind < 26:
        return [b"XAUTOCLAIM", stream, group(s), consumer(s), min_idle(s), bound(s, b"-"),
                *s.some([lambda: [b"COUNT", s.integer(0, 6)], b"JUSTID"], 2)]
    if kind < 30:
        return pending(s)
    if kind < 34:
        return whole_groups(s)
    if kind == 34:
        return [b"XDEL", stream, *[any_id(s) for _ in range(s.random.choice([1, 2, 10]))]]
    if kind == 35:
        return [b"XTRIM", stream, *exact_trim(s)] if s.random.random() < 0.4 else [b"XSETID", stream, b"%d-9" % time_of(s), *s.some(
            [lambda: [b"ENTRIESADDED", s.integer(0, 200)], lambda: [b"MAXDELETEDID", any_id(s)]], 2)]
    if kind == 36:
        return [b"XINFO", b"GROUPS", stream]
    if kind == 37:
        return [b"XINFO", b"CONSUMERS", stream, group(s)]
    if kind == 38:
        return [b"XINFO", b"STREAM", stream, b"FULL", *([b"COUNT", s.integer(-1, 5)] if s.random.random() < 0.5 else [])]
    if kind < 41:
        return whole_groups(s)
    return others(s) if s.random.random() < 0.4 else [b"DEL", stream] if s.random.random() < 0.3 else [b"XLEN", stream]


def stream_trims(s):
    kind = s.random.randrange(12)
    stream = s.random.choice(LONG)
    if kind < 4:
        return [b"EVAL", b"for i=1,ARGV[1] do redis.call('xadd',KEYS[1],'5-*','f',i) end return redis.call('xlen',KEYS[1])", b"1", stream,
                b"%d" % s.random.choice([1, 10, 40, 100, 250])]
    limit = [b"LIMIT", b"%d" % s.random.choice([0, 50, 99, 100, 101, 250])] if s.random.random() < 0.4 else []
    if kind < 9:
        return [b"XTRIM", stream, b"MAXLEN", b"~", b"%d" % s.random.choice([50, 99, 100, 101, 200, 350, 1000]), *limit]
    if kind == 9:
        return [b"EVAL", b"redis.call('xadd',KEYS[1],'MAXLEN','~',unpack(ARGV)) return redis.call('xlen',KEYS[1])", b"1", stream,
                b"%d" % s.random.choice([20, 100, 300]), *limit, b"5-*", b"f", b"v"]
    if kind == 10:
        return [b"XTRIM", stream, b"MAXLEN", b"%d" % s.random.choice([5, 150, 333])]
    return [b"XLEN", stream] if s.random.random() < 0.9 else [b"DEL", stream]


FAMILIES = {"streams": streams, "stream_groups": stream_groups, "stream_trims": stream_trims}


def compare(ours, theirs):
    return stream_replies.same(parse(ours), parse(theirs))


COMPARE = {b"XPENDING": compare, b"XINFO": compare}
