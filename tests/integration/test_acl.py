# SPDX-License-Identifier: BSD-3-Clause
"""
test_acl.py - users, and what they may do, beside redis-server

What a user's commands are described by differs where the servers have different commands; what the user may do must not.
"""
import os
import random
import shutil
import tempfile

import frames
from harness import Closed, Error, Superdb, as_dict, both, parse, run_tests

HASH = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"  # of "x"


def comparable(line, reply):
    """Single commands are described in the order of a table, which is each server's own."""
    if line[:2] == ["ACL", "LIST"]:
        users = parse(reply)
        return users if isinstance(users, Error) else [sorted(user.split()) for user in users]
    if line[:2] == ["ACL", "GETUSER"] and reply[:1] in b"*%" and len(line) == 3 and parse(reply) is not None:
        return [sorted(word.split()) if isinstance(word, bytes) else word for pair in as_dict(parse(reply)).items() for word in pair]
    return reply


def converse(servers, lines, protocol=2):
    """The same lines to both; the replies must be the same."""
    connections = [server.connect(protocol) for server in servers]
    try:
        for line in lines:
            replies = [connection.command(*line) for connection in connections]
            assert comparable(line, replies[0]) == comparable(line, replies[1]), f"{line}\n  ours   {replies[0]!r}\n  theirs {replies[1]!r}"
    finally:
        for connection in connections:
            connection.close()


RULES = [
    [], ["on"], ["off"], ["on", "nopass"], [">x"], [">x", ">x"], ["<x"], [">x", "<x"], ["#" + HASH], ["!" + HASH], ["#abc"],
    ["#" + HASH.upper()], ["!abc"], ["nopass", ">x"], [">x", "resetpass"], [""], ["~a*", "~b"], ["%R~a", "%W~a"], ["%RW~q"], ["%wr~q"],
    ["%~a"], ["%R"], ["%"], ["%RR~a"], ["%X~a"], ["~"], ["~*", "~a"], ["allkeys"], ["resetkeys"], ["~a b"], ["&a*", "&b"], ["&*", "&a"],
    ["allchannels"], ["resetchannels"], ["&a\tb"], ["+@all"], ["-@all"], ["allcommands"], ["nocommands"], ["+get", "+set"], ["+GET"],
    ["+nosuch"], ["-nosuch"], ["+@nosuch"], ["+@"], ["+"], ["-"], ["+get|x"], ["+select|0", "+select|1"], ["-get|x"], ["+get|"],
    ["+client|list"], ["+client|nosuch"], ["+client|list|x"], ["+client", "-client|list"], ["+@all", "-client"], ["xx"], ["reset"],
    ["on", "reset"], ["sanitize-payload"], ["skip-sanitize-payload"], ["(+get ~a)"], ["(+get", "~a)"], ["(+get", "~a"], ["(", "+get", ")"],
    ["()"], ["(foo)"], ["(+get)", "(+set ~b)"], ["(+get)", "clearselectors"], ["(on)"], ["(%R~a +mget)", "resetkeys"], ["(+get))"],
    [")"], ["~a", "(", "~b"], ["on", "bad", "off"],
]


