# SPDX-License-Identifier: BSD-3-Clause
"""
test_differential_random.py - seeded random command streams, SuperDB's replies against redis-server's

Streams are made family by family (strings, numbers, bits, expiry, whole keys, everything mixed), over few keys so that
commands meet each other's results, with valid and invalid options. A batch goes out as one pipeline that ends with an
ECHO of its own; what comes back is compared as one piece, and taken apart only where it differs. At the end of a stream
the databases are compared key by key.

    test_differential_random.py [--seed N] [--count N] [--family NAME] [--protocol 2|3]

A failure prints what replays it.
"""
import argparse
import glob
import importlib
import os
import random
import sys
import time

from harness import Connection, Map, both, encode, parse, split_replies

BATCH = 400

KEYS = [b"a", b"b", b"c", b"d", b"key:%d", b"a longer key that is kept outside of its entry %d", b"", b"\x00\xff\r\n"]
INTEGERS = [b"0", b"1", b"-1", b"7", b"100", b"-100", b"9223372036854775807", b"-9223372036854775808",
            b"9223372036854775808",
            b"4294967295", b"4294967296", b"2147483647", b"536870911", b"01", b"+1", b"-0", b" 1", b"1 ", b"1.5",
            b"abc", b"", b"0x10",
            b"1e3"]
FLOATS = [b"0.1", b"-0.1", b"1.5", b"3", b"1e10", b"-2.5e-3", b"1e300", b"123456789.123456789", b"inf", b"nan", b"abc",
          b"",
          b" 1", b"0.0000000001", b"5.", b".5", b"-0", b"1e-20"]
WORDS = [b"", b"v", b"value", b"exactly8", b"exactly sixteen!", b"seventeen letters", b"\x00\x01\xfe\xff", b"a" * 44,
         b"b" * 45,
         b"c" * 200, b"line\r\nline", b"12", b"-5", b"3.25", b"9223372036854775807"]


class Stream:
    """One family's commands, from one seed."""

    def __init__(self, seed, family):
        self.random = random.Random(f"{seed}/{family}")
        self.make = FAMILIES[family]
        self.without_nul = family in WITHOUT_NUL
        self.base = int(time.time())

    def key(self):
        key = self.random.choice(KEYS)
        return key % self.random.randrange(6) if b"%d" in key else key

    def keys(self, most=4):
        return [self.key() for _ in range(self.random.randint(1, most))]

    def integer(self, low=-20, high=20):
        if self.random.random() < 0.85:
            return b"%d" % self.random.randint(low, high)
        return self.random.choice(INTEGERS)

    def offset(self, most):
        """An offset that never makes a value larger than most, or an invalid one."""
        if self.random.random() < 0.9:
            return b"%d" % self.random.randint(0, most)
        return self.random.choice([b"-1", b"abc", b"", b"1.5", b"9223372036854775808", b"-9223372036854775808", b"01"])

    def float(self):
        if self.random.random() < 0.5:
            return b"%.*f" % (self.random.randint(0, 6), self.random.uniform(-1000, 1000))
        return self.random.choice(FLOATS)

    def value(self):
        return self.any_value().replace(b"\x00", b"0") if self.without_nul else self.any_value()

    def any_value(self):
        choice = self.random.random()
        if choice < 0.4:
            return self.random.choice(WORDS)
        if choice < 0.7:
            return b"%d" % self.random.randint(-1000, 1000)
        if choice < 0.75:
            return self.random.choice(INTEGERS)
        if choice < 0.8:
            return self.random.choice(FLOATS)
        return self.random.randbytes(self.random.choice([1, 3, 8, 9, 16, 17, 24, 25, 64, 300, 5000]))

    def case(self, word):
        return word if self.random.random() < 0.9 else word.lower()

    def some(self, options, most=3, rarely=b"BOGUS"):
        """Up to `most` of the options, in any order, now and then one that there is not."""
        chosen = self.random.sample(options, min(len(options), self.random.choice([0, 0, 1, 1, 1, 2, most])))
        words = []
        for option in chosen:
            option = option() if callable(option) else option
            words += [self.case(option[0]), *option[1:]] if isinstance(option, list) else [self.case(option)]
        if self.random.random() < 0.02:
            words.insert(self.random.randint(0, len(words)), rarely)
        return words

    def time_left(self, unit):
        """Coarse on purpose: no time to live ends or is rounded otherwise while the stream runs."""
        if self.random.random() < 0.75:
            return b"%d" % (self.random.choice([1000, 5000, 90000]) * unit)
        return self.random.choice([b"0", b"-1", b"-1000", b"abc", b"", b"9223372036854775807", b"9223372036854775",
                                   b"1.5"])

    def time_at(self, unit):
        """Never near what time_left made of the clock, so that GT and LT see the same order on both servers."""
        if self.random.random() < 0.75:
            return b"%d" % ((self.base + self.random.choice([1500, 7000, 95000])) * unit)
        return self.random.choice([b"0", b"1", b"-1", b"1000", b"abc", b"9223372036854775807", b"9223372036854775",
                                   b""])

    def expiry_options(self):
        return [lambda: [b"EX", self.time_left(1)], lambda: [b"PX", self.time_left(1000)],
                lambda: [b"EXAT", self.time_at(1)],
                lambda: [b"PXAT", self.time_at(1000)]]

    def next(self):
        words = self.make(self)
        damage = self.random.random()
        if damage < 0.01 and len(words) > 1 and words[0] not in UNDAMAGED:
            words = words[:-1]
        elif damage < 0.02:
            words = words + [self.value()]
        words[0] = self.case(words[0])
        return words


