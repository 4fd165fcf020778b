#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""mutants.py [--build DIR] [--jobs N] [--sample] [--list] [--quick] [--out FILE] [--cache FILE]
           [--resume FILE] [PATTERN...]

Breaks the engine on purpose, one place at a time, and says which of the crash images and tests notice: each flush and fence
removed, flushes of too few lines, torn stores, steps of a commit in the other order (tests/mutants/sites.py finds the places
in the sources as they are), and the faults that stores of this kind have had (tests/mutants/named.py). Fails where a mutant survives
that tests/mutants/equivalent.py does not explain, and where one is explained that is killed, or is not there any more.

--build    a build directory with the targets crash_images and the unit tests up to date (build/release: it is built)
--sample   a few mutants of each kind, as ctest runs them
--quick    no long runs for those that short runs let live
--cache    remembers what killed each mutant, which then goes first the next time (mutants.json in the build directory)
--resume   a run that was ended goes on: verdicts are kept in FILE, and those given on the same sources and tests stand
--list     names only; PATTERN: only mutants whose name contains it
"""
import argparse
import hashlib
import json
import os
import queue
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "mutants"))
sys.dont_write_bytecode = True

import equivalent  # noqa: E402
import judge  # noqa: E402
import named  # noqa: E402
import sites  # noqa: E402

UNIT_TESTS = ("persist", "instruction", "step", "budget", "file", "pool", "file_crash", "file_sync", "power_cut", "durability", "lane",
              "heap", "session", "check", "database", "threads")
OTHER_TESTS = ("repair", "cache", "entry", "read", "collection", "hash", "list", "fill", "whole", "packed", "stream", "stream_check",
               "stream_model")
SERVER_TESTS = ("test_reply_order.py",)
TARGETS = ("crash_images", "superdb-server-faults", "superdb-pool", "faults_files")
JUDGED_BY = ("pmem", "src", "include", "tests/crash", "tests/unit", "tests/faults", "tests/integration/test_reply_order.py")
LIKELY = 6  # scenarios that run before the unit tests, which take less time than all of them
COLUMNS = ("crash", "long", "unit", "server")  # who kills


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--sample", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--out")
    parser.add_argument("--cache")
    parser.add_argument("--resume")
    parser.add_argument("patterns", nargs="*")
    return parser.parse_args()


def build_release():
    directory = os.path.join(ROOT, "build", "release")
    subprocess.run([os.path.join(ROOT, "scripts", "install-deps.sh"), "build", "test"], check=True)
    subprocess.run(["cmake", "--preset", "release"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    targets = [*TARGETS, *(f"test_{test}" for test in (*UNIT_TESTS, *OTHER_TESTS))]
    subprocess.run(["cmake", "--build", directory, "--target", *targets], check=True, stdout=subprocess.DEVNULL)
    return directory


def suites_of(mutant, options):
    """Who may kill it, the cheapest first."""
    if options.sample:
        return [("crash", None)]
    if getattr(mutant, "suites", None):
        return list(mutant.suites)
    if mutant.path.startswith("src/server/"):
        return [("server", test) for test in SERVER_TESTS]
    if "repair" in mutant.path:
        return list(named.REPAIRS)
    units = [("unit", test) for test in getattr(mutant, "tests", None) or UNIT_TESTS]
    if sites.is_behind_the_seam(mutant.path):
        return units
    if mutant.path == "pmem/file.c":
        units += [("unit", "repair"), ("faults", "files")]
    wide = not options.quick and mutant.name not in equivalent.REASONS
    likely = [("crash", scenario) for scenario in (*mutant.order, *judge.SCENARIOS_FIRST)[:LIKELY]]
    return [*likely, *units, ("crash", None), *(("long", seed) for seed in judge.DEEP[1] if wide)]


def report(mutant, verdict, out):
    explained = equivalent.REASONS.get(mutant.name)
    if verdict.killed:
        line = f"killed    {mutant.name}: {verdict.judge}: {verdict.how}: {verdict.detail[:160]}".replace("\n", " ")
    else:
        line = f"{'explained' if explained else 'SURVIVED '} {mutant.name}" + (f": {explained}" if explained else "")
    print(f"{verdict.seconds:6.1f} s  {line}", file=out, flush=True)


class Cache:
    """What killed a mutant the last time. A hint: it is run again, and where it is green, so is everything else."""

    def __init__(self, path):
        self.path, self.runs = path, {}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                self.runs = json.load(file)

    def note(self, name, verdict):
        if verdict.killed and verdict.run:
            self.runs[name] = list(verdict.run)
        else:
            self.runs.pop(name, None)
        with open(self.path + ".new", "w", encoding="utf-8") as file:
            json.dump(self.runs, file, indent=0, sort_keys=True)
        os.replace(self.path + ".new", self.path)


class Verdicts:
    """What has been judged on these very sources and tests: a line of JSON for each mutant, added as it is judged."""

    def __init__(self, path, options):
        self.path, self.quick, self.known = path, bool(options.quick or options.sample), {}
        self.sources = self.digest() if path else ""
        if path and os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                for line in file:
                    entry = json.loads(line)
                    self.known[entry.pop("mutant")] = entry

    @staticmethod
    def digest():
        state = hashlib.sha256()
        for top in JUDGED_BY:
            path = os.path.join(ROOT, top)
            files = [path] if os.path.isfile(path) else sorted(os.path.join(folder, name) for folder, _, names in os.walk(path)
                                                               for name in names if name.endswith((".c", ".h")))
            for name in files:
                with open(name, "rb") as file:
                    state.update(name[len(ROOT):].encode() + b"\0" + file.read())
        return state.hexdigest()

    def stamp(self, mutant):
        return hashlib.sha256((self.sources + mutant.text).encode()).hexdigest()

    def find(self, mutant):
        """The verdict that stands, or None. That nothing short killed it says nothing of the long runs."""
        entry = self.known.get(mutant.name)
        if entry is None or entry["stamp"] != self.stamp(mutant) or (entry["quick"] and not self.quick and not entry["killed"]):
            return None
        return judge.Verdict(entry["killed"], entry["judge"], entry["how"], entry["seconds"], entry["detail"], entry["run"])

    def note(self, mutant, verdict):
        if not self.path:
            return
        entry = {"mutant": mutant.name, "stamp": self.stamp(mutant), "quick": self.quick, "killed": verdict.killed,
                 "judge": verdict.judge, "how": verdict.how, "seconds": round(verdict.seconds, 1), "detail": verdict.detail,
                 "run": list(verdict.run)}
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def judge_all(build, mutants, options, verdicts, out):
    todo, results, lock = queue.Queue(), {}, threading.Lock()
    cache = Cache(options.cache or os.path.join(build.directory, "mutants.json"))
    for mutant in mutants:
        verdict = verdicts.find(mutant)
        if verdict:
            results[mutant.name] = verdict
        else:
            todo.put(mutant)
    if options.resume:
        print(f"{len(results)} of {len(mutants)} are judged already", file=out, flush=True)

    def work():
        mine = judge.Judge(build)
        try:
            while True:
                try:
                    mutant = todo.get_nowait()
                except queue.Empty:
                    return
                verdict = mine.judge(mutant, suites_of(mutant, options), cache.runs.get(mutant.name))
                with lock:
                    results[mutant.name] = verdict
                    cache.note(mutant.name, verdict)
                    verdicts.note(mutant, verdict)
                    report(mutant, verdict, out)
        finally:
            mine.close()

    workers = [threading.Thread(target=work) for _ in range(max(1, options.jobs))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return results


def summary(mutants, results, seconds):
    """Prints the table; returns what is wrong."""
    columns = ("mutants", *COLUMNS, "explained", "survived")
    print(f"\n{'kind':12}" + "".join(f"{column:>10}" for column in columns))
    wrong = []
    totals = [0] * len(columns)
    real = [m for m in mutants if results[m.name].judge != "compiler"]
    for group in dict.fromkeys(m.group for m in real):
        row = [0] * len(columns)
        for mutant in (m for m in real if m.group == group):
            verdict, explained = results[mutant.name], mutant.name in equivalent.REASONS
            row[0] += 1
            if verdict.killed:
                row[columns.index(verdict.judge)] += 1
            else:
                row[-2 if explained else -1] += 1
            if verdict.killed and explained:
                wrong.append(f"{mutant.name} was said to be equivalent, and is killed: {verdict.detail}")
            elif not verdict.killed and not explained:
                wrong.append(f"{mutant.name} survived")
        totals = [a + b for a, b in zip(totals, row)]
        print(f"{group:12}" + "".join(f"{n:10}" for n in row))
    print(f"{'all':12}" + "".join(f"{n:10}" for n in totals))
    hangs = sum(1 for v in results.values() if v.how == "hang")
    print(f"score: {sum(totals[1:-2])} of {totals[0] - totals[-2]} that are not equivalent, "
          f"{hangs} of them by a hang; {len(mutants) - len(real)} do not compile, or to the same code, and do not count; {seconds:.0f} s")
    return wrong


class Untouched:
    """No mutant: what is noted of it is that everything is green."""

    name, text = "without any mutant", ""


def is_red_untouched(build, options, verdicts):
    """Whether anything is red without any mutant; looked at once on the same sources where a run goes on."""
    if verdicts.find(Untouched):
        return False
    every = [("crash", None), *(("unit", test) for test in (*UNIT_TESTS, *OTHER_TESTS)),
             ("faults", "files"), *(("server", test) for test in SERVER_TESTS)]
    some = options.sample or options.patterns
    control = judge.Judge(build)
    try:
        for name, what in [("crash", "reopen")] if some else every:
            untouched = control.suite(None, name, what)
            if untouched.killed:
                print(f"{Untouched.name}: {untouched.judge}: {untouched.how}: {untouched.detail}")
                return True
    finally:
        control.close()
    if not some:
        verdicts.note(Untouched, judge.Verdict(True, "none"))
    return False


def main():
    options = arguments()
    mutants = sites.generate(ROOT) + named.generate(ROOT)
    names = [m.name for m in mutants]
    wrong = [f"equivalent.py explains {name}, which is not there" for name in equivalent.REASONS if name not in names]
    if len(set(names)) != len(names):
        wrong.append("two mutants have the same name")
    if options.sample:
        mutants = [m for m in mutants if m.name in named.SAMPLE]
        wrong += [f"named.py samples {name}, which is not there" for name in named.SAMPLE if name not in names]
    elif options.patterns:
        mutants = [m for m in mutants if any(p in m.name for p in options.patterns)]
    if options.list:
        print("\n".join(f"{m.name}  ({m.path}:{m.line})" for m in mutants))
        return 0
    begun = time.monotonic()
    build = judge.Build(ROOT, os.path.abspath(options.build) if options.build else build_release())
    verdicts = Verdicts(options.resume, options)
    if is_red_untouched(build, options, verdicts):
        return 1
    out = open(options.out, "w", encoding="utf-8") if options.out else sys.stdout
    results = judge_all(build, mutants, options, verdicts, out)
    wrong += summary(mutants, results, time.monotonic() - begun)
    for line in wrong:
        print(f"FAILED: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
