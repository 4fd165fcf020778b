# SPDX-License-Identifier: BSD-3-Clause
# ctest-timeout: 900
"""test_embedded.py - what threads of the embedded library saw, across kills, is durably linearizable (embedded.py records, checker.py judges)"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

import frame  # noqa: E402
from embedded import Load  # noqa: E402

KILLS = 12

if __name__ == "__main__":
    frame.main(Load, KILLS)