def strings(s):
    kind = s.random.randrange(20)
    if kind < 5:
        return [b"SET", s.key(), s.value(), *s.some([b"NX", b"XX", b"GET", b"KEEPTTL", *s.expiry_options()])]
    if kind < 7:
        return [b"GET", s.key()]
    if kind == 7:
        return [s.random.choice([b"GETDEL", b"STRLEN", b"TYPE"]), s.key()]
    if kind == 8:
        return [b"GETEX", s.key(), *s.some([b"PERSIST", *s.expiry_options()], 2)]
    if kind == 9:
        return [b"GETSET", s.key(), s.value()]
    if kind == 10:
        return [b"SETNX", s.key(), s.value()]
    if kind == 11:
        return [b"SETEX", s.key(), s.time_left(1), s.value()]
    if kind == 12:
        return [b"PSETEX", s.key(), s.time_left(1000), s.value()]
    if kind == 13:
        return [b"MGET", *s.keys(6)]
    if kind == 14:
        return [s.random.choice([b"MSET", b"MSET", b"MSETNX"]), *sum(([key, s.value()] for key in s.keys(4)), [])]
    if kind == 15:
        return [b"APPEND", s.key(), s.value()]
    if kind == 16:
        return [s.random.choice([b"GETRANGE", b"GETRANGE", b"SUBSTR"]), s.key(), s.integer(-40, 40), s.integer(-40, 40)]
    if kind == 17:
        return [b"SETRANGE", s.key(), s.offset(300), s.value()]
    if kind == 18:
        return [b"LCS", s.key(), s.key(), *s.some([b"LEN", b"IDX", b"WITHMATCHLEN", lambda: [b"MINMATCHLEN",
                                                                                             s.integer(0, 5)]], 3)] \
            if s.random.random() < 0.2 else [b"MGET", *s.keys(2)]
    return [s.random.choice([b"DEL", b"UNLINK", b"EXISTS", b"TOUCH"]), *s.keys()]


def numbers(s):
    kind = s.random.randrange(12)
    if kind < 2:
        return [s.random.choice([b"INCR", b"DECR"]), s.key()]
    if kind < 5:
        return [s.random.choice([b"INCRBY", b"DECRBY"]), s.key(), s.integer(-1000, 1000)]
    if kind < 7:
        return [b"INCRBYFLOAT", s.key(), s.float()]
    if kind == 7:
        return [b"SET", s.key(), s.random.choice(INTEGERS + FLOATS)]
    if kind == 8:
        return [b"SET", s.key(), b"%d" % s.random.randint(-10**6, 10**6), *s.some(s.expiry_options(), 1)]
    if kind == 9:
        return [b"APPEND", s.key(), s.random.choice([b"0", b"1", b".5", b"e1", b"", b"x"])]
    if kind == 10:
        return [b"GET", s.key()]
    return [b"DEL", *s.keys(2)]


