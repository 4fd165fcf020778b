# SPDX-License-Identifier: BSD-3-Clause
"""equivalent.py - mutants that break nothing, each with its reason, by rule of docs/DURABILITY.md"""
REASONS = {
    "pmem/entry.c:entry_write_blob_parts:torn persist_store":
        "E1, E2: nobody can reach a fresh blob before the fence of its commit, and the record verifies it",
    "recovery: of a clean pool, too":
        "E4, E7: the words of each lane's newest records are in place already, and storing them again changes nothing",
}
