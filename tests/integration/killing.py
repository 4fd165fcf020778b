# SPDX-License-Identifier: BSD-3-Clause
"""
killing.py - kills the server under load, round after round on one pool, and holds what it acknowledged against it

The log of what was acknowledged lives in this process, which the kill does not touch. A unit is a set of keys that one
connection writes and that commands change together (one key, the keys of an MSET, the two names of a RENAME). For each
unit the log holds the state last acknowledged, and behind it, in order, the states that the commands in flight lead to.
After the kill:

  - `superdb-pool check` finds nothing wrong with the pool;
  - the server starts again, with another number of threads;
  - each unit is in its last acknowledged state or in one of those behind it, values and times to live, and never
    in between: a command that changes several keys happened or it did not;
  - counters that all connections raise stand between what was acknowledged and what was sent;
  - what a reader was told is still true: counters that only grow are not smaller than it saw them.

Replies are compared with the model too, while the load runs.
"""
import os
import random
import subprocess
import threading
import time

from harness import DEADLINE, Closed, Connection, Superdb, encode, parse, reply_end, superdb_pool

WRITERS = 5
VOLLEY = 400  # commands
FAR = 4000000000000  # a time to live that does not end during the test


class Unit:
    """Keys that change together: the acknowledged state, and those that commands in flight lead to."""

    SHOW = (b"GET",)  # what shows a key's value, with the words behind the key

    def __init__(self, keys):
        self.keys = keys
        self.acknowledged = (None,) * len(keys)
        self.flying = []
        self.version = 0

    def last(self):
        return self.flying[-1] if self.flying else self.acknowledged

    def shows(self, place):
        """The commands that show a key's value."""
        key = self.keys[place]
        return [[self.SHOW[0], key[1] if isinstance(key, tuple) else key, *self.SHOW[1:]]]

    def shown(self, _, replies):
        """What they say, as it stands in a state; None: there is no such key."""
        return (tuple(replies[0]) or None) if isinstance(replies[0], list) else replies[0]


class Single(Unit):
    """One key under SET, APPEND, INCR, EXPIRE and the like. A state is None or (value, time to live)."""

    def step(self, source, number):
        self.version += 1
        key, state = self.keys[0], self.last()[0]
        stamp = b"%d.%d." % (number, self.version)
        choice = source.random()
        if choice < 0.30:
            value = stamp + b"v" * source.choice([0, 0, 3, 8, 12, 40, 300, 3000])
            return [b"SET", key, value], (value, -1), b"+OK\r\n"
        if choice < 0.38:
            value = b"%d" % source.randint(-10**12, 10**12)
            return [b"SET", key, value], (value, -1), b"+OK\r\n"
        if choice < 0.46:
            value = stamp + b"t" * source.choice([0, 5, 60])
            return [b"SET", key, value, b"PXAT", b"%d" % (FAR + self.version)], (value, FAR + self.version), b"+OK\r\n"
        if choice < 0.58:
            if state is not None and not is_integer(state[0]):
                return [b"DEL", key], None, b":1\r\n"
            value = b"%d" % (int(state[0] if state else 0) + 7)
            return [b"INCRBY", key, b"7"], (value, state[1] if state else -1), b":%s\r\n" % value
        if choice < 0.72:
            if state is not None and len(state[0]) > 5000:
                return [b"UNLINK", key], None, b":1\r\n"
            value = (state[0] if state else b"") + stamp
            return [b"APPEND", key, stamp], (value, state[1] if state else -1), b":%d\r\n" % len(value)
        if choice < 0.80:
            at = FAR + self.version
            if state is None:
                return [b"PEXPIREAT", key, b"%d" % at], None, b":0\r\n"
            return [b"PEXPIREAT", key, b"%d" % at], (state[0], at), b":1\r\n"
        if choice < 0.85:
            had = state is not None and state[1] >= 0
            return [b"PERSIST", key], (state[0], -1) if state else None, b":%d\r\n" % had
        if choice < 0.90:
            base = state[0] if state else b""
            value = base[:3].ljust(3, b"\0") + stamp + base[3 + len(stamp):]
            return [b"SETRANGE", key, b"3", stamp], (value, state[1] if state else -1), b":%d\r\n" % len(value)
        if choice < 0.94:
            return [b"GET", key], state, b"$%d\r\n%s\r\n" % (len(state[0]), state[0]) if state else b"$-1\r\n"
        return [b"DEL", key], None, b":%d\r\n" % (state is not None)

    def command(self, source, number):
        words, state, reply = self.step(source, number)
        return words, (state,), reply


