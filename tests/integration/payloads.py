# SPDX-License-Identifier: BSD-3-Clause
"""
payloads.py - payloads of RESTORE, made by hand: every form that Redis has ever written, and damaged ones
"""
import struct

VERSION = 10
POLYNOMIAL = 0x95AC9329AC4BC9B5


def _table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ POLYNOMIAL if byte & 1 else byte >> 1
        table.append(byte)
    return table


TABLE = _table()


def crc64(data):
    crc = 0
    for byte in data:
        crc = TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc


def seal(body, version=VERSION):
    """Version and checksum behind form and value."""
    body += struct.pack("<H", version)
    return body + struct.pack("<Q", crc64(body))


def length(number):
    if number < 64:
        return bytes([number])
    if number < 16384:
        return struct.pack(">H", 0x4000 | number)
    return b"\x80" + struct.pack(">I", number)


def text(data):
    return length(len(data)) + data


def lzf(data):
    """All of it as it is: a form of LZF that no compressor would choose."""
    packed = b"".join(bytes([len(data[i:i + 32]) - 1]) + data[i:i + 32] for i in range(0, len(data), 32))
    return b"\xc3" + length(len(packed)) + length(len(data)) + packed


def texts(form, items):
    return seal(bytes([form]) + length(len(items)) + b"".join(map(text, items)))


def ziplist(items):
    """Elements are bytes, or (head, content) as they are."""
    body, before, last = b"", 0, 10
    for item in items:
        if isinstance(item, bytes):
            size = len(item)
            head = bytes([size]) if size < 64 else struct.pack(">H", 0x4000 | size) if size < 16384 else b"\x80" + struct.pack(">I", size)
            item = (head, item)
        entry = (bytes([before]) if before < 254 else b"\xfe" + struct.pack("<I", before)) + item[0] + item[1]
        last = 10 + len(body)
        before = len(entry)
        body += entry
    return struct.pack("<IIH", 11 + len(body), last, min(len(items), 0xffff)) + body + b"\xff"


ZIPLIST_NUMBERS = [(b"\xf1", b""), (b"\xfd", b""), (b"\xfe", b"\x80"), (b"\xc0", b"\x00\x80"), (b"\xf0", b"\x01\x02\x83"),
                   (b"\xd0", b"\x00\x00\x00\x80"), (b"\xe0", b"\x00" * 7 + b"\x80")]


def listpack(items, count=None):
    """Elements are bytes, or (head, content) as they are."""
    body = b""
    for item in items:
        if isinstance(item, bytes):
            size = len(item)
            head = bytes([0x80 | size]) if size < 64 else struct.pack(">H", 0xe000 | size) if size < 4096 else \
                b"\xf0" + struct.pack("<I", size)
            item = (head, item)
        size = len(item[0]) + len(item[1])
        behind = bytes([size & 127 | (128 if size > 127 else 0)])
        while size > 127:
            size >>= 7
            behind = bytes([size & 127 | (128 if size > 127 else 0)]) + behind
        body += item[0] + item[1] + behind
    return struct.pack("<IH", 7 + len(body), len(items) if count is None else count) + body + b"\xff"


LISTPACK_NUMBERS = [(b"\x00", b""), (b"\x7f", b""), (b"\xdf\xff", b""), (b"\xd0\x00", b""), (b"\xcf\xff", b""), (b"\xf1", b"\x00\x80"),
                    (b"\xf2", b"\x01\x02\x83"), (b"\xf3", b"\x00\x00\x00\x80"), (b"\xf4", b"\x00" * 7 + b"\x80")]


def zipmap(pairs, unused=0, count=None):
    body = b""
    for field, value in pairs:
        for number, item in enumerate((field, value)):
            body += (bytes([len(item)]) if len(item) < 254 else b"\xfe" + struct.pack("<I", len(item)))
            body += bytes([unused]) * number + item + b"\x00" * unused * number
    return bytes([len(pairs) if count is None else count]) + body + b"\xff"


def intset(numbers, width):
    return struct.pack("<II", width, len(numbers)) + b"".join(struct.pack({2: "<h", 4: "<i", 8: "<q"}[width], n) for n in numbers)


def members(form, pairs):
    """Scores are floats, or texts as they are."""
    return seal(bytes([form]) + length(len(pairs)) + b"".join(
        text(name) + (score if isinstance(score, bytes) else struct.pack("<d", score)) for name, score in pairs))


def packed(form, data):
    return seal(bytes([form]) + text(data))


def pieces(form, items):
    """A list's: bytes, or of form 18 (kind, bytes)."""
    return seal(bytes([form]) + length(len(items)) + b"".join(
        length(item[0]) + text(item[1]) if isinstance(item, tuple) else text(item) for item in items))


