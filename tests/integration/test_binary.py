# SPDX-License-Identifier: BSD-3-Clause
# ctest-labels: threads
"""
test_binary.py - the binary protocol, over TCP and the unix socket, with both I/O backends: what each request does, that RESP
sees the same store, how streams may be cut, and what becomes of those that are no frames
"""
import os
import random
import struct
import time

import frames
from frames import Binary
from harness import Superdb, encode, parse, run_tests
from test_hostile import each_backend, in_threads


def each_way(*arguments, **options):
    """Both backends, each over TCP and over a unix socket: the server and an address."""
    for backend in ("uring", "epoll"):
        server = Superdb(("--io-backend", backend, *arguments), **options)
        path = os.path.join(server.directory, "socket")
        server.arguments += ["--unixsocket", path]
        with server:
            server.start()
            for address in (("127.0.0.1", server.port), path):
                with Binary(address) as client:
                    client.ask(frames.command(b"FLUSHALL"))
                yield server, address


def tcp(server):
    return "127.0.0.1", server.port


def expect(reply, body=b"", status=frames.OK):
    assert reply is not None and reply.status == status and (body is None or reply.body == body), (reply, body, status)
    return reply


def number(reply):
    assert reply.status == frames.OK, reply
    return struct.unpack("<q", reply.body)[0]


def test_one_key_by_each_request():
    for _, address in each_way():
        with Binary(address) as client:
            expect(client.ask(frames.get(b"key")), status=frames.ENOTFOUND)
            expect(client.ask(frames.set_(b"key", b"value")))
            expect(client.ask(frames.get(b"key")), b"value")
            expect(client.ask(frames.key_frame(frames.EXISTS, b"key")))
            expect(client.ask(frames.key_frame(frames.EXISTS, b"none")), status=frames.ENOTFOUND)
            handle = number(client.ask(frames.key_frame(frames.HANDLE, b"key")))
            expect(client.ask(frames.key_frame(frames.HANDLE, b"none")), status=frames.ENOTFOUND)
            expect(client.ask(frames.get_by_handle(handle)), b"value")
            expect(client.ask(frames.set_by_handle(handle, b"another")))
            expect(client.ask(frames.get(b"key")), b"another")
            assert number(client.ask(frames.number_key(frames.ADD, 40, b"sum"))) == 40
            assert number(client.ask(frames.number_key(frames.ADD, -42, b"sum"))) == -2
            expect(client.ask(frames.get(b"sum")), b"-2")
            expect(client.ask(frames.number_key(frames.ADD, 1, b"key")), None, frames.ENOTINT)
            expect(client.ask(frames.set_(b"sum", b"%d" % (2 ** 63 - 1))))
            expect(client.ask(frames.number_key(frames.ADD, 1, b"sum")), None, frames.EOVERFLOW)
            expect(client.ask(frames.key_frame(frames.DELETE, b"key")))
            expect(client.ask(frames.key_frame(frames.DELETE, b"key")), status=frames.ENOTFOUND)
            expect(client.ask(frames.get_by_handle(handle)), status=frames.ESTALE)
            expect(client.ask(frames.set_by_handle(handle, b"x")), status=frames.ESTALE)
            expect(client.ask(frames.get_by_handle(0)), status=frames.ESTALE)
            expect(client.ask(frames.get_by_handle(2 ** 64 - 1)), status=frames.ESTALE)
            expect(client.ask(frames.frame(frames.PING, b"hello")), b"hello")
            expect(client.ask(frames.frame(frames.PING)))


def meta(reply):
    assert reply.status == frames.OK, reply
    return struct.unpack_from("<QQq", reply.body) + (reply.body[24:],)


