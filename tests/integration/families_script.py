# SPDX-License-Identifier: BSD-3-Clause
"""
families_script.py - seeded random scripts, for test_differential_random.py (families_hash.py says what a module has)

A script, or a function of a library, runs up to eight commands that the other families make, by redis.call or redis.pcall, and returns all
replies. What an error ends has changed what the commands before it have. Commands are left out whose replies differ in order, by chance
or with the time: what they leave behind is compared nevertheless, by those that follow and at the stream's end.
"""
import sys

import families_zset

STEPS = b"""local replies, at = {}, 1
while ARGV[at] do
    local size = tonumber(ARGV[at])
    replies[#replies + 1] = redis[ARGV[at + 1]](unpack(ARGV, at + 2, at + 1 + size))
    at = at + 2 + size
end
return replies"""
LIBRARY = (b"#!lua name=differential\nredis.register_function('steps', function(KEYS, ARGV)\n" + STEPS + b"\nend)\n")

SET_UP = [[b"FUNCTION", b"LOAD", b"REPLACE", LIBRARY]]
UNDAMAGED = {b"EVAL", b"FCALL"}
UNORDERED = {}
RANDOM = set()
SHOW = {}
SAME = {b"E": families_zset.SAME[b"Z"], b"F": families_zset.SAME[b"Z"]}

INNER = [b"strings", b"numbers", b"bits", b"expiry", b"hashes", b"lists", b"sets", b"sorted_sets", b"geo", b"hyperloglogs",
         b"streams", b"stream_groups"]
# Of other sessions' state, by chance, by the clock, or told otherwise: families of their own compare them.
LEFT_OUT = {b"SELECT", b"OBJECT", b"OBJECT ENCODING", b"DBSIZE", b"KEYS", b"EVAL", b"DUMP", b"RESTORE", b"PFDEBUG", b"SORT", b"SORT_RO", b"CONFIG",
            b"SPOP", b"DEBUG", b"SCAN"}


def inner(s):
    """A command that may stand in a script."""
    main = sys.modules["__main__"]
    while True:
        words = main.FAMILIES[s.random.choice(INNER).decode()](s)
        name = words[0].upper()
        if not any(name in some for some in (LEFT_OUT, main.UNORDERED, main.RANDOM, main.TIME_LEFT, main.COMPARE)):
            return words


def scripts(s):
    keys, arguments = [], []
    for _ in range(s.random.choice([1, 1, 2, 3, 5, 8])):
        words = inner(s)
        keys += words[1:2]
        arguments += [b"%d" % len(words), s.random.choice([b"call", b"pcall", b"pcall", b"pcall"]), *words]
    if s.random.random() < 0.3:
        keys = []  # whatever it touches
    counted = [b"%d" % len(keys), *keys]
    return [b"EVAL", STEPS, *counted, *arguments] if s.random.random() < 0.6 else [b"FCALL", b"steps", *counted, *arguments]


FAMILIES = {"scripts": scripts}
