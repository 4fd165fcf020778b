# SPDX-License-Identifier: BSD-3-Clause
# ctest-timeout: 7200
"""test_embedded_long.py - test_embedded.py for a thousand kills"""
from test_embedded import Load, frame

if __name__ == "__main__":
    frame.main(Load, 500)
