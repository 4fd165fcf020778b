# SPDX-License-Identifier: BSD-3-Clause
"""
families_geo.py - seeded random places and searches for them, for test_differential_random.py

Places differ from each other: members at the same distance come in the order of no rule, and where COUNT takes some of them any may be left out.
So no place is drawn twice, and distances are stored to a key where nothing is searched: as places several of them would be one.
"""
SET_UP = []
UNORDERED = {}
RANDOM = set()
SHOW = {}
UNITS = [b"m", b"km", b"ft", b"mi", b"KM"]
FAR = b"distances"
WRONG = [b"85.06", b"-86", b"1e300", b"inf", b"nan", b"abc", b"", b" 1"]


def member(s):
    return b"p%d" % s.random.randrange(60)


def place(s):
    kind = s.random.random()
    if kind < 0.5:  # near each other
        return [b"%.9f" % (12 + s.random.random() * 4), b"%.9f" % (36 + s.random.random() * 4)]
    if kind < 0.9:
        return [b"%.9f" % (s.random.random() * 360 - 180), b"%.9f" % (s.random.random() * 170 - 85)]
    if kind < 0.94:  # the edges of the map
        return [s.random.choice([b"179.9", b"-179.9", b"180", b"-180", b"0"]), b"%.9f" % (s.random.random() * 170 - 85)]
    if kind < 0.98:
        return [b"%.9f" % (s.random.random() * 360 - 180), s.random.choice([b"85", b"-85.05", b"0", b"66.5", b"80.5"])]
    return [s.integer(-200, 200), s.random.choice([b"%.9f" % (s.random.random() * 200 - 100), *WRONG])]


def size(s):
    return b"%.6f" % (10 ** (s.random.random() * 6))


def radius(s):
    if s.random.random() < 0.03:
        return [s.random.choice([b"0", b"-1", b"x", b"1e9"]), s.random.choice([b"km", b"foo"])]
    return [size(s), s.random.choice(UNITS)]


def options(s):
    words = s.some([b"ASC", b"DESC", [b"COUNT", s.integer(0, 9)], [b"COUNT", s.integer(1, 9), b"ANY"]], 1 if s.random.random() < 0.8 else 2)
    return words + s.some([b"WITHDIST", b"WITHCOORD", b"WITHHASH"], 3)


def shape(s):
    middle = [b"FROMMEMBER", member(s)] if s.random.random() < 0.5 else [b"FROMLONLAT", *place(s)]
    if s.random.random() < 0.5:
        return middle + [b"BYRADIUS", *radius(s)]
    return middle + [b"BYBOX", size(s), *radius(s)]


def geo(s):
    kind = s.random.randrange(20)
    if kind < 5:
        return [b"GEOADD", s.key(), *s.some([b"NX", b"XX", b"CH"], 1), *sum(([*place(s), member(s)] for _ in range(s.random.randint(1, 9))), [])]
    if kind < 7:
        return [b"GEODIST", s.key(), member(s), member(s), *s.some([s.random.choice(UNITS)], 1)]
    if kind < 9:
        return [s.random.choice([b"GEOPOS", b"GEOHASH"]), s.key(), member(s), member(s)]
    if kind < 13:
        return [b"GEOSEARCH", s.key(), *shape(s), *options(s)]
    if kind == 13:
        distances = s.some([b"STOREDIST"], 1)
        return [b"GEOSEARCHSTORE", FAR if distances else s.key(), s.key(), *shape(s), *distances]
    if kind < 16:
        return [s.random.choice([b"GEORADIUS", b"GEORADIUS_RO"]), s.key(), *place(s), *radius(s), *options(s)]
    if kind == 16:
        return [s.random.choice([b"GEORADIUSBYMEMBER", b"GEORADIUSBYMEMBER_RO"]), s.key(), member(s), *radius(s), *options(s)]
    if kind == 17:
        store = s.random.choice([[b"STORE", s.key()], [b"STOREDIST", FAR]])
        return [b"GEORADIUS", s.key(), *place(s), *radius(s), *store]
    if kind == 18:
        return [b"ZREM", s.key(), member(s), member(s), member(s)]
    if s.random.random() < 0.2:
        return [b"DEL", s.key()]
    return s.random.choice([[b"ZCARD", s.key()], [b"ZRANGE", FAR, b"0", b"-1", b"WITHSCORES"]])


FAMILIES = {"geo": geo}
