# SPDX-License-Identifier: BSD-3-Clause
"""equivalent.py - mutants that break nothing, each with its reason, by rule of docs/DURABILITY.md"""
REASONS = {
    "pmem/entry.c:entry_write_blob:torn persist_store":
        "E1, E2: nobody can reach a fresh blob before the fence of its commit, and the record verifies it",
    "pmem/file.c:write_new_superblock:swap write_at and sync_file #2":
        "P7, P8: copy A is synced before B is written, and B, which nobody needs, with the next change of state, before any commit",
}
