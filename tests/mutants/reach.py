# SPDX-License-Identifier: BSD-3-Clause
"""reach.py - which lines of the engine each scenario and test executes, and how many seconds of CPU it takes

Who never comes to a line cannot notice what it does: a mutant is judged by those that do, the cheapest first. The engine is
compiled once with counters for its lines (gcov), and each suite run by itself. A test whose processes are killed, or leave without
a word, or that is red with the counters in it, loses what it counted and is taken to come to every line.
"""
import difflib
import glob
import json
import os
import resource
import subprocess

COUNTERS = ["--coverage", "-fprofile-update=atomic"]
CPU_LIMIT = 300
LINK_SECONDS = 1.0  # what it takes to link another program; scenarios share one


def is_engine(path):
    return path.startswith(("pmem/", "src/store/"))


def changed_lines(old, new):
    """The lines of the old text (from 1 on) that the new one changes, or has something else in front of or behind."""
    lines = set()
    for tag, first, last, _, _ in difflib.SequenceMatcher(None, old.split("\n"), new.split("\n"), autojunk=False).get_opcodes():
        if tag == "insert":
            lines |= {first, first + 1}
        elif tag != "equal":
            lines |= set(range(first + 1, last + 1))
    return lines


def sets(lines):
    return {path: set(numbers) for path, numbers in lines.items()}


def lists(lines):
    return {path: sorted(numbers) for path, numbers in lines.items()}


class Reach:
    """counted: {path: the lines that have counters}; runs: {"suite what": {"seconds": CPU, "all": whether it comes everywhere,
    "lines": {path: those that it executes}}}"""

    def __init__(self, stamp):
        self.stamp, self.counted, self.runs = stamp, {}, {}

    @staticmethod
    def load(path, stamp):
        """What was measured on the very same sources and tests, or None."""
        if not os.path.exists(path):
            return None
        with open(path, encoding="utf-8") as file:
            kept = json.load(file)
        if kept["stamp"] != stamp:
            return None
        reach = Reach(stamp)
        reach.counted = sets(kept["counted"])
        reach.runs = {name: {**run, "lines": sets(run["lines"])} for name, run in kept["runs"].items()}
        return reach

    def save(self, path):
        runs = {name: {**run, "lines": lists(run["lines"])} for name, run in self.runs.items()}
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump({"stamp": self.stamp, "counted": lists(self.counted), "runs": runs}, file)
        os.replace(path + ".new", path)

    def note(self, suite, what, seconds, everywhere, lines, counted):
        self.runs[f"{suite} {what}"] = {"seconds": round(seconds, 2), "all": everywhere, "lines": lines}
        for path, found in counted.items():
            self.counted.setdefault(path, set()).update(found)

    def limit(self, suite, what, usual):
        """Seconds of CPU behind which a run hangs."""
        run = self.runs.get(f"{suite} {what}")
        return max(usual, int(5 * run["seconds"])) if run else usual

    def places(self, mutant, original):
        """The lines with counters that stand for what a mutant changes: its own, or their neighbours where they have none. None: any."""
        counted = self.counted.get(mutant.path)
        if not counted:
            return None
        places = set()
        for line in changed_lines(original, mutant.text):
            if line in counted:
                places.add(line)
                continue
            before, after = [n for n in counted if n < line], [n for n in counted if n > line]
            if not before or not after:
                return None
            places |= {max(before), min(after)}
        return places

    def order(self, mutant, original):
        """[(suite, what)] of those that come to a mutant, the cheapest first; behind them those that may."""
        places, found = self.places(mutant, original), []
        for name, run in self.runs.items():
            seen = places is None or bool(places & run["lines"].get(mutant.path, set()))
            if seen or run["all"]:
                suite, what = name.split(" ", 1)
                found.append((not seen, run["seconds"] + (0 if suite == "crash" else LINK_SECONDS), suite, what))
        return [(suite, what) for _, _, suite, what in sorted(found)]


class Counting:
    """The programs with counters, and what one run of them counts."""

    def __init__(self, judge):
        self.judge, self.home = judge, os.path.join(judge.home, "counting")
        self.objects, self.notes = {}, {}
        os.makedirs(self.home)

    def counting(self, objects):
        """The same objects, those of the engine with counters."""
        return [self.compiled(o) if is_engine(self.judge.build.commands[o][1]) else o for o in objects]

    def compiled(self, original):
        if original not in self.objects:
            output = os.path.join(self.home, f"{len(self.objects)}.o")
            result = self.judge.compile(output, self.judge.build.commands[original][0] + COUNTERS)
            if result.returncode != 0:
                raise RuntimeError(result.stderr)
            self.objects[original] = output
        return self.objects[original]

    def linked(self, suite, what):
        name, objects, target = self.judge.made_of(suite, what)
        program = self.judge.link(name, tuple(self.counting(objects)), [*self.judge.build.libraries(target), "-lgcov"])
        return self.judge.command(suite, what, program)

    def run(self, suite, what):
        """(seconds of CPU, whether it is red, {path: lines executed}, {path: lines with counters})"""
        data = os.path.join(self.home, "data")
        os.makedirs(data)
        environment = {"GCOV_PREFIX": data, "GCOV_PREFIX_STRIP": str(self.home.count(os.sep))}
        command, own = self.linked(suite, what)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        red = self.judge.run(command, CPU_LIMIT, {**own, **environment})
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        lines, counted = self.read(data)
        subprocess.run(["rm", "-r", data], check=True)
        return seconds, red, lines, counted

    def read(self, data):
        lines, counted = {}, {}
        files = sorted(glob.glob(os.path.join(data, "*.gcda")))
        for file in files:
            note = os.path.basename(file)[:-4] + "gcno"
            os.symlink(os.path.join(self.home, note), os.path.join(data, note))
        if not files:
            return lines, counted
        told = subprocess.run(["gcov", "--json-format", "--stdout", *files], cwd=data, capture_output=True, text=True, check=True)
        for document in told.stdout.splitlines():
            document = json.loads(document)
            for source in document["files"]:
                path = os.path.relpath(os.path.join(document["current_working_directory"], source["file"]), self.judge.tree)
                if is_engine(path):
                    counted.setdefault(path, set()).update(line["line_number"] for line in source["lines"])
                    lines.setdefault(path, set()).update(line["line_number"] for line in source["lines"] if line["count"])
        return lines, counted


def measure(judge, stamp, suites, leaves_unseen):
    """(Reach, [(suite, what)] that were red with the counters in them). Runs each suite by itself; leaves_unseen: whether its
    processes may end without having written what they counted."""
    counting, reach, reds = Counting(judge), Reach(stamp), []
    for suite, what in suites:
        seconds, red, lines, counted = counting.run(suite, what)
        if red:
            reds.append((suite, what))
        reach.note(suite, what, seconds, bool(red) or leaves_unseen(suite, what), lines, counted)
    return reach, reds
