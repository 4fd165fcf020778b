# SPDX-License-Identifier: BSD-3-Clause
"""
frames.py - the binary protocol, written down once more from docs/BINARY-PROTOCOL.md: what tests say to a server, and read of it
"""
import collections
import socket
import struct

HELLO, PING, AUTH, SELECT, COMMAND = 0xDB, 0x01, 0x02, 0x03, 0x04
GET, GET_BY_HANDLE, SET, SET_BY_HANDLE, DELETE, EXISTS, ADD, HANDLE, EXPIRE = range(0x10, 0x19)
GET_MANY, GET_MANY_BY_HANDLE, SET_MANY, SET_MANY_BY_HANDLE, DELETE_MANY, HANDLE_MANY = range(0x20, 0x26)
ERROR = 0xFF

IF_ABSENT, IF_PRESENT, IF_VERSION, KEEP_EXPIRY, EXPIRE_AT, EXPIRE_IN, WANT_HANDLE = (1 << i for i in range(7))
WANT_META = ONE_MOMENT = 1

OK, EINVAL, ENOTFOUND, ECONDITION, ESTALE, ENOTINT, EOVERFLOW, ETOOBIG = 0, 1, 15, 16, 17, 19, 21, 22
MALFORMED, VERSION, UNAUTHENTICATED, OPCODE, REFUSED, PERMISSION = 200, 201, 202, 203, 204, 205

MAGIC = b"SUPERLDB"

Reply = collections.namedtuple("Reply", "opcode status tag body")
Cell = collections.namedtuple("Cell", "result value")


def frame(opcode, body=b"", flags=0, tag=0):
    size = 8 + len(body)
    return struct.pack("<BBHI", opcode, flags, tag, size) + body + bytes(-size % 8)


def hello(version=1, features=0, magic=MAGIC, tag=0):
    return frame(HELLO, magic + struct.pack("<IIQ", version, 0, features), tag=tag)


def auth(password, user=b"", tag=0):
    return frame(AUTH, struct.pack("<II", len(user), 0) + user + password, tag=tag)


def select(database, tag=0):
    return frame(SELECT, struct.pack("<Q", database), tag=tag)


def key_frame(opcode, key, flags=0, tag=0):
    return frame(opcode, key, flags, tag)


def get(key, flags=0, tag=0):
    return frame(GET, key, flags, tag)


def get_by_handle(handle, flags=0, tag=0):
    return frame(GET_BY_HANDLE, struct.pack("<Q", handle), flags, tag)


def set_(key, value, flags=0, version=None, expire=None, tag=0):
    body = struct.pack("<II", len(key), 0)
    if version is not None:
        flags |= IF_VERSION
        body += struct.pack("<Q", version)
    if expire is not None:
        flags |= 0 if flags & EXPIRE_IN else EXPIRE_AT
        body += struct.pack("<q", expire)
    return frame(SET, body + key + value, flags, tag)


def set_by_handle(handle, value, tag=0):
    return frame(SET_BY_HANDLE, struct.pack("<Q", handle) + value, 0, tag)


def number_key(opcode, number, key, flags=0, tag=0):
    return frame(opcode, struct.pack("<q", number) + key, flags, tag)


def padded(data):
    return data + bytes(-len(data) % 8)


def keys(opcode, names, flags=0, tag=0):
    sizes = b"".join(struct.pack("<I", len(name)) for name in names)
    return frame(opcode, struct.pack("<II", len(names), 0) + padded(sizes) + b"".join(names), flags, tag)


def get_many_by_handle(handles, tag=0):
    return frame(GET_MANY_BY_HANDLE, b"".join(struct.pack("<Q", handle) for handle in handles), 0, tag)


def set_many(pairs, flags=0, tag=0):
    sizes = b"".join(struct.pack("<II", len(key), len(value)) for key, value in pairs)
    return frame(SET_MANY, struct.pack("<II", len(pairs), 0) + sizes + b"".join(key + value for key, value in pairs), flags, tag)


def set_many_by_handle(pairs, tag=0):
    fixed = b"".join(struct.pack("<QII", handle, len(value), 0) for handle, value in pairs)
    return frame(SET_MANY_BY_HANDLE, struct.pack("<II", len(pairs), 0) + fixed + b"".join(value for _, value in pairs), 0, tag)


def command(*words):
    body = b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
    return frame(COMMAND, body)


def cells(reply):
    """The cells of a reply to GET_MANY or GET_MANY_BY_HANDLE; of a value behind them, the bytes that they lead to."""
    count, reserved = struct.unpack_from("<II", reply.body, 0)
    assert reserved == 0
    found = []
    for i in range(count):
        result, size, encoding, zero = struct.unpack_from("<iBBH", reply.body, 8 + 24 * i)
        data = reply.body[16 + 24 * i:32 + 24 * i]
        assert zero == 0
        if result != 0:
            assert size == 0 and encoding == 0 and data == bytes(16), (result, size, encoding, data)
            found.append(Cell(-result, None))
        elif encoding == 1:
            assert size == 8 and data[8:] == bytes(8)
            found.append(Cell(0, b"%d" % struct.unpack("<q", data[:8])))
        elif encoding == 2:
            assert data[size:] == bytes(16 - size)
            found.append(Cell(0, data[:size]))
        else:
            far, offset = struct.unpack("<QQ", data)
            assert encoding == 3 and size == 0 and offset % 8 == 0 and offset >= 16 + 24 * count
            assert offset + far <= 8 + len(reply.body)
            found.append(Cell(0, reply.body[offset - 8:offset - 8 + far]))
    return found


class Binary:
    """A connection that speaks the binary protocol."""

    def __init__(self, address, greet=True, timeout=30):
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.settimeout(timeout)
            self.socket.connect(address)
        else:
            self.socket = socket.create_connection(address, timeout=timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.bytes = b""
        if greet:
            reply = self.ask(hello())
            assert reply.opcode == HELLO and reply.status == OK, reply

    def send(self, data):
        self.socket.sendall(data)

    def take(self, size):
        """The next bytes; fewer where the server closes."""
        parts = [self.bytes]
        have = len(self.bytes)
        while have < size:
            try:
                part = self.socket.recv(1 << 20)
            except ConnectionError:
                part = b""
            if not part:
                break
            parts.append(part)
            have += len(part)
        data = b"".join(parts)
        self.bytes = data[size:]
        return data[:size]

    def read(self):
        """The next reply; None where the server closed."""
        header = self.take(8)
        if not header:
            return None
        assert len(header) == 8, header
        opcode, status, tag, size = struct.unpack("<BBHI", header)
        rest = self.take(size - 8 + -size % 8)
        assert len(rest) == size - 8 + -size % 8, "a reply is cut short"
        assert rest[size - 8:] == bytes(-size % 8), "padding is of zero bytes"
        return Reply(opcode, status, tag, rest[:size - 8])

    def ask(self, request):
        self.send(request)
        return self.read()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