class Group(Unit):
    """Keys that MSET, MSETNX and DEL change all at once."""

    def command(self, source, number):
        self.version += 1
        states = self.last()
        choice = source.random()
        if choice < 0.75:
            values = [b"%d.%d.%d%s" % (number, self.version, i, b"g" * source.choice([0, 0, 10, 200]))
                      for i in range(len(self.keys))]
            pairs = [word for pair in zip(self.keys, values) for word in pair]
            return [b"MSET", *pairs], tuple((value, -1) for value in values), b"+OK\r\n"
        if choice < 0.85:
            values = [b"%d" % self.version] * len(self.keys)
            pairs = [word for pair in zip(self.keys, values) for word in pair]
            if any(states):
                return [b"MSETNX", *pairs], states, b":0\r\n"
            return [b"MSETNX", *pairs], tuple((value, -1) for value in values), b":1\r\n"
        return [b"DEL", *self.keys], (None,) * len(self.keys), b":%d\r\n" % sum(state is not None for state in states)


class Names(Unit):
    """A value that goes from name to name: RENAME, COPY, and never lost or doubled between them."""

    def command(self, source, number):
        self.version += 1
        states = self.last()
        here, there = (0, 1) if source.random() < 0.5 else (1, 0)
        new = list(states)
        choice = source.random()
        if states[here] is None or choice < 0.2:
            new[here] = (b"%d.%d%s" % (number, self.version, b"n" * source.choice([0, 20, 400])), FAR + self.version)
            return [b"SET", self.keys[here], new[here][0], b"PXAT", b"%d" % new[here][1]], tuple(new), b"+OK\r\n"
        new[there] = states[here]
        if choice < 0.8:
            new[here] = None
            return [b"RENAME", self.keys[here], self.keys[there]], tuple(new), b"+OK\r\n"
        return [b"COPY", self.keys[here], self.keys[there], b"REPLACE"], tuple(new), b":1\r\n"


def bulk(value):
    return b"$%d\r\n%s\r\n" % (len(value), value)


class Lists(Unit):
    """Two lists, small and large: elements are pushed, popped, and go from one to the other, never lost or doubled between them."""

    SHOW = (b"LRANGE", b"0", b"-1")
    LONG = 400

    def command(self, source, number):
        self.version += 1
        lists = [list(state[0]) if state else [] for state in self.last()]
        here = source.randrange(2)
        words, reply = self.change(source, b"%d.%d." % (number, self.version), lists, here)
        return words, tuple((tuple(one), -1) if one else None for one in lists), reply

    def change(self, source, stamp, lists, here):
        """Does to the model what the command does; the command, and its reply."""
        key, mine, other = self.keys[here], lists[here], lists[1 - here]
        choice = source.random()
        if len(mine) > self.LONG:
            first, last = source.choice([(5, len(mine) - 6), (0, 9), (len(mine) - 150, len(mine) - 1)])
            mine[:] = mine[first:last + 1]
            return [b"LTRIM", key, b"%d" % first, b"%d" % last], b"+OK\r\n"
        if choice < 0.35 or not mine:
            new = [stamp + b"%d%s" % (i, b"l" * source.choice([0, 0, 20, 300])) for i in range(source.choice([1, 1, 2, 5, 30]))]
            if choice < 0.2:
                mine.extend(new)
                return [b"RPUSH", key, *new], b":%d\r\n" % len(mine)
            mine[:0] = new[::-1]
            return [b"LPUSH", key, *new], b":%d\r\n" % len(mine)
        if choice < 0.5:
            return [b"LPOP", key], bulk(mine.pop(0))
        if choice < 0.6:
            return [b"RPOP", key], bulk(mine.pop())
        if choice < 0.8:
            element = mine.pop(0)
            other.append(element)
            return [b"LMOVE", key, self.keys[1 - here], b"LEFT", b"RIGHT"], bulk(element)
        place = source.randrange(len(mine))
        if choice < 0.88:
            mine[place] = stamp + b"set"
            return [b"LSET", key, b"%d" % place, mine[place]], b"+OK\r\n"
        if choice < 0.94:
            mine.insert(place, stamp + b"inserted")
            return [b"LINSERT", key, b"BEFORE", mine[place + 1], mine[place]], b":%d\r\n" % len(mine)
        return [b"LREM", key, b"1", mine.pop(place)], b":1\r\n"