def bit_type(s):
    if s.random.random() < 0.9:
        return s.random.choice([b"i", b"u"]) + b"%d" % s.random.choice([1, 2, 5, 8, 16, 31, 32, 33, 63])
    return s.random.choice([b"i64", b"u64", b"i0", b"u0", b"i65", b"x8", b"", b"i", b"8", b"u8x"])


def bit_offset(s):
    if s.random.random() < 0.2:  # none so large that Redis' multiplication by the width overflows
        return b"#" + s.random.choice([b"%d" % s.random.randint(0, 30), b"-1", b"abc", b"", b"01"])
    return s.offset(200)


def bits(s):
    kind = s.random.randrange(14)
    if kind < 3:
        return [b"SETBIT", s.key(), s.offset(2000), s.random.choice([b"0", b"1", b"1", b"1", b"2", b"-1", b"x"]) if
                s.random.random() < 0.2 else s.random.choice([b"0", b"1"])]
    if kind == 3:
        return [b"GETBIT", s.key(), s.offset(2000)]
    if kind < 6:
        return [b"BITCOUNT", s.key(), *bit_range(s)]
    if kind < 8:
        return [b"BITPOS", s.key(), s.random.choice([b"0", b"1"]), *bit_range(s, True)]
    if kind == 8:
        return [b"BITOP", s.random.choice([b"AND", b"OR", b"XOR", b"NOT", b"and", b"NAND"]), s.key(), *s.keys(3)]
    if kind < 12:
        words = [b"BITFIELD_RO" if s.random.random() < 0.15 else b"BITFIELD", s.key()]
        for _ in range(s.random.randint(0, 4)):
            step = s.random.randrange(4)
            if step == 0:
                words += [b"GET", bit_type(s), bit_offset(s)]
            elif step == 1:
                words += [b"SET", bit_type(s), bit_offset(s), s.integer(-300, 300)]
            elif step == 2:
                words += [b"INCRBY", bit_type(s), bit_offset(s), s.integer(-300, 300)]
            else:
                words += [b"OVERFLOW", s.random.choice([b"WRAP", b"SAT", b"FAIL", b"wrap", b"x"])]
        return words
    if kind == 12:
        return [b"SET", s.key(), s.value()]
    return [s.random.choice([b"GET", b"DEL"]), s.key()]


def bit_range(s, position=False):
    words = []
    choice = s.random.random()
    if choice < 0.2:
        return words
    words = [s.integer(-60, 60)]
    if choice < 0.3 and not position:
        return words
    if choice > 0.4:
        words.append(s.integer(-60, 60))
        if s.random.random() < 0.5:
            words.append(s.random.choice([b"BIT", b"BYTE", b"bit", b"x"]))
    return words


def expiry(s):
    kind = s.random.randrange(12)
    conditions = s.some([b"NX", b"XX", b"GT", b"LT"], 2)
    if kind < 2:
        return [b"EXPIREAT", s.key(), s.time_at(1), *conditions]
    if kind < 4:
        return [b"PEXPIREAT", s.key(), s.time_at(1000), *conditions]
    if kind < 6:  # GT and LT would compare two readings of the clock
        conditions = [word for word in conditions if word.upper() in (b"NX", b"XX", b"BOGUS")]
        return [*([b"EXPIRE", s.key(), s.time_left(1)] if kind == 4 else [b"PEXPIRE", s.key(), s.time_left(1000)]),
                *conditions]
    if kind == 6:
        return [s.random.choice([b"TTL", b"PTTL", b"EXPIRETIME", b"PEXPIRETIME", b"PERSIST"]), s.key()]
    if kind == 7:
        return [b"PERSIST", s.key()]
    if kind == 8:
        return [b"SET", s.key(), s.value(), *s.some([b"KEEPTTL", *s.expiry_options()], 1)]
    if kind == 9:
        return [b"GETEX", s.key(), *s.some([b"PERSIST", *s.expiry_options()], 1)]
    if kind == 10:
        return [s.random.choice([b"EXPIRETIME", b"PEXPIRETIME"]), s.key()]
    return [s.random.choice([b"APPEND", b"GETSET", b"SETNX"]), s.key(), s.value()]


