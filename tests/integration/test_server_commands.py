# SPDX-License-Identifier: BSD-3-Clause
"""
test_server_commands.py - replies whose values are the server's own, compared with redis-server by shape

SLOWLOG, LATENCY, COMMAND DOCS, INFO's statistics, DEBUG: the same fields, types and limits; the figures within reason.
"""
import re
import threading
import time

from harness import Error, Superdb, as_dict, both, run_tests


def each(servers, protocol, *commands):
    """What both servers reply to the last of the commands."""
    replies = []
    for server in servers:
        with server.connect(protocol) as connection:
            for words in commands:
                reply = connection.call(*words)
            replies.append(reply)
    return replies


def test_slowlog_keeps_what_redis_keeps():
    with both() as servers:
        for protocol in (2, 3):
            logs = []
            for server in servers:
                with server.connect(protocol) as connection:
                    connection.command("CLIENT", "SETNAME", "slow")
                    connection.command("CONFIG", "SET", "slowlog-max-len", "128")
                    connection.command("CONFIG", "SET", "slowlog-log-slower-than", "0")
                    connection.command("SLOWLOG", "RESET")
                    connection.command("MSET", *sum(([f"k{i}", "v"] for i in range(40)), []))
                    connection.command("SET", "long", "x" * 500)
                    connection.command("ECHO", "\x00binary")
                    connection.command("GET", "k1")
                    connection.command("CONFIG", "SET", "slowlog-log-slower-than", "10000")
                    log = connection.call("SLOWLOG", "GET", "-1")
                    assert len(log) == connection.call("SLOWLOG", "LEN"), server.name
                    for number, begun, duration, words, address, name in log:
                        assert isinstance(number, int) and abs(begun - time.time()) < 100 and 0 <= duration < 10**7
                        assert address.startswith(b"127.0.0.1:") and name == b"slow", (server.name, address, name)
                    assert [entry[0] for entry in log] == sorted((entry[0] for entry in log), reverse=True)
                    logs.append([entry[3] for entry in log])
                    assert len(connection.call("SLOWLOG", "GET", "2")) == 2
                    connection.command("SLOWLOG", "RESET")
                    assert connection.call("SLOWLOG", "LEN") == 0
            assert logs[0] == logs[1], f"superdb {logs[0]}\nredis   {logs[1]}"


def test_command_docs_have_redis_fields():
    """Of each command that both servers have: a summary, and Redis' since and group."""
    with both() as servers:
        ours, theirs = (as_dict(reply) for reply in each(servers, 3, ["COMMAND", "DOCS"]))
        missing = []
        for name, document in ours.items():
            if name.startswith(b"sdb."):
                continue
            assert name in theirs, f"Redis has no {name!r}"
            mine, judge = dict(document), dict(theirs[name])
            for field in (b"summary", b"since", b"group"):
                if field not in mine:
                    missing.append((name, field))
            for field in (b"since", b"group"):
                if mine.get(field) != judge[field]:
                    missing.append((name, field, mine.get(field), judge[field]))
        assert not missing, missing[:20]


def test_command_lists_agree_with_each_other():
    with Superdb() as server:
        server.start()
        with server.connect() as connection:
            everything = connection.call("COMMAND", "LIST")
            listed = [name for name in everything if b"|" not in name]
            rows = connection.call("COMMAND")
            assert len(listed) == len(rows) == connection.call("COMMAND", "COUNT")
            assert sorted(listed) == sorted(row[0] for row in rows)
            subcommands = sorted(sub[0] for row in rows for sub in row[9])
            assert sorted(name for name in everything if b"|" in name) == subcommands
            information = connection.call("COMMAND", "INFO", *listed)
            assert all(row is not None and row[0] == name for row, name in zip(information, listed))
            for row in rows:
                assert len(row) == 10, row[0]
            for category in (b"read", b"write", b"string", b"bitmap", b"keyspace"):
                names = connection.call("COMMAND", "LIST", "FILTERBY", "ACLCAT", category)
                wanted = sorted(row[0] for row in rows if b"@" + category in row[6])
                assert sorted(name for name in names if b"|" not in name) == wanted, category


