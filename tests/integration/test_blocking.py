# SPDX-License-Identifier: BSD-3-Clause
# ctest-timeout: 120
"""
test_blocking.py - many clients that wait, on all threads at once: every element is taken by exactly one of them, in order

Producers push elements that are all different, alone, in transactions and from scripts; consumers wait for them with every blocking
command and short and long timeouts; others wait and are closed, unblocked and killed meanwhile. Those move elements to a list rather than
take them, since what is taken for a client that has gone is lost, as with Redis. In the end what was pushed is what was taken, and of one
producer and one queue each consumer has seen the elements in the order in which they were pushed.

SUPERDB_SEED says which (7 else), SUPERDB_ELEMENTS how many elements a producer pushes.
"""
import os
import random
import sys
import threading

from harness import DEADLINE, Closed, Superdb, encode, parse

SEED = os.environ.get("SUPERDB_SEED", "7")
ELEMENTS = int(os.environ.get("SUPERDB_ELEMENTS", "1500"))
QUEUES = [b"queue:%d" % i for i in range(4)]
MOVED = b"moved"
END = b"end"
PRODUCERS, CONSUMERS, LEAVERS = 3, 6, 3


class Client(threading.Thread):
    """A thread with a connection, whose failure is the test's."""

    def __init__(self, server, name):
        super().__init__(name=name)
        self.server = server
        self.random = random.Random(f"{SEED}/{name}")
        self.failure = None
        self.connection = server.connect(self.random.choice([2, 3]))
        self.id = self.connection.call("CLIENT", "ID")

    def run(self):
        try:
            self.work()
        except Exception as error:  # pylint: disable=broad-except
            self.failure = f"{self.name}: {error!r}"


class Producer(Client):
    def __init__(self, server, number):
        super().__init__(server, f"producer {number}")
        self.number = number
        self.made = []

    def element(self):
        element = b"%d:%06d%s" % (self.number, len(self.made), b"x" * self.random.choice([0, 0, 5, 300]))
        self.made.append(element)
        return element

    def work(self):
        while len(self.made) < ELEMENTS:
            queue = self.random.choice(QUEUES)
            elements = [self.element() for _ in range(self.random.randint(1, 4))]
            kind = self.random.randrange(4)
            if kind == 0:
                self.connection.call("RPUSH", queue, *elements)
            elif kind == 1:
                self.connection.send(b"".join(encode("RPUSH", queue, element) for element in elements))
                for _ in elements:
                    self.connection.read()
            elif kind == 2:
                requests = [("MULTI",), *(("RPUSH", queue, element) for element in elements), ("EXEC",)]
                self.connection.send(b"".join(encode(*words) for words in requests))
                for _ in requests:
                    self.connection.read()
            else:
                self.connection.call("EVAL", "for _,e in ipairs(ARGV) do redis.call('rpush',KEYS[1],e) end", "1", queue, *elements)


class Consumer(Client):
    """Takes from the head, so that what it sees of one producer in one queue is in its order."""

    def __init__(self, server, number):
        super().__init__(server, f"consumer {number}")
        self.taken = []

    def ask(self):
        queues = self.random.sample(QUEUES, self.random.randint(1, len(QUEUES)))
        timeout = self.random.choice(["0", "0.001", "0.01", "1"])
        kind = self.random.randrange(3)
        if kind < 2:
            reply = self.connection.call("BLPOP", *queues, END, timeout)
            return (reply[0], [reply[1]]) if reply else None
        reply = self.connection.call("BLMPOP", timeout, len(queues) + 1, *queues, END, "LEFT", "COUNT", self.random.randint(1, 3))
        return (reply[0], reply[1]) if reply else None

    def work(self):
        while True:
            found = self.ask()
            if found and found[0] == END:
                return
            self.taken += [(found[0], element) for element in found[1]] if found else []