def whole_keys(s):
    kind = s.random.randrange(14)
    database = s.random.choice([b"0", b"1", b"2", b"3"]) if s.random.random() < 0.95 else s.random.choice([b"15", b"16",
                                                                                                           b"-1", b"x"])
    if kind < 2:
        return [s.random.choice([b"RENAME", b"RENAMENX"]), s.key(), s.key()]
    if kind < 4:
        return [b"COPY", s.key(), s.key(), *s.some([b"REPLACE", [b"DB", database]], 2)]
    if kind == 4:
        return [b"MOVE", s.key(), database]
    if kind == 5:
        return [b"SELECT", database]
    if kind == 6 and s.random.random() < 0.3:
        return [b"SWAPDB", database, s.random.choice([b"0", b"1", b"2"])]
    if kind == 7 and s.random.random() < 0.05:
        return [s.random.choice([b"FLUSHDB", b"FLUSHDB", b"FLUSHALL"]), *s.some([b"ASYNC", b"SYNC"], 1)]
    if kind == 8:
        return [b"DBSIZE"]
    if kind == 9:
        return [s.random.choice([b"EXISTS", b"TOUCH", b"DEL", b"UNLINK"]), *s.keys()]
    if kind == 10:
        return [s.random.choice([b"TYPE", b"OBJECT ENCODING", b"PEXPIRETIME", b"GET"]), s.key()]
    if kind == 11:
        return [b"KEYS", s.random.choice([b"nothing*", b"a", b"a", b"zz?", b"key:3", b"[b]"])]
    # No time to live in the past: Redis counts such a key in DBSIZE until something looks at it.
    return [b"SET", s.key(), s.value(), *s.some([[b"EX", b"5000"], [b"PXAT", b"%d" % ((s.base + 7000) * 1000)]], 1)]


def mixed(s):
    words = s.random.choice([strings, numbers, bits, expiry, whole_keys])(s)
    if words[0] == b"OBJECT ENCODING":  # Redis says raw of what APPEND and its like wrote, however short
        return [b"TYPE", *words[1:]]
    return words if words[0] != b"DBSIZE" else [b"KEYS", b"key:1"]


FAMILIES = {"strings": strings, "numbers": numbers, "bits": bits, "expiry": expiry, "whole_keys": whole_keys,
            "mixed": mixed}
# families_hash.py says what a module has.
MODULES = [importlib.import_module(os.path.basename(path)[:-3])
           for path in sorted(glob.glob(os.path.join(os.path.dirname(os.path.abspath(__file__)), "families_*.py")))]
UNORDERED, RANDOM, UNDAMAGED, SHOW, SET_UP, SAME, COMPARE = {}, set(), set(), {b"string": b"GET"}, [], {}, {}
WITHOUT_NUL = set()
for module in MODULES:
    FAMILIES.update(module.FAMILIES)
    UNORDERED.update(module.UNORDERED)
    RANDOM |= module.RANDOM
    UNDAMAGED |= getattr(module, "UNDAMAGED", set())
    WITHOUT_NUL |= getattr(module, "WITHOUT_NUL", set())
    SHOW.update(module.SHOW)
    SET_UP += module.SET_UP
    SAME.update(getattr(module, "SAME", {}))
    COMPARE.update(getattr(module, "COMPARE", {}))
TIME_LEFT = {b"TTL": 3, b"PTTL": 3000, b"PEXPIRETIME": 3000, b"EXPIRETIME": 3}


def equal(words, ours, theirs):
    """Times left, and times that EXPIRE and EX counted from now, differ as the servers' readings of the clock do."""
    if ours == theirs:
        return True
    name = words[0].upper()
    for theirs_only, as_ours in SAME.get(name[:1], ()):
        ours, theirs = ours.replace(theirs_only, as_ours), theirs.replace(theirs_only, as_ours)
    if ours == theirs:
        return True
    if name in COMPARE and ours[:1] == theirs[:1] and ours[:1] in b"*%":
        return COMPARE[name](ours, theirs)
    if name in RANDOM and ours[:1] == theirs[:1]:
        return ours[:1] != b"-"
    if name in UNORDERED and ours[:1] == theirs[:1] and ours[:1] in b"*%~":
        return in_order(parse(ours), UNORDERED[name]) == in_order(parse(theirs), UNORDERED[name])
    tolerance = TIME_LEFT.get(name)
    if tolerance and ours[:1] == theirs[:1] == b":":
        ours, theirs = parse(ours), parse(theirs)
        return (ours < 0) == (theirs < 0) and abs(ours - theirs) <= tolerance
    return False


