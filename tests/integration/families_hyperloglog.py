# SPDX-License-Identifier: BSD-3-Clause
"""
families_hyperloglog.py - seeded random commands on HyperLogLogs, for test_differential_random.py (families_hash.py says what a module has)

After every change the value is compared too, byte for byte: GET. Small limits of the sparse encoding, so that values become dense.
"""
ELEMENTS = [b"", b"\x00", b"12345678", b"a longer element, of more than eight bytes"]

SET_UP = []
UNORDERED = {}
RANDOM = set()
SHOW = {}


def element(s):
    if s.random.random() < 0.1:
        return s.random.choice(ELEMENTS)
    return b"%d" % s.random.randrange(30000)


def elements(s):
    return [element(s) for _ in range(s.random.choice([0, 1, 1, 2, 3, 10, 300]))]


def some_runs(s, count):
    """Whole ones: where the last one lacks a byte, Redis takes what happens to lie behind the value in memory."""
    return b"".join(s.random.choice([b"%c" % s.random.randrange(64), b"%c%c" % (s.random.randrange(64, 128), s.random.randrange(256)),
                                     b"%c" % s.random.randrange(128, 256)]) for _ in range(count))


def damaged(s):
    """A value that says that it is one: runs at random, with or without an estimate; or a flawed header."""
    encoding = s.random.choice([b"\x01", b"\x01", b"\x01", b"\x00", b"\x02"])
    kept = s.random.choice([b"\x00" * 7 + b"\x80", b"\x05" + b"\x00" * 7, s.random.randbytes(8)])
    runs = s.random.choice([b"\x7f\xff", b"\x7f\xfe\x80", b"\x00" * 256, b"\x40\x00" * 16384, b"\x83" * 4096 + b"\x00",
                            b"\x7f\xff\x7f\xff", b"", some_runs(s, s.random.choice([1, 2, 5, 100, 3000])), b"\x00" * 12288])
    return s.random.choice([b"HYLL"] * 9 + [b"HYL"]) + encoding + b"\x00" * 3 + kept + runs


def hyperloglogs(s):
    kind = s.random.randrange(40)
    if kind < 12:
        return [b"PFADD", s.key(), *elements(s)]
    if kind < 16:
        return [b"PFCOUNT", s.key()]
    if kind < 20:
        return [b"PFCOUNT", *s.keys(5)]
    if kind < 25:
        return [b"PFMERGE", *s.keys(4)]
    if kind < 32:
        return [b"GET", s.key()]
    if kind == 32:
        return [b"PFDEBUG", s.random.choice([b"ENCODING", b"DECODE", b"TODENSE", b"encoding", b"GETREG"]), s.key()]
    if kind == 33:
        return [b"CONFIG", b"SET", b"hll-sparse-max-bytes", s.random.choice([b"3000", b"3000", b"20", b"200", b"16000", b"0"])]
    if kind == 34:
        return [b"SET", s.key(), damaged(s)]
    if kind == 35:
        return [b"SET", s.key(), s.value()]
    if kind == 36:
        return [s.random.choice([b"COPY", b"RENAME"]), s.key(), s.key()]
    if kind == 37:
        return [b"EXPIREAT", s.key(), s.time_at(1)]
    return [b"DEL", *s.keys(3)]


FAMILIES = {"hyperloglogs": hyperloglogs}
