# SPDX-License-Identifier: BSD-3-Clause
"""
differences.py - where SuperDB's replies differ from Redis' on purpose: one table, each row with its reason

A row is a command as the cases write it. Of its replies the kind is compared (an error, an array, a map), and not the
bytes.
"""

TABLE = [
    ("CLIENT HELP", "the help texts are SuperDB's own words"),
    ("COMMAND HELP", "as above"),
    ("CONFIG HELP", "as above"),
    ("LATENCY HELP", "as above"),
    ("MEMORY HELP", "as above"),
    ("OBJECT HELP", "as above"),
    ("PUBSUB HELP", "as above"),
    ("FUNCTION HELP", "as above"),
    ("SCRIPT HELP", "as above"),
    ("SLOWLOG HELP", "as above"),
    ("XGROUP HELP", "as above"),
    ("MODULE HELP", "as above"),
    ("XINFO HELP", "as above"),
    ("CONFIG SET databases 4", "the error says why: a pool has 16 databases"),
    ("CONFIG SET port abc", "options that are fixed after start-up are refused before their value is looked at"),
    ("COMMAND INFO CLIENT", "CLIENT SETINFO comes from a later Redis: current clients send it"),
    ("COMMAND INFO LATENCY", "LATENCY GRAPH, a drawing for people, is not offered"),
]

REASONS = {tuple(command.upper().encode().split()): why for command, why in TABLE}


def reason(words):
    """Why the command's replies differ, or None."""
    return REASONS.get(tuple(word.upper() for word in words))
