# SPDX-License-Identifier: BSD-3-Clause
"""
test_handles.py - SDB.HANDLE, SDB.GETH, SDB.SETH against a model: a handle leads to its key for as long as the key
lives, through every change of the value, through restarts and kills, and to nothing else afterwards
"""
import os
import random
import time

from harness import Error, Superdb, run_tests


class Model:
    """Keys with their values and handles, and the handles that are dead."""

    def __init__(self, seed):
        self.source = random.Random(seed)
        self.values = {}
        self.handles = {}
        self.dead = set()

    def key(self):
        number = self.source.randrange(150)
        return b"k%d" % number if number % 3 else b"a key that is kept outside of its entry %d" % number

    def value(self):
        choice = self.source.randrange(5)
        if choice == 0:
            return b"%d" % self.source.randint(-10**15, 10**15)
        return self.source.randbytes(self.source.choice([0, 1, 8, 9, 15, 16, 17, 24, 100, 5000]))

    def forget(self, key):
        if self.values.pop(key, None) is not None and key in self.handles:
            self.dead.add(self.handles.pop(key))

    def step(self, connection):
        choice = self.source.random()
        key = self.key()
        if choice < 0.30:
            self.values[key] = self.value()
            assert connection.call("SET", key, self.values[key]) == b"OK"
        elif choice < 0.45:
            assert connection.call("DEL", key) == (key in self.values)
            self.forget(key)
        elif choice < 0.60:
            self.resolve(connection, [self.key() for _ in range(self.source.randint(1, 80))])
        elif choice < 0.80 and self.handles:
            keys = self.source.choices(list(self.handles), k=self.source.randint(1, 100))
            assert connection.call("SDB.GETH", *(self.handles[one] for one in keys)) == [self.values[one]
                                                                                         for one in keys]
        elif choice < 0.92 and self.handles:
            keys = self.source.sample(list(self.handles), min(len(self.handles), self.source.randint(1, 30)))
            pairs = []
            for one in keys:
                self.values[one] = self.value()
                pairs += [self.handles[one], self.values[one]]
            reply = connection.call("SDB.SETH", *pairs)
            assert not isinstance(reply, Error), reply
        elif choice < 0.96 and self.dead and self.handles:
            self.write_with_a_stale_one(connection)
        elif key in self.values:
            at = int(time.time()) + 1000
            assert connection.call("EXPIREAT", key, at) == 1
            assert connection.call("EXPIRETIME", key) == at
            if key in self.handles:  # a write by handle keeps the time to live
                self.values[key] = self.value()
                connection.call("SDB.SETH", self.handles[key], self.values[key])
                assert connection.call("EXPIRETIME", key) == at
            connection.call("PERSIST", key)

    def resolve(self, connection, keys):
        for key, handle in zip(keys, connection.call("SDB.HANDLE", *keys)):
            assert (handle is not None) == (key in self.values), (key, handle)
            if handle is not None:
                assert handle > 0 and handle not in self.dead, f"the dead handle {handle} is given to {key!r}"
                assert self.handles.setdefault(key, handle) == handle, f"{key!r} changed its handle"

    def write_with_a_stale_one(self, connection):
        """All or none: one stale handle among good ones, and nothing is written."""
        keys = self.source.sample(list(self.handles), min(5, len(self.handles)))
        pairs = sum(([self.handles[key], b"must not be"] for key in keys), [])
        place = 2 * self.source.randint(0, len(keys))
        pairs[place:place] = [self.source.choice(list(self.dead)), b"nor this"]
        assert isinstance(connection.call("SDB.SETH", *pairs), Error)
        assert connection.call("MGET", *keys) == [self.values[key] for key in keys]

    def verify(self, connection):
        self.resolve(connection, list(self.values))
        keys = list(self.handles)
        assert connection.call("SDB.GETH", *(self.handles[key] for key in keys)) == [self.values[key] for key in keys]
        assert connection.call("MGET", *keys) == [self.values[key] for key in keys]
        for handle in self.dead:
            reply = connection.call("SDB.GETH", handle)
            assert isinstance(reply, Error) and reply.startswith(b"STALE"), (handle, reply)
        assert connection.call("DBSIZE") == len(self.values)


def test_handles_follow_their_keys_through_restarts_and_kills():
    seed = int(os.environ.get("SUPERDB_SEED", "9"))
    model = Model(seed)
    with Superdb(threads=2) as server:
        server.start()
        for life in range(6):
            with server.connect() as connection:
                for _ in range(1500):
                    model.step(connection)
                model.verify(connection)
                assert len(model.dead) > 10 and len(model.handles) > 10, "the model is idle"
            if life % 2:
                server.kill()
            else:
                assert server.terminate() == 0, server.log()
            server.threads = life % 4 + 1
            server.start()
            with server.connect() as connection:
                model.verify(connection)


def test_a_handle_names_its_database():
    with Superdb() as server:
        server.start()
        with server.connect() as connection:
            connection.command("SET", "k", "zero")
            connection.command("SELECT", "5")
            connection.command("SET", "k", "five")
            five = connection.call("SDB.HANDLE", "k")[0]
            connection.command("SELECT", "0")
            zero = connection.call("SDB.HANDLE", "k")[0]
            assert connection.call("SDB.GETH", five, zero) == [b"five", b"zero"]
            connection.command("SDB.SETH", five, "changed")
            assert connection.call("GET", "k") == b"zero"
            connection.command("SELECT", "5")
            assert connection.call("GET", "k") == b"changed"
            connection.command("FLUSHDB")
            replies = connection.call("SDB.GETH", five, zero)
            assert isinstance(replies[0], Error) and replies[1] == b"zero", replies


def test_a_handle_ends_with_its_key():
    """By deleting, by expiry, by emptying; a key of the same name that comes later is another one."""
    with Superdb() as server:
        server.start()
        with server.connect() as connection:
            for end in (("DEL", "k"), ("UNLINK", "k"), ("GETDEL", "k"), ("EXPIRE", "k", "-1"), ("FLUSHDB",),
                        ("FLUSHALL",), ("PEXPIRE", "k", "1")):
                connection.command("SET", "k", "old")
                handle = connection.call("SDB.HANDLE", "k")[0]
                connection.command(*end)
                deadline = time.monotonic() + 20
                while connection.call("EXISTS", "k"):
                    assert time.monotonic() < deadline, end
                assert isinstance(connection.call("SDB.GETH", handle), Error), end
                assert isinstance(connection.call("SDB.SETH", handle, "x"), Error), end
                connection.command("SET", "k", "new")
                assert isinstance(connection.call("SDB.GETH", handle), Error), end
                assert connection.call("SDB.HANDLE", "k")[0] != handle, end


def test_forged_handles_are_stale():
    source = random.Random(6)
    with Superdb() as server:
        server.start()
        with server.connect() as connection:
            connection.pipeline([("SET", f"k{i}", "v") for i in range(300)])
            real = connection.call("SDB.HANDLE", *(f"k{i}" for i in range(300)))
            forged = [0, 1, 2, -1, 2**62, 2**63 - 1, -2**63] + [source.getrandbits(63) for _ in range(3000)]
            forged += [handle ^ (1 << bit) for handle in real[:20] for bit in range(62)]
            for handle in set(forged) - set(real):
                reply = connection.call("SDB.GETH", handle)
                assert isinstance(reply, Error), (handle, reply)
                assert isinstance(connection.call("SDB.SETH", handle, "x"), Error), handle
            assert connection.call("SDB.GETH", *real) == [b"v"] * 300


if __name__ == "__main__":
    run_tests(globals())
