# SPDX-License-Identifier: BSD-3-Clause
"""
whole_keys.py - commands that take a key as a whole, whatever it holds, for the random streams of each type
"""


def to_other_key(s, rename):
    if rename:
        return [b"RENAME", s.key(), s.key()]
    return [b"COPY", s.key(), s.key(), *s.some([b"REPLACE"], 1)]


def whole_key(s, kind):
    if kind == 0:
        return [b"EXPIREAT", s.key(), s.time_at(1)]
    if kind == 1:
        return [b"PERSIST", s.key()]
    if kind == 2:
        return [b"MOVE", s.key(), s.random.choice([b"1", b"2"])]
    return [s.random.choice([b"DEL", b"UNLINK", b"EXISTS"]), *s.keys(2)]
