# SPDX-License-Identifier: BSD-3-Clause
"""
test_scrub.py - SDB.SCRUB: damage that nobody reads is found while the server serves, told in INFO and the log, and never served
"""
import mmap
import os
import time

from harness import DEADLINE, Error, Superdb, run_tests

KEYS = 300


def value_of(i):
    return b"value %d of a key that nobody reads, " % i * 20


def status(connection):
    reply = connection.call("SDB.SCRUB", "STATUS")
    return {reply[i]: reply[i + 1] for i in range(0, len(reply), 2)}


def scrub(connection, *rate):
    """Runs a round to its end; each STATUS is a round trip, so that this is no busy loop."""
    rounds = status(connection)[b"rounds"]
    assert connection.call("SDB.SCRUB", "START", *rate) == b"OK"
    deadline = time.monotonic() + DEADLINE
    while status(connection)[b"rounds"] == rounds:
        assert time.monotonic() < deadline, status(connection)
    return status(connection)


def damage(path, needle):
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        at = memory.find(needle)
        assert at > 0, needle
        memory[at + 6] ^= 1
        return at


def test_damage_that_nobody_reads_is_found_and_named():
    with Superdb().start() as server, server.connect() as connection:
        for i in range(KEYS):
            assert connection.call("SET", b"key:%d" % i, value_of(i)) == b"OK"
        good = scrub(connection, "RATE", "0")
        assert good[b"last_problems"] == 0 and good[b"keys"] == KEYS and good[b"percent"] == 100, good
        at = damage(server.pool, value_of(77)[:20])
        found = scrub(connection, "RATE", "0")
        assert found[b"last_problems"] == 1 and found[b"problems_since_start"] == 1, found
        info = connection.call("INFO", "persistence")
        assert b"scrub_last_problems:1\r\n" in info and b"scrub_in_progress:0\r\n" in info, info
        assert "key key:77" in server.log(), server.log()
        assert isinstance(connection.call("GET", "key:77"), Error)
        assert connection.call("GET", "key:78") == value_of(78)
        assert at > 0


def test_a_scrub_keeps_to_its_rate_and_ends_when_told():
    with Superdb().start() as server, server.connect() as connection:
        for i in range(KEYS):
            assert connection.call("SET", b"key:%d" % i, value_of(i)) == b"OK"
        assert connection.call("SDB.SCRUB", "START", "RATE", "1000") == b"OK"
        assert isinstance(connection.call("SDB.SCRUB", "START"), Error)
        assert status(connection)[b"running"] == 1 and status(connection)[b"rate"] == 1000
        assert connection.call("SDB.SCRUB", "STOP") == b"OK"
        assert status(connection)[b"rounds"] == 0
        assert connection.call("CONFIG", "SET", "scrub-rate", "1gb") == b"OK"
        for wrong in (("START", "RATE"), ("START", "RATE", "x"), ("START", "RATE", "-1"), ("STOP", "1"), ("nothing",)):
            assert isinstance(connection.call("SDB.SCRUB", *wrong), Error), wrong
        deadline = time.monotonic() + DEADLINE
        while isinstance(connection.call("SDB.SCRUB", "START"), Error):
            assert time.monotonic() < deadline
        while status(connection)[b"rounds"] == 0:
            assert time.monotonic() < deadline


def test_a_scrub_takes_its_time():
    """So many bytes take so many seconds, and INFO says how far it is."""
    with Superdb().start() as server, server.connect() as connection:
        for i in range(KEYS):
            assert connection.call("SET", b"key:%d" % i, value_of(i)) == b"OK"
        read = scrub(connection, "RATE", "0")[b"bytes"]
        begun = time.monotonic()
        seen = set()
        assert connection.call("SDB.SCRUB", "START", "RATE", str(read)) == b"OK"
        while status(connection)[b"running"] == 1:
            info = connection.call("INFO", "persistence")
            if b"scrub_in_progress:1" in info:
                seen.add(float(info.split(b"scrub_percent:")[1].split(b"\r")[0]))
            assert time.monotonic() < begun + DEADLINE
        assert time.monotonic() - begun > 0.7, "a second's bytes"
        assert len(seen) > 3 and all(0 <= percent <= 100 for percent in seen), seen
        assert status(connection)[b"bytes"] == read


def test_a_scrub_begins_by_itself():
    with Superdb(["--scrub-interval", "1"]).start() as server, server.connect() as connection:
        assert connection.call("SET", "key", "value") == b"OK"
        deadline = time.monotonic() + DEADLINE
        while status(connection)[b"rounds"] < 2:
            assert time.monotonic() < deadline


if __name__ == "__main__":
    run_tests(globals())
