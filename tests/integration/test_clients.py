# SPDX-License-Identifier: BSD-3-Clause
# ctest-timeout: 600
"""
test_clients.py - stock clients, as Debian ships them: python3-redis, redis-cli, redis-benchmark

The data set is UnicodeData.txt of the unicode-data package: real keys, real values, some 35,000 lines of them.
"""
import os
import re
import subprocess
import threading
import time

import redis

from harness import DEADLINE, Superdb, encode, run_tests

UNICODE_DATA = "/usr/share/unicode/UnicodeData.txt"
# What dashboards and exporters read from INFO, section by section.
INFO_FIELDS = {
    "server": "redis_version redis_mode os arch_bits process_id run_id tcp_port uptime_in_seconds uptime_in_days hz",
    "clients": "connected_clients maxclients blocked_clients",
    "memory": "used_memory used_memory_human used_memory_rss used_memory_peak maxmemory maxmemory_policy "
              "mem_fragmentation_ratio",
    "persistence": "loading",
    "stats": "total_connections_received total_commands_processed instantaneous_ops_per_sec total_net_input_bytes "
             "total_net_output_bytes rejected_connections expired_keys evicted_keys keyspace_hits keyspace_misses",
    "replication": "role connected_slaves",
    "cpu": "used_cpu_sys used_cpu_user",
}


def client(server, **options):
    return redis.Redis("127.0.0.1", server.port, socket_timeout=DEADLINE, **options)


def cli(server, *arguments, data=None):
    return subprocess.run(["redis-cli", "-p", str(server.port), *arguments], input=data, capture_output=True,
                          timeout=120, check=False)


def started(*arguments, **options):
    return Superdb(arguments, **options).start()


def test_python_strings_numbers_and_bits():
    with started() as server:
        r = client(server)
        assert r.set("k", "v") is True and r.get("k") == b"v"
        assert r.set("k", "w", nx=True) is None and r.set("k", "w", xx=True, get=True) == b"v"
        assert r.set("absent", "w", xx=True) is None
        assert r.setnx("k", "x") is False and r.setnx("n", "x") is True
        assert r.getset("k", "y") == b"w" and r.getdel("k") == b"y" and r.get("k") is None
        assert r.mset({"a": 1, "b": 2}) is True and r.mget("a", "b", "c") == [b"1", b"2", None]
        assert r.msetnx({"b": 3, "d": 4}) is False and r.msetnx({"d": 4, "e": 5}) is True
        assert r.incr("a") == 2 and r.incrby("a", 10) == 12 and r.decr("a", 2) == 10 and r.incrbyfloat("a", 0.5) == 10.5
        assert r.append("s", "Hello ") == 6 and r.append("s", "World") == 11 and r.strlen("s") == 11
        assert r.getrange("s", 0, 4) == b"Hello" and r.setrange("s", 6, "There") == 11
        assert r.substr("s", 6, 10) == b"There"
        assert r.setbit("bits", 7, 1) == 0 and r.getbit("bits", 7) == 1 and r.bitcount("bits") == 1
        assert r.bitpos("bits", 1) == 7
        assert r.bitop("NOT", "flipped", "bits") == 1 and r.get("flipped") == b"\xfe"
        assert r.bitfield("bf").set("u8", 0, 255).incrby("u8", 0, 10).get("u8", 0).execute() == [0, 9, 9]
        assert r.lcs("s", "s") == b"Hello There"
        try:
            r.incr("s")
            raise AssertionError("INCR of text")
        except redis.ResponseError as error:
            assert str(error) == "value is not an integer or out of range", error


def test_python_keys_and_expiry():
    with started() as server:
        r = client(server, decode_responses=True)
        r.mset({f"key:{i}": i for i in range(500)})
        assert r.dbsize() == 500 and sorted(r.keys("key:49*")) == ["key:49"] + [f"key:49{i}" for i in range(10)]
        assert set(r.scan_iter(count=7)) == {f"key:{i}" for i in range(500)}
        assert set(r.scan_iter(match="key:1?", count=100, _type="STRING")) == {f"key:1{i}" for i in range(10)}
        assert r.exists("key:1", "key:2", "nothing") == 2 and r.delete("key:1", "nothing") == 1
        assert r.unlink("key:2") == 1
        assert r.touch("key:3", "nothing") == 1 and r.type("key:3") == "string" and r.type("nothing") == "none"
        assert r.expire("key:3", 100) is True and 98 <= r.ttl("key:3") <= 100 and 98000 <= r.pttl("key:3") <= 100000
        assert r.expire("key:3", 10, gt=True) is False and r.persist("key:3") is True and r.ttl("key:3") == -1
        assert r.expireat("key:3", 4000000000) is True and r.expiretime("key:3") == 4000000000
        assert r.pexpiretime("key:3") == 4000000000000
        assert r.rename("key:3", "renamed") is True and r.renamenx("renamed", "key:4") is False
        assert r.copy("renamed", "copied") is True and r.get("copied") == "3" and r.randomkey() is not None
        assert r.move("copied", 1) is True and r.swapdb(0, 1) is True and r.keys("*") == ["copied"]
        assert r.object("encoding", "copied") == "int" and r.object("refcount", "copied") is not None
        assert r.memory_usage("copied") > 0 and r.flushdb() is True and r.dbsize() == 0 and r.flushall() is True