class Leaver(Client):
    """Waits, and goes: closes its connection, or is unblocked or killed by the test."""

    def __init__(self, server, number, stop):
        super().__init__(server, f"leaver {number}")
        self.stop = stop
        self.lock = threading.Lock()

    def work(self):
        while not self.stop.is_set():
            queue = self.random.choice(QUEUES)
            try:
                self.connection.send(encode("BLMOVE", queue, MOVED, "LEFT", "RIGHT", self.random.choice(["0.002", "0.02", "0.1"])))
                if self.random.random() < 0.6:
                    self.connection.read()
                    continue
            except (Closed, OSError):
                pass  # killed
            self.connection.close()
            connection = self.server.connect(2)
            with self.lock:
                self.connection, self.id = connection, connection.call("CLIENT", "ID")


def disturb(server, leavers, stop):
    """Unblocks and kills those who can bear it."""
    source = random.Random(f"{SEED}/disturber")
    with server.connect() as connection:
        while not stop.is_set():
            with source.choice(leavers).lock:
                number = leavers[source.randrange(len(leavers))].id
            if source.random() < 0.7:
                connection.call("CLIENT", "UNBLOCK", number, source.choice(["TIMEOUT", "ERROR"]))
            else:
                connection.call("CLIENT", "KILL", "ID", number)


def orders(taken):
    """Of each producer and queue: the numbers, in the order in which they were taken."""
    seen = {}
    for queue, element in taken:
        producer, number = element.rstrip(b"x").split(b":")
        seen.setdefault((producer, queue), []).append(int(number))
    return seen


def run(threads):
    stop = threading.Event()
    with Superdb(threads=threads) as server:
        server.start()
        producers = [Producer(server, number) for number in range(PRODUCERS)]
        consumers = [Consumer(server, number) for number in range(CONSUMERS)]
        leavers = [Leaver(server, number, stop) for number in range(LEAVERS)]
        disturber = threading.Thread(target=disturb, args=(server, leavers, stop))
        everybody = [*producers, *consumers, *leavers]
        for thread in [*everybody, disturber]:
            thread.start()
        for producer in producers:
            producer.join(DEADLINE * 3)
        stop.set()
        for thread in [*leavers, disturber]:
            thread.join(DEADLINE)
        with server.connect() as connection:
            # Who comes for the end has passed queues that were empty: it stands behind them.
            for _ in range(3 * CONSUMERS):  # one of them may take three
                connection.call("RPUSH", END, "now")
            for consumer in consumers:
                consumer.join(DEADLINE)
            failures = [thread.failure for thread in everybody if thread.failure]
            failures += [f"{thread.name} has not ended" for thread in everybody if thread.is_alive()]
            left = [connection.call("LRANGE", queue, "0", "-1") for queue in QUEUES]
            moved = connection.call("LRANGE", MOVED, "0", "-1")
            waiting = b"\r\nblocked_clients:0\r\n" in connection.call("INFO", "clients")
    assert not failures, failures
    assert waiting, "somebody waits still"
    made = sorted(element for producer in producers for element in producer.made)
    taken = [element for consumer in consumers for _, element in consumer.taken]
    got = sorted(taken + moved + [element for queue in left for element in queue])
    assert got == made, (len(got), len(made), sorted(set(made) ^ set(got))[:10])
    for consumer in consumers:
        for (producer, queue), numbers in orders(consumer.taken).items():
            assert numbers == sorted(numbers), f"{consumer.name} saw {producer} in {queue} out of order: {numbers}"
    print(f"ok   {threads} threads: {len(made)} elements, {len(taken)} taken by {len(consumers)}, {len(moved)} moved by those who went")


def test_the_reply_of_one_that_is_served_waits_for_nobody_else():
    """Served by another thread's client, with requests behind it."""
    with Superdb(threads=2) as server:
        server.start()
        waiters = [server.connect(3) for _ in range(4)]
        with server.connect() as pusher:
            for number, waiter in enumerate(waiters):
                waiter.send(encode("BLPOP", "k", "0") + encode("PING"))
                while b"\r\nblocked_clients:%d\r\n" % (number + 1) not in pusher.call("INFO", "clients"):
                    pass
            for number, waiter in enumerate(waiters):
                pusher.call("RPUSH", "k", number)
                assert parse(waiter.read()) == [b"k", b"%d" % number]
                assert parse(waiter.read()) == b"PONG"
                waiter.close()


if __name__ == "__main__":
    test_the_reply_of_one_that_is_served_waits_for_nobody_else()
    for count in (1, 4):
        run(count)
    sys.exit(0)
