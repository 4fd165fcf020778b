# SPDX-License-Identifier: BSD-3-Clause
"""sites.py - mutants of every place that stores, flushes or fences, found in the sources as they are

remove   a flush, a fence, a system call that syncs, the instruction behind them, or a call of a function that is a step of a
         commit: one that contains such a place, or calls one that does
less     a flush of too few lines: only the first, not the unaligned tail, not the first; of a list of lines not the first or last
torn     a word stored in two halves
swap     two steps of one function, one behind the other, in the other order, where one of them fences, or a store is flushed by
         the other. Else no fence is between them, and their order means nothing (docs/DURABILITY.md, P2)
"""
import glob
import os
import re

from source import Source

FLUSHES = {"persist_flush", "persist_flush_line", "persist_copy_nt", "persist_zero_nt"}
FENCES = {"persist_fence", "persist_fence_msync", "fsync", "fdatasync", "msync"}
STORES = {"persist_store", "persist_store_release", "persist_copy", "persist_zero", "pwrite"}
VOIDS = FLUSHES | {"persist_store", "persist_store_release", "persist_copy", "persist_zero"}
MEDIUM = re.compile(r"^pmem/(persist|alias)\.[ch]$")  # what is behind the functions; the harness has its own
FIRST = {  # scenarios to begin with, by what a file is about; only a matter of time
    "pmem/file.c": ("creation", "creation-pages", "reopen", "growth", "reopen-pages"),
    "pmem/file_state.c": ("creation", "creation-pages", "reopen", "growth", "reopen-pages"),
    "pmem/root.c": ("creation", "creation-pages", "reopen"),
    "pmem/space.c": ("creation", "creation-pages", "growth"),
    "pmem/heap_extent.c": ("pages", "reopen", "kinds", "extents", "splits"),
    "pmem/heap_quarantine.c": ("kinds", "full", "extents", "random"),
    "pmem/lane.c": ("reopen", "random", "big-deletes", "nested"),
    "pmem/lane_recovery.c": ("reopen", "nested", "random"),
    "pmem/tree_change.c": ("trees", "trees-drop"),
    "src/store/pool.c": ("reopen", "creation"),
}
INSTRUCTION = re.compile(r"__asm__ volatile\(")


class Mutant:
    def __init__(self, name, path, text, line, group, what, order=()):
        self.name, self.path, self.text, self.line, self.group, self.what = name, path, text, line, group, what
        self.order = order  # scenarios to begin with


def read_sources(root):
    paths = []
    for folder in ("pmem", "src/store"):
        for pattern in ("*.c", "*.h"):
            paths += glob.glob(os.path.join(root, folder, pattern))
    return {os.path.relpath(path, root): Source(os.path.relpath(path, root), open(path, encoding="utf-8").read())
            for path in sorted(paths)}


class Steps:
    """The functions that are steps of commits, or of a repair: those that flush, fence or write, and their callers."""

    def __init__(self, sources):
        self.fences = {}  # Function -> whether it fences
        functions = [f for s in sources.values() for f in s.functions if
                     not f.name.startswith(("persist_", "sdb_"))]
        for _ in range(2):
            found = {}
            for function in functions:
                source = sources[function.file]
                known = self.names(source)
                calls = source.calls(function, set(known) | FLUSHES | FENCES | {"pwrite"})
                if calls:
                    found[function] = any(c.name in FENCES or c.name in known and self.fences[known[c.name]] for c in calls)
            self.fences.update(found)

    def names(self, source):
        """{name: Function} of the steps that a source may call."""
        own = {f.name for f in source.functions}
        return {f.name: f for f in self.fences if f.file == source.path or not f.is_static and f.name not in own}


