# SPDX-License-Identifier: BSD-3-Clause
# ctest-timeout: 900
"""test_clients.py - what RESP clients saw, across kills, is durably linearizable (clients.py records, checker.py judges)"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

import frame  # noqa: E402
from clients import Load  # noqa: E402

KILLS = 12

if __name__ == "__main__":
    frame.main(Load, KILLS)
