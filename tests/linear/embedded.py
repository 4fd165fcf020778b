# SPDX-License-Identifier: BSD-3-Clause
"""
embedded.py - threads of the embedded library (workload.c) that are killed, and the journal that they leave

The journal is a file that the workload maps; journal.h has its layout. A round: a new journal, a new process with some
number of threads on the same pool, a kill at a random count of returned operations, and the journal is read. The first
thing that each process does is to read everything: that is the first word on what the kill before left.
"""
import functools
import mmap
import os
import random
import shutil
import signal
import struct
import subprocess
import tempfile
import time

from clients_elements import COLLECTIONS
from elements import Elements
from harness import DEADLINE, ROOT, superdb_pool
from history import UNKNOWN, Operation
from model import ERROR, Model
from verdict import Group, Verdict

TRACKS = 6
TRACK_RECORDS = 32768
RECORD = struct.Struct("<QQIHBBqQqQIHH")
TRACK_SIZE = 64 + TRACK_RECORDS * RECORD.size
KINDS = ("nothing get set setnx setxx cas delete append exists add rename renamenx copy copynx move swap flush "
         "hset hsetnx hincrby hdel hget hgetall lpush rpush lpop rpop lmove lrange sadd srem sismember smove smembers "
         "zadd zincrby zrem zscore zpopmin zrange transaction aborted mget mset msetnx mdelete").split()
SIZES = (8, 8, 16, 24, 64, 300, 2000)  # of elements, as element_size has them
DIGEST_LIST = 0xcbf29ce484222325
DIGEST_COUNTER = 0x84222325cbf29ce4
DIGEST_COLLECTION = 0x9ce484222325cbf2
VALUES = 4  # a hash's fields from this number on are counters
DATABASE_KEYS = 2


def mix(digest, word):
    return (digest ^ (word & (1 << 64) - 1)) * 0x100000001b3 & (1 << 64) - 1


@functools.lru_cache(maxsize=100000)
def digest_of(value):
    """What workload.c notes of a value that it read."""
    if value is None:
        return 0
    if isinstance(value, int):
        return mix(DIGEST_COUNTER, value)
    digest = DIGEST_LIST
    for tag in value:
        digest = mix(digest, tag)
    return digest


@functools.lru_cache(maxsize=100000)
def digest_of_elements(value):
    """What collections.c notes of a collection that it read: of pairs both, in the model's order."""
    digest = DIGEST_COLLECTION
    for element in value:
        for word in element if isinstance(element, tuple) else (element,):
            digest = mix(digest, int(word))
    return digest


class Values(Model):
    """Lists of tags, which tell their size, and are read as digests."""

    def __init__(self, keys):
        super().__init__(keys, empty=(), digest=digest_of)

    def append(self, values, key, value):
        super().append(values, key, value)
        return sum(SIZES[tag % 7] for tag in values[key])


WHOLE = frozenset(["hgetall", "lrange", "smembers", "zrange"])
ELEMENT = frozenset(["hget", "lpop", "rpop", "lmove", "zscore", "zpopmin"])  # what they reply stands in `digest`
END = {"l": "left", "r": "right"}


