# SPDX-License-Identifier: BSD-3-Clause
# ctest-timeout: 7200
"""test_kill_long.py - test_kill.py for hundreds of rounds"""
import test_kill

if __name__ == "__main__":
    test_kill.main(500)