def test_conditions_versions_and_times():
    for _, address in each_way():
        with Binary(address) as client:
            expect(client.ask(frames.set_(b"k", b"1", frames.IF_PRESENT)), status=frames.ECONDITION)
            reply = client.ask(frames.set_(b"k", b"1", frames.IF_ABSENT | frames.WANT_HANDLE))
            version, handle, expiry, value = meta(client.ask(frames.get(b"k", frames.WANT_META)))
            assert number(reply) == handle and expiry == 0 and value == b"1"
            assert meta(client.ask(frames.get_by_handle(handle, frames.WANT_META))) == (version, handle, 0, b"1")
            expect(client.ask(frames.set_(b"k", b"2", frames.IF_ABSENT)), status=frames.ECONDITION)
            expect(client.ask(frames.set_(b"k", b"2", version=version)))
            expect(client.ask(frames.set_(b"k", b"3", version=version)), status=frames.ECONDITION)
            far = int(time.time() * 1000) + 3600000
            expect(client.ask(frames.set_(b"k", b"4", expire=far)))
            assert meta(client.ask(frames.get(b"k", frames.WANT_META)))[2:] == (far, b"4")
            expect(client.ask(frames.set_(b"k", b"5", frames.KEEP_EXPIRY)))
            assert meta(client.ask(frames.get(b"k", frames.WANT_META)))[2:] == (far, b"5")
            expect(client.ask(frames.set_(b"k", b"6", frames.EXPIRE_IN, expire=3600000)))
            assert 0 <= meta(client.ask(frames.get(b"k", frames.WANT_META)))[2] - far < 60000
            expect(client.ask(frames.set_(b"k", b"7")))
            assert meta(client.ask(frames.get(b"k", frames.WANT_META)))[2:] == (0, b"7")
            expect(client.ask(frames.number_key(frames.EXPIRE, far, b"k", frames.EXPIRE_AT)))
            assert meta(client.ask(frames.get(b"k", frames.WANT_META)))[2] == far
            expect(client.ask(frames.number_key(frames.EXPIRE, 0, b"k")))
            assert meta(client.ask(frames.get(b"k", frames.WANT_META)))[2] == 0
            expect(client.ask(frames.number_key(frames.EXPIRE, -1000, b"k", frames.EXPIRE_IN)))
            expect(client.ask(frames.get(b"k")), status=frames.ENOTFOUND)
            expect(client.ask(frames.number_key(frames.EXPIRE, 1000, b"k", frames.EXPIRE_IN)), status=frames.ENOTFOUND)
            expect(client.ask(frames.set_(b"k", b"8", expire=1000)))  # long ago
            expect(client.ask(frames.get(b"k")), status=frames.ENOTFOUND)
            for wrong in (frames.set_(b"k", b"9", expire=0), frames.set_(b"k", b"9", frames.EXPIRE_IN, expire=2 ** 63 - 1),
                          frames.set_(b"k", b"9", frames.KEEP_EXPIRY, expire=far),
                          frames.number_key(frames.EXPIRE, 0, b"k", frames.EXPIRE_AT | frames.EXPIRE_IN),
                          frames.number_key(frames.EXPIRE, 7, b"k")):
                expect(client.ask(wrong), None, frames.EINVAL)
            expect(client.ask(frames.get(b"k")), status=frames.ENOTFOUND)


VALUES = [b"", b"x", b"12345", b"-9223372036854775808", b"0123456789abcdef", b"0123456789abcdefg", b"y" * 4000, b"\0\r\n" * 30000]


def test_many_at_once():
    for _, address in each_way():
        with Binary(address) as client:
            names = [b"key:%d" % i for i in range(len(VALUES))]
            expect(client.ask(frames.set_many(list(zip(names, VALUES)))))
            expect(client.ask(frames.set_many([(b"new", b"1"), (names[0], b"2")], frames.IF_ABSENT)), status=frames.ECONDITION)
            expect(client.ask(frames.get(b"new")), status=frames.ENOTFOUND)
            reply = expect(client.ask(frames.keys(frames.HANDLE_MANY, names + [b"none"])), None)
            handles = struct.unpack("<%dQ" % (len(names) + 1), reply.body)
            assert handles[-1] == 0 and 0 not in handles[:-1]
            right = [frames.Cell(0, value) for value in VALUES]
            missing = frames.Cell(frames.ENOTFOUND, None)
            for flags in (0, frames.ONE_MOMENT):
                assert frames.cells(client.ask(frames.keys(frames.GET_MANY, names + [b"none"], flags))) == right + [missing]
                assert frames.cells(client.ask(frames.keys(frames.GET_MANY, names * 50, flags))) == right * 50
                assert frames.cells(client.ask(frames.keys(frames.GET_MANY, [], flags))) == []
            assert frames.cells(client.ask(frames.get_many_by_handle(handles))) == right + [frames.Cell(frames.ESTALE, None)]
            assert frames.cells(client.ask(frames.get_many_by_handle(handles[:-1] * 50))) == right * 50
            expect(client.ask(frames.set_many_by_handle([(handles[0], b"a" * 100), (handles[1], b"7")])))
            expect(client.ask(frames.set_many_by_handle([(handles[0], b"b"), (1, b"c")])), status=frames.ESTALE)
            assert frames.cells(client.ask(frames.get_many_by_handle(handles[:2]))) == [(0, b"a" * 100), (0, b"7")]
            assert number(client.ask(frames.keys(frames.DELETE_MANY, names + [b"none", names[0]]))) == len(names)
            assert frames.cells(client.ask(frames.keys(frames.GET_MANY, names))) == [missing] * len(names)
            for empty in (frames.set_many([]), frames.set_many_by_handle([])):
                expect(client.ask(empty))
            assert number(client.ask(frames.keys(frames.DELETE_MANY, []))) == 0