class Record:
    """One record, and the action and reply that it stands for."""

    def __init__(self, fields):
        (self.invoked, self.returned, kind, self.group, self.key, self.other, self.argument, self.condition, self.result,
         self.digest, self.parts, self.is_part, self.in_group) = fields
        self.kind = KINDS[kind]

    def action(self):
        key, other, value = self.key, self.other, (self.argument,)
        return {
            "get": ("get", key), "set": ("set", key, value), "setnx": ("setnx", key, value),
            "setxx": ("set_if", key, "present", value), "cas": ("set_if", key, self.condition, value),
            "delete": ("delete", key), "append": ("append", key, value), "exists": ("exists", key),
            "add": ("add", key, self.argument), "rename": ("rename", key, other), "renamenx": ("renamenx", key, other),
            "copy": ("copy", key, other, True), "copynx": ("copy", key, other, False), "move": ("move", key, other),
            "swap": ("swap", (0, 2), (1, 3)), "flush": ("flush", *([0, 1] if key < DATABASE_KEYS else [2, 3])),
        }.get(self.kind) or self.action_on_elements()

    def action_on_elements(self):
        kind, key, name = self.kind, self.key, self.condition
        if kind in ("hset", "hsetnx", "hincrby"):
            return kind, key, name, self.argument
        if kind in ("lpush", "rpush"):
            return "push", key, END[kind[0]], self.argument
        if kind in ("lpop", "rpop"):
            return "pop", key, END[kind[0]]
        if kind == "zadd" or kind == "zincrby":
            return kind, key, name, self.argument
        if kind == "lmove":
            return kind, key, self.other
        if kind == "smove":
            return kind, key, self.other, name
        return (kind, key) if kind in WHOLE or kind == "zpopmin" else (kind, key, name)

    def reply(self):
        if self.kind == "get" or self.kind in WHOLE:
            return self.digest
        if self.kind in ELEMENT:
            return self.element() if self.result else None
        if self.kind == "zincrby":
            return self.result
        if self.kind in ("set", "swap", "flush"):
            return "OK"
        if self.kind in ("rename", "renamenx") and self.result < 0:
            return ERROR
        if self.kind == "rename":
            return "OK" if self.result else None
        return max(self.result, 0)

    def element(self):
        """The one that was read or taken."""
        if self.kind == "hget" and self.condition >= VALUES:
            return b"%d" % self.digest
        word = self.digest - (self.digest >> 63 << 64)
        return (word, self.condition) if self.kind == "zpopmin" else word


def compound(record, parts):
    """(action, reply) of a record that stands for those in front of it."""
    actions = [part.action() for part in parts]
    replies = tuple(part.reply() for part in parts)
    keys = [part.key for part in parts]
    if record.kind in ("transaction", "aborted"):
        return (record.kind, *actions), replies
    if record.kind == "mget":
        return ("mget", *keys), replies
    if record.kind == "mdelete":
        return ("delete", *keys), record.result
    pairs = [action[1:] for action in actions]
    return (record.kind, *pairs), "OK" if record.kind == "mset" else record.result


def operations_of(track, process):
    """(place of the group, operation) for each record of a thread."""
    parts = []
    for record in track:
        if record.is_part:
            parts.append(record)
            continue
        mine = [part for part in parts[len(parts) - record.parts:] if part.kind != "nothing"] if record.parts else []
        parts = []
        if record.kind == "nothing":
            continue
        if record.kind in KINDS[:KINDS.index("transaction")]:
            action, reply = record.action(), record.reply()
        else:
            action, reply = compound(record, mine)
        returned = record.returned or None
        yield record.group, Operation(process, record.invoked, returned, action, reply if returned else UNKNOWN,
                                      is_ordered=not record.in_group)


def standing(pid):
    """What each thread of a process is doing: its state, processor time, and where it waits."""
    threads = []
    for task in sorted(os.listdir(f"/proc/{pid}/task")):
        with open(f"/proc/{pid}/task/{task}/stat", encoding="ascii") as stat, \
                open(f"/proc/{pid}/task/{task}/wchan", encoding="ascii") as wchan:
            fields = stat.read().rpartition(")")[2].split()
            threads.append(f"{fields[0]} {fields[11]}+{fields[12]} {wchan.read()}")
    return ", ".join(threads)


class Journal:
    """The file, and what stands in it."""

    def __init__(self, path):
        self.path = path
        with open(path, "wb") as file:
            file.truncate(64 + TRACKS * TRACK_SIZE)
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 0)

    def opened(self):
        return struct.unpack_from("<Q", self.map, 0)[0]

    def returned(self):
        return struct.unpack_from("<Q", self.map, 8)[0]

    def full(self):
        return struct.unpack_from("<Q", self.map, 16)[0]

    def operations(self):
        for number in range(TRACKS):
            begin = 64 + number * TRACK_SIZE
            count = struct.unpack_from("<Q", self.map, begin)[0]
            data = self.map[begin + 64:begin + 64 + count * RECORD.size]
            yield from operations_of([Record(fields) for fields in RECORD.iter_unpack(data)], number)

    def close(self):
        self.map.close()
        os.unlink(self.path)


