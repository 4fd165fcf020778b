# SPDX-License-Identifier: BSD-3-Clause
# ctest-timeout: 600
"""
test_client_types.py - stock clients and the types: what python3-redis makes of lists, sets, hashes, sorted sets and what builds on them, its
locks and scripts, redis-cli's walks over a data set, and all that redis-benchmark tests by default
"""
import re
import subprocess
import threading
import time

import redis

from harness import DEADLINE, Superdb, run_tests


def client(server, **options):
    return redis.Redis("127.0.0.1", server.port, socket_timeout=DEADLINE, **options)


def wait_until(condition):
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline


def started():
    return Superdb([]).start()


def test_python_lists():
    with started() as server:
        r = client(server)
        assert r.rpush("l", "a", "b", "c") == 3 and r.lpush("l", "0") == 4 and r.lrange("l", 0, -1) == [b"0", b"a", b"b", b"c"]
        assert r.lpop("l") == b"0" and r.rpop("l", 2) == [b"c", b"b"] and r.llen("l") == 1
        assert r.linsert("l", "before", "a", "x") == 2 and r.lset("l", 1, "y") is True and r.lindex("l", -1) == b"y"
        assert r.lpos("l", "y") == 1 and r.lrem("l", 0, "x") == 1 and r.ltrim("l", 0, 0) is True
        assert r.lmove("l", "m", "LEFT", "RIGHT") == b"y" and r.exists("l") == 0
        assert r.lmpop(2, "l", "m", direction="LEFT") == [b"m", [b"y"]]
        assert r.blpop(["l", "m"], timeout=1) is None
        got = []
        waiting = threading.Thread(target=lambda: got.append(client(server).blpop(["l", "m"], timeout=DEADLINE)))
        waiting.start()
        wait_until(lambda: r.info("clients")["blocked_clients"] == 1)
        r.rpush("m", "late")
        waiting.join()
        assert got == [(b"m", b"late")] and r.brpoplpush("m", "l", timeout=1) is None


def test_python_sets_and_sorting():
    with started() as server:
        r = client(server)
        assert r.sadd("s", 1, 2, 3) == 3 and r.sadd("t", 3, 4) == 2 and r.srem("s", 1) == 1 and r.smembers("s") == {b"2", b"3"}
        assert r.sinter("s", "t") == {b"3"} and r.sunion("s", "t") == {b"2", b"3", b"4"} and r.sdiff("s", "t") == {b"2"}
        assert r.sinterstore("d", "s", "t") == 1 and r.sismember("d", 3) and r.smismember("d", 3, 4) in ([1, 0], [True, False])
        assert r.smove("s", "d", 2) and r.scard("d") == 2 and r.sintercard(2, ["d", "t"]) == 1
        assert r.srandmember("d") in (b"2", b"3") and sorted(r.spop("d", 2)) == [b"2", b"3"] and r.exists("d") == 0
        r.sadd("many", *range(1000))
        assert {int(member) for member in r.sscan_iter("many", count=50)} == set(range(1000))
        assert r.sort("many", start=0, num=3, desc=True) == [b"999", b"998", b"997"]
        r.mset({"w_1": 3, "w_2": 1, "w_3": 2})
        r.rpush("ids", 1, 2, 3)
        assert r.sort("ids", by="w_*", get=["#", "w_*"], groups=True) == [(b"2", b"1"), (b"3", b"2"), (b"1", b"3")]


def test_python_hashes():
    with started() as server:
        r = client(server)
        assert r.hset("h", mapping={"a": 1, "b": "x"}) == 2 and r.hset("h", "a", 2) == 0 and r.hgetall("h") == {b"a": b"2", b"b": b"x"}
        assert r.hincrby("h", "a", 5) == 7 and r.hincrbyfloat("h", "a", 0.5) == 7.5 and r.hmget("h", "a", "c") == [b"7.5", None]
        assert r.hsetnx("h", "c", 1) and r.hexists("h", "c") and r.hdel("h", "c", "d") == 1 and r.hlen("h") == 2
        assert sorted(r.hkeys("h")) == [b"a", b"b"] and sorted(r.hvals("h")) == [b"7.5", b"x"] and r.hstrlen("h", "b") == 1
        assert r.hrandfield("h", 2, True) is not None
        r.hset("large", mapping={f"f{i}": "v" * 100 for i in range(2000)})
        assert len(dict(r.hscan_iter("large", count=100))) == 2000 and r.object("encoding", "large") == b"hashtable"


