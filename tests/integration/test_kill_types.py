# SPDX-License-Identifier: BSD-3-Clause
# ctest-timeout: 900
"""
test_kill_types.py - SIGKILL under load on keys of every type: nothing acknowledged is lost, nothing happens by half (killing_types.py)

SUPERDB_KILL_ROUNDS (8) says how many rounds, SUPERDB_SEED which ones (a new seed each time else). SUPERDB_KEEP=1 keeps
the pool of a failure.
"""
import os
import sys
import time

from killing_types import KillingTypes


def main(rounds):
    rounds = int(os.environ.get("SUPERDB_KILL_ROUNDS", rounds))
    seed = int(os.environ.get("SUPERDB_SEED", time.time_ns() % 1000000))
    sys.exit(0 if KillingTypes(rounds, seed).run() else 1)


if __name__ == "__main__":
    main(8)