def test_databases_belong_to_connections():
    for _, address in each_way():
        with Binary(address) as one, Binary(address) as two:
            expect(one.ask(frames.select(3)))
            # In one read: frames of both, and a change of the database between two that are alike.
            one.send(frames.set_(b"k", b"three") + frames.select(4) + frames.set_(b"k", b"four") + frames.get(b"k") * 5)
            for body in (b"", b"", b"") + (b"four",) * 5:
                expect(one.read(), body)
            expect(two.ask(frames.get(b"k")), status=frames.ENOTFOUND)
            handle = number(one.ask(frames.key_frame(frames.HANDLE, b"k")))
            expect(two.ask(frames.get_by_handle(handle)), b"four")
            expect(two.ask(frames.select(16)), None, frames.EINVAL)
            expect(two.ask(frames.select(3)))
            expect(two.ask(frames.get(b"k")), b"three")


def test_every_command_of_resp_in_a_frame():
    for _, address in each_way():
        with Binary(address) as client:
            expect(client.ask(frames.command(b"SET", b"k", b"v")), b"+OK\r\n")
            expect(client.ask(frames.command(b"GET", b"k")), b"$1\r\nv\r\n")
            expect(client.ask(frames.command(b"MGET", b"k", b"none")), b"*2\r\n$1\r\nv\r\n$-1\r\n")
            assert client.ask(frames.command(b"NOSUCH")).body.startswith(b"-ERR unknown command")
            assert b"redis_version" in client.ask(frames.command(b"INFO")).body
            assert client.ask(frames.command(b"HELLO", b"3")).body.startswith(b"%")
            expect(client.ask(frames.command(b"MGET", b"none")), b"*1\r\n_\r\n")
            expect(client.ask(frames.command(b"SELECT", b"2")), b"+OK\r\n")
            expect(client.ask(frames.get(b"k")), status=frames.ENOTFOUND)
            for wrong in (b"", b"*1\r\n$4\r\nPING", b"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n", b"*x\r\n", b"\r\n"):
                expect(client.ask(frames.frame(frames.COMMAND, wrong)), None, frames.EINVAL)
            for words in ((b"CLIENT", b"REPLY", b"OFF"), (b"subscribe", b"c"), (b"PSUBSCRIBE", b"c*"), (b"SSUBSCRIBE", b"c"),
                          (b"UNSUBSCRIBE",), (b"PUNSUBSCRIBE",), (b"SUNSUBSCRIBE",), (b"MULTI",), (b"EXEC",), (b"DISCARD",),
                          (b"WATCH", b"k"), (b"UNWATCH",)):
                expect(client.ask(frames.command(*words)), None, frames.REFUSED)
            expect(client.ask(frames.select(0)))
            expect(client.ask(frames.get(b"k")), b"v")  # and the connection is as it was
            expect(client.ask(frames.command(b"ECHO", b"a" * 100000)), b"$100000\r\n" + b"a" * 100000 + b"\r\n")
            expect(client.ask(frames.command(b"QUIT")), b"+OK\r\n")
            assert client.read() is None