class Databases(Unit):
    """Databases 3 and 4, of the connection that selected 3: SET, MOVE, COPY, FLUSHDB, SWAPDB, each whole or not."""

    NAMES = [b"d%d" % i for i in range(12)]

    def __init__(self):
        super().__init__([(database, name) for database in (3, 4) for name in self.NAMES])

    def command(self, source, number):
        self.version += 1
        states = list(self.last())
        count = len(self.NAMES)
        place = source.randrange(count)
        name, here, there = self.NAMES[place], states[place], states[count + place]
        choice = source.random()
        if choice < 0.6 or here is None and choice < 0.94:
            states[place] = (b"%d%s" % (self.version, b"d" * source.choice([0, 10, 100])), -1)
            return [b"SET", name, states[place][0]], tuple(states), b"+OK\r\n"
        if choice < 0.78:
            moved = there is None
            if moved:
                states[place], states[count + place] = None, here
            return [b"MOVE", name, b"4"], tuple(states), b":%d\r\n" % moved
        if choice < 0.94:
            states[count + place] = here
            return [b"COPY", name, name, b"DB", b"4", b"REPLACE"], tuple(states), b":1\r\n"
        if choice < 0.97:
            return [b"FLUSHDB"], (None,) * count + tuple(states[count:]), b"+OK\r\n"
        return [b"SWAPDB", b"3", b"4"], tuple(states[count:] + states[:count]), b"+OK\r\n"


def is_integer(value):
    try:
        return b"%d" % int(value) == value and abs(int(value)) < 1 << 62
    except ValueError:
        return False


def commands_of(words):
    """A step's commands: it is one, or a list of them that only the last one acknowledges."""
    return words if words and isinstance(words[0], list) else [words]


class Writer(threading.Thread):
    """One connection, its units, and the log of them."""

    def __init__(self, number, seed):
        super().__init__()
        self.number = number
        self.source = random.Random(f"{seed}/{number}")
        prefix = b"w%d:" % number
        self.units = [Single([b"%ssingle:%d" % (prefix, i)]) for i in range(60)]
        self.units += [Group([b"%sgroup:%d:%d" % (prefix, i, j) for j in range(8)]) for i in range(6)]
        self.units += [Names([b"%sname:%d:%s" % (prefix, i, side) for side in (b"a", b"b and a longer name")])
                       for i in range(6)]
        self.units += [Lists([b"%slist:%d:%d" % (prefix, i, j) for j in range(2)]) for i in range(6)]
        self.grown = {b"%sgrows:%d" % (prefix, i): 0 for i in range(4)}
        self.common_sent = self.common_acknowledged = 0
        self.acknowledged = 0
        self.wrong = []
        self.database = 0
        self.volley = None  # a barrier: the next request is a long one, and sent when all writers have theirs

    def begin(self, server):
        """A thread runs once: the next round's is a copy with this one's log."""
        threading.Thread.__init__(self)
        self.server = server
        self.start()

    def make(self, count):
        """(request bytes, [(what an acknowledgement means, the reply that must come)])"""
        parts, expected = [], []
        for _ in range(count):
            choice = self.source.random() if self.grown else 1
            if choice < 0.06:
                self.common_sent += 1
                parts.append(encode(b"INCR", b"common"))
                expected.append((None, None, b""))
                continue
            if choice < 0.12:
                key = self.source.choice(list(self.grown))
                parts.append(encode(b"INCR", key))
                expected.append((key, None, b""))
                continue
            unit = self.source.choice(self.units)
            words, state, reply = unit.command(self.source, self.number)
            unit.flying.append(state)
            parts += [encode(*one) for one in commands_of(words)]
            expected.append((unit, words, reply))
        return b"".join(parts), expected

    def take(self, entry, reply):
        what, words, wanted = entry
        self.acknowledged += 1
        if what is None:
            self.common_acknowledged += 1
        elif isinstance(what, bytes):
            self.grown[what] = int(reply[1:-2])
        else:
            what.acknowledged = what.flying.pop(0)
            if reply != wanted and len(self.wrong) < 5:
                self.wrong.append(f"{words!r}: {reply[:200]!r} instead of {wanted[:200]!r}")

    def run(self):
        try:
            connection = Connection(self.server)
            if self.database:
                connection.command("SELECT", self.database)
            while True:
                volley, self.volley = self.volley, None
                request, expected = self.make(VOLLEY if volley else self.source.choice([1, 4, 16, 16, 64, 200]))
                if volley:
                    volley.wait(DEADLINE)
                connection.send(request)
                position = 0
                for entry in expected:
                    end = position
                    for _ in commands_of(entry[1]):
                        end = self.behind_reply(connection, end)
                    self.take(entry, bytes(connection.buffer[position:end]))
                    position = end
                connection.buffer.clear()
        except (Closed, OSError, threading.BrokenBarrierError):
            pass  # the kill

    @staticmethod
    def behind_reply(connection, position):
        end = reply_end(connection.buffer, position) if position < len(connection.buffer) else -1
        while end < 0:
            connection.receive()
            end = reply_end(connection.buffer, position)
        return end


