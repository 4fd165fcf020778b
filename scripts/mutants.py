#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""mutants.py [--build DIR] [--jobs N] [--sample] [--list] [--quick] [--out FILE] [--cache FILE]
           [--resume FILE] [--renew] [PATTERN...]

Breaks the engine on purpose, one place at a time, and says which of the crash images and tests notice: each flush and fence
removed, flushes of too few lines, torn stores, steps of a commit in the other order (tests/mutants/sites.py finds the places
in the sources as they are), and the faults that stores of this kind have had (tests/mutants/named.py). Fails where a mutant survives
that tests/mutants/equivalent.py does not explain, and where one is explained that is killed, or is not there any more.

Of the scenarios and tests each mutant is judged by those that come to it (tests/mutants/reach.py: measured once for a state of the sources,
a few minutes), beginning with what killed it the last time (tests/mutants/killers.json), up to the first that is red.

--build    a build directory with the targets crash_images and the unit tests up to date (build/release: it is built)
--sample   a few mutants of each kind, as ctest runs them
--quick    no long runs for those that short runs let live; those that are explained get what takes a minute
--cache    remembers what killed each mutant, too (mutants.json in the build directory)
--renew    writes what killed each mutant to tests/mutants/killers.json
--resume   a run that was ended goes on: verdicts are kept in FILE, and those given on the same sources and tests stand
--list     names only; PATTERN: only mutants whose name contains it
"""
import argparse
import collections
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
import reach  # noqa: E402
import sites  # noqa: E402

SERVER_TESTS = ("test_reply_order.py",)
MEDIUM_TESTS = ("test_bad_pages.py",)
TARGETS = ("crash_images", "superdb-server", "superdb-server-faults", "superdb-pool", "superdb-pool-medium", "faults_files")
JUDGED_BY = ("pmem", "src", "include", "tests/crash", "tests/unit", "tests/faults",
             *(f"tests/integration/{test}" for test in (*SERVER_TESTS, *MEDIUM_TESTS)))
SECONDS_MAX = 4  # a unit test that takes longer is left out, but for these
SECONDS_EXPLAINED = 60  # as measured with counters, which double them
LONGER = ("file_crash", "power_cut", "repair", "check")
NEAR = 4  # of those that kill a mutant's neighbours, so many go first
COLUMNS = ("crash", "long", "unit", "programs")  # who kills
KILLERS = os.path.join(ROOT, "tests", "mutants", "killers.json")


def unit_tests():
    """Those of the layers that mutants are made in, which need nothing of the server, the tools, the bench and the client."""
    names = [name[len("test_"):-2] for name in sorted(os.listdir(os.path.join(ROOT, "tests", "unit"))) if name.startswith("test_")]
    others = (("server", "src/server"), ("tools", "src/tools"), ("bench", "bench"), ("client", "src/client"))

    def is_module(name, *folders):
        return any(os.path.exists(os.path.join(ROOT, folder, name + ".c")) for folder in folders)

    return [name for name in names if not name.endswith("_long") and not any(name.startswith(layer + "_") for layer, _ in others) and (
        is_module(name, "pmem", "src/store") or not is_module(name, *(folder for _, folder in others)))]


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
    parser.add_argument("--renew", action="store_true")
    parser.add_argument("patterns", nargs="*")
    return parser.parse_args()


def build_release():
    directory = os.path.join(ROOT, "build", "release")
    subprocess.run([os.path.join(ROOT, "scripts", "install-deps.sh"), "build", "test"], check=True)
    subprocess.run(["cmake", "--preset", "release"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    targets = [*TARGETS, *(f"test_{test}" for test in unit_tests())]
    subprocess.run(["cmake", "--build", directory, "--target", *targets], check=True, stdout=subprocess.DEVNULL)
    return directory


def every_suite(control):
    """All scenarios, and the tests that judge the layers below the server."""
    return [*(("crash", scenario) for scenario in control.scenarios(None)), *(("unit", test) for test in unit_tests()),
            ("faults", "files"), *(("medium", test) for test in MEDIUM_TESTS)]


def leaves_unseen(suite, what):
    """Whether processes of a test may end without a word of what they counted: where it forks, to kill them."""
    folder = {"unit": "unit", "faults": "faults"}.get(suite)
    if not folder:
        return False
    with open(os.path.join(ROOT, "tests", folder, f"test_{what}.c"), encoding="utf-8") as file:
        return "fork(" in file.read()


class Suites:
    """Who may kill a mutant, and in which order."""

    def __init__(self, options, control, reached):
        self.options, self.reached = options, reached
        self.every = control.scenarios(None)
        self.units = unit_tests()

    def named(self, mutant):
        """Those that a mutant's file or its own entry in named.py names."""
        if getattr(mutant, "suites", None):
            return list(mutant.suites)
        tests = [("unit", test) for test in getattr(mutant, "tests", None) or ()]
        return tests or [("crash", s) for s in mutant.order if s in self.every]

    def coming(self, mutant):
        """Those that come to it; all of them where nobody knows."""
        if not self.reached:
            first = [s for s in judge.SCENARIOS_FIRST if s in self.every]
            return [*(("crash", s) for s in dict.fromkeys([*first, *self.every])), *(("unit", test) for test in self.units)]
        coming = self.reached.order(mutant, self.original(mutant))
        return [*coming, *(suite for suite in self.including(mutant) if suite not in coming)]

    def including(self, mutant):
        """Tests that compile what a header says themselves, where nothing is counted."""
        if not mutant.path.endswith(".h"):
            return []
        name = f'#include "{os.path.basename(mutant.path)}"'
        return [("unit", test) for test in self.units if name in self.text(os.path.join("tests", "unit", f"test_{test}.c"))]

    def is_long(self, suite, what):
        return self.reached and suite == "unit" and what not in LONGER and self.reached.runs[f"unit {what}"]["seconds"] > SECONDS_MAX

    def of(self, mutant, known, near):
        """known: what killed it the last time; near: what kills others in its neighbourhood."""
        if self.options.sample:
            return [("crash", s) for s in dict.fromkeys([*mutant.order, *judge.SCENARIOS_FIRST, *self.every]) if s in self.every]
        if mutant.path.startswith("src/server/"):
            return [*known, *(("server", test) for test in SERVER_TESTS)]
        coming, named_ones = self.coming(mutant), [*self.named(mutant), *near]
        suites = [*known, *(s for s in named_ones if not self.reached or s in coming), *(s for s in coming if not self.is_long(*s))]
        if not self.options.quick and mutant.name not in equivalent.REASONS:
            suites += [("long", (seed, what)) for seed in judge.DEEP[1] for suite, what in coming if suite == "crash"]
        suites = list(dict.fromkeys(suites))
        return self.within(SECONDS_EXPLAINED, suites) if self.options.quick and mutant.name in equivalent.REASONS else suites

    def within(self, seconds, suites):
        """The first of them, as many as take so long."""
        taken = []
        for suite, what in suites:
            seconds -= self.reached.runs.get(f"{suite} {what}", {"seconds": 0})["seconds"] if self.reached else 0
            if seconds >= 0:
                taken.append((suite, what))
        return taken

    @staticmethod
    def text(path):
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            return file.read()

    def original(self, mutant):
        return self.text(mutant.path)

    def is_impossible(self, mutant, verdict):
        """Whether a mutant was killed by what does not come to it."""
        if not self.reached or not verdict.run or f"{verdict.run[0]} {verdict.run[1]}" not in self.reached.runs:
            return False
        return tuple(verdict.run) not in self.coming(mutant)

    def limit(self, suite, what):
        usual = judge.CPU_LIMIT_DEEP if suite == "long" else judge.CPU_LIMIT
        return self.reached.limit(suite, what, usual) if self.reached else usual


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
        for known in (KILLERS, path):
            if os.path.exists(known):
                with open(known, encoding="utf-8") as file:
                    self.runs.update(json.load(file))

    def find(self, name):
        run = self.runs.get(name)
        return [(run[0], tuple(run[1]) if isinstance(run[1], list) else run[1])] if run else []

    def near(self, mutant, mutants):
        """What kills most others of its function, then of its file."""
        place = mutant.name.rsplit(":", 1)[0]
        nearest = collections.Counter()
        for other in mutants:
            for suite, what in self.find(other.name):
                if other.path == mutant.path and other is not mutant and suite != "long":
                    nearest[suite, what] += 100 if other.name.startswith(place + ":") else 1
        return [run for run, _ in nearest.most_common(NEAR)]

    def note(self, name, verdict):
        if verdict.killed and verdict.run:
            self.runs[name] = list(verdict.run)
        else:
            self.runs.pop(name, None)
        self.write(self.path)

    def write(self, path):
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write("{\n" + ",\n".join(f"{json.dumps(name)}: {json.dumps(run)}" for name, run in sorted(self.runs.items())) + "\n}\n")
        os.replace(path + ".new", path)


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