def test_messages_are_published_from_frames():
    for server, address in each_way():
        with Binary(address) as client, server.connect() as subscriber:
            expect(client.ask(frames.command(b"PUBLISH", b"news", b"nobody hears it")), b":0\r\n")
            assert subscriber.call("SUBSCRIBE", "news") == [b"subscribe", b"news", 1]
            expect(client.ask(frames.command(b"PUBSUB", b"NUMSUB", b"news")), b"*2\r\n$4\r\nnews\r\n:1\r\n")
            client.send(frames.set_(b"k", b"v") + frames.command(b"PUBLISH", b"news", b"it is stored") + frames.get(b"k"))
            expect(client.read())
            expect(client.read(), b":1\r\n")
            expect(client.read(), b"v")
            assert subscriber.read() == b"*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$12\r\nit is stored\r\n"


def test_sets_in_a_row_tell_who_watches():
    """A run of SETs is one call of the store, unless somebody wants to be told of each: a WATCH must see them."""
    for server, address in each_way():
        with Binary(address) as client, server.connect() as watcher:
            client.send(b"".join(frames.set_(b"key:%d" % i, b"1") for i in range(40)))
            for _ in range(40):
                expect(client.read())
            for changed in (b"key:20", b"other"):
                assert watcher.call("WATCH", changed) == b"OK"
                client.send(b"".join(frames.set_(b"key:%d" % i, b"2") for i in range(40)))
                for _ in range(40):
                    expect(client.read())
                reply = watcher.pipeline([("MULTI",), ("PING",), ("EXEC",)])[2]
                assert (reply == b"*-1\r\n") == (changed == b"key:20"), (changed, reply)


def test_keyspace_events_tell_what_frames_change():
    """As of the commands that do the same; a frame that fails tells nothing."""
    for server, address in each_way():
        with Binary(address) as client, server.connect() as watcher:
            watcher.call("CONFIG", "SET", "notify-keyspace-events", "EA")
            assert watcher.call("PSUBSCRIBE", "__keyevent@*") == [b"psubscribe", b"__keyevent@*", 1]
            steps = [(frames.set_(b"a", b"1"), "set a"), (frames.set_(b"a", b"1", expire=1 << 50), "set a, expire a"),
                     (frames.set_(b"a", b"1", frames.IF_ABSENT), ""), (frames.number_key(frames.ADD, 5, b"n"), "incrby n"),
                     (frames.number_key(frames.ADD, 5, b"none", 1), ""),  # an unknown flag
                     (frames.number_key(frames.EXPIRE, 9999999, b"n", frames.EXPIRE_IN), "expire n"),
                     (frames.number_key(frames.EXPIRE, 0, b"n"), "persist n"), (frames.key_frame(frames.DELETE, b"n"), "del n"),
                     (frames.set_many([(b"b", b"1"), (b"c", b"2")]), "set b, set c"),
                     (frames.keys(frames.DELETE_MANY, [b"b", b"none"]), "del b"), (frames.command(b"APPEND", b"c", b"x"), "append c"),
                     (frames.get(b"c"), "")]
            steps += [(frames.set_(b"key:%d" % i, b"3"), "set key:%d" % i) for i in range(40)]
            client.send(b"".join(request for request, _ in steps))
            for _ in steps:
                assert client.read() is not None
            handle = number(client.ask(frames.key_frame(frames.HANDLE, b"c")))
            client.ask(frames.set_by_handle(handle, b"z"))
            client.ask(frames.set_(b"last", b"1"))
            told = [told for _, events in steps for told in events.split(", ") if told] + ["set c", "set last"]
            for event in told:
                name, key = event.split()
                message = parse(watcher.read())
                assert message[2:] == [b"__keyevent@0__:" + name.encode(), key.encode()], (event, message)


def test_a_run_that_fails_in_the_middle_goes_on_behind_it():
    """SETs in a row, one of them with reserved bits set: its own reply says so, the others are stored, in order; so by handle."""
    for _, address in each_way():
        with Binary(address) as client:
            good = [frames.set_(b"key:%d" % (i % 7), b"value %d" % i, tag=i) for i in range(40)]
            bad = bytearray(frames.set_(b"key:0", b"never", tag=99))
            bad[12] = 1  # the upper half of the key's size
            client.send(b"".join(good[:20]) + bytes(bad) + b"".join(good[20:]))
            statuses = [client.read().status for _ in range(41)]
            assert statuses == [frames.OK] * 20 + [frames.OPCODE] + [frames.OK] * 20, statuses
            for i in range(33, 40):
                expect(client.ask(frames.get(b"key:%d" % (i % 7))), b"value %d" % i)
            handles = [number(client.ask(frames.key_frame(frames.HANDLE, b"key:%d" % i))) for i in range(7)]
            expect(client.ask(frames.key_frame(frames.DELETE, b"key:3")))
            client.send(b"".join(frames.set_by_handle(handles[i % 7], b"by handle %d" % i) for i in range(40)))
            for i in range(40):
                expect(client.read(), None, frames.ESTALE if i % 7 == 3 else frames.OK)
            expect(client.ask(frames.get(b"key:4")), b"by handle 39")