class DatabaseWriter(Writer):
    """The same with whole databases."""

    def __init__(self, number, seed):
        super().__init__(number, seed)
        self.units = [Databases()]
        self.grown = {}
        self.database = 3


class Grower(threading.Thread):
    """Lets the pool grow under the load."""

    def __init__(self, server, size):
        super().__init__()
        self.server = server
        self.size = size

    def run(self):
        try:
            connection = Connection(self.server)
            for _ in range(8):
                self.size += 2 << 20
                connection.command("CONFIG", "SET", "pool-size", str(self.size))
        except (Closed, OSError):
            pass  # the kill


class Reader(threading.Thread):
    """Reads the counters that only grow: what it saw must not be taken back."""

    def __init__(self, server, keys):
        super().__init__()
        self.server = server
        self.keys = keys
        self.seen = dict.fromkeys(keys, 0)

    def run(self):
        try:
            connection = Connection(self.server)
            while True:
                connection.send(encode(b"MGET", *self.keys))
                for key, value in zip(self.keys, parse(connection.read())):
                    self.seen[key] = max(self.seen[key], int(value or 0))
        except (Closed, OSError):
            pass  # the kill


class Killing:
    SETTLED = 200       # operations acknowledged before the kill may fall
    SETTLING = 20       # seconds that these may take
    KILL_WITHIN = 0.15  # seconds after that in which it falls

    def __init__(self, rounds, seed):
        self.rounds = rounds
        self.seed = seed
        self.source = random.Random(f"{seed}/kills")
        self.writers = self.make_writers()
        self.pool_size = 64 << 20
        self.keys_that_grow = [key for writer in self.writers for key in writer.grown]
        self.lost = []

    def make_writers(self):
        return [Writer(number, self.seed) for number in range(WRITERS)] + [DatabaseWriter(WRITERS, self.seed)]

    def prepare(self, connection):
        """What is to be known, or done, before the load."""

    def make_server(self):
        return Superdb(pool_size=str(self.pool_size))

    def run(self):
        begun = time.monotonic()
        print(f"seed {self.seed}")
        server = self.make_server()
        try:
            server.start()
            with server.connect() as connection:
                self.prepare(connection)
            for number in range(self.rounds):
                self.one_round(server, number)
                if self.lost:
                    break
            status = server.terminate()
            if status != 0:
                self.lost.append(f"SIGTERM: exit status {status}\n{server.log()}")
            self.check_pool(server, "after the last round")
        finally:
            server.kill()
            if self.lost and os.environ.get("SUPERDB_KEEP"):
                print(f"kept: {server.directory}")
            else:
                server.remove()
        acknowledged = self.acknowledged()
        for line in self.lost[:20]:
            print(f"FAIL {line}")
        print(f"{self.rounds} rounds, {acknowledged} operations acknowledged, {len(self.lost)} lost or wrong, "
              f"{time.monotonic() - begun:.1f} s, seed {self.seed}")
        return not self.lost

    def acknowledged(self):
        return sum(writer.acknowledged for writer in self.writers)

    def one_round(self, server, number):
        before = self.acknowledged()
        for writer in self.writers:
            writer.begin(server)
        reader = Reader(server, self.keys_that_grow)
        reader.start()
        threads = [*self.writers, reader]
        deadline = time.monotonic() + self.SETTLING
        while self.acknowledged() < before + self.SETTLED and server.alive() and time.monotonic() < deadline:
            time.sleep(0.001)  # the load must be on before the clock of the kill starts
        if number % 5 == 2:
            threads.append(Grower(server, self.pool_size))
            threads[-1].start()
        self.wait_for_the_kill()
        if not server.alive():
            status = server.process.returncode
            self.lost.append(f"round {number}: the server ended by itself with {status}\n{server.log()}")
        server.kill()
        for thread in threads:
            thread.join()
        self.pool_size = max(self.pool_size, *(thread.size for thread in threads if isinstance(thread, Grower)), 0)
        self.lost += [f"round {number}: {text}" for writer in self.writers for text in writer.wrong]
        if self.acknowledged() < before + self.SETTLED:
            self.lost.append(f"round {number}: the server answered hardly anything\n{server.log()}")
        if number % 4 == 3:
            self.kill_while_starting(server)
        self.check_pool(server, f"round {number}")
        self.start_again(server)
        with server.connect() as connection:
            self.verify(connection, number, reader)

    def wait_for_the_kill(self):
        time.sleep(self.source.uniform(0, self.KILL_WITHIN))  # when the kill falls is the point of the test

    def fire_a_volley(self, within):
        """Every writer sends a long request at the same time, and the kill falls while the server runs them."""
        volley = threading.Barrier(len(self.writers) + 1)
        for writer in self.writers:
            writer.volley = volley
        try:
            volley.wait(DEADLINE)
            time.sleep(self.source.uniform(0, within))
        except threading.BrokenBarrierError:
            pass  # the server has ended by itself, and its round says so

    def start_again(self, server):
        server.threads = self.source.randint(1, 4)
        server.arguments = ["--io-backend", self.source.choice(["auto", "auto", "epoll"])]
        server.start()

    def kill_while_starting(self, server):
        for _ in range(3):
            server.start(wait=False)
            time.sleep(self.source.uniform(0, 0.02))
            server.kill()

    def check_pool(self, server, when):
        result = subprocess.run([superdb_pool(), "check", server.pool], capture_output=True, timeout=120, check=False)
        if result.returncode != 0:
            output = (result.stdout + result.stderr).decode()
            self.lost.append(f"{when}: superdb-pool check: exit status {result.returncode}\n{output[-2000:]}")

    def verify(self, connection, number, reader):
        """Every unit of every writer; the log then takes what is there as acknowledged, for it was read."""
        for writer in self.writers:
            found = self.read(connection, writer.units)
            for unit in writer.units:
                state = tuple(found[key] for key in unit.keys)
                if state != unit.acknowledged and state not in unit.flying:
                    self.lost.append(f"round {number}: {unit.keys[0]!r} and its like: found {brief(state)}\n"
                                     f"     acknowledged {brief(unit.acknowledged)}\n"
                                     f"     in flight {len(unit.flying)}: "
                                     f"{[brief(one) for one in unit.flying[:5]]}")
                unit.acknowledged, unit.flying = state, []
        grown = dict(zip(self.keys_that_grow, connection.call("MGET", *self.keys_that_grow)))
        for writer in self.writers:
            for key, acknowledged in writer.grown.items():
                value = int(grown[key] or 0)
                if value < max(acknowledged, reader.seen[key]):
                    self.lost.append(f"round {number}: {key!r} is {value}, acknowledged {acknowledged}, "
                                     f"read {reader.seen[key]}")
                writer.grown[key] = value
        common = int(connection.call("GET", "common") or 0)
        low = sum(writer.common_acknowledged for writer in self.writers)
        high = sum(writer.common_sent for writer in self.writers)
        if not low <= common <= high:
            self.lost.append(f"round {number}: the common counter is {common}, not within {low} to {high}")
        expected = sum(state is not None for writer in self.writers if not writer.database
                       for unit in writer.units for state in unit.acknowledged)
        expected += sum(value is not None for value in grown.values()) + (common > 0)
        size = connection.call("DBSIZE")
        if size != expected:
            self.lost.append(f"round {number}: DBSIZE is {size}, the keys found are {expected}")
        self.settle_common(common)

    def read(self, connection, units):
        """Of each key (value, time to live) or None. Where a key names its database, it is read there."""
        wanted = {}
        for unit in units:
            for place, key in enumerate(unit.keys):
                wanted.setdefault(key[0] if isinstance(key, tuple) else 0, []).append((unit, place, key))
        found = {}
        for database, places in sorted(wanted.items()):
            connection.command("SELECT", database)
            requests = [[*unit.shows(place), [b"PEXPIRETIME", key[1] if isinstance(key, tuple) else key]] for unit, place, key in places]
            replies = iter([parse(reply) for reply in connection.pipeline([words for request in requests for words in request])])
            for (unit, place, key), request in zip(places, requests):
                told = [next(replies) for _ in request]
                value = unit.shown(place, told[:-1])
                found[key] = None if value is None else (value, told[-1])
        connection.command("SELECT", 0)
        return found

    def settle_common(self, common):
        """The counter as it is now is where the next round begins."""
        for writer in self.writers:
            writer.common_acknowledged = writer.common_sent = 0
        self.writers[0].common_acknowledged = self.writers[0].common_sent = common


def brief(state):
    return [None if one is None else (repr(one[0])[:100], len(one[0]), one[1]) for one in state]