def test_rules_are_taken_and_refused_alike():
    with both() as servers:
        lines = []
        for number, rules in enumerate(RULES):
            name = f"u{number}"
            lines += [["ACL", "SETUSER", name, *rules], ["ACL", "GETUSER", name]]
        lines += [["ACL", "SETUSER", "u1", *rules] for rules in RULES] + [["ACL", "GETUSER", "u1"], ["ACL", "USERS"], ["ACL", "LIST"]]
        lines += [["ACL", "SETUSER", "a b"], ["ACL", "SETUSER", "a\0b"], ["ACL", "SETUSER", ""], ["ACL", "SETUSER"], ["ACL", "GETUSER"],
                  ["ACL", "GETUSER", "none"], ["ACL", "GETUSER", "a", "b"], ["ACL", "DELUSER"], ["ACL", "DELUSER", "u1", "u2", "none", "u2"],
                  ["ACL", "DELUSER", "u3", "default"], ["ACL", "GETUSER", "u3"], ["ACL", "WHOAMI"], ["ACL", "WHOAMI", "x"],
                  ["ACL", "GETUSER", "default"], ["ACL", "CAT", "nosuch"], ["ACL", "CAT", "a", "b"], ["ACL", "GENPASS", "0"],
                  ["ACL", "GENPASS", "4097"], ["ACL", "GENPASS", "x"], ["ACL", "GENPASS", "1", "2"], ["ACL", "LOG", "x"], ["ACL", "LOG", "RESET"],
                  ["ACL", "LOG"], ["ACL", "LOG", "-1"], ["ACL", "LOG", "1", "2"], ["ACL", "SAVE"], ["ACL", "LOAD"], ["ACL", "SAVE", "x"],
                  ["ACL", "NOSUCH"], ["ACL"], ["CONFIG", "GET", "aclfile"], ["CONFIG", "GET", "acllog-max-len"], ["CONFIG", "SET", "acl-pubsub-default", "allchannels"],
                  ["ACL", "SETUSER", "z1"], ["ACL", "GETUSER", "z1"], ["ACL", "SETUSER", "z1", "resetchannels", "reset"], ["ACL", "GETUSER", "z1"],
                  ["ACL", "SETUSER", "z2", "(+get)"], ["ACL", "GETUSER", "z2"], ["CONFIG", "SET", "acl-pubsub-default", "x"]]
        converse(servers, lines)
        converse(servers, lines[:40], 3)


def test_categories_and_their_commands():
    with both() as servers:
        ours, theirs = (server.connect() for server in servers)
        categories = ours.call("ACL", "CAT")
        assert sorted(categories) == sorted(theirs.call("ACL", "CAT"))
        all_ours = set(ours.call("COMMAND", "LIST"))
        all_theirs = set(theirs.call("COMMAND", "LIST"))
        for category in categories:
            mine = set(ours.call("ACL", "CAT", category))
            redis = set(theirs.call("ACL", "CAT", category))
            assert mine & all_theirs == redis & all_ours, category
        for bits, size in ((1, 1), (4, 1), (5, 2), (256, 64), (4096, 1024)):
            passwords = {ours.call("ACL", "GENPASS", bits) for _ in range(3)}
            assert {len(password) for password in passwords} == {size}
        assert len({ours.call("ACL", "GENPASS") for _ in range(50)}) == 50
        ours.close()
        theirs.close()


def told(connection, name):
    """What COMMAND INFO tells of a command, but for notes and subcommands; sets in order."""
    info = connection.call("COMMAND", "INFO", name)[0]
    specs = [{key: value for key, value in as_dict(spec).items() if key != b"notes"} for spec in info[8]]
    flags = [flag for flag in info[2] if flag != b"no_async_loading"]  # nothing is loaded
    return [info[1], sorted(flags), info[3:6], sorted(info[6]), sorted(info[7]), specs]


def test_commands_are_told_alike():
    with both() as servers:
        ours, theirs = (server.connect() for server in servers)
        for name in sorted(set(ours.call("COMMAND", "LIST")) & set(theirs.call("COMMAND", "LIST"))):
            if b"|" not in name:
                assert told(ours, name) == told(theirs, name), f"{name}\n{told(ours, name)}\n{told(theirs, name)}"
        ours.close()
        theirs.close()


