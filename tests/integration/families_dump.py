# SPDX-License-Identifier: BSD-3-Clause
"""
families_dump.py - seeded random RESTOREs, for test_differential_random.py (families_hash.py says what a module has)

Payloads of every form, sound and damaged ones, and what a script's DUMP gives of keys of any type: the replies are compared, and the values
that came of it, by commands of their types.
"""
import itertools

import payloads
from test_dump import damaged

SET_UP = [[b"CONFIG", b"SET", b"sanitize-dump-payload", b"yes"]]
UNORDERED = {}
RANDOM = set()
SHOW = {}

SOUND = [payload for _, payload in payloads.every_form()]
# But for empty ones, of whose first entry Redis tells what the payload says, and a form that Redis 7.0 does not know.
STREAMS = [payload for form in (15, 19) for what, payload in payloads.streams(form) if "empty" not in what] + \
    [payload for what, payload in payloads.wrong_streams() if what != "a form of Redis 7.2"]
# Redis takes the order of a packed sorted set as it comes, and SuperDB does not: where it may be wrong, test_dump.py compares.
DAMAGED = [payload for payload in itertools.islice(damaged(11), 800) if payload[:1] not in (b"\x0c", b"\x11")]
COPY = b"local p = redis.call('dump', KEYS[1]) if p then return redis.call('restore', KEYS[2], 0, p, unpack(ARGV)) end return 0"


def options(s):
    return s.some([b"REPLACE", b"REPLACE", b"ABSTTL", [b"IDLETIME", b"%d" % s.random.randrange(-1, 1000)],
                   [b"FREQ", b"%d" % s.random.randrange(-1, 300)]])


def payload(s):
    kind = s.random.random()
    if kind < 0.32:
        return s.random.choice(SOUND)
    if kind < 0.4:
        return s.random.choice(STREAMS)
    if kind < 0.85:
        return s.random.choice(DAMAGED)
    if kind < 0.95:
        return payloads.seal(b"\x00" + payloads.text(s.value()))
    return s.value()


def dumps(s):
    kind = s.random.randrange(20)
    if kind < 8:
        return [b"RESTORE", s.key(), s.random.choice([b"0", b"0", b"0", b"-1", b"x"]), payload(s), *options(s)]
    if kind == 8:
        return [b"RESTORE", s.key(), s.time_at(1000), payload(s), b"ABSTTL", *options(s)]
    if kind < 11:
        return [b"EVAL", COPY, b"2", s.key(), s.key(), *s.random.choice([[], [b"replace"]])]
    if kind < 14:
        return [s.random.choice([b"TYPE", b"GET", b"LLEN", b"SCARD", b"HLEN", b"ZCARD", b"XLEN", b"EXISTS", b"PEXPIRETIME"]), s.key()]
    if kind == 14:
        return [b"LRANGE", s.key(), b"0", b"-1"]
    if kind == 15:
        return [b"ZMSCORE", s.key(), b"a", b"b", b"c", b"d", b"e"]
    if kind == 16:
        return [b"HMGET", s.key(), b"a", b"field", b"12", b""]
    if kind == 17:
        return [b"SMISMEMBER", s.key(), b"a", b"12", b"-7", b"5"]
    if kind == 18 and s.random.random() < 0.6:
        return s.random.choice([[b"XRANGE", s.key(), b"-", b"+"], [b"XINFO", b"STREAM", s.key()], [b"XINFO", b"GROUPS", s.key()],
                                [b"XPENDING", s.key(), s.random.choice([b"g", b"h"])]])
    if kind == 18:
        return [s.random.choice([b"RENAME", b"COPY"]), s.key(), s.key()]
    return [b"DEL", *s.keys(3)]


FAMILIES = {"dumps": dumps}