class Load:
    """Rounds of load and kill on one pool, and the verdict."""

    OPERATIONS = 8000  # returned at most, before the kill

    def __init__(self, seed):
        self.source = random.Random(seed)
        counts = [1] * 6 + [3] * 3 + [12, 4]
        self.verdict = Verdict([Group(f"group {number} of {count} keys", Values(count))
                                for number, count in enumerate(counts)] +
                               [Group(f"group {number}: {' '.join(types)}", Elements(len(types), digest=digest_of_elements))
                                for number, types in enumerate(COLLECTIONS, len(counts))])
        self.failures = self.verdict.failures
        self.directory = tempfile.mkdtemp(prefix="superdb-test-", dir=os.environ.get("SUPERDB_TEST_DIR", "/dev/shm"))
        self.pool = os.path.join(self.directory, "pool.sdb")
        self.program = os.path.join(os.environ.get("SUPERDB_BUILD_DIR", os.path.join(ROOT, "build", "release")),
                                    "tests", "linear_workload")
        self.base = 1
        self.messages = os.path.join(self.directory, "messages")

    def start(self, journal, threads):
        self.base += 1 << 32
        with open(self.messages, "wb") as messages:
            return subprocess.Popen([self.program, self.pool, journal.path, str(threads), str(self.base)],
                                    stdin=subprocess.DEVNULL, stderr=messages)

    def failed(self, number, process):
        with open(self.messages, "rb") as messages:
            text = messages.read()[-2000:].decode("utf-8", "replace")
        self.failures.append(f"round {number}: the workload ended with {process.returncode}\n{text}")

    def kill_at(self, number, process, reached):
        """Kills as soon as reached() says so. Nothing new in the journal for DEADLINE: a failure, which says where its threads are."""
        seen, deadline, stuck = None, 0.0, None
        while not reached() and process.poll() is None and not stuck:
            noted, now = (self.current.opened(), self.current.returned()), time.monotonic()
            if noted != seen:
                seen, deadline = noted, now + DEADLINE
            elif now >= deadline:
                stuck = f"round {number}: nothing happened for {DEADLINE} s, behind {noted[1]} operations; {standing(process.pid)}"
            time.sleep(0.0002)
        process.kill()
        process.wait()
        if process.returncode != -signal.SIGKILL:
            self.failed(number, process)
        elif stuck:
            self.failures.append(stuck)

    def kill_while_opening(self, number):
        """The journal of that one is read too: it may have come far enough to look at something."""
        process = self.start(self.journal(), 1)
        until = time.monotonic() + self.source.uniform(0, 0.006)
        self.kill_at(number, process, lambda: time.monotonic() > until)

    def journal(self):
        self.current = Journal(os.path.join(self.directory, "journal"))
        return self.current

    def judge(self):
        histories = [[] for _ in self.verdict.groups]
        for place, operation in self.current.operations():
            histories[place].append(operation)
        self.current.close()
        self.verdict.round(histories)

    def round(self, number):
        if number % 5 == 4:
            self.kill_while_opening(number)
            self.judge()
        journal = self.journal()
        wanted = self.source.randrange(self.OPERATIONS)
        process = self.start(journal, self.source.randint(1, TRACKS))
        self.kill_at(number, process, lambda: journal.full() or journal.opened() and journal.returned() >= wanted)
        self.judge()

    def finish(self):
        """A last start that reads everything, closes the pool, and leaves a sound one."""
        process = self.start(self.journal(), 0)
        if process.wait(DEADLINE) != 0:
            self.failed("last", process)
        self.judge()
        result = subprocess.run([superdb_pool(), "check", self.pool], capture_output=True, timeout=120, check=False)
        if result.returncode != 0:
            self.failures.append(f"superdb-pool check: {(result.stdout + result.stderr).decode()[-2000:]}")

    def run(self, rounds):
        """True where nothing was found."""
        try:
            for number in range(rounds):
                self.round(number)
                if self.failures:
                    return False
            self.finish()
        finally:
            if not (self.failures and os.environ.get("SUPERDB_KEEP")):
                shutil.rmtree(self.directory)
        return not self.failures
