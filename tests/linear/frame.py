# SPDX-License-Identifier: BSD-3-Clause
"""
frame.py - a test that runs a load for some kills, for a fixed seed and a new one, and tells what it found

SUPERDB_LINEAR_ROUNDS says how many kills of each seed, SUPERDB_SEED which seed (a fixed one and a new one else).
SUPERDB_KEEP=1 keeps the pool of a failure.
"""
import os
import sys
import time


def run(make_load, rounds, seed):
    begun = time.monotonic()
    print(f"seed {seed}, {rounds} kills")
    load = make_load(seed)
    good = load.run(rounds)
    for failure in load.failures[:10]:
        print(f"FAIL {failure}")
    print(f"{load.verdict.summary()}; {time.monotonic() - begun:.1f} s in all, seed {seed}")
    sys.stdout.flush()
    return good


def main(make_load, rounds):
    rounds = int(os.environ.get("SUPERDB_LINEAR_ROUNDS", rounds))
    seed = os.environ.get("SUPERDB_SEED")
    seeds = [int(seed)] if seed else [1, time.time_ns() % 1000000]
    results = [run(make_load, rounds, seed) for seed in seeds]
    sys.exit(0 if all(results) else 1)
