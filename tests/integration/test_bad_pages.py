# SPDX-License-Identifier: BSD-3-Clause
"""
test_bad_pages.py - pages that the medium has lost for good: a repair writes them anew, keeps every key that does not need them, names or
counts the others, and the pool serves again

superdb-pool-medium is the tool on a medium with bad pages (tests/faults/medium.c): they raise SIGBUS and give EIO until a write of the
whole page, and stay bad from one process to the next.
"""
import os
import random
import re
import struct
import subprocess
import tempfile

import harness
from harness import Error, run_tests

KEYS = 400
PAGE = 4096
STATE_REPAIR = {True: 3, False: 4}  # of a pool that was killed, or closed
GIVEN_UP = (1 << 48) - 1  # the value of a lane's header
ROUNDS = 14
SEED = int(os.environ.get("SUPERDB_SEED", "4711"))
TOOL = os.path.join(os.environ["SUPERDB_BUILD_DIR"], "tests", "faults", "superdb-pool-medium")
SUMMARY = re.compile(r"(\d+) problems, (\d+) left; (\d+) keys kept, (\d+) lost by name, (\d+) lost without, (\d+|an unknown number) without a trace")


def key_of(i):
    return b"key:%d" % i if i % 3 else b"a long name of a key that is a blob itself:%d" % i


def value_of(i):
    return b"%d" % (i * 7919) if i % 4 == 0 else b"value %d of a key, " % i * (1 + i % 40)


class Medium:
    """A pool with KEYS keys, closed or killed, whose pages go bad."""

    def __init__(self, killed=False):
        self.server = harness.Superdb([], pool_size="16mb")
        self.server.start()
        with self.server.connect() as connection:
            for reply in connection.pipeline([("SET", key_of(i), value_of(i)) for i in range(KEYS)]):
                assert harness.parse(reply) == b"OK"
        if killed:
            self.server.kill()
        else:
            self.server.terminate()
            assert self.server.wait() == 0, self.server.log()
        self.pool = self.server.pool
        with open(self.pool, "rb") as file:
            self.image = file.read()
        self.list = os.path.join(self.server.directory, "bad")
        self.write_list([])

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.server.__exit__(*what)

    def write_list(self, offsets):
        with open(self.list, "wb") as file:
            file.write(b"".join(struct.pack("=Q", at & ~(PAGE - 1)) for at in offsets))

    def bad(self):
        with open(self.list, "rb") as file:
            data = file.read()
        return [at for (at,) in struct.iter_unpack("=Q", data) if at + 1 < 1 << 64]

    def restore(self):
        with open(self.pool, "r+b") as file:
            file.write(self.image)

    def tool(self, *arguments, **environment):
        environment = {**os.environ, "SUPERDB_BAD_PAGES": self.list, **environment}
        done = subprocess.run([TOOL, *arguments, self.pool], env=environment, capture_output=True, timeout=60, check=False)
        return done.returncode, (done.stdout + done.stderr).decode(errors="replace")

    def serve(self):
        """Every key that is not there; the others are right, and writes are taken."""
        self.server.start()
        with self.server.connect() as connection:
            replies = [harness.parse(reply) for reply in connection.pipeline([("GET", key_of(i)) for i in range(KEYS)])]
            assert not any(isinstance(reply, Error) for reply in replies), replies
            assert all(reply in (None, value_of(i)) for i, reply in enumerate(replies)), replies
            assert connection.call("SET", "new", "value") == b"OK"
            assert connection.call("DEL", "new") == 1
        self.server.terminate()
        assert self.server.wait() == 0, self.server.log()
        return [i for i, reply in enumerate(replies) if reply is None]

    def layout(self):
        """The first lane's offset, and the first that is no lane's."""
        return struct.unpack_from("=2Q", self.image, 144)

    def traced_repair(self, bad, watched=0):
        """Repairs a copy on a disk; [(what, its numbers)] of what was written and synced, and the word at an offset then."""
        with tempfile.TemporaryDirectory(prefix="superdb-medium-", dir="/var/tmp") as directory:
            pool, trace = os.path.join(directory, "pool.sdb"), os.path.join(directory, "trace")
            with open(pool, "wb") as file:
                file.write(self.image)
            self.write_list(bad)
            environment = {**os.environ, "SUPERDB_BAD_PAGES": self.list, "SUPERDB_MEDIUM_TRACE": trace, "SUPERDB_MEDIUM_WATCH": str(watched)}
            done = subprocess.run([TOOL, "check", "--repair", pool], env=environment, capture_output=True, timeout=60, check=False)
            assert done.returncode == 0 and self.bad() == [], done
            with open(trace, encoding="ascii") as file:
                return [(line.split()[0], *map(int, line.split()[1:])) for line in file]

    def used_pages(self, start=0):
        return [at for at in range(start, len(self.image), PAGE) if self.image[at:at + PAGE].strip(b"\0")]


