#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""shared-lines.py BENCH DIR [OPERATION...] [--json FILE] - the cache lines that an operation shares with other threads, and what it writes

valgrind's lackey tells every load and store of `superdb-bench lines`, which runs the operation in two threads one after the other.
Counted are, for a key:
  shared      lines that one of the threads writes and the other one touches: what would travel between two cores. Of them
  dram, pool  those outside of the pool (locks, sequences, the cache) and in it
  lines       of the pool, written: what is flushed; blocks: the same in 256 bytes, the unit of some persistent memory
  media       blocks written to the medium where its buffer of 64 blocks gathers what is written again (least recently used goes)
No count depends on timing. Errors: status 1 where the operations did not run to their end.
"""
import argparse
import collections
import json
import os
import subprocess
import sys
import tempfile

OPERATIONS = ["get", "get_many", "get_cold", "update", "group", "insert"]
LINE, BLOCK, BUFFER = 64, 256, 64
MARKS_SIZE = 4 * LINE


class Trace:
    """What a run touched: for each thread the lines it read and wrote, operation by operation."""

    def __init__(self):
        self.marks = self.pool_from = self.pool_to = self.keys = 0
        self.thread = None
        self.reads, self.writes = [set(), set()], [set(), set()]
        self.operations = [[], []]  # of each thread: (lines read, lines written)
        self.current = None
        self.buffer = collections.OrderedDict()
        self.lines = self.blocks = self.media = 0

    def place(self, words):
        if words[0] == "marks":
            self.marks = int(words[1], 16)
        elif words[0] == "pool":
            self.pool_from, self.pool_to = int(words[1], 16), int(words[2], 16)
        elif words[0] == "keys":
            self.keys = int(words[1])

    def mark(self, address):
        thread, end = divmod((address - self.marks) // LINE, 2)
        if not end:
            self.thread, self.current = thread, (set(), set())
            return
        reads, writes = self.current
        self.reads[thread] |= reads
        self.writes[thread] |= writes
        self.operations[thread].append(self.current)
        in_pool = {line for line in writes if self.is_in_pool(line)}
        blocks = {line * LINE // BLOCK for line in in_pool}
        self.lines += len(in_pool)
        self.blocks += len(blocks)
        for block in sorted(blocks):
            if block not in self.buffer:
                self.media += 1  # it leaves the buffer once for each time that it came in
            self.buffer[block] = True
            self.buffer.move_to_end(block)
            if len(self.buffer) > BUFFER:
                self.buffer.popitem(last=False)
        self.thread = self.current = None

    def is_in_pool(self, line):
        return self.pool_from <= line * LINE < self.pool_to

    def access(self, kind, address, size):
        if self.marks <= address < self.marks + MARKS_SIZE:
            if kind != "L":
                self.mark(address)
            return
        if self.current is None:
            return
        for line in range(address // LINE, (address + size - 1) // LINE + 1):
            if kind != "S":
                self.current[0].add(line)
            if kind != "L":
                self.current[1].add(line)

    def figures(self):
        shared = {line for me in (0, 1) for line in self.writes[me] & (self.reads[1 - me] | self.writes[1 - me])}
        touched = [(reads | writes) & shared for thread in self.operations for reads, writes in thread]
        keys = 2 * self.keys
        dram = sum(len([line for line in lines if not self.is_in_pool(line)]) for lines in touched)
        often = collections.Counter(line for lines in touched for line in lines)
        return {"shared": sum(map(len, touched)) / keys, "shared_dram": dram / keys,
                "shared_pool": sum(map(len, touched)) / keys - dram / keys,
                "shared_by_every_operation": len([line for line, times in often.items() if times > 0.9 * len(touched)]),
                "pool_lines": self.lines / keys, "pool_blocks": self.blocks / keys, "media_blocks": self.media / keys}


def run(bench, directory, operation):
    """The figures of an operation, or None where it failed."""
    pool = os.path.join(directory, "lines.pool")
    subprocess.run([bench, "lines", "--path", pool, "--prepare"], check=True)
    command = ["valgrind", "--tool=lackey", "--trace-mem=yes", "--log-fd=1", bench, "lines", "--path", pool, "--operation", operation]
    trace = Trace()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ, SUPERDB_SIMD="avx2")) as process:
        for line in process.stdout:
            if line[0] == " ":
                address, _, size = line[3:].partition(",")
                trace.access(line[1], int(address, 16), int(size))
            elif line[0] in "mpk":
                trace.place(line.split())
    os.remove(pool)
    if process.returncode != 0 or not trace.operations[1]:
        return None
    return trace.figures()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("bench")
    parser.add_argument("directory")
    parser.add_argument("operations", nargs="*")
    parser.add_argument("--json")
    options = parser.parse_args()
    table = {}
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        for operation in options.operations or OPERATIONS:
            table[operation] = run(options.bench, directory, operation)
            if table[operation] is None:
                sys.exit(f"shared-lines.py: {operation} did not run to its end")
            print(operation, " ".join(f"{name} {value:.2f}" for name, value in table[operation].items()), file=sys.stderr)
    if options.json:
        with open(options.json, "w", encoding="ascii") as file:
            json.dump(table, file, indent=1)


main()