def test_info_counts_what_happens():
    with both() as servers:
        for server in servers:
            with server.connect() as connection:
                connection.command("CONFIG", "RESETSTAT")
                connection.command("SET", "k", "v")
                for _ in range(5):
                    connection.command("GET", "k")
                for _ in range(3):
                    connection.command("GET", "nothing")
                connection.command("INCR", "k")
                connection.command("NOSUCH")
                connection.command("GET")
                text = connection.call("INFO", "everything").decode()
                fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
                looked_up = fields["keyspace_hits"], fields["keyspace_misses"]
                assert looked_up == ("5", "3"), (server.name, looked_up)
                assert int(fields["total_commands_processed"]) >= 10, server.name
                assert fields["cmdstat_get"].startswith("calls=8,usec="), (server.name, fields["cmdstat_get"])
                assert re.fullmatch(r"calls=8,usec=\d+,usec_per_call=[\d.]+,rejected_calls=1,failed_calls=0",
                                    fields["cmdstat_get"]), fields["cmdstat_get"]
                assert fields["cmdstat_incr"].endswith("failed_calls=1"), (server.name, fields["cmdstat_incr"])
                assert fields["errorstat_ERR"] == "count=3", (server.name, fields["errorstat_ERR"])
                assert int(fields["total_error_replies"]) == 3, server.name
                assert re.fullmatch(r"keys=1,expires=0,avg_ttl=0", fields["db0"]), (server.name, fields["db0"])
                assert "latency_percentiles_usec_get" in fields, server.name
                sections = re.findall(r"^# (\w+)", text, re.M)
                for section in ("Server", "Clients", "Memory", "Persistence", "Stats", "Replication", "CPU",
                                "Commandstats", "Errorstats", "Keyspace"):
                    assert section in sections, (server.name, section)
                one = connection.call("INFO", "keyspace").decode()
                assert one.startswith("# Keyspace\r\ndb0:") and one.count("#") == 1, (server.name, one)
                two = connection.call("INFO", "cpu", "clients").decode()
                assert re.findall(r"^# (\w+)", two, re.M) == ["Clients", "CPU"], (server.name, two)


def test_info_memory_tells_what_maxmemory_would_be_compared_with():
    with Superdb() as server:
        with server.start().connect() as connection:
            def compared():
                return int(re.search(rb"maxmemory_compared:(\d+)", connection.call("INFO", "memory")).group(1))
            empty = compared()
            connection.call("SET", "k", "x" * 1000000)
            assert compared() > empty + 900000, (empty, compared())


def test_there_is_no_replication():
    with Superdb() as server:
        with server.start().connect() as connection:
            for name in ("REPLICAOF", "SLAVEOF"):
                assert connection.command(name, "no", "ONE") == b"+OK\r\n"
                assert connection.command(name, "127.0.0.1", "6379").startswith(b"-ERR There is no replication")
                assert connection.command(name, "no", "two").startswith(b"-ERR There is no replication")


def test_latency_histograms_count_calls():
    with both() as servers:
        for protocol in (2, 3):
            for server in servers:
                with server.connect(protocol) as connection:
                    connection.command("CONFIG", "RESETSTAT")
                    for _ in range(10):
                        connection.command("SET", "k", "v")
                    connection.command("GET", "k")
                    reply = as_dict(connection.call("LATENCY", "HISTOGRAM", "set", "get", "append"))
                    assert set(reply) == {b"set", b"get"}, (server.name, reply)
                    one = as_dict(reply[b"set"])
                    assert one[b"calls"] == 10, (server.name, one)
                    buckets = as_dict(one[b"histogram_usec"])
                    assert list(buckets) == sorted(buckets) and max(buckets.values()) == 10, (server.name, buckets)


def test_latency_monitor_remembers_events():
    with both() as servers:
        for server in servers:
            with server.connect() as connection:
                connection.command("CONFIG", "SET", "latency-monitor-threshold", "5")
                connection.command("DEBUG", "SLEEP", "0.02")
                connection.command("CONFIG", "SET", "latency-monitor-threshold", "0")
                latest = connection.call("LATENCY", "LATEST")
                assert [entry[0] for entry in latest] == [b"command"], (server.name, latest)
                name, when, last, highest = latest[0]
                assert abs(when - time.time()) < 100 and 15 <= last <= highest < 10000, (server.name, latest)
                history = connection.call("LATENCY", "HISTORY", "command")
                assert len(history) == 1 and history[0][1] == last, (server.name, history)
                assert connection.call("LATENCY", "RESET", "command") == 1
                assert connection.call("LATENCY", "LATEST") == []


def test_object_idletime_and_memory_usage():
    with both() as servers:
        for server in servers:
            with server.connect() as connection:
                connection.command("SET", "small", "v")
                connection.command("SET", "large", "x" * 100000)
                assert connection.call("OBJECT", "IDLETIME", "small") in (0, 1), server.name
                small, large = connection.call("MEMORY", "USAGE", "small"), connection.call("MEMORY", "USAGE", "large")
                assert 16 <= small < 200 and 100000 <= large < 200000, (server.name, small, large)