def test_python_sorted_sets():
    with started() as server:
        r = client(server)
        assert r.zadd("z", {"a": 1, "b": 2.5, "c": -3}) == 3 and r.zadd("z", {"a": 2}, gt=True, ch=True) == 1
        assert r.zrange("z", 0, -1, withscores=True) == [(b"c", -3.0), (b"a", 2.0), (b"b", 2.5)]
        assert r.zincrby("z", 1, "c") == -2.0 and r.zscore("z", "b") == 2.5 and r.zmscore("z", ["a", "x"]) == [2.0, None]
        assert r.zrank("z", "b") == 2 and r.zrevrank("z", "b") == 0 and r.zcount("z", "-inf", 2) == 2 and r.zcard("z") == 3
        assert r.zrangebyscore("z", 0, "+inf", start=0, num=1) == [b"a"] and r.zrevrangebyscore("z", 9, 0) == [b"b", b"a"]
        assert r.zunionstore("u", {"z": 2, "y": 1}) == 3 and r.zinter(["z", "u"], withscores=True)[0] == (b"c", -6.0)
        assert r.zrangestore("top", "z", 0, 1, desc=True) == 2 and r.zpopmin("top") == [(b"a", 2.0)]
        assert r.bzpopmax(["top"], timeout=1) == (b"top", b"b", 2.5) and r.bzpopmax(["top"], timeout=1) is None
        r.zadd("same", {"a": 0, "b": 0, "c": 0})
        assert r.zrangebylex("same", "[b", "+") == [b"b", b"c"] and r.zlexcount("same", "-", "+") == 3
        assert r.zremrangebyrank("z", 0, 0) == 1 and dict(r.zscan_iter("z")) == {b"a": 2.0, b"b": 2.5}