def random_stream(chance, count):
    """Frames of all kinds on few keys, and which of their replies differ from run to run (handles and versions do)."""
    stream = []
    for tag in range(count):
        key = b"key:%d" % chance.randrange(12)
        value = chance.choice([b"%d" % chance.randrange(1000), b"v" * chance.randrange(40), b"w" * chance.randrange(3000)])
        stream.append(chance.choice([
            lambda: frames.get(key, tag=tag), lambda: frames.get(key, tag=tag), lambda: frames.set_(key, value, tag=tag),
            lambda: frames.set_(key, value, chance.choice([frames.IF_ABSENT, frames.IF_PRESENT]), tag=tag),
            lambda: frames.number_key(frames.ADD, chance.randrange(-9, 9), key, tag=tag),
            lambda: frames.key_frame(frames.DELETE, key, tag=tag), lambda: frames.key_frame(frames.EXISTS, key, tag=tag),
            lambda: frames.keys(frames.GET_MANY, [key, b"key:1", b"none"], tag=tag),
            lambda: frames.set_many([(key, value), (b"key:2", b"x")], tag=tag), lambda: frames.select(chance.randrange(2), tag=tag),
            lambda: frames.frame(frames.PING, value, tag=tag), lambda: frames.frame(0x77, value, tag=tag),
        ])())
    return stream


def test_a_stream_may_be_cut_anywhere():
    """The same stream in one piece, in random pieces, and byte by byte: the same replies in the same order."""
    chance = random.Random(7)
    stream = random_stream(chance, 400)
    whole = b"".join(stream)
    for _, address in each_way():
        answers = []
        for cut in (len(whole), 1000, 37, 1):
            with Binary(address) as client:
                client.ask(frames.command(b"FLUSHALL"))
                part = whole if cut > 1 else b"".join(stream[:60])
                at = 0
                while at < len(part):
                    size = cut if cut in (1, len(whole)) else chance.randrange(1, cut)
                    client.send(part[at:at + size])
                    at += size
                count = len(stream) if cut > 1 else 60
                answers.append([client.read() for _ in range(count)])
                assert [reply.tag for reply in answers[-1]] == list(range(count))
        assert all(answer == answers[0][:len(answer)] for answer in answers), "cut otherwise, it means something else"


def test_what_one_protocol_writes_the_other_reads():
    """Random writes by both, checked by both after each round, against a dictionary."""
    chance = random.Random(11)
    for server, address in each_way():
        model = {}
        with Binary(address) as client, server.connect() as resp:
            for _ in range(60):
                for _ in range(10):
                    key = b"key:%d" % chance.randrange(20)
                    value = chance.choice(VALUES)
                    how = chance.randrange(7)
                    if how == 0:
                        expect(client.ask(frames.set_(key, value)))
                        model[key] = value
                    elif how == 1:
                        assert resp.call("SET", key, value) == b"OK"
                        model[key] = value
                    elif how == 2:
                        status = client.ask(frames.key_frame(frames.DELETE, key)).status
                        assert status == (frames.OK if model.pop(key, None) is not None else frames.ENOTFOUND)
                    elif how == 3:
                        assert resp.call("DEL", key) == (model.pop(key, None) is not None)
                    elif how == 4 and key in model:
                        handle = resp.call("SDB.HANDLE", key)[0]
                        expect(client.ask(frames.set_by_handle(handle, value)))
                        model[key] = value
                    elif how == 5 and key in model:
                        handle = number(client.ask(frames.key_frame(frames.HANDLE, key)))
                        assert resp.call("SDB.SETH", handle, value) == b"OK"
                        model[key] = value
                    elif how == 6:
                        total = number(client.ask(frames.number_key(frames.ADD, 3, b"count")))
                        assert resp.call("INCRBY", "count", 4) == total + 4
                names = [b"key:%d" % i for i in range(20)]
                assert resp.call("MGET", *names) == [model.get(name) for name in names]
                found = frames.cells(client.ask(frames.keys(frames.GET_MANY, names)))
                assert [cell.value for cell in found] == [model.get(name) for name in names]
                client.send(b"".join(frames.get(name) for name in names))
                replies = [client.read() for _ in names]
                assert [reply.body if reply.status == 0 else None for reply in replies] == [model.get(name) for name in names]


