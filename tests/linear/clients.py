# SPDX-License-Identifier: BSD-3-Clause
"""
clients.py - RESP connections that record what they do, on a server that is killed

Each connection is a thread with a log of its own in this process, which the kill does not touch. It sends 1 to 16
commands at once, notes the time before it sends and after each reply came, and now and then goes away without waiting
for its replies. All connections work on the same few keys.

Some of what it sends is a transaction, MULTI to EXEC; some transactions depend on keys that were watched and read in an
earlier step. EXEC may then answer that it did nothing, which says nothing; where it did something, the keys held what
was read.
"""
import os
import random
import threading
import time

from clients_elements import COLLECTIONS, Collections, convert, converts
from harness import Closed, Connection, Error, Superdb, encode, parse, reply_end
from history import Operation
from model import ERROR, Model
from verdict import Group, Verdict

CONNECTIONS = 6
DATABASE_CONNECTIONS = 2  # of them, for the group of two whole databases
DEPTHS = (1, 1, 2, 4, 8, 16)
DATABASE_DEPTHS = (1, 1, 2, 3)  # each command there concerns nearly all of the group
SIZES = (0, 0, 2, 6, 30, 100, 2500)
OLD, NEW = 3, 4           # the two databases


def transaction(source, tag, one):
    """Two to four commands as one operation: (the requests, the action)."""
    chosen = [one(source, b"%s%d;" % (tag, place)) for place in range(source.randint(2, 4))]
    return [[b"MULTI"], *(words for words, _ in chosen), [b"EXEC"]], ("transaction", *(action for _, action in chosen))


class Keys(Group):
    """Keys of database 0 that commands of all kinds share."""

    def __init__(self, number, count):
        super().__init__(f"group {number} of {count} keys", Model(count))
        long = b" and a name that does not fit an entry" if number % 3 == 2 else b""
        self.names = [b"g%d:%d%s" % (number, place, long) for place in range(count)]

    def value(self, source, tag):
        return tag + b"." * source.choice(SIZES)

    def command(self, source, tag):
        """(the words that are sent, or a list of such, whose last reply counts; the action that they are)"""
        return transaction(source, tag, self.one) if source.random() < 0.12 else self.one(source, tag)

    def one(self, source, tag):
        if len(self.names) > 1 and source.random() < 0.6:
            return self.several(source, tag)
        key = source.randrange(len(self.names))
        name = self.names[key]
        choice = source.random()
        if choice < 0.30:
            return [b"GET", name], ("get", key)
        if choice < 0.45:
            value = self.value(source, tag)
            return [b"SET", name, value], ("set", key, value)
        if choice < 0.50:
            value = b"%d" % source.randrange(1000)
            return [b"SET", name, value], ("set", key, value)
        if choice < 0.62:
            return [b"INCRBY", name, b"3"], ("add", key, 3)
        if choice < 0.74:
            return [b"APPEND", name, tag], ("append", key, tag)
        value = self.value(source, tag)
        return source.choice([
            ([b"DEL", name], ("delete", key)),
            ([b"SET", name, value, b"NX"], ("setnx", key, value)),
            ([b"SETNX", name, value], ("setnx", key, value)),
            ([b"SET", name, value, b"XX"], ("set_if", key, "present", value)),
            ([b"GETSET", name, value], ("getset", key, value)),
            ([b"SET", name, value, b"GET"], ("getset", key, value)),
            ([b"GETDEL", name], ("getdel", key)),
            ([b"STRLEN", name], ("strlen", key)),
            ([b"EXISTS", name], ("exists", key)),
        ])

    def several(self, source, tag):
        key, other = source.sample(range(len(self.names)), 2)
        name, new = self.names[key], self.names[other]
        everything = range(len(self.names))
        values = [(place, self.value(source, b"%s/%d." % (tag, place))) for place in everything]
        pairs = [word for place, value in values for word in (self.names[place], value)]
        return source.choice([
            ([b"MGET", *self.names], ("mget", *everything)),
            ([b"MGET", *self.names], ("mget", *everything)),
            ([b"MSET", *pairs], ("mset", *values)),
            ([b"MSET", *pairs], ("mset", *values)),
            ([b"MSETNX", *pairs], ("msetnx", *values)),
            ([b"DEL", *self.names], ("delete", *everything)),
            ([b"EXISTS", *self.names], ("exists", *everything)),
            ([b"RENAME", name, new], ("rename", key, other)),
            ([b"RENAMENX", name, new], ("renamenx", key, other)),
            ([b"COPY", name, new], ("copy", key, other, False)),
            ([b"COPY", name, new, b"REPLACE"], ("copy", key, other, True)),
        ])

    def reading(self):
        yield 0, [b"MGET", *self.names], ("mget", *range(len(self.names)))