class Generator:
    def __init__(self, source, steps):
        self.source, self.steps, self.mutants, self.names = source, steps.names(source), [], {}
        self.fences = FENCES | {name for name, function in self.steps.items() if steps.fences[function]}
        self.sites = set(self.steps) | FLUSHES | FENCES | STORES

    def is_void(self, call):
        return call.name in VOIDS or call.name in self.steps and self.steps[call.name].is_void

    def add(self, function, group, what, at, *edits):
        key = f"{self.source.path}:{function.name}:{group} {what}"
        self.names[key] = self.names.get(key, 0) + 1
        name = key if self.names[key] == 1 else f"{key} #{self.names[key]}"
        self.mutants.append(Mutant(name, self.source.path, self.source.replaced(*edits), self.source.line(at), group, what,
                                   FIRST.get(self.source.path, ())))

    def generate(self):
        for function in self.source.functions:
            calls = self.source.calls(function, self.sites)
            for call in calls:
                if call.name not in STORES:
                    self.remove(function, call)
                if call.name == "persist_flush":
                    self.flush_less(function, call)
                if call.name == "persist_flush_line":
                    self.list_less(function, call)
                if call.name in ("persist_store", "persist_store_release"):
                    self.tear(function, call)
            for first, second in zip(calls, calls[1:]):
                self.swap(function, first, second)
            for match in () if not is_behind_the_seam(self.source.path) else INSTRUCTION.finditer(self.source.text, function.body.start, function.body.end):
                what = re.match(r'\s*"(\w*)', self.source.text[match.end():])
                statement = function.body.path(match.start())[-1]
                if what and what.group(1):
                    self.add(function, "remove", what.group(1), match.start(),
                             (match.start(), statement.end, '__asm__ volatile("" : : : "memory");'))
        return self.mutants

    def remove(self, function, call):
        replacement = "(void)0" if self.is_void(call) else "0"
        if call.name in ("persist_copy_nt", "persist_zero_nt"):
            rest = ", ".join(call.argument(self.source, i) for i in range(2, len(call.arguments)))
            replacement = f"{call.name[:-3]}({rest})"
        self.add(function, "remove", call.name, call.start, (call.start, call.end, replacement))

    def flush_less(self, function, call):
        persist, thread, start, size = (call.argument(self.source, i) for i in range(4))
        common = f"{persist}, {thread}, (const uint8_t *)({start})"
        self.add(function, "less", "only the first line", call.start,
                 (call.start, call.end, f"persist_flush_line({common})"))
        self.add(function, "less", "not the unaligned tail", call.start,
                 (call.start, call.end, f"persist_flush({common}, ({size}) & ~(size_t)63)"))
        self.add(function, "less", "not the first line", call.start,
                 (call.start, call.end, f"persist_flush({common} + 64, ({size}) > 64 ? ({size}) - 64 : 0)"))

    def list_less(self, function, call):
        """In a loop over a list, one of its lines is left out."""
        loops = [s for s in function.body.path(call.start) if s.kind == "loop"]
        if not loops:
            return
        code = self.source.code
        head = re.match(r"for \(\w+ (\w+) = (0); \1 < ([^;]+);", code[loops[-1].start:loops[-1].end])
        if not head:
            return
        base = loops[-1].start
        self.add(function, "less", "not the first of the list", call.start, (base + head.start(2), base + head.end(2), "1"))
        self.add(function, "less", "not the last of the list", call.start,
                 (base + head.start(3), base + head.end(3), f"({head.group(3)}) - ({head.group(3)} != 0)"))

    def tear(self, function, call):
        to, value = call.argument(self.source, 0), call.argument(self.source, 1)
        torn = ("({ uint64_t *to_ = (%s); uint64_t value_ = (%s); uint8_t *half_ = (uint8_t *)&value_; "
                "persist_copy(to_, half_, 4); persist_copy((uint8_t *)to_ + 4, half_ + 4, 4); })" % (to, value))
        self.add(function, "torn", call.name, call.start, (call.start, call.end, torn))

    def swap(self, function, first, second):
        flushed = first.name in STORES and second.name in FLUSHES
        if first.end > second.start or not (flushed or first.name in self.fences or second.name in self.fences):
            return
        a, b = function.body.path(first.start), function.body.path(second.start)
        depth = 0
        while depth < min(len(a), len(b)) and a[depth] is b[depth]:
            depth += 1
        if depth == len(a) and depth < len(b):  # the condition, and what it guards
            one, two = self.movable(None, first), self.movable(b[-1], second)
        elif depth in (len(a), len(b)) or a[depth - 1].kind != "block":
            return  # one expression, or alternatives
        else:
            one, two = self.movable(a[depth], first), self.movable(b[depth], second)
        self.add(function, "swap", f"{first.name} and {second.name}", first.start,
                 (one[0], one[1], self.placed(two, one)), (two[0], two[1], self.placed(one, two)))

    def movable(self, statement, call):
        """(start, end, is_void, is_statement) of what moves: the call, or the loop or condition that it stands in."""
        if statement is None or statement.kind == "simple":
            return call.start, call.end, self.is_void(call), False
        return statement.start, statement.end, True, True

    def placed(self, what, where):
        text = self.source.text[what[0]:what[1]]
        if what[2] == where[2] and not what[3] and not where[3]:
            return text
        inner = text if what[3] else text + ";"
        if where[3]:
            return f"{{ (void)0; {inner} }}"
        return f"({{ {inner} }})" if where[2] else f"({{ {inner} 0; }})"


def generate(root):
    sources = read_sources(root)
    steps = Steps(sources)
    mutants = []
    for source in sources.values():
        mutants += Generator(source, steps).generate()
    return mutants


def is_behind_the_seam(path):
    """Whether the crash harness has its own code in place of this file's, so that other tests must judge."""
    return bool(MEDIUM.match(path))