def test_reads_in_a_pipeline_see_the_writes_before_them():
    for _, address in each_way(threads=2):
        with Binary(address) as client:
            client.send(b"".join(frames.set_(b"k", b"%d" % i) + frames.get(b"k") * 3 + frames.keys(frames.GET_MANY, [b"k"] * 2)
                                 for i in range(300)))
            for i in range(300):
                expect(client.read())
                for _ in range(3):
                    expect(client.read(), b"%d" % i)
                assert [cell.value for cell in frames.cells(client.read())] == [b"%d" % i] * 2


def malformed_streams():
    header = struct.Struct("<BBHI").pack
    return [header(frames.GET, 0, 9, 7), header(frames.GET, 0, 9, 0), header(frames.GET, 0, 9, 8 + 65537),
            header(frames.GET_BY_HANDLE, 0, 9, 24), header(frames.SET, 0, 9, 15), header(frames.SET, 0, 9, 2 ** 32 - 1),
            header(frames.PING, 0, 9, 65601), header(0x77, 0, 9, 2 ** 31), header(frames.SELECT, 0, 9, 8),
            header(frames.GET_MANY_BY_HANDLE, 0, 9, 8 + 8 * 65537), header(frames.GET_MANY, 0, 9, (16 << 20) + 1),
            frames.frame(frames.SET, struct.pack("<II", 100, 0) + b"short", tag=9),
            frames.frame(frames.GET_MANY, struct.pack("<IIII", 2, 0, 5, 5) + b"short", tag=9),
            frames.frame(frames.SET_MANY, struct.pack("<II", 65537, 0), tag=9),
            frames.frame(frames.SET_MANY_BY_HANDLE, struct.pack("<IIQII", 1, 0, 1, 3, 0) + b"ab", tag=9),
            frames.frame(frames.AUTH, struct.pack("<II", 9, 0) + b"short", tag=9),
            frames.frame(frames.GET_MANY_BY_HANDLE, b"short", tag=9), frames.hello(tag=9)]


def test_what_is_no_frame_is_told_and_closed():
    """Behind the replies to what came before it, and nothing behind it is run."""
    for server, address in each_way():
        for number_, wrong in enumerate(malformed_streams()):
            with Binary(address) as client:
                client.send(frames.set_(b"k", b"%d" % number_, tag=1) + frames.get(b"k", tag=2) + wrong +
                            frames.set_(b"k", b"wrong"))
                expect(client.read())
                expect(client.read(), b"%d" % number_)
                reply = client.read()
                assert reply.opcode == frames.ERROR and reply.status == frames.MALFORMED and reply.tag == 9 and reply.body, reply
                assert client.read() is None
            with Binary(address) as client:
                expect(client.ask(frames.get(b"k")), b"%d" % number_)
        assert server.alive()


def test_a_hello_comes_first():
    for _, address in each_way():
        for wrong in (frames.hello(magic=b"SUPERLDC"), frames.frame(frames.HELLO, bytes(23)), frames.frame(frames.HELLO, bytes(5000))):
            with Binary(address, greet=False) as client:
                reply = client.ask(wrong)
                assert reply.opcode == frames.ERROR and reply.status == frames.MALFORMED and client.read() is None
        with Binary(address, greet=False) as client:
            reply = client.ask(frames.hello(version=0))
            assert reply.opcode == frames.HELLO and reply.status == frames.VERSION and client.read() is None
        with Binary(address, greet=False) as client:  # of the future
            reply = client.ask(frames.frame(frames.HELLO, frames.MAGIC + struct.pack("<IIQ", 99, 0, 2 ** 64 - 1) + bytes(40), tag=5))
            magic, version, flags, features = struct.unpack_from("<8sIIQ", reply.body)
            assert (reply.status, reply.tag, magic, version, flags, features) == (0, 5, frames.MAGIC, 1, 0, 0), reply
            assert struct.unpack_from("<IIII", reply.body, 24) == (65536, 512 << 20, 65536, 16)
            assert len(reply.body) == 56
        with Binary(address, greet=False) as client:  # one byte, then the rest
            client.send(frames.hello()[:1])
            client.send(frames.hello()[1:])
            assert client.read().status == frames.OK
        with Binary(address, greet=False) as client:
            client.send(encode("PING"))
            assert client.take(7) == b"+PONG\r\n"


