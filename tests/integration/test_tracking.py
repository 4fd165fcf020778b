# SPDX-License-Identifier: BSD-3-Clause
# ctest-labels: threads
"""
test_tracking.py - client-side caches over several threads: none is stale when all messages have come; what nobody asks to be
deleted (expiry, eviction, a table that is too small) is told, too
"""
import random
import threading

from harness import Superdb, parse, run_tests

KEYS = [b"k:%d" % i for i in range(24)]


def info(connection, section):
    text = connection.call("INFO", section).decode()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


class Cache:
    """A connection that caches what it has read, and drops what it is told to."""

    def __init__(self, server, *options):
        self.connection = server.connect(3)
        self.values = {}
        assert self.connection.command("CLIENT", "TRACKING", "ON", *options) == b"+OK\r\n"

    def reply(self):
        """The next reply; messages on the way are obeyed."""
        while True:
            data = self.connection.read()
            if data[:1] != b">":
                return parse(data)
            kind, keys = parse(data)
            assert kind == b"invalidate", data
            if keys is None:
                self.values.clear()
            for key in keys or ():
                self.values.pop(key, None)

    def get(self, key):
        self.connection.send(b"*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n" % (len(key), key))
        self.values[key] = self.reply()

    def wait_until_dropped(self, key):
        while key in self.values:
            kind, keys = parse(self.connection.read())
            assert kind == b"invalidate"
            for name in keys if keys is not None else list(self.values):
                self.values.pop(name, None)


def write(connection, seed, number, errors):
    try:
        chance = random.Random(seed)
        for i in range(400):
            key, other = chance.choice(KEYS), chance.choice(KEYS)
            commands = chance.choice(([("SET", key, str(i))], [("DEL", key)], [("APPEND", key, "x")], [("MSET", key, "m", other, str(i))],
                                      [("MULTI",), ("SET", key, "1"), ("RENAME", key, other), ("EXEC",)],
                                      [("SET", key, "p"), ("EXPIRE", other, "100"), ("GETDEL", key)]))
            connection.pipeline(commands)
        connection.command("SET", f"end:{number}", "1")
    except Exception as error:  # told by the main thread
        errors.append(error)


def read(cache, seed, stop, errors):
    try:
        chance = random.Random(seed)
        while not stop.is_set():
            cache.get(chance.choice(KEYS))
    except Exception as error:  # likewise
        errors.append(error)


def no_cache_is_stale(*options):
    with Superdb(threads=2) as server:
        server.start()
        writers = [server.connect() for _ in range(4)]
        caches = [Cache(server, *options) for _ in range(4)]
        ends = [b"end:%d" % i for i in range(len(writers))]
        stop, errors = threading.Event(), []
        for cache in caches:
            for end in ends:
                cache.get(end)
        threads = [threading.Thread(target=write, args=(writer, i, i, errors)) for i, writer in enumerate(writers)]
        readers = [threading.Thread(target=read, args=(cache, 50 + i, stop, errors)) for i, cache in enumerate(caches)]
        for thread in [*threads, *readers]:
            thread.start()
        for thread in threads:
            thread.join()
        stop.set()
        for thread in readers:
            thread.join()
        assert not errors, errors
        # What a writer did last is told last.
        for cache in caches:
            for end in ends:
                cache.wait_until_dropped(end)
        with server.connect() as connection:
            for cache in caches:
                for key, value in cache.values.items():
                    assert value == connection.call("GET", key), (key, value, connection.call("GET", key))
            assert any(cache.values for cache in caches) or options
            facts = info(connection, "clients")
            assert facts["tracking_clients"] == "4", facts["tracking_clients"]
            for cache in caches:
                cache.connection.close()
            while info(connection, "clients")["tracking_clients"] != "0":
                pass


def test_no_cache_is_stale():
    no_cache_is_stale()


def test_no_cache_is_stale_that_is_told_of_every_change():
    no_cache_is_stale("BCAST")


def test_what_expires_by_itself_is_told():
    with Superdb(threads=2) as server:
        server.start()
        caches = [Cache(server) for _ in range(4)]  # on both threads
        with server.connect() as writer:
            for i in range(20):
                writer.command("SET", f"x:{i}", "1", "PX", "50")
            for cache in caches:
                for i in range(20):
                    cache.get(b"x:%d" % i)
            for cache in caches:
                for i in range(20):
                    if cache.values.get(b"x:%d" % i) is not None:
                        cache.wait_until_dropped(b"x:%d" % i)


def test_a_table_that_is_too_small_drops_keys_and_tells():
    with Superdb(["--tracking-table-max-keys", "10"], threads=2) as server:
        server.start()
        caches = [Cache(server) for _ in range(3)]
        for cache in caches:
            for key in KEYS:
                cache.get(key)
        with server.connect() as connection:
            facts = info(connection, "stats")
            assert int(facts["tracking_total_keys"]) <= 10, facts
            assert int(facts["tracking_total_items"]) <= 30, facts
            connection.command("FLUSHALL")
        for cache in caches:
            while cache.values:
                cache.wait_until_dropped(next(iter(cache.values)))


if __name__ == "__main__":
    run_tests(globals())