def in_order(value, size):
    """An array's elements, `size` of them together, sorted; of what a cursor gave, those of its second half."""
    if isinstance(value, list) and len(value) == 2 and isinstance(value[1], list):
        return [value[0], in_order(value[1], size)]
    if isinstance(value, Map):
        return sorted(repr(pair) for pair in value)
    return sorted(repr(value[i:i + size]) for i in range(0, len(value), size)) if isinstance(value, list) else value


def split_words(words):
    return words[0].split() + words[1:] if b" " in words[0] else words


def run_stream(servers, seed, family, protocol, count):
    """Returns None, or what differs."""
    stream = Stream(seed, family)
    connections = [Connection(server, protocol) for server in servers]
    done = 0
    for connection in connections:
        connection.command("FLUSHALL")
        for words in SET_UP:
            connection.command(*words)
    while done < count:
        batch = [split_words(stream.next()) for _ in range(min(BATCH, count - done))]
        mark = b"end of batch %d" % done
        request = b"".join(encode(*words) for words in batch) + encode(b"ECHO", mark)
        tail = b"$%d\r\n%s\r\n" % (len(mark), mark)
        for connection in connections:
            connection.send(request)
        answers = [connection.read_until(tail) for connection in connections]
        if answers[0] != answers[1]:
            ours, theirs = (split_replies(answer)[0] for answer in answers)
            for index, words in enumerate(batch):
                if not equal(words, ours[index], theirs[index]):
                    return done + index, words, ours[index], theirs[index]
        done += len(batch)
    difference = compare_databases(connections)
    for connection in connections:
        connection.close()
    return (done, *difference) if difference else None


def compare_databases(connections):
    for database in range(5):
        lists = []
        for connection in connections:
            connection.command("SELECT", str(database))
            lists.append(sorted(connection.call("KEYS", "*")))
        if lists[0] != lists[1]:
            return [b"KEYS", b"*"], repr(lists[0]).encode(), repr(lists[1]).encode()
        for key in lists[0]:
            types = [connection.call("TYPE", key) for connection in connections]
            if types[0] != types[1]:
                return [b"TYPE", key], repr(types[0]).encode(), repr(types[1]).encode()
            for words in (SHOW[types[0]], b"PEXPIRETIME"):
                command, *rest = words.split()
                ours, theirs = (connection.command(command, key, *rest) for connection in connections)
                if not equal([command], ours, theirs):
                    return [command, key], ours, theirs
    return None


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--seed", type=int, default=int(os.environ.get("SUPERDB_SEED", "7")),
                         help="0: a new one each time")
    options.add_argument("--count", type=int, default=400000, help="commands in all")
    options.add_argument("--family", choices=sorted(FAMILIES))
    options.add_argument("--protocol", type=int, choices=(2, 3))
    arguments = options.parse_args()
    arguments.seed = arguments.seed or int(time.time())
    families = [arguments.family] if arguments.family else list(FAMILIES)
    protocols = [arguments.protocol] if arguments.protocol else [2, 3]
    count = arguments.count // len(families) // len(protocols)
    print(f"seed {arguments.seed}, {arguments.count} commands")
    failed = 0
    begun = time.monotonic()
    with both() as servers:
        for family in families:
            for protocol in protocols:
                difference = run_stream(servers, arguments.seed, family, protocol, count)
                if difference:
                    failed += 1
                    position, words, ours, theirs = difference
                    print(f"FAIL {family} RESP{protocol}, command {position}: {b' '.join(words)[:400]!r}")
                    print(f"     superdb {ours[:600]!r}")
                    print(f"     redis   {theirs[:600]!r}")
                    print(f"     replay: --seed {arguments.seed} --family {family} --protocol {protocol} "
                          f"--count {count}")
                else:
                    print(f"ok   {family} RESP{protocol}: {count} commands")
                sys.stdout.flush()
    print(f"{time.monotonic() - begun:.1f} s")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