def test_a_user_does_what_it_may_and_nothing_else():
    setup = [["ACL", "SETUSER", "al", "on", ">pw", "~k*", "%R~r*", "%W~w*", "+@read", "+set", "+copy", "+append", "+getset", "+mset", "+rename",
              "+bitop", "+bitfield", "+ping", "+select|1", "-strlen", "+client|getname"],
             ["ACL", "SETUSER", "bo", "on", "nopass", "(+get ~a*)", "(+set ~b*)", "(+mget ~a* ~c*)"], ["ACL", "SETUSER", "off", ">pw"]]
    asked = [["ACL", "WHOAMI"], ["PING"], ["GET", "k1"], ["GET", "x"], ["GET", "r1"], ["GET", "w1"], ["SET", "k1", "v"], ["SET", "w1", "v"],
             ["SET", "r1", "v"], ["SET", "w1", "v", "GET"], ["SET", "k1", "v", "GET"], ["APPEND", "w1", "v"], ["GETSET", "w1", "v"],
             ["COPY", "r1", "w1"], ["COPY", "w1", "r1"], ["MSET", "k1", "1", "w2", "2"], ["MSET", "k1", "1", "r2", "2"], ["RENAME", "k1", "k2"],
             ["RENAME", "r1", "w1"], ["BITOP", "AND", "w1", "r1", "k1"], ["BITOP", "AND", "r1", "w1"], ["BITFIELD", "r1", "GET", "u8", "0"],
             ["BITFIELD", "r1", "SET", "u8", "0", "1"], ["EXISTS", "w1"], ["EXISTS", "x"], ["TYPE", "w1"], ["STRLEN", "k1"], ["MGET", "k1", "r1"],
             ["MGET", "k1", "w1"], ["SELECT", "0"], ["SELECT", "1"], ["SELECT", "0"], ["CLIENT", "GETNAME"], ["CLIENT"], ["GET"],
             ["NOSUCH", "x"], ["DBSIZE"], ["FLUSHALL"], ["ACL", "LIST"], ["CONFIG", "GET", "x"],
             ["RESET"], ["ACL", "WHOAMI"], ["SET", "k", "v"]]
    with both() as servers:
        converse(servers, setup)
        for protocol in (2, 3):
            for login in (["AUTH", "al", "pw"], ["AUTH", "al", "wrong"], ["AUTH", "off", "pw"], ["AUTH", "bo", "anything"], ["AUTH", "nobody", ""],
                          ["AUTH", "al"], ["HELLO", "3", "AUTH", "bo", "x", "SETNAME", "n"], ["HELLO", "2", "AUTH", "al", "wrong"]):
                lines = asked + [["AUTH", "bo", ""], ["GET", "a1"], ["GET", "b1"], ["SET", "b1", "1"], ["SET", "a1", "1"], ["MGET", "a1", "c1"],
                                 ["MGET", "a1", "b1"], ["DEL", "a1"], ["AUTH", "default", ""], ["DEL", "a1"], ["AUTH", "x"]]
                converse(servers, [login if login[0] == "AUTH" else ["PING"], *lines], protocol)
                if login[0] == "HELLO":
                    for server in servers:
                        with server.connect(protocol) as connection:
                            connection.call(*login)
                            reply = connection.call("GET", "zz")
                            assert isinstance(reply, Error) == (login[3] == "bo"), (server.name, login, reply)


def test_patterns_of_sort_ask_for_all_keys():
    """BY and GET stand for keys that the request does not name: who uses them must be allowed to read every key by what allows SORT."""
    users = [["~*"], ["allkeys"], ["~k*"], ["%R~*"], ["%W~*", "%R~k*"], ["~k*", "%R~*"], ["~k*", "(~* +get)"], ["~k*", "(%R~* +sort_ro)"],
             ["%R~k*", "%W~d*"], ["~d*"], ["(~* +sort)", "-sort"]]
    asked = [["SORT", "k"], ["SORT", "k", "BY", "w_*"], ["SORT", "k", "BY", "nosort"], ["SORT", "k", "GET", "g_*"], ["SORT", "k", "GET", "#"],
             ["SORT", "k", "GET", "none"], ["SORT", "k", "BOGUS", "BY", "w_*"], ["SORT", "k", "BY", "w_*", "BOGUS"], ["SORT", "k", "STORE", "d"],
             ["SORT", "k", "BY", "w_*", "STORE", "d"], ["SORT", "d", "BY", "nosort", "STORE", "k2"], ["SORT_RO", "k"],
             ["SORT_RO", "k", "BY", "w_*"], ["SORT_RO", "k", "GET", "g_*"], ["SORT", "x"], ["SORT", "k", "STORE", "k3"]]
    with both() as servers:
        lines = [["SADD", "k", "3", "1", "2"], ["MSET", "w_1", "9", "w_2", "8"]]
        for number, rules in enumerate(users):
            lines += [["ACL", "SETUSER", f"u{number}", "on", "nopass", "+sort", "+sort_ro", *rules], ["AUTH", f"u{number}", ""], *asked,
                      ["AUTH", "default", ""], ["DEL", "d", "k2", "k3"]]
        converse(servers, lines)