def test_python_geo_and_hyperloglog():
    with started() as server:
        r = client(server)
        assert r.geoadd("sicily", (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania")) == 2
        assert abs(r.geodist("sicily", "Palermo", "Catania", unit="km") - 166.2742) < 0.0001
        assert r.geosearch("sicily", longitude=15, latitude=37, radius=200, unit="km", sort="ASC") == [b"Catania", b"Palermo"]
        assert r.geohash("sicily", "Palermo") in ([b"sqc8b49rny0"], ["sqc8b49rny0"]) and len(r.geopos("sicily", "Palermo", "nobody")) == 2
        assert r.pfadd("visits", *range(1000)) == 1 and abs(r.pfcount("visits") - 1000) < 30
        assert r.pfmerge("all", "visits", "none") is True and r.pfcount("all") == r.pfcount("visits")


def test_python_streams():
    with started() as server:
        r = client(server)
        assert r.xadd("s", {"f": "a"}, id="1-1") == b"1-1" and r.xadd("s", {"f": "b", "g": 2}, id="1-*") == b"1-2"
        added = r.xadd("s", {"f": "c"}, maxlen=3, approximate=False)
        assert added > b"1-2" and r.xlen("s") == 3 and r.xadd("none", {"f": "v"}, nomkstream=True) is None
        assert r.xrange("s", "1", "1") == [(b"1-1", {b"f": b"a"}), (b"1-2", {b"f": b"b", b"g": b"2"})]
        assert r.xrevrange("s", count=1) == [(added, {b"f": b"c"})] and r.xdel("s", added) == 1
        assert r.xread({"s": "1-1"}) == [[b"s", [(b"1-2", {b"f": b"b", b"g": b"2"})]]] and r.xread({"s": "$"}, block=1) == []
        assert r.xgroup_create("s", "g", id="0") is True and r.xgroup_createconsumer("s", "g", "idle") == 1
        try:
            r.xgroup_create("s", "g")
            assert False
        except redis.ResponseError as error:
            assert str(error).startswith("BUSYGROUP")
        assert [entry for entry, _ in r.xreadgroup("g", "ada", {"s": ">"})[0][1]] == [b"1-1", b"1-2"] and r.xreadgroup("g", "ada", {"s": ">"}) == []
        assert r.xpending("s", "g") == {"pending": 2, "min": b"1-1", "max": b"1-2", "consumers": [{"name": b"ada", "pending": 2}]}
        assert r.xack("s", "g", "1-1", "9-9") == 1
        left = r.xpending_range("s", "g", "-", "+", 10)
        assert [(p["message_id"], p["consumer"], p["times_delivered"]) for p in left] == [(b"1-2", b"ada", 1)]
        assert r.xclaim("s", "g", "grace", 0, ["1-2"], justid=True) == [b"1-2"]
        assert [entry for entry, _ in r.xautoclaim("s", "g", "ada", 0)[1]] == [b"1-2"]
        info = r.xinfo_stream("s")
        assert info["length"] == 2 and info["groups"] == 1 and info["last-generated-id"] == added and info["first-entry"] == (b"1-1", {b"f": b"a"})
        assert r.xinfo_groups("s")[0]["pending"] == 1 and {c["name"]: c["pending"] for c in r.xinfo_consumers("s", "g")} == {
            b"ada": 1, b"grace": 0, b"idle": 0}
        assert r.xgroup_delconsumer("s", "g", "ada") == 1 and r.xgroup_setid("s", "g", "0") is True and r.xtrim("s", minid="1-2", approximate=False) == 1
        got = []
        waiting = threading.Thread(target=lambda: got.extend(client(server).xreadgroup("g", "late", {"s": ">"}, noack=True, block=10000)))
        assert [entry for entry, _ in r.xreadgroup("g", "late", {"s": ">"})[0][1]] == [b"1-2"]
        waiting.start()
        wait_until(lambda: r.info("clients")["blocked_clients"] == 1)
        last = r.xadd("s", {"f": "woken"})
        waiting.join()
        assert got == [[b"s", [(last, {b"f": b"woken"})]]] and r.xgroup_destroy("s", "g") == 1
        assert r.restore("copy", 0, r.dump("s")) and r.xrange("copy") == r.xrange("s") and r.object("encoding", "copy") == b"stream"
        assert r.memory_usage("copy") > 0 and list(r.scan_iter(_type="stream")) and r.type("copy") == b"stream"


def test_python_transactions_locks_and_scripts():
    with started() as server:
        r = client(server)

        def add(pipe):
            count = int(pipe.hget("account", "left") or 100)
            pipe.multi()
            pipe.hset("account", "left", count - 10)
            pipe.rpush("log", count)

        threads = [threading.Thread(target=lambda: client(server).transaction(add, "account")) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert r.hget("account", "left") == b"20" and r.lrange("log", 0, -1) == [b"%d" % n for n in range(100, 20, -10)]
        with r.lock("lock", timeout=30, blocking_timeout=DEADLINE) as lock:
            assert lock.owned() and not r.lock("lock", blocking=False).acquire() and lock.extend(5) is True
        assert r.exists("lock") == 0
        script = r.register_script("for i = 1, ARGV[1] do redis.call('ZADD', KEYS[1], i, 'm' .. i) end return redis.call('ZCARD', KEYS[1])")
        assert script(keys=["z"], args=[20]) == 20
        assert r.function_load("#!lua name=lib\nredis.register_function('sum', function(keys, args) return args[1] + args[2] end)") in (b"lib", "lib")
        assert r.fcall("sum", 0, 2, 3) == 5
        payload = r.dump("z")
        assert r.restore("copy", 0, payload) and r.zrange("copy", 0, -1) == r.zrange("z", 0, -1)


def test_python_publish_and_subscribe():
    with started() as server:
        r = client(server)
        subscriber = r.pubsub(ignore_subscribe_messages=True)
        subscriber.psubscribe("news.*")
        subscriber.subscribe("one")
        wait_until(lambda: r.pubsub_numpat() == 1 and r.pubsub_numsub("one") == [(b"one", 1)])
        assert r.publish("one", "a") == 1 and r.publish("news.x", "b") == 1 and r.publish("two", "c") == 0
        got = []

        def take():
            message = subscriber.get_message(timeout=0.1)  # None: what it said about subscribing
            if message is not None:
                got.append((message["type"], message["channel"], message["data"]))
            return len(got) == 2

        wait_until(take)
        assert got == [("message", b"one", b"a"), ("pmessage", b"news.x", b"b")]


def cli(server, *arguments):
    return subprocess.run(["redis-cli", "-p", str(server.port), *arguments], capture_output=True, timeout=120, check=False).stdout


def test_cli_walks_over_all_types():
    with started() as server:
        r = client(server)
        r.set("string", "x" * 50)
        r.rpush("list", *range(300))
        r.sadd("set", *range(200))
        r.hset("hash", mapping={f"f{i}": i for i in range(100)})
        r.zadd("zset", {f"m{i}": i for i in range(400)})
        for i in range(150):
            r.xadd("stream", {"f": i})
        biggest = cli(server, "--bigkeys")
        for words in (b"300 items", b"200 members", b"100 fields", b"400 members", b"150 entries", b"50 bytes"):
            assert words in biggest, biggest[-900:]
        assert b"Biggest   zset found" in cli(server, "--memkeys")
        r.config_set("maxmemory-policy", "allkeys-lfu")
        assert b"hot key found" in cli(server, "--hotkeys") or b"Scanned" in cli(server, "--hotkeys")
        assert cli(server, "--no-raw", "-3", "HGETALL", "hash").lstrip().startswith(b'1# "f')
        assert b"1) \"m0\"\n2) (double) 0\n" not in cli(server, "--no-raw", "ZRANGE", "zset", "0", "0", "WITHSCORES")
        assert b"(double) 0" in cli(server, "--no-raw", "-3", "ZRANGE", "zset", "0", "0", "WITHSCORES")


def test_benchmark_runs_all_its_tests():
    with started() as server:
        for pipeline, count in ((1, 2000), (16, 16000)):
            result = subprocess.run(["redis-benchmark", "-p", str(server.port), "--csv", "-n", str(count), "-P", str(pipeline), "-r", "1000"],
                                    capture_output=True, timeout=240, check=False)
            output = (result.stdout + result.stderr).decode()
            assert result.returncode == 0 and "rror" not in output, output
            rates = re.findall(r'^"([^"]+)","([\d.]+)"', output, re.M)
            assert len(rates) == 20 and all(float(rate) > 0 for _, rate in rates), output


if __name__ == "__main__":
    run_tests(globals())