class Databases(Group):
    """Two names in two databases: MOVE, COPY, FLUSHDB and SWAPDB, by connections that have selected the first."""

    def __init__(self):
        super().__init__("two databases", Model(4))
        self.names = [b"one", b"two and a name that does not fit an entry"]

    def command(self, source, tag):
        return transaction(source, tag, self.one) if source.random() < 0.12 else self.one(source, tag)

    def one(self, source, tag):
        key = source.randrange(2)
        name = self.names[key]
        choice = source.random()
        if choice < 0.35:
            value = tag + b"." * source.choice(SIZES)
            return [b"SET", name, value], ("set", key, value)
        if choice < 0.45:
            return [b"APPEND", name, tag], ("append", key, tag)
        return source.choice([
            ([b"MGET", *self.names], ("mget", 0, 1)),
            ([b"GET", name], ("get", key)),
            ([b"MOVE", name, b"%d" % NEW], ("move", key, key + 2)),
            ([b"COPY", name, name, b"DB", b"%d" % NEW, b"REPLACE"], ("copy", key, key + 2, True)),
            ([b"SWAPDB", b"%d" % OLD, b"%d" % NEW], ("swap", (0, 2), (1, 3))),
            ([b"RENAME", *self.names], ("rename", 0, 1)),
        ] if choice < 0.95 else [([b"FLUSHDB"], ("flush", 0, 1))])

    def reading(self):
        yield OLD, [b"MGET", *self.names], ("mget", 0, 1)
        yield NEW, [b"MGET", *self.names], ("mget", 2, 3)


def as_reply(data, action):
    """A reply's bytes as the model says it. Errors of the command's own begin with ERR; no order explains another."""
    if action[0] in ("transaction", "guarded") and data[:1] == b"*":
        return None if data == b"*-1\r\n" else as_replies(data, action[1:] if action[0] == "transaction" else action[3:])
    if converts(data, action):
        return convert(data, action)
    value = parse(data)
    if action[0] in ("setnx", "set_if") and value in (b"OK", None):
        return int(value is not None)  # SET with a condition
    if isinstance(value, Error):
        return ERROR if value.startswith(b"ERR ") else bytes(value).decode()
    if isinstance(value, list):
        return tuple(value)
    if data[:1] == b"+":
        return value.decode()
    return value


def as_replies(data, actions):
    replies = []
    position = data.index(b"\r\n") + 2
    for action in actions:
        end = reply_end(data, position)
        replies.append(as_reply(data[position:end], action))
        position = end
    return tuple(replies)


class Client(threading.Thread):
    """A connection, and the log of it: for each group the operations of this round."""

    def __init__(self, load, number, seed):
        super().__init__()
        self.load = load
        self.server = load.server
        self.number = number
        self.source = random.Random(seed)
        self.groups = [len(load.groups) - 1] if number < DATABASE_CONNECTIONS else load.places
        self.depths = DATABASE_DEPTHS if number < DATABASE_CONNECTIONS else DEPTHS
        self.sent = []  # (place of the group, operation)
        self.process = number
        self.acknowledged = 0
        self.execs = self.refused = 0  # of the guarded ones that were answered, and how many did nothing
        self.failure = None

    def connect(self):
        connection = Connection(self.server)
        if self.number < DATABASE_CONNECTIONS:
            connection.command("SELECT", OLD)
        return connection

    def tag(self):
        return b"%d.%d;" % (self.number, len(self.sent) + self.load.base)

    def send(self, connection, depth):
        """Sends commands at once; what was sent, each with the number of its replies."""
        chosen = []
        for _ in range(depth):
            place = self.source.choice(self.groups)
            chosen.append((place, *self.load.groups[place].command(self.source, self.tag())))
            self.sent.append((place, Operation(self.process, 0, None, chosen[-1][2])))
        return self.send_all(connection, chosen, [operation for _, operation in self.sent[-depth:]])

    def send_all(self, connection, chosen, operations):
        requests = [words if isinstance(words[0], list) else [words] for _, words, _ in chosen]
        now = time.monotonic_ns()
        for operation in operations:
            operation.invoked = now
        connection.send(b"".join(encode(*words) for parts in requests for words in parts))
        return [(operation, len(parts)) for operation, parts in zip(operations, requests)]

    def send_one(self, connection, place, words, action):
        self.sent.append((place, Operation(self.process, 0, None, action)))
        return self.send_all(connection, [(place, words, action)], [self.sent[-1][1]])

    def guarded(self, connection):
        """Watches a group's keys and reads them; what is made of them then depends on their being the same still."""
        place = self.source.choice([place for place in self.groups if not isinstance(self.load.groups[place], Collections)])
        group = self.load.groups[place]
        keys = tuple(range(len(group.names)))
        sent = self.send_one(connection, place, [[b"WATCH", *group.names], [b"MGET", *group.names]], ("mget", *keys))
        self.receive(connection, sent)
        requests, action = transaction(self.source, self.tag(), group.one)
        sent = self.send_one(connection, place, requests, ("guarded", keys, sent[0][0].reply, *action[1:]))
        self.receive(connection, sent)
        self.execs += 1
        if sent[0][0].reply is None:  # something was changed, perhaps to what it was
            sent[0][0].action, sent[0][0].reply = ("aborted",), ()
            self.refused += 1

    def receive(self, connection, operations):
        position = 0
        for operation, replies in operations:
            for _ in range(replies):
                begin = position
                position = self.end_of_reply(connection, begin)
            operation.returned = time.monotonic_ns()
            operation.reply = as_reply(bytes(connection.buffer[begin:position]), operation.action)
            self.acknowledged += 1
        connection.buffer.clear()

    @staticmethod
    def end_of_reply(connection, position):
        end = reply_end(connection.buffer, position) if position < len(connection.buffer) else -1
        while end < 0:
            connection.receive()
            end = reply_end(connection.buffer, position)
        return end

    def go_away(self, connection):
        """Without waiting for the replies: nobody knows what became of these."""
        self.send(connection, self.source.choice((1, 2)))
        connection.close()
        self.process += CONNECTIONS
        return self.connect()

    def run(self):
        try:
            connection = self.connect()
            away = self.source.randrange(100, 2000)
            while True:
                if self.source.random() < 0.1:
                    self.guarded(connection)
                else:
                    self.receive(connection, self.send(connection, self.source.choice(self.depths)))
                if self.acknowledged > away:
                    connection = self.go_away(connection)
                    away = float("inf")
        except (Closed, OSError):
            pass  # the kill
        except Exception as error:  # the test says so
            self.failure = repr(error)