def test_a_password_comes_before_anything_else():
    for server in each_backend("--requirepass", "secret"):
        with Binary(tcp(server), greet=False) as client:
            reply = client.ask(frames.hello())
            assert struct.unpack_from("<I", reply.body, 12)[0] == 1
            for request in (frames.get(b"k"), frames.frame(frames.PING), frames.command(b"PING"), frames.set_(b"k", b"v"),
                            frames.get_many_by_handle([1])):
                expect(client.ask(request), None, frames.UNAUTHENTICATED)
            expect(client.ask(frames.auth(b"wrong")), None, frames.UNAUTHENTICATED)
            expect(client.ask(frames.auth(b"secret", b"nobody")), None, frames.UNAUTHENTICATED)
            # In one read: what follows the password is run with it, what is before it is not.
            client.send(frames.get(b"k") + frames.auth(b"secret", b"default") + frames.get(b"k"))
            expect(client.read(), None, frames.UNAUTHENTICATED)
            expect(client.read())
            expect(client.read(), status=frames.ENOTFOUND)
            client.send(frames.get(b"k") + frames.command(b"RESET") + frames.get(b"k") * 8)
            expect(client.read(), status=frames.ENOTFOUND)
            expect(client.read(), b"+RESET\r\n")
            for _ in range(8):
                expect(client.read(), None, frames.UNAUTHENTICATED)
        with Binary(tcp(server)) as client:
            client.send(frames.auth(b"x" * 20000))
            assert client.read().opcode == frames.ERROR and client.read() is None


def test_large_keys_and_values():
    for _, address in each_way(pool_size="512mb"):
        with Binary(address) as client:
            key, value = b"k" * 65536, os.urandom(1 << 20) * 12
            expect(client.ask(frames.set_(key, value)))
            reply = client.ask(frames.get(key))
            assert reply.status == 0 and reply.body == value
            cells = frames.cells(client.ask(frames.keys(frames.GET_MANY, [key, b"none", key])))
            assert cells[0].value == value and cells[1].result == frames.ENOTFOUND and cells[2].value == value
            expect(client.ask(frames.key_frame(frames.DELETE, key)))
    for server in each_backend("--proto-max-bulk-len", "1mb"):
        with Binary(tcp(server)) as client:
            expect(client.ask(frames.set_(b"k", b"v" * (1 << 20))))
            assert client.ask(frames.set_(b"k", b"v" * ((1 << 20) + 1))).opcode == frames.ERROR
            assert client.read() is None


def listed(server, client_id):
    with server.connect() as resp:
        for line in resp.call("CLIENT", "LIST").decode().splitlines():
            fields = dict(field.split("=", 1) for field in line.split())
            if int(fields["id"]) == client_id:
                return fields
    return None


def client_id_of(client):
    return struct.unpack_from("<Q", client.ask(frames.hello()).body, 40)[0]


def test_clients_are_listed_killed_paused_and_counted():
    for server in each_backend("--slowlog-log-slower-than", "0"):
        with Binary(tcp(server), greet=False) as client, server.connect() as resp:
            number_ = client_id_of(client)
            expect(client.ask(frames.select(5)))
            client.send(b"".join(frames.set_(b"k%d" % i, b"v") for i in range(10)) + frames.get(b"k1") * 10 + frames.get_by_handle(7))
            for _ in range(21):
                client.read()
            fields = listed(server, number_)
            assert fields["db"] == "5" and fields["resp"] == "0" and fields["flags"] == "B" and fields["cmd"] == "sdb.geth", fields
            stats = resp.call("INFO", "everything").decode()
            assert "cmdstat_set:calls=10," in stats and "cmdstat_get:calls=10," in stats, stats
            assert "errorstat_STALE:count=1" in stats and "total_binary_connections:1" in stats, stats
            log = resp.call("SLOWLOG", "GET", "100")
            words = [entry[3] for entry in log]
            assert [b"set", b"k9"] in words and [b"get", b"k1"] in words and [b"sdb.geth", b"7"] in words, words
            assert resp.call("CLIENT", "PAUSE", "10000", "WRITE") == b"OK"
            client.send(frames.get(b"k1", tag=1) + frames.set_(b"k1", b"w", tag=2) + frames.get(b"k1", tag=3))
            expect(client.read(), b"v")
            assert resp.call("GET", "none") is None
            assert resp.call("CLIENT", "UNPAUSE") == b"OK"
            expect(client.read())
            expect(client.read(), b"w")
            assert resp.call("CLIENT", "KILL", "ID", number_) == 1
            assert client.read() is None
            assert listed(server, number_) is None