def test_flushes_in_quick_succession():
    """Faster than the background can take away what they leave, and while others write."""
    with Superdb(threads=3) as server:
        server.start()

        def write(number):
            try:
                with server.connect() as connection:
                    connection.command("SELECT", "1")
                    while not done.is_set():
                        replies = connection.pipeline([("SET", f"{number}:{i}", "v" * (i % 50)) for i in range(200)] +
                                                      [("MOVE", f"{number}:7", "2")])
                        assert set(replies[:-1]) == {b"+OK\r\n"}, set(replies)
            except Exception as error:
                errors.append(error)

        done, errors = threading.Event(), []
        with server.connect() as connection, server.connect() as other:
            other.command("SELECT", "1")
            for begin in range(0, 30000, 10000):  # what is to be walked over to take away a flushed database
                other.command("MSET", *sum(([f"full:{i}", "v"] for i in range(begin, begin + 10000)), []))
            writers = [threading.Thread(target=write, args=(number,)) for number in range(3)]
            for writer in writers:
                writer.start()
            try:
                for _ in range(10):
                    replies = connection.pipeline([("SET", "k", "v"), ("FLUSHDB",), ("GET", "k"), ("DBSIZE",)] * 100)
                    assert replies == [b"+OK\r\n", b"+OK\r\n", b"$-1\r\n", b":0\r\n"] * 100, set(replies)
            finally:
                done.set()
                for writer in writers:
                    writer.join()
            assert not errors, errors
            assert other.command("EXISTS", *(f"full:{i}" for i in range(30000))) == b":30000\r\n"


def test_random_key_reaches_every_key():
    with Superdb() as server:
        server.start()
        with server.connect() as connection:
            keys = {b"key:%d" % i for i in range(20)}
            connection.pipeline([("SET", key, "v") for key in keys])
            seen = set()
            for _ in range(100):
                seen.update(reply.split(b"\r\n")[1] for reply in connection.pipeline([("RANDOMKEY",)] * 100))
                if seen == keys:
                    return
            raise AssertionError(f"never seen: {keys - seen}")


def test_scan_visits_what_stays_while_others_come_and_go():
    """The guarantee of SCAN: a key that is there all the time is visited, whatever happens around it."""
    with Superdb() as server:
        server.start()
        with server.connect() as connection, server.connect() as other:
            staying = {b"stays:%d" % i for i in range(3000)}
            connection.pipeline([("SET", key, "v") for key in staying])
            cursor, seen, turn = b"0", [], 0
            while True:
                cursor, keys = connection.call("SCAN", cursor, "COUNT", "50")
                seen += keys
                if cursor == b"0":
                    break
                # Bounded, as an iteration's end demands: twenty sets of keys, of which half are there at a time.
                other.pipeline([("SET", b"comes:%d:%d" % (turn % 20, i), "x" * (i % 40)) for i in range(200)])
                other.pipeline([("DEL", b"comes:%d:%d" % ((turn + 10) % 20, i)) for i in range(200)])
                turn += 1
                assert turn < 20000, "the iteration does not end"
            assert staying <= set(seen), f"{len(staying - set(seen))} keys were not visited"


def test_scan_of_few_keys_takes_few_calls():
    with Superdb() as server:
        server.start()
        with server.connect() as connection:
            connection.pipeline([("SET", f"other:{i}", "x") for i in range(3000)])
            connection.call("SELECT", "1")
            connection.call("MSET", "a", "1", "b", "2", "c", "3")
            cursor, keys, calls = b"0", [], 0
            while calls == 0 or cursor != b"0":
                cursor, found = connection.call("SCAN", cursor)
                keys += found
                calls += 1
            assert sorted(keys) == [b"a", b"b", b"c"], keys
            assert calls <= 32, f"{calls} calls for three keys"


def test_scan_takes_any_cursor():
    with Superdb() as server:
        server.start()
        with server.connect() as connection:
            connection.pipeline([("SET", f"k{i}", "v") for i in range(100)])
            for cursor in (1, 5, 99, 12345, 2**31, 2**32 + 7, 2**53, 2**63 - 1, 2**63, 2**64 - 1):
                steps = 0
                at = b"%d" % cursor
                while steps == 0 or at != b"0":
                    reply = connection.call("SCAN", at, "COUNT", "1000")
                    assert not isinstance(reply, Error), (cursor, reply)
                    at = reply[0]
                    steps += 1
                    assert steps < 10000, f"from cursor {cursor} on the iteration does not end"


def test_debug_sleep_and_expire_switch():
    with Superdb() as server:
        server.start()
        with server.connect() as connection:
            begun = time.monotonic()
            assert connection.command("DEBUG", "SLEEP", "0.05") == b"+OK\r\n"
            assert time.monotonic() - begun >= 0.05
            assert connection.command("DEBUG", "SET-ACTIVE-EXPIRE", "0") == b"+OK\r\n"
            connection.command("SET", "short", "v", "PX", "1")
            deadline = time.monotonic() + 20
            while connection.command("PTTL", "short") != b":-2\r\n":
                assert time.monotonic() < deadline
            assert connection.command("GET", "short") == b"$-1\r\n"
            assert connection.command("DEBUG", "SET-ACTIVE-EXPIRE", "1") == b"+OK\r\n"
            while connection.command("DBSIZE") != b":0\r\n":
                assert time.monotonic() < deadline, "the sweep does not take an expired key"


if __name__ == "__main__":
    run_tests(globals())
