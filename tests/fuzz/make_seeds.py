#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
make_seeds.py DIRECTORY - writes first inputs for the fuzz targets to DIRECTORY/TARGET/, out of the streams of the other tests

The command cases of tests/integration/cases/ become streams for `request` and `commands`, frames of the binary protocol for `frame` and
`commands`. The corpus that is kept in
tests/fuzz/corpus/ came from these by fuzzing and minimising (scripts/fuzz.sh).
"""
import hashlib
import os
import random
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))

import frames  # noqa: E402
import payloads  # noqa: E402
from harness import encode  # noqa: E402
from test_differential_fixed import read_groups, words  # noqa: E402

STREAM_MAX = 1500
NOW = 1700000000  # the fuzz target's clock


def write(directory, target, data):
    path = os.path.join(directory, target)
    os.makedirs(path, exist_ok=True)
    with open(os.path.join(path, hashlib.sha1(data).hexdigest()), "wb") as out:
        out.write(data)


def streams():
    for _, commands in read_groups():
        stream = b""
        for _, command in commands:
            request = encode(*(words(command, NOW) if isinstance(command, str) else command))
            if len(request) > STREAM_MAX:
                continue
            if len(stream) + len(request) > STREAM_MAX:
                yield stream
                stream = b""
            stream += request
        yield stream


def changes(directory):
    """Changes of an image, as places.h reads them: single bytes where a small pool has its own, and forged words of each kind."""
    chance = random.Random(1)
    for number in range(120):
        flags = number % 32 & ~2
        data = bytes([flags])
        for _ in range(chance.randrange(1, 20)):
            kind = chance.choice([9, 10, number % 16])
            data += bytes([240, 1 << chance.randrange(8)])
            data += struct.pack("<HQ", chance.randrange(500), kind | chance.randrange(1 << 16) << 8)
        write(directory, "open", data)
        data = bytes([flags])
        for _ in range(chance.randrange(1, 4)):
            data += bytes([number % 16, chance.randrange(4) | chance.randrange(4) << 4])
            data += struct.pack("<HQ", chance.randrange(500), chance.randrange(1 << chance.randrange(1, 48)))
        write(directory, "open", data)
        data = bytes([number & 3])
        for _ in range(chance.randrange(1, 3)):
            data += bytes([0, chance.randrange(4), chance.randrange(256), chance.randrange(8), 3, chance.choice([0, 200, 201])])
            for _ in range(3):
                mask = chance.randrange(256)
                data += bytes([chance.randrange(8), chance.randrange(16)]) + struct.pack("<H", chance.randrange(500))
                data += bytes([mask]) + bytes(chance.randrange(128) for _ in range(4 * bin(mask).count("1")))
        write(directory, "recovery", data)


def binary(directory):
    """Streams of the binary protocol: each kind of frame by itself, all of them, and runs of frames that are alike."""
    kinds = [frames.hello(), frames.frame(frames.PING, b"hello"), frames.auth(b"secret", b"default"), frames.select(9),
             frames.get(b"key"), frames.get_by_handle(1, frames.WANT_META), frames.set_(b"key", b"value"),
             frames.set_(b"key", b"v", frames.IF_ABSENT, version=7, expire=9), frames.set_by_handle(5, b"abc"),
             frames.number_key(frames.ADD, -2, b"num"), frames.keys(frames.GET_MANY, [b"a", b"", b"bcdef"], frames.ONE_MOMENT),
             frames.get_many_by_handle([1, 2]), frames.set_many([(b"a", b"1"), (b"b", b"")]),
             frames.set_many_by_handle([(31, b"a"), (32, b"bc")]), frames.command(b"INFO"), frames.frame(0x77, bytes(9), 0xff)]
    for number, kind in enumerate(kinds):
        write(directory, "frame", bytes([0, number]) + kind)
        write(directory, "frame", bytes([number & 3, 20]) + kind * 5)
        write(directory, "commands", bytes([4, number & 4]) + frames.hello() + kind * 2)
    write(directory, "frame", bytes([0, 30]) + b"".join(kinds))
    write(directory, "commands", bytes([4, 0]) + b"".join(kind for kind in kinds if kind != kinds[2]))


def answers(directory):
    """Replies of the binary protocol beside the requests that they answer: (opcode, flags, entries, status, body)."""
    cells = struct.pack("<QiBBHqq", 3, 0, 8, 1, 0, -5, 0) + struct.pack("<iBBH16s", 0, 2, 2, 0, b"ab")
    cells += struct.pack("<iBBHQQ", 0, 0, 3, 0, 20, 88)
    replies = [(frames.GET, 0, 0, 0, b"value"), (frames.GET, 0, 0, frames.ENOTFOUND, b""),
               (frames.GET_BY_HANDLE, frames.WANT_META, 0, 0, struct.pack("<QQq", 1, 2, 3) + b"value"), (frames.SET, 0, 0, 0, b""),
               (frames.SET, frames.WANT_HANDLE, 0, 0, bytes(8)), (frames.ADD, 0, 0, 0, bytes(8)), (frames.HANDLE, 0, 0, 0, bytes(8)),
               (frames.GET_MANY, 0, 3, 0, cells + b"twenty bytes of text\0\0\0\0"), (frames.HANDLE_MANY, 0, 2, 0, bytes(16)),
               (frames.DELETE_MANY, 0, 2, 0, bytes(8)), (frames.COMMAND, 0, 0, 0, b"+OK\r\n"), (frames.PING, 0, 0, 0, b"hello"),
               (frames.SET_MANY, 0, 2, 13, b"failed"), (frames.ERROR, 0, 0, 200, b"malformed")]
    for cell in (struct.pack("<iBBH16s", 0, 255, 2, 0, b"ab"), struct.pack("<iBBHQQ", 0, 0, 3, 0, 1000, 40),
                 struct.pack("<iBBHQQ", 0, 0, 3, 0, 8, 1 << 63)):
        replies.append((frames.GET_MANY_BY_HANDLE, 0, 1, 0, struct.pack("<Q", 1) + cell))
    for number in range(len(replies)):
        for chosen in ([replies[number]], replies[number:]):
            requests = bytes(byte for opcode, flags, entries, _, _ in chosen for byte in (opcode, flags, 7, entries))
            stream = b"".join(frames.frame(opcode, body, status, 7) for opcode, _, _, status, body in chosen)
            write(directory, "answer", bytes([number * 19 % 256, len(chosen)]) + requests + stream)


def main():
    directory = sys.argv[1]
    changes(directory)
    binary(directory)
    answers(directory)
    for number, stream in enumerate(streams()):
        flags = number * 7 % 16 & ~2
        write(directory, "commands", bytes([flags, 0 if number % 3 else 255]) + stream)
        write(directory, "request", bytes([number & 1, number % 256]) + stream[:500])
    for text in (b"PING\r\nSET k \"a\\x20b\\n\" \r\nGET 'k'\n\n*1\r\n$4\r\nPING\r\n", b"*-1\r\n*0\r\n*2\r\n$3\r\nGET\r\n$-1\r\n"):
        write(directory, "request", b"\0\0" + text)
    for text in (b"0", b"-1", b"9223372036854775807", b"-9223372036854775808", b"18446744073709551615", b"1.5e10", b"0x1p-3",
                 b"inf", b"-0", b"007", b" 1", b"1e400", b"nan"):
        write(directory, "number", text)
    for pattern, text in ((b"h[^a-c]llo*", b"hello world"), (b"*a*b*c", b"xxaxxbxxc"), (b"\\*?[x-", b"*1x"), (b"[]]", b"]")):
        write(directory, "glob", bytes([0, len(pattern)]) + pattern + text)
        write(directory, "glob", bytes([1, len(pattern)]) + pattern.upper() + text)
    for text in (b"port 7000\nbind 127.0.0.1 -::1\n# no\nrequirepass \"a\\x20b\"\n", b"maxmemory 1gb\n", b"save 60 1\nsave \"\"\n",
                 b"pool-size 32mb\nhz 20\nslowlog-max-len 4\n", b"client-output-buffer-limit normal 1mb 2mb 60\n",
                 b"include sub.conf\n", b"latency-tracking-info-percentiles 50 99.9\n", b"unixsocket /tmp/s\nunixsocketperm 700\n"):
        write(directory, "config", text)
    for rules in (b"on\n>pw\n~k*\n%R~r*\n&ch*\n+@read\n-strlen\n+client|getname\n+select|1", b"nopass\n+@all\n-@dangerous\n(+get ~a*)\n(~b +@write -set)",
                  b"#" + b"1f" * 32 + b"\nallkeys\nresetkeys\nallchannels\nresetchannels\nclearselectors\nreset\n+get|x\n-get"):
        write(directory, "acl", rules + b"\n\nGET k1\nset r1 v\nclient list\nselect 1\nmget a b r\npublish ch x\ncopy k1 r1")
    for number, text in enumerate((b'0 "plain" "value" 0\n3 "a\\x00\\n\\"b" "" 4102444800000\n\n15 "" "\\\\" 0',
                                   b"*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\nv\r\n\r\n"
                                   b"*5\r\n$3\r\nSET\r\n$0\r\n\r\n$1\r\n\0\r\n$4\r\nPXAT\r\n$13\r\n4102444800000\r\n",
                                   b'library "#!lua name=one\\nreturn 1"\n0 "k" "v" 0',
                                   b"*4\r\n$8\r\nFUNCTION\r\n$4\r\nLOAD\r\n$7\r\nREPLACE\r\n$17\r\n#!LUA \"name=a_1\"\n\r\n")):
        write(directory, "import", bytes([number]) + text)
    for _, payload in [*payloads.every_form(), *payloads.wrong_forms()]:
        write(directory, "payload", payload[:-10])
    for number in range(32):
        write(directory, "reply", bytes([number, 10, 3] + [number, 5] + list(b"hello") + [11, 2, 3, 1, 2, 3, 7, 8] * 4))


if __name__ == "__main__":
    main()