def test_limits_are_those_of_resp():
    for server in each_backend("--client-output-buffer-limit", "normal 1mb 0 0", "--maxclients", "3"):
        with Binary(tcp(server)) as client:
            expect(client.ask(frames.set_(b"k", b"v" * (1 << 20))))
            client.send(frames.get(b"k"))
            client.take(8)
            client.close()
        with Binary(tcp(server)) as client:
            client.send(frames.keys(frames.GET_MANY, [b"k"] * 30))
            assert client.read() is None
        clients = [Binary(tcp(server)) for _ in range(3)]
        refused = Binary(tcp(server), greet=False)
        assert refused.take(1) == b"-"
        for client in clients + [refused]:
            client.close()


def test_idle_clients_are_closed():
    for server in each_backend("--timeout", "1"):
        with Binary(tcp(server)) as client:
            assert client.read() is None


def test_a_client_that_does_not_read_is_waited_for():
    """Replies of far more than the socket takes: the server stops reading, and goes on when the client reads."""
    for server in each_backend("--client-output-buffer-limit", "normal 0 0 0"):
        with Binary(tcp(server)) as client:
            value = os.urandom(1 << 20)
            expect(client.ask(frames.set_(b"k", value)))
            client.send(b"".join(frames.get(b"k", tag=tag) for tag in range(100)))
            for tag in range(100):
                reply = client.read()
                assert reply.tag == tag and reply.body == value


def test_both_protocols_at_once():
    """Every addition counts once, whoever asked for it; values that are read are whole."""
    for server in each_backend(threads=3):
        def add():
            with Binary(tcp(server)) as client:
                for _ in range(40):
                    client.send((frames.number_key(frames.ADD, 1, b"sum") + frames.get(b"big")) * 25)
                    for _ in range(25):
                        number(client.read())
                        reply = client.read()
                        assert reply.status == frames.ENOTFOUND or reply.body in (b"a" * 5000, b"b" * 5000)

        def increment():
            with server.connect() as resp:
                for i in range(40):
                    resp.send(encode("INCR", "sum") * 25 + encode("SET", "big", ("a" if i % 2 else "b") * 5000))
                    for _ in range(26):
                        resp.read()

        in_threads([add] * 3 + [increment] * 3)
        with server.connect() as resp:
            assert resp.call("GET", "sum") == b"6000"


def test_what_was_acknowledged_survives_a_kill():
    """In the midst of pipelines: what was answered is there, and what was not is as it was, or as it was to be."""
    chance = random.Random(3)
    for backend in ("uring", "epoll"):
        with Superdb(("--io-backend", backend)) as server:
            server.start()
            before = [None] * 5000
            for round_ in range(4):
                values = [b"%d:%d" % (round_, i) for i in range(len(before))]
                acknowledged = chance.randrange(1, 4000)
                with Binary(tcp(server)) as client:
                    client.send(b"".join(frames.set_(b"k%d" % i, value) for i, value in enumerate(values)))
                    for _ in range(acknowledged):
                        expect(client.read())
                    server.kill()
                server.start()
                with Binary(tcp(server)) as client:
                    found = [cell.value for cell in frames.cells(client.ask(frames.keys(
                        frames.GET_MANY, [b"k%d" % i for i in range(len(before))])))]
                assert found[:acknowledged] == values[:acknowledged], "what was acknowledged is gone"
                for i in range(acknowledged, len(before)):
                    assert found[i] in (before[i], values[i]), (i, found[i])
                before = found


if __name__ == "__main__":
    run_tests(globals())