def test_the_same_may_be_done_for_any_rules():
    """Seeded random rules; what they allow is asked of both servers."""
    with both() as servers:
        ours, theirs = (server.connect() for server in servers)
        common = sorted(set(ours.call("COMMAND", "LIST")) & set(theirs.call("COMMAND", "LIST")))
        tops = [name.decode() for name in common if b"|" not in name]
        subs = [name.decode() for name in common if b"|" in name]
        categories = [name.decode() for name in ours.call("ACL", "CAT")]
        patterns = ["a*", "b", "?c", "[de]*", "**"]
        seed = random.randrange(1 << 30)
        source = random.Random(seed)

        def rule():
            return source.choice([
                lambda: source.choice("+-") + "@" + source.choice(categories), lambda: source.choice("+-") + source.choice(tops),
                lambda: source.choice("+-") + source.choice(subs), lambda: "+" + source.choice(["get", "select", "set"]) + "|" + source.choice("ab"),
                lambda: source.choice(["~", "%R~", "%W~", "%RW~"]) + source.choice(patterns),
                lambda: source.choice(["+@all", "-@all", "resetkeys", "allkeys", "allcommands"]),
                lambda: f"({source.choice(['+', '-'])}@{source.choice(categories)} ~{source.choice(patterns)} +{source.choice(tops)})"])()

        requests = [["get", "a"], ["get", "b"], ["set", "ac", "1"], ["set", "b", "1", "GET"], ["mget", "a", "b", "c"], ["del", "d"], ["copy", "a", "b"],
                    ["select", "a"], ["client", "list"], ["client", "id"], ["config", "get", "x"], ["flushall"], ["exists", "zz"], ["ping"],
                    ["append", "a1", "x"], ["setrange", "e", "0", "x"], ["object", "encoding", "ec"], ["acl", "whoami"], ["scan", "0"], ["auth", "x"]]
        for connection in (ours, theirs): # rules that are refused leave the user as it was
            assert connection.call("ACL", "SETUSER", "u") == b"OK"
        for number in range(60):
            rules = [rule() for _ in range(source.randint(1, 8))]
            line = ["ACL", "SETUSER", "u", "reset", *rules]
            replies = [connection.command(*line) for connection in (ours, theirs)]
            assert replies[0] == replies[1], (seed, number, line, replies)
            for request in requests:
                replies = [connection.command("ACL", "DRYRUN", "u", *request) for connection in (ours, theirs)]
                assert replies[0] == replies[1], (seed, number, rules, request, replies)
            for request in ([name] for name in tops):
                replies = [connection.call("ACL", "DRYRUN", "u", *request, "zz", "zz", "zz") for connection in (ours, theirs)]
                assert isinstance(replies[0], Error) == isinstance(replies[1], Error), (seed, rules, request, replies)
                if not isinstance(replies[0], Error):
                    assert (replies[0] == b"OK") == (replies[1] == b"OK"), (seed, rules, request, replies)
            user = as_dict(ours.call("ACL", "GETUSER", "u"))
            again = ["ACL", "SETUSER", "v", "reset", *user[b"commands"].split(), *user[b"keys"].split()]
            for selector in user[b"selectors"]:
                selector = as_dict(selector)
                again += [b"(" + b" ".join([selector[b"commands"], selector[b"keys"]]) + b")"]
            assert ours.call(*again) == b"OK", again
            assert as_dict(ours.call("ACL", "GETUSER", "v"))[b"commands"] == user[b"commands"], (seed, rules)
        ours.close()
        theirs.close()


def test_refusals_are_logged():
    def log_of(server):
        with server.connect() as admin:
            admin.call("ACL", "SETUSER", "al", "on", ">pw", "~k", "+get", "+ping")
            admin.call("ACL", "LOG", "RESET")
            with server.connect() as connection:
                for line in (["AUTH", "al", "wrong"], ["AUTH", "nobody", "x"], ["AUTH", "al", "pw"], ["GET", "x"], ["GET", "x"], ["GET", "y"],
                             ["SET", "k", "v"], ["SET", "k", "v"], ["CLIENT", "LIST"], ["GET", "k"], ["HELLO", "2", "AUTH", "al", "no"]):
                    connection.call(*line)
                entries = [as_dict(entry) for entry in admin.call("ACL", "LOG")]
                for entry in entries:
                    assert 0 <= float(entry[b"age-seconds"]) < 100, entry
                    assert b"user=" in entry[b"client-info"] and b"cmd=" in entry[b"client-info"], entry
                found = [tuple(entry[name] for name in (b"count", b"reason", b"context", b"object", b"username")) for entry in entries]
                assert len(admin.call("ACL", "LOG", "2")) == 2
                admin.call("CONFIG", "SET", "acllog-max-len", "1")
                connection.call("GET", "z")
                assert len(admin.call("ACL", "LOG")) == 1, server.name
                return found

    with both() as servers:
        ours, theirs = (log_of(server) for server in servers)
        assert ours == theirs, f"\n{ours}\n{theirs}"


