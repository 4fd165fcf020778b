# SPDX-License-Identifier: BSD-3-Clause
"""
differences.py - where SuperDB's replies differ from Redis' on purpose: one table, each row with its reason

A row names the beginning of a command. Rows are for replies that cannot be the same; a row never hides an error text that
Redis' clients rely on.
"""

TABLE = [
    # (the command's first words, why the replies differ)
]


def reason(words):
    upper = [word.upper() for word in words]
    for prefix, why in TABLE:
        wanted = prefix.upper().encode().split()
        if upper[:len(wanted)] == wanted:
            return why
    return None