def judge_all(build, mutants, suites, cache, verdicts, out):
    todo, results, lock = queue.Queue(), {}, threading.Lock()
    options = suites.options
    # What nothing is known of first, what is said to change nothing last.
    for mutant in sorted(mutants, key=lambda m: (m.name in equivalent.REASONS, bool(cache.find(m.name)))):
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
                verdict = mine.judge(mutant, suites.of(mutant, cache.find(mutant.name), cache.near(mutant, mutants)), suites.limit)
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


def prepare(build, options, verdicts):
    """(Suites, whether anything is red without any mutant). Both are looked at once for a state of the sources."""
    control = judge.Judge(build)
    try:
        if options.sample:
            return Suites(options, control, None), is_red(control, [("crash", "reopen")])
        path = os.path.join(build.directory, "mutants-reach.json")
        stamp = verdicts.digest()
        known = reach.Reach.load(path, stamp)
        if known or options.patterns:
            return Suites(options, control, known), not known and is_red(control, [("crash", "reopen")])
        known, reds = reach.measure(control, stamp, every_suite(control), leaves_unseen)
        if is_red(control, [*reds, *(("server", test) for test in SERVER_TESTS)]):
            return None, True
        known.save(path)
        print(f"who comes where: {sum(run['seconds'] for run in known.runs.values()):.0f} s of CPU", flush=True)
        return Suites(options, control, known), False
    finally:
        control.close()


def is_red(control, suites):
    """Whether any is red as it is; with counters in it it may be, where it counts instructions, too."""
    for suite, what in suites:
        untouched = control.suite(None, suite, what)
        if untouched.killed:
            print(f"without any mutant: {untouched.judge}: {untouched.how}: {untouched.detail}")
            return True
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
    suites, red = prepare(build, options, verdicts)
    if red:
        return 1
    cache = Cache(options.cache or os.path.join(build.directory, "mutants.json"))
    out = open(options.out, "w", encoding="utf-8") if options.out else sys.stdout
    results = judge_all(build, mutants, suites, cache, verdicts, out)
    if options.renew:
        cache.runs = {name: run for name, run in cache.runs.items() if name in names}
        cache.write(KILLERS)
    wrong += [f"reach.py says that {' '.join(results[m.name].run)} does not come to {m.name}, and kills it" for m in mutants
              if suites.is_impossible(m, results[m.name])]
    wrong += summary(mutants, results, time.monotonic() - begun)
    for line in wrong:
        print(f"FAILED: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