def test_a_change_counts_for_those_who_are_there():
    with Superdb(threads=2).start() as server:
        clients = [server.connect() for _ in range(4)]
        with server.connect() as admin:
            assert admin.call("ACL", "SETUSER", "al", "on", ">pw", "~*", "+get", "+acl|whoami") == b"OK"
            for client in clients:
                assert client.call("AUTH", "al", "pw") == b"OK"
                assert client.call("GET", "k") is None
            assert admin.call("ACL", "SETUSER", "al", "-get", "+exists") == b"OK"
            for client in clients:
                assert client.call("GET", "k") == b"NOPERM this user has no permissions to run the 'get' command"
                assert client.call("EXISTS", "k") == 0
            # In one pipeline, too: what stands behind the change is refused.
            clients[0].call("AUTH", "default", "")
            assert admin.call("ACL", "SETUSER", "default", "nopass") == b"OK"
            clients[0].call("ACL", "SETUSER", "bo", "on", "nopass", "+@all", "~*")
            clients[0].call("AUTH", "bo", "")
            replies = clients[0].pipeline([["GET", "k"], ["ACL", "SETUSER", "bo", "-get"], ["GET", "k"]])
            assert replies[0].startswith(b"$-1") and replies[1] == b"+OK\r\n" and replies[2].startswith(b"-NOPERM"), replies
            assert admin.call("CLIENT", "KILL", "USER", "nobody").startswith(b"ERR No such user")
            assert admin.call("ACL", "DELUSER", "al") == 1
            for client in clients[1:]:
                try:
                    reply = client.call("ACL", "WHOAMI")
                except (Closed, OSError):
                    continue
                raise AssertionError(f"a client of a deleted user is still served: {reply!r}")
            assert admin.call("CLIENT", "KILL", "USER", "bo") == 1
        for client in clients:
            client.close()


def test_what_was_queued_is_asked_for_again():
    """A queued command that its user may not run any more is an error inside EXEC's reply; the others run."""
    with both() as servers:
        replies = []
        for server in servers:
            with server.connect() as admin, server.connect() as client:
                assert admin.call("ACL", "SETUSER", "al", "on", ">pw", "~k*", "~l*", "&*", "+@all") == b"OK"
                client.call("AUTH", "al", "pw")
                found = [client.pipeline([["MULTI"], ["SET", "k1", "1"], ["SET", "l1", "1"], ["GET", "k1"], ["PUBLISH", "ch", "x"], ["PING"]])]
                admin.call("ACL", "LOG", "RESET")
                assert admin.call("ACL", "SETUSER", "al", "resetkeys", "~k*", "-get", "resetchannels") == b"OK"
                found += [client.command("EXEC"), client.command("SET", "k2", "1"), admin.call("MGET", "k1", "l1")]
                found += [client.pipeline([["MULTI"], ["GET", "k1"], ["PING"], ["EXEC"]])]
                found += [[as_dict(entry)[name] for name in (b"count", b"reason", b"context", b"object", b"username")]
                          for entry in admin.call("ACL", "LOG")]
                replies.append(found)
        assert replies[0] == replies[1], f"\n{replies[0]}\n{replies[1]}"