def repair(medium, **environment):
    """Repairs without and with storing, checks, serves. Returns the keys that are gone, and what was said."""
    bad = medium.bad()
    status, dry = medium.tool("check", "--repair", "--dry-run", **environment)
    assert status == 1 and medium.bad() == bad, (status, dry)
    status, text = medium.tool("check", "--repair", **environment)
    assert status == 0 and medium.bad() == [], (status, text)
    assert SUMMARY.search(dry).groups() == SUMMARY.search(text).groups(), (dry, text)
    *numbers, untraced = SUMMARY.search(text).groups()
    problems, left, kept, named, unnamed = map(int, numbers)
    assert problems >= len(bad) and left == 0, text
    for at in bad:
        assert f"offset {at}: the medium has lost" in text or at - PAGE in bad, (at, text)
    assert medium.tool("check")[0] == 0
    gone = medium.serve()
    assert kept == KEYS - len(gone), (kept, gone, text)
    counters = struct.unpack_from("<Q", medium.image, 120)[0] & ~(PAGE - 1)
    if counters in bad or counters + PAGE in bad:  # the counts of the last close are lost
        assert untraced == "an unknown number" and len(gone) >= named + unnamed, (gone, text)
    else:
        assert len(gone) == named + unnamed + int(untraced), (gone, text)
    assert named == sum(f': key "{key_of(i).decode()}" of' in text for i in gone), (gone, text)
    return gone, text


def test_the_page_of_a_value_costs_the_keys_on_it_and_they_are_named():
    with Medium() as medium:
        at = medium.image.find(value_of(77)) & ~(PAGE - 1)
        medium.write_list([at])
        status, text = medium.tool("check")
        assert status == 1 and "the medium could not give 1 pages" in text, (status, text)
        gone, text = repair(medium)
        assert 77 in gone and len(gone) < 60, gone
        assert 'LOST: its value is damaged: the checksum is wrong: key "key:77" of database 0' in text, text


def test_any_pages_may_be_bad_and_the_pool_serves_again():
    generator = random.Random(SEED)
    lost = 0
    with Medium() as medium:
        for i in range(ROUNDS):
            medium.write_list(sorted(generator.sample(medium.used_pages(), 1 + i % 3)))
            if {0, PAGE} <= set(medium.bad()):
                continue
            gone, _ = repair(medium)
            lost += len(gone)
            medium.restore()
    assert lost > 0


def test_a_pool_that_was_killed_is_recovered_around_its_bad_pages():
    generator = random.Random(SEED)
    with Medium(killed=True) as medium:
        pages = medium.used_pages(2 * PAGE)
        for i in range(ROUNDS // 2):
            medium.write_list(sorted(generator.sample(pages, 1 + i % 2)))
            status, text = medium.tool("check", "--repair")
            assert status == 0 and medium.bad() == [], (status, text)
            gone = medium.serve()
            # No counts say how many there were: what the index led to is told of.
            assert not gone or "LOST" in text or "has lost" in text, (gone, text)
            medium.restore()


def test_what_a_bad_page_still_gives_is_kept():
    with Medium() as medium:
        at = medium.image.find(value_of(77)) & ~(PAGE - 1)
        medium.write_list([at])
        whole, _ = repair(medium)
        medium.restore()
        medium.write_list([at])
        part, _ = repair(medium, SUPERDB_BAD_FROM="2048")
        assert set(part) < set(whole), (part, whole)


def position(trace, what, offset):
    """Where a range that holds an offset was written, or written back, for the first time."""
    found = [i for i, event in enumerate(trace) if event[0] == what and event[1] <= offset < event[1] + event[2]]
    assert found, (what, offset, trace)
    return found[0]


def test_a_repair_is_announced_before_a_page_is_written_anew():
    for killed in (False, True):
        with Medium(killed) as medium:
            lane, _ = medium.layout()
            at = medium.image.find(value_of(77)) & ~(PAGE - 1)
            trace = medium.traced_repair([PAGE, lane, at])
            # The copy first, before anything is announced in it; the other pages when both say so.
            assert STATE_REPAIR[killed] not in trace[position(trace, "write", PAGE)][3:5], trace
            for page in (lane, at):
                assert trace[position(trace, "write", page)][3:5] == (STATE_REPAIR[killed], STATE_REPAIR[killed]), (page, trace)


def test_a_lane_is_given_up_durably_before_other_pages_are_written_anew():
    with Medium(killed=True) as medium:
        lane, heap = medium.layout()
        at = medium.image.find(value_of(77)) & ~(PAGE - 1)
        for bad, first in (([lane + PAGE, at], lane + PAGE), ([lane, lane + PAGE], lane + PAGE), ([lane, at], at)):
            assert lane + PAGE < heap <= at
            trace = medium.traced_repair(bad, lane)
            given_up, written = position(trace, "msync", lane), position(trace, "write", first)
            assert given_up < written and trace[written][5] & GIVEN_UP == GIVEN_UP, (bad, trace)
            if lane in bad:
                assert position(trace, "write", lane) < given_up, (bad, trace)


def test_a_page_that_stays_bad_although_it_was_written_is_told_of():
    with Medium() as medium:
        at = medium.image.find(value_of(77)) & ~(PAGE - 1)
        medium.write_list([at])
        status, text = medium.tool("check", "--repair", SUPERDB_BAD_FOR_GOOD="3")
        assert status == 2 and "repaired" not in text and medium.bad() == [at], (status, text)
        assert "repair of it was cut short" in medium.tool("check")[1]
        gone, _ = repair(medium)
        assert 77 in gone


def test_a_page_that_takes_no_write_is_given_back_or_told_of():
    with Medium() as medium:
        at = medium.image.find(value_of(77)) & ~(PAGE - 1)
        medium.write_list([at])
        status, text = medium.tool("check", "--repair", SUPERDB_BAD_FOR_GOOD="2")
        assert status == 2 and f"does not take the page at offset {at}" in text and medium.bad() == [at], (status, text)
        # Nobody but a repair opens it now.
        assert "repair of it was cut short" in medium.tool("check")[1]
        gone, _ = repair(medium, SUPERDB_BAD_FOR_GOOD="1")
        assert 77 in gone


if __name__ == "__main__":
    run_tests(globals())