def test_python_pipelines_and_threads():
    """Eight threads with pipelines on counters of their own and one in common: no increment is lost or doubled."""
    with started() as server:
        errors = []

        def work(number):
            try:
                r = client(server)
                for _ in range(20):
                    pipe = r.pipeline(transaction=False)
                    for _ in range(50):
                        pipe.incr("common").incr(f"own:{number}").set(f"last:{number}", number)
                    replies = pipe.execute()
                    assert len(replies) == 150 and replies[0] < replies[3]
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors, errors
        r = client(server)
        assert r.get("common") == b"8000" and r.mget(f"own:{i}" for i in range(8)) == [b"1000"] * 8


def test_python_server_commands():
    with started() as server:
        r = client(server, decode_responses=True, client_name="tester")
        r.set("k", "v", ex=1000)
        r.get("k"), r.get("nothing")
        assert r.ping() and r.echo("x") == "x" and r.client_getname() == "tester" and r.client_id() > 0
        assert any(entry["name"] == "tester" for entry in r.client_list())
        assert r.config_get("maxclients")["maxclients"].isdigit() and r.config_set("timeout", 100)
        assert r.config_get("timeout") == {"timeout": "100"}
        assert abs(r.time()[0] - time.time()) < 5 and r.lastsave() is not None
        assert "get" in r.command() and r.command_count() == len(r.command())
        assert r.command_getkeys("MSET", "a", "1", "b", "2") == ["a", "b"]
        assert r.slowlog_reset() and r.slowlog_len() >= 0 and isinstance(r.slowlog_get(), list)
        for section, fields in INFO_FIELDS.items():
            info = r.info(section)
            missing = [field for field in fields.split() if field not in info]
            assert not missing, f"INFO {section} lacks {missing}"
        everything = r.info("all")
        assert everything["tcp_port"] == server.port and everything["process_id"] == server.process.pid
        assert everything["db0"]["keys"] == 1 and everything["db0"]["expires"] == 1
        assert everything["keyspace_hits"] >= 1 and everything["keyspace_misses"] >= 1
        text = client(server).execute_command("INFO", "everything")
        names = " ".join(text).lower() if isinstance(text, dict) else text.decode().lower()
        for word in ("pool", "durability", "fences", "cache"):
            assert word in names, f"INFO says nothing of {word}"


def test_python_handles():
    with started() as server:
        r = client(server)
        r.mset({"a": 1, "b": "two", "c": "x" * 100})
        handles = r.execute_command("SDB.HANDLE", "a", "b", "c", "nothing")
        assert handles[3] is None and len(set(handles[:3])) == 3, handles
        assert r.execute_command("SDB.GETH", *handles[:3]) == [b"1", b"two", b"x" * 100]
        r.execute_command("SDB.SETH", handles[0], "one", handles[2], 3)
        assert r.mget("a", "c") == [b"one", b"3"]
        r.delete("b")
        r.set("b", "again")
        for stale in (handles[1], 0, 12345678901234567, -1, "abc"):
            try:
                reply = r.execute_command("SDB.GETH", stale)
                assert isinstance(reply[0], redis.ResponseError), f"handle {stale} was answered with {reply}"
            except redis.ResponseError:
                pass
            try:
                reply = r.execute_command("SDB.SETH", stale, "wrong")
                raise AssertionError(f"a write to the handle {stale} was answered with {reply}")
            except redis.ResponseError:
                pass
        assert r.mget("a", "b", "c") == [b"one", b"again", b"3"]


def test_keys_expire_by_themselves():
    """Gone for every reader at its time; counted out of DBSIZE without anybody looking at it."""
    with started() as server:
        r = client(server)
        r.set("short", "v", px=60)
        r.mset({f"k{i}": i for i in range(100)})
        for i in range(100):
            r.pexpire(f"k{i}", 80)
        deadline = time.monotonic() + DEADLINE
        while r.get("short") is not None:
            assert time.monotonic() < deadline, "the key does not expire"
        assert r.ttl("short") == -2 and r.exists("short") == 0
        while r.dbsize():
            assert time.monotonic() < deadline, f"{r.dbsize()} expired keys are still counted"
        assert r.info("stats")["expired_keys"] >= 101