def test_who_may_not_listen_any_more_is_let_go():
    def listens(connection):
        try:
            connection.send(b"PING\r\n")
            return connection.read() != b""
        except (Closed, OSError):
            return False

    kinds = {"SUBSCRIBE": "ab", "PSUBSCRIBE": "a*", "SSUBSCRIBE": "ab"}
    with both([], []) as servers:
        for server in servers:
            with server.connect() as admin:
                for kind, name in kinds.items():
                    for rules, stays in ((["resetchannels", "&a*"], True), (["+get"], True), (["resetchannels", "(&a* +get)"], True),
                                         (["allchannels"], True), (["resetchannels", "&b*"], False), (["resetchannels"], False)):
                        admin.call("ACL", "SETUSER", "al", "reset", "on", "nopass", "+@all", "&a*")
                        with server.connect() as client:
                            client.call("AUTH", "al", "")
                            client.command(kind, name)
                            assert admin.call("ACL", "SETUSER", "al", *rules) == b"OK"
                            assert listens(client) == stays, (server.name, kind, rules)


def test_channels_are_asked_for():
    lines = [["ACL", "SETUSER", "al", "on", "nopass", "resetchannels", "&a*", "+@pubsub", "+ping", "+@transaction"], ["AUTH", "al", ""]]
    lines += [[command, *names] for command in ("SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE")
              for names in (["b"], ["a", "b"], ["b", "a"], ["a?"], ["*"])]
    lines += [["PUBLISH", "b", "x"], ["PUBLISH", "a", "x"], ["SPUBLISH", "b", "x"], ["SPUBLISH", "a", "x"], ["PUBSUB", "CHANNELS"],
              ["MULTI"], ["PUBLISH", "b", "x"], ["EXEC"]]
    with both() as servers:
        converse(servers, [line for line in lines if line[1:] != ["a?"] or line[0] == "PSUBSCRIBE"])


def test_frames_are_asked_for():
    """The binary protocol's requests, as the commands that they stand for."""
    rules = ["on", ">pw", "~a*", "%R~r*", "+get", "+set", "+mget", "+mset", "+del", "+incrby", "+sdb.handle", "+sdb.geth", "+sdb.seth", "+ping"]
    with Superdb(threads=2).start() as server, server.connect() as admin:
        assert admin.call("ACL", "SETUSER", "al", *rules) == b"OK"
        assert admin.call("ACL", "SETUSER", "bo", "on", "nopass", "%R~*", "+sdb.geth", "+sdb.seth", "+mget") == b"OK"
        admin.call("MSET", "a", "1", "r", "2", "b", "3")
        handle = int(admin.call("SDB.HANDLE", "a")[0])
        with frames.Binary(("127.0.0.1", server.port)) as client:
            asked = [(frames.get(b"a"), frames.OK), (frames.get(b"r"), frames.OK), (frames.get(b"b"), frames.PERMISSION),
                     (frames.set_(b"a", b"4"), frames.OK), (frames.set_(b"r", b"4"), frames.PERMISSION),
                     (frames.keys(frames.GET_MANY, [b"a", b"r"]), frames.OK), (frames.keys(frames.GET_MANY, [b"a", b"b"]), frames.PERMISSION),
                     (frames.set_many([(b"a", b"5"), (b"a2", b"b")]), frames.OK), (frames.set_many([(b"a", b"5"), (b"r", b"5")]), frames.PERMISSION),
                     (frames.keys(frames.DELETE_MANY, [b"a2", b"r"]), frames.PERMISSION), (frames.keys(frames.DELETE_MANY, [b"a2"]), frames.OK),
                     (frames.key_frame(frames.EXISTS, b"a"), frames.PERMISSION), (frames.number_key(frames.ADD, 1, b"a"), frames.OK),
                     (frames.number_key(frames.ADD, 1, b"r"), frames.PERMISSION), (frames.number_key(frames.EXPIRE, 0, b"a"), frames.PERMISSION),
                     (frames.key_frame(frames.HANDLE, b"a"), frames.OK), (frames.keys(frames.HANDLE_MANY, [b"a", b"b"]), frames.PERMISSION),
                     (frames.get_by_handle(handle), frames.PERMISSION), (frames.set_by_handle(handle, b"x"), frames.PERMISSION),
                     (frames.get_many_by_handle([handle]), frames.PERMISSION), (frames.set_many_by_handle([(handle, b"x")]), frames.PERMISSION),
                     (frames.select(1), frames.PERMISSION), (frames.frame(frames.PING), frames.OK),
                     (frames.command(b"GET", b"a"), frames.OK), (frames.command(b"GET", b"b"), frames.OK)]
            for request, _ in asked:  # as the user default
                assert client.ask(request).status == frames.OK, request
            client.ask(frames.select(0))
            admin.call("MSET", "a", "1", "r", "2", "b", "3")
            handle_now = int(admin.call("SDB.HANDLE", "a")[0])
            assert client.ask(frames.auth(b"wrong", b"al")).status == frames.UNAUTHENTICATED
            assert client.ask(frames.auth(b"pw", b"al")).status == frames.OK
            for number, (request, status) in enumerate(asked):
                reply = client.ask(request)
                assert reply.status == status, (number, request, status, reply)
            assert b"NOPERM" in client.ask(frames.command(b"GET", b"b")).body
            client.send(b"".join(request for request, _ in asked))  # all in one read
            for number, (request, status) in enumerate(asked):
                assert client.read().status == status, (number, request, status)
            assert {as_dict(entry)[b"reason"] for entry in admin.call("ACL", "LOG")} == {b"auth", b"key", b"command"}
            assert client.ask(frames.auth(b"", b"bo")).status == frames.OK
            assert client.ask(frames.get_by_handle(handle_now)).status == frames.OK
            assert client.ask(frames.set_by_handle(handle_now, b"x")).status == frames.PERMISSION
            assert admin.call("GET", "b") == b"3"