class Load:
    """Rounds of load and kill on one pool, and the verdict."""

    SETTLED = 300       # operations acknowledged before the kill may fall
    SETTLING = 20       # seconds that these may take
    KILL_WITHIN = 0.08  # seconds after that in which it falls

    def __init__(self, seed):
        self.source = random.Random(seed)
        self.groups = [Keys(number, count) for number, count in enumerate((1, 1, 1, 1, 1, 2, 2, 2, 3, 4))]
        self.groups += [Collections(number, types, transaction) for number, types in enumerate(COLLECTIONS)]
        self.groups.append(Databases())
        self.verdict = Verdict(self.groups)
        self.failures = self.verdict.failures
        self.execs = self.refused = 0
        self.base = 0     # tags are never used twice
        self.places = []  # of the groups that connections choose from; some stand there twice, others in another round
        self.server = Superdb(pool_size="64mb")

    def read_all(self):
        """What is there after the start, as one more process; it also ends the uncertainty of the crash."""
        found = []
        with self.server.connect() as connection:
            for place, group in enumerate(self.groups):
                for database, words, action in group.reading():
                    connection.command("SELECT", database)
                    invoked = time.monotonic_ns()
                    reply = as_reply(connection.command(*words), action)
                    found.append((place, Operation("reader", invoked, time.monotonic_ns(), action, reply)))
        return found

    def round(self, number):
        self.server.threads = self.source.randint(1, 4)
        self.server.arguments = ["--io-backend", self.source.choice(["auto", "auto", "epoll"])]
        if number % 5 == 4:
            self.server.start(wait=False)
            time.sleep(self.source.uniform(0, 0.02))  # when the kill falls is the point of the test
            self.server.kill()
        self.server.start()
        recorded = self.read_all()
        self.places = [*range(len(self.groups) - 1), *(self.source.randrange(len(self.groups) - 1) for _ in range(6))]
        clients = [Client(self, i, self.source.random()) for i in range(CONNECTIONS)]
        for client in clients:
            client.start()
        deadline = time.monotonic() + self.SETTLING
        while sum(client.acknowledged for client in clients) < self.SETTLED and time.monotonic() < deadline:
            time.sleep(0.001)  # the load must be on before the clock of the kill starts
        time.sleep(self.source.uniform(0, self.KILL_WITHIN))
        if not self.server.alive():
            self.failures.append(f"round {number}: the server ended by itself\n{self.server.log()}")
        self.server.kill()
        for client in clients:
            client.join()
            if client.failure:
                self.failures.append(f"round {number}: a client: {client.failure}")
        if sum(client.acknowledged for client in clients) < self.SETTLED:
            self.failures.append(f"round {number}: the server answered hardly anything\n{self.server.log()}")
        self.base += max(len(client.sent) for client in clients)
        self.execs += sum(client.execs for client in clients)
        self.refused += sum(client.refused for client in clients)
        self.judge([*recorded, *(one for client in clients for one in client.sent)])

    def judge(self, recorded):
        histories = [[] for _ in self.groups]
        for place, operation in recorded:
            histories[place].append(operation)
        self.verdict.round(histories)

    def run(self, rounds):
        """True where nothing was found."""
        try:
            for number in range(rounds):
                self.round(number)
                if self.failures:
                    break
            else:
                self.server.start()
                self.judge(self.read_all())
                status = self.server.terminate()
                if status != 0:
                    self.failures.append(f"SIGTERM: exit status {status}\n{self.server.log()}")
        finally:
            self.server.kill()
            if not (self.failures and os.environ.get("SUPERDB_KEEP")):
                self.server.remove()
        print(f"{self.execs} times EXEC behind WATCH, {self.refused} of them refused")
        return not self.failures