def number(value):
    """An integer of a listpack, as (head, content)."""
    return (bytes([value]), b"") if 0 <= value < 128 else (b"\xf4", struct.pack("<q", value))


def node(first, entries, live=None, names=(b"f",), flags=None):
    """A node of a stream: entries are (time, number, fields with values), as they differ from the first id."""
    items = [number(len(entries) if live is None else live), number(0 if live is None else len(entries) - live), number(len(names)), *names, number(0)]
    for position, (time, sequence, fields) in enumerate(entries):
        same = tuple(fields[0::2]) == tuple(names)
        mark = (2 if same else 0) | (1 if live is not None and position >= live else 0)
        items += [number(mark if flags is None else flags), number(time), number(sequence)]
        items += list(fields[1::2]) if same else [number(len(fields) // 2), *fields]
        items.append(number(len(names) + 3 if same else len(fields) + 4))
    return text(struct.pack(">QQ", *first)) + text(listpack(items))


def pel(entries):
    return length(len(entries)) + b"".join(struct.pack(">QQ", *entry) + struct.pack("<q", 1700000000000 + i) + length(i + 1)
                                           for i, entry in enumerate(entries))


def owned(entries):
    return length(len(entries)) + b"".join(struct.pack(">QQ", *entry) for entry in entries)


def consumer(name, entries, form=19):
    return text(name) + struct.pack("<q", 1700000000001) * (2 if form == 21 else 1) + owned(entries)


def group(name, last, entries, consumers, read=1, form=19):
    return text(name) + length(last[0]) + length(last[1]) + (length(read) if form > 15 else b"") + pel(entries) + \
        length(len(consumers)) + b"".join(consumers)


def stream(form, nodes, count, last, groups=(), first=(1, 1), deleted=(0, 0), added=None):
    state = length(count) + length(last[0]) + length(last[1])
    if form > 15:
        state += b"".join(map(length, [*first, *deleted, count if added is None else added]))
    return seal(bytes([form]) + length(len(nodes)) + b"".join(nodes) + state + length(len(groups)) + b"".join(groups), 11 if form == 21 else VERSION)


def streams(form):
    """(what it is, payload)"""
    one = node((1, 1), [(0, 0, [b"f", b"v"])])
    two = node((5, 0), [(0, 0, [b"a", b"1", b"b", b"2"]), (0, 1, [b"a", b"3", b"b", b"4"]), (200, 3, [b"c", b"5"]), (300, 0, [])], names=(b"a", b"b"))
    cut = node((7, 0), [(0, 0, [b"f", b"1"]), (1, 0, [b"f", b"2"]), (2, 0, [b"f", b"3"])], live=2)
    yield "an empty stream", stream(form, [], 0, (0, 0))
    yield "an empty stream with a past", stream(form, [], 0, (5, 5), first=(0, 0), deleted=(5, 5), added=9)
    yield "an entry", stream(form, [one], 1, (1, 1))
    yield "two nodes", stream(form, [one, two], 5, (400, 1))
    yield "with deleted ones", stream(form, [one, cut], 3, (9, 0), deleted=(9, 0), added=4)
    yield "a group", stream(form, [one], 1, (1, 1), [group(b"g", (1, 1), [], [], form=form)])
    yield "groups that have read", stream(form, [one, two], 5, (305, 0), [
        group(b"g", (1, 1), [(1, 1)], [consumer(b"c", [(1, 1)], form), consumer(b"d", [], form)], form=form),
        group(b"h", (205, 3), [(1, 1), (4, 4), (5, 0)], [consumer(b"", [(4, 4)], form), consumer(b"d", [(1, 1), (5, 0)], form)], 3, form),
        group(b"i", (305, 0), [], [], form=form), group(b"j", (99, 0), [], [], form=form), group(b"k", (0, 0), [], [], form=form),
        group(b"l", (999, 0), [], [], form=form)])


def wrong_streams():
    """What Redis refuses."""
    one = node((1, 1), [(0, 0, [b"f", b"v"])])
    yield "no nodes", stream(19, [], 1, (1, 1))
    yield "a node twice", stream(19, [one, one], 2, (1, 1))
    yield "a short id", seal(b"\x13\x01" + text(b"12345678") + one[17:] + b"\x01\x01\x01\x01\x01\x00\x00\x01\x00")
    yield "a group twice", stream(19, [one], 1, (1, 1), [group(b"g", (1, 1), [], [])] * 2)
    yield "a consumer twice", stream(19, [one], 1, (1, 1), [group(b"g", (1, 1), [], [consumer(b"c", [])] * 2)])
    yield "pending twice", stream(19, [one], 1, (1, 1), [group(b"g", (1, 1), [(1, 1)] * 2, [consumer(b"c", [(1, 1)])])])
    yield "pending twice of one", stream(19, [one], 1, (1, 1), [group(b"g", (1, 1), [(1, 1)], [consumer(b"c", [(1, 1)] * 2)])])
    yield "pending of nobody", stream(19, [one], 1, (1, 1), [group(b"g", (1, 1), [(1, 1)], [])])
    yield "pending of one alone", stream(19, [one], 1, (1, 1), [group(b"g", (1, 1), [], [consumer(b"c", [(1, 1)])])])
    yield "2^60 nodes", seal(b"\x13\x81" + struct.pack(">Q", 1 << 60) + one)
    yield "2^60 pending", seal(stream(19, [one], 1, (1, 1))[:-11] + b"\x01\x01g\x01\x01\x01\x81" + struct.pack(">Q", 1 << 60))
    yield "a node that is short", stream(19, [text(one[1:17]) + text(listpack([number(1), number(0), number(1), b"f", number(0)]))], 1, (1, 1))
    yield "a node that is long", stream(19, [text(one[1:17]) + text(listpack([number(0), number(0), number(1), b"f", number(0), b"x"]))], 1, (1, 1))
    yield "a node of 100 fields", stream(19, [text(one[1:17]) + text(listpack([number(1), number(0), number(100), b"f", number(0)]))], 1, (1, 1))
    yield "words for numbers", stream(19, [text(one[1:17]) + text(listpack([b"x", number(0), number(1), b"f", number(0)]))], 1, (1, 1))
    yield "a form of Redis 7.2", stream(21, [one], 1, (1, 1))


def every_form():
    """(what it is, payload)"""
    long = b"a long string " * 40
    pairs = [(b"a", b"1"), (b"field", long), (b"12", b"-7"), (b"", b"")]
    flat = [item for pair in pairs for item in pair]
    scored = [b"c", b"-inf", b"a", b"1", b"b", b"2.5", b"d", b"1e300"]
    yield "string", seal(b"\x00" + text(b"hello"))
    yield "string, empty", seal(b"\x00" + text(b""))
    yield "string, 1 byte", seal(b"\x00\xc0\x80")
    yield "string, 2 bytes", seal(b"\x00\xc1\xff\x7f")
    yield "string, 4 bytes", seal(b"\x00\xc2\x00\x00\x00\x80")
    yield "string, LZF", seal(b"\x00" + lzf(long))
    yield "string, long length", seal(b"\x00\x81" + struct.pack(">Q", 3) + b"abc")
    yield "string, old version", seal(b"\x00" + text(b"old"), 1)
    yield "string, something behind", seal(b"\x00" + text(b"x") + b"behind")
    yield "list", texts(1, [b"a", b"12", long, b""])
    yield "set", texts(2, [b"a", b"12", long, b""])
    yield "set of integers", texts(2, [b"5", b"12", b"-7"])
    yield "sorted set, scores as texts", members(3, [(b"a", b"\x011"), (b"b", b"\x042.5e"), (b"c", b"\xfe"), (b"d", b"\xff"), (b"e", b"\x06 -1e10")])
    yield "hash", seal(b"\x04\x04" + b"".join(map(text, flat)))
    yield "sorted set", members(5, [(b"a", 1.0), (b"b", -2.5), (b"c", float("inf")), (long, 0.1)])
    yield "zipmap", packed(9, zipmap(pairs))
    yield "zipmap, bytes unused", packed(9, zipmap(pairs, unused=3))
    yield "zipmap, something behind its end", packed(9, zipmap(pairs) + b"behind\xff")
    yield "zipmap, no count", packed(9, zipmap(pairs, count=254))
    yield "ziplist of a list", packed(10, ziplist([b"a", long, b"", b"x" * 300, *ZIPLIST_NUMBERS]))
    yield "intset 2", packed(11, intset([-3, 4, 700], 2))
    yield "intset 4", packed(11, intset([-70000, 4], 4))
    yield "intset 8", packed(11, intset([-2**63, 0, 2**63 - 1], 8))
    yield "ziplist of a sorted set", packed(12, ziplist(scored))
    yield "ziplist of a hash", packed(13, ziplist(flat))
    yield "ziplists of a list", pieces(14, [ziplist([b"a"]), ziplist([]), ziplist([long, b"5"])])
    yield "listpack of a hash", packed(16, listpack(flat))
    yield "listpack of a hash, no count", packed(16, listpack(flat, 0xffff))
    yield "listpack of a sorted set", packed(17, listpack(scored))
    yield "listpacks of a list", pieces(18, [(2, listpack([b"a", *LISTPACK_NUMBERS])), (1, long), (2, listpack([long * 10, b"z"]))])


def wrong_forms():
    """What Redis refuses, and why."""
    yield "nothing", seal(b"")
    yield "no value", seal(b"\x00")
    yield "no such form", seal(b"\x08" + text(b"x"))
    yield "a module's", seal(b"\x07" + text(b"x"))
    yield "end of a file", seal(b"\xff")
    yield "a later version", seal(b"\x00" + text(b"x"), 11)
    yield "a wrong checksum", seal(b"\x00" + text(b"x"))[:-1] + b"\x00"
    yield "no footer", b"\x00\x01x"
    yield "empty", b""
    yield "a longer string", seal(b"\x00" + length(2000) + b"abc")
    yield "a string of 2^60 bytes", seal(b"\x00\x81" + struct.pack(">Q", 1 << 60) + b"abc")
    yield "a length of no kind", seal(b"\x00\x82abc")
    yield "a string of no kind", seal(b"\x00\xc4abc")
    yield "a string of the last kind", seal(b"\x00\xffabc")
    yield "LZF from before the beginning", seal(b"\x00\xc3\x02\x03\x20\x00")
    yield "LZF that is short", seal(b"\x00\xc3\x02\x05\x00a")
    yield "LZF that is long", seal(b"\x00\xc3\x03\x01\x01ab")
    yield "LZF of 2^60 bytes", seal(b"\x00\xc3\x02\x81" + struct.pack(">Q", 1 << 60) + b"\x00a")
    for form in (1, 2, 3, 4, 5, 14, 18):
        yield f"form {form}, empty", seal(bytes([form, 0]))
        yield f"form {form}, 2^60 elements", seal(bytes([form]) + b"\x81" + struct.pack(">Q", 1 << 60) + text(b"x"))
    yield "a set with one twice", texts(2, [b"a", b"b", b"a"])
    yield "a set of integers with one twice", texts(2, [b"1", b"2", b"1"])
    yield "a hash with a field twice", seal(b"\x04\x02" + b"".join(map(text, [b"a", b"1", b"a", b"2"])))
    yield "a sorted set with a member twice", members(5, [(b"a", 1.0), (b"a", 2.0)])
    yield "a score that is no number", members(5, [(b"a", float("nan"))])
    yield "a score that is no number, as text", members(3, [(b"a", b"\xfd")])
    yield "a score that is a word", members(3, [(b"a", b"\x03abc")])
    yield "a ziplist of a hash with a field twice", packed(13, ziplist([b"a", b"1", b"a", b"2"]))
    yield "a ziplist of a hash, odd", packed(13, ziplist([b"a", b"1", b"b"]))
    yield "a ziplist of a sorted set with a member twice", packed(12, ziplist([b"a", b"1", b"a", b"2"]))
    yield "a listpack of a hash with a field twice", packed(16, listpack([b"a", b"1", b"a", b"2"]))
    yield "a listpack of a hash with a number twice", packed(16, listpack([(b"\x05", b""), b"1", (b"\xf1", b"\x05\x00"), b"2"]))
    yield "a listpack of a hash, odd", packed(16, listpack([b"a", b"1", b"b"]))
    yield "a listpack of a sorted set with a member twice", packed(17, listpack([b"a", b"1", b"a", b"2"]))
    for form in (10, 12, 13):
        yield f"form {form}, an empty ziplist", packed(form, ziplist([]))
    for form in (16, 17):
        yield f"form {form}, an empty listpack", packed(form, listpack([]))
        yield f"form {form}, a wrong count", packed(form, listpack([b"a", b"1"], 4))
    yield "a list of empty ziplists", pieces(14, [ziplist([]), ziplist([])])
    yield "a list of empty listpacks", pieces(18, [(2, listpack([]))])
    yield "a list's piece of no kind", pieces(18, [(3, b"abc")])
    yield "a list's empty piece", pieces(18, [(1, b"")])
    yield "an intset out of order", packed(11, intset([5, 4], 2))
    yield "an intset with one twice", packed(11, intset([5, 5], 2))
    yield "an intset of width 3", packed(11, struct.pack("<II", 3, 2) + b"abcdef")
    yield "an intset that is long", packed(11, intset([4, 5], 2) + b"x")
    yield "an empty intset", packed(11, intset([], 2))
    yield "a zipmap without end", packed(9, zipmap([(b"a", b"1")])[:-1])
    yield "a zipmap with a wrong count", packed(9, zipmap([(b"a", b"1")], count=2))
    yield "a zipmap with a field twice", packed(9, zipmap([(b"a", b"1"), (b"a", b"2")]))
