# SPDX-License-Identifier: BSD-3-Clause
# ctest-timeout: 7200
"""test_kill_types_long.py - test_kill_types.py for hundreds of rounds"""
import test_kill_types

if __name__ == "__main__":
    test_kill_types.main(300)