def test_users_stand_in_a_file():
    directory = tempfile.mkdtemp(prefix="superdb-test-")
    path = os.path.join(directory, "users.acl")
    bad = ["foo\n", "user\n", "user b c\n", "user d +nosuch\n", "user e (+get ~x\n", "user al on\nuser al off\n", "# c\n\nfoo\nuser x >\n"]
    first = f"user default on nopass ~* &* +@all\nuser al on #{HASH} ~a* resetchannels -@all +get\n"

    def write(text):
        with open(path, "w", encoding="ascii") as file:
            file.write(text)

    try:
        write(first)
        arguments = ["--aclfile", path]
        with both(arguments, arguments) as servers:
            for text in bad:
                write(text)
                converse(servers, [["ACL", "LOAD"], ["ACL", "LIST"], ["AUTH", "al", "x"], ["GET", "b"], ["GET", "a"]])
            os.unlink(path)
            converse(servers, [["ACL", "LOAD"], ["ACL", "LIST"]])
            write("user bo on nopass +get\n\n   \n")
            converse(servers, [["ACL", "LOAD"], ["ACL", "LIST"], ["ACL", "SETUSER", "q", "on", ">y", "(+get ~x)"], ["ACL", "SAVE"]])
            with servers[0].connect() as connection:
                connection.call("ACL", "SAVE")
                with open(path, encoding="ascii") as file:
                    assert file.read() == "".join(line.decode() + "\n" for line in connection.call("ACL", "LIST"))
                assert os.listdir(directory) == ["users.acl"]
                assert connection.call("ACL", "LOAD") == b"OK"
    finally:
        shutil.rmtree(directory)


class Configured(Superdb):
    """With a configuration file, which stands in front of the options."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def command_line(self):
        line = super().command_line()
        return [line[0], self.path, *line[1:]]


def test_users_stand_in_the_configuration():
    directory = tempfile.mkdtemp(prefix="superdb-test-")
    path = os.path.join(directory, "shop.conf")
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write("# the shop's users\nuser al on >x (+get ~a*)\nmaxclients 77\nuser bo off\n")
        with Configured(path).start() as server, server.connect() as connection:
            before = connection.call("ACL", "LIST")
            assert before[0] == f"user al on sanitize-payload #{HASH} resetchannels -@all (~a* resetchannels -@all +get)".encode(), before
            assert connection.call("ACL", "SETUSER", "bo", "on", "+@all", "-@dangerous", "~*", ">y") == b"OK"
            assert connection.call("CONFIG", "REWRITE") == b"OK"
            expected = connection.call("ACL", "LIST")
        with open(path, encoding="ascii") as file:
            text = file.read()
        assert text.count("user al ") == 1 and text.startswith("# the shop's users\nuser al ") and "\nmaxclients 77\n" in text, text
        with Configured(path).start() as server, server.connect() as connection:
            assert connection.call("ACL", "LIST") == expected
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    run_tests(globals())
