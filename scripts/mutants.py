#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""mutants.py [--build DIR] [--jobs N] [--sample] [--list] [--quick] [--out FILE] [PATTERN...]

Breaks the engine on purpose, one place at a time, and says which of the crash images and tests notice: each flush and fence
removed, flushes of too few lines, torn stores, steps of a commit in the other order (tests/mutants/sites.py finds the places
in the sources as they are), and the faults that stores of this kind have had (tests/mutants/named.py). Fails where a mutant survives
that tests/mutants/equivalent.py does not explain, and where one is explained that is killed, or is not there any more.

--build    a build directory with the targets crash_images and the unit tests up to date (build/release: it is built)
--sample   a few mutants of each kind, as ctest runs them
--quick    no long runs for those that short runs let live
--list     names only; PATTERN: only mutants whose name contains it
"""
import argparse
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

TESTS_OF = {"pmem/repair": ("repair",), "src/store/repair": ("repair",)}  # files that no scenario runs
UNIT_TESTS = ("persist", "instruction", "budget", "file", "file_crash", "file_sync", "power_cut", "durability", "lane", "heap", "session", "check", "threads")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--sample", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--out")
    parser.add_argument("patterns", nargs="*")
    return parser.parse_args()


def build_release():
    directory = os.path.join(ROOT, "build", "release")
    subprocess.run([os.path.join(ROOT, "scripts", "install-deps.sh"), "build", "test"], check=True)
    subprocess.run(["cmake", "--preset", "release"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    targets = ["crash_images"] + [f"test_{test}" for test in (*UNIT_TESTS, "repair", "cache", "entry", "read")]
    subprocess.run(["cmake", "--build", directory, "--target", *targets], check=True, stdout=subprocess.DEVNULL)
    return directory


def report(mutant, verdict, out):
    explained = equivalent.REASONS.get(mutant.name)
    if verdict.killed:
        line = f"killed    {mutant.name}: {verdict.judge}: {verdict.how}: {verdict.detail[:160]}"
    else:
        line = f"{'explained' if explained else 'SURVIVED '} {mutant.name}" + (f": {explained}" if explained else "")
    print(f"{verdict.seconds:6.1f} s  {line}", file=out, flush=True)


def judge_all(build, mutants, options, out):
    todo, results, lock = queue.Queue(), {}, threading.Lock()
    for mutant in mutants:
        todo.put(mutant)

    def work():
        mine = judge.Judge(build)
        try:
            while True:
                try:
                    mutant = todo.get_nowait()
                except queue.Empty:
                    return
                deep = not (options.quick or options.sample or mutant.name in equivalent.REASONS)
                own = [tests for path, tests in TESTS_OF.items() if mutant.path.startswith(path)]
                tests = () if options.sample else getattr(mutant, "tests", None) or (own[0] if own else UNIT_TESTS)
                verdict = mine.judge(mutant, deep, tests, bool(own) or sites.is_behind_the_seam(mutant.path))
                with lock:
                    results[mutant.name] = verdict
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
    judges = ("crash images", "crash images, long", "unit", "compiler")
    print(f"\n{'kind':12} {'mutants':>8} {'images':>8} {'long':>6} {'unit':>6} {'explained':>10} {'survived':>9}")
    wrong = []
    totals = [0] * 6
    real = [m for m in mutants if results[m.name].judge != "compiler"]
    for group in dict.fromkeys(m.group for m in real):
        row = [0] * 6
        for mutant in (m for m in real if m.group == group):
            verdict, explained = results[mutant.name], mutant.name in equivalent.REASONS
            row[0] += 1
            if verdict.killed:
                row[1 + judges.index("unit" if verdict.judge.startswith("unit_") else verdict.judge)] += 1
            else:
                row[4 if explained else 5] += 1
            if verdict.killed and explained:
                wrong.append(f"{mutant.name} was said to be equivalent, and is killed: {verdict.detail}")
            elif not verdict.killed and not explained:
                wrong.append(f"{mutant.name} survived")
        totals = [a + b for a, b in zip(totals, row)]
        print(f"{group:12} {row[0]:8} {row[1]:8} {row[2]:6} {row[3]:6} {row[4]:10} {row[5]:9}")
    print(f"{'all':12} {totals[0]:8} {totals[1]:8} {totals[2]:6} {totals[3]:6} {totals[4]:10} {totals[5]:9}")
    hangs = sum(1 for v in results.values() if v.how == "hang")
    print(f"score: {totals[1] + totals[2] + totals[3]} of {totals[0] - totals[4]} that are not equivalent, "
          f"{hangs} of them by a hang; {len(mutants) - len(real)} do not compile, or to the same code, and do not count; {seconds:.0f} s")
    return wrong


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
    control = judge.Judge(build)
    try:
        untouched = control.crash(None, only=["reopen"] if options.sample else None)
    finally:
        control.close()
    if untouched.killed:
        print(f"without any mutant: {untouched.judge}: {untouched.how}: {untouched.detail}")
        return 1
    out = open(options.out, "w", encoding="utf-8") if options.out else sys.stdout
    results = judge_all(build, mutants, options, out)
    wrong += summary(mutants, results, time.monotonic() - begun)
    for line in wrong:
        print(f"FAILED: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
