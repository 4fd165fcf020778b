# SPDX-License-Identifier: BSD-3-Clause
# ctest-timeout: 7200
"""test_clients_long.py - test_clients.py for a thousand kills"""
from test_clients import Load, frame

if __name__ == "__main__":
    frame.main(Load, 500)