def test_cli_plain_and_resp3():
    with started() as server:
        assert cli(server, "SET", "k", "some value").stdout == b"OK\n"
        assert cli(server, "GET", "k").stdout == b"some value\n"
        assert cli(server, "--no-raw", "GET", "k").stdout == b'"some value"\n'
        assert cli(server, "--no-raw", "GET", "nothing").stdout == b"(nil)\n"
        assert cli(server, "-3", "--no-raw", "MGET", "k", "nothing").stdout == b'1) "some value"\n2) (nil)\n'
        assert b"1# \"maxclients\" => \"" in cli(server, "-3", "--no-raw", "CONFIG", "GET", "maxclients").stdout
        assert cli(server, "-n", "3", "DBSIZE").stdout == b"0\n"
        assert cli(server, "-x", "SET", "binary", data=b"\x00\xff\r\n").stdout == b"OK\n"
        assert cli(server, "STRLEN", "binary").stdout == b"4\n"
        assert b"ERR wrong number of arguments for 'get' command" in cli(server, "GET").stdout
        assert cli(server, data=b'SET "quoted key" "a\\x00b"\nGET "quoted key"\n').stdout == b"OK\na\x00b\n"
        assert sorted(cli(server, "--scan").stdout.splitlines()) == [b"binary", b"k", b"quoted key"]
        assert b"# Server" in cli(server, "INFO").stdout
        assert cli(server, "-u", f"redis://127.0.0.1:{server.port}/0", "PING").stdout == b"PONG\n"
        bigkeys = cli(server, "--bigkeys").stdout
        assert b"3 strings with" in bigkeys, bigkeys[-600:]


def test_cli_bulk_loading_of_unicode_data():
    """redis-cli --pipe loads every line of UnicodeData.txt; every value is read back, also after a restart."""
    with open(UNICODE_DATA, "rb") as lines:
        rows = [line.rstrip(b"\n").split(b";", 1) for line in lines]
    assert len(rows) > 30000
    names = {}
    for code, rest in rows:
        names.setdefault(rest.split(b";")[0], []).append(code)
    commands = [("SET", b"char:" + code, rest) for code, rest in rows]
    commands += [("SET", b"name:" + name, b" ".join(codes)) for name, codes in names.items()]
    commands += [("APPEND", b"category:" + rest.split(b";")[1], code + b" ") for code, rest in rows]
    commands += [("SETBIT", "assigned", str(int(code, 16)), "1") for code, _ in rows]
    expected = {}
    for command, key, *words in commands:
        key = key if isinstance(key, bytes) else key.encode()
        if command == "SET":
            expected[key] = words[0]
        elif command == "APPEND":
            expected[key] = expected.get(key, b"") + words[0]
    with started() as server:
        result = cli(server, "--pipe", data=b"".join(encode(*command) for command in commands))
        assert result.returncode == 0 and b"errors: 0, replies: %d" % len(commands) in result.stdout, result.stdout
        for opened in range(2):
            r = client(server)
            keys = list(expected)
            for begin in range(0, len(keys), 1000):
                part = keys[begin:begin + 1000]
                wrong = [key for key, value in zip(part, r.mget(part)) if value != expected[key]]
                assert not wrong, (opened, wrong[:5])
            assert r.dbsize() == len(expected) + 1 and r.bitcount("assigned") == len(rows)
            if opened == 0:
                assert server.terminate() == 0, server.log()
                server.start()


def benchmark(server, *arguments):
    result = subprocess.run(["redis-benchmark", "-p", str(server.port), "--csv", *arguments], capture_output=True,
                            timeout=240, check=False)
    output = (result.stdout + result.stderr).decode()
    assert result.returncode == 0 and "rror" not in output, output
    rates = {match.group(1): float(match.group(2)) for match in re.finditer(r'^"([^"]+)","([\d.]+)"', output, re.M)}
    assert rates and all(rate > 0 for rate in rates.values()), output
    return rates


def test_benchmark_runs_clean():
    with started() as server:
        for pipeline, count in ((16, 200000), (1, 20000)):
            rates = benchmark(server, "-t", "set,get,incr,mset,ping", "-P", str(pipeline), "-n", str(count), "-r",
                              "10000", "-c", "50", "-d", "16")
            print(f"     -P {pipeline}:", *(f"{name.split()[0]} {rate:.0f}/s" for name, rate in rates.items()))
        r = client(server)
        assert 0 < r.dbsize() <= 20001 + 1, r.dbsize()
        rates = benchmark(server, "-n", "20000", "-P", "8", "-r", "1000", "-3", "SET", "three:__rand_int__", "v")
        assert len(client(server).keys("three:*")) == 1000


if __name__ == "__main__":
    if not os.path.exists(UNICODE_DATA):
        raise SystemExit(f"{UNICODE_DATA} is missing: install the package unicode-data")
    run_tests(globals())
